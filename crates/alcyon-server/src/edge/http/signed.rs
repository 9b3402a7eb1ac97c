use alcyon_identity::{
    IdentityError,
    http_signature::{self, Headers},
};
use alcyon_wire::DeviceId;
use axum::extract::Request;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use super::{
    Problem,
    routes::{App, read_body},
};

/// Reads the body of a signed request and finds out which device has signed it.
pub(super) async fn signed(app: &App, request: Request, limit: usize) -> Result<(DeviceId, Bytes), Problem> {
    if request.headers().get("signature").is_none() {
        // Said before the body is read: nobody sends a megabyte to be told that it should have been signed.
        return Err(unauthorized("signature", "the request must be signed by a device (RFC 9421)"));
    }
    let (parts, body) = read_body(request, limit).await?;
    if parts.uri.query().is_some() {
        return Err(Problem::malformed("query", "signed requests have no query"));
    }
    let authority = authority(app, &parts.headers)?;
    let request = http_signature::Request::new(parts.method.as_str(), authority, parts.uri.path(), &body).map_err(Problem::from)?;
    let headers = Headers {
        signature_input: text(&parts.headers, "signature-input")?,
        signature: text(&parts.headers, "signature")?,
        content_digest: text(&parts.headers, "content-digest")?,
    };
    let now = app.sessions.clock.now_ms() / 1000;
    match http_signature::verify(&request, &headers, now) {
        Ok(device) => Ok((device, body)),
        Err(error @ IdentityError::Clock { .. }) => {
            Err(Problem::never(StatusCode::UNAUTHORIZED, "clock", error.to_string()).at(error.field()))
        }
        Err(error) => Err(unauthorized(error.field(), error.to_string())),
    }
}

/// The authority that was signed: the request's, if that is one of ours. So no request for another server passes here.
fn authority<'a>(app: &App, headers: &'a HeaderMap) -> Result<&'a str, Problem> {
    let host = text(headers, header::HOST.as_str())?;
    if app.is_own_authority(host) { Ok(host) } else { Err(Problem::malformed("host", format!("this server is {}", app.url.authority()))) }
}

fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Problem> {
    let value = headers.get(name).ok_or_else(|| unauthorized(name, format!("header {name} is missing")))?;
    value.to_str().map_err(|_| unauthorized(name, format!("header {name} is not plain text")))
}

fn unauthorized(field: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::never(StatusCode::UNAUTHORIZED, "unauthorized", message).at(field)
}
