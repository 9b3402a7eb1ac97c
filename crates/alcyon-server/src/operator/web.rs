//! The listener of the status page: plain HTTP, few connections, no route but its own.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{sync::Semaphore, time::timeout};

use super::{board::Board, page};

/// Who looks at once. One more waits in the kernel's queue.
const CONNECTIONS: usize = 64;
/// From the connection to the end of its answers.
const CONNECTION_TIME: Duration = Duration::from_secs(30);
const HEAD_TIME: Duration = Duration::from_secs(5);

pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// For ever, or until the listener can't be used.
pub(super) async fn serve(listener: TcpListener, board: Arc<Board>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return Ok(());
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files, or the client has gone: the next one may fare better.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let board = board.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<_>| {
                let answer = answer(request.method(), request.uri().path(), &board);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(8 * 1024);
            let _gone_or_late = timeout(CONNECTION_TIME, http.serve_connection(TokioIo::new(stream), service)).await;
            drop(place);
        });
    }
}

fn answer(method: &Method, path: &str, board: &Board) -> Response<Full<Bytes>> {
    let (status, kind, body) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/" | "/status") => (StatusCode::OK, "text/html; charset=utf-8", page::html(&board.status())),
        (&Method::GET | &Method::HEAD, "/status.json") => {
            let json = serde_json::to_string(&board.status()).unwrap_or_default();
            (StatusCode::OK, "application/json", format!("{json}\n"))
        }
        (&Method::GET | &Method::HEAD, _) => (StatusCode::NOT_FOUND, "text/plain", "only /status and /status.json are here\n".to_owned()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".to_owned()),
    };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
