//! The table.

use std::fmt::Write;

use alcyon_sim::document::put;

use super::cases::{Case, Unit};

/// All cases and what they came to.
pub struct Report {
    runs: usize,
    machine: String,
    rows: Vec<(Case, Measured)>,
}

/// The runs of one case.
pub struct Measured {
    /// One figure a run, in the case's unit.
    pub figures: Vec<f64>,
    /// Operations in a run.
    pub operations: usize,
    /// Operations a second of wall-clock time, median.
    pub rate: f64,
}

impl Measured {
    fn median(&self) -> f64 {
        let mut sorted = self.figures.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn range(&self) -> (f64, f64) {
        self.figures.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), figure| (low.min(*figure), high.max(*figure)))
    }
}

const BEGIN: &str = "<!-- bench: begin, written by `cargo xtask bench --write` -->";
const END: &str = "<!-- bench: end -->";
const GROUPS_BEGIN: &str = "<!-- groups: begin, written by `cargo xtask bench --groups 10,100,1000 --write` -->";
const GROUPS_END: &str = "<!-- groups: end -->";
const SEARCH_BEGIN: &str = "<!-- search: begin, written by `cargo xtask bench --search 100000 --write` -->";
const SEARCH_END: &str = "<!-- search: end -->";
const DOCUMENT: &str = "docs/benchmarks.md";

impl Report {
    pub fn new(runs: usize, machine: String) -> Self {
        Self { runs, machine, rows: Vec::new() }
    }

    pub fn add(&mut self, case: Case, measured: Measured) {
        self.rows.push((case, measured));
    }

    /// One case, for whoever waits.
    pub fn line(case: &Case, measured: &Measured) -> String {
        let (low, high) = measured.range();
        format!("{}: {:.1} {} ({low:.1} to {high:.1}), goal {}", case.name, measured.median(), case.unit.name(), case.goal)
    }

    /// As Markdown.
    pub fn table(&self) -> String {
        let mut text = format!(
            "Median of {} runs (range in brackets). {}. CPU time of the server process by the kernel's accounting, user and system.\n\n\
             | what | median | range | goal | met | best peer | operations a run | rate beside the generator |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            self.runs, self.machine
        );
        for (case, measured) in &self.rows {
            let (median, (low, high)) = (measured.median(), measured.range());
            let met = if median <= case.goal { "yes" } else { "no" };
            let unit = case.unit.name();
            let rate = if case.unit == Unit::Microseconds { format!("{:.0}/s", measured.rate) } else { "-".to_owned() };
            let _infallible = writeln!(
                text,
                "| {} | **{median:.1} {unit}** | {low:.1} to {high:.1} | {} {unit} | {met} | {} | {} | {rate} |",
                case.name, case.goal, case.peer, measured.operations
            );
        }
        text
    }

    /// Puts the table into the document.
    pub fn write(&self) -> anyhow::Result<()> {
        put(DOCUMENT, BEGIN, END, &self.table())
    }
}

/// What groups cost, as Markdown; `rows` are finished.
pub fn group_table(machine: &str, rows: &str) -> String {
    format!(
        "Single runs. {machine}. CPU time by the kernel's accounting, bytes as frames and bodies of HTTP.\n\n\
         | accounts | what | figures |\n| --- | --- | --- |\n{rows}"
    )
}

/// Puts that table into the document.
pub fn write_groups(machine: &str, rows: &str) -> anyhow::Result<()> {
    put(DOCUMENT, GROUPS_BEGIN, GROUPS_END, &group_table(machine, rows))
}

/// What searches take, as Markdown; `rows` are finished.
pub fn search_table(machine: &str, rows: &str) -> String {
    format!(
        "Median of nine, and the first one after the profile was opened, on the wall. {machine}.\n\n\
         | messages | what | figures |\n| --- | --- | --- |\n{rows}"
    )
}

/// Puts that table into the document.
pub fn write_search(table: &str) -> anyhow::Result<()> {
    put(DOCUMENT, SEARCH_BEGIN, SEARCH_END, table)
}
