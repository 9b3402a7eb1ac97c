//! Whose turn it is to be delivered, and how much: fair between logs, within the window that the client gives back.

use std::collections::{HashMap, VecDeque, hash_map::Entry};

use alcyon_wire::{LogId, SeatId, limits};

/// Entries of one log before it is another one's turn.
const TURN_ENTRIES: u32 = 64;
/// Payload bytes of one log before it is another one's turn.
const TURN_BYTES: u64 = 64 * 1024;

/// The logs a connection follows, those that wait for their turn, and what the client has not given back yet.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    logs: HashMap<LogId, Followed>,
    turns: VecDeque<LogId>,
    sent_entries: u32,
    sent_bytes: u64,
    held: bool,
}

#[derive(Debug)]
struct Followed {
    seat: SeatId,
    after: u64,
    waits: bool,
}

/// Read this much of this log, and send it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) log: LogId,
    pub(super) seat: SeatId,
    /// The last sequence that was sent.
    pub(super) after: u64,
    pub(super) most_entries: usize,
    pub(super) most_bytes: usize,
    /// What is read may have this many payload bytes, else it is held: a single entry can be over `most_bytes`.
    pub(super) fits: u64,
}

impl Delivery {
    /// How many logs are followed.
    pub(super) fn len(&self) -> usize {
        self.logs.len()
    }

    /// The seat by which a log is followed.
    pub(super) fn seat(&self, log: LogId) -> Option<SeatId> {
        self.logs.get(&log).map(|followed| followed.seat)
    }

    /// Follows a log from after a sequence on. A log followed already goes on from there.
    pub(super) fn follow(&mut self, log: LogId, seat: SeatId, after: u64) {
        match self.logs.entry(log) {
            Entry::Occupied(mut followed) => {
                let followed = followed.get_mut();
                (followed.seat, followed.after) = (seat, after);
            }
            Entry::Vacant(place) => {
                place.insert(Followed { seat, after, waits: false });
            }
        }
    }

    /// No more of this log.
    pub(super) fn unfollow(&mut self, log: LogId) {
        if self.logs.remove(&log).is_some_and(|followed| followed.waits) {
            self.turns.retain(|waiting| *waiting != log);
        }
    }

    /// There is something to read in this log: it gets a turn.
    pub(super) fn wake(&mut self, log: LogId) {
        if let Some(followed) = self.logs.get_mut(&log)
            && !followed.waits
        {
            followed.waits = true;
            self.turns.push_back(log);
        }
    }

