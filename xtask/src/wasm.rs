//! The client for the browser.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::{Steps, output};
use crate::system;
use crate::workspace::Workspace;

const TARGET: &str = "wasm32-unknown-unknown";

/// Crates that have to build for the browser.
const CRATES: [&str; 7] = ["alcyon-wire", "alcyon-identity", "alcyon-files", "alcyon-mls", "alcyon-store", "alcyon-client", "alcyon-web"];

/// How to build.
#[derive(clap::Args)]
pub struct Options {
    /// Build with optimisation
    #[arg(long)]
    release: bool,
}

pub fn run(workspace: &Workspace, steps: &mut Steps, options: &Options) -> Result<()> {
    steps.call("system packages", || system::install(&system::WEB))?;
    let bindgen = workspace.cargo(["run", "--quiet", "--package", "xtask-wasm", "--"]);
    let folder = build(workspace, steps, options.release, bindgen)?;
    println!("{}", folder.display());
    Ok(())
}

/// Builds the crates, and by `bindgen` (the program `xtask-wasm`) what a page loads; tells the folder with the latter.
pub fn build(workspace: &Workspace, steps: &mut Steps, release: bool, mut bindgen: Command) -> Result<PathBuf> {
    let toolchain = steps.call("WebAssembly toolchain", || {
        let printed = output(&mut Command::new(workspace.root.join("scripts/wasm-toolchain")))?;
        Ok(printed.trim().to_owned())
    })?;
    let mut cargo = workspace.cargo([&toolchain, "build", "--target", TARGET]);
    for name in CRATES {
        cargo.args(["--package", name]);
    }
    if release {
        cargo.arg("--release");
    }
    // The Debian toolchain's compiler is another one than the native one: its build scripts are kept apart, too.
    cargo.env("CC_wasm32_unknown_unknown", system::newest("clang").context("clang is installed")?);
    cargo.env("AR_wasm32_unknown_unknown", system::newest("llvm-ar").context("llvm-ar is installed")?);
    steps.run("WebAssembly build", &mut cargo)?;

    let profile = if release { "release" } else { "debug" };
    let module = workspace.target.join(TARGET).join(profile).join("alcyon_web.wasm");
    let folder = workspace.target.join("web");
    steps.run("WebAssembly bindings", bindgen.arg(module).arg(&folder))?;
    Ok(folder)
}
