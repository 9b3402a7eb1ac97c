//! What is compared, and how much of it.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    SignUp,
    StoreSmall,
    StoreLarge,
    DrainWithLogin,
    Drain,
    OnlineOne,
    OnlineFour,
    Group,
    IdlePlain,
    IdleTls,
}

impl Row {
    pub fn what(self) -> &'static str {
        match self {
            Self::SignUp => "sign-up, a new connection each",
            Self::StoreSmall => "store, 256 B, for somebody who is away",
            Self::StoreLarge => "store, 1 KiB, for somebody who is away",
            Self::DrainWithLogin => "drain, 256 B, connecting and login included",
            Self::Drain => "drain, 256 B, net of connecting and login",
            Self::OnlineOne => "online delivery, 256 B, 1 in flight",
            Self::OnlineFour => "online delivery, 256 B, 4 in flight",
            Self::Group => "delivery in a group of 100, 256 B",
            Self::IdlePlain => "resident memory of an idle connection, plain",
            Self::IdleTls => "resident memory of an idle connection, TLS",
        }
    }

    pub fn unit(self) -> &'static str {
        match self {
            Self::IdlePlain | Self::IdleTls => "KiB",
            _ => "µs",
        }
    }

    /// How many times ours each peer's figure has to be.
    pub fn goal(self) -> Goal {
        match self {
            Self::SignUp | Self::StoreSmall | Self::StoreLarge | Self::DrainWithLogin | Self::Drain => Goal::TenTimes,
            _ => Goal::Ahead,
        }
    }
}

/// What we want of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    TenTimes,
    Ahead,
}

impl Goal {
    pub fn name(self) -> &'static str {
        match self {
            Self::TenTimes => "10 times",
            Self::Ahead => "ahead",
        }
    }

    /// Whether a peer that takes so many times what we take is where we want it.
    pub fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::TenTimes => ratio >= 10.0,
            Self::Ahead => ratio > 1.0,
        }
    }
}

/// Rows that are measured together, on one instance of each server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Case {
    SignUp,
    Store,
    Online,
    Group,
    Idle,
}

/// Connections that send at once.
pub const SENDERS: usize = 64;
/// People who sign up at once.
pub const NEWCOMERS_AT_ONCE: usize = 32;
/// Messages on their way to the store at once, of each connection.
pub const STORE_WINDOW: usize = 16;
/// Occupants of a group who listen.
pub const GROUP: usize = 100;
/// Messages on their way to a group at once.
pub const GROUP_WINDOW: usize = 4;
/// Connections before the first look at the memory: what runs for the first time is no connection's.
pub const FIRST_IDLE: usize = 64;
/// Bytes of a small message, and of a large one.
pub const SMALL: usize = 256;
pub const LARGE: usize = 1024;

/// How much is done in a round.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// People who sign up.
    pub sign_ups: usize,
    /// People who are away, for each connection that sends.
    pub away_each: usize,
    /// Messages for each of them.
    pub queued: usize,
    /// Pairs that talk.
    pub pairs: usize,
    /// Messages of each pair.
    pub pair_messages: usize,
    /// Messages to the group.
    pub group_messages: usize,
    /// Connections on which nothing happens.
    pub idle: usize,
    /// How long nothing happens on them.
    pub settle: Duration,
}

impl Sizes {
    pub const FULL: Self = Self {
        sign_ups: 512,
        away_each: 3,
        queued: 50,
        pairs: 100,
        pair_messages: 200,
        group_messages: 300,
        idle: 1000,
        settle: Duration::from_secs(10),
    };
    pub const SHORT: Self = Self {
        sign_ups: 32,
        away_each: 1,
        queued: 20,
        pairs: 20,
        pair_messages: 50,
        group_messages: 20,
        idle: 64,
        settle: Duration::from_secs(1),
    };

    /// Messages that are stored in a round.
    pub fn stored(&self) -> usize {
        SENDERS * self.away_each * self.queued
    }

    pub fn away(&self) -> usize {
        SENDERS * self.away_each
    }
}

/// What rounds of a case bring: a figure a row.
pub type Figures = Vec<(Row, f64)>;

/// CPU time of one operation, microseconds.
pub fn each(cpu_us: f64, operations: usize) -> f64 {
    cpu_us / count(operations)
}

/// Memory of one connection, KiB.
pub fn kibibytes_each(before: u64, after: u64, connections: usize) -> f64 {
    #[allow(clippy::cast_precision_loss)] // far below 2^52
    let grown = after as f64 - before as f64;
    grown / 1024.0 / count(connections)
}

#[allow(clippy::cast_precision_loss)] // far below 2^52
fn count(number: usize) -> f64 {
    number as f64
}
