//! A light client: the frames of the data plane over a WebSocket, and no encryption. It is what the load generator runs
//! by the thousand, and what tests use to say to a server things that the real client never would.

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task,
};

use alcyon_wire::{DropSecret, EntryId, LogId, PROTOCOL_VERSION, Seat, SeatKey, SeatSecret, ServerUrl, proto};
use anyhow::{Context, anyhow, bail};
use futures::{SinkExt, StreamExt};
use prost::Message as _;
use proto::{client_frame, server_frame};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// One WebSocket to a server, with the answers that nobody has asked for yet.
#[derive(Debug)]
pub struct LightClient {
    socket: WebSocketStream<Stream>,
    last_request: u64,
    unread: VecDeque<proto::ServerFrame>,
}

impl LightClient {
    /// Connects and agrees on a version. `tls` is needed for an `https` server only.
    pub async fn connect(server: &ServerUrl, tls: Option<&Arc<rustls::ClientConfig>>) -> anyhow::Result<Self> {
        Self::connect_from(server, tls, Origin::default()).await
    }

    /// The same from an address of one's choice.
    pub async fn connect_from(server: &ServerUrl, tls: Option<&Arc<rustls::ClientConfig>>, origin: Origin) -> anyhow::Result<Self> {
        let mut client = Self::connect_without_hello(server, tls, origin).await?;
        match client.call(client_frame::Body::Hello(proto::Hello { versions: vec![PROTOCOL_VERSION] })).await? {
            server_frame::Body::HelloOk(_) => Ok(client),
            other => Err(refused(&other)),
        }
    }

    /// Connects and says nothing.
    pub async fn connect_without_hello(
        server: &ServerUrl,
        tls: Option<&Arc<rustls::ClientConfig>>,
        origin: Origin,
    ) -> anyhow::Result<Self> {
        let stream = Stream::connect(server, tls, origin).await?;
        let config =
            WebSocketConfig::default().read_buffer_size(8 * 1024).write_buffer_size(16 * 1024).max_message_size(None).max_frame_size(None);
        let url = format!("{}/v1/logs", server.to_websocket());
        let (socket, _response) = client_async_with_config(url, stream, Some(config)).await.context("WebSocket handshake")?;
        Ok(Self { socket, last_request: 0, unread: VecDeque::new() })
    }

    /// Sends a request and waits for its answer; other frames wait for [`Self::next`].
    pub async fn call(&mut self, body: client_frame::Body) -> anyhow::Result<server_frame::Body> {
        let request = self.post(body).await?;
        self.flush().await?;
        loop {
            let frame = self.read().await?;
            if frame.request == request {
                return frame.body.ok_or_else(|| anyhow!("an answer without body"));
            }
            self.unread.push_back(frame);
        }
    }

    /// Puts a request into the buffer; it leaves with [`Self::flush`] or when the buffer is full. Its number comes back.
    pub async fn post(&mut self, body: client_frame::Body) -> anyhow::Result<u64> {
        self.last_request += 1;
        let frame = proto::ClientFrame { request: self.last_request, body: Some(body) };
        self.post_bytes(frame.encode_to_vec()).await?;
        Ok(self.last_request)
    }

    /// The same with bytes that need not be a frame at all.
    pub async fn post_bytes(&mut self, bytes: Vec<u8>) -> anyhow::Result<()> {
        Ok(self.socket.feed(Message::Binary(bytes.into())).await?)
    }

    /// Sends what was posted.
    pub async fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.socket.flush().await?)
    }

    /// The next frame.
    pub async fn next(&mut self) -> anyhow::Result<proto::ServerFrame> {
        match self.unread.pop_front() {
            Some(frame) => Ok(frame),
            None => self.read().await,
        }
    }

    /// Says goodbye and waits until the server has too.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.socket.close(None).await?;
        while let Some(Ok(_)) = self.socket.next().await {}
        Ok(())
    }

    async fn read(&mut self) -> anyhow::Result<proto::ServerFrame> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => return proto::ServerFrame::decode(bytes).context("a malformed server frame"),
                Some(Ok(Message::Close(_))) | None => bail!("the server closed the connection"),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }
}

/// Turns a refusal, or any other answer than the one hoped for, into an error.
#[must_use]
pub fn refused(body: &server_frame::Body) -> anyhow::Error {
    match body {
        server_frame::Body::Refusal(refusal) => {
            anyhow!("refused: {:?} {:?} {} {}", refusal.verdict(), refusal.code(), refusal.field, refusal.message)
        }
        other => anyhow!("an unexpected answer: {other:?}"),
    }
}

