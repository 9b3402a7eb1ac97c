//! Quotas: token buckets and counts in memory. Nothing of this is stored, so the disk says nothing of who writes how much.

use std::collections::{HashMap, VecDeque};

use alcyon_wire::{PassHash, RefusalCode, SeatId};

use super::{LogSettings, Rate};
use crate::Refusal;

const HOUR_MS: u64 = 60 * 60 * 1000;

/// A token bucket that was full when it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    level: f64,
    at_ms: u64,
}

impl Bucket {
    pub fn full(rate: Rate, now_ms: u64) -> Self {
        Self { level: rate.burst, at_ms: now_ms }
    }

    /// Whether `amount` tokens are there with `leave` more behind them; if not, milliseconds until they are. An amount over
    /// the burst passes when the bucket is full, and is paid off afterwards.
    pub fn check(&mut self, rate: Rate, now_ms: u64, amount: f64, leave: f64) -> Result<(), u64> {
        // Should the clock go back, no tokens come until it has caught up.
        if now_ms > self.at_ms {
            #[allow(clippy::cast_precision_loss)] // milliseconds of any real span are exact
            let elapsed = (now_ms - self.at_ms) as f64 / 1000.0;
            self.level = (self.level + elapsed * rate.per_second).min(rate.burst);
            self.at_ms = now_ms;
        }
        let needed = (amount + leave).min(rate.burst);
        if self.level >= needed {
            return Ok(());
        }
        let wait = (needed - self.level) / rate.per_second * 1000.0;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive, and a day is enough
        Err((wait.ceil() as u64).clamp(1, 24 * HOUR_MS))
    }

    pub fn take(&mut self, amount: f64) {
        self.level -= amount;
    }
}

/// What one log has used of its quotas.
pub(crate) struct Usage {
    seats: HashMap<SeatId, SeatUsage>,
    commits: Option<Bucket>,
    joins: Option<Bucket>,
    last_committer: Option<SeatId>,
    passes: HashMap<PassHash, Bucket>,
    /// Times of strangers' knocks in the last hour.
    strangers: VecDeque<u64>,
    /// Strangers' knocks (sequence, time) that no device had acknowledged when it was looked at last.
    pub strangers_pending: VecDeque<(u64, u64)>,
}

struct SeatUsage {
    entries: Bucket,
    bytes: Bucket,
    /// Stored since the process started.
    stored: u64,
}

#[allow(clippy::cast_precision_loss)] // sizes are far below 2^52
impl Usage {
    pub fn new(strangers_pending: VecDeque<(u64, u64)>) -> Self {
        let strangers = strangers_pending.iter().map(|(_, time_ms)| *time_ms).collect();
        Self {
            seats: HashMap::new(),
            commits: None,
            joins: None,
            last_committer: None,
            passes: HashMap::new(),
            strangers,
            strangers_pending,
        }
    }

    /// An entry of `bytes` by a seat: takes from its buckets, or says when to come back.
    pub fn charge_entry(&mut self, settings: &LogSettings, now_ms: u64, seat: SeatId, bytes: u64) -> Result<(), Refusal> {
        let usage = self.seat(settings, now_ms, seat);
        if usage.stored + bytes > settings.seat_share {
            return Err(later("this seat has used its share of the log", HOUR_MS));
        }
        let SeatUsage { entries, bytes: bucket, stored } = usage;
        entries.check(settings.seat_entries, now_ms, 1.0, 0.0).map_err(|wait| later("this seat sends too often", wait))?;
        bucket.check(settings.seat_bytes, now_ms, bytes as f64, 0.0).map_err(|wait| later("this seat sends too much", wait))?;
        entries.take(1.0);
        bucket.take(bytes as f64);
        *stored += bytes;
        Ok(())
    }

    /// Bytes that are no entry: trees and GroupInfos.
    pub fn charge_bytes(&mut self, settings: &LogSettings, now_ms: u64, seat: SeatId, bytes: usize) -> Result<(), Refusal> {
        let usage = self.seat(settings, now_ms, seat);
        let bytes = bytes as f64;
        usage.bytes.check(settings.seat_bytes, now_ms, bytes, 0.0).map_err(|wait| later("this seat sends too much", wait))?;
        usage.bytes.take(bytes);
        Ok(())
    }

    /// A commit by a seat. Whoever committed last leaves a token behind, so that others get in between.
    pub fn charge_commit(&mut self, settings: &LogSettings, now_ms: u64, seat: SeatId) -> Result<(), Refusal> {
        let leave = if self.last_committer == Some(seat) { 1.0 } else { 0.0 };
        let bucket = self.commits.get_or_insert_with(|| Bucket::full(settings.commits, now_ms));
        bucket.check(settings.commits, now_ms, 1.0, leave).map_err(|wait| later("this log has too many commits", wait))?;
        bucket.take(1.0);
        self.last_committer = Some(seat);
        Ok(())
    }

