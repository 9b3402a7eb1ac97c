//! A ceiling for what clients can make the server hold: connections, frames that are half there, requests that wait, answers
//! that nobody reads. What is held is counted, not guessed; beyond the ceiling those go who hold most.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::logs::LogSettings;

/// What a connection takes while nothing happens on it: its task, its socket, TLS. Measured 5 and 12 KiB, and the kernel's part.
pub(crate) const CONNECTION: u64 = 16 * 1024;
/// Whoever holds more than this besides is let go first.
const LITTLE: u64 = 64 * 1024;
/// Those who hold more than a little share this much of the whole, in tenths. The rest is for all others.
const FOR_MUCH: u64 = 8;

/// What is held, all connections together.
pub(crate) struct Memory {
    limit: u64,
    used: AtomicU64,
}

impl Memory {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicU64::new(0) })
    }

    /// Bytes that are held now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes room for something of this size, if there is any.
    pub(crate) fn lease(self: &Arc<Self>, bytes: u64) -> Option<Lease> {
        let mut lease = Lease { memory: self.clone(), held: 0 };
        lease.set(bytes).then_some(lease)
    }

    fn ceiling(&self, bytes: u64) -> u64 {
        if bytes <= LITTLE { self.limit } else { self.limit / 10 * FOR_MUCH }
    }
}

/// Room that somebody has taken; given back when dropped.
pub(crate) struct Lease {
    memory: Arc<Memory>,
    held: u64,
}

impl Lease {
    /// Holds this much from now on. False, and nothing changes, if it would be more than there is room for.
    #[must_use]
    pub(crate) fn set(&mut self, bytes: u64) -> bool {
        if bytes == self.held {
            return true;
        }
        if bytes < self.held {
            self.memory.used.fetch_sub(self.held - bytes, Ordering::Relaxed);
            self.held = bytes;
            return true;
        }
        let (more, ceiling) = (bytes - self.held, self.memory.ceiling(bytes));
        let taken = self
            .memory
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| used.checked_add(more).filter(|used| *used <= ceiling));
        if taken.is_ok() {
            self.held = bytes;
        }
        taken.is_ok()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.held, Ordering::Relaxed);
    }
}

/// How a ceiling for the process is shared out: between what clients make it hold, and its own caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryPlan {
    /// For connections and what is on them, bytes.
    pub(crate) clients: u64,
    /// For recent entries, bytes.
    pub(crate) tails: u64,
    /// Logs kept in memory.
    pub(crate) logs: u64,
    /// For the store, bytes.
    pub(crate) store: u64,
}

/// Bytes that a log takes in memory, roughly.
const LOG: u64 = 2 * 1024;
/// What the store takes, whatever comes: what was written last, blocks that were read. A quarter of a small ceiling.
const STORE: u64 = 256 * 1024 * 1024;

impl MemoryPlan {
    /// The same settings, with caches that fit.
    pub(crate) fn fit(self, settings: LogSettings) -> LogSettings {
        let within = |setting: usize, most: u64| setting.min(usize::try_from(most).unwrap_or(usize::MAX));
        LogSettings {
            tail_bytes: within(settings.tail_bytes, self.tails),
            logs_in_memory: within(settings.logs_in_memory, self.logs),
            ..settings
        }
    }

    /// Half is for clients, an eighth for recent entries and a quarter for logs, after what the store takes.
    pub(crate) fn of(ceiling: u64) -> Self {
        let store = STORE.min(ceiling / 4);
        let rest = ceiling - store;
        Self { clients: rest / 2, tails: rest / 8, logs: (rest / 4 / LOG).max(1_000), store }
    }
}

/// Where a machine says how much memory there is for us: the control groups' ceiling, else the machine's.
pub(crate) fn memory_of_machine() -> Option<u64> {
    let group = read(Path::new("/sys/fs/cgroup/memory.max")).and_then(|text| text.trim().parse().ok());
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| total(&text));
    group.into_iter().chain(machine).min()
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// Of `/proc/meminfo`, bytes.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn those_who_hold_much_leave_room_for_the_others() {
        let memory = Memory::new(10 * LITTLE);
        let mut greedy = memory.lease(0).unwrap();
        assert!(greedy.set(8 * LITTLE));
        assert!(!greedy.set(8 * LITTLE + 1));
        let (one, other) = (memory.lease(LITTLE).unwrap(), memory.lease(LITTLE).unwrap());
        assert!(memory.lease(1).is_none());
        drop(greedy);
        assert_eq!(memory.used(), 2 * LITTLE);
        drop((one, other));
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn the_machine_says_how_much_there_is() {
        assert_eq!(total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 * 1024 * 1024));
        assert_eq!(total("nonsense"), None);
    }

    proptest! {
        #[test]
        fn the_parts_fit_into_the_ceiling(ceiling in 64 * 1024 * 1024..1_u64 << 40) {
            let MemoryPlan { clients, tails, logs, store } = MemoryPlan::of(ceiling);
            prop_assert!(clients + tails + logs * LOG + store <= ceiling);
            prop_assert!(clients >= ceiling / 4);
        }

        /// Whatever is asked for, what is counted is what is held, and never over the ceiling.
        #[test]
        fn the_count_is_right(steps in prop::collection::vec((0..5_usize, 0..200_000_u64), 1..200)) {
            let memory = Memory::new(300_000);
            let mut leases: Vec<Lease> = (0..5).map(|_| memory.lease(0).unwrap()).collect();
            for (which, bytes) in steps {
                let before = leases[which].held;
                let given = leases[which].set(bytes);
                prop_assert_eq!(leases[which].held, if given { bytes } else { before });
                prop_assert_eq!(memory.used(), leases.iter().map(|lease| lease.held).sum::<u64>());
                prop_assert!(memory.used() <= 300_000);
            }
        }
    }
}