/// Arguments for a server at which light clients create logs: they have no account to get stamps by, and work would be measured
/// in place of what is to be.
pub const NOTHING_TO_PAY: [&str; 2] = ["--stamps-required", "off"];

/// For a server that is measured from its first moment: it does not begin carefully.
pub const AT_ONCE: &str = "--admission-start-per-second=100000000";

/// A log with the one seat that a light client has there.
#[derive(Debug, Clone)]
pub struct LightLog {
    /// The log and the secret of the seat.
    pub seat: SeatKey,
    /// What may drop the seat.
    pub drop_secret: DropSecret,
}

impl LightLog {
    /// Chosen at random; nothing is on the server yet.
    #[must_use]
    pub fn random() -> Self {
        let seat = SeatKey { log: LogId::from(random_bytes()), secret: SeatSecret::from(random_bytes()) };
        Self { seat, drop_secret: DropSecret::from(random_bytes()) }
    }

    /// Another seat at the same log.
    #[must_use]
    pub fn sibling(&self) -> Self {
        let seat = SeatKey { log: self.seat.log, secret: SeatSecret::from(random_bytes()) };
        Self { seat, drop_secret: DropSecret::from(random_bytes()) }
    }

    /// The seat as the server keeps it.
    #[must_use]
    pub fn as_seat(&self) -> Seat {
        Seat { id: self.seat.seat_id(), drop_hash: self.drop_secret.hash(self.seat.log), keep: true, invite: true }
    }

    /// The request that creates the log with these seats.
    #[must_use]
    pub fn create(seats: &[&Self]) -> client_frame::Body {
        let log = seats.first().map(|seat| seat.seat.log.to_field()).unwrap_or_default();
        client_frame::Body::Create(proto::Create {
            log,
            seats: seats.iter().map(|seat| seat.as_seat().to_field()).collect(),
            payment: None,
        })
    }

    /// The request that appends `payload` under a new entry id.
    #[must_use]
    pub fn append(&self, payload: bytes::Bytes) -> client_frame::Body {
        let entry_id = EntryId::from(random_bytes()).to_field();
        client_frame::Body::Append(proto::Append { seat: Some(self.seat.to_field()), entry_id, payload, commit_count: 0 })
    }

    /// What a subscribe frame says of this log.
    #[must_use]
    pub fn subscription(&self, after: u64) -> proto::Subscription {
        proto::Subscription { seat: Some(self.seat.to_field()), after }
    }
}

/// Bytes from the operating system.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Where a connection comes from: by default the operating system decides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin(Option<Ipv4Addr>);

impl Origin {
    /// 127.x.y.1: all of 127.0.0.0/8 is this machine, and a server's limits count by the first 24 bits.
    #[must_use]
    pub fn loopback(x: u8, y: u8) -> Self {
        Self(Some(Ipv4Addr::new(127, x, y, 1)))
    }
}

/// TCP, with or without TLS.
#[derive(Debug)]
pub enum Stream {
    /// Without.
    Plain(TcpStream),
    /// With.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects to a server, over TLS if its address says so.
    pub async fn connect(server: &ServerUrl, tls: Option<&Arc<rustls::ClientConfig>>, origin: Origin) -> anyhow::Result<Self> {
        let address = match server.authority().parse::<SocketAddr>() {
            Ok(address) => address.to_string(),
            Err(_) if server.authority().contains(':') => server.authority().to_owned(),
            Err(_) => format!("{}:{}", server.authority(), if server.is_tls() { 443 } else { 80 }),
        };
        let address = tokio::net::lookup_host(address).await?.next().context("the host has no address")?;
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(from) = origin.0 {
            socket.bind(SocketAddr::new(from.into(), 0))?;
        }
        let tcp = socket.connect(address).await.context("TCP connection")?;
        tcp.set_nodelay(true)?;
        if !server.is_tls() {
            return Ok(Self::Plain(tcp));
        }
        let config = tls.ok_or_else(|| anyhow!("an https server needs a TLS configuration"))?;
        let name = rustls::pki_types::ServerName::try_from(server.host().to_owned())?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, tcp).await.context("TLS handshake")?;
        Ok(Self::Tls(Box::new(stream)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut task::Context<'_>, buffer: &mut ReadBuf<'_>) -> task::Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut task::Context<'_>, bytes: &[u8]) -> task::Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
