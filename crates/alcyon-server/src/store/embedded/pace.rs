//! How much of the processor compaction takes: little while it can wait, more the nearer the tables come to having to wait for it.
//!
//! Left to itself the engine merges as fast as it gets the processor, and then not at all for a while. On a server that was asked for more
//! than it can do, two fifths less was taken for as long as that lasted (docs/benchmarks.md, "Compaction in small pieces"). So it works for
//! a moment and sleeps for a while, in turns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use fjall::compaction::filter::{CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict};

/// It works for about so long at once: less than a thread that wakes up is made to wait anyway.
const PIECE: Duration = Duration::from_micros(500);
/// It looks at the clock after so many rows, of about a microsecond each.
const ROWS: u32 = 64;
/// The part of the time in which it works while it is not behind.
const LEAST: f64 = 0.05;
/// It sleeps no longer at once, because meanwhile it may have fallen behind.
const SLEEP: Duration = Duration::from_millis(20);
/// In thousandths is said how far behind it is.
const WHOLE: f64 = 1000.0;

/// Known to whoever puts rows into the tables and to compaction.
#[derive(Debug, Default)]
pub(super) struct Pace {
    behind: AtomicU32,
    hurry: AtomicBool,
}

impl Pace {
    /// How far behind compaction is where so many tables wait to be merged: from `begin` on they are merged, and `most` may wait. From 0 to 1.
    pub(super) fn behind(waiting: usize, begin: usize, most: usize) -> f64 {
        #[allow(clippy::cast_precision_loss)] // hundreds
        let (over, room) = (waiting.saturating_sub(begin) as f64, most.saturating_sub(begin).max(1) as f64);
        (over / room).min(1.0)
    }

    /// So far behind it is in the worst of the tables.
    pub(super) fn set_behind(&self, behind: f64) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 1000
        self.behind.store((behind.clamp(0.0, 1.0) * WHOLE) as u32, Ordering::Relaxed);
    }

    /// Somebody waits for it, or no longer.
    pub(super) fn set_hurry(&self, hurry: bool) {
        self.hurry.store(hurry, Ordering::Relaxed);
    }

    /// How long it is to sleep after it has worked for so long.
    fn pause(&self, worked: Duration) -> Duration {
        if self.hurry.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let behind = f64::from(self.behind.load(Ordering::Relaxed)) / WHOLE;
        let part = LEAST + (1.0 - LEAST) * behind * behind;
        worked.mul_f64((1.0 - part) / part)
    }
}

/// Makes the engine's compaction keep to the pace.
pub(super) struct Paced(pub(super) Arc<Pace>);

impl Factory for Paced {
    fn name(&self) -> &'static str {
        "pace"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Pieces { pace: self.0.clone(), rows: 0, since: Instant::now() })
    }
}

/// Keeps every row, and sleeps between some.
struct Pieces {
    pace: Arc<Pace>,
    rows: u32,
    since: Instant,
}

impl CompactionFilter for Pieces {
    fn filter_item(&mut self, _: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        self.rows += 1;
        if self.rows == ROWS {
            self.rows = 0;
            let worked = self.since.elapsed();
            if worked >= PIECE {
                self.rest(worked);
                self.since = Instant::now();
            }
        }
        Ok(Verdict::Keep)
    }
}

impl Pieces {
    fn rest(&self, worked: Duration) {
        let start = Instant::now();
        loop {
            let left = self.pace.pause(worked).saturating_sub(start.elapsed());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(SLEEP));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_works_more_the_further_behind_it_is_and_does_not_rest_when_it_is_waited_for() {
        let pace = Pace::default();
        let pause = |waiting| {
            pace.set_behind(Pace::behind(waiting, 64, 224));
            pace.pause(Duration::from_millis(1))
        };
        assert_eq!([pause(0), pause(64)], [Duration::from_millis(19); 2]);
        let pauses: Vec<_> = (64..=224).map(pause).collect();
        assert!(pauses.is_sorted_by(|before, after| before > after));
        assert_eq!([pause(224), pause(1000)], [Duration::ZERO; 2]);
        assert!(!pause(100).is_zero());
        pace.set_hurry(true);
        assert_eq!(pause(100), Duration::ZERO);
        pace.set_hurry(false);
        assert!(!pause(100).is_zero());
    }
}
