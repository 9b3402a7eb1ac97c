//! Previews of links, made by who sends them and by nobody else: a page's title, description and image, fetched when somebody asks
//! for it, within limits, and never from a private network.

mod html;
mod public;

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Request, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, LOCATION, USER_AGENT},
};
use http_body_util::{BodyExt, Empty};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use thiserror::Error;
use tokio::time::timeout;
use tower_service::Service;

use crate::{NetError, dial::cause};

/// All together: names, connections, redirects, page and image.
const PATIENCE: Duration = Duration::from_secs(10);
/// Other addresses that one leads to, at most.
const REDIRECTS: usize = 5;
/// Of a page only its beginning is read.
const PAGE: usize = 256 * 1024;
/// A larger image is left out.
const IMAGE: usize = 96 * 1024;
const TITLE: usize = 200;
const DESCRIPTION: usize = 500;

/// What a page says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagePreview {
    /// Its title, at most 200 characters.
    pub title: String,
    /// What it is about, at most 500 characters; may be empty.
    pub description: String,
    /// A JPEG, PNG, WebP or GIF of at most 96 KiB.
    pub image: Option<Vec<u8>>,
}

/// Why there is no preview. The message can be sent without one.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreviewError {
    /// Only `http://` and `https://` with a host and without a password are fetched.
    #[error("{0} is no address of a web page")]
    NotAPage(String),
    /// It is, or leads to, an address of a private network or of this machine.
    #[error("{0} is not on the public internet: nothing was fetched")]
    NotPublic(String),
    /// No connection, or it broke.
    #[error("the page can't be reached: {0}")]
    Unreachable(String),
    /// It takes longer than ten seconds.
    #[error("the page did not answer in time")]
    TimedOut,
    /// One address leads to another, and on, and on.
    #[error("the page leads elsewhere too often")]
    Redirects,
    /// The answer is no page with a title.
    #[error("there is no page with a title")]
    NoTitle,
}

/// Resolves names to public addresses alone. What it returns is what is connected to: there is no second look.
#[derive(Clone)]
struct PublicNames {
    /// Names of tests, with the address that stands for them.
    #[cfg(test)]
    known: Vec<(String, SocketAddr)>,
}

type Resolving = Pin<Box<dyn Future<Output = io::Result<std::vec::IntoIter<SocketAddr>>> + Send>>;

/// What an address that may not be connected to is told as.
const NOT_PUBLIC: &str = "not a public address";

impl Service<Name> for PublicNames {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Resolving;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Resolving {
        #[cfg(test)]
        if let Some((_, address)) = self.known.iter().find(|(known, _)| known == name.as_str()) {
            return Box::pin(std::future::ready(Ok(vec![*address].into_iter())));
        }
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One private address among public ones is a trap, not a choice.
            if found.iter().all(|address| public::is_public(address.ip())) {
                Ok(found.into_iter())
            } else {
                Err(io::Error::new(io::ErrorKind::PermissionDenied, NOT_PUBLIC))
            }
        })
    }
}

/// Fetches previews. It keeps no cookies and no connections.
pub struct PreviewFetcher {
    http: Client<HttpsConnector<HttpConnector<PublicNames>>, Empty<Bytes>>,
}

impl PreviewFetcher {
    /// Reads the certificate authorities; connects to nothing yet.
    pub fn new() -> Result<Self, NetError> {
        Self::over(PublicNames {
            #[cfg(test)]
            known: Vec::new(),
        })
    }

