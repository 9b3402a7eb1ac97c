//! Epochs of issuing keys: numbers, days and nothing else.

use crate::logs::DAY_MS;

/// One of them, counted from the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Epoch(u32);

/// How time falls into epochs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epochs {
    days: u32,
}

impl Epochs {
    /// The current one and the one before.
    pub const HONOURED: usize = 2;

    /// Of so many days each, at least one.
    pub fn new(days: u32) -> Self {
        Self { days: days.max(1) }
    }

    /// The epoch of a time.
    pub fn at(self, now_ms: u64) -> Epoch {
        Epoch(u32::try_from(now_ms / self.length_ms()).unwrap_or(u32::MAX))
    }

    /// Those whose stamps are honoured, the newest first.
    pub fn honoured(self, now_ms: u64) -> impl Iterator<Item = Epoch> {
        let Epoch(now) = self.at(now_ms);
        [Some(now), now.checked_sub(1)].into_iter().flatten().map(Epoch)
    }

    /// When the next one begins, Unix milliseconds.
    pub fn issued_until_ms(self, Epoch(number): Epoch) -> u64 {
        (u64::from(number) + 1).saturating_mul(self.length_ms())
    }

    /// When its stamps are good no more.
    pub fn honoured_until_ms(self, Epoch(number): Epoch) -> u64 {
        (u64::from(number) + Self::HONOURED as u64).saturating_mul(self.length_ms())
    }

    /// The last day on which they are, counted from the Unix epoch.
    pub fn last_day(self, epoch: Epoch) -> u32 {
        u32::try_from((self.honoured_until_ms(epoch) - 1) / DAY_MS).unwrap_or(u32::MAX)
    }

    /// What its key is derived for. An operator who changes the length gets other keys, and no table of spent stamps is cut short.
    pub fn info(self, Epoch(number): Epoch) -> Vec<u8> {
        [b"alcyon stamps v1".as_slice(), &self.days.to_be_bytes(), &number.to_be_bytes()].concat()
    }

    fn length_ms(self) -> u64 {
        u64::from(self.days) * DAY_MS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// From its first moment on a stamp is honoured for one epoch at least and two at most, to the end of its last day and no longer.
        #[test]
        fn a_stamp_is_honoured_through_the_next_epoch(days in 1..60_u32, now_ms in 0..4_000_000_000_000_u64, later_ms in 0..10_000_000_000_u64) {
            let epochs = Epochs::new(days);
            let epoch = epochs.at(now_ms);
            let end_ms = epochs.honoured_until_ms(epoch);
            prop_assert!(epochs.issued_until_ms(epoch) > now_ms);
            prop_assert!(end_ms - now_ms > epochs.length_ms() && end_ms - now_ms <= 2 * epochs.length_ms());
            let honoured = epochs.honoured(now_ms + later_ms).any(|other| other == epoch);
            prop_assert_eq!(honoured, now_ms + later_ms < end_ms);
            prop_assert_eq!((u64::from(epochs.last_day(epoch)) + 1) * DAY_MS, end_ms);
        }
    }

    #[test]
    fn lengths_have_keys_of_their_own() {
        let week = Epochs::new(7);
        assert_ne!(week.info(Epoch(3)), week.info(Epoch(4)));
        assert_ne!(week.info(Epoch(3)), Epochs::new(8).info(Epoch(3)));
    }
}
