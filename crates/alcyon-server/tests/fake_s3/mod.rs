//! A small S3 in this process, which fails as it is told to: for unit tests and for those of the whole server.
//!
//! One bucket, `files`, named in the path; what blobs need of the API and no more. It checks that requests are signed by the right
//! key and that bodies are what was signed; signatures themselves are checked by the examples of the documentation, and by moto.
#![allow(clippy::unwrap_used, dead_code)]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt::Write as _,
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

pub const BUCKET: &str = "files";
pub const ACCESS_KEY: &str = "AKIAFAKE";
pub const SECRET_KEY: &str = "aSecretThatIsNotShown";

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Answered so, and nothing else happens.
    Status(u16),
    /// The connection is cut before anything happens.
    CutBefore,
    /// What was asked for is done, and the connection cut.
    CutAfter,
    /// What was asked for is done, and the answer ends in the middle.
    HalfAnswer,
    /// Status 200, with an error inside; nothing is done.
    ErrorInside,
    /// No answer at all.
    Silent,
}

/// ETags and bytes, by number.
type Parts = BTreeMap<u32, (String, Vec<u8>)>;

type Plan = Box<dyn FnMut(&Method, &str) -> Option<Fault> + Send>;

#[derive(Default)]
pub struct State {
    pub objects: BTreeMap<String, Vec<u8>>,
    /// Key and parts, by upload id.
    pub uploads: BTreeMap<String, (String, Parts)>,
    /// Looks at method and `key?query`.
    plan: Option<Plan>,
    /// What was asked, in order.
    pub asked: Vec<String>,
    begun: u64,
}

/// Ends when it is dropped.
pub struct FakeS3 {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl FakeS3 {
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), Arc::default())
    }

    /// Another one at the same address, with the same objects.
    pub fn start_again(address: SocketAddr, state: Arc<Mutex<State>>) -> Self {
        Self::start_at(address, state)
    }

    fn start_at(address: SocketAddr, state: Arc<Mutex<State>>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (end, ended) = oneshot::channel();
        let served = state.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(tokio::net::TcpListener::from_std(listener).unwrap(), served) => {}
                    _ = ended => {}
                }
            });
        });
        Self { address, state, end: Some(end), thread: Some(thread) }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn shared(&self) -> Arc<Mutex<State>> {
        self.state.clone()
    }

    /// From now on.
    pub fn fail(&self, plan: impl FnMut(&Method, &str) -> Option<Fault> + Send + 'static) {
        self.state().plan = Some(Box::new(plan));
    }

    pub fn heal(&self) {
        self.state().plan = None;
    }
}

impl Drop for FakeS3 {
    fn drop(&mut self) {
        drop(self.end.take());
        let _ended = self.thread.take().unwrap().join();
    }
}

