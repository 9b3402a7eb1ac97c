//! Limits that can be changed while the server runs. What is changed holds until the next start at the most.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::guard::{Change, Guard};
use crate::{
    any_store::AnyStore,
    config::{Config, ConfigError, Limits, Origin, SETTINGS, Setting, Values},
    edge::lifecycle::Lifecycle,
    logs::{LogSettings, Logs, Rate},
    observe::event,
};

/// The part of the configuration that may change.
#[derive(Debug, Clone, PartialEq)]
struct Live {
    limits: Limits,
    logs: LogSettings,
}

/// One limit: its key in the configuration, how it is written, and how it is taken over from a configuration.
struct Limit {
    key: &'static str,
    write: fn(&Live) -> String,
    take: fn(&mut Live, Config),
}

const LIMITS: [Limit; 10] = [
    Limit {
        key: "limits.connections",
        write: |live| live.limits.connections.to_string(),
        take: |live, from| live.limits.connections = from.limits.connections,
    },
    Limit {
        key: "logs.seat_entries",
        write: |live| rate(live.logs.seat_entries),
        take: |live, from| live.logs.seat_entries = from.logs.seat_entries,
    },
    Limit {
        key: "logs.seat_bytes",
        write: |live| rate(live.logs.seat_bytes),
        take: |live, from| live.logs.seat_bytes = from.logs.seat_bytes,
    },
    Limit { key: "logs.commits", write: |live| rate(live.logs.commits), take: |live, from| live.logs.commits = from.logs.commits },
    Limit { key: "logs.joins", write: |live| rate(live.logs.joins), take: |live, from| live.logs.joins = from.logs.joins },
    Limit {
        key: "logs.pass_knocks",
        write: |live| rate(live.logs.pass_knocks),
        take: |live, from| live.logs.pass_knocks = from.logs.pass_knocks,
    },
    Limit {
        key: "logs.creates_per_address",
        write: |live| rate(live.logs.creates_per_band),
        take: |live, from| live.logs.creates_per_band = from.logs.creates_per_band,
    },
    Limit { key: "logs.creates", write: |live| rate(live.logs.creates), take: |live, from| live.logs.creates = from.logs.creates },
    Limit {
        key: "logs.strangers_per_hour",
        write: |live| live.logs.strangers_per_hour.to_string(),
        take: |live, from| live.logs.strangers_per_hour = from.logs.strangers_per_hour,
    },
    Limit {
        key: "logs.strangers_pending",
        write: |live| live.logs.strangers_pending.to_string(),
        take: |live, from| live.logs.strangers_pending = from.logs.strangers_pending,
    },
];

/// A limit as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// Its key in the configuration.
    pub(crate) key: String,
    /// What it is now.
    pub(crate) value: String,
    /// What stood before it was changed.
    pub(crate) before: Option<String>,
    /// Seconds until that stands again, unless the change is kept.
    pub(crate) reverts_in_seconds: Option<u64>,
    /// What it does.
    pub(crate) help: String,
}

/// What a change comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changed {
    /// Its key in the configuration.
    pub(crate) key: String,
    /// The value that stands, or would stop to.
    pub(crate) from: String,
    /// The value that was asked for.
    pub(crate) to: String,
    /// False: nothing was changed, it was only tried.
    pub(crate) done: bool,
    /// Seconds until it takes itself back; None: it stays until the server ends.
    pub(crate) reverts_in_seconds: Option<u64>,
    /// What the operator should know before.
    pub(crate) warnings: Vec<String>,
}

/// Why a limit was not changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LimitError {
    /// No such limit, or not one of those that can be changed now. `limits show` names them.
    #[error("`{0}` can't be changed while the server runs; `limits show` names what can")]
    Unknown(String),
    /// The value is not allowed.
    #[error(transparent)]
    NotAllowed(#[from] ConfigError),
    /// There is nothing to keep.
    #[error("`{0}` has no change that would take itself back")]
    NothingToKeep(String),
}

/// How long a change holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hold {
    /// It is only tried: said what would change.
    DryRun,
    /// It takes itself back after so many seconds, unless it is kept before.
    Seconds(u64),
    /// Until the server ends.
    Kept,
}

/// The limits of a running server.
pub(crate) struct LiveLimits {
    lifecycle: Arc<Lifecycle>,
    logs: Logs<AnyStore>,
    started: Instant,
    inner: Mutex<(Live, Guard)>,
    changed: Notify,
}

