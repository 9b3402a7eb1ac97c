//! One HTTP/1.1 connection of the control plane, for tests and the load generator.

use std::sync::Arc;

use alcyon_client::HttpResponse;
use alcyon_wire::ServerUrl;
use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::light::{Origin, Stream};

/// A connection that stays open between requests.
#[derive(Debug)]
pub struct HttpConnection {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    driver: tokio::task::JoinHandle<()>,
}

impl HttpConnection {
    /// Connects. `tls` is needed for an `https` server only.
    pub async fn connect(server: &ServerUrl, tls: Option<&Arc<rustls::ClientConfig>>, origin: Origin) -> anyhow::Result<Self> {
        Self::over(Stream::connect(server, tls, origin).await?, server).await
    }

    /// Over a connection that there is already.
    pub async fn over<IO>(io: IO, server: &ServerUrl) -> anyhow::Result<Self>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(io)).await?;
        let driver = tokio::spawn(async move {
            // How it ends is seen by the request that is under way.
            let _ = connection.await;
        });
        Ok(Self { sender, authority: server.authority().to_owned(), driver })
    }

    /// One request and its whole answer. The body is JSON, or empty.
    pub async fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> anyhow::Result<HttpResponse> {
        let mut request = hyper::Request::builder().method(method).uri(path).header("host", &self.authority);
        if !body.is_empty() && headers.iter().all(|(name, _)| *name != "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::new(body.into()))?).await.context("HTTP request")?;
        let status = response.status().as_u16();
        let answered = HttpResponse::pick_headers(|name| Some(response.headers().get(name)?.to_str().ok()?.to_owned()));
        let body = response.into_body().collect().await?.to_bytes().to_vec();
        Ok(HttpResponse { status, headers: answered, body })
    }
}

impl Drop for HttpConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A single GET, as people type it into a terminal.
pub async fn get(server: &ServerUrl, path: &str) -> anyhow::Result<HttpResponse> {
    HttpConnection::connect(server, None, Origin::default()).await?.request("GET", path, &[], Vec::new()).await
}
