//! The scenarios, each with its pass marks.

mod dark;
mod herd;
mod hostile;
mod overload;
mod push_over;
mod retry_storm;
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
            Self::RetryStorm => retry_storm::run(field).await,
            Self::Dark => dark::run(field).await,
        }
    }
}
