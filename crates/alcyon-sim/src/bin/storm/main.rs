//! `cargo xtask storm`: a real server on one core, a generator on another, the nights that have brought others down, and a
//! table of what held.
//!
//! Arrivals are open-loop: they follow a schedule that does not slow down when the server does, and every time is counted
//! from the moment something was due.

#![allow(clippy::print_stdout)] // a program for a terminal
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod arrivals;
mod beside;
mod crowd;
mod newcomer;
mod outcome;
mod page;
mod samples;
mod scenarios;
mod server;
mod wire;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use alcyon_sim::machine::{self, Processors};
use clap::Parser;

use self::{outcome::Outcome, scenarios::Scenario, server::Field};

#[derive(Debug, Parser)]
#[command(name = "storm", about = "The nights that have brought others down, against a real server")]
struct Arguments {
    /// Which ones; all without any
    scenarios: Vec<Scenario>,
    /// Smaller numbers and marks that hold on a machine that others use, for tests
    #[arg(long)]
    short: bool,
    /// Where storm.json and index.html go
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Arrivals come at random moments that this number decides
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The server's core
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The generator's core
    #[arg(long, default_value_t = 1)]
    generator_core: usize,
    /// Where servers keep their data: a folder on a real disk, or durability costs nothing
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Err(error) = machine::pin(arguments.generator_core) {
        // A machine with one core has no other.
        println!("note: server and generator share what there is: {error:#}");
    }
    let folder = machine::data_folder(arguments.data.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcomes = tokio::task::LocalSet::new().block_on(&runtime, run(&arguments, folder.path()));
    println!("\n{}", table(&outcomes));
    if let Some(out) = &arguments.out {
        std::fs::create_dir_all(out)?;
        let machine = described()?;
        let json = serde_json::json!({ "machine": machine, "short": arguments.short, "seed": arguments.seed, "scenarios": outcomes });
        std::fs::write(out.join("storm.json"), format!("{json}\n"))?;
        std::fs::write(out.join("index.html"), page::html(&machine, arguments.short, &outcomes))?;
    }
    Ok(if outcomes.iter().all(Outcome::passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(arguments: &Arguments, folder: &Path) -> Vec<Outcome> {
    let field = Field { folder, server_core: arguments.server_core, seed: arguments.seed, short: arguments.short };
    let scenarios = if arguments.scenarios.is_empty() { Scenario::ALL.to_vec() } else { arguments.scenarios.clone() };
    let mut outcomes = Vec::new();
    for scenario in scenarios {
        println!("{} ...", scenario.name());
        let before = Processors::now();
        let mut outcome = scenario.run(&field).await.unwrap_or_else(|error| {
            let mut outcome = Outcome::new(scenario.name(), "It could not be run to its end.");
            outcome.mark("the run", "comes to its end", format!("{error:#}"), false);
            outcome
        });
        if let (Ok(before), Ok(now)) = (before, Processors::now()) {
            let stolen = now.stolen_since(&before) * 100.0;
            outcome.notes.push(format!(
                "Of the processors' time {stolen:.1} % went to others of the same host: over one or two, the numbers are not worth much."
            ));
        }
        for note in &outcome.notes {
            println!("  {note}");
        }
        outcomes.push(outcome);
    }
    outcomes
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        for mark in &outcome.marks {
            let word = if mark.passed { "pass" } else { "FAIL" };
            text += &format!("{word}  {:<12} {}: {} ({})\n", outcome.name, mark.what, mark.measured, mark.limit);
        }
    }
    text
}

/// Processor, cores, kernel, and how busy it is.
fn described() -> anyhow::Result<String> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    Ok(format!("{}, load at the end {}", machine::describe()?, load.split(' ').next().unwrap_or_default()))
}
