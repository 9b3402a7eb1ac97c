use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hash},
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
/// in memory only.
pub(crate) struct Cohorts(RandomState);

impl Cohorts {
    pub(crate) fn new() -> Self {
        Self(RandomState::new())
    }

    /// The cohort of whoever is known by `who` (a seat, a connection) at this time.
    pub(crate) fn of(&self, who: impl Hash, now_ms: u64) -> Cohort {
        let hash = self.0.hash_one((now_ms / REDRAWN_MS, who));
        Cohort(u8::try_from(hash % COHORTS as u64).expect("there are 128"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_device_keeps_its_cohort_for_an_hour_and_devices_spread_evenly() {
        let cohorts = Cohorts::new();
        for who in 0..100_u64 {
            assert_eq!(cohorts.of(who, 0), cohorts.of(who, REDRAWN_MS - 1));
        }
        assert!((0..100_u64).any(|who| cohorts.of(who, 0) != cohorts.of(who, REDRAWN_MS)));
        let mut counts = [0_u32; COHORTS];
        for who in 0..128_000_u64 {
            counts[cohorts.of(who, 0).index()] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn another_server_draws_other_cohorts() {
        let (one, other) = (Cohorts::new(), Cohorts::new());
        assert!((0..100_u64).any(|who| one.of(who, 0) != other.of(who, 0)));
    }
}
