//! What a scenario came to: its marks, and what there is to draw.

use serde::Serialize;

use super::{
    samples::{Class, Samples},
    server::Seen,
};

/// A scenario, done.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: String,
    pub marks: Vec<Mark>,
    /// What one should know to read the figures.
    pub notes: Vec<String>,
    pub plots: Vec<Plot>,
}

/// One pass mark.
#[derive(Debug, Serialize)]
pub struct Mark {
    pub what: String,
    /// What has to hold.
    pub limit: String,
    /// What was measured.
    pub measured: String,
    pub passed: bool,
}

/// Lines over time.
#[derive(Debug, Serialize)]
pub struct Plot {
    pub title: String,
    pub unit: &'static str,
    pub lines: Vec<Line>,
}

/// One line: seconds and values.
#[derive(Debug, Serialize)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

impl Outcome {
    pub fn new(name: &'static str, about: impl Into<String>) -> Self {
        Self { name, about: about.into(), marks: Vec::new(), notes: Vec::new(), plots: Vec::new() }
    }

    pub fn passed(&self) -> bool {
        !self.marks.is_empty() && self.marks.iter().all(|mark| mark.passed)
    }

    /// A mark that needs at least so much.
    pub fn at_least(&mut self, what: impl Into<String>, measured: f64, least: f64, unit: &str) {
        self.mark(what, format!("at least {}", shown(least, unit)), shown(measured, unit), measured >= least);
    }

    /// A mark that allows so much; nothing measured fails.
    pub fn at_most(&mut self, what: impl Into<String>, measured: Option<f64>, most: f64, unit: &str) {
        let text = measured.map_or("nothing".to_owned(), |measured| shown(measured, unit));
        self.mark(what, format!("at most {}", shown(most, unit)), text, measured.is_some_and(|measured| measured <= most));
    }

    pub fn mark(&mut self, what: impl Into<String>, limit: impl Into<String>, measured: impl Into<String>, passed: bool) {
        self.marks.push(Mark { what: what.into(), limit: limit.into(), measured: measured.into(), passed });
    }

    /// The plots every scenario has: latency by class, what was offered and taken, refusals, memory, connections.
    pub fn draw(&mut self, samples: &Samples, seen: &[Seen]) {
        self.draw_round("", samples, seen);
    }

    /// The same of one round of several: what is put behind each title.
    pub fn draw_round(&mut self, round: &str, samples: &Samples, seen: &[Seen]) {
        let first = self.plots.len();
        let step = (samples.end() / 120.0).max(0.25);
        for class in samples.classes() {
            let steps = samples.steps(class, step);
            let quantile = |share: f64| steps.iter().filter_map(|(at, figures)| Some((*at, figures.quantile(share)?))).collect::<Vec<_>>();
            self.plots.push(Plot {
                title: format!("Latency of {}", class.name()),
                unit: "ms",
                lines: vec![
                    Line { name: "half".to_owned(), points: quantile(0.5) },
                    Line { name: "95 of 100".to_owned(), points: quantile(0.95) },
                    Line { name: "99 of 100".to_owned(), points: quantile(0.99) },
                ],
            });
            if class == Class::Delivery {
                continue;
            }
            #[allow(clippy::cast_precision_loss)] // counts
            let rate = |count: fn(&super::samples::Figures) -> usize| {
                steps.iter().map(|(at, figures)| (*at, count(figures) as f64 / step)).collect::<Vec<_>>()
            };
            self.plots.push(Plot {
                title: format!("Offered and taken: {}", class.name()),
                unit: "a second",
                lines: vec![
                    Line { name: "offered".to_owned(), points: rate(|figures| figures.offered) },
                    Line { name: "taken".to_owned(), points: samples.goodput(class, step) },
                    Line { name: "of these refused, later".to_owned(), points: rate(|figures| figures.later) },
                ],
            });
        }
        let line = |name: &str, of: fn(&Seen) -> Option<f64>| Line {
            name: name.to_owned(),
            points: seen.iter().filter_map(|seen| Some((seen.at, of(seen)?))).collect(),
        };
        #[allow(clippy::cast_precision_loss)] // sizes
        {
            self.plots.push(Plot {
                title: "Memory of the server".to_owned(),
                unit: "MiB",
                lines: vec![line("resident", |seen| Some(seen.memory as f64 / 1048576.0))],
            });
            self.plots.push(Plot {
                title: "Connections".to_owned(),
                unit: "open",
                lines: vec![line("open", |seen| Some(seen.connections as f64))],
            });
        }
        self.plots.push(Plot {
            title: "Processor time of the server".to_owned(),
            unit: "% of a core",
            lines: vec![line("used", |seen| Some(seen.cpu * 100.0))],
        });
        self.plots.push(Plot {
            title: "Time the status page took".to_owned(),
            unit: "ms",
            lines: vec![line("status page", |seen| seen.status_ms)],
        });
        for plot in &mut self.plots[first..] {
            plot.title.push_str(round);
        }
    }
}

fn shown(value: f64, unit: &str) -> String {
    let number = match value {
        value if value == value.trunc() && value.abs() < 1e9 => format!("{value:.0}"),
        value if value.abs() >= 100.0 => format!("{value:.0}"),
        value if value.abs() >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    };
    if unit.is_empty() { number } else { format!("{number} {unit}") }
}