    /// Some log waits for its turn.
    pub(super) fn has_turns(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Whose turn it is, if anybody waits and the window is open. It waits no longer; [`Self::sent`] or [`Self::hold`] says
    /// what came of it.
    pub(super) fn next_turn(&mut self) -> Option<Turn> {
        let alone = self.sent_entries == 0;
        let entries = limits::WINDOW_ENTRIES.saturating_sub(self.sent_entries);
        let bytes = limits::WINDOW_BYTES.saturating_sub(self.sent_bytes);
        if self.held || entries == 0 || (bytes == 0 && !alone) {
            return None;
        }
        let log = self.turns.pop_front()?;
        let followed = self.logs.get_mut(&log)?;
        followed.waits = false;
        Some(Turn {
            log,
            seat: followed.seat,
            after: followed.after,
            most_entries: entries.min(TURN_ENTRIES) as usize,
            most_bytes: usize::try_from(bytes.min(TURN_BYTES)).unwrap_or(usize::MAX),
            // With nothing else on its way, one entry goes out whatever its size.
            fits: if alone { u64::MAX } else { bytes },
        })
    }

    /// Entries went out, up to `after`. If there is more, the log waits behind the others.
    pub(super) fn sent(&mut self, log: LogId, entries: u32, bytes: u64, after: u64, more: bool) {
        self.sent_entries = self.sent_entries.saturating_add(entries);
        self.sent_bytes = self.sent_bytes.saturating_add(bytes);
        if let Some(followed) = self.logs.get_mut(&log) {
            followed.after = after;
        }
        if more {
            self.wake(log);
        }
    }

    /// The next entry of this log does not fit into what is left of the window: it stays first until credit comes.
    pub(super) fn hold(&mut self, log: LogId) {
        if let Some(followed) = self.logs.get_mut(&log)
            && !followed.waits
        {
            followed.waits = true;
            self.turns.push_front(log);
        }
        self.held = true;
    }

    /// The client has processed this much.
    pub(super) fn credit(&mut self, entries: u32, bytes: u64) {
        self.sent_entries = self.sent_entries.saturating_sub(entries);
        self.sent_bytes = self.sent_bytes.saturating_sub(bytes);
        if self.sent_entries == 0 {
            self.sent_bytes = 0;
        }
        self.held = false;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn log(number: u8) -> LogId {
        LogId::from([number; 16])
    }

    fn seat() -> SeatId {
        SeatId::from([9; 32])
    }

    #[test]
    fn turns_go_round() {
        let mut delivery = Delivery::default();
        for number in 1..=3 {
            delivery.follow(log(number), seat(), 0);
            delivery.wake(log(number));
            delivery.wake(log(number));
        }
        let mut order = Vec::new();
        for round in 1..=2 {
            for _ in 0..3 {
                let turn = delivery.next_turn().unwrap();
                assert_eq!(turn.after, round - 1);
                order.push(turn.log);
                delivery.sent(turn.log, 1, 10, turn.after + 1, round == 1);
            }
        }
        assert_eq!(order, [1, 2, 3, 1, 2, 3].map(log));
        assert_eq!(delivery.next_turn(), None);
    }

    #[test]
    fn a_full_window_waits_for_credit() {
        let mut delivery = Delivery::default();
        delivery.follow(log(1), seat(), 0);
        delivery.wake(log(1));
        let turn = delivery.next_turn().unwrap();
        delivery.sent(turn.log, limits::WINDOW_ENTRIES, 256, 256, true);
        assert_eq!(delivery.next_turn(), None);
        delivery.credit(1, 1);
        assert_eq!(delivery.next_turn().unwrap().most_entries, 1);
    }

    #[test]
    fn a_large_entry_goes_out_alone_and_is_held_while_others_are_on_their_way() {
        let mut delivery = Delivery::default();
        delivery.follow(log(1), seat(), 0);
        delivery.follow(log(2), seat(), 0);
        delivery.wake(log(1));
        delivery.wake(log(2));
        let first = delivery.next_turn().unwrap();
        assert_eq!(first.fits, u64::MAX);
        delivery.sent(first.log, 1, 2 * limits::WINDOW_BYTES, 1, true);
        assert_eq!(delivery.next_turn(), None, "the window is more than full");
        delivery.credit(0, 2 * limits::WINDOW_BYTES - 1);
        let second = delivery.next_turn().unwrap();
        assert_eq!(second.fits, limits::WINDOW_BYTES - 1);
        delivery.hold(second.log);
        assert_eq!(delivery.next_turn(), None);
        delivery.credit(1, 1);
        let again = delivery.next_turn().unwrap();
        assert_eq!((again.log, again.fits), (second.log, u64::MAX));
    }

    #[test]
    fn a_log_no_longer_followed_has_no_turn_and_leaves_nothing_behind() {
        let mut delivery = Delivery::default();
        for _ in 0..1000 {
            delivery.follow(log(1), seat(), 0);
            delivery.wake(log(1));
            delivery.unfollow(log(1));
        }
        delivery.wake(log(1));
        assert_eq!(delivery.next_turn(), None);
        assert_eq!((delivery.len(), delivery.turns.len()), (0, 0));
    }

    #[test]
    fn following_again_goes_on_from_the_new_place() {
        let mut delivery = Delivery::default();
        delivery.follow(log(1), seat(), 7);
        delivery.wake(log(1));
        delivery.follow(log(1), SeatId::from([8; 32]), 3);
        delivery.wake(log(1));
        let turn = delivery.next_turn().unwrap();
        assert_eq!((turn.after, turn.seat), (3, SeatId::from([8; 32])));
        assert_eq!(delivery.next_turn(), None);
    }

    proptest! {
        /// Whatever sizes entries have and however credit comes back: the window holds but for one entry, every log gets
        /// everything in order, and nothing stands still.
        #[test]
        fn everything_arrives_within_the_window(
            sizes in prop::collection::vec(prop::collection::vec(1..(2 * limits::WINDOW_BYTES), 0..40), 1..6),
            credits in prop::collection::vec(1..300_u32, 1..20),
        ) {
            let mut delivery = Delivery::default();
            for number in 0..sizes.len() {
                let log = log(u8::try_from(number).unwrap());
                delivery.follow(log, seat(), 0);
                delivery.wake(log);
            }
            let mut received = vec![0_usize; sizes.len()];
            let mut outstanding: VecDeque<u64> = VecDeque::new();
            let mut credits = credits.into_iter().cycle();
            loop {
                while let Some(turn) = delivery.next_turn() {
                    let number = usize::from(turn.log.as_bytes()[0]);
                    prop_assert_eq!(turn.after, received[number] as u64);
                    let ahead = &sizes[number][received[number]..];
                    let mut bytes = 0;
                    let mut count = 0;
                    for size in ahead.iter().take(turn.most_entries) {
                        if count > 0 && bytes + size > turn.most_bytes as u64 {
                            break;
                        }
                        (count, bytes) = (count + 1, bytes + size);
                    }
                    if bytes > turn.fits {
                        delivery.hold(turn.log);
                        continue;
                    }
                    outstanding.extend(&ahead[..count]);
                    received[number] += count;
                    let more = received[number] < sizes[number].len();
                    delivery.sent(turn.log, u32::try_from(count).unwrap(), bytes, received[number] as u64, more);
                    let total: u64 = outstanding.iter().sum();
                    prop_assert!(outstanding.len() <= limits::WINDOW_ENTRIES as usize);
                    prop_assert!(total <= limits::WINDOW_BYTES || outstanding.len() == 1);
                }
                if outstanding.is_empty() {
                    break;
                }
                let count = (credits.next().unwrap() as usize).min(outstanding.len());
                let bytes = outstanding.drain(..count).sum();
                delivery.credit(u32::try_from(count).unwrap(), bytes);
            }
            for (got, sizes) in received.iter().zip(&sizes) {
                prop_assert_eq!(*got, sizes.len());
            }
        }
    }
}
