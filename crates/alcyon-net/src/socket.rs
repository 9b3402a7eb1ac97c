use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use alcyon_client::{Connection, ServerUrl, TransportError};
use futures::{Sink, SinkExt, Stream as _};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Bytes, Error, Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

use crate::{Stream, dial::cause};

/// One message, and one frame of it, as received.
const MESSAGE_LIMIT: usize = 2 * 1024 * 1024;
/// After so long without hearing anything, ask whether the other end is there.
const PING_AFTER: Duration = Duration::from_secs(30);
/// After so long without hearing anything, it is not.
const DEAD_AFTER: Duration = Duration::from_secs(45);
/// For handing one message to the operating system.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// One WebSocket to a server. It notices a silent network while [`Connection::receive`] is awaited.
pub struct NetConnection {
    socket: Frames<TokioIo<Stream>>,
}

impl NetConnection {
    pub(crate) async fn upgrade(stream: Stream, server: &ServerUrl) -> Result<Self, TransportError> {
        let request = (server.to_websocket() + "/v1/logs").into_client_request().map_err(|error| unreachable(&error))?;
        let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_LIMIT)).max_frame_size(Some(MESSAGE_LIMIT));
        let (socket, _) =
            client_async_with_config(request, TokioIo::new(stream), Some(config)).await.map_err(|error| unreachable(&error))?;
        Ok(Self { socket: Frames::new(socket) })
    }
}

impl Connection for NetConnection {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), TransportError> {
        self.socket.send(frame).await
    }

    async fn receive(&mut self) -> Result<Vec<u8>, TransportError> {
        self.socket.receive().await
    }
}

fn unreachable(error: &Error) -> TransportError {
    match error {
        // No place, or too much to do: the header says when there may be.
        Error::Http(answer) if answer.status().as_u16() == 503 => {
            let seconds = answer.headers().get("retry-after").and_then(|seconds| seconds.to_str().ok()?.parse().ok());
            TransportError::Later { after_ms: seconds.unwrap_or(1_u64).saturating_mul(1_000) }
        }
        Error::Http(answer) => TransportError::Unreachable(format!("it answers with status {}", answer.status().as_u16())),
        error => TransportError::Unreachable(cause(error)),
    }
}

/// Binary messages over any stream, with keep-alive.
struct Frames<S> {
    socket: WebSocketStream<S>,
    /// When the other end was last heard of.
    heard: Instant,
    /// A ping is out since then, and unanswered.
    asked: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    fn new(socket: WebSocketStream<S>) -> Self {
        Self { socket, heard: Instant::now(), asked: None }
    }

    async fn send(&mut self, frame: Vec<u8>) -> Result<(), TransportError> {
        timeout(SEND_TIMEOUT, self.socket.send(Message::Binary(frame.into())))
            .await
            .map_err(|_| TransportError::TimedOut)?
            .map_err(|_| TransportError::Closed)
    }

    /// Cancel-safe: whatever is taken from the socket is returned in the same poll.
    async fn receive(&mut self) -> Result<Vec<u8>, TransportError> {
        loop {
            // What has arrived counts before any timer, so that a thread that was busy elsewhere is not taken for silence.
            let alarm = self.alarm();
            if let Ok(frame) = timeout_at(alarm, poll_fn(|context| self.poll_frame(context))).await {
                return frame;
            }
            if self.alarm() > Instant::now() {
                continue; // a ping or pong came in meanwhile
            }
            if self.asked.is_some() {
                return Err(TransportError::Closed);
            }
            let patience = DEAD_AFTER - PING_AFTER;
            timeout(patience, poll_fn(|context| self.poll_ping(context))).await.unwrap_or(Err(TransportError::Closed))?;
        }
    }

    /// When to ask, or, having asked, when to give up.
    fn alarm(&self) -> Instant {
        self.asked.map_or(self.heard + PING_AFTER, |asked| asked + (DEAD_AFTER - PING_AFTER))
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Result<Vec<u8>, TransportError>> {
        loop {
            let message = match Pin::new(&mut self.socket).poll_next(context) {
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Err(TransportError::Closed)),
                Poll::Pending => {
                    // Pings, and the pongs that tungstenite answers with, go out even if nobody sends.
                    let flushed = Pin::new(&mut self.socket).poll_flush(context);
                    return if let Poll::Ready(Err(_)) = flushed { Poll::Ready(Err(TransportError::Closed)) } else { Poll::Pending };
                }
            };
            self.heard = Instant::now();
            self.asked = None;
            match message {
                Message::Binary(bytes) => return Poll::Ready(Ok(bytes.into())),
                Message::Ping(_) | Message::Pong(_) => {}
                // Servers speak binary; whoever says something else is no server of ours.
                Message::Text(_) | Message::Close(_) | Message::Frame(_) => return Poll::Ready(Err(TransportError::Closed)),
            }
        }
    }

