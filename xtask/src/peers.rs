//! `cargo xtask peers`: our server side by side with ejabberd and prosody, each an instance of its own, on one machine.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::{steps, steps::Steps, system, workspace::Workspace};

/// Which rows, and how often.
#[derive(Args)]
pub struct Options {
    /// Which rows (all without any): sign-up, store, online, group, idle
    cases: Vec<String>,
    /// One small round in under a minute: to see that everything works, not to measure
    #[arg(long)]
    short: bool,
    /// Rounds that are counted [default: 5]
    #[arg(long)]
    rounds: Option<usize>,
    /// Write the table into docs/benchmarks.md
    #[arg(long)]
    write: bool,
    /// Print every figure as JSON instead of the table
    #[arg(long)]
    json: bool,
    /// More arguments of the generator (after `--`; try `-- --help`)
    #[arg(last = true)]
    more: Vec<String>,
}

/// Installs the peers and builds ours first, so that nothing else runs beside the measurement.
pub fn run(workspace: &Workspace, steps: &mut Steps, options: &Options) -> Result<()> {
    let Options { cases, short, rounds, write, json, more } = options;
    system::install_without_services(&system::PEERS)?;
    let packages = ["--package", "alcyon-server", "--package", "alcyon-cli", "--package", "alcyon-sim"];
    steps::succeed(workspace.cargo(["build", "--release", "--bins"]).args(packages))?;
    let mut peers = Command::new(workspace.built(true, "peers"));
    peers.args(cases).args(more);
    for (flag, given) in [("--short", short), ("--write", write), ("--json", json)] {
        if *given {
            peers.arg(flag);
        }
    }
    if let Some(rounds) = rounds {
        peers.arg("--rounds").arg(rounds.to_string());
    }
    if *json { steps::succeed(&mut peers) } else { steps.run("side by side", &mut peers) }
}
