use std::io;

use thiserror::Error;

/// Why an image was not taken apart or not decoded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// It is an image of a kind that carries metadata, and that we can't take apart. Send it as it is, if that is wanted.
    #[error("what {kind} images say of place and camera can't be taken out here")]
    Opaque {
        /// The kind, such as `HEIF`.
        kind: &'static str,
    },
    /// It begins as an image and does not go on as one. Send it as it is, if that is wanted.
    #[error("the image is damaged: {what}")]
    Damaged {
        /// What is wrong with it.
        what: &'static str,
    },
    /// It is larger, or more work, than we decode. It can be sent without a preview.
    #[error("the image is too large to be decoded here")]
    TooMuch,
    /// The decoder gave up. It can be sent without a preview.
    #[cfg(feature = "decode")]
    #[error("the image can't be decoded: {0}")]
    Decode(#[source] image::ImageError),
    /// Reading failed. It can be tried again.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs a decoder of somebody else's. One that panics costs the image, and nothing else.
#[cfg(feature = "decode")]
pub(crate) fn guarded<T>(decode: impl FnOnce() -> Result<T, ImageError>) -> Result<T, ImageError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode)).unwrap_or(Err(damaged("its decoder failed")))
}

pub(crate) fn damaged(what: &'static str) -> ImageError {
    ImageError::Damaged { what }
}
