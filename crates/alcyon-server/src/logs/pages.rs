//! What was read from the store a moment ago. When a server comes back, all who stand at one place of a log ask for the same page: the
//! store is asked once, whoever comes meanwhile waits for that answer, and whoever comes in the next moment is given it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use alcyon_wire::LogId;

use super::read::{PageBuilder, Window};
use crate::store::StoreError;

/// So long a page is given out again. Entries never change; one whose time has passed may be read for so much longer.
const LIFETIME_MS: u64 = 1_000;
/// Pages that are remembered at most.
const MOST: usize = 256;
/// Bytes of entries in them at most.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Which page: two reads with the same key have the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageKey {
    pub log: LogId,
    pub after: u64,
    pub until: u64,
    pub window: Window,
}

/// The pages of the last moment, the newest last.
#[derive(Default)]
pub(crate) struct Pages(Mutex<VecDeque<Recent>>);

struct Recent {
    key: PageKey,
    read_ms: u64,
    page: Arc<Read>,
}

#[derive(Default)]
struct Read {
    /// Held by whoever reads it; empty until then, and if that failed.
    page: Mutex<Option<PageBuilder>>,
    bytes: AtomicUsize,
}

impl Pages {
    /// The page, by `read` unless somebody else has just read it.
    pub fn get(
        &self,
        key: PageKey,
        now_ms: u64,
        read: impl FnOnce() -> Result<PageBuilder, StoreError>,
    ) -> Result<PageBuilder, StoreError> {
        let place = self.place(key, now_ms);
        let mut page = place.page.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = &*page {
            return Ok(page.clone());
        }
        let read = read()?;
        place.bytes.store(read.bytes(), Ordering::Relaxed);
        Ok(page.insert(read).clone())
    }

    /// Forgets all of them: something was deleted.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn place(&self, key: PageKey, now_ms: u64) -> Arc<Read> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Clocks are set back now and then.
        while recent.front().is_some_and(|oldest| now_ms.abs_diff(oldest.read_ms) >= LIFETIME_MS) {
            recent.pop_front();
        }
        if let Some(known) = recent.iter().find(|recent| recent.key == key) {
            return known.page.clone();
        }
        while recent.len() >= MOST || recent.iter().map(|recent| recent.page.bytes.load(Ordering::Relaxed)).sum::<usize>() > MOST_BYTES {
            recent.pop_front();
        }
        let page = Arc::<Read>::default();
        recent.push_back(Recent { key, read_ms: now_ms, page: page.clone() });
        page
    }
}
