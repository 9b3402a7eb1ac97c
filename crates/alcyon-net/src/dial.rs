//! TCP and TLS: one way to open a stream, used for HTTP and WebSockets alike.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use thiserror::Error;
use tokio::{net::TcpStream, time::timeout};
use tower_service::Service;

use crate::names::Names;

/// For name resolution, TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A stream to a server, with TLS or, on this machine, without.
pub type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Why no transport could be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetError {
    /// The TLS library refuses its configuration. This is a fault of the build; there is nothing a caller can do.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Opens streams; gives up after [`CONNECT_TIMEOUT`].
#[derive(Clone)]
pub(crate) struct Dialer {
    inner: HttpsConnector<HttpConnector<Names>>,
    /// Why no certificate can be judged, if so.
    no_roots: bool,
}

impl Dialer {
    pub(crate) fn new(names: Names) -> Result<Self, NetError> {
        let mut roots = RootCertStore::empty();
        // One unreadable certificate must not take the others away; none at all is told when TLS is asked for.
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        let no_roots = roots.is_empty();
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new_with_resolver(names);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let inner = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        Ok(Self { inner, no_roots })
    }
}

impl Service<Uri> for Dialer {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        if self.no_roots && uri.scheme() == Some(&http::uri::Scheme::HTTPS) {
            return Box::pin(async {
                Err("no certificate authorities are known on this machine; install ca-certificates or set SSL_CERT_FILE".into())
            });
        }
        let stream = self.inner.call(uri);
        Box::pin(async move { timeout(CONNECT_TIMEOUT, stream).await.map_err(|_| BoxError::from("no connection within 10 seconds"))? })
    }
}

/// The innermost cause, which is the one that says something to people.
pub(crate) fn cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
