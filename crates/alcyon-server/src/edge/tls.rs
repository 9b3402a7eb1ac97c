use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::TLS13,
};
use tokio_rustls::TlsAcceptor;

use crate::{StartError, config::TlsFiles};

/// TLS 1.3 and nothing older, from PEM files.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, StartError> {
    let TlsFiles { cert, key } = files;
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(cert, "certificate", &error))?;
    if chain.is_empty() {
        return Err(unusable(cert, "certificate", &"there is none in it"));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, "private key", &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has suites for TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| unusable(cert, "certificate", &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A client that comes back, with thousands of others, does so without a new key exchange by certificate, and the
    // server keeps nothing for it.
    config.ticketer = ring::Ticketer::new().map_err(|error| unusable(key, "private key", &error))?;
    config.send_tls13_tickets = 1;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn unusable(path: &Path, what: &'static str, reason: &dyn std::fmt::Display) -> StartError {
    StartError::Tls { path: path.to_owned(), what, reason: reason.to_string() }
}
