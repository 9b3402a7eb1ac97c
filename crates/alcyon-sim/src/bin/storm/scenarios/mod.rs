//! The scenarios, each with its pass marks.

mod herd;
mod hostile;
mod overload;
mod push_over;
mod sign_ups;

use anyhow::Result;

use super::{outcome::Outcome, server::Field};

/// A scenario of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// Sign-ups at 62 and 100 times of what may come in, while people go on writing
    Exodus,
    /// 810 sign-ups a second for minutes, 3,240 for one
    RecordDay,
    /// Messages at 1.4, 2 and 10 times of capacity
    Overload,
    /// The server is killed with everybody connected; all come back
    Herd,
    /// Everything is refused for ten minutes
    RetryStorm,
    /// Ten times capacity, then 0.7: back to calm by itself
    PushOver,
    /// Slow readers, half-open connections, garbage, oversize, one source with thousands
    Hostile,
    /// Every vendor, the mail server and the resolver are dead
    Dark,
}

impl Scenario {
    pub const ALL: [Self; 8] =
        [Self::Exodus, Self::RecordDay, Self::Overload, Self::Herd, Self::RetryStorm, Self::PushOver, Self::Hostile, Self::Dark];

    pub fn name(self) -> &'static str {
        match self {
            Self::Exodus => "exodus",
            Self::RecordDay => "record-day",
            Self::Overload => "overload",
            Self::Herd => "herd",
            Self::RetryStorm => "retry-storm",
            Self::PushOver => "push-over",
            Self::Hostile => "hostile",
            Self::Dark => "dark",
        }
    }

    pub async fn run(self, field: &Field<'_>) -> Result<Outcome> {
        match self {
            Self::Exodus => sign_ups::exodus(field).await,
            Self::RecordDay => sign_ups::record_day(field).await,
            Self::Overload => overload::run(field).await,
            Self::Herd => herd::run(field).await,
            Self::PushOver => push_over::run(field).await,
            Self::Hostile => hostile::run(field).await,
            Self::RetryStorm => Ok(not_there("retry-storm", "attempts per message under 100 % refusals", "at most 1.1")),
            Self::Dark => Ok(not_there("dark", "sign-up by the remaining means, and all messaging", "goes on")),
        }
    }
}

/// What it needs of the product is not there yet: that is a failure, said as such.
fn not_there(name: &'static str, what: &str, limit: &str) -> Outcome {
    let mut outcome = Outcome::new(name, "Not run: what it is about is not in the product yet.");
    outcome.mark(what, limit, "not there yet", false);
    outcome
}
