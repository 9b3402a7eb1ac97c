use std::{future::poll_fn, time::Duration};

use alcyon_client::{HttpMethod, HttpRequest, HttpResponse, ServerUrl, Transport, TransportError, Ways};
use bytes::Bytes;
use http::{Method, Request, Uri, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;
use tower_service::Service;

use crate::{
    NetConnection, NetError,
    dial::{Dialer, cause},
    names::Names,
};

/// For one request, from its first byte to the last of its answer, connecting included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Of an answer's body.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// An idle connection is kept this long for the next request.
const KEEP_IDLE: Duration = Duration::from_secs(20);

/// What a program may choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetOptions {
    /// Plain HTTP to other machines too. Only for tests and closed networks: everyone in between sees and may change what
    /// is said to the server (never what is said to people).
    pub insecure_http: bool,
}

/// HTTP and WebSockets over the machine's network.
pub struct NetTransport {
    options: NetOptions,
    dialer: Dialer,
    names: Names,
    http: Client<Dialer, Full<Bytes>>,
}

impl NetTransport {
    /// Reads the certificate authorities; connects to nothing yet.
    pub fn new(options: NetOptions) -> Result<Self, NetError> {
        let names = Names::default();
        let dialer = Dialer::new(names.clone())?;
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP_IDLE)
            .pool_max_idle_per_host(2)
            .build(dialer.clone());
        Ok(Self { options, dialer, names, http })
    }

    fn check(&self, server: &ServerUrl) -> Result<(), TransportError> {
        if server.is_tls() || server.is_loopback() || self.options.insecure_http {
            Ok(())
        } else {
            Err(TransportError::Insecure(server.to_text()))
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<HttpResponse, TransportError> {
        let answer = self
            .http
            .request(request)
            .await
            .map_err(|error| if error.is_connect() { TransportError::Unreachable(cause(&error)) } else { TransportError::Closed })?;
        let status = answer.status().as_u16();
        let headers = HttpResponse::pick_headers(|name| Some(answer.headers().get(name)?.to_str().ok()?.to_owned()));
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                TransportError::Unreachable("its answer is larger than 4 MiB".to_owned())
            } else {
                TransportError::Closed
            }
        })?;
        Ok(HttpResponse { status, headers, body: body.to_bytes().to_vec() })
    }
}

impl Transport for NetTransport {
    type Connection = NetConnection;

    async fn request(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let HttpRequest { server, method, path, headers, body } = request;
        self.check(&server)?;
        let mut built = Request::builder().method(method_of(method)).uri(server.to_text() + &path);
        if !body.is_empty() && headers.iter().all(|(name, _)| *name != CONTENT_TYPE) {
            built = built.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            built = built.header(name, value);
        }
        let request = built.body(Full::from(body)).map_err(|error| TransportError::Unreachable(error.to_string()))?;
        timeout(REQUEST_TIMEOUT, self.exchange(request)).await.unwrap_or(Err(TransportError::TimedOut))
    }

    async fn connect(&self, server: &ServerUrl) -> Result<NetConnection, TransportError> {
        self.check(server)?;
        let unreachable = |error: &(dyn std::error::Error + 'static)| TransportError::Unreachable(cause(error));
        let uri: Uri = server.to_text().parse().map_err(|error: http::uri::InvalidUri| unreachable(&error))?;
        let mut dialer = self.dialer.clone();
        poll_fn(|context| dialer.poll_ready(context)).await.map_err(|error| unreachable(&*error))?;
        let stream = dialer.call(uri).await.map_err(|error| unreachable(&*error))?;
        timeout(REQUEST_TIMEOUT, NetConnection::upgrade(stream, server)).await.unwrap_or(Err(TransportError::TimedOut))
    }

    fn ways(&self, server: &ServerUrl) -> Ways {
        self.names.ways(server.host())
    }

    fn learn(&self, server: &ServerUrl, ways: Ways) {
        self.names.learn(server.host(), ways);
    }

    fn go_to(&self, server: &ServerUrl, host: &str) {
        self.names.go_to(server.host(), host);
    }
}

fn method_of(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
    }
}