impl LiveLimits {
    pub(crate) fn new(lifecycle: Arc<Lifecycle>, logs: Logs<AnyStore>, config: &Config) -> Self {
        let live = Live { limits: config.limits, logs: config.logs.clone() };
        Self { lifecycle, logs, started: Instant::now(), inner: Mutex::new((live, Guard::default())), changed: Notify::new() }
    }

    /// All of them.
    pub(super) fn show(&self) -> Vec<Shown> {
        let (live, guard) = &*self.lock();
        let now = self.started.elapsed();
        LIMITS
            .iter()
            .map(|limit| {
                let change = guard.get(limit.key);
                let until = change.and_then(|change| change.until);
                Shown {
                    key: limit.key.to_owned(),
                    value: (limit.write)(live),
                    before: change.map(|Change { from, .. }| from.clone()),
                    reverts_in_seconds: until.map(|until| until.saturating_sub(now).as_secs()),
                    help: setting(limit.key).help.to_owned(),
                }
            })
            .collect()
    }

    /// Changes one, or says what that would do.
    pub(super) fn set(&self, key: &str, value: &str, hold: Hold) -> Result<Changed, LimitError> {
        let limit = find(key)?;
        let config = parse(limit.key, value)?;
        let mut inner = self.lock();
        let (live, guard) = &mut *inner;
        let from = (limit.write)(live);
        let mut new = live.clone();
        (limit.take)(&mut new, config);
        let to = (limit.write)(&new);
        let warnings = self.warnings(live, &new);
        let until = match hold {
            Hold::DryRun => {
                return Ok(Changed { key: limit.key.to_owned(), from, to, done: false, reverts_in_seconds: None, warnings });
            }
            Hold::Seconds(seconds) => Some(self.started.elapsed() + Duration::from_secs(seconds)),
            Hold::Kept => None,
        };
        guard.change(limit.key, from.clone(), to.clone(), until);
        let reverts_in_seconds = guard.get(limit.key).and_then(|change| change.until).map(|until| {
            let left = until.saturating_sub(self.started.elapsed());
            left.as_secs() + u64::from(left.subsec_nanos() > 0)
        });
        self.apply(&new);
        *live = new;
        drop(inner);
        self.changed.notify_one();
        event!(INFO, "a limit was changed by the operator", limit = limit.key);
        Ok(Changed { key: limit.key.to_owned(), from, to, done: true, reverts_in_seconds, warnings })
    }

    /// Lets a change stand until the server ends.
    pub(super) fn keep(&self, key: &str) -> Result<Vec<Shown>, LimitError> {
        let limit = find(key)?;
        if !self.lock().1.keep(limit.key) {
            return Err(LimitError::NothingToKeep(limit.key.to_owned()));
        }
        self.changed.notify_one();
        Ok(self.show().into_iter().filter(|shown| shown.key == limit.key).collect())
    }

    /// Takes changes back when their time is over.
    pub(super) async fn revert_for_ever(&self) {
        loop {
            let next = self.lock().1.next();
            let due = async {
                match next {
                    Some(next) => tokio::time::sleep(next.saturating_sub(self.started.elapsed())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.revert_due(),
                () = self.changed.notified() => {}
            }
        }
    }

    fn revert_due(&self) {
        let mut inner = self.lock();
        let (live, guard) = &mut *inner;
        for (key, value) in guard.due(self.started.elapsed()) {
            // What stood once is allowed, and its limit is in the table.
            if let (Ok(limit), Ok(config)) = (find(key), parse(key, &value)) {
                (limit.take)(live, config);
                event!(INFO, "a change of a limit has taken itself back", limit = key);
            }
        }
        self.apply(live);
    }

    fn apply(&self, live: &Live) {
        self.lifecycle.set_most_connections(live.limits.connections);
        self.logs.set_quotas(live.logs.clone());
    }

    fn warnings(&self, old: &Live, new: &Live) -> Vec<String> {
        let mut warnings = Vec::new();
        let (open, _) = self.lifecycle.connections();
        if new.limits.connections < open {
            warnings.push(format!("{open} connections are open: they stay, and no new one comes in until fewer are"));
        }
        let shrinks = |of: RateOf| of(new).per_second < of(old).per_second * 0.9 || of(new).burst < of(old).burst * 0.9;
        let rates: [(RateOf, &str); 4] = [
            (|live| live.logs.seat_entries, "people who write much are refused sooner; their messages wait in their outbox"),
            (|live| live.logs.seat_bytes, "people who write much are refused sooner; their messages wait in their outbox"),
            (|live| live.logs.creates, "new conversations wait sooner"),
            (|live| live.logs.creates_per_band, "new conversations from one part of the network wait sooner"),
        ];
        warnings.extend(rates.into_iter().filter(|(of, _)| shrinks(*of)).map(|(_, warning)| warning.to_owned()));
        warnings
    }

    fn lock(&self) -> MutexGuard<'_, (Live, Guard)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type RateOf = fn(&Live) -> Rate;

/// The keys of all limits that can be changed.
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    LIMITS.iter().map(|limit| limit.key)
}

fn find(key: &str) -> Result<&'static Limit, LimitError> {
    LIMITS.iter().find(|limit| limit.key == key).ok_or_else(|| LimitError::Unknown(key.to_owned()))
}

/// By the rules of the configuration; every other setting has its default.
fn parse(key: &'static str, value: &str) -> Result<Config, ConfigError> {
    let mut values = Values::default();
    values.set(setting(key), value.to_owned(), Origin::Operator);
    Config::from_values(&values)
}

fn setting(key: &str) -> &'static Setting {
    SETTINGS.iter().find(|setting| setting.key == key).expect("every limit is a setting")
}

