//! A client that knows the wire and nothing else.

use std::{collections::VecDeque, net::SocketAddr};

use alcyon_server::{
    RunningServer, Server, StampSettings,
    config::{Config, StoreKind},
};
use alcyon_wire::{
    DropSecret, EntryId, LogId, RefusalCode, SeatSecret, Verdict,
    proto::{self, client_frame::Body as Ask, server_frame::Body},
};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message},
};

/// A server in this process, in memory, on a free port.
pub async fn start() -> RunningServer {
    start_with(|_| {}).await
}

pub async fn start_with(change: impl FnOnce(&mut Config)) -> RunningServer {
    let mut config = Config { listen: "127.0.0.1:0".parse().unwrap(), store: StoreKind::Memory, stamps: no_stamps(), ..Config::default() };
    change(&mut config);
    Server::start(config).await.unwrap()
}

/// Logs and knocks cost nothing; what they cost otherwise has tests of its own.
pub fn no_stamps() -> StampSettings {
    StampSettings { required: false, ..StampSettings::default() }
}

/// 16 or 32 bytes that nobody else has.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// A place at a log, with its secrets.
#[derive(Clone)]
pub struct Place {
    pub log: LogId,
    pub secret: SeatSecret,
    pub drop_secret: DropSecret,
}

impl Place {
    pub fn at(log: LogId) -> Self {
        Self { log, secret: random::<32>().into(), drop_secret: random::<32>().into() }
    }

    pub fn new() -> Self {
        Self::at(random::<16>().into())
    }

    /// The seat as the log keeps it, with all rights.
    pub fn seat(&self) -> proto::Seat {
        proto::Seat {
            id: self.secret.seat_id(self.log).to_field(),
            drop_hash: self.drop_secret.hash(self.log).to_field(),
            keep: true,
            invite: true,
        }
    }

    pub fn key(&self) -> Option<proto::SeatKey> {
        Some(proto::SeatKey { log: self.log.to_field(), secret: self.secret.to_field() })
    }

    pub fn create(&self) -> Ask {
        Ask::Create(proto::Create { log: self.log.to_field(), seats: vec![self.seat()], payment: None })
    }

    pub fn append(&self, payload: impl Into<Bytes>) -> Ask {
        Ask::Append(proto::Append { seat: self.key(), entry_id: entry_id(), payload: payload.into(), commit_count: 0 })
    }

    pub fn subscribe(&self, after: u64) -> proto::Subscription {
        proto::Subscription { seat: self.key(), after }
    }
}

pub fn entry_id() -> Bytes {
    EntryId::from(random::<16>()).to_field()
}

/// One WebSocket to `/v1/logs`.
pub struct Client<S = TcpStream> {
    socket: WebSocketStream<S>,
    next: u64,
    /// What nobody has asked for yet.
    pub pushed: VecDeque<Body>,
    answers: VecDeque<(u64, Body)>,
}

