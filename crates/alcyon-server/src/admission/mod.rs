//! Admission: who is served first when more is asked than can be done, and how the rest is told so early and cheaply.
//!
//! One limiter for everything. Each request has a [`Class`] and a cohort; each class has a threshold of cohorts that may
//! come in. While work does not queue, everybody may. When it stands for more than `TARGET` at one of the places where it
//! really waits (the accept queue, the executor, the writer of the store), the `Controller` shares out what the server has
//! been seen to do: in the order of the classes, with a floor for some, and within a class by cohort, so that the requests
//! of one device live or die together. No rate is set by hand. What is refused is told when to come back ([`Gate::admit`]).
//!
//! `memory` counts what clients make the server hold, below a ceiling.
//!
//! `controller`, `share` and `queue` are pure rules, tried against a simulated server; `gate` has the counters, the
//! clocks and the task that looks at them.

pub(crate) mod class;
pub(crate) mod cohort;
pub(crate) mod controller;
pub(crate) mod gate;
pub(crate) mod memory;
pub(crate) mod queue;
pub(crate) mod share;
#[cfg(test)]
mod simulated;

use std::time::Duration;

pub use class::Class;
pub use cohort::Cohort;
pub(crate) use gate::ConnectionNumber;
pub use gate::{Gate, Permit, Pressure};

/// Work that stands in a queue for longer than this means that more is asked than can be done. DAGOR's figure, in use for years
/// at a service with a billion users.
pub(crate) const TARGET: Duration = Duration::from_millis(20);

/// Where work waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Connections, before they are accepted.
    Accept,
    /// Tasks that are ready to run, before they run.
    Executor,
    /// Requests that write, before the writer begins their group.
    Store,
}

impl Waiting {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Accept, Self::Executor, Self::Store];

    /// The word in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Executor => "executor",
            Self::Store => "store",
        }
    }
}

/// What the limiter starts from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdmissionSettings {
    /// What may come in per second right after the start, in units of an append (see [`Class::weight`]), before the server has
    /// shown what it can do. Acknowledgements, live delivery and appends are not held to it.
    pub start_per_second: f64,
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        Self { start_per_second: 10_000.0 }
    }
}
