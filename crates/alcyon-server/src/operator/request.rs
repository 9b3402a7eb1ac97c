//! What travels over the admin socket: one line of JSON in, lines of JSON out. The socket is the server's and its own
//! program's alone: both are of one version, so this is no protocol for others.

use serde::{Deserialize, Serialize};

use super::{
    Status,
    limits::{Changed, Hold, Shown},
};
use crate::sign_up::Queue;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum AdminRequest {
    Status,
    CountAccounts,
    ShowAccount {
        who: String,
    },
    Moderate {
        who: String,
        act: Act,
    },
    ShowLimits,
    SetLimit {
        key: String,
        value: String,
        hold: Hold,
    },
    KeepLimit {
        key: String,
    },
    MakeInvite {
        people: u32,
        seconds: u64,
    },
    ListInvites,
    TakeBackInvite {
        id: String,
    },
    ListReports,
    /// None: all.
    ClearReports {
        id: Option<String>,
    },
    Queue,
    Drain,
}

/// What an operator does with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Act {
    Suspend,
    Restore,
    Delete,
}

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum AdminAnswer {
    Status(Box<Status>),
    Accounts {
        accounts: u64,
        suspended: u64,
    },
    Account(AccountShown),
    /// Done; the account as it was before.
    Moderated {
        act: Act,
        account: AccountShown,
    },
    Limit(Shown),
    LimitChanged(Changed),
    /// Shown here and never again: the server keeps its hash.
    InviteMade {
        code: String,
        people: u32,
        expires_ms: u64,
    },
    Invite(InviteShown),
    InviteTakenBack {
        id: String,
    },
    Report(ReportShown),
    ReportsCleared {
        reports: usize,
    },
    Queue(Queue),
    /// How far a drain is. After the last one the server ends, and the socket with it.
    Draining {
        connections: u32,
    },
    Error {
        message: String,
    },
}

/// An invite as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InviteShown {
    /// What it is called; not the code.
    pub(super) id: String,
    /// How many may still come by it.
    pub(super) left: u32,
    /// Unix milliseconds.
    pub(super) expires_ms: u64,
}

/// A report as it is shown. All of it but the times and `from` is what somebody claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReportShown {
    /// To clear it by.
    pub(super) id: String,
    /// Unix milliseconds.
    pub(super) received_ms: u64,
    /// Unix milliseconds.
    pub(super) kept_until_ms: u64,
    /// The account; none: a group.
    pub(super) account: Option<String>,
    /// The handle under which the reporter knows it, or the group's title.
    pub(super) called: String,
    pub(super) reason: String,
    pub(super) words: String,
    pub(super) messages: Vec<ReportedShown>,
    /// The reporter's account, if they wanted it known.
    pub(super) from: Option<String>,
}

/// A message of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReportedShown {
    pub(super) by: String,
    /// Unix milliseconds.
    pub(super) sent_at_ms: u64,
    pub(super) text: String,
}

/// An account as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AccountShown {
    /// Its id.
    pub(super) account: String,
    /// Unix milliseconds.
    pub(super) signed_up_ms: u64,
    /// Devices in its manifest.
    pub(super) devices: usize,
    /// Unix milliseconds, if it is suspended.
    pub(super) suspended_ms: Option<u64>,
}
