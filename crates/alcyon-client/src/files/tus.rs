//! The client's half of tus 1.0.0 (<https://tus.io>), and ranged reading.

use alcyon_wire::{BlobId, ServerUrl, UploadSecret};

use crate::{ClientError, HttpMethod, HttpRequest, HttpResponse, RefusalKind, Transport, TransportError, directory::refusal};

/// Why a piece did not go over.
#[derive(Debug)]
pub(crate) enum Held {
    /// The server can't be reached, or says later. Not before so many milliseconds.
    Later { after_ms: u64, said: bool },
    /// The server has it at another place.
    Offset,
    /// The server has no such blob or upload, or not any more.
    Gone,
    /// It will not go over, for this reason.
    Never(String),
}

const VERSION: (&str, &str) = ("tus-resumable", "1.0.0");

pub(crate) async fn create<T: Transport>(transport: &T, server: &ServerUrl, length: u64) -> Result<UploadSecret, Held> {
    let headers = vec![("upload-length", length.to_string())];
    let answer = ask(transport, server, HttpMethod::Post, "/v1/blobs".to_owned(), headers, Vec::new()).await?;
    if answer.status != 201 {
        return Err(held(&answer));
    }
    let secret = answer.header("location").and_then(|place| UploadSecret::from_text(place.rsplit('/').next()?).ok());
    secret.ok_or_else(|| Held::Never("the server's answer names no upload".to_owned()))
}

/// Bytes that the server has, durably.
pub(crate) async fn offset<T: Transport>(transport: &T, server: &ServerUrl, upload: &UploadSecret) -> Result<u64, Held> {
    let answer = ask(transport, server, HttpMethod::Head, path(upload), Vec::new(), Vec::new()).await?;
    if answer.status == 200 { offset_of(&answer) } else { Err(held(&answer)) }
}

/// Bytes that the server has afterwards.
pub(crate) async fn append<T: Transport>(
    transport: &T,
    server: &ServerUrl,
    upload: &UploadSecret,
    at: u64,
    bytes: Vec<u8>,
) -> Result<u64, Held> {
    let headers = vec![("upload-offset", at.to_string()), ("content-type", "application/offset+octet-stream".to_owned())];
    let answer = ask(transport, server, HttpMethod::Patch, path(upload), headers, bytes).await?;
    if answer.status == 204 { offset_of(&answer) } else { Err(held(&answer)) }
}

/// Bytes of a blob from there, at least one, at most `length`.
pub(crate) async fn read<T: Transport>(transport: &T, server: &ServerUrl, blob: BlobId, at: u64, length: u64) -> Result<Vec<u8>, Held> {
    let headers = vec![("range", format!("bytes={at}-{}", at.saturating_add(length) - 1))];
    let path = format!("/v1/blobs/{}", blob.to_text());
    let answer = ask(transport, server, HttpMethod::Get, path, headers, Vec::new()).await?;
    match answer.status {
        206 => {
            let begins = answer.header("content-range").is_some_and(|range| range.starts_with(&format!("bytes {at}-")));
            if !begins || answer.body.is_empty() || answer.body.len() as u64 > length {
                return Err(Held::Never("the server's answer is another part of the file".to_owned()));
            }
            Ok(answer.body)
        }
        416 => Err(Held::Never("the file on the server is shorter than its message says".to_owned())),
        _ => Err(held(&answer)),
    }
}

async fn ask<T: Transport>(
    transport: &T,
    server: &ServerUrl,
    method: HttpMethod,
    path: String,
    mut headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
) -> Result<HttpResponse, Held> {
    if method != HttpMethod::Get {
        headers.push((VERSION.0, VERSION.1.to_owned()));
    }
    let request = HttpRequest { server: server.clone(), method, path, headers, body };
    transport.request(request).await.map_err(|error| match error {
        TransportError::Insecure(_) => Held::Never(error.to_string()),
        TransportError::Later { after_ms } => Held::Later { after_ms, said: true },
        _ => Held::Later { after_ms: 0, said: false },
    })
}

fn path(upload: &UploadSecret) -> String {
    format!("/v1/blobs/uploads/{}", upload.to_text())
}

fn offset_of(answer: &HttpResponse) -> Result<u64, Held> {
    let offset = answer.header("upload-offset").and_then(|offset| offset.parse().ok());
    offset.ok_or_else(|| Held::Never("the server's answer does not say how much it has".to_owned()))
}

fn held(answer: &HttpResponse) -> Held {
    match answer.status {
        404 | 410 => return Held::Gone,
        409 => return Held::Offset,
        // What came of the body is kept; the server says how much.
        408 | 423 => return Held::Later { after_ms: 0, said: false },
        _ => {}
    }
    match refusal(answer).1 {
        ClientError::Refused { kind: RefusalKind::Later { after_ms }, .. } => Held::Later { after_ms, said: true },
        ClientError::Refused { message, .. } => Held::Never(message),
        _ if answer.status >= 500 || answer.status == 429 => Held::Later { after_ms: 1_000, said: true },
        _ => Held::Never(format!("the server answers with status {}", answer.status)),
    }
}
