use std::io::{Read, Write};

use sha2::{Digest, Sha256};

use crate::{CHUNK, ChunkOpener, FileError, Reference, SealedHash, TAG};

/// Opens one file from its first byte to its last, a chunk at a time. What it writes is the file only once it has said that all
/// is well: until then it belongs under a name that nobody opens.
pub struct Opener {
    reference: Reference,
    chunks: ChunkOpener,
    next: u32,
    hash: Sha256,
    /// One chunk.
    buffer: Vec<u8>,
}

impl Opener {
    /// For the file that a message refers to.
    #[must_use]
    pub fn new(reference: &Reference) -> Self {
        Self {
            chunks: ChunkOpener::new(reference),
            reference: reference.clone(),
            next: 0,
            hash: Sha256::new(),
            buffer: Vec::with_capacity(CHUNK + TAG),
        }
    }

    /// Chunks opened so far.
    #[must_use]
    pub fn opened(&self) -> u32 {
        self.next
    }

    /// Reads the next sealed chunk and writes what lies of the file in it. True when that was the last one, the sealed bytes end
    /// there, and have the right hash. After an error it is over: what was written is to be thrown away.
    pub fn step(&mut self, sealed: &mut impl Read, file: &mut impl Write) -> Result<bool, FileError> {
        let Self { reference, chunks, next, hash, buffer } = self;
        let shape = reference.shape();
        let range = shape.sealed_range(*next)?;
        buffer.clear();
        let read = sealed.by_ref().take(range.end - range.start).read_to_end(buffer)? as u64;
        if read < range.end - range.start {
            return Err(FileError::CutShort { actual: range.start + read, expected: shape.sealed_len() });
        }
        hash.update(&*buffer);
        chunks.open(*next, buffer)?;
        file.write_all(buffer)?;
        *next += 1;
        if *next < shape.chunks() {
            return Ok(false);
        }
        buffer.clear();
        if sealed.by_ref().take(1).read_to_end(buffer)? > 0 {
            return Err(FileError::TooLong { expected: shape.sealed_len() });
        }
        let hash = SealedHash::from(<[u8; 32]>::from(std::mem::take(hash).finalize()));
        if hash != reference.hash() {
            return Err(FileError::Hash);
        }
        Ok(true)
    }

    /// All steps at once.
    pub fn open(mut self, sealed: &mut impl Read, file: &mut impl Write) -> Result<(), FileError> {
        while !self.step(sealed, file)? {}
        Ok(())
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener(..)")
    }
}
