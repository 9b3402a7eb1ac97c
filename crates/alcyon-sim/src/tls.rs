//! A certificate authority for tests: one certificate for this machine, and a client that trusts it alone.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};

/// A name that no resolver on earth knows (RFC 6761), for tests that bring a file of hosts of their own.
pub const NAME: &str = "sea.test";

/// Files of an authority and of a certificate that it has signed for `localhost`, 127.0.0.1 and [`NAME`].
#[derive(Debug)]
pub struct TestAuthority {
    authority: CertificateDer<'static>,
    authority_file: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl TestAuthority {
    /// Writes its files into `folder`.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names = ["localhost", "127.0.0.1", NAME].map(str::to_owned).to_vec();
        let mut parameters = CertificateParams::new(names)?;
        parameters.not_after = rcgen::date_time_ymd(this_year()? + 2, 1, 1);
        let certificate = parameters.signed_by(&key, &authority)?;
        let write = |name: &str, text: String| -> anyhow::Result<PathBuf> {
            let path = folder.join(name);
            fs::write(&path, text)?;
            Ok(path)
        };
        Ok(Self {
            authority: authority.der().clone(),
            authority_file: write("authority.pem", authority.pem())?,
            certificate: write("server.pem", certificate.pem())?,
            key: write("server.key", key.serialize_pem())?,
        })
    }

    /// The authority's certificate, for `SSL_CERT_FILE`.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.authority_file
    }

    /// The certificate for this machine, PEM.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Its private key, PEM.
    #[must_use]
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// What makes a server show the certificate.
    #[must_use]
    pub fn server_arguments(&self) -> [String; 4] {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        ["--tls-cert".to_owned(), text(&self.certificate), "--tls-key".to_owned(), text(&self.key)]
    }

    /// For [`crate::light::LightClient`].
    pub fn client_config(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])?;
        Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    }
}

/// rcgen's certificates would end in 4096. Servers that set a timer for the end (ejabberd) can't count that far.
fn this_year() -> anyhow::Result<i32> {
    const SECONDS: u64 = 31_556_952;
    Ok(i32::try_from(1970 + SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / SECONDS)?)
}
