//! Groups as a whole: people, a log in memory, and what may go wrong between them.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod bridge;
mod cast;
mod circle;
mod cost;
mod crash;
mod group;
mod group_limits;
mod group_play;
mod group_random;
mod group_rules;
mod hostile;
mod interop;
mod log;
mod next_term;
mod pair;
mod rejoin;
mod sealed;
mod snapshot;
mod validity;
