use alcyon_wire::BlobId;
use bytes::Bytes;

use super::{BlobError, BlobState, BlobStore, Swept};

/// Two stores in one, while blobs move from one to the other: all that begins, begins in the new one; what the old one has stays
/// there, is read, goes on and goes as before, until its time is over.
pub struct MovedBlobs<New, Old> {
    new: New,
    old: Old,
}

impl<New: BlobStore, Old: BlobStore> MovedBlobs<New, Old> {
    /// From one to the other. Ids are random: no blob is in both.
    #[must_use]
    pub fn new(new: New, old: Old) -> Self {
        Self { new, old }
    }

    /// The old one is asked first. Its answer costs little, and it knows what it has.
    fn each<R>(&self, ask: impl Fn(&dyn BlobStore) -> Result<R, BlobError>) -> Result<R, BlobError> {
        match ask(&self.old) {
            Err(BlobError::Unknown) => ask(&self.new),
            answer => answer,
        }
    }
}

impl<New: BlobStore, Old: BlobStore> BlobStore for MovedBlobs<New, Old> {
    fn create(&self, id: BlobId, length: u64, now_ms: u64) -> Result<(), BlobError> {
        self.new.create(id, length, now_ms)
    }

    fn state(&self, id: BlobId) -> Result<Option<BlobState>, BlobError> {
        match self.old.state(id)? {
            None => self.new.state(id),
            old => Ok(old),
        }
    }

    fn write(&self, id: BlobId, at: u64, bytes: &[u8]) -> Result<(), BlobError> {
        self.each(|store| store.write(id, at, bytes))
    }

    fn advance(&self, id: BlobId, from: u64, to: u64, now_ms: u64) -> Result<BlobState, BlobError> {
        self.each(|store| store.advance(id, from, to, now_ms))
    }

    fn read(&self, id: BlobId, at: u64, length: usize) -> Result<Bytes, BlobError> {
        self.each(|store| store.read(id, at, length))
    }

    fn remove(&self, id: BlobId) -> Result<u64, BlobError> {
        self.each(|store| store.remove(id))
    }

    fn sweep(&self, complete_before_ms: u64, unfinished_before_ms: u64) -> Result<Swept, BlobError> {
        let old = self.old.sweep(complete_before_ms, unfinished_before_ms)?;
        match self.new.sweep(complete_before_ms, unfinished_before_ms) {
            Ok(new) => Ok(Swept { blobs: old.blobs + new.blobs, bytes: old.bytes + new.bytes }),
            // What is gone has to be counted.
            Err(_) if old != Swept::default() => Ok(old),
            Err(error) => Err(error),
        }
    }

    fn used_bytes(&self) -> Result<u64, BlobError> {
        Ok(self.old.used_bytes()? + self.new.used_bytes()?)
    }

    fn free_bytes(&self) -> Result<u64, BlobError> {
        self.new.free_bytes()
    }

    fn on_disk(&self, length: u64) -> u64 {
        self.new.on_disk(length)
    }

    fn piece(&self) -> usize {
        self.new.piece()
    }

    fn give_up(&self) {
        self.old.give_up();
        self.new.give_up();
    }
}
