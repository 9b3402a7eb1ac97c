//! Takes connections: as many as the limits allow, one more is turned away cheaply, and the others go on.

use std::{
    fs::File,
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::Router;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower::Service;

use super::{
    connection::Connection,
    http::{PeerAddress, method_meant},
    lifecycle::{Lifecycle, Phase, Place},
};
use crate::{
    admission::{ConnectionNumber, Gate, Waiting},
    config::Limits,
    observe::{Metrics, event},
};

/// One listening socket and what happens to its connections.
pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) gate: Arc<Gate>,
}

/// Connections that are being told that there is no place. Beyond this many they are just closed, and who asked can't tell that from a
/// network in trouble: with 64 some of those who come on a record day were.
const FAREWELLS: u32 = 1_024;
/// The same while files are short: those that are kept back for the store are more.
const FAREWELLS_WITHOUT_FILES: u32 = 64;
const FAREWELL_TIME: Duration = Duration::from_secs(1);

const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 10\r\n\
Access-Control-Allow-Origin: *\r\nConnection: close\r\nContent-Length: 121\r\n\r\n\
{\"error\":\"too_many\",\"message\":\"the server has no place for another connection\",\"verdict\":\"later\",\"retry_after_ms\":10000}\n";

impl Acceptor {
    /// Until the server drains; then the socket is closed.
    pub(crate) async fn run(self) {
        let Self { listener, tls, router, limits, lifecycle, metrics, gate } = self;
        let files = FileLimit::of_process();
        let mut reserve = File::open("/dev/null").ok();
        let farewells = Arc::new(AtomicU32::new(0));
        let draining = lifecycle.reached(Phase::Draining);
        tokio::pin!(draining);
        // Since when the queue of connections has not been seen empty.
        let mut burst = Instant::now();
        loop {
            let mut had_to_wait = false;
            let next = poll_fn(|cx| {
                let polled = listener.poll_accept(cx);
                had_to_wait |= polled.is_pending();
                polled
            });
            let accepted = tokio::select! {
                biased;
                () = &mut draining => return,
                accepted = next => accepted,
            };
            if had_to_wait {
                burst = Instant::now();
            }
            gate.waited(Waiting::Accept, burst.elapsed());
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_out_of_files(&error) => {
                    metrics.refused_for_files.increment(1);
                    event!(WARN, "out of files, a connection is refused");
                    // One descriptor is kept back for this: the waiting client gets an answer, not silence.
                    drop(reserve.take());
                    if let Ok(Ok((stream, _))) = timeout(Duration::ZERO, listener.accept()).await {
                        let _gone = stream.try_write(NO_PLACE);
                    } else {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    reserve = File::open("/dev/null").ok();
                    continue;
                }
                Err(error) => {
                    // The client has given up before it was its turn, or the network is in trouble: not ours.
                    event!(DEBUG, "a connection could not be accepted", reason = error.kind());
                    tokio::task::yield_now().await;
                    continue;
                }
            };
            if files.is_nearly_reached(&stream) {
                metrics.refused_for_files.increment(1);
                turn_away(stream, tls.is_some(), &farewells, FAREWELLS_WITHOUT_FILES);
                continue;
            }
            // Before anything is spent on it, a TLS handshake above all.
            let number = gate.arrived();
            if !gate.takes_connection(number) {
                metrics.refused_for_overload.increment(1);
                turn_away(stream, tls.is_some(), &farewells, FAREWELLS);
                continue;
            }
            let Ok(place) = lifecycle.take_place(peer.ip().to_canonical()) else {
                turn_away(stream, tls.is_some(), &farewells, FAREWELLS);
                continue;
            };
            let served =
                Served { router: router.clone(), limits, lifecycle: lifecycle.clone(), metrics: metrics.clone(), gate: gate.clone() };
            tokio::spawn(served.connection(stream, peer, place, tls.clone(), number));
        }
    }
}

/// What a connection needs to be served.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) gate: Arc<Gate>,
}

