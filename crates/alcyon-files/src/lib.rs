//! Files as they leave a device: encrypted in chunks, padded to a size class, and taken apart again with suspicion.
//!
//! A file is sealed under a [`FileKey`] of its own, drawn for it and never used again. What comes out is one run of bytes, for a
//! server that learns a size class from it and nothing else; what the reader needs is a [`Reference`], which travels inside a
//! message. The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its
//! Nonce-Reuse Misuse-Resistance", 2015) over ChaCha20-Poly1305, as in the `aead` crate: a chunk opens at its own place and
//! nowhere else, and the last one says that it is the last.
//!
//! | part | bytes |
//! | --- | --- |
//! | plaintext | the file's size (8, big-endian), the file, zeros up to [`Shape::padded_len`] |
//! | chunk | [`CHUNK`] bytes of plaintext, the last one 1 to [`CHUNK`]; sealed, each is [`TAG`] longer |
//! | nonce | 7 zeros, the chunk's number (4, big-endian), 1 for the last chunk or else 0 |
//! | associated data | `alcyon file v1` |
//!
//! [`Shape`] is the arithmetic, [`Sealer`] and [`Opener`] go through a file a chunk at a time and hold no more than one,
//! [`ChunkOpener`] opens any one chunk for ranged reading. [`SafeName`] makes of a file name from outside one that can be written,
//! and [`MediaType`] of a media type one that can be passed on; [`VoiceNote`] tells how long a recording lasts,
//! and [`opus_in_ogg`] makes one of what a browser has recorded. The crate must not know networks, SQL or terminals.
//!
//! ```
//! use alcyon_files::{Opener, Sealer};
//!
//! let mut sealed = Vec::new();
//! let reference = Sealer::new(6)?.seal(&mut b"alcyon".as_slice(), &mut sealed)?;
//! assert_eq!(sealed.len() as u64, reference.shape().sealed_len());
//!
//! let mut opened = Vec::new();
//! Opener::new(&reference).open(&mut sealed.as_slice(), &mut opened)?;
//! assert_eq!(opened, b"alcyon");
//! # Ok::<(), alcyon_files::FileError>(())
//! ```

mod chunk;
mod error;
mod media_type;
mod open;
mod reference;
mod safe_name;
mod seal;
mod shape;
mod voice;
mod webm;

pub use chunk::ChunkOpener;
pub use error::FileError;
pub use media_type::MediaType;
pub use open::Opener;
pub use reference::{FileKey, Reference, SealedHash};
pub use safe_name::{SafeName, is_hidden};
pub use seal::Sealer;
pub use shape::{CHUNK, LARGEST, Shape, TAG};
pub use voice::VoiceNote;
pub use webm::opus_in_ogg;
