//! `cargo xtask group-storm`: the long run of groups (`alcyon-sim/tests/group_storm`), many steps in the release build.

use anyhow::Result;
use clap::Args;

use crate::{steps, workspace::Workspace};

/// How long, and with which seeds.
#[derive(Args)]
pub struct Options {
    /// Acts of people in a run
    #[arg(long, default_value_t = 10_000)]
    steps: u64,
    /// Runs, each with a seed of its own
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// The one seed to run with; without it the seeds are 1, 2, ...
    #[arg(long)]
    seed: Option<u64>,
    /// Leave profiles and servers of a run that fails where they are, and say where
    #[arg(long)]
    keep: bool,
}

/// Builds the programs first, so that the test does not.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let Options { steps, runs, seed, keep } = options;
    let packages = ["--package", "alcyon-server", "--package", "alcyon-cli", "--package", "alcyon-sim"];
    steps::succeed(workspace.cargo(["build", "--release", "--bins"]).args(packages))?;
    let mut storm = workspace.cargo(["test", "--release", "--test", "group_storm"]);
    storm.args(packages).args(["--", "--nocapture"]);
    storm.env("ALCYON_STORM_STEPS", steps.to_string()).env("ALCYON_STORM_RUNS", runs.to_string());
    if let Some(seed) = seed {
        storm.env("ALCYON_SEED", seed.to_string());
    }
    if *keep {
        storm.env("ALCYON_STORM_KEEP", "1");
    }
    steps::succeed(&mut storm)
}
