//! What has to hold before a change is taken.

use anyhow::Result;

use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{dependencies, system, test};

pub fn run(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    steps.run("format", &mut workspace.cargo(["fmt", "--all", "--check"]))?;
    steps.call("dependencies", || dependencies::check(workspace))?;
    steps.call("system packages", || system::install(&system::ALL))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--features", test::FEATURES, "--", "-D", "warnings"];
    steps.run("lints", &mut workspace.cargo(clippy))?;
    let documentation = ["doc", "--workspace", "--no-deps", "--features", test::FEATURES];
    steps.run("documentation", workspace.cargo(documentation).env("RUSTDOCFLAGS", "-D warnings"))?;
    test::run(workspace, steps, &test::Options { full: false })
}
