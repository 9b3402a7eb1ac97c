use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use alcyon_wire::BlobId;
use bytes::Bytes;

use super::{BlobError, BlobState, BlobStore, Swept};

/// Blobs in memory, for tests and simulations. Clones of an `Arc` outlive a server and stand for its disk.
#[derive(Default)]
pub struct MemoryBlobs(Mutex<BTreeMap<BlobId, Kept>>);

struct Kept {
    state: BlobState,
    bytes: Vec<u8>,
    time_ms: u64,
}

impl MemoryBlobs {
    fn kept(&self) -> MutexGuard<'_, BTreeMap<BlobId, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlobStore for MemoryBlobs {
    fn create(&self, id: BlobId, length: u64, now_ms: u64) -> Result<(), BlobError> {
        let kept = Kept { state: BlobState { length, offset: 0 }, bytes: Vec::new(), time_ms: now_ms };
        self.kept().insert(id, kept);
        Ok(())
    }

    fn state(&self, id: BlobId) -> Result<Option<BlobState>, BlobError> {
        Ok(self.kept().get(&id).map(|kept| kept.state))
    }

    fn write(&self, id: BlobId, at: u64, bytes: &[u8]) -> Result<(), BlobError> {
        let mut all = self.kept();
        let kept = all.get_mut(&id).ok_or(BlobError::Unknown)?;
        let BlobState { length, offset } = kept.state;
        if at < offset || at > kept.bytes.len() as u64 {
            return Err(BlobError::Offset { offset });
        }
        if at + bytes.len() as u64 > length {
            return Err(BlobError::TooLong { length });
        }
        kept.bytes.truncate(usize::try_from(at).map_err(|_| BlobError::Full)?);
        kept.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn advance(&self, id: BlobId, from: u64, to: u64, now_ms: u64) -> Result<BlobState, BlobError> {
        let mut all = self.kept();
        let Kept { state, bytes, time_ms } = all.get_mut(&id).ok_or(BlobError::Unknown)?;
        if state.offset != from || to < from || to > bytes.len() as u64 {
            return Err(BlobError::Offset { offset: state.offset });
        }
        state.offset = to;
        *time_ms = now_ms;
        Ok(*state)
    }

    fn read(&self, id: BlobId, at: u64, length: usize) -> Result<Bytes, BlobError> {
        let all = self.kept();
        let kept = all.get(&id).filter(|kept| kept.state.is_complete()).ok_or(BlobError::Unknown)?;
        let at = usize::try_from(at).map_err(|_| BlobError::TooLong { length: kept.state.length })?;
        let bytes = kept.bytes.get(at..at.saturating_add(length)).ok_or(BlobError::TooLong { length: kept.state.length })?;
        Ok(Bytes::copy_from_slice(bytes))
    }

    fn remove(&self, id: BlobId) -> Result<u64, BlobError> {
        self.kept().remove(&id).map(|kept| kept.state.length).ok_or(BlobError::Unknown)
    }

    fn sweep(&self, complete_before_ms: u64, unfinished_before_ms: u64) -> Result<Swept, BlobError> {
        let mut swept = Swept::default();
        self.kept().retain(|_, Kept { state, time_ms, .. }| {
            let stays = *time_ms >= if state.is_complete() { complete_before_ms } else { unfinished_before_ms };
            if !stays {
                swept.blobs += 1;
                swept.bytes += state.length;
            }
            stays
        });
        Ok(swept)
    }

    fn used_bytes(&self) -> Result<u64, BlobError> {
        Ok(self.kept().values().map(|kept| kept.state.length).sum())
    }

    fn free_bytes(&self) -> Result<u64, BlobError> {
        Ok(1 << 50)
    }
}
