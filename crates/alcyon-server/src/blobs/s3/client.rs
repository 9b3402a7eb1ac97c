//! Requests to S3: signed, bounded in time, tried again within a budget, and not made while the service does not answer.
//!
//! They run in a runtime of their own, of two threads: what S3 does to it does nothing to connections and logs.

use std::{
    error::Error,
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use futures::stream;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use sha2::{Digest, Sha256};
use tokio::{
    runtime::Runtime,
    time::{Instant, sleep, timeout_at},
};

use super::{
    guard::Guard,
    settings::{S3Settings, Secret},
    sign::{self, Keys, Unsigned, encode, sign},
    xml,
};
use crate::{blobs::BlobError, breaker::Turn, jitter, observe::event};

/// Tries of one call.
const TRIES: u32 = 3;
/// Before the second try; twice that before the third. Full jitter.
const BEFORE_NEXT_MS: u64 = 200;
/// So much of a part is in memory at a time.
const PIECE: usize = 128 * 1024;
/// A refusal is not mended in less.
const DENIED_MS: u64 = 30_000;
const IDLE: Duration = Duration::from_secs(20);

/// Why a call came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum S3Error {
    /// No answer, or one that says that the service has trouble; or it had so lately, and the call was not made.
    Away {
        /// When to come back.
        retry_after_ms: u64,
    },
    /// There is no such key, or no such upload.
    Missing,
    /// The service refuses: key, bucket, rights or region are wrong.
    Denied,
    /// The bucket takes no more.
    Full,
}

impl From<S3Error> for BlobError {
    fn from(error: S3Error) -> Self {
        match error {
            S3Error::Away { retry_after_ms } => Self::Away { retry_after_ms },
            S3Error::Missing => Self::Unknown,
            S3Error::Denied => Self::Away { retry_after_ms: jittered(DENIED_MS) },
            S3Error::Full => Self::Full,
        }
    }
}

/// A request. All are such that twice is as good as once.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Without the prefix; empty: the bucket itself.
    pub(super) key: String,
    pub(super) query: Vec<(&'static str, String)>,
    /// `Range`
    pub(super) range: Option<(u64, u64)>,
    pub(super) body: Payload,
    /// Bytes that the answer has at most.
    pub(super) most: usize,
}

impl Call {
    pub(super) fn new(method: Method, key: impl Into<String>) -> Self {
        Self { method, key: key.into(), query: Vec::new(), range: None, body: Payload::Bytes(Bytes::new()), most: 64 * 1024 }
    }
}

/// What goes along with a request.
#[derive(Clone)]
pub(super) enum Payload {
    Bytes(Bytes),
    /// A whole file, which does not change meanwhile.
    File {
        path: PathBuf,
        length: u64,
        sha256: [u8; 32],
    },
}

impl Payload {
    /// A file, read once for its hash.
    pub(super) fn file(path: PathBuf) -> Result<Self, io::Error> {
        let (mut file, mut hash, mut piece, mut length) = (File::open(&path)?, Sha256::new(), vec![0; PIECE], 0);
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                return Ok(Self::File { path, length, sha256: hash.finalize().into() });
            }
            length += read as u64;
            hash.update(&piece[..read]);
        }
    }

    fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Bytes(bytes) => Sha256::digest(bytes).into(),
            Self::File { sha256, .. } => *sha256,
        }
    }

    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }

    fn body(&self) -> Result<Body, io::Error> {
        match self {
            Self::Bytes(bytes) => Ok(Full::new(bytes.clone()).map_err(|never| match never {}).boxed_unsync()),
            Self::File { path, length, .. } => {
                let pieces = stream::try_unfold((File::open(path)?, *length), |(mut file, left)| async move {
                    let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
                    if length == 0 {
                        return Ok(None);
                    }
                    let mut piece = BytesMut::zeroed(length);
                    // It was written a moment ago, and this thread is there for nothing else.
                    file.read_exact(&mut piece)?;
                    Ok(Some((Frame::data(piece.freeze()), (file, left - length as u64))))
                });
                Ok(StreamBody::new(pieces).boxed_unsync())
            }
        }
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A success.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn text(&self) -> Result<&str, S3Error> {
        std::str::from_utf8(&self.body).map_err(|_| S3Error::Away { retry_after_ms: jittered(1_000) })
    }
}

