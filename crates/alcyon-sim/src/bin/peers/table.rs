//! What came out, as a table and as JSON.

use std::{collections::BTreeMap, fmt::Write};

use alcyon_sim::document::put;
use serde_json::{Value, json};

use super::{
    System,
    rows::{Figures, Row},
    syncs,
};

const BEGIN: &str = "<!-- peers: begin, written by `cargo xtask peers --write` -->";
const END: &str = "<!-- peers: end -->";
const DOCUMENT: &str = "docs/benchmarks.md";

/// All rows, and what was seen of durability.
pub struct Table {
    machine: String,
    /// The peers' packages with their versions.
    versions: Vec<String>,
    rounds: usize,
    /// Figures of a system, one a round, in the order of rounds.
    rows: BTreeMap<Row, [Vec<f64>; System::ALL.len()]>,
    syncs: [Option<usize>; System::ALL.len()],
}

impl Table {
    pub fn new(machine: String, versions: Vec<String>, rounds: usize) -> Self {
        Self { machine, versions, rounds, rows: BTreeMap::new(), syncs: [None; System::ALL.len()] }
    }

    /// What a round of a case brought for one system.
    pub fn add(&mut self, system: System, figures: Figures) {
        for (row, figure) in figures {
            self.rows.entry(row).or_default()[system as usize].push(figure);
        }
    }

    /// Calls that forced data to the disk while [`syncs::MESSAGES`] were stored one by one.
    pub fn add_syncs(&mut self, system: System, calls: usize) {
        self.syncs[system as usize] = Some(calls);
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let Self { machine, versions, rounds, rows, syncs } = self;
        let mut text = format!(
            "Medians, rounds: {rounds}, the systems in turn in each; *times ours* is the median of the rounds' ratios. {machine}. {}.\n\n\
             | what | ours | ejabberd | prosody | ejabberd, times ours | prosody, times ours | goal | met |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- |\n",
            versions.join(", ")
        );
        for (row, figures) in rows {
            let shown: Vec<String> = figures.iter().map(|figures| shown(median(figures), row.unit())).collect();
            let [_ours, ejabberd, prosody] = System::ALL.map(|system| ratio(figures, system));
            let goal = row.goal();
            let met = if goal.is_met(ejabberd) && goal.is_met(prosody) { "yes" } else { "no" };
            let _infallible = writeln!(
                text,
                "| {} | **{}** | {} | {} | {ejabberd:.1} | {prosody:.1} | {} | {met} |",
                row.what(),
                shown[0],
                shown[1],
                shown[2],
                goal.name()
            );
        }
        if syncs.iter().any(Option::is_some) {
            let seen = System::ALL.map(|system| match syncs[system as usize] {
                Some(calls) => format!("{} {calls}", system.name()),
                None => format!("{} not traced", system.name()),
            });
            let _infallible = writeln!(
                text,
                "\nCalls that force data to the disk, by strace, until the last of {} messages stored one by one was acknowledged: {}.",
                syncs::MESSAGES,
                seen.join(", ")
            );
        }
        text
    }

    /// Every figure, for programs.
    pub fn json(&self) -> Value {
        let Self { machine, versions, rounds, rows, syncs } = self;
        let of_each = |value: &dyn Fn(System) -> Value| {
            Value::Object(System::ALL.iter().map(|system| (system.name().to_owned(), value(*system))).collect())
        };
        let rows: Vec<Value> = rows
            .iter()
            .map(|(row, figures)| {
                json!({
                    "row": row,
                    "what": row.what(),
                    "unit": row.unit(),
                    "goal": row.goal().name(),
                    "figures": of_each(&|system| json!(figures[system as usize])),
                    "median": of_each(&|system| json!(median(&figures[system as usize]))),
                    "times_ours": of_each(&|system| json!(ratio(figures, system))),
                })
            })
            .collect();
        json!({
            "machine": machine,
            "packages": versions,
            "rounds": rounds,
            "rows": rows,
            "syncs": of_each(&|system| json!(syncs[system as usize])),
        })
    }

    /// Puts the table into the document.
    pub fn write(&self) -> anyhow::Result<()> {
        put(DOCUMENT, BEGIN, END, &self.markdown())
    }
}

fn shown(figure: f64, unit: &str) -> String {
    if figure.abs() >= 100.0 { format!("{figure:.0} {unit}") } else { format!("{figure:.1} {unit}") }
}

/// The median of what a system took in each round, divided by what ours took in the same.
fn ratio(figures: &[Vec<f64>; System::ALL.len()], system: System) -> f64 {
    let pairs = figures[system as usize].iter().zip(&figures[System::Ours as usize]);
    median(&pairs.map(|(theirs, ours)| theirs / ours).collect::<Vec<_>>())
}

/// The middle one, the mean of the two in the middle where their number is even; of none, not a number.
fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.get(middle) {
        None => f64::NAN,
        Some(upper) if sorted.len().is_multiple_of(2) => f64::midpoint(sorted[middle - 1], *upper),
        Some(only) => *only,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("A machine".to_owned(), vec!["ejabberd 1".to_owned(), "prosody 2".to_owned()], 3);
        for (ours, ejabberd, prosody) in [(10.0, 200.0, 90.0), (20.0, 210.0, 300.0), (30.0, 330.0, 310.0)] {
            table.add(System::Ours, vec![(Row::StoreSmall, ours)]);
            table.add(System::Ejabberd, vec![(Row::StoreSmall, ejabberd)]);
            table.add(System::Prosody, vec![(Row::StoreSmall, prosody)]);
        }
        for (system, figure) in [(System::Ours, 4.6), (System::Ejabberd, 385.0), (System::Prosody, 4.6)] {
            table.add(system, vec![(Row::IdlePlain, figure)]);
        }
        table
    }

    #[test]
    fn ratios_are_of_rounds_and_goals_need_both_peers() {
        let mut table = table();
        let text = table.markdown();
        assert!(text.contains("Medians, rounds: 3,"), "{text}");
        assert!(text.contains("A machine. ejabberd 1, prosody 2."), "{text}");
        // 20, 10.5, 11 and 9, 15, 10.33.
        assert!(
            text.contains("| store, 256 B, for somebody who is away | **20.0 µs** | 210 µs | 300 µs | 11.0 | 10.3 | 10 times | yes |"),
            "{text}"
        );
        assert!(
            text.contains("| resident memory of an idle connection, plain | **4.6 KiB** | 385 KiB | 4.6 KiB | 83.7 | 1.0 | ahead | no |"),
            "{text}"
        );
        assert!(!text.contains("strace"), "{text}");
        table.add_syncs(System::Ours, 61);
        table.add_syncs(System::Prosody, 0);
        assert!(table.markdown().contains("was acknowledged: ours 61, ejabberd not traced, prosody 0."));
    }

    #[test]
    fn json_holds_every_figure() {
        let json = table().json();
        assert_eq!(json["rows"][0]["row"], "store_small");
        assert_eq!(json["rows"][0]["figures"]["ejabberd"], json!([200.0, 210.0, 330.0]));
        assert_eq!(json["rows"][0]["times_ours"]["ejabberd"], json!(11.0));
        assert_eq!(json["syncs"]["ours"], Value::Null);
    }

    #[test]
    fn medians() {
        assert!(median(&[]).is_nan());
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
