//! Every test.

use std::env;
use std::process::Command;

use anyhow::Result;

use crate::steps::{Steps, succeed, succeeds};
use crate::workspace::Workspace;
use crate::{fuzz, page, system, wasm};

/// Switched on wherever the whole workspace is built, so that nothing is built twice.
pub const FEATURES: &str = "alcyon-web/browser-test";

/// How much to test.
#[derive(clap::Args)]
pub struct Options {
    /// 200 rounds of the kill tests instead of 20, and 60 seconds of each fuzz target. ALCYON_KILL_ROUNDS overrides the former
    #[arg(long)]
    pub full: bool,
}

pub fn run(workspace: &Workspace, steps: &mut Steps, options: &Options) -> Result<()> {
    steps.call("system packages", || system::install(&system::ALL))?;
    let nextest = steps.call("test runner", || Ok(has_nextest(workspace)))?;
    let all = ["--workspace", "--all-targets", "--features", FEATURES];
    steps.run("build", workspace.cargo(["build"]).args(all))?;
    let web = wasm::build(workspace, steps, true, Command::new(workspace.built(false, "xtask-wasm")))?;
    let app = page::build(workspace, steps, &web)?;
    steps.run("documentation tests", &mut workspace.cargo(["test", "--doc", "--workspace", "--features", FEATURES]))?;

    // Somebody else's S3 for the tests: it is fetched from its registry the first time.
    steps.run("an S3 server", Command::new(workspace.root.join("scripts/s3-server")).arg("--install"))?;
    let mut tests = if nextest { workspace.cargo(["nextest", "run"]) } else { workspace.cargo(["test"]) };
    let rounds = env::var("ALCYON_KILL_ROUNDS").unwrap_or_else(|_| if options.full { "200" } else { "20" }.to_owned());
    tests.args(all).env("ALCYON_KILL_ROUNDS", rounds).env("ALCYON_WEB", web).env("ALCYON_BIN_DIR", workspace.target.join("debug"));
    tests.env("CHROMIUM", system::chromium()?).env("ALCYON_S3_SERVER", "required");
    steps.run("tests", &mut tests)?;
    page::test(workspace, steps, &app)?;
    // Somebody else's program against our server: it is fetched from its registry the first time.
    let mut tus = Command::new(workspace.root.join("scripts/tus-client"));
    steps.run("a tus client", tus.arg(workspace.target.join("debug/alcyon-server")))?;

    fuzz::run(workspace, steps, &fuzz::Options { target: None, seconds: if options.full { 60 } else { 0 } })
}

/// Installs cargo-nextest if it is lacking; without it `cargo test` does, slower and less clearly.
fn has_nextest(workspace: &Workspace) -> bool {
    let there = || succeeds(&mut workspace.cargo(["nextest", "--version"]));
    there() || (succeed(&mut workspace.cargo(["install", "--locked", "cargo-nextest"])).is_ok() && there())
}
