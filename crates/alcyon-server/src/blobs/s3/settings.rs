use std::{fmt, io, path::PathBuf, str::FromStr, time::Duration};

use http::{Uri, uri::Scheme};
use zeroize::Zeroizing;

/// Which bucket, where, and who asks.
#[derive(Debug, Clone, PartialEq)]
pub struct S3Settings {
    /// Where the service is.
    pub endpoint: Endpoint,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// Before every key; empty, or with a slash at its end.
    pub prefix: String,
    /// The bucket is named in the path; else it stands before the endpoint's name.
    pub path_style: bool,
    /// The id of the key that asks.
    pub access_key: String,
    /// Where its secret is.
    pub secret_key: SecretSource,
    /// How an upload is cut, bytes. S3 takes no part below 5 MiB, but for the last, and no more than 10,000.
    pub part: u64,
    /// How long an answer may take, all tries together; three times as long where a part goes along.
    pub patience: Duration,
}

impl S3Settings {
    /// [`Self::part`] by default: a file of 4 GiB has 521.
    pub const PART: u64 = 8 * 1024 * 1024;
    /// [`Self::patience`] by default.
    pub const PATIENCE: Duration = Duration::from_secs(10);
}

/// `https://HOST[:PORT]`, or `http://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    authority: String,
}

impl Endpoint {
    /// Amazon's, of a region. None if that is none.
    #[must_use]
    pub fn of_region(region: &str) -> Option<Self> {
        format!("https://s3.{region}.amazonaws.com").parse().ok()
    }

    /// Whether what is said to it can be read on the way, on a way that leaves this machine.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let host = self.authority.rsplit_once(':').map_or(&*self.authority, |(host, _)| host);
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        !self.tls && host != "localhost" && !address.is_ok_and(|address| address.is_loopback())
    }

    pub(super) fn scheme(&self) -> Scheme {
        if self.tls { Scheme::HTTPS } else { Scheme::HTTP }
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }
}

impl FromStr for Endpoint {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let uri: Uri = text.parse().map_err(|_| ())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(()),
        };
        let authority = uri.authority().ok_or(())?.as_str();
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || authority.contains('@') {
            return Err(());
        }
        Ok(Self { tls, authority: authority.to_ascii_lowercase() })
    }
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq)]
pub enum SecretSource {
    /// Here.
    Here(Secret),
    /// In a file, which holds nothing else.
    File(PathBuf),
}

impl SecretSource {
    /// Reads it, if it is in a file.
    pub fn read(&self) -> Result<Secret, io::Error> {
        match self {
            Self::Here(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let text = Zeroizing::new(std::fs::read_to_string(path)?);
                Secret::parse(text.trim())
                    .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it must hold one word, the secret key"))
            }
        }
    }
}

/// What must not be shown: it isn't, and it is wiped from memory.
#[derive(Clone, PartialEq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A word of printable ASCII.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_word.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        for (text, open) in [
            ("https://s3.eu-west-1.amazonaws.com", false),
            ("https://minio.example:9000/", false),
            ("http://127.0.0.1:9000", false),
            ("http://[::1]:9000", false),
            ("http://localhost", false),
            ("http://minio:9000", true),
            ("http://192.0.2.1", true),
        ] {
            assert_eq!(text.parse::<Endpoint>().map(|endpoint| endpoint.is_open()), Ok(open), "{text}");
        }
        for text in ["", "minio:9000", "ftp://a", "https://a/path", "https://a?b", "https://k:s@a", "https://"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::parse("wJalrXUtnFEMI/K7").unwrap();
        assert_eq!(format!("{secret:?} {:?}", SecretSource::Here(secret.clone())), "Secret(..) Here(Secret(..))");
        assert!(Secret::parse("").is_none() && Secret::parse("two words").is_none() && Secret::parse("é").is_none());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "wJalrXUtnFEMI/K7\n").unwrap();
        let source = SecretSource::File(file.path().to_owned());
        assert_eq!(source.read().unwrap(), secret);
        std::fs::write(file.path(), "two words").unwrap();
        assert!(source.read().is_err());
    }
}
