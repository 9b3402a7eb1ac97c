//! Trying again: the one policy for everything that is asked twice.
//!
//! What was refused is asked again not before the time that the server named. What got no answer waits a time drawn from nought up to
//! a bound that doubles (full jitter), up to minutes. Above both stands a budget: what is asked again is at most a tenth of what
//! was answered, plus a little to begin with; when that is spent, one in some minutes finds out whether it goes again, and if it
//! does, all the others follow. So a
//! server that refuses everything hears little more than each request once, however many wait.

/// The bound of the first wait, and of the longest.
const FIRST_MS: u64 = 500;
const LONGEST_MS: u64 = 5 * 60 * 1000;
/// So often it is tried again while nothing at all is answered.
const PROBE_MS: u64 = 5 * 60 * 1000;

/// How much each request earns that was answered at once.
const EARNED: f64 = 0.1;
/// What one earns that was asked again and answered: what it has taken, and one more may go.
const EARNED_AGAIN: f64 = 2.0;
/// What there is to begin with, and what there can be at most.
const TO_BEGIN_WITH: f64 = 3.0;
const MOST: f64 = 10.0;

/// How often one thing was tried in vain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Retry {
    failed: u32,
}

impl Retry {
    /// It went. From here on as if nothing had been.
    pub(crate) fn succeeded(&mut self) {
        self.failed = 0;
    }

    /// It did not go: how long to wait, milliseconds. `named_ms` is what the server has named, 0 if nothing.
    pub(crate) fn failed(&mut self, named_ms: u64, draw: u64) -> u64 {
        let bound = self.bound_ms();
        self.failed = self.failed.saturating_add(1);
        named_ms.saturating_add(draw % bound)
    }

    /// It did not go, and nothing was named, after a time of being connected: everybody else is in the same way, so the first
    /// wait is drawn from the whole window that the server has asked for.
    pub(crate) fn lost(&mut self, window_ms: u64, draw: u64) -> u64 {
        let bound = self.bound_ms().max(window_ms.min(LONGEST_MS));
        self.failed = self.failed.saturating_add(1);
        draw % bound
    }

    fn bound_ms(self) -> u64 {
        FIRST_MS.saturating_mul(1 << self.failed.min(20)).min(LONGEST_MS)
    }
}

/// How much may be asked again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Budget {
    tokens: f64,
    /// When one may go out to find out, though nothing is left.
    probe_ms: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { tokens: TO_BEGIN_WITH, probe_ms: 0 }
    }
}

impl Budget {
    /// A request was answered by anything but *later*. `again`: it had been asked before.
    pub(crate) fn answered(&mut self, again: bool) {
        self.tokens = (self.tokens + if again { EARNED_AGAIN } else { EARNED }).min(MOST);
    }

    /// Whether something may be asked again now. What goes out is paid for; it comes back with the answer.
    pub(crate) fn take(&mut self, now_ms: u64, draw: u64) -> bool {
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return true;
        }
        // A clock that was set back does not hold it up.
        if now_ms < self.probe_ms && self.probe_ms <= now_ms.saturating_add(2 * PROBE_MS) {
            return false;
        }
        self.probe_ms = now_ms.saturating_add(PROBE_MS / 2 + draw % PROBE_MS);
        true
    }

    /// When something may be asked again, if not before `due_ms`.
    pub(crate) fn due_ms(&self, due_ms: u64) -> u64 {
        if self.tokens >= 1.0 { due_ms } else { due_ms.max(self.probe_ms) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_grow_to_minutes_and_no_further() {
        let mut retry = Retry::default();
        let waits: Vec<u64> = (0..15).map(|_| retry.failed(0, u64::MAX - 1)).collect();
        assert!(waits.iter().all(|wait| *wait < LONGEST_MS));
        assert_eq!(retry.bound_ms(), LONGEST_MS);
        retry.succeeded();
        assert_eq!(retry.bound_ms(), FIRST_MS);
    }

    #[test]
    fn a_named_time_is_honoured() {
        for draw in [0, 1, 499, u64::MAX] {
            let wait = Retry::default().failed(30_000, draw);
            assert!((30_000..30_500).contains(&wait), "{wait}");
        }
    }

    #[test]
    fn whoever_was_cut_off_comes_back_within_the_servers_window() {
        let waits: Vec<u64> = (0..1_000).map(|n| Retry::default().lost(60_000, n * 7_919)).collect();
        assert!(waits.iter().all(|wait| *wait < 60_000));
        let late = waits.iter().filter(|wait| **wait >= 30_000).count();
        assert!((400..600).contains(&late), "{late}");
        assert!(Retry::default().lost(u64::MAX, u64::MAX) < LONGEST_MS);
    }

    /// Asks for every message until it is answered; the server answers nothing before `opens`. How often was asked until then,
    /// and when the last one was answered.
    fn model(messages: usize, named: u64, opens: u64, answered_before: usize, seed: u64) -> (usize, u64) {
        let mut budget = Budget::default();
        (0..answered_before).for_each(|_| budget.answered(false));
        let mut draw = seed | 1;
        let mut next = || {
            draw ^= draw << 13;
            draw ^= draw >> 7;
            draw ^= draw << 17;
            draw
        };
        // When each is due, and whether it was asked before.
        let mut due: Vec<(u64, bool)> = (0..messages).map(|_| (1 + next() % opens, false)).collect();
        let (mut attempts, mut last) = (0, 0);
        while let Some(first) = (0..due.len()).min_by_key(|n| due[*n].0) {
            let (at, again) = due[first];
            if again && !budget.take(at, next()) {
                due[first].0 = budget.due_ms(at).max(at + 1);
                continue;
            }
            if at >= opens {
                budget.answered(again);
                last = at;
                due.swap_remove(first);
            } else {
                attempts += 1;
                due[first] = (at + named + next() % 500, true);
            }
        }
        (attempts, last)
    }

    proptest! {
        /// Ten minutes in which everything is refused: messages are asked for at most 1.1 times each, beyond what there was to
        /// begin with and a probe now and then. And when the server answers again, all of it goes within a few minutes.
        #[test]
        fn ten_minutes_of_refusals(
            messages in 1_usize..400,
            answered_before in 0_usize..200,
            named in 500_u64..60_000,
            seed in any::<u64>(),
        ) {
            let opens = 600_000;
            let (attempts, last) = model(messages, named, opens, answered_before, seed);
            let spare = MOST as usize + 1 + (opens / (PROBE_MS / 2)) as usize;
            prop_assert!(attempts <= messages + spare, "{} for {}", attempts, messages);
            if messages >= 160 {
                prop_assert!(attempts * 10 <= messages * 11, "{} for {}", attempts, messages);
            }
            prop_assert!(last <= opens + 2 * PROBE_MS, "the last one after {} ms", last - opens);
        }
    }

    #[test]
    fn a_refusal_now_and_then_costs_no_time() {
        let mut budget = Budget::default();
        for _ in 0..100 {
            (0..10).for_each(|_| budget.answered(false));
            assert!(budget.take(1_000, 1));
            budget.answered(true);
        }
        assert!(budget.tokens > MOST - 1.0);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_hold_anything_up() {
        let mut budget = Budget { tokens: 0.0, probe_ms: 0 };
        assert!(budget.take(1_000_000_000, 0));
        assert!(!budget.take(1_000_000_001, 0));
        assert!(budget.take(5, 0));
    }
}