/// Asks S3. Its calls block.
pub(super) struct Client {
    asker: Arc<Asker>,
    runtime: Mutex<Option<Runtime>>,
}

struct Asker {
    http: legacy::Client<HttpsConnector<HttpConnector>, Body>,
    settings: S3Settings,
    secret: Secret,
    state: Mutex<State>,
    began: Instant,
}

#[derive(Default)]
struct State {
    guard: Guard,
    /// The refusal that was told last; it is not told again.
    denied: Option<&'static str>,
}

impl Client {
    pub(super) fn new(settings: S3Settings) -> Result<Self, io::Error> {
        let secret = settings.secret_key.read()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("s3").enable_all().build()?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.patience / 2));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let http = legacy::Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(connector);
        let asker = Asker { http, settings, secret, state: Mutex::default(), began: Instant::now() };
        Ok(Self { asker: Arc::new(asker), runtime: Mutex::new(Some(runtime)) })
    }

    /// Makes a call and waits for its end.
    pub(super) fn ask(&self, call: Call) -> Result<Answer, S3Error> {
        let (end, ended) = mpsc::sync_channel(1);
        {
            let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(runtime) = runtime.as_ref() else { return Err(S3Error::Away { retry_after_ms: jittered(1_000) }) };
            let asker = self.asker.clone();
            runtime.spawn(async move {
                // Nobody waits any more only if this process ends.
                let _ = end.send(asker.ask(&call).await);
            });
        }
        ended.recv().unwrap_or(Err(S3Error::Away { retry_after_ms: jittered(1_000) }))
    }

    /// Whether calls are made just now.
    pub(super) fn available(&self) -> Result<(), S3Error> {
        let wait = self.asker.state().guard.open_for(self.asker.now_ms());
        wait.map_err(|wait| S3Error::Away { retry_after_ms: jittered(wait) })
    }

    /// Ends all calls, without an answer, and makes no more.
    pub(super) fn give_up(&self) {
        if let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Asker {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn ask(&self, call: &Call) -> Result<Answer, S3Error> {
        self.state().guard.admit(self.now_ms()).map_err(|wait| S3Error::Away { retry_after_ms: jittered(wait) })?;
        let patience = self.settings.patience;
        let deadline = Instant::now() + if call.body.length() > 0 { 3 * patience } else { patience };
        let mut tried = 1;
        let result = loop {
            let reason = match timeout_at(deadline, self.once(call)).await {
                Ok(Ok(result)) => break Ok(result),
                Ok(Err(reason)) => reason,
                Err(_late) => break Err("no answer in time"),
            };
            if tried == TRIES || !self.state().guard.again() {
                break Err(reason);
            }
            sleep(Duration::from_millis(jitter::between(0, BEFORE_NEXT_MS * u64::from(tried)))).await;
            tried += 1;
        };
        let mut state = self.state();
        match (state.guard.ended(result.is_ok(), self.now_ms()), &result) {
            (Turn::Away, Err(reason)) => event!(WARN, "S3 does not answer: files wait, all else goes on", reason = *reason),
            (Turn::Back, _) => event!(INFO, "S3 answers again"),
            _ => {}
        }
        match result {
            Ok(Ok(answer)) => {
                state.denied = None;
                Ok(answer)
            }
            Ok(Err(Refused::Denied(code))) => {
                if state.denied != Some(code) {
                    event!(ERROR, "S3 refuses: a setting is wrong, or the key lacks a right", code = code, look_at = setting_of(code));
                    state.denied = Some(code);
                }
                Err(S3Error::Denied)
            }
            Ok(Err(Refused::Missing)) => Err(S3Error::Missing),
            Ok(Err(Refused::Full)) => Err(S3Error::Full),
            Err(_reason) => {
                let wait = state.guard.open_for(self.now_ms()).err().unwrap_or(1_000);
                Err(S3Error::Away { retry_after_ms: jittered(wait) })
            }
        }
    }

    /// One try. The outer error is one of the way or of the service: to be tried again.
    async fn once(&self, call: &Call) -> Result<Result<Answer, Refused>, &'static str> {
        let request = self.request(call).map_err(|_| "the request could not be made")?;
        let response = self.http.request(request).await.map_err(|error| why(&error))?;
        let (parts, body) = response.into_parts();
        let most = if parts.status.is_success() { call.most } else { 64 * 1024 };
        let body = Limited::new(body, most).collect().await.map_err(|_| "an answer broke off")?.to_bytes();
        let code = || std::str::from_utf8(&body).ok().and_then(xml::error_code);
        let status = parts.status;
        if status.is_success() {
            // Completing a multipart upload says OK first and thinks afterwards.
            if call.method == Method::POST && code().is_some() {
                return Err("an error after all");
            }
            return Ok(Ok(Answer { status, headers: parts.headers, body }));
        }
        let code = code().unwrap_or_default();
        Ok(Err(match (status.as_u16(), &*code) {
            (507, _) | (_, "QuotaExceeded" | "XMinioStorageFull" | "StorageFull") => Refused::Full,
            (500.. | 408 | 429, _) | (_, "RequestTimeout" | "SlowDown" | "OperationAborted") => return Err("it has trouble of its own"),
            (404, "NoSuchBucket") => Refused::Denied("NoSuchBucket"),
            (404, _) => Refused::Missing,
            _ => Refused::Denied(known(&code, status)),
        }))
    }

    fn request(&self, call: &Call) -> Result<Request<Body>, Box<dyn Error + Send + Sync>> {
        let S3Settings { endpoint, region, bucket, prefix, path_style, access_key, .. } = &self.settings;
        let key = if call.key.is_empty() { String::new() } else { encode(&format!("{prefix}{}", call.key), true) };
        let (host, path) = if *path_style {
            (endpoint.authority().to_owned(), if key.is_empty() { format!("/{bucket}") } else { format!("/{bucket}/{key}") })
        } else {
            (format!("{bucket}.{}", endpoint.authority()), format!("/{key}"))
        };
        let query: Vec<(&str, &str)> = call.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let query = sign::query(&query);
        let headers: Vec<(&'static str, String)> =
            call.range.map(|(first, last)| ("range", format!("bytes={first}-{last}"))).into_iter().collect();
        let unsigned =
            Unsigned { method: &call.method, host: &host, path: &path, query: &query, headers: &headers, body: call.body.sha256() };
        let keys = Keys { access_key, secret_key: self.secret.reveal(), region };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0));
        let signed = sign(&unsigned, keys, now);
        let question = if query.is_empty() { "" } else { "?" };
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}://{host}{path}{question}{query}", endpoint.scheme()))
            .header(header::HOST, &host)
            .header("x-amz-content-sha256", signed.body)
            .header("x-amz-date", signed.date)
            .header(header::AUTHORIZATION, signed.authorization);
        if call.method == Method::PUT || call.method == Method::POST {
            request = request.header(header::CONTENT_LENGTH, call.body.length());
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Ok(request.body(call.body.body()?)?)
    }
}

