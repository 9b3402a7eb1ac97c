//! `alcyon settings` and `alcyon timer`: what holds for the profile, and how long messages stay.

use std::io::Write;

use alcyon_client::{ActOutcome, Tells};
use clap::{Subcommand, ValueEnum};

use crate::{commands::Native, conversation::Seconds, failure::Failure, progress::with_progress, report::Report, text::Text};

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SettingsCommand {
    /// After how long messages go in conversations that you begin
    Timer {
        /// A number and s, m, h, d or w, like 30s, 1d or 4w; off: they stay
        time: Seconds,
    },
    /// Whether others are told what you have read; who does not tell is not told
    Receipts { switch: Switch },
    /// Whether others are told that you are typing; who does not tell is not told
    Typing { switch: Switch },
}

pub(crate) fn run<W: Write>(command: Option<SettingsCommand>, client: &Native, report: &mut Report<W>) -> Result<(), Failure> {
    client.me()?;
    match command {
        Some(SettingsCommand::Timer { time: Seconds(seconds) }) => {
            client.set_default_timer(seconds)?;
            return Ok(report.timer(None, seconds, "timer-set")?);
        }
        Some(SettingsCommand::Receipts { switch }) => client.set_telling(Tells::Read, switch == Switch::On)?,
        Some(SettingsCommand::Typing { switch }) => client.set_telling(Tells::Typing, switch == Switch::On)?,
        None => report.timer(None, client.default_timer()?, "timer")?,
    }
    Ok(report.telling(None, client.telling()?)?)
}

/// How long messages stay in a conversation, or from now on.
pub(crate) async fn timer<W: Write>(who: &str, time: Option<Seconds>, client: &Native, report: &mut Report<W>) -> Result<(), Failure> {
    let conversation = client.find(who)?;
    let Some(Seconds(seconds)) = time else {
        return Ok(report.timer(Some(conversation), client.timer(conversation)?, "timer")?);
    };
    let outcome = with_progress(report.look(), report.is_json(), Text::Contacting, client.set_timer(conversation, seconds)).await?;
    let event = match outcome {
        ActOutcome::Done => "timer-set",
        ActOutcome::Queued => "timer-queued",
    };
    Ok(report.timer(Some(conversation), seconds, event)?)
}
