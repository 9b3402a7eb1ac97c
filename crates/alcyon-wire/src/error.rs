use thiserror::Error;

/// Bytes or text from outside that are not what the protocol allows.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// The bytes are no protobuf message of the expected type. Nothing of it was used; send a well-formed one.
    #[error("not a well-formed {what}")]
    Malformed {
        /// The message type that was expected.
        what: &'static str,
    },
    /// A field has the wrong length.
    #[error("{field} must have {expected} bytes, not {actual}")]
    Length {
        /// Path of the field.
        field: &'static str,
        /// Bytes it must have.
        expected: usize,
        /// Bytes it has.
        actual: usize,
    },
    /// A field is over its limit.
    #[error("{field} is {actual}, over the limit of {limit}")]
    TooLarge {
        /// Path of the field.
        field: &'static str,
        /// The limit, in bytes or items.
        limit: usize,
        /// What it is.
        actual: usize,
    },
    /// A field that has to be there is not, or has a value that is not defined.
    #[error("{field} is missing or has a value that is not defined")]
    Missing {
        /// Path of the field.
        field: &'static str,
    },
    /// A handle, server address or id in text form is not one. The message says what it should look like.
    #[error("{field}: {expected}")]
    Text {
        /// What was being read.
        field: &'static str,
        /// What it should look like.
        expected: &'static str,
    },
}

impl WireError {
    /// The field at fault, for an answer that names it.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::Malformed { what } => what,
            Self::Length { field, .. } | Self::TooLarge { field, .. } | Self::Missing { field } | Self::Text { field, .. } => field,
        }
    }
}
