use std::net::IpAddr;

use alcyon_wire::ServerUrl;
use thiserror::Error;

/// The way to servers: HTTP requests and WebSocket connections. Timeouts are the transport's business.
#[allow(async_fn_in_trait)] // one thread: no `Send` is wanted
pub trait Transport {
    /// One WebSocket to a server's `/v1/logs`.
    type Connection: Connection;

    /// One request of the control plane. An answer of any status is `Ok`.
    async fn request(&self, request: HttpRequest) -> Result<HttpResponse, TransportError>;

    /// Opens a WebSocket to `/v1/logs`.
    async fn connect(&self, server: &ServerUrl) -> Result<Self::Connection, TransportError>;

    /// What is known of the ways to a server, to be remembered. Nothing where others find the way, as in a browser.
    fn ways(&self, _server: &ServerUrl) -> Ways {
        Ways::default()
    }

    /// What was remembered of a server, or what it has published.
    fn learn(&self, _server: &ServerUrl, _ways: Ways) {}

    /// The server sends its clients to this host, a name or an address, which has to prove that it is the server.
    fn go_to(&self, _server: &ServerUrl, _host: &str) {}
}

/// Where a server was found, and where else it is. Whoever answers there has to show the server's own certificate: a wrong way
/// leads nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ways {
    /// Other host names and IP addresses, as the server has published them; the port is the same.
    pub others: Vec<String>,
    /// IP addresses that its name has led to, and when last, Unix milliseconds.
    pub found: Vec<(IpAddr, u64)>,
}

/// Frames in both directions, in order. Dropping it closes it.
#[allow(async_fn_in_trait)] // one thread: no `Send` is wanted
pub trait Connection {
    /// Sends one binary message. Sent is not delivered.
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), TransportError>;

    /// The next binary message. Must be cancel-safe: a future that is dropped has taken nothing.
    async fn receive(&mut self) -> Result<Vec<u8>, TransportError>;
}

/// HTTP methods of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    /// Reads.
    Get,
    /// Asks for an act.
    Post,
    /// Replaces.
    Put,
    /// Asks for the headers alone.
    Head,
    /// Goes on with an upload.
    Patch,
    /// Removes.
    Delete,
}

impl HttpMethod {
    /// In capitals, as signed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Head => "HEAD",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A request of the control plane.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// The server.
    pub server: ServerUrl,
    /// The method.
    pub method: HttpMethod,
    /// Path with a leading slash, no query.
    pub path: String,
    /// Headers besides those a transport adds by itself.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or empty; with a `content-type` among the headers what that says, at most 4 MiB.
    pub body: Vec<u8>,
}

/// Its answer.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Those of [`HttpResponse::HEADERS`] that are there; in a browser, those that the server exposes.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or a part of a blob; at most 4 MiB.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The headers that the core looks at, in lower case.
    pub const HEADERS: [&'static str; 3] = ["location", "upload-offset", "content-range"];

    /// Collects [`HttpResponse::HEADERS`] from wherever a transport has them.
    pub fn pick_headers(mut find: impl FnMut(&str) -> Option<String>) -> Vec<(&'static str, String)> {
        Self::HEADERS.into_iter().filter_map(|name| Some((name, find(name)?))).collect()
    }

    /// One of them.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
    }
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection: refused, unknown name, no route, TLS failed. Try again later; the text is for people.
    #[error("the server can't be reached: {0}")]
    Unreachable(String),
    /// It took too long. The request may or may not have arrived.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The connection ended. What was sent may or may not have arrived.
    #[error("the connection was closed")]
    Closed,
    /// The server has too much to do, and has said when to come back. Wait so many milliseconds.
    #[error("the server has too much to do; it can be asked again in {} s", .after_ms.div_ceil(1000))]
    Later {
        /// Not before so many milliseconds from now.
        after_ms: u64,
    },
    /// Plain HTTP to another machine is refused. Use https.
    #[error("{0} is not on this machine and has no https: refused")]
    Insecure(String),
}
