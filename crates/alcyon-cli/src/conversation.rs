//! `alcyon conversation ...`: how a conversation is kept in the list of this profile.

use std::{io::Write, str::FromStr};

use alcyon_client::{Clock as _, Muted, Tells};
use alcyon_net::SystemClock;
use clap::{Subcommand, ValueEnum};
use thiserror::Error;

use crate::{commands::Native, failure::Failure, report::Report, text::shelf::ShelfText};

/// A span of time as people type it: a number and m, h, d or w.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) ms: u64,
}

/// Not a span of time. Type a number and one of m, h, d, w.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a span of time is a number and m, h, d or w, like 8h or 1w, at most ten years")]
pub(crate) struct NoSpan;

impl FromStr for Span {
    type Err = NoSpan;

    fn from_str(text: &str) -> Result<Self, NoSpan> {
        const LONGEST_MINUTES: u64 = 10 * 366 * 24 * 60;
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or(NoSpan)?);
        let unit_minutes = match unit {
            "m" => 1,
            "h" => 60,
            "d" => 24 * 60,
            "w" => 7 * 24 * 60,
            _ => return Err(NoSpan),
        };
        let number: u64 = number.parse().map_err(|_| NoSpan)?;
        match number.checked_mul(unit_minutes) {
            Some(minutes @ 1..=LONGEST_MINUTES) => Ok(Self { ms: minutes * 60_000 }),
            _ => Err(NoSpan),
        }
    }
}

/// How long messages stay, as people type it: seconds with or without an s, or a [`Span`]; 0 or off for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) u32);

/// Not a time that messages can stay.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a time is a number and s, m, h, d or w, like 30s or 1w, or off")]
pub(crate) struct NoSeconds;

impl FromStr for Seconds {
    type Err = NoSeconds;

    fn from_str(text: &str) -> Result<Self, NoSeconds> {
        if text == "off" {
            return Ok(Self(0));
        }
        let number = text.strip_suffix('s').unwrap_or(text);
        if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
            return number.parse().map(Self).map_err(|_| NoSeconds);
        }
        let span: Span = text.parse().map_err(|_| NoSeconds)?;
        u32::try_from(span.ms / 1000).map(Self).map_err(|_| NoSeconds)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConversationCommand {
    /// Mute a conversation: what comes is kept and counted, and nothing calls attention to it
    #[command(after_help = "Examples:
  alcyon conversation mute ben@chat.example.org --for 8h
  alcyon conversation mute ben@chat.example.org               until you unmute it")]
    Mute {
        /// A handle, or a conversation's id
        who: String,
        /// For so long: a number and m, h, d or w
        #[arg(long = "for", value_name = "SPAN")]
        span: Option<Span>,
        /// Until it is unmuted, as without --for
        #[arg(long, conflicts_with = "span")]
        for_ever: bool,
    },
    /// The reverse of mute
    Unmute {
        /// A handle, or a conversation's id
        who: String,
    },
    /// Put a conversation out of the list; a new message brings it back, unless it is muted
    Archive {
        /// A handle, or a conversation's id
        who: String,
    },
    /// The reverse of archive
    Unarchive {
        /// A handle, or a conversation's id
        who: String,
    },
    /// Mark a conversation as unread until it is read again; nobody is told
    Unread {
        /// A handle, or a conversation's id
        who: String,
    },
    /// Mark everything in a conversation as read: others are told if you tell them, and messages with a timer begin to count
    Read {
        /// A handle, or a conversation's id
        who: String,
    },
    /// Whether others in a conversation are told what you have read; who does not tell is not told
    Receipts {
        /// A handle, or a conversation's id
        who: String,
        /// default: as `alcyon settings` says
        choice: Choice,
    },
    /// Whether others in a conversation are told that you are typing; who does not tell is not told
    Typing {
        /// A handle, or a conversation's id
        who: String,
        /// default: as `alcyon settings` says
        choice: Choice,
    },
    /// Keep a conversation at the top of the list
    Pin {
        /// A handle, or a conversation's id
        who: String,
    },
    /// The reverse of pin
    Unpin {
        /// A handle, or a conversation's id
        who: String,
    },
}

pub(crate) fn run<W: Write>(command: ConversationCommand, client: &Native, report: &mut Report<W>) -> Result<(), Failure> {
    match command {
        ConversationCommand::Mute { who, span, for_ever: _ } => {
            let conversation = client.find(&who)?;
            let muted = muted_for(span, SystemClock.now_ms());
            client.set_muted(conversation, Some(muted))?;
            report.muted(conversation, muted)?;
        }
        ConversationCommand::Unmute { who } => {
            let conversation = client.find(&who)?;
            client.set_muted(conversation, None)?;
            report.kept(conversation, "unmuted", ShelfText::Unmuted)?;
        }
        ConversationCommand::Archive { who } => {
            let conversation = client.find(&who)?;
            client.set_archived(conversation, true)?;
            report.kept(conversation, "archived", ShelfText::Archived)?;
        }
        ConversationCommand::Unarchive { who } => {
            let conversation = client.find(&who)?;
            client.set_archived(conversation, false)?;
            report.kept(conversation, "unarchived", ShelfText::Unarchived)?;
        }
        ConversationCommand::Unread { who } => {
            let conversation = client.find(&who)?;
            client.mark_unread(conversation)?;
            report.kept(conversation, "marked-unread", ShelfText::MarkedUnread)?;
        }
        ConversationCommand::Read { who } => {
            let conversation = client.find(&who)?;
            client.mark_read(conversation)?;
            report.kept(conversation, "marked-read", ShelfText::MarkedRead)?;
        }
        ConversationCommand::Receipts { who, choice } => tell(client, report, &who, Tells::Read, choice)?,
        ConversationCommand::Typing { who, choice } => tell(client, report, &who, Tells::Typing, choice)?,
        ConversationCommand::Pin { who } => {
            let conversation = client.find(&who)?;
            client.set_pinned(conversation, true)?;
            report.kept(conversation, "pinned", ShelfText::Pinned)?;
        }
        ConversationCommand::Unpin { who } => {
            let conversation = client.find(&who)?;
            client.set_pinned(conversation, false)?;
            report.kept(conversation, "unpinned", ShelfText::Unpinned)?;
        }
    }
    Ok(())
}

fn tell<W: Write>(client: &Native, report: &mut Report<W>, who: &str, what: Tells, choice: Choice) -> Result<(), Failure> {
    let conversation = client.find(who)?;
    client.set_telling_in(conversation, what, choice.is_on())?;
    Ok(report.telling(Some(conversation), client.telling_in(conversation)?)?)
}

/// Yes, no, or what holds elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    On,
    Off,
    Default,
}

