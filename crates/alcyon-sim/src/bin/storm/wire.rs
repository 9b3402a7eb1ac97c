//! A WebSocket as cheap as can be: the generator must not be what is measured. Frames go out as they are encoded (the mask
//! of zeros changes nothing), and several in one write.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use alcyon_wire::{PROTOCOL_VERSION, proto};
use anyhow::{Context, bail};
use prost::Message;
use proto::{client_frame, server_frame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{TcpSocket, TcpStream},
};

/// So long everybody has to come in before a storm, and so long they wait after a refusal.
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(250);

/// The tag of a request's number in its frame.
const NUMBER: u32 = 1;

/// One connection.
pub struct Wire {
    stream: TcpStream,
    out: Vec<u8>,
    input: Vec<u8>,
    /// Of `input`, what was taken.
    taken: usize,
    last_request: u64,
}

/// A source address: all of 127.0.0.0/8 is this machine, and a server's limits count by the first 24 bits.
pub fn source(index: usize) -> Ipv4Addr {
    let [_, x, y, z] = u32::try_from(index % 0x00FF_0000).unwrap_or(0).to_be_bytes();
    // 127.0.0.x is left to everybody else.
    Ipv4Addr::new(127, x.saturating_add(1), y, z.max(1))
}

/// So many addresses are one neighbourhood: indexes a network apart.
pub const BAND: usize = 256;

impl Wire {
    /// Connects and agrees on a version.
    pub async fn open(server: SocketAddr, from: Ipv4Addr) -> anyhow::Result<Self> {
        let mut wire = Self::connect(server, from).await?;
        wire.put(client_frame::Body::Hello(proto::Hello { versions: vec![PROTOCOL_VERSION] }));
        wire.flush().await?;
        match wire.next().await?.body {
            Some(server_frame::Body::HelloOk(_)) => Ok(wire),
            other => bail!("no hello: {other:?}"),
        }
    }

    /// The same before the storm: who is refused tries again, as a server that has just begun takes its time.
    pub async fn open_in_time(server: SocketAddr, from: Ipv4Addr) -> anyhow::Result<Self> {
        let end = Instant::now() + PATIENCE;
        loop {
            match Self::open(server, from).await {
                Ok(wire) => return Ok(wire),
                Err(error) if Instant::now() > end => return Err(error),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Connects, up to the WebSocket.
    async fn connect(server: SocketAddr, from: Ipv4Addr) -> anyhow::Result<Self> {
        let mut stream = tcp(server, from).await?;
        let head = format!(
            "GET /v1/logs HTTP/1.1\r\nhost: {server}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut input = Vec::new();
        let end = loop {
            if stream.read_buf(&mut input).await? == 0 {
                bail!("closed before the upgrade");
            }
            if let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        if !input.starts_with(b"HTTP/1.1 101") {
            bail!("no upgrade: {}", String::from_utf8_lossy(&input).lines().next().unwrap_or_default());
        }
        input.drain(..end);
        Ok(Self { stream, out: Vec::new(), input, taken: 0, last_request: 0 })
    }

    /// Puts a request into the buffer; its number.
    pub fn put(&mut self, body: client_frame::Body) -> u64 {
        self.last_request += 1;
        let frame = proto::ClientFrame { request: self.last_request, body: Some(body) };
        self.head(0x82, frame.encoded_len());
        frame.encode(&mut self.out).expect("a vector grows as needed");
        self.last_request
    }

    /// Puts a request that was encoded before, without a number. Its number, and its bytes, to be changed in place.
    pub fn put_encoded(&mut self, request: &[u8]) -> (u64, &mut [u8]) {
        self.last_request += 1;
        let number = self.last_request;
        let key = prost::encoding::key_len(NUMBER) + prost::encoding::encoded_len_varint(number);
        self.head(0x82, key + request.len());
        prost::encoding::uint64::encode(NUMBER, &number, &mut self.out);
        let begin = self.out.len();
        self.out.extend_from_slice(request);
        (number, &mut self.out[begin..])
    }

    /// Puts bytes that need not be a frame of the protocol.
    pub fn put_bytes(&mut self, bytes: &[u8]) {
        self.head(0x82, bytes.len());
        self.out.extend_from_slice(bytes);
    }

    fn head(&mut self, first: u8, length: usize) {
        self.out.push(first);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..=125), _) => self.out.push(0x80 | short),
            (_, Ok(middle)) => {
                self.out.push(0x80 | 126);
                self.out.extend(middle.to_be_bytes());
            }
            _ => {
                self.out.push(0x80 | 127);
                self.out.extend((length as u64).to_be_bytes());
            }
        }
        self.out.extend([0; 4]);
    }

    /// Writes what the kernel takes now.
    pub fn try_flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.try_write(&self.out) {
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes everything.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }

    /// Until there is something to read, or room for what waits to be written. Never takes anything.
    pub async fn ready(&self) -> io::Result<()> {
        let interest = if self.out.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        self.stream.ready(interest).await.map(drop)
    }

    /// Reads what is there. False at the end of the connection.
    pub fn try_fill(&mut self) -> io::Result<bool> {
        loop {
            match self.stream.try_read_buf(&mut self.input) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }

    /// The next whole frame that was read.
    pub fn take(&mut self) -> anyhow::Result<Option<proto::ServerFrame>> {
        loop {
            let rest = &self.input[self.taken..];
            let Some((first, begin, end)) = frame(rest) else {
                self.input.drain(..self.taken);
                self.taken = 0;
                return Ok(None);
            };
            let payload = &rest[begin..end];
            self.taken += end;
            match first & 0x0F {
                2 => return Ok(Some(proto::ServerFrame::decode(payload)?)),
                8 => bail!("the server closed the connection"),
                9 => {
                    let payload = payload.to_vec();
                    self.head(0x8A, payload.len());
                    self.out.extend(payload);
                }
                _ => {}
            }
        }
    }

    /// Waits for the next frame.
    pub async fn next(&mut self) -> anyhow::Result<proto::ServerFrame> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(frame);
            }
            if self.stream.read_buf(&mut self.input).await.context("read")? == 0 {
                bail!("the connection ended");
            }
        }
    }

