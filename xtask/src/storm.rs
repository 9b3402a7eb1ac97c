//! `cargo xtask storm`: a real server and a generator on cores of their own, and the nights that have brought others down.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::{steps, workspace::Workspace};

/// Which nights, and how long.
#[derive(Args)]
pub struct Options {
    /// Scenarios (all without any): exodus, record-day, overload, herd, retry-storm, push-over, hostile, dark
    scenarios: Vec<String>,
    /// Smaller numbers, and marks that hold on a machine that others use
    #[arg(long)]
    short: bool,
    /// Where storm.json and index.html go (default: storm/ in the target folder)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// More arguments of the generator (after `--`; try `-- --help`)
    #[arg(last = true)]
    more: Vec<String>,
}

/// Builds server and generator first, so that the storm does not.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let Options { scenarios, short, out, more } = options;
    let packages = ["--package", "alcyon-server", "--package", "alcyon-cli", "--package", "alcyon-sim"];
    steps::succeed(workspace.cargo(["build", "--release", "--bins"]).args(packages))?;
    let out = out.clone().unwrap_or_else(|| workspace.target.join("storm"));
    let mut storm = std::process::Command::new(workspace.built(true, "storm"));
    storm.args(scenarios).arg("--out").arg(&out).args(more);
    if *short {
        storm.arg("--short");
    }
    let result = steps::succeed(&mut storm);
    println!("the page: {}", out.join("index.html").display());
    result
}