impl Choice {
    pub(crate) fn is_on(self) -> Option<bool> {
        match self {
            Self::On => Some(true),
            Self::Off => Some(false),
            Self::Default => None,
        }
    }
}

/// From now for so long, or until unmuted.
pub(crate) fn muted_for(span: Option<Span>, now_ms: u64) -> Muted {
    span.map_or(Muted::ForEver, |span| Muted::Until { at_ms: now_ms.saturating_add(span.ms) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn spans_are_read_as_people_type_them() {
        let minutes = |text: &str| text.parse::<Span>().map(|span| span.ms / 60_000);
        assert_eq!(minutes("1m"), Ok(1));
        assert_eq!(minutes("8h"), Ok(480));
        assert_eq!(minutes("1d"), Ok(1440));
        assert_eq!(minutes("2w"), Ok(20_160));
        for wrong in
            ["", "8", "h", "8 h", "8hours", "-8h", "0h", "8x", "1.5h", "99999999999999999999w", "18446744073709551615w", "600w", "８h"]
        {
            assert_eq!(minutes(wrong), Err(NoSpan), "{wrong:?}");
        }
    }

    #[test]
    fn a_timer_is_seconds_or_a_span() {
        let seconds = |text: &str| text.parse::<Seconds>().map(|seconds| seconds.0);
        assert_eq!(seconds("0"), Ok(0));
        assert_eq!(seconds("3600"), Ok(3600));
        assert_eq!(seconds("30s"), Ok(30));
        assert_eq!(seconds("off"), Ok(0));
        assert_eq!(seconds("1w"), Ok(604_800));
        for wrong in ["", "-1", "+1", "4294967296", "s", "1ms", "soon"] {
            assert_eq!(seconds(wrong), Err(NoSeconds), "{wrong:?}");
        }
    }
}
