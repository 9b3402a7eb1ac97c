//! Images before they are sent and before they are shown.
//!
//! [`Look`] takes the container of an image apart, and decodes nothing: how large it is, and which of its bytes are the image. What
//! else lies in it (EXIF with the place and the camera, XMP, comments, previews, a film behind the end) is left out by
//! [`Stripped`], and every byte of the image stays as it was: nothing is encoded anew. `Preview` decodes, within limits on
//! pixels and work, and makes what a message carries of an image: a thumbnail, and a placeholder of some 25 bytes.
//! `Pixels` are what a screen shows of a thumbnail from outside.
//!
//! | kind | what stays |
//! | --- | --- |
//! | JPEG | frames, scans, tables; JFIF without its thumbnail, the colour profile, Adobe's colour transform |
//! | PNG | critical chunks; those of transparency, colour, pixel size, palette and animation |
//! | WebP | image, alpha, animation, colour profile |
//! | GIF | frames, plain text, loops, colour profile |
//!
//! Without the feature `decode` there are [`Look`] and [`Stripped`] alone: a browser has decoders of its own.
//!
//! How an image is turned (EXIF orientation) stays too, written anew with nothing beside it. Bytes after the end of an image
//! go. Kinds that we know to carry metadata and can't take apart ([`ImageError::Opaque`]) are refused rather than sent as they are.
//!
//! Every byte is from outside: whatever it is, it costs an error and bounded time and memory. The crate must not know messages,
//! networks or screens.

// What only a decoder asks for is looked at all the same.
#![cfg_attr(not(feature = "decode"), allow(dead_code))]

mod error;
mod exif;
mod look;
#[cfg(feature = "decode")]
mod pixels;
#[cfg(feature = "decode")]
mod preview;
mod strip;
mod walk;

pub use error::ImageError;
pub use look::{ImageKind, Look};
#[cfg(feature = "decode")]
pub use pixels::Pixels;
#[cfg(feature = "decode")]
pub use preview::{PLACEHOLDER_LIMIT, PREVIEW_PIXELS, Preview, THUMBNAIL_EDGE, THUMBNAIL_LIMIT, portrait};
pub use strip::{Stripped, StrippedReader};