    /// A commit by a door.
    pub fn charge_join(&mut self, settings: &LogSettings, now_ms: u64) -> Result<(), Refusal> {
        let bucket = self.joins.get_or_insert_with(|| Bucket::full(settings.joins, now_ms));
        bucket.check(settings.joins, now_ms, 1.0, 0.0).map_err(|wait| later("too many join at once", wait))?;
        bucket.take(1.0);
        Ok(())
    }

    /// A knock with a pass.
    pub fn charge_pass(&mut self, settings: &LogSettings, now_ms: u64, pass: PassHash) -> Result<(), Refusal> {
        let bucket = self.passes.entry(pass).or_insert_with(|| Bucket::full(settings.pass_knocks, now_ms));
        bucket.check(settings.pass_knocks, now_ms, 1.0, 0.0).map_err(|wait| later("this pass knocks too often", wait))?;
        bucket.take(1.0);
        Ok(())
    }

    /// Whether a stranger may knock now; `acknowledged` is how far any device has read.
    pub fn check_stranger(&mut self, settings: &LogSettings, now_ms: u64, acknowledged: u64) -> Result<(), Refusal> {
        let retention_ms = u64::try_from(settings.retention.as_millis()).unwrap_or(u64::MAX);
        while self
            .strangers_pending
            .front()
            .is_some_and(|(sequence, time_ms)| *sequence <= acknowledged || time_ms.saturating_add(retention_ms) <= now_ms)
        {
            self.strangers_pending.pop_front();
        }
        while self.strangers.front().is_some_and(|time_ms| time_ms + HOUR_MS <= now_ms) {
            self.strangers.pop_front();
        }
        let full = |wait| Refusal::later(RefusalCode::LaneFull, "this inbox takes no more strangers for now", wait);
        if self.strangers_pending.len() >= settings.strangers_pending {
            return Err(full(HOUR_MS));
        }
        if self.strangers.len() >= settings.strangers_per_hour {
            let first = self.strangers.front().copied().unwrap_or(now_ms);
            return Err(full((first + HOUR_MS).saturating_sub(now_ms)));
        }
        Ok(())
    }

    /// A stranger has knocked.
    pub fn stranger_knocked(&mut self, sequence: u64, time_ms: u64) {
        self.strangers.push_back(time_ms);
        self.strangers_pending.push_back((sequence, time_ms));
    }

    fn seat(&mut self, settings: &LogSettings, now_ms: u64, seat: SeatId) -> &mut SeatUsage {
        self.seats.entry(seat).or_insert_with(|| SeatUsage {
            entries: Bucket::full(settings.seat_entries, now_ms),
            bytes: Bucket::full(settings.seat_bytes, now_ms),
            stored: 0,
        })
    }
}

fn later(message: &'static str, wait_ms: u64) -> Refusal {
    Refusal::later(RefusalCode::Quota, message, wait_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_committed_last_leaves_a_token_to_others() {
        let settings = LogSettings::default();
        let (ann, bob) = (SeatId::from([1; 32]), SeatId::from([2; 32]));
        let mut usage = Usage::new(VecDeque::new());
        for _ in 0..7 {
            usage.charge_commit(&settings, 0, ann).unwrap();
        }
        let refusal = usage.charge_commit(&settings, 0, ann).unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after_ms), (RefusalCode::Quota, 5_000));
        usage.charge_commit(&settings, 0, bob).unwrap();
        assert_eq!(usage.charge_commit(&settings, 0, ann).unwrap_err().retry_after_ms, 5_000);
        usage.charge_commit(&settings, 5_000, ann).unwrap();
        assert_eq!(usage.charge_commit(&settings, 5_000, ann).unwrap_err().retry_after_ms, 10_000);
    }

    #[test]
    fn strangers_wait_for_the_hour_to_pass() {
        let settings = LogSettings::default();
        let mut usage = Usage::new(VecDeque::new());
        for n in 0..20 {
            usage.check_stranger(&settings, n * 1000, 0).unwrap();
            usage.stranger_knocked(n + 1, n * 1000);
        }
        let refusal = usage.check_stranger(&settings, 20_000, 0).unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after_ms), (RefusalCode::LaneFull, HOUR_MS - 20_000));
        usage.check_stranger(&settings, HOUR_MS, 0).unwrap();
    }

    #[test]
    fn an_amount_over_the_burst_passes_when_full_and_is_paid_off() {
        let rate = Rate { burst: 10.0, per_second: 1.0 };
        let mut bucket = Bucket::full(rate, 0);
        bucket.check(rate, 0, 25.0, 0.0).unwrap();
        bucket.take(25.0);
        assert_eq!(bucket.check(rate, 0, 1.0, 0.0), Err(16_000));
        bucket.check(rate, 16_000, 1.0, 0.0).unwrap();
    }
}