/// Bytes on their way through a pipe in one direction.
const PIPE: usize = 64 * 1024;

impl Served {
    /// Serves a pipe as if it had been accepted; None if there is no place.
    pub(crate) fn pipe(&self, peer: IpAddr) -> Option<DuplexStream> {
        let place = self.lifecycle.take_place(peer).ok()?;
        let number = self.gate.arrived();
        let (theirs, ours) = tokio::io::duplex(PIPE);
        tokio::spawn(self.clone().until_the_end(Connection::memory(ours, peer, place), number));
        Some(theirs)
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr, place: Place, tls: Option<TlsAcceptor>, number: ConnectionNumber) {
        // Answers are written whole; waiting to fill packets would only delay them.
        let _not_supported = stream.set_nodelay(true);
        let peer = peer.ip().to_canonical();
        let connection = match tls {
            None => Connection::plain(stream, peer, place),
            Some(tls) => match timeout(self.limits.handshake_time, tls.accept(stream)).await {
                Ok(Ok(stream)) => Connection::tls(stream, peer, place),
                Ok(Err(_)) | Err(_) => {
                    self.metrics.handshakes_failed.increment(1);
                    return;
                }
            },
        };
        self.until_the_end(connection, number).await;
    }

    async fn until_the_end(self, connection: Connection, number: ConnectionNumber) {
        let ended = self.lifecycle.clone();
        tokio::select! {
            () = self.http(connection, number) => {}
            () = ended.reached(Phase::Ended) => {}
        }
    }

    async fn http(self, connection: Connection, number: ConnectionNumber) {
        let Self { router, limits, lifecycle, metrics: _, gate: _ } = self;
        let peer = PeerAddress(connection.peer());
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(number);
            method_meant(&mut request);
            router.clone().call(request)
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.handshake_time)
            .max_buf_size(16 * 1024)
            .serve_connection(TokioIo::new(connection), service)
            .with_upgrades();
        tokio::pin!(serving);
        tokio::select! {
            _ended = serving.as_mut() => return,
            () = lifecycle.reached(Phase::Draining) => serving.as_mut().graceful_shutdown(),
        }
        let _ended = serving.await;
    }
}

/// Says that there is no place and closes, if fewer than so many are being told. Over TLS it just closes: an answer would cost a handshake.
fn turn_away(mut stream: TcpStream, tls: bool, farewells: &Arc<AtomicU32>, most: u32) {
    let one_more = |now| (now < most).then_some(now + 1);
    if tls || farewells.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_err() {
        return;
    }
    let farewells = farewells.clone();
    tokio::spawn(async move {
        let farewell = async {
            stream.write_all(NO_PLACE).await?;
            stream.shutdown().await?;
            // Closing with the request unread would reset the connection and take the answer with it.
            let mut unread = [0; 512];
            while stream.read(&mut unread).await? > 0 {}
            io::Result::Ok(())
        };
        let _told_or_gone = timeout(FAREWELL_TIME, farewell).await;
        farewells.fetch_sub(1, Ordering::AcqRel);
    });
}

fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// How many files the process may have open, and how many of them are the store's.
struct FileLimit {
    highest_for_connections: Option<i32>,
}

impl FileLimit {
    /// An eighth of the limit, at most 512, stays free of connections, so that the store can always open its files.
    fn of_process() -> Self {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse::<i32>().ok());
        Self { highest_for_connections: limit.map(|limit| limit - (limit / 8).min(512)) }
    }

    /// Descriptors are given out lowest first: a high one means that all below are taken.
    fn is_nearly_reached(&self, stream: &TcpStream) -> bool {
        self.highest_for_connections.is_some_and(|highest| stream.as_raw_fd() >= highest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn the_farewell_says_its_own_length() {
        let text = std::str::from_utf8(super::NO_PLACE).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).unwrap()["error"] == "too_many");
    }
}