    fn over(names: PublicNames) -> Result<Self, NetError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new_with_resolver(names);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(PATIENCE));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        Ok(Self { http: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector) })
    }

    /// What a page says about itself.
    pub async fn preview(&self, url: &str) -> Result<PagePreview, PreviewError> {
        timeout(PATIENCE, self.fetch(url)).await.unwrap_or(Err(PreviewError::TimedOut))
    }

    async fn fetch(&self, url: &str) -> Result<PagePreview, PreviewError> {
        let (at, media_type, page) = self.get(url, PAGE, true).await?;
        if !media_type.starts_with("text/html") && !media_type.starts_with("application/xhtml") {
            return Err(PreviewError::NoTitle);
        }
        let head = html::head_of(&html::decoded(&page, &media_type));
        if head.title.is_empty() {
            return Err(PreviewError::NoTitle);
        }
        let image = match head.image.and_then(|image| joined(&at, &image)) {
            // A page without its image is a page.
            Some(image) => self.get(&image, IMAGE, false).await.ok().map(|(_, _, bytes)| bytes).filter(|bytes| is_image(bytes)),
            None => None,
        };
        Ok(PagePreview { title: cut(&head.title, TITLE), description: cut(&head.description, DESCRIPTION), image })
    }

    /// The bytes at an address, the address they came from in the end, and what kind they are. Of too many, with `cut` the first ones.
    async fn get(&self, url: &str, most: usize, cut: bool) -> Result<(String, String, Vec<u8>), PreviewError> {
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS {
            let uri = checked(&url)?;
            let request = Request::get(uri)
                .header(USER_AGENT, "Alcyon (link preview)")
                .header(ACCEPT, "text/html, image/*;q=0.9")
                .header(ACCEPT_ENCODING, "identity")
                .body(Empty::new())
                .map_err(|_| PreviewError::NotAPage(url.clone()))?;
            let answer = self.http.request(request).await.map_err(|error| match cause(&error) {
                why if why == NOT_PUBLIC => PreviewError::NotPublic(url.clone()),
                why => PreviewError::Unreachable(why),
            })?;
            let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            if answer.status().is_redirection() {
                let location = header(LOCATION).and_then(|location| joined(&url, &location));
                url = location.ok_or(PreviewError::NoTitle)?;
                continue;
            }
            if !answer.status().is_success() {
                return Err(PreviewError::Unreachable(answer.status().to_string()));
            }
            let media_type = header(CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
            let mut body = answer.into_body();
            let mut bytes = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| PreviewError::Unreachable(cause(&error)))?;
                bytes.extend_from_slice(frame.data_ref().map(Bytes::as_ref).unwrap_or_default());
                if bytes.len() > most {
                    if !cut {
                        return Err(PreviewError::NoTitle);
                    }
                    bytes.truncate(most);
                    break;
                }
            }
            return Ok((url, media_type, bytes));
        }
        Err(PreviewError::Redirects)
    }
}

/// An address that may be asked, as far as it shows. Numbers don't go through names, so they are looked at here.
fn checked(url: &str) -> Result<Uri, PreviewError> {
    let not_a_page = || PreviewError::NotAPage(url.to_owned());
    let uri: Uri = url.split('#').next().unwrap_or(url).parse().map_err(|_| not_a_page())?;
    let host = uri.host().ok_or_else(not_a_page)?;
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    if !matches!(uri.scheme_str(), Some("http" | "https")) || authority.contains('@') {
        return Err(not_a_page());
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    // Forms of numbers that some resolvers take (`127.1`, `0x7f000001`) are names that nobody has.
    let number = bare.parse::<IpAddr>();
    let numeric = bare.chars().last().is_some_and(|last| last.is_ascii_digit()) && number.is_err();
    if number.is_ok_and(|address| !public::is_public(address)) || numeric {
        return Err(PreviewError::NotPublic(host.to_owned()));
    }
    Ok(uri)
}

/// An address as another page gives it.
fn joined(base: &str, link: &str) -> Option<String> {
    if link.contains("://") {
        return Some(link.to_owned());
    }
    let (scheme, rest) = base.split_once("://")?;
    if let Some(elsewhere) = link.strip_prefix("//") {
        return Some(format!("{scheme}://{elsewhere}"));
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if link.starts_with('/') {
        return Some(format!("{scheme}://{authority}{link}"));
    }
    // `javascript:` and the like lead nowhere.
    if link.split(['/', '?']).next().is_some_and(|first| first.contains(':')) {
        return None;
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let folder = path.rfind('/').map_or("/", |at| path.get(..=at).unwrap_or("/"));
    Some(format!("{scheme}://{authority}{folder}{link}"))
}

/// By its first bytes: a header can say anything.
fn is_image(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8, 0xff])
        || bytes.starts_with(b"\x89PNG\r\n\x1a\n")
        || bytes.starts_with(b"GIF8")
        || (bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"))
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default().trim_end()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
