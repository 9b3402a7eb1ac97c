use std::borrow::Cow;

use alcyon_identity::IdentityError;
use alcyon_wire::{RefusalCode, Verdict, WireError};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::Refusal;

/// A refusal of the control plane: a status, and a JSON object that says what, where, and whether to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// A word from a fixed set, for programs.
    pub(crate) code: &'static str,
    /// Plain English, for people.
    pub(crate) message: Cow<'static, str>,
    /// The field at fault, or empty.
    pub(crate) field: Cow<'static, str>,
    /// With `later`: not before this many milliseconds from now.
    pub(crate) retry_after_ms: u64,
    /// Whether to come back.
    pub(crate) verdict: Verdict,
    /// With `elsewhere`: the URL to ask.
    pub(crate) location: String,
}

impl Problem {
    pub(crate) fn never(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            field: Cow::Borrowed(""),
            retry_after_ms: 0,
            verdict: Verdict::Never,
            location: String::new(),
        }
    }

    pub(crate) fn later(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>, retry_after_ms: u64) -> Self {
        Self { retry_after_ms: retry_after_ms.max(1), verdict: Verdict::Later, ..Self::never(status, code, message) }
    }

    pub(crate) fn malformed(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::never(StatusCode::BAD_REQUEST, "malformed", message).at(field)
    }

    pub(crate) fn not_found() -> Self {
        Self::never(StatusCode::NOT_FOUND, "not_found", "there is nothing here; /openapi.json says what there is")
    }

    /// The same, naming a field.
    pub(crate) fn at(self, field: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), ..self }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = status_of(refusal.code);
        let Refusal { verdict, code: _, message, field, retry_after_ms, commit_count: _, head: _, location } = refusal;
        Self { status, code, message, field, retry_after_ms, verdict, location }
    }
}

impl From<WireError> for Problem {
    fn from(error: WireError) -> Self {
        let problem = match error {
            WireError::TooLarge { .. } => Self::never(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string()),
            _ => Self::malformed("", error.to_string()),
        };
        problem.at(error.field())
    }
}

impl From<IdentityError> for Problem {
    /// Of a manifest or a signed request.
    fn from(error: IdentityError) -> Self {
        let unauthorized = |message: String| Self::never(StatusCode::UNAUTHORIZED, "unauthorized", message);
        let problem = match &error {
            IdentityError::Wire(wire) => wire.clone().into(),
            IdentityError::Header { .. } | IdentityError::Digest | IdentityError::Clock { .. } => unauthorized(error.to_string()),
            IdentityError::Signature { .. } => Self::never(StatusCode::BAD_REQUEST, "bad_signature", error.to_string()),
            _ => Self::malformed("", error.to_string()),
        };
        problem.at(error.field())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, code, message, field, retry_after_ms, verdict, location } = self;
        let verdict = match verdict {
            Verdict::Later => "later",
            Verdict::Elsewhere => "elsewhere",
            Verdict::Never | Verdict::Unspecified => "never",
        };
        let mut body = json!({ "error": code, "message": message, "verdict": verdict });
        if !field.is_empty() {
            body["field"] = Value::from(field);
        }
        if !location.is_empty() {
            body["location"] = Value::from(location);
        }
        if retry_after_ms > 0 {
            body["retry_after_ms"] = Value::from(retry_after_ms);
        }
        let mut response = (status, json_body(&body)).into_response();
        if retry_after_ms > 0 {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_ms.div_ceil(1000)));
        }
        response
    }
}

/// A JSON answer.
pub(crate) fn json_body(value: &Value) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], format!("{value}\n"))
}

/// The status and the word that stand for a refusal of the logs or the directory.
fn status_of(code: RefusalCode) -> (StatusCode, &'static str) {
    match code {
        RefusalCode::Unspecified | RefusalCode::Internal => (StatusCode::SERVICE_UNAVAILABLE, "internal"),
        RefusalCode::Version => (StatusCode::BAD_REQUEST, "version"),
        RefusalCode::Malformed => (StatusCode::BAD_REQUEST, "malformed"),
        RefusalCode::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        RefusalCode::UnknownLog => (StatusCode::NOT_FOUND, "unknown_log"),
        RefusalCode::LogExists => (StatusCode::CONFLICT, "log_exists"),
        RefusalCode::WrongSeat => (StatusCode::FORBIDDEN, "wrong_seat"),
        RefusalCode::SeatDropped => (StatusCode::FORBIDDEN, "seat_dropped"),
        RefusalCode::WrongDoor => (StatusCode::FORBIDDEN, "wrong_door"),
        RefusalCode::NoRight => (StatusCode::FORBIDDEN, "no_right"),
        RefusalCode::Stale => (StatusCode::CONFLICT, "stale"),
        RefusalCode::Closed => (StatusCode::CONFLICT, "closed"),
        RefusalCode::EntryIdReused => (StatusCode::CONFLICT, "entry_id_reused"),
        RefusalCode::BeyondHead => (StatusCode::CONFLICT, "beyond_head"),
        RefusalCode::Quota => (StatusCode::TOO_MANY_REQUESTS, "quota"),
        RefusalCode::LaneFull => (StatusCode::TOO_MANY_REQUESTS, "lane_full"),
        RefusalCode::WrongPass => (StatusCode::FORBIDDEN, "wrong_pass"),
        RefusalCode::NoTree => (StatusCode::NOT_FOUND, "no_tree"),
        RefusalCode::DiskFull => (StatusCode::SERVICE_UNAVAILABLE, "disk_full"),
        RefusalCode::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        RefusalCode::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too_many"),
        RefusalCode::NotInbox => (StatusCode::CONFLICT, "not_inbox"),
        RefusalCode::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        RefusalCode::StampNeeded => (StatusCode::PAYMENT_REQUIRED, "stamp_needed"),
        RefusalCode::StampSpent => (StatusCode::CONFLICT, "stamp_spent"),
        RefusalCode::StampUnknown => (StatusCode::FORBIDDEN, "stamp_unknown"),
        RefusalCode::NoKeeper => (StatusCode::CONFLICT, "no_keeper"),
    }
}