    /// Done once the ping is in the buffer; [`Self::poll_frame`] pushes it out.
    fn poll_ping(&mut self, context: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        ready!(Pin::new(&mut self.socket).poll_ready(context)).map_err(|_| TransportError::Closed)?;
        Pin::new(&mut self.socket).start_send(Message::Ping(Bytes::new())).map_err(|_| TransportError::Closed)?;
        self.asked = Some(Instant::now());
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures::{FutureExt, StreamExt};
    use tokio::io::{DuplexStream, duplex};
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    // In memory, so that a paused clock moves only when both ends wait.
    async fn pair() -> (Frames<DuplexStream>, WebSocketStream<DuplexStream>) {
        let (here, there) = duplex(64 * 1024);
        let client = WebSocketStream::from_raw_socket(here, Role::Client, None).await;
        (Frames::new(client), WebSocketStream::from_raw_socket(there, Role::Server, None).await)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_network_is_noticed_after_45_seconds() {
        let (mut client, _server) = pair().await;
        let start = Instant::now();
        assert_eq!(client.receive().await, Err(TransportError::Closed));
        assert_eq!(start.elapsed().as_secs(), DEAD_AFTER.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_server_that_answers_pings_is_alive() {
        let (mut client, mut server) = pair().await;
        let serve = async {
            let mut pings = 0;
            let end = Instant::now() + Duration::from_secs(3600);
            while let Ok(message) = timeout_at(end, server.next()).await {
                assert!(matches!(message.unwrap().unwrap(), Message::Ping(_)));
                pings += 1;
            }
            server.send(Message::Binary(b"late"[..].into())).await.unwrap();
            pings
        };
        let (received, pings) = tokio::join!(client.receive(), serve);
        assert_eq!(received.unwrap(), b"late");
        assert_eq!(pings, 3600 / PING_AFTER.as_secs() - 1, "the last one falls on the end itself");
    }

    #[tokio::test(start_paused = true)]
    async fn any_message_counts_as_a_sign_of_life() {
        let (mut client, mut server) = pair().await;
        let serve = async {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_secs(29)).await;
                server.send(Message::Binary(b"news"[..].into())).await.unwrap();
            }
            assert!(server.next().now_or_never().is_none(), "no ping was needed");
        };
        let receive = async {
            for _ in 0..20 {
                assert_eq!(client.receive().await.unwrap(), b"news");
            }
        };
        tokio::join!(receive, serve);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_receive_takes_nothing_with_it() {
        let (mut client, mut server) = pair().await;
        for number in 0..200_u32 {
            server.send(Message::Binary(number.to_be_bytes().to_vec().into())).await.unwrap();
        }
        let mut received = Vec::new();
        while received.len() < 200 {
            // Polled once and dropped, whatever it was at.
            if let Some(frame) = client.receive().now_or_never() {
                received.push(u32::from_be_bytes(frame.unwrap().try_into().unwrap()));
            }
            tokio::task::yield_now().await;
        }
        assert!(received.iter().copied().eq(0..200));
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_waited_while_the_thread_was_busy_is_not_silence() {
        let (mut client, mut server) = pair().await;
        assert!(client.receive().now_or_never().is_none());
        server.send(Message::Binary(b"waiting"[..].into())).await.unwrap();
        tokio::time::advance(Duration::from_secs(600)).await;
        assert_eq!(client.receive().await.unwrap(), b"waiting");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_holds_a_send_for_30_seconds_at_the_most() {
        let (mut client, _server) = pair().await;
        let start = Instant::now();
        assert_eq!(client.send(vec![0; 1024 * 1024]).await, Err(TransportError::TimedOut));
        assert_eq!(start.elapsed(), SEND_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn text_is_no_frame() {
        let (mut client, mut server) = pair().await;
        server.send(Message::Text("hello".into())).await.unwrap();
        assert_eq!(client.receive().await, Err(TransportError::Closed));
    }
}