impl Client {
    /// Connected, no version agreed on.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), address).await
    }

    /// Connected and agreed.
    pub async fn open(address: SocketAddr) -> Self {
        let mut client = Self::connect(address).await;
        client.hello().await;
        client
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub async fn over(stream: S, address: SocketAddr) -> Self {
        let (socket, _) = tokio_tungstenite::client_async(format!("ws://{address}/v1/logs"), stream).await.unwrap();
        Self { socket, next: 1, pushed: VecDeque::new(), answers: VecDeque::new() }
    }

    pub async fn hello(&mut self) {
        let body = self.ask(Ask::Hello(proto::Hello { versions: vec![1] })).await;
        assert!(matches!(body, Body::HelloOk(proto::HelloOk { version: 1, .. })), "{body:?}");
    }

    /// Sends a request; its number.
    pub async fn send(&mut self, body: Ask) -> u64 {
        let request = self.next;
        self.next += 1;
        self.send_message(Message::Binary(proto::ClientFrame { request, body: Some(body) }.encode_to_vec().into())).await;
        request
    }

    pub async fn send_message(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// Sends several requests in one go.
    pub async fn send_all(&mut self, bodies: impl IntoIterator<Item = Ask>) -> Vec<u64> {
        let mut requests = Vec::new();
        for body in bodies {
            let request = self.next;
            self.next += 1;
            let frame = proto::ClientFrame { request, body: Some(body) };
            self.socket.feed(Message::Binary(frame.encode_to_vec().into())).await.unwrap();
            requests.push(request);
        }
        self.socket.flush().await.unwrap();
        requests
    }

    /// The next frame, whatever it is.
    pub async fn frame(&mut self) -> (u64, Body) {
        match self.message().await {
            Some(Message::Binary(bytes)) => {
                let proto::ServerFrame { request, body } = proto::ServerFrame::decode(bytes).unwrap();
                (request, body.unwrap())
            }
            other => panic!("a frame was expected, not {other:?}"),
        }
    }

    /// The next message but pings and pongs; None once the connection has ended.
    pub async fn message(&mut self) -> Option<Message> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) | Error::Protocol(_))) => return None,
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }

    /// The code the server closes with, after whatever else comes.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            match self.message().await {
                Some(Message::Close(Some(close))) => return close.code.into(),
                Some(Message::Binary(_)) => {}
                other => panic!("a close was expected, not {other:?}"),
            }
        }
    }

    /// The answer to a request.
    pub async fn answer(&mut self, request: u64) -> Body {
        if let Some(index) = self.answers.iter().position(|(answered, _)| *answered == request) {
            return self.answers.remove(index).unwrap().1;
        }
        loop {
            match self.frame().await {
                (answered, body) if answered == request => return body,
                (0, body) => self.pushed.push_back(body),
                other => self.answers.push_back(other),
            }
        }
    }

    /// The next thing that comes unasked.
    pub async fn push(&mut self) -> Body {
        loop {
            if let Some(body) = self.pushed.pop_front() {
                return body;
            }
            match self.frame().await {
                (0, body) => return body,
                other => self.answers.push_back(other),
            }
        }
    }

    /// The next entries.
    pub async fn entries(&mut self) -> proto::Entries {
        match self.push().await {
            Body::Entries(entries) => entries,
            other => panic!("entries were expected, not {other:?}"),
        }
    }

    pub async fn ask(&mut self, body: Ask) -> Body {
        let request = self.send(body).await;
        self.answer(request).await
    }

    /// Asks for something that is accepted; its sequence.
    pub async fn accepted(&mut self, body: Ask) -> u64 {
        match self.ask(body).await {
            Body::Receipt(receipt) => receipt.sequence,
            other => panic!("a receipt was expected, not {other:?}"),
        }
    }

    /// Asks for something that is done.
    pub async fn done(&mut self, body: Ask) {
        let answer = self.ask(body).await;
        assert!(matches!(answer, Body::Done(_)), "{answer:?}");
    }

    /// Asks for something that is refused with this code; the refusal. The connection goes on.
    pub async fn refused(&mut self, body: Ask, code: RefusalCode) -> proto::Refusal {
        let refusal = match self.ask(body).await {
            Body::Refusal(refusal) => refusal,
            other => panic!("a refusal was expected, not {other:?}"),
        };
        assert_eq!(refusal.code(), code, "{refusal:?}");
        assert_eq!(refusal.verdict() == Verdict::Later, refusal.retry_after_ms > 0, "{refusal:?}");
        assert!(!refusal.message.is_empty());
        self.alive().await;
        refusal
    }

    /// The connection answers.
    pub async fn alive(&mut self) {
        self.done(Ask::Ping(proto::Ping {})).await;
    }

    /// Subscribes; the news.
    pub async fn subscribe(&mut self, logs: Vec<proto::Subscription>) -> Vec<proto::LogNews> {
        match self.ask(Ask::Subscribe(proto::Subscribe { logs })).await {
            Body::Subscribed(proto::Subscribed { logs }) => logs,
            other => panic!("subscribed was expected, not {other:?}"),
        }
    }

    pub async fn close(mut self) {
        let _gone = self.socket.close(None).await;
    }
}