fn rate(Rate { burst, per_second }: Rate) -> String {
    format!("{burst}+{per_second}/s")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        admission::memory::Memory,
        edge::lifecycle::Places,
        logs::{SystemClock, WriterMode},
        observe::Metrics,
        store::MemoryStore,
    };

    fn live_limits() -> LiveLimits {
        let config = Config::default();
        let lifecycle =
            Lifecycle::new(Arc::new(Metrics::new()), Places { all: config.limits.connections, per_address: 100 }, Memory::new(u64::MAX));
        let store = Arc::new(AnyStore::new(Arc::new(MemoryStore::default())).0);
        let settings = LogSettings { writer: WriterMode::Inline, ..config.logs.clone() };
        LiveLimits::new(lifecycle, Logs::open(store, settings, Arc::new(SystemClock)).unwrap(), &config)
    }

    #[test]
    fn every_limit_reads_what_it_writes() {
        let config = Config::default();
        let live = Live { limits: config.limits, logs: config.logs };
        for limit in &LIMITS {
            let text = (limit.write)(&live);
            let mut same = live.clone();
            (limit.take)(&mut same, parse(limit.key, &text).unwrap());
            assert_eq!(same, live, "{} = {text}", limit.key);
            let smaller = if text.contains('+') { "2+1/s" } else { "3" };
            (limit.take)(&mut same, parse(limit.key, smaller).unwrap());
            assert_ne!(same, live, "{}", limit.key);
            assert_eq!((limit.write)(&same), smaller);
        }
    }

    #[test]
    fn a_dry_run_changes_nothing_and_what_is_wrong_is_named() {
        let limits = live_limits();
        let tried = limits.set("logs.creates", "5+1/s", Hold::DryRun).unwrap();
        assert!(!tried.done && tried.warnings.len() == 1, "{tried:?}");
        assert_eq!(limits.show()[7].value, "50000+500/s");
        let error = limits.set("logs.creates", "many", Hold::Kept).unwrap_err().to_string();
        assert!(error.contains("logs.creates") && error.contains("allowed: a burst"), "{error}");
        assert!(matches!(limits.set("listen", "127.0.0.1:1", Hold::Kept), Err(LimitError::Unknown(_))));
        assert!(matches!(limits.keep("logs.creates"), Err(LimitError::NothingToKeep(_))));
    }

    #[tokio::test]
    async fn a_change_takes_effect_and_takes_itself_back() {
        let limits = live_limits();
        let changed = limits.set("limits.connections", "5", Hold::Seconds(0)).unwrap();
        assert_eq!((changed.done, changed.from.as_str()), (true, "100000"));
        assert_eq!(limits.lifecycle.connections().1, 5);
        tokio::select! {
            () = limits.revert_for_ever() => {}
            () = async { while limits.lifecycle.connections().1 == 5 { tokio::task::yield_now().await } } => {}
        }
        assert_eq!(limits.lifecycle.connections().1, 100_000);
        limits.set("limits.connections", "6", Hold::Seconds(3600)).unwrap();
        assert_eq!(limits.keep("limits.connections").unwrap()[0].reverts_in_seconds, None);
        limits.revert_due();
        assert_eq!(limits.lifecycle.connections().1, 6);
    }
}
