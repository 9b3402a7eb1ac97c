//! The state of the server in a few numbers, from counters and memory alone.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;

use super::samples::Sample;
use crate::{
    admission::Gate,
    any_store::{AnyStore, StorePulse},
    edge::lifecycle::{Lifecycle, Phase},
    logs::{Health, Logs, ServerClock},
    observe::Metrics,
    sign_up::{Queue, SignUps},
};

/// Everything the status page says. Nothing in it is about anybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The part of handles here after the `@`.
    pub server: String,
    /// The program's version.
    pub version: String,
    /// The server's clock, Unix milliseconds.
    pub time_ms: u64,
    /// Since it was started.
    pub up_seconds: u64,
    /// All in one word.
    pub state: State,
    /// Whether what is sent can be kept.
    pub store: StoreState,
    /// How long the write under way has taken, if that is longer than any should.
    pub write_stuck_ms: Option<u64>,
    /// How late the part that serves clients is with what it does every quarter of a second.
    pub serving_late_ms: u64,
    /// How many times what it can do is asked of it; above 1 somebody is told to come back later.
    pub asked: f64,
    /// Newcomers in line.
    pub newcomers_waiting: u64,
    /// How long the last of them waits, as far as can be known.
    pub newcomers_wait_seconds: Option<u64>,
    /// Connections of all kinds.
    pub connections: u32,
    /// How many there may be.
    pub connections_most: u32,
    /// WebSockets among them.
    pub sessions: u64,
    /// Resident memory of the process.
    pub memory_bytes: Option<u64>,
    /// Bytes promised to files.
    pub blob_bytes: u64,
    /// What has happened lately.
    pub last_minute: LastMinute,
    /// Refusals since the start, by code; those that never happened are left out.
    pub refusals: BTreeMap<String, u64>,
}

/// Rates over the last minute, or since the start if that is less.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LastMinute {
    /// Over how long they were taken.
    pub seconds: f64,
    /// Entries that were sent.
    pub appends_per_second: f64,
    /// Entries handed to readers.
    pub delivered_per_second: f64,
    /// Refusals of all kinds.
    pub refusals_per_second: f64,
    /// HTTP requests answered.
    pub http_per_second: f64,
    /// Half of all writes were durable and answered within this.
    pub write_p50_ms: Option<f64>,
    /// 99 of 100.
    pub write_p99_ms: Option<f64>,
}

/// All in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Everything works.
    Well,
    /// Everything works, late.
    Slow,
    /// More is asked than it can do: messages go on, newcomers and files wait.
    Busy,
    /// Nothing new is taken; what was taken can be read.
    NotTaking,
    /// It was told to stop.
    Stopping,
}

/// Whether what is sent can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreState {
    /// It can.
    Writing,
    /// The disk is full, or nearly.
    DiskFull,
    /// A write has failed.
    Failed,
    /// A write does not end.
    Stuck,
}

/// A write that takes longer is stuck.
const STUCK: Duration = Duration::from_secs(2);
/// How often the part that serves clients gives a sign of life.
const BEAT: Duration = Duration::from_millis(250);
/// It is slow if its sign of life is later than this.
const SLOW: Duration = Duration::from_secs(1);
const SAMPLE_EVERY: Duration = Duration::from_secs(2);
/// A minute of them.
const SAMPLES: usize = 31;

/// Where the numbers come from.
pub(crate) struct Sources {
    pub(crate) name: String,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) logs: Logs<AnyStore>,
    pub(crate) pulse: Arc<StorePulse>,
    pub(crate) clock: Arc<dyn ServerClock>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) sign_ups: Arc<SignUps<AnyStore>>,
}

/// Keeps what the page is made of.
pub(crate) struct Board {
    sources: Sources,
    started: Instant,
    /// Milliseconds after `started` of the last sign of life.
    beat: AtomicU64,
    samples: Mutex<VecDeque<(Instant, Sample)>>,
}

impl Board {
    pub(crate) fn new(sources: Sources) -> Arc<Self> {
        let started = Instant::now();
        let first = (started, Sample::parse(&sources.metrics.render()));
        Arc::new(Self { sources, started, beat: AtomicU64::new(0), samples: Mutex::new(VecDeque::from([first])) })
    }

    /// Gives signs of life. To be run where clients are served.
    pub(crate) async fn beat_for_ever(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(BEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.beat.store(millis(self.started.elapsed()), Ordering::Release);
        }
    }

