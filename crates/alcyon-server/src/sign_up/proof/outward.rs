//! Connections to the outside, to carry codes: TCP, and TLS where it is asked for.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// A stream of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Knows the roots that this machine trusts.
pub(crate) struct Outward(TlsConnector);

impl Outward {
    pub fn new() -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        // One unreadable certificate must not take the others away.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub async fn connect(&self, host: &str, port: u16) -> std::io::Result<TcpStream> {
        TcpStream::connect((host.trim_matches(['[', ']']), port)).await
    }

    pub async fn secure(&self, host: &str, stream: impl Stream + 'static) -> std::io::Result<Box<dyn Stream>> {
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(std::io::Error::other)?;
        Ok(Box::new(self.0.connect(name, stream).await?))
    }
}
