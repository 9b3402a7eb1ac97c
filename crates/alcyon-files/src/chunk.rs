use std::ops::Range;

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::stream::{NewStream, Nonce, StreamBE32, StreamPrimitive},
};

use crate::{FileError, FileKey, Reference, Shape, shape::SIZE_FIELD};

/// Sets this use of the construction, and this version of it, apart from any other.
const ASSOCIATED: &[u8] = b"alcyon file v1";

/// The cipher at work on the chunks of one file.
pub(crate) struct Chunks {
    pub(crate) shape: Shape,
    stream: StreamBE32<ChaCha20Poly1305>,
}

impl Chunks {
    pub(crate) fn new(key: &FileKey, shape: Shape) -> Self {
        let cipher = ChaCha20Poly1305::new(key.as_bytes().into());
        // Zeros will do: no key is used for a second file.
        Self { shape, stream: StreamBE32::from_aead(cipher, &Nonce::<ChaCha20Poly1305, StreamBE32<ChaCha20Poly1305>>::default()) }
    }

    /// In place; `chunk` is a number below that of the chunks.
    pub(crate) fn seal(&self, chunk: u32, bytes: &mut Vec<u8>) -> Result<(), FileError> {
        let last = chunk + 1 == self.shape.chunks();
        self.stream.encrypt_in_place(chunk, last, ASSOCIATED, bytes).map_err(|_| FileError::Chunk { chunk })
    }

    fn open(&self, chunk: u32, bytes: &mut Vec<u8>) -> Result<(), FileError> {
        let last = chunk + 1 == self.shape.chunks();
        self.stream.decrypt_in_place(chunk, last, ASSOCIATED, bytes).map_err(|_| FileError::Chunk { chunk })
    }
}

/// Opens the chunks of a file in any order, each for itself. What it has opened is genuine; only [`crate::Opener`] sees the file
/// whole, and its hash.
pub struct ChunkOpener(Chunks);

impl ChunkOpener {
    /// For the chunks of one file.
    #[must_use]
    pub fn new(reference: &Reference) -> Self {
        Self(Chunks::new(reference.key(), reference.shape()))
    }

    /// Opens a sealed chunk in place; what lies of the file in it is left, the padding is gone. After an error the bytes are of no
    /// use.
    pub fn open(&self, chunk: u32, bytes: &mut Vec<u8>) -> Result<(), FileError> {
        let Range { start, end } = self.0.shape.sealed_range(chunk)?;
        let (expected, actual) = (end - start, bytes.len() as u64);
        if actual < expected {
            return Err(FileError::CutShort { actual: start + actual, expected: self.0.shape.sealed_len() });
        }
        self.0.open(chunk, bytes)?;
        let plain = self.0.shape.plain_range(chunk)?;
        let content_end = (self.0.shape.size() + SIZE_FIELD).clamp(plain.start, plain.end) - plain.start;
        let content_end = usize::try_from(content_end).map_err(|_| FileError::Inside)?;
        if bytes[content_end..].iter().any(|byte| *byte != 0) {
            return Err(FileError::Inside);
        }
        bytes.truncate(content_end);
        if chunk == 0 {
            let size = self.0.shape.size().to_be_bytes();
            if !bytes.starts_with(&size) {
                return Err(FileError::Inside);
            }
            bytes.drain(..size.len());
        }
        Ok(())
    }
}

impl std::fmt::Debug for ChunkOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChunkOpener(..)")
    }
}
