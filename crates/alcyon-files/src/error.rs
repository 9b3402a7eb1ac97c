use std::io;

use thiserror::Error;

/// Why a file was not sealed or not opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// Larger than [`crate::LARGEST`]. Tell the person the limit.
    #[error("the file has {actual} bytes; at most {limit} can be sent")]
    TooLarge {
        /// Bytes it has.
        actual: u64,
        /// Bytes it may have.
        limit: u64,
    },
    /// While it was being sealed the file turned out to be shorter or longer than said: somebody writes to it. Begin anew, with a new
    /// key.
    #[error("the file changed while it was read")]
    Changed,
    /// The sealed bytes end early. They are not complete, or somebody has cut them.
    #[error("the sealed file ends after {actual} of {expected} bytes")]
    CutShort {
        /// Bytes there are.
        actual: u64,
        /// Bytes that the reference asks for.
        expected: u64,
    },
    /// There are sealed bytes after the end. Somebody has added to them.
    #[error("the sealed file goes on after its {expected} bytes")]
    TooLong {
        /// Bytes that the reference asks for.
        expected: u64,
    },
    /// A chunk is not what was sealed at its place under this key: altered, moved, or of another file. Fetch it again; should it
    /// stay so, whoever keeps the file has changed it.
    #[error("chunk {chunk} of the file is not what was sealed there")]
    Chunk {
        /// Its number, from 0.
        chunk: u32,
    },
    /// There is no such chunk.
    #[error("the file has {chunks} chunks, no chunk {chunk}")]
    NoSuchChunk {
        /// The number asked for, from 0.
        chunk: u32,
        /// How many there are.
        chunks: u32,
    },
    /// Every chunk is genuine, but the size inside is not the one in the reference, or the padding is not zeros. The sender's
    /// program is at fault, or lies.
    #[error("the sealed file does not hold what its reference says")]
    Inside,
    /// The sealed bytes have another hash than the reference says. Whoever holds the key has sealed two files under it.
    #[error("the sealed file has another hash than its message says")]
    Hash,
    /// Reading or writing failed. It can be tried again.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The system gives no randomness. There is nothing a caller can do.
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
}