    pub(super) async fn sample_for_ever(&self) {
        let mut ticks = tokio::time::interval(SAMPLE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let sample = Sample::parse(&self.sources.metrics.render());
            let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
            samples.push_back((Instant::now(), sample));
            if samples.len() > SAMPLES {
                samples.pop_front();
            }
        }
    }

    /// As it is now.
    pub(super) fn status(&self) -> Status {
        let Sources { name, metrics, lifecycle, logs, pulse, clock, gate, sign_ups } = &self.sources;
        let now = Sample::parse(&metrics.render());
        let stuck = pulse.writing_for().filter(|time| *time >= STUCK);
        let store = match logs.health() {
            _ if stuck.is_some() => StoreState::Stuck,
            Health::Writing => StoreState::Writing,
            Health::DiskFull => StoreState::DiskFull,
            Health::Failed => StoreState::Failed,
        };
        let since_beat = self.started.elapsed().saturating_sub(Duration::from_millis(self.beat.load(Ordering::Acquire)));
        let late = since_beat.saturating_sub(BEAT);
        let (connections, connections_most) = lifecycle.connections();
        let asked = gate.asked();
        let Queue { waiting, coming: _, wait_seconds, per_second: _ } = sign_ups.queue();
        Status {
            server: name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time_ms: clock.now_ms(),
            up_seconds: self.started.elapsed().as_secs(),
            state: state(lifecycle.phase(), store, late, asked),
            store,
            write_stuck_ms: stuck.map(millis),
            serving_late_ms: millis(late),
            asked,
            newcomers_waiting: waiting,
            newcomers_wait_seconds: wait_seconds,
            connections,
            connections_most,
            sessions: whole(now.get("alcyon_sessions")),
            memory_bytes: resident(),
            blob_bytes: whole(now.get("alcyon_blob_bytes")),
            last_minute: self.last_minute(&now),
            refusals: now
                .labelled("alcyon_refusals_total")
                .filter(|(_, count)| *count > 0.0)
                .map(|(code, count)| (code.trim_start_matches("REFUSAL_CODE_").to_ascii_lowercase(), whole(count)))
                .collect(),
        }
    }

    fn last_minute(&self, now: &Sample) -> LastMinute {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((at, earlier)) = samples.front() else {
            return LastMinute::default();
        };
        let seconds = at.elapsed().as_secs_f64();
        let rate = |series: f64| if seconds > 0.0 { (series / seconds).max(0.0) } else { 0.0 };
        let since = |series: &str| rate(now.get(series) - earlier.get(series));
        let sum_since = |name: &str| rate(now.sum(name) - earlier.sum(name));
        let write = |share| {
            let seconds = now.quantile_since(earlier, "alcyon_write_seconds", share)?;
            Some(seconds.min(WRITE_MOST.as_secs_f64()) * 1000.0)
        };
        LastMinute {
            seconds,
            appends_per_second: since("alcyon_requests_total{kind=\"append\"}"),
            delivered_per_second: since("alcyon_entries_delivered_total"),
            refusals_per_second: sum_since("alcyon_refusals_total"),
            http_per_second: sum_since("alcyon_http_answers_total"),
            write_p50_ms: write(0.5),
            write_p99_ms: write(0.99),
        }
    }
}

/// What stands for writes beyond the last bucket, as JSON has no infinity.
const WRITE_MOST: Duration = Duration::from_secs(60);

fn state(phase: Phase, store: StoreState, late: Duration, asked: f64) -> State {
    match (phase, store) {
        (Phase::Draining | Phase::Ended, _) => State::Stopping,
        (Phase::Running, StoreState::DiskFull | StoreState::Failed | StoreState::Stuck) => State::NotTaking,
        (Phase::Running, StoreState::Writing) if late >= SLOW => State::Slow,
        (Phase::Running, StoreState::Writing) if asked > 1.0 => State::Busy,
        (Phase::Running, StoreState::Writing) => State::Well,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // counts
fn whole(count: f64) -> u64 {
    count.max(0.0) as u64
}

/// Linux only.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_for_everything() {
        let none = Duration::ZERO;
        assert_eq!(state(Phase::Running, StoreState::Writing, none, 1.0), State::Well);
        assert_eq!(state(Phase::Running, StoreState::Writing, none, 1.4), State::Busy);
        assert_eq!(state(Phase::Running, StoreState::Writing, SLOW, 1.4), State::Slow);
        for store in [StoreState::DiskFull, StoreState::Failed, StoreState::Stuck] {
            assert_eq!(state(Phase::Running, store, none, 1.4), State::NotTaking);
            assert_eq!(state(Phase::Draining, store, none, 1.4), State::Stopping);
        }
    }
}
