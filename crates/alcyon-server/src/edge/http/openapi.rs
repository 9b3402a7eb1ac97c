use axum::response::{IntoResponse, Response};
use http::header;

/// The description of the control plane (OpenAPI 3.1).
pub(crate) const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /openapi.json`
pub(super) async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}
