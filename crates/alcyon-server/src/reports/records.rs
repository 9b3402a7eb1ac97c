//! A report, and how it is kept.

use std::fmt;

use alcyon_wire::AccountId;
use data_encoding::HEXLOWER;
use prost::Message;

use crate::store::RowKey;

/// What a report is called: drawn by whoever sends it, so that a lost answer does not make two of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ReportId(pub(crate) [u8; 16]);

impl ReportId {
    pub fn key(self) -> RowKey {
        RowKey::of(&[&self.0])
    }

    pub fn of_key(key: &[u8]) -> Option<Self> {
        key.try_into().ok().map(Self)
    }

    /// Reads the form in which it is shown: 32 hexadecimal digits.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::of_key(&HEXLOWER.decode(text.as_bytes()).ok()?)
    }
}

impl fmt::Display for ReportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// Whom or what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum About {
    /// An account, by the handle under which the reporter knows it.
    Person { account: AccountId, handle: String },
    /// A group, by its title: the server knows no groups.
    Group { title: String },
}

/// What somebody reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub about: About,
    /// `spam`, `abuse`, `danger` or `other`.
    pub reason: String,
    /// What the reporter says.
    pub words: String,
    pub messages: Vec<ReportedMessage>,
    /// The reporter's account, if they want it known.
    pub from: Option<AccountId>,
}

/// A message as the reporter shows it.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ReportedMessage {
    /// A handle, or an account id.
    #[prost(string, tag = "1")]
    pub by: String,
    #[prost(uint64, tag = "2")]
    pub sent_at_ms: u64,
    #[prost(string, tag = "3")]
    pub text: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ReportRecord {
    #[prost(uint64, tag = "1")]
    pub received_ms: u64,
    /// In base32; empty: a group.
    #[prost(string, tag = "2")]
    pub account: String,
    /// The handle, or the group's title.
    #[prost(string, tag = "3")]
    pub called: String,
    #[prost(string, tag = "4")]
    pub reason: String,
    #[prost(string, tag = "5")]
    pub words: String,
    #[prost(message, repeated, tag = "6")]
    pub messages: Vec<ReportedMessage>,
    /// In base32; empty: not said.
    #[prost(string, tag = "7")]
    pub from: String,
}

impl ReportRecord {
    pub fn of(report: &Report, received_ms: u64) -> Self {
        let Report { about, reason, words, messages, from } = report;
        let (account, called) = match about {
            About::Person { account, handle } => (account.to_text(), handle.clone()),
            About::Group { title } => (String::new(), title.clone()),
        };
        Self {
            received_ms,
            account,
            called,
            reason: reason.clone(),
            words: words.clone(),
            messages: messages.clone(),
            from: from.map(|from| from.to_text()).unwrap_or_default(),
        }
    }
}
