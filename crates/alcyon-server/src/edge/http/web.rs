//! The web app: files made once by `cargo xtask web --release`, held in memory, served with headers that let a page do what ours
//! does and nothing else.
//!
//! They come before the control plane and stand outside its CORS rules: other origins may ask the API, and not read our page.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::json;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{answer::json_body, routes::App};
use crate::{config::WebApp, observe::Metrics};

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/web_app.rs"));
}

/// In every folder of a web app: a line for each file, its SHA-256 and its path.
const LIST: &str = "files.txt";
/// Names below it say what is in the file: they never change.
const NAMED_BY_CONTENT: &str = "assets/";
const YEAR: &str = "public, max-age=31536000, immutable";

/// What is said at `/` where there is no page.
const NO_PAGE: &str = "This is an Alcyon server. It was built without the web app: use the terminal program, or build the server by\n\
`cargo xtask web --release --server`. /openapi.json says what is served here.\n";

/// A folder that can't be served. For the operator to mend.
#[derive(Debug, Error)]
pub enum WebAppError {
    /// A file can't be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is no list, or it has a line that is none.
    #[error("files.txt does not list what `cargo xtask web --release` has made")]
    List,
    /// A file is not the one that was listed.
    #[error("{0} is not the file that files.txt names: build the web app again")]
    Changed(String),
}

/// The files of a web app.
pub(crate) struct Site {
    files: BTreeMap<String, Arc<File>>,
    /// SHA-256 of the list, in hexadecimal digits: two builds with the same one are the same to the byte.
    hash: Option<String>,
    policy: HeaderValue,
    metrics: Arc<Metrics>,
}

struct File {
    body: Bytes,
    brotli: Option<Bytes>,
    media_type: &'static str,
    /// Quoted, as it travels.
    tag: String,
    cache: &'static str,
}

impl Site {
    /// Reads what the configuration names. `loopback`: clients reach this server on their own machine.
    pub(crate) fn open(which: &WebApp, loopback: bool, metrics: Arc<Metrics>) -> Result<Self, WebAppError> {
        let files = match which {
            WebApp::Off => BTreeMap::new(),
            WebApp::Embedded => embedded::FILES.iter().map(|(path, bytes)| ((*path).to_owned(), Bytes::from_static(bytes))).collect(),
            WebApp::Folder(folder) => read_folder(folder)?,
        };
        let hash = files.get(LIST).map(|list| HEXLOWER.encode(&Sha256::digest(list)));
        if hash.is_none() && matches!(which, WebApp::Folder(_)) {
            return Err(WebAppError::List);
        }
        Ok(Self { files: listed(&files)?, hash, policy: policy(loopback), metrics })
    }

    /// The hash of the build; none without a page.
    pub(crate) fn hash(&self) -> Option<&str> {
        self.hash.as_deref()
    }

    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
        if *method != Method::GET && *method != Method::HEAD {
            return None;
        }
        if self.files.is_empty() {
            return (path == "/").then(|| ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], NO_PAGE).into_response());
        }
        let name = match path {
            // A link into a group opens the app, which reads what stands behind the `#`.
            "/" | "/join" => "index.html",
            _ => path.strip_prefix('/')?,
        };
        let File { body, brotli, media_type, tag, cache } = &**self.files.get(name)?;
        let mut response = Response::new(Body::empty());
        let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        if known.is_some_and(|tags| tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag || one.trim() == "*")) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            let packed = brotli.as_ref().filter(|_| takes_brotli(headers));
            let bytes = packed.unwrap_or(body);
            let sent = response.headers_mut();
            sent.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            sent.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            if packed.is_some() {
                sent.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
            }
            if *method == Method::GET {
                *response.body_mut() = Body::from(bytes.clone());
            }
        }
        let sent = response.headers_mut();
        sent.insert(header::ETAG, HeaderValue::from_str(tag).ok()?);
        sent.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        sent.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        sent.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        for (name, value) in GUARDS {
            sent.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        Some(response)
    }
}

/// Sent with every file. The page is alone in its process, reads nothing of others and is read by no others, and asks for no
/// more of the device than a person could want of it.
const GUARDS: [(&str, &str); 8] = [
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-resource-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    (
        "permissions-policy",
        "accelerometer=(), bluetooth=(), camera=(self), display-capture=(), geolocation=(), gyroscope=(), hid=(), \
magnetometer=(), microphone=(self), midi=(), payment=(), publickey-credentials-get=(), screen-wake-lock=(self), serial=(), usb=(), xr-spatial-tracking=()",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

/// No inline script or style, no `eval` beyond WebAssembly, markup only by the one policy of the framework that draws the page.
/// Connections to any server by TLS, since a conversation's hub may be another one; on a person's own machine, where servers are
/// tried out, to those there without TLS, too.
fn policy(loopback: bool) -> HeaderValue {
    let tried_out = if loopback { " http://127.0.0.1:* ws://127.0.0.1:* http://localhost:* ws://localhost:*" } else { "" };
    let text = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' blob:; \
         media-src 'self' blob:; manifest-src 'self'; connect-src 'self' https: wss:{tried_out}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types alcyon svelte-trusted-html"
    );
    HeaderValue::from_str(&text).expect("it is printable ASCII")
}

fn takes_brotli(headers: &HeaderMap) -> bool {
    let mut accepted =
        headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    accepted.any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let never = |quality: &str| quality.strip_prefix("q=").is_some_and(|q| q.trim_matches(['0', '.']).is_empty());
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("br")) && !parts.any(never)
    })
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webmanifest") => "application/manifest+json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The files that the list names, each held against its hash, and the list itself.
fn listed(files: &BTreeMap<String, Bytes>) -> Result<BTreeMap<String, Arc<File>>, WebAppError> {
    let Some(list) = files.get(LIST) else { return Ok(BTreeMap::new()) };
    let file = |path: &str, body: &Bytes| {
        let hash = Sha256::digest(body);
        let cache = if path.starts_with(NAMED_BY_CONTENT) { YEAR } else { "no-cache" };
        let tag = format!("\"{}\"", HEXLOWER.encode(&hash[..16]));
        let brotli = files.get(&format!("{path}.br")).cloned();
        Arc::new(File { body: body.clone(), brotli, media_type: media_type(path), tag, cache })
    };
    let mut named = BTreeMap::from([(LIST.to_owned(), file(LIST, list))]);
    for line in std::str::from_utf8(list).map_err(|_| WebAppError::List)?.lines() {
        let (hash, path) = line.split_once("  ").ok_or(WebAppError::List)?;
        let changed = || WebAppError::Changed(path.to_owned());
        let body = files.get(path).ok_or_else(changed)?;
        if HEXLOWER.encode(&Sha256::digest(body)) != hash {
            return Err(changed());
        }
        named.insert(path.to_owned(), file(path, body));
    }
    Ok(named)
}

