//! The table.

use std::{fmt::Write, path::Path};

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

    /// Puts the table between the marks of the document; what stands around them stays.
    pub fn write(&self) -> anyhow::Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(DOCUMENT);
        let old = std::fs::read_to_string(&path).unwrap_or_else(|_| format!("# Benchmarks\n\n{BEGIN}\n{END}\n"));
        let (before, rest) = old.split_once(BEGIN).unwrap_or((&old, END));
        let after = rest.split_once(END).map_or("\n", |(_, after)| after);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, format!("{before}{BEGIN}\n{}{END}{after}", self.table()))?;
        Ok(())
    }
}
