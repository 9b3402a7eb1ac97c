use std::time::Duration;

use alcyon_wire::limits;

/// How the log engine writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterMode {
    /// A thread of its own commits in groups: what waits while one flush runs shares the next one.
    Thread,
    /// Every request is written in the task that asks, one at a time: deterministic, for tests and simulations.
    Inline,
}

/// A token bucket: `burst` at once, then `per_second`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Tokens in a full bucket.
    pub burst: f64,
    /// Tokens that come back in a second.
    pub per_second: f64,
}

/// Quotas, retention and the writer. The defaults are those of the design (sections 4 and 8).
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    /// How writes are made.
    pub writer: WriterMode,
    /// Requests that may wait for the writer; more have to wait for a place.
    pub queue: usize,
    /// Requests in one group commit at the most; four times as many while clearly less is asked than can be done.
    pub group_requests: usize,
    /// Payload bytes in one group commit, after which it is closed.
    pub group_bytes: usize,
    /// Appends by one seat.
    pub seat_entries: Rate,
    /// Bytes by one seat, trees and GroupInfos included.
    pub seat_bytes: Rate,
    /// Commits by the seats of one log. Whoever committed last leaves one token to the others.
    pub commits: Rate,
    /// Commits by doors of one log: joins.
    pub joins: Rate,
    /// Knocks with one pass.
    pub pass_knocks: Rate,
    /// Knocks of strangers at one inbox in any hour.
    pub strangers_per_hour: usize,
    /// Knocks of strangers that no device has acknowledged yet, at one inbox.
    pub strangers_pending: usize,
    /// Logs created from one address band.
    pub creates_per_band: Rate,
    /// Logs created in all.
    pub creates: Rate,
    /// Stored bytes of one log.
    pub log_bytes: u64,
    /// Of which one seat may have appended this much since the process started (on disk nothing says who wrote what).
    pub seat_share: u64,
    /// Live seats of a log.
    pub seats: usize,
    /// Open doors of a log.
    pub doors: usize,
    /// Passes of an inbox.
    pub passes: usize,
    /// Application entries and entry ids are kept this long.
    pub retention: Duration,
    /// Commits are kept this long for seats that have not read them.
    pub commit_retention: Duration,
    /// And this many of them.
    pub commits_kept: u64,
    /// Below this many free bytes on the disk nothing more is accepted.
    pub disk_reserve: u64,
    /// How often to look whether a failed store works again.
    pub probe_every: Duration,
    /// Recent entries kept in memory for live delivery, all logs together, bytes.
    pub tail_bytes: usize,
    /// Logs kept in memory, after which those that nobody uses are let go.
    pub logs_in_memory: usize,
}

impl Default for LogSettings {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        let mebibyte = 1024.0 * 1024.0;
        Self {
            writer: WriterMode::Thread,
            queue: 8_192,
            group_requests: 256,
            group_bytes: 16 * 1024 * 1024,
            seat_entries: Rate { burst: 600.0, per_second: 20.0 },
            seat_bytes: Rate { burst: 32.0 * mebibyte, per_second: mebibyte },
            commits: Rate { burst: 8.0, per_second: 0.2 },
            joins: Rate { burst: 8.0, per_second: 1.0 },
            pass_knocks: Rate { burst: 60.0, per_second: 1.0 / 60.0 },
            strangers_per_hour: limits::STRANGERS_PER_HOUR as usize,
            strangers_pending: limits::STRANGERS_PENDING,
            creates_per_band: Rate { burst: 1_000.0, per_second: 1.0 },
            creates: Rate { burst: 50_000.0, per_second: 500.0 },
            log_bytes: limits::LOG_BYTES,
            seat_share: limits::SEAT_BYTES,
            seats: 16_384,
            doors: 1_024,
            passes: 10_000,
            retention: limits::RETENTION_DAYS * day,
            commit_retention: 365 * day,
            commits_kept: limits::COMMITS_KEPT,
            disk_reserve: 128 * 1024 * 1024,
            probe_every: Duration::from_secs(1),
            tail_bytes: 64 * 1024 * 1024,
            logs_in_memory: 200_000,
        }
    }
}