fn read_folder(folder: &Path) -> Result<BTreeMap<String, Bytes>, WebAppError> {
    let mut files = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).ok().and_then(Path::to_str).ok_or(WebAppError::List)?;
            files.insert(name.to_owned(), fs::read(&path)?.into());
        }
    }
    Ok(files)
}

/// Answers what the page has; everything else goes on to the control plane.
pub(super) async fn before(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match app.site.answer(request.method(), request.uri().path(), request.headers()) {
        Some(response) => {
            app.site.metrics.http_answer(response.status());
            response
        }
        None => next.run(request).await,
    }
}

/// `GET /version`
pub(super) async fn version(State(app): State<Arc<App>>) -> Response {
    json_body(&json!({ "version": env!("CARGO_PKG_VERSION"), "web_app": app.site.hash() })).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn folder(page: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("assets")).unwrap();
        let mut list = String::new();
        for (path, text) in [("index.html", page), ("assets/app-1a2b.js", "let here = 1;")] {
            fs::write(folder.path().join(path), text).unwrap();
            list += &format!("{}  {path}\n", HEXLOWER.encode(&Sha256::digest(text)));
        }
        fs::write(folder.path().join("assets/app-1a2b.js.br"), "packed").unwrap();
        fs::write(folder.path().join(LIST), list).unwrap();
        folder
    }

    fn site(which: &WebApp) -> Result<Site, WebAppError> {
        Site::open(which, true, Arc::new(Metrics::new()))
    }

    fn ask(site: &Site, path: &str, headers: &[(HeaderName, &str)]) -> Option<Response> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect();
        site.answer(&Method::GET, path, &headers)
    }

    fn header_of(response: &Response, name: HeaderName) -> &str {
        response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    #[test]
    fn the_page_is_guarded_and_what_is_named_by_content_is_kept() {
        let folder = folder("<!doctype html>");
        let site = site(&WebApp::Folder(folder.path().to_owned())).unwrap();
        let page = ask(&site, "/", &[]).unwrap();
        assert_eq!(header_of(&page, header::CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(header_of(&page, header::CACHE_CONTROL), "no-cache");
        let policy = header_of(&page, header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';"), "{policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
        for (name, value) in GUARDS {
            assert_eq!(header_of(&page, HeaderName::from_static(name)), value);
        }
        assert!(page.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none());

        let script = ask(&site, "/assets/app-1a2b.js", &[(header::ACCEPT_ENCODING, "gzip, br")]).unwrap();
        assert_eq!(header_of(&script, header::CONTENT_ENCODING), "br");
        assert_eq!(header_of(&script, header::CACHE_CONTROL), YEAR);
        let tag = header_of(&script, header::ETAG).to_owned();
        let again = ask(&site, "/assets/app-1a2b.js", &[(header::IF_NONE_MATCH, &tag)]).unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let plain = ask(&site, "/assets/app-1a2b.js", &[(header::ACCEPT_ENCODING, "gzip, br;q=0")]).unwrap();
        assert_eq!(header_of(&plain, header::CONTENT_ENCODING), "");

        assert!(ask(&site, "/v1/server", &[]).is_none());
        assert!(ask(&site, "/assets/app-1a2b.js.br", &[]).is_none(), "what is not listed is not served");
        assert!(ask(&site, "/../Cargo.toml", &[]).is_none());
        assert_eq!(site.hash().unwrap().len(), 64);
    }

    #[test]
    fn without_tls_only_the_own_machine_is_reached() {
        assert!(policy(true).to_str().unwrap().contains("connect-src 'self' https: wss: http://127.0.0.1:*"));
        assert!(policy(false).to_str().unwrap().contains("connect-src 'self' https: wss:; base-uri"));
    }

    #[test]
    fn a_changed_file_is_named() {
        let folder = folder("<!doctype html>");
        fs::write(folder.path().join("index.html"), "<!doctype html><script>").unwrap();
        let error = site(&WebApp::Folder(folder.path().to_owned())).err().unwrap();
        assert!(matches!(&error, WebAppError::Changed(path) if path == "index.html"), "{error}");
    }

    #[test]
    fn a_folder_without_a_list_is_none_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(site(&WebApp::Folder(folder.path().to_owned())), Err(WebAppError::List)));
    }

    #[test]
    fn without_a_page_the_server_says_so() {
        let site = site(&WebApp::Off).unwrap();
        assert_eq!(ask(&site, "/", &[]).unwrap().status(), StatusCode::OK);
        assert!(ask(&site, "/join", &[]).is_none());
        assert_eq!(site.hash(), None);
    }
}
