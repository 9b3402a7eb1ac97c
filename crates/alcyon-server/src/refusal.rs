//! Saying no, in three ways that a client can tell apart: later, never, elsewhere.

use std::borrow::Cow;

use alcyon_wire::{RefusalCode, Verdict, WireError, proto};

/// Why a request was not carried out. Nothing of a refused request has taken effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whether to come back, and where.
    pub verdict: Verdict,
    /// What the matter is.
    pub code: RefusalCode,
    /// Plain English, names no secret.
    pub message: Cow<'static, str>,
    /// The field at fault, or empty.
    pub field: Cow<'static, str>,
    /// With [`Verdict::Later`]: not before this many milliseconds from now.
    pub retry_after_ms: u64,
    /// With [`RefusalCode::Stale`]: commits in the log.
    pub commit_count: u64,
    /// With [`RefusalCode::Stale`] and [`RefusalCode::BeyondHead`]: the last sequence of the log.
    pub head: u64,
    /// With [`Verdict::Elsewhere`]: URL of the server to ask.
    pub location: String,
}

impl Refusal {
    /// The same request will never succeed.
    #[must_use]
    pub fn never(code: RefusalCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            verdict: Verdict::Never,
            code,
            message: message.into(),
            field: Cow::Borrowed(""),
            retry_after_ms: 0,
            commit_count: 0,
            head: 0,
            location: String::new(),
        }
    }

    /// The same request may succeed after `retry_after_ms`.
    #[must_use]
    pub fn later(code: RefusalCode, message: impl Into<Cow<'static, str>>, retry_after_ms: u64) -> Self {
        Self { verdict: Verdict::Later, retry_after_ms: retry_after_ms.max(1), ..Self::never(code, message) }
    }

    /// There is no room for this now. `retry_after_ms` is drawn for each who is told.
    #[must_use]
    pub fn overloaded(retry_after_ms: u64) -> Self {
        Self::later(RefusalCode::Overloaded, "too much is asked now", retry_after_ms)
    }

    /// Another server has what was asked for.
    #[must_use]
    pub fn elsewhere(code: RefusalCode, message: impl Into<Cow<'static, str>>, location: String) -> Self {
        Self { verdict: Verdict::Elsewhere, location, ..Self::never(code, message) }
    }

    /// A field has a value that can't be right.
    #[must_use]
    pub fn malformed(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), ..Self::never(RefusalCode::Malformed, message) }
    }

    /// The commit count is not the log's; here is what the log has.
    #[must_use]
    pub fn stale(commit_count: u64, head: u64) -> Self {
        Self { commit_count, head, ..Self::never(RefusalCode::Stale, "the log has other commits by now: read on, then send anew") }
    }

    /// Others would stay and none of them may keep.
    #[must_use]
    pub fn no_keeper(head: u64) -> Self {
        Self {
            head,
            ..Self::never(RefusalCode::NoKeeper, "who would stay could change nothing: give another seat the right to keep first")
        }
    }

    /// The sequence is past the end of the log.
    #[must_use]
    pub fn beyond_head(head: u64) -> Self {
        Self { head, ..Self::never(RefusalCode::BeyondHead, "the log has no such sequence yet") }
    }

    /// The store failed; nothing was acknowledged.
    #[must_use]
    pub fn internal() -> Self {
        Self::later(RefusalCode::Internal, "the server could not store or read this", 1_000)
    }
}

impl From<Refusal> for proto::Refusal {
    fn from(refusal: Refusal) -> Self {
        let Refusal { verdict, code, message, field, retry_after_ms, commit_count, head, location } = refusal;
        Self {
            verdict: verdict.into(),
            code: code.into(),
            message: message.into_owned(),
            field: field.into_owned(),
            retry_after_ms,
            commit_count,
            head,
            location,
        }
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        let code = match error {
            WireError::TooLarge { .. } => RefusalCode::TooLarge,
            _ => RefusalCode::Malformed,
        };
        Self { field: Cow::Borrowed(error.field()), ..Self::never(code, error.to_string()) }
    }
}
