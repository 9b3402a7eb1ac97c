//! The order in which the writer takes what waits for it.
//!
//! As it came, while it gets through; where work stands, the best class first. When it stands for too long: the newest first, since whoever asked long ago may have
//! given up, and what is past its time is not done at all. The requests of one connection stay in their order whatever happens.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet, VecDeque},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::{TARGET, class::Class};

/// Whose requests keep their order among each other: those of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Lane(pub(crate) u64);

impl Lane {
    /// For requests of nobody's connection: the server's own. They are never past their time.
    pub(crate) const OWN: Self = Self(0);

    /// One that nobody else has.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A queue that has stood for this long without a break is overload, and not a burst.
const INTERVAL: Duration = Duration::from_millis(100);
/// The same while clearly less is asked than can be done: it may be what a moment has left behind in which the disk hung.
const CALM_INTERVAL: Duration = Duration::from_millis(400);
/// A queue below this is none: overload is over.
const OVER: Duration = Duration::from_millis(2);
/// Under overload a request waits no longer than this, and a part of what a group takes.
const PATIENCE: Duration = TARGET;
const PART_OF_A_GROUP: Duration = Duration::from_millis(10);
/// Whatever happens, a request waits no longer than this: whoever asked has given up.
const GIVEN_UP: Duration = Duration::from_secs(10);

/// What is as large as this takes the disk longer than the flush itself, bytes.
const LARGE: usize = 32 * 1024;
/// So much of that goes with one group, bytes, and one in any case: many megabytes at once take a disk long, and all that is in their
/// group waits for them.
const LARGE_A_GROUP: usize = 256 * 1024;
/// So long large ones may stand before it counts as the others' standing would.
const LARGE_MAY_STAND: Duration = Duration::from_secs(1);

/// Something that waits.
#[derive(Debug)]
pub(crate) struct Queued<T> {
    pub(crate) item: T,
    pub(crate) lane: Lane,
    pub(crate) class: Class,
    pub(crate) since: Instant,
    /// Of its payload.
    pub(crate) bytes: usize,
}

impl<T> Queued<T> {
    fn is_large(&self) -> bool {
        self.bytes >= LARGE && self.lane != Lane::OWN
    }
}

/// What waits, and in which order it is taken.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    waiting: VecDeque<Queued<T>>,
    /// Since when work has stood for too long, without a break.
    standing_since: Option<Instant>,
    newest_first: bool,
    /// There is more than one group.
    stands: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), standing_since: None, newest_first: false, stands: false }
    }
}

