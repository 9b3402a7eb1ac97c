//! `cargo xtask storm`: a real server on one core, a generator on another, the nights that have brought others down, and a
//! table of what held.
//!
//! Arrivals are open-loop: they follow a schedule that does not slow down when the server does, and every time is counted
//! from the moment something was due.

#![allow(clippy::print_stdout)] // a program for a terminal
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod arrivals;
mod crowd;
mod outcome;
mod page;
mod samples;
mod scenarios;
mod server;
mod wire;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::Context;
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
    pin(arguments.generator_core);
    let folder = match &arguments.data {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir_in(std::env::current_exe()?.parent().context("the program has a folder")?)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcomes = tokio::task::LocalSet::new().block_on(&runtime, run(&arguments, folder.path()));
    println!("\n{}", table(&outcomes));
    if let Some(out) = &arguments.out {
        std::fs::create_dir_all(out)?;
        let machine = machine();
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
        let outcome = scenario.run(&field).await.unwrap_or_else(|error| {
            let mut outcome = Outcome::new(scenario.name(), "It could not be run to its end.");
            outcome.mark("the run", "comes to its end", format!("{error:#}"), false);
            outcome
        });
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

/// Before the runtime starts, so that every later thread inherits it. A machine with one core has no other.
fn pin(core: usize) {
    let process = std::process::id().to_string();
    let mut taskset = Command::new("taskset");
    let status = taskset.args(["-pc", &core.to_string(), &process]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !status.is_ok_and(|status| status.success()) {
        println!("note: this process could not be pinned to core {core}; server and generator share what there is");
    }
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default().trim_start_matches([' ', '\t', ':']);
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}, load at the end {load}", read("/proc/sys/kernel/osrelease").trim())
}
