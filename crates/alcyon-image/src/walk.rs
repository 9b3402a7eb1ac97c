use std::io::{BufRead as _, BufReader, ErrorKind, Read, Seek};
use std::ops::Range;

use crate::{
    ImageError,
    error::damaged,
    strip::{Piece, Stripped},
};

/// Parts that an image may be in before we take it for an attack: a film of some hours as a GIF has fewer.
const PIECES: usize = 200_000;

/// A file gone through from its beginning, and what is kept of it.
pub(crate) struct Walk<R> {
    file: BufReader<R>,
    at: u64,
    pieces: Vec<Piece>,
}

impl<R: Read + Seek> Walk<R> {
    pub(crate) fn new(file: R) -> Self {
        Self { file: BufReader::with_capacity(64 * 1024, file), at: 0, pieces: Vec::new() }
    }

    /// Where it has got.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], ImageError> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(short)?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// So many bytes, at most 64 KiB.
    pub(crate) fn read(&mut self, length: u16) -> Result<Vec<u8>, ImageError> {
        let mut bytes = vec![0; usize::from(length)];
        self.file.read_exact(&mut bytes).map_err(short)?;
        self.at += u64::from(length);
        Ok(bytes)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, ImageError> {
        self.take::<1>().map(|[byte]| byte)
    }

    /// The next byte, or `None` at the end.
    pub(crate) fn maybe_byte(&mut self) -> Result<Option<u8>, ImageError> {
        let mut byte = [0];
        let read = loop {
            match self.file.read(&mut byte) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.at += read as u64;
        Ok((read > 0).then_some(byte[0]))
    }

    /// Goes behind the next such byte; false if there is none.
    pub(crate) fn pass(&mut self, byte: u8) -> Result<bool, ImageError> {
        loop {
            let bytes = match self.file.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            let found = bytes.iter().position(|other| *other == byte);
            let passed = found.map_or(bytes.len(), |at| at + 1);
            self.file.consume(passed);
            self.at += passed as u64;
            if found.is_some() || passed == 0 {
                return Ok(found.is_some());
            }
        }
    }

    /// Goes on by so many bytes; that they are there shows when the next is read.
    pub(crate) fn skip(&mut self, length: u64) -> Result<(), ImageError> {
        let by = i64::try_from(length).map_err(|_| damaged("a part longer than any file"))?;
        self.file.seek_relative(by)?;
        self.at += length;
        Ok(())
    }

    /// Keeps all from there to here.
    pub(crate) fn keep_from(&mut self, from: u64) -> Result<(), ImageError> {
        self.keep(from..self.at)
    }

    /// Keeps these.
    pub(crate) fn keep(&mut self, bytes: Range<u64>) -> Result<(), ImageError> {
        match self.pieces.last_mut() {
            Some(Piece::Kept(range)) if range.end == bytes.start => range.end = bytes.end,
            _ => self.push(Piece::Kept(bytes))?,
        }
        Ok(())
    }

    /// Puts bytes of our own here, and says where they are, to be changed by [`Self::rewrite`].
    pub(crate) fn write(&mut self, bytes: Vec<u8>) -> Result<usize, ImageError> {
        self.push(Piece::Written(bytes))?;
        Ok(self.pieces.len() - 1)
    }

    pub(crate) fn rewrite(&mut self, at: usize, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(Piece::Written(bytes)) = self.pieces.get_mut(at) {
            change(bytes);
        }
    }

    /// Bytes kept and written from a piece on.
    pub(crate) fn size_from(&self, piece: usize) -> u64 {
        self.pieces.iter().skip(piece).map(Piece::len).sum()
    }

    pub(crate) fn finish(self) -> Result<Stripped, ImageError> {
        let Self { file, at: _, pieces } = self;
        Stripped::of(pieces, file.into_inner())
    }

    fn push(&mut self, piece: Piece) -> Result<(), ImageError> {
        if self.pieces.len() >= PIECES {
            return Err(damaged("it is in too many parts"));
        }
        self.pieces.push(piece);
        Ok(())
    }
}

fn short(error: std::io::Error) -> ImageError {
    match error.kind() {
        ErrorKind::UnexpectedEof => damaged("it ends too early"),
        _ => error.into(),
    }
}