    /// Asks as the client does: whoever is told *later* asks again, not before the time that was named.
    pub async fn ask(&mut self, body: client_frame::Body) -> anyhow::Result<server_frame::Body> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.call(body.clone()).await? {
                server_frame::Body::Refusal(refusal) if refusal.verdict() == proto::Verdict::Later && Instant::now() < end => {
                    tokio::time::sleep(Duration::from_millis(refusal.retry_after_ms)).await;
                }
                other => return Ok(other),
            }
        }
    }

    /// Asks, and waits for the answer; pushed frames in between are dropped.
    pub async fn call(&mut self, body: client_frame::Body) -> anyhow::Result<server_frame::Body> {
        let request = self.put(body);
        self.flush().await?;
        loop {
            let frame = self.next().await?;
            if frame.request == request {
                return frame.body.context("an answer without body");
            }
        }
    }
}

/// A TCP connection from an address of one's choice.
pub async fn tcp(server: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from.into(), 0))?;
    // What paces its sending by a timer, as BBR does, is driven by what the other side acknowledges: over loopback the server's core would
    // do the generator's sending. Where this one isn't to be had, the system's own stays.
    #[cfg(target_os = "linux")]
    let _not_supported = rustix::net::sockopt::set_tcp_congestion(&socket, "reno");
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// First byte of a WebSocket frame, and where its payload begins and ends, if all of it is here.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (begin, length): (usize, usize) = match second & 0x7F {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    let end = begin.checked_add(length)?;
    (bytes.len() >= end).then_some((first, begin, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_when_they_are_whole() {
        assert_eq!(frame(&[0x82, 2, 7]), None);
        assert_eq!(frame(&[0x82, 2, 7, 8, 9]), Some((0x82, 2, 4)));
        assert_eq!(frame(&[&[0x82, 126, 1, 0][..], &[0; 256]].concat()), Some((0x82, 4, 260)));
        assert_eq!(frame(&[0x82, 127, 0, 0, 0]), None);
    }

    #[test]
    fn sources_are_spread_and_never_the_usual_address() {
        assert_eq!(source(0), Ipv4Addr::new(127, 1, 0, 1));
        assert_eq!(source(5 * BAND), Ipv4Addr::new(127, 1, 5, 1));
        assert_eq!(source(256 * BAND), Ipv4Addr::new(127, 2, 0, 1));
        assert!((0..100_000).all(|index| source(index * 7).octets()[1] > 0));
    }
}
