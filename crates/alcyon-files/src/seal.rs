use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

use crate::{CHUNK, FileError, FileKey, Reference, SealedHash, Shape, TAG, chunk::Chunks, shape::SIZE_FIELD};

/// Seals one file, a chunk at a time.
///
/// What it has written is to be kept and sent as it is. A file that is read a second time may be another one by then, and two
/// texts under one key and nonce give both away; so there is no way to begin a [`Sealer`] in the middle, nor with a given key.
pub struct Sealer {
    key: FileKey,
    chunks: Chunks,
    next: u32,
    hash: Sha256,
    /// One chunk.
    buffer: Vec<u8>,
}

impl Sealer {
    /// For a file of so many bytes, under a new key.
    pub fn new(size: u64) -> Result<Self, FileError> {
        Ok(Self::under(FileKey::random()?, Shape::of(size)?))
    }

    pub(crate) fn under(key: FileKey, shape: Shape) -> Self {
        let chunks = Chunks::new(&key, shape);
        Self { key, chunks, next: 0, hash: Sha256::new(), buffer: Vec::with_capacity(CHUNK + TAG) }
    }

    /// Where everything will lie.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.chunks.shape
    }

    /// Chunks written so far.
    #[must_use]
    pub fn written(&self) -> u32 {
        self.next
    }

    /// Reads what belongs into the next chunk, and writes it sealed; the reference after the last one. After an error it is over:
    /// what was written is to be thrown away.
    pub fn step(&mut self, file: &mut impl Read, sealed: &mut impl Write) -> Result<Option<Reference>, FileError> {
        let Self { key, chunks, next, hash, buffer } = self;
        let shape = chunks.shape;
        let plain = shape.plain_range(*next)?;
        let content = shape.content_range(*next)?;
        buffer.clear();
        if *next == 0 {
            buffer.extend_from_slice(&shape.size().to_be_bytes());
        }
        let wanted = content.end - content.start;
        if file.by_ref().take(wanted).read_to_end(buffer)? as u64 != wanted {
            return Err(FileError::Changed);
        }
        if plain.end > shape.size() + SIZE_FIELD || plain.end == shape.padded_len() {
            ends(file)?;
        }
        let length = usize::try_from(plain.end - plain.start).map_err(|_| FileError::Changed)?;
        buffer.resize(length, 0);
        chunks.seal(*next, buffer)?;
        hash.update(&*buffer);
        sealed.write_all(buffer)?;
        *next += 1;
        if *next < shape.chunks() {
            return Ok(None);
        }
        let hash = SealedHash::from(<[u8; 32]>::from(std::mem::take(hash).finalize()));
        Reference::new(shape.size(), key.clone(), hash).map(Some)
    }

    /// All steps at once.
    pub fn seal(mut self, file: &mut impl Read, sealed: &mut impl Write) -> Result<Reference, FileError> {
        loop {
            if let Some(reference) = self.step(file, sealed)? {
                return Ok(reference);
            }
        }
    }
}

/// A file that is longer than it was is being written to.
fn ends(file: &mut impl Read) -> Result<(), FileError> {
    let mut one = [0];
    loop {
        match file.read(&mut one) {
            Ok(0) => return Ok(()),
            Ok(_) => return Err(FileError::Changed),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use data_encoding::HEXLOWER;

    use super::*;

    /// The format, held fast: the sealed bytes of two files under a known key. The same hashes come out of a few lines of Python
    /// over the `cryptography` package's ChaCha20Poly1305 (docs/protocol.md, "Files").
    #[test]
    fn the_format_stays_what_it_is() {
        let key: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let long: Vec<u8> = (0..200_000u32).map(|index| u8::try_from(index % 251).unwrap()).collect();
        let golden = [(b"alcyon".as_slice(), 4_112, GOLDEN_SHORT), (&long, 200_768, GOLDEN_LONG)];
        for (file, length, expected) in golden {
            let mut sealed = Vec::new();
            let sealer = Sealer::under(FileKey::from(key), Shape::of(file.len() as u64).unwrap());
            let reference = sealer.seal(&mut &*file, &mut sealed).unwrap();
            assert_eq!(sealed.len(), length);
            assert_eq!(HEXLOWER.encode(reference.hash().as_bytes()), expected);
            assert_eq!(HEXLOWER.encode(&Sha256::digest(&sealed)), expected);
        }
    }

    const GOLDEN_SHORT: &str = "f17621c4f8e4d14f24274c6595891c3de20aa8ec56f728d2d016fdc0011b764b";
    const GOLDEN_LONG: &str = "d71515c9df193e0c1fe9fba90d542bbe6389ff518d12fa9926cb35f9bc1cc8ea";
}
