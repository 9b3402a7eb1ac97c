use std::ops::Range;

use crate::FileError;

/// Plaintext bytes in a chunk. From 16 KiB to 1 MiB the cost a byte is the same within the noise of the measurement, so it is
/// the smallest size whose tags cost nothing to speak of (0.02 %): least memory, finest resuming.
pub const CHUNK: usize = 64 * 1024;
/// By how much a sealed chunk is longer.
pub const TAG: usize = 16;
/// The largest file, 4 GiB.
pub const LARGEST: u64 = 4 * 1024 * 1024 * 1024;
/// The size of the file, before the file itself.
pub(crate) const SIZE_FIELD: u64 = 8;
/// The lowest size class: below it, all files look alike.
const LEAST: u64 = 4096;

/// Where everything lies in a sealed file; it follows from the file's size alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    size: u64,
    padded: u64,
}

impl Shape {
    /// Of a file of so many bytes, 0 to [`LARGEST`].
    pub fn of(size: u64) -> Result<Self, FileError> {
        if size > LARGEST {
            return Err(FileError::TooLarge { actual: size, limit: LARGEST });
        }
        Ok(Self { size, padded: padme(size + SIZE_FIELD).max(LEAST) })
    }

    /// Bytes of the file.
    #[must_use]
    pub fn size(self) -> u64 {
        self.size
    }

    /// Bytes of the plaintext: size field, file and padding. A size class of Padmé (Nikitin and others: "Reducing Metadata
    /// Leakage from Encrypted Files and Communication with PURBs", 2019): at most 12 % more, 1.6 % at 4 GiB.
    #[must_use]
    pub fn padded_len(self) -> u64 {
        self.padded
    }

    /// How many chunks, at least 1.
    #[must_use]
    pub fn chunks(self) -> u32 {
        u32::try_from(self.padded.div_ceil(CHUNK as u64)).expect("some 4 GiB are 66,000 chunks")
    }

    /// Bytes of the sealed file.
    #[must_use]
    pub fn sealed_len(self) -> u64 {
        self.padded + u64::from(self.chunks()) * TAG as u64
    }

    /// Where a chunk lies in the sealed file.
    pub fn sealed_range(self, chunk: u32) -> Result<Range<u64>, FileError> {
        if chunk >= self.chunks() {
            return Err(FileError::NoSuchChunk { chunk, chunks: self.chunks() });
        }
        let sealed_chunk = (CHUNK + TAG) as u64;
        let start = u64::from(chunk) * sealed_chunk;
        Ok(start..(start + sealed_chunk).min(self.sealed_len()))
    }

    /// Which bytes of the file lie in a chunk; none in one that is padding only.
    pub fn content_range(self, chunk: u32) -> Result<Range<u64>, FileError> {
        let plain = self.plain_range(chunk)?;
        let end = self.size + SIZE_FIELD;
        Ok(plain.start.clamp(SIZE_FIELD, end) - SIZE_FIELD..plain.end.clamp(SIZE_FIELD, end) - SIZE_FIELD)
    }

    /// The chunk in which a byte of the file lies.
    #[must_use]
    pub fn chunk_of(self, offset: u64) -> u32 {
        u32::try_from(offset.min(self.size).saturating_add(SIZE_FIELD) / CHUNK as u64)
            .expect("some 4 GiB are 66,000 chunks")
            .min(self.chunks() - 1)
    }

    /// Where a chunk lies in the plaintext.
    pub(crate) fn plain_range(self, chunk: u32) -> Result<Range<u64>, FileError> {
        let sealed = self.sealed_range(chunk)?;
        let start = u64::from(chunk) * CHUNK as u64;
        Ok(start..start + (sealed.end - sealed.start - TAG as u64))
    }
}

/// The next size whose binary form has zeros after its first digits, so that a size gives away no more than the order of the
/// order of its magnitude.
fn padme(length: u64) -> u64 {
    let exponent = length.max(2).ilog2();
    let digits = exponent.ilog2() + 1;
    let mask = (1u64 << (exponent - digits.min(exponent))) - 1;
    (length + mask) & !mask
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_from_the_paper_and_around_the_limits() {
        // Computed from the definition: floor(log2 L), floor(log2 of that) + 1, round up to the digits that are left.
        for (length, padded) in
            [(9, 10), (100, 104), (1000, 1024), (4097, 4352), (1 << 20, 1 << 20), ((1 << 20) + 1, (1 << 20) + (1 << 15))]
        {
            assert_eq!(padme(length), padded, "{length}");
        }
        assert_eq!(Shape::of(0).unwrap().sealed_len(), 4096 + 16);
        assert_eq!(Shape::of(LARGEST).unwrap().chunks(), 65_536 + 1024);
        assert!(matches!(Shape::of(LARGEST + 1), Err(FileError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn chunks_cover_everything_once(size in prop_oneof![0u64..1 << 20, 0..=LARGEST]) {
            let shape = Shape::of(size).unwrap();
            prop_assert_eq!(padme(shape.padded_len()), shape.padded_len());
            prop_assert!(shape.padded_len() <= ((size + SIZE_FIELD) * 112 / 100).max(LEAST));
            let last = shape.chunks() - 1;
            for chunk in [0, last / 2, last] {
                let (sealed, content) = (shape.sealed_range(chunk).unwrap(), shape.content_range(chunk).unwrap());
                prop_assert!(sealed.end - sealed.start > TAG as u64);
                prop_assert!(content.end - content.start <= sealed.end - sealed.start - TAG as u64);
                if chunk > 0 {
                    prop_assert_eq!(shape.sealed_range(chunk - 1).unwrap().end, sealed.start);
                    prop_assert_eq!(shape.content_range(chunk - 1).unwrap().end, content.start);
                }
                if content.start < content.end {
                    prop_assert_eq!(shape.chunk_of(content.start), chunk);
                    prop_assert_eq!(shape.chunk_of(content.end - 1), chunk);
                }
            }
            prop_assert_eq!(shape.sealed_range(last).unwrap().end, shape.sealed_len());
            prop_assert_eq!(shape.content_range(last).unwrap().end, size);
            prop_assert_eq!(shape.content_range(0).unwrap().start, 0);
            let is_refused = matches!(shape.sealed_range(last + 1), Err(FileError::NoSuchChunk { .. }));
            prop_assert!(is_refused);
        }
    }
}