/// An answer that says no.
enum Refused {
    Missing,
    Denied(&'static str),
    Full,
}

/// Words of a fixed set, for the log: what the service says besides may name anything.
fn known(code: &str, status: StatusCode) -> &'static str {
    const CODES: [&str; 12] = [
        "AccessDenied",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",
        "EntityTooSmall",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "InvalidPart",
        "InvalidRequest",
        "PermanentRedirect",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    ];
    CODES.into_iter().find(|known| *known == code).unwrap_or(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "AccessDenied",
        _ if status.is_redirection() => "PermanentRedirect",
        _ => "other",
    })
}

/// What the operator looks at first.
fn setting_of(code: &str) -> &'static str {
    match code {
        "AccessDenied" | "AllAccessDisabled" => "the rights of the key; docs/operations.md lists them",
        "AuthorizationHeaderMalformed" | "PermanentRedirect" => "blobs.s3.region and blobs.s3.endpoint",
        "InvalidAccessKeyId" | "ExpiredToken" => "blobs.s3.access_key",
        "InvalidBucketName" | "NoSuchBucket" => "blobs.s3.bucket",
        "RequestTimeTooSkewed" => "the clock of this machine",
        "SignatureDoesNotMatch" => "blobs.s3.secret_key",
        _ => "blobs.s3.endpoint",
    }
}

/// In a word: errors of the network name addresses.
fn why(error: &legacy::Error) -> &'static str {
    if error.is_connect() { "no connection" } else { "the connection broke off" }
}

/// From `ms` to twice that: those who are sent away do not come back all at once.
fn jittered(ms: u64) -> u64 {
    jitter::between(ms, ms.saturating_mul(2)).max(1)
}
