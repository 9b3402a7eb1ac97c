use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::atomic::{AtomicU64, Ordering},
};

/// Cohorts of a class.
pub(crate) const COHORTS: usize = 128;

/// An hour, milliseconds: as long is a device's luck the same.
const REDRAWN_MS: u64 = 60 * 60 * 1000;

/// One of the equal parts into which the clients of a class fall. Refused are whole cohorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cohort(u8);

impl Cohort {
    /// Its number, below [`COHORTS`].
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    #[cfg(test)]
    pub(crate) fn numbered(number: usize) -> Self {
        Self(u8::try_from(number % COHORTS).expect("there are 128"))
    }
}

/// Draws cohorts: by a keyed hash, so that nobody can choose theirs, and anew every hour, so that luck goes round. The key is
/// in memory only. It does not look at the clock itself, which most of what is refused would pay for.
pub(crate) struct Cohorts {
    key: RandomState,
    hour: AtomicU64,
}

impl Cohorts {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self { key: RandomState::new(), hour: AtomicU64::new(now_ms / REDRAWN_MS) }
    }

    /// It is so late: once in a while is enough.
    pub(crate) fn tell(&self, now_ms: u64) {
        self.hour.store(now_ms / REDRAWN_MS, Ordering::Relaxed);
    }

    /// The cohort of whoever is known by `who` (a seat, a connection) at the time that was told last.
    pub(crate) fn of(&self, who: u64) -> Cohort {
        let hash = self.key.hash_one((self.hour.load(Ordering::Relaxed), who));
        Cohort(u8::try_from(hash % COHORTS as u64).expect("there are 128"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn all(cohorts: &Cohorts) -> Vec<Cohort> {
        (0..100_u64).map(|who| cohorts.of(who)).collect()
    }

    #[test]
    fn a_device_keeps_its_cohort_for_an_hour_and_devices_spread_evenly() {
        let cohorts = Cohorts::new(0);
        let first = all(&cohorts);
        cohorts.tell(REDRAWN_MS - 1);
        assert_eq!(all(&cohorts), first);
        cohorts.tell(REDRAWN_MS);
        assert_ne!(all(&cohorts), first);
        let mut counts = [0_u32; COHORTS];
        for who in 0..128_000_u64 {
            counts[cohorts.of(who).index()] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn another_server_draws_other_cohorts() {
        assert_ne!(all(&Cohorts::new(0)), all(&Cohorts::new(0)));
    }
}