impl<T> Queue<T> {
    pub(crate) fn push(&mut self, queued: Queued<T>) {
        self.waiting.push_back(queued);
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A group begins now; the last one took `last_took`. Returns how long work stands: the wait of the oldest beyond what the
    /// group before it explains.
    pub(crate) fn begin(&mut self, now: Instant, last_took: Duration, calm: bool) -> Duration {
        let [small, large] = self
            .oldest()
            .map(|oldest| oldest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since).saturating_sub(last_took)));
        let standing = small.max(large.saturating_sub(LARGE_MAY_STAND));
        self.stands = standing > OVER;
        if standing > TARGET {
            let since = *self.standing_since.get_or_insert(now);
            self.newest_first |= now.saturating_duration_since(since) >= if calm { CALM_INTERVAL } else { INTERVAL };
        } else {
            self.standing_since = None;
            // While more is asked than can be done the queue goes up and down around the target; it is over when it is gone.
            self.newest_first &= self.stands;
        }
        standing
    }

    /// Since when the oldest waits of what is not large, and of what is or comes after such a one from the same connection.
    fn oldest(&self) -> [Option<Instant>; 2] {
        let (mut oldest, mut held_up) = ([None; 2], HashSet::new());
        for queued in &self.waiting {
            let large = queued.is_large() || !held_up.is_empty() && held_up.contains(&queued.lane);
            if large {
                held_up.insert(queued.lane);
            }
            let oldest = &mut oldest[usize::from(large)];
            *oldest = Some(oldest.map_or(queued.since, |oldest: Instant| oldest.min(queued.since)));
        }
        oldest
    }

    /// Takes out what nobody waits for any more, and what is past its time. What came later from the same connection goes with
    /// it: a request must not overtake one that will be asked again.
    pub(crate) fn past(&mut self, now: Instant, last_took: Duration, given_up: impl Fn(&T) -> bool) -> Vec<Queued<T>> {
        let patience = if self.newest_first { PATIENCE + last_took.min(PART_OF_A_GROUP) } else { GIVEN_UP };
        let is_past = |queued: &Queued<T>| {
            queued.lane != Lane::OWN && (now.saturating_duration_since(queued.since) > patience || given_up(&queued.item))
        };
        let lanes: HashSet<Lane> = self.waiting.iter().filter(|queued| is_past(queued)).map(|queued| queued.lane).collect();
        if lanes.is_empty() {
            return Vec::new();
        }
        let (past, waiting): (VecDeque<_>, _) =
            std::mem::take(&mut self.waiting).into_iter().partition(|queued| lanes.contains(&queued.lane));
        self.waiting = waiting;
        past.into()
    }

    /// Takes up to `most` of what waits, together about `bytes`; of what is large only a part, and the rest of it and what came after it
    /// from the same connection stay.
    pub(crate) fn take(&mut self, most: usize, bytes: usize) -> Vec<T> {
        if self.stands {
            self.put_best_first();
        }
        let (mut taken, mut large, mut all) = (Vec::new(), 0, 0);
        let (mut stay, mut staying) = (VecDeque::new(), HashSet::new());
        while taken.len() < most
            && all < bytes
            && let Some(next) = self.waiting.pop_front()
        {
            if staying.contains(&next.lane) || next.is_large() && large >= LARGE_A_GROUP {
                staying.insert(next.lane);
                stay.push_back(next);
                continue;
            }
            large += if next.is_large() { next.bytes } else { 0 };
            all += next.bytes;
            taken.push(next.item);
        }
        stay.append(&mut self.waiting);
        self.waiting = stay;
        taken
    }

    /// Lanes by their first request: the best class first, then as it came, or under overload the newest; within a lane as it
    /// came. The server's own go first of all.
    fn put_best_first(&mut self) {
        let newest_first = self.newest_first;
        let mut first: HashMap<Lane, _> = HashMap::new();
        for Queued { item: _, lane, class, since, bytes: _ } in &self.waiting {
            let place = if newest_first { (*class, None, Some(Reverse(*since))) } else { (*class, Some(*since), None) };
            first.entry(*lane).or_insert(place);
        }
        let waiting = self.waiting.make_contiguous();
        // Stable: within a lane the order stays.
        waiting.sort_by_key(|queued| {
            let own = queued.lane == Lane::OWN;
            (!own, first.get(&queued.lane).copied(), queued.lane.0)
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// As many bytes as there are.
    const ALL: usize = usize::MAX;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn queued(lane: u64, item: u32, since: Instant) -> Queued<u32> {
        Queued { item, lane: Lane(lane), class: Class::Append, since, bytes: 1 }
    }

    /// A queue that has stood for long.
    fn overloaded(begin: Instant) -> Queue<u32> {
        let mut queue = Queue::default();
        queue.push(queued(99, 0, begin));
        assert_eq!(queue.begin(begin + ms(50), ms(10), false), ms(40));
        assert_eq!(queue.begin(begin + ms(500), ms(10), false), ms(490));
        assert!(queue.newest_first);
        queue
    }

    #[test]
    fn calm_work_is_taken_as_it_came() {
        let begin = Instant::now();
        let mut queue = Queue::default();
        for item in 0..10 {
            queue.push(queued(u64::from(item % 3) + 1, item, begin + ms(u64::from(item))));
        }
        assert_eq!(queue.begin(begin + ms(12), ms(12), false), ms(0));
        assert!(queue.past(begin + ms(12), ms(0), |_| false).is_empty());
        assert_eq!(queue.take(4, ALL), [0, 1, 2, 3]);
        assert_eq!(queue.take(100, 2), [4, 5]);
        assert_eq!(queue.take(100, ALL), [6, 7, 8, 9]);
    }

    #[test]
    fn one_slow_flush_is_no_overload() {
        let begin = Instant::now();
        let mut queue = Queue::default();
        queue.push(queued(1, 1, begin));
        assert_eq!(queue.begin(begin + ms(800), ms(800), false), Duration::ZERO, "it waited for the group before it and no longer");
        assert!(queue.past(begin + ms(800), ms(800), |_| false).is_empty());
    }

    #[test]
    fn under_overload_the_newest_go_first_and_the_old_not_at_all() {
        let begin = Instant::now();
        let mut queue = overloaded(begin);
        let now = begin + ms(500);
        for item in 1..=4 {
            queue.push(queued(u64::from(item), item, now - ms(25 - u64::from(item))));
        }
        let past: Vec<_> = queue.past(now, ms(10), |_| false).into_iter().map(|queued| queued.item).collect();
        assert_eq!(past, [0]);
        assert_eq!(queue.take(2, ALL), [4, 3]);
        assert_eq!(queue.take(2, ALL), [2, 1]);
    }

    #[test]
    fn under_overload_the_best_class_goes_first() {
        let begin = Instant::now();
        let mut queue = overloaded(begin);
        let now = begin + ms(500);
        queue.past(now, ms(10), |_| false);
        for (item, class) in [(1, Class::Append), (2, Class::SignUp), (3, Class::Commit), (4, Class::Append), (5, Class::SignUp)] {
            queue.push(Queued { class, ..queued(u64::from(item), item, now - ms(25 - u64::from(item))) });
        }
        assert_eq!(queue.take(4, ALL), [4, 1, 3, 5]);
    }

    #[test]
    fn what_nobody_waits_for_is_not_done_and_the_servers_own_always() {
        let begin = Instant::now();
        let mut queue = overloaded(begin);
        let now = begin + ms(500);
        queue.push(queued(0, 7, begin));
        queue.push(queued(1, 8, now));
        queue.push(queued(2, 9, now));
        let past: Vec<_> = queue.past(now, ms(10), |item| *item == 9 || *item == 7).into_iter().map(|queued| queued.item).collect();
        assert_eq!(past, [0, 9]);
        assert_eq!(queue.take(1, ALL), [7]);
    }

    #[test]
    fn what_a_moment_has_left_behind_has_more_time_while_less_is_asked() {
        let begin = Instant::now();
        for (calm, newest_first) in [(true, false), (false, true)] {
            let mut queue = Queue::default();
            queue.push(queued(1, 0, begin));
            queue.begin(begin + ms(50), ms(10), calm);
            queue.begin(begin + ms(200), ms(10), calm);
            assert_eq!(queue.newest_first, newest_first);
        }
    }

    #[test]
    fn of_what_is_large_a_part_goes_with_a_group_and_nobody_waits_for_the_rest() {
        let begin = Instant::now();
        let mut queue = Queue::default();
        let large = |lane, item, bytes| Queued { bytes, ..queued(lane, item, begin) };
        queue.push(large(1, 10, LARGE_A_GROUP));
        queue.push(large(2, 20, LARGE_A_GROUP * 4));
        queue.push(queued(2, 21, begin));
        queue.push(queued(3, 30, begin));
        queue.push(large(1, 11, LARGE));
        queue.push(queued(1, 12, begin));
        queue.push(queued(4, 40, begin));
        // What comes after a large one from the same connection waits with it, all others don't.
        assert_eq!(queue.take(100, ALL), [10, 30, 40]);
        queue.push(queued(5, 50, begin + ms(30)));
        // The large ones stand, and that is no overload yet.
        assert_eq!(queue.begin(begin + ms(30), ms(0), false), Duration::ZERO);
        assert_eq!(queue.take(100, ALL), [20, 21, 50]);
        assert_eq!(queue.begin(begin + ms(1_000), ms(0), false), Duration::ZERO, "nor is what is behind one");
        assert_eq!(queue.begin(begin + ms(1_500), ms(0), false), ms(500), "but for so long they may not");
        assert_eq!(queue.take(100, ALL), [11, 12]);
    }

    #[test]
    fn overload_ends_with_the_queue() {
        let begin = Instant::now();
        let mut queue = overloaded(begin);
        assert_eq!(queue.past(begin + ms(500), ms(10), |_| false).len(), 1);
        assert_eq!(queue.begin(begin + ms(501), ms(10), false), Duration::ZERO);
        assert!(!queue.newest_first);
    }

    proptest! {
        /// Whatever happens, each request comes out once, and those of a lane in their order.
        #[test]
        fn a_lane_keeps_its_order(
            steps in prop::collection::vec((0..5_u64, 0..40_u64, 0..6_usize, prop_oneof![Just(1), Just(LARGE), Just(LARGE_A_GROUP)]), 1..200),
        ) {
            let begin = Instant::now();
            let mut queue = Queue::default();
            let (mut now, mut pushed, mut out) = (begin, 0, Vec::new());
            for (lane, passed, take, bytes) in steps {
                now += ms(passed);
                queue.push(Queued { bytes, ..queued(lane, pushed, now) });
                pushed += 1;
                queue.begin(now, ms(0), false);
                let past = queue.past(now, ms(0), |_| false);
                let lanes_now: HashMap<u32, u64> = past.iter().map(|queued| (queued.item, queued.lane.0)).collect();
                // What is dropped was refused; it is out, too.
                out.extend(past.iter().map(|queued| (lanes_now[&queued.item], queued.item, false)));
                let before: HashMap<u32, u64> = queue.waiting.iter().map(|queued| (queued.item, queued.lane.0)).collect();
                out.extend(queue.take(take, ALL).into_iter().map(|item| (before[&item], item, true)));
            }
            let before: HashMap<u32, u64> = queue.waiting.iter().map(|queued| (queued.item, queued.lane.0)).collect();
            // Each group takes something, however large all of it is.
            while !queue.is_empty() {
                let group = queue.take(usize::MAX, ALL);
                prop_assert!(!group.is_empty());
                out.extend(group.into_iter().map(|item| (before[&item], item, true)));
            }
            prop_assert_eq!(out.len(), pushed as usize);
            for lane in 0..5 {
                let taken: Vec<u32> = out.iter().filter(|(of, _, done)| *of == lane && *done).map(|(_, item, _)| *item).collect();
                prop_assert!(taken.is_sorted(), "{:?}", taken);
            }
        }
    }
}