async fn serve(listener: tokio::net::TcpListener, state: Arc<Mutex<State>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let state = state.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, state.clone()));
            // Cut connections are the point.
            let _cut = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Body>, io::Error> {
    let (parts, body) = request.into_parts();
    let path = decoded(parts.uri.path());
    let query: BTreeMap<String, String> = parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let fault = {
        let mut state = state.lock().unwrap();
        let what = format!("{}?{}", path, parts.uri.query().unwrap_or_default());
        state.asked.push(format!("{} {what}", parts.method));
        state.plan.as_mut().and_then(|plan| plan(&parts.method, &what))
    };
    match fault {
        Some(Fault::CutBefore) => return Err(io::ErrorKind::ConnectionReset.into()),
        Some(Fault::Silent) => {
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
        Some(Fault::Status(status)) => {
            return Ok(Response::builder().status(status).body(whole("<Error><Code>InternalError</Code></Error>")).unwrap());
        }
        Some(Fault::ErrorInside) => return Ok(Response::new(whole("<Error><Code>InternalError</Code></Error>"))),
        _ => {}
    }
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = header("authorization").starts_with(&format!("AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/"));
    let response = if !signed {
        error(403, "InvalidAccessKeyId")
    } else if header("x-amz-content-sha256") != data_encoding::HEXLOWER.encode(&Sha256::digest(&body)) {
        error(400, "XAmzContentSHA256Mismatch")
    } else {
        match path.strip_prefix('/').unwrap().split_once('/') {
            None if path[1..] == *BUCKET => of_bucket(&state.lock().unwrap(), &query),
            Some((BUCKET, key)) => of_key(&mut state.lock().unwrap(), &parts.method, key, &query, header("range"), &body),
            _ => error(404, "NoSuchBucket"),
        }
    };
    match fault {
        Some(Fault::CutAfter) => Err(io::ErrorKind::ConnectionReset.into()),
        Some(Fault::HalfAnswer) => Ok(halved(response).await),
        _ => Ok(response),
    }
}

/// Says how long it is, and ends before.
async fn halved(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    parts.headers.insert(header::CONTENT_LENGTH, (body.len() + 1).into());
    let pieces = [Ok(Frame::data(body.slice(..body.len() / 2))), Err(io::ErrorKind::ConnectionReset.into())];
    Response::from_parts(parts, StreamBody::new(stream::iter(pieces)).boxed_unsync())
}

/// Pages are short, so that there are several.
const PAGE: usize = 2;

fn of_bucket(state: &State, query: &BTreeMap<String, String>) -> Response<Body> {
    let prefix = query.get("prefix").map_or("", String::as_str);
    let mut xml = String::new();
    if query.contains_key("uploads") {
        let after = query.get("upload-id-marker").map_or("", String::as_str);
        let matching = || state.uploads.iter().filter(|(id, (key, _))| key.starts_with(prefix) && ***id > *after);
        for (id, (key, _)) in matching().take(PAGE) {
            write!(xml, "<Upload><Key>{key}</Key><UploadId>{}</UploadId></Upload>", id.replace('&', "&amp;")).unwrap();
        }
        let truncated = matching().count() > PAGE;
        if let Some((id, (key, _))) = matching().nth(PAGE - 1).filter(|_| truncated) {
            let id = id.replace('&', "&amp;");
            write!(xml, "<NextKeyMarker>{key}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>").unwrap();
        }
        write!(xml, "<IsTruncated>{truncated}</IsTruncated>").unwrap();
        return Response::new(whole(format!("<ListMultipartUploadsResult>{xml}</ListMultipartUploadsResult>")));
    }
    let after = query.get("continuation-token").map_or("", String::as_str);
    let matching = || state.objects.iter().filter(|(key, _)| key.starts_with(prefix) && ***key > *after);
    for (key, bytes) in matching().take(PAGE) {
        write!(xml, "<Contents><Key>{key}</Key><ETag>&quot;x&quot;</ETag><Size>{}</Size></Contents>", bytes.len()).unwrap();
    }
    let truncated = matching().count() > PAGE;
    if let Some((key, _)) = matching().nth(PAGE - 1).filter(|_| truncated) {
        write!(xml, "<NextContinuationToken>{key}</NextContinuationToken>").unwrap();
    }
    write!(xml, "<IsTruncated>{truncated}</IsTruncated>").unwrap();
    Response::new(whole(format!("<ListBucketResult>{xml}</ListBucketResult>")))
}

fn of_key(state: &mut State, method: &Method, key: &str, query: &BTreeMap<String, String>, range: &str, body: &Bytes) -> Response<Body> {
    let upload = query.get("uploadId");
    match (method.as_str(), upload) {
        ("POST", None) if query.contains_key("uploads") => {
            state.begun += 1;
            let id = format!("upload&{:06}", state.begun);
            state.uploads.insert(id.clone(), (key.to_owned(), BTreeMap::new()));
            let id = id.replace('&', "&amp;");
            Response::new(whole(format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>")))
        }
        ("PUT", Some(upload)) => {
            let Some((_, parts)) = state.uploads.get_mut(upload) else { return error(404, "NoSuchUpload") };
            let tag = format!("\"{}\"", data_encoding::HEXLOWER.encode(&Sha256::digest(body)[..16]));
            parts.insert(query["partNumber"].parse().unwrap(), (tag.clone(), body.to_vec()));
            Response::builder().header(header::ETAG, tag).body(whole("")).unwrap()
        }
        ("POST", Some(upload)) => {
            let Some((_, parts)) = state.uploads.get(upload) else { return error(404, "NoSuchUpload") };
            let mut expected = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
            for (number, (tag, _)) in parts {
                write!(expected, "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>").unwrap();
            }
            expected.push_str("</CompleteMultipartUpload>");
            if expected.as_bytes() != body {
                return error(400, "InvalidPart");
            }
            let bytes = parts.values().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
            state.objects.insert(key.to_owned(), bytes);
            state.uploads.remove(upload);
            Response::new(whole("\n <CompleteMultipartUploadResult><Key>k</Key></CompleteMultipartUploadResult>"))
        }
        ("DELETE", Some(upload)) => match state.uploads.remove(upload) {
            Some(_) => Response::builder().status(StatusCode::NO_CONTENT).body(whole("")).unwrap(),
            None => error(404, "NoSuchUpload"),
        },
        ("PUT", None) => {
            state.objects.insert(key.to_owned(), body.to_vec());
            Response::builder().header(header::ETAG, "\"x\"").body(whole("")).unwrap()
        }
        ("DELETE", None) => {
            state.objects.remove(key);
            Response::builder().status(StatusCode::NO_CONTENT).body(whole("")).unwrap()
        }
        ("GET", None) => {
            let Some(bytes) = state.objects.get(key) else { return error(404, "NoSuchKey") };
            let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            let last = last.min(bytes.len().saturating_sub(1));
            if first >= bytes.len() {
                return error(416, "InvalidRange");
            }
            Response::builder()
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", bytes.len()))
                .body(whole(bytes[first..=last].to_vec()))
                .unwrap()
        }
        _ => error(405, "MethodNotAllowed"),
    }
}

fn error(status: u16, code: &str) -> Response<Body> {
    Response::builder().status(status).body(whole(format!("<Error><Code>{code}</Code></Error>"))).unwrap()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}
