//! Changes that take themselves back: an operator's change holds for a time, and then the old value stands again, unless
//! somebody has looked and keeps it. A pure rule over time; the effect is the caller's.

use std::{collections::BTreeMap, time::Duration};

/// What was changed, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// What stood before, and stands again.
    pub(super) from: String,
    /// What stands now.
    pub(super) to: String,
    /// When it takes itself back; None: it is kept.
    pub(super) until: Option<Duration>,
}

/// All changes, by setting. Times are counted from any fixed moment.
#[derive(Debug, Default)]
pub(super) struct Guard(BTreeMap<&'static str, Change>);

impl Guard {
    /// Remembers that `key` goes from `from` to `to`. What stands again is always the first value: a second change does not
    /// make the first one permanent.
    pub(super) fn change(&mut self, key: &'static str, from: String, to: String, until: Option<Duration>) {
        let first = self.0.get(key).filter(|change| change.until.is_some()).map_or(from, |change| change.from.clone());
        if first == to {
            self.0.remove(key);
        } else {
            self.0.insert(key, Change { from: first, to, until });
        }
    }

    /// Keeps a change. False if there is none that would take itself back.
    pub(super) fn keep(&mut self, key: &str) -> bool {
        match self.0.get_mut(key) {
            Some(change) if change.until.is_some() => {
                change.until = None;
                true
            }
            _ => false,
        }
    }

    /// The changes whose time is over at `now`: key and the value that stands again. They are forgotten.
    pub(super) fn due(&mut self, now: Duration) -> Vec<(&'static str, String)> {
        let due = self.0.extract_if(.., |_, change| change.until.is_some_and(|until| until <= now));
        due.map(|(key, change)| (key, change.from)).collect()
    }

    /// When the next change is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.values().filter_map(|change| change.until).min()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Change> {
        self.0.get(key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const KEYS: [&str; 3] = ["a", "b", "c"];

    #[derive(Debug, Clone)]
    enum Step {
        Change(usize, u8, Option<u64>),
        Keep(usize),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..3_usize, 0..4_u8, proptest::option::of(1..100_u64)).prop_map(|(key, to, time)| Step::Change(key, to, time)),
            (0..3_usize).prop_map(Step::Keep),
            (0..60_u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Whatever is done: what was not kept stands no longer than its time, and then the last kept value stands again.
        #[test]
        fn nothing_stays_that_nobody_kept(steps in proptest::collection::vec(step(), 0..40)) {
            let (mut guard, mut now) = (Guard::default(), Duration::ZERO);
            // What stands, what was last kept, and until when the present value may stand.
            let mut values = KEYS.map(|_| "0".to_owned());
            let mut kept = values.clone();
            let mut until = [None::<Duration>; 3];
            for step in steps {
                match step {
                    Step::Change(key, to, time) => {
                        let end = time.map(|time| now + Duration::from_secs(time));
                        guard.change(KEYS[key], values[key].clone(), to.to_string(), end);
                        values[key] = to.to_string();
                        if end.is_none() {
                            kept[key] = values[key].clone();
                        }
                        until[key] = end.filter(|_| values[key] != kept[key]);
                    }
                    Step::Keep(key) => {
                        let expected = until[key].is_some();
                        prop_assert_eq!(guard.keep(KEYS[key]), expected);
                        if expected {
                            kept[key] = values[key].clone();
                            until[key] = None;
                        }
                    }
                    Step::Wait(seconds) => {
                        now += Duration::from_secs(seconds);
                        for (key, value) in guard.due(now) {
                            let key = KEYS.iter().position(|known| *known == key).unwrap();
                            prop_assert!(until[key].unwrap() <= now);
                            values[key] = value;
                            until[key] = None;
                        }
                    }
                }
                for key in 0..3 {
                    match until[key] {
                        Some(until) => prop_assert!(until > now),
                        None => prop_assert_eq!(&values[key], &kept[key]),
                    }
                }
                prop_assert_eq!(guard.next(), until.iter().flatten().min().copied());
            }
        }
    }
}
