//! The headers of tus 1.0.0 (<https://tus.io/protocols/resumable-upload>), as far as uploads of blobs go: the core protocol, creation,
//! termination and expiration.

use std::time::{Duration, UNIX_EPOCH};

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::Problem;

pub(super) const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(super) const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub(super) const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub(super) const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const VERSION: HeaderName = HeaderName::from_static("tus-version");
const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
/// The one version there is.
const ONE: HeaderValue = HeaderValue::from_static("1.0.0");
/// Where uploads are.
pub(super) const BLOBS: &str = "/v1/blobs";

/// Every request but `OPTIONS` names the version, and every answer. Around everything else, so that no other layer answers first.
pub(super) async fn version(request: Request, next: Next) -> Response {
    if !is_upload(request.uri().path()) {
        return next.run(request).await;
    }
    let method = request.method();
    if *method == Method::OPTIONS || request.headers().get(RESUMABLE).is_some_and(|version| version == ONE) {
        let mut response = next.run(request).await;
        response.headers_mut().insert(RESUMABLE, ONE);
        return response;
    }
    let message = "header Tus-Resumable must be 1.0.0";
    let mut response = Problem::never(StatusCode::PRECONDITION_FAILED, "version", message).at("tus-resumable").into_response();
    response.headers_mut().insert(RESUMABLE, ONE);
    response.headers_mut().insert(VERSION, ONE);
    response
}

/// Where a way lets no `PATCH` and `DELETE` pass, a `POST` may say that it stands for one. To be done before the request is routed.
pub(crate) fn method_meant<B>(request: &mut http::Request<B>) {
    if *request.method() == Method::POST
        && is_upload(request.uri().path())
        && let Some(method) = request.headers().get(OVERRIDE).and_then(|method| Method::from_bytes(method.as_bytes()).ok())
    {
        *request.method_mut() = method;
    }
}

fn is_upload(path: &str) -> bool {
    path.strip_prefix(BLOBS).is_some_and(|rest| rest.is_empty() || rest.starts_with("/uploads/"))
}

/// The answer to `OPTIONS`.
pub(super) fn abilities(largest: u64) -> Response {
    let headers =
        [(VERSION, ONE), (EXTENSION, HeaderValue::from_static("creation,termination,expiration")), (MAX_SIZE, HeaderValue::from(largest))];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// A header that holds a whole number.
pub(super) fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, Problem> {
    let value = headers.get(name).ok_or_else(|| Problem::malformed(name.to_string(), format!("header {name} is missing")))?;
    let digits = value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| Problem::malformed(name.to_string(), format!("header {name} must be a whole number of bytes")))
}

/// `Upload-Expires`.
pub(super) fn expires(ms: u64) -> HeaderValue {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(ms));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// The body of a `PATCH` is this type.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get(header::CONTENT_TYPE).is_some_and(|value| value == "application/offset+octet-stream") {
        return Ok(());
    }
    let message = "the body must be application/offset+octet-stream";
    Err(Problem::never(StatusCode::UNSUPPORTED_MEDIA_TYPE, "malformed", message).at("content-type"))
}
