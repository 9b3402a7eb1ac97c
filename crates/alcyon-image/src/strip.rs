//! What is left of a file without what is no image in it.

use std::{
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

use crate::{ImageError, error::damaged};

pub(crate) mod gif;
pub(crate) mod jpeg;
pub(crate) mod png;
pub(crate) mod webp;

/// A part of what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes of the file as they are.
    Kept(Range<u64>),
    /// A header that had to change with what it speaks of.
    Written(Vec<u8>),
}

impl Piece {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Kept(range) => range.end - range.start,
            Self::Written(bytes) => bytes.len() as u64,
        }
    }
}

/// A file without its metadata: which of its bytes stay, in their order. The bytes themselves stay where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stripped {
    pieces: Vec<Piece>,
    size: u64,
}

impl Stripped {
    /// The file must have all that is kept of it.
    pub(crate) fn of(pieces: Vec<Piece>, mut file: impl Seek) -> Result<Self, ImageError> {
        let length = file.seek(SeekFrom::End(0))?;
        if pieces.iter().any(|piece| matches!(piece, Piece::Kept(range) if range.end > length)) {
            return Err(damaged("it ends too early"));
        }
        let size = pieces.iter().map(Piece::len).sum();
        Ok(Self { pieces, size })
    }

    /// Bytes that are left.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads what is left out of the file, which must be the one that was looked at.
    pub fn reader<R: Read + Seek>(&self, file: R) -> StrippedReader<'_, R> {
        StrippedReader { file, rest: &self.pieces, begun: 0, seeked: false }
    }
}

/// Reads a file without its metadata.
#[derive(Debug)]
pub struct StrippedReader<'a, R> {
    file: R,
    rest: &'a [Piece],
    /// How far into the first of the rest.
    begun: u64,
    /// The file stands where that is.
    seeked: bool,
}

impl<R: Read + Seek> Read for StrippedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self { file, rest, begun, seeked } = self;
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some((first, others)) = rest.split_first() {
            let left = first.len() - *begun;
            if left == 0 {
                (*rest, *begun, *seeked) = (others, 0, false);
                continue;
            }
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let read = match first {
                Piece::Kept(range) => {
                    if !*seeked {
                        file.seek(SeekFrom::Start(range.start + *begun))?;
                        *seeked = true;
                    }
                    match file.read(&mut buffer[..length])? {
                        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        read => read,
                    }
                }
                Piece::Written(bytes) => {
                    let from = usize::try_from(*begun).map_err(io::Error::other)?;
                    buffer[..length].copy_from_slice(&bytes[from..from + length]);
                    length
                }
            };
            *begun += read as u64;
            return Ok(read);
        }
        Ok(0)
    }
}
