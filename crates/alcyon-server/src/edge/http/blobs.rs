use std::{ops::Range, sync::Arc, time::Duration};

use alcyon_wire::{BlobId, RefusalCode, UploadSecret};
use axum::{
    body::Body,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use futures::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;

use super::{
    Problem,
    routes::{App, PeerAddress},
    tus,
};
use crate::{
    Refusal,
    blobs::{BlobState, Blobs},
    edge::lifecycle::Phase,
    logs::AddressBand,
};

/// So much of an upload is held in memory before it is written.
const PIECE: usize = 512 * 1024;
/// So much of an upload is made durable at a time: what has come of a long body survives the end of this process.
const DURABLE: u64 = 8 * 1024 * 1024;
/// How long an upload may be silent. What has come by then is kept.
const SILENCE: Duration = Duration::from_secs(30);

/// `OPTIONS /v1/blobs`
pub(super) async fn abilities(State(app): State<Arc<App>>) -> Response {
    tus::abilities(app.blobs.largest())
}

/// `POST /v1/blobs`: begins an upload.
pub(super) async fn create(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    if app.lifecycle.phase() > Phase::Running {
        return Err(app.sessions.draining().into());
    }
    let Some(PeerAddress(peer)) = request.extensions().get().copied() else {
        return Err(Refusal::internal().into());
    };
    let length = tus::number(request.headers(), &tus::UPLOAD_LENGTH)?;
    let secret = app.blobs.create(length, AddressBand::of(peer)).await.map_err(problem)?;
    let location = format!("{}/uploads/{}", tus::BLOBS, secret.to_text());
    let location = HeaderValue::from_str(&location).map_err(|_| Refusal::internal())?;
    let expires = tus::expires(app.blobs.unfinished_until_ms());
    Ok((StatusCode::CREATED, [(header::LOCATION, location), (tus::UPLOAD_EXPIRES, expires), NO_STORE]).into_response())
}

/// `HEAD /v1/blobs/uploads/{upload}`: how far it has got.
pub(super) async fn progress(State(app): State<Arc<App>>, Path(upload): Path<String>) -> Result<Response, Problem> {
    let id = writes_to(&upload)?;
    let state = app.blobs.state(id).await.map_err(problem)?;
    Ok((StatusCode::OK, progress_headers(&app.blobs, state)).into_response())
}

/// `PATCH /v1/blobs/uploads/{upload}`: goes on. Answered once what came is durable; if the body breaks off, what came of it is kept.
pub(super) async fn proceed(State(app): State<Arc<App>>, Path(upload): Path<String>, request: Request) -> Result<Response, Problem> {
    let id = writes_to(&upload)?;
    tus::check_content_type(request.headers())?;
    let from = tus::number(request.headers(), &tus::UPLOAD_OFFSET)?;
    let state = app.blobs.state(id).await.map_err(problem)?;
    if state.offset != from {
        return Err(elsewhere(state.offset));
    }
    let (to, state, broken) = take(&app, id, state, request.into_body()).await;
    let state = if to > state.offset { app.blobs.advance(id, state.offset, to).await.map_err(problem)? } else { state };
    match broken {
        Some(problem) => Err(problem),
        None => Ok((StatusCode::NO_CONTENT, progress_headers(&app.blobs, state)).into_response()),
    }
}

/// Writes a body as it comes. Returns how far that went, how much of it is durable, and why it went no further.
async fn take(app: &App, id: BlobId, mut state: BlobState, mut body: Body) -> (u64, BlobState, Option<Problem>) {
    let BlobState { length, mut offset } = state;
    let mut piece = BytesMut::new();
    loop {
        let broken = tokio::select! {
            frame = tokio::time::timeout(SILENCE, body.frame()) => match frame {
                Ok(Some(Ok(frame))) => {
                    piece.extend_from_slice(&frame.into_data().unwrap_or_default());
                    None
                }
                Ok(None) => Some(None),
                Ok(Some(Err(_gone))) => Some(Some(Problem::malformed("body", "the body ended too early"))),
                Err(_silent) => Some(Some(Problem::later(StatusCode::REQUEST_TIMEOUT, "timeout", "nothing came for 30 seconds", 1_000))),
            },
            () = app.lifecycle.reached(Phase::Draining) => Some(Some(app.sessions.draining().into())),
        };
        if offset + piece.len() as u64 > length {
            // Nothing of the piece counts: whoever says one length and sends another has lost count.
            let message = format!("the blob was to have {length} bytes");
            return (offset, state, Some(Problem::never(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).at("body")));
        }
        if piece.len() >= PIECE || broken.is_some() && !piece.is_empty() {
            let bytes: Bytes = piece.split().freeze();
            let written = bytes.len() as u64;
            if let Err(refusal) = app.blobs.write(id, offset, bytes).await {
                return (offset, state, Some(problem(refusal)));
            }
            offset += written;
        }
        if let Some(broken) = broken {
            return (offset, state, broken);
        }
        // The last byte waits for the end of the body: after it nothing more may come.
        if offset - state.offset >= DURABLE && offset < length {
            match app.blobs.advance(id, state.offset, offset).await {
                Ok(further) => state = further,
                Err(refusal) => return (state.offset, state, Some(problem(refusal))),
            }
        }
    }
}

/// `DELETE /v1/blobs/uploads/{upload}`: removes it, complete or not.
pub(super) async fn remove(State(app): State<Arc<App>>, Path(upload): Path<String>) -> Result<Response, Problem> {
    app.blobs.remove(writes_to(&upload)?).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /v1/blobs/{blob}`: the bytes, all or a range.
pub(super) async fn read(State(app): State<Arc<App>>, Path(blob): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let id = BlobId::from_text(&blob, "blob").map_err(|_| no_blob())?;
    let state = app.blobs.state(id).await.map_err(problem)?;
    if !state.is_complete() {
        return Err(no_blob());
    }
    let wanted = headers.get(header::RANGE).and_then(|range| range.to_str().ok()).and_then(|range| parse_range(range, state.length));
    let fixed = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        NO_STORE,
    ];
    let (status, range, content_range) = match wanted {
        None => (StatusCode::OK, 0..state.length, None),
        Some(Ok(range)) => {
            let text = format!("bytes {}-{}/{}", range.start, range.end - 1, state.length);
            (StatusCode::PARTIAL_CONTENT, range, Some(text))
        }
        Some(Err(())) => {
            let problem = Problem::never(StatusCode::RANGE_NOT_SATISFIABLE, "malformed", "the blob ends before this range").at("range");
            let mut response = problem.into_response();
            if let Ok(value) = HeaderValue::from_str(&format!("bytes */{}", state.length)) {
                response.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            return Ok(response);
        }
    };
    let length = HeaderValue::from(range.end - range.start);
    let mut response = (status, fixed, [(header::CONTENT_LENGTH, length)], streamed(app, id, range)).into_response();
    if let Some(value) = content_range.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

/// A piece is read when the one before is on its way: a slow reader holds little of our memory. One whose reading fails gets a
/// connection that ends early.
fn streamed(app: Arc<App>, id: BlobId, range: Range<u64>) -> Body {
    let pieces = stream::try_unfold(range, move |rest| {
        let app = app.clone();
        async move {
            let length = rest.end.saturating_sub(rest.start).min(app.blobs.piece() as u64);
            if length == 0 {
                return Ok(None);
            }
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            match app.blobs.read(id, rest.start, length).await {
                Ok(bytes) => Ok(Some((bytes, rest.start + length as u64..rest.end))),
                Err(_told_already) => Err(std::io::Error::other("the blob could not be read")),
            }
        }
    });
    Body::from_stream(pieces)
}

/// One range of bytes (RFC 9110, 14.1.2). `None`: to be ignored, as that says of what is not understood; an error: beyond the end.
fn parse_range(text: &str, length: u64) -> Option<Result<Range<u64>, ()>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let range = if first.is_empty() {
        let suffix = number(last)?;
        if suffix == 0 {
            return Some(Err(()));
        }
        length.saturating_sub(suffix)..length
    } else {
        let first = number(first)?;
        let end = if last.is_empty() { length } else { number(last)?.checked_add(1)? };
        if end <= first && !last.is_empty() {
            return None;
        }
        first..end.min(length)
    };
    Some(if range.start < range.end { Ok(range) } else { Err(()) })
}

const NO_STORE: (header::HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

fn progress_headers(blobs: &Blobs, state: BlobState) -> HeaderMap {
    let BlobState { length, offset } = state;
    let mut headers =
        HeaderMap::from_iter([(tus::UPLOAD_OFFSET, HeaderValue::from(offset)), (tus::UPLOAD_LENGTH, HeaderValue::from(length)), NO_STORE]);
    if !state.is_complete() {
        headers.insert(tus::UPLOAD_EXPIRES, tus::expires(blobs.unfinished_until_ms()));
    }
    headers
}

fn writes_to(upload: &str) -> Result<BlobId, Problem> {
    Ok(UploadSecret::from_text(upload).map_err(|_| no_blob())?.blob())
}

fn no_blob() -> Problem {
    Problem::never(StatusCode::NOT_FOUND, "unknown_blob", "there is no such blob, or not any more")
}

fn elsewhere(offset: u64) -> Problem {
    Problem::never(StatusCode::CONFLICT, "offset", format!("the upload goes on at {offset}")).at("upload-offset")
}

/// The codes of the logs say it in the words of logs; blobs have their own.
fn problem(refusal: Refusal) -> Problem {
    match refusal.code {
        RefusalCode::UnknownLog => no_blob(),
        RefusalCode::Stale => elsewhere(refusal.head),
        _ => refusal.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_the_standard_has_them() {
        type Parsed = Option<Result<Range<u64>, ()>>;
        let cases: [(&str, Parsed); 14] = [
            ("bytes=0-0", Some(Ok(0..1))),
            ("bytes=2-5", Some(Ok(2..6))),
            ("bytes=2-", Some(Ok(2..10))),
            ("bytes=-3", Some(Ok(7..10))),
            ("bytes=-30", Some(Ok(0..10))),
            ("bytes=5-100", Some(Ok(5..10))),
            ("bytes=10-", Some(Err(()))),
            ("bytes=10-11", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=5-4", None),
            ("bytes=0-1,4-5", None),
            ("bytes=+1-2", None),
            ("bytes=1-18446744073709551615", None),
            ("items=0-1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
    }
}
