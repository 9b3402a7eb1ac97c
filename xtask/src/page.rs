//! The page of the web client: its packages, its build, its tests.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::steps::Steps;
use crate::system;
use crate::workspace::Workspace;

/// Installs exactly what the lock file names, unless it is there.
pub fn packages(workspace: &Workspace, steps: &mut Steps) -> Result<()> {
    let folder = workspace.root.join("web");
    let written = |path: PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    let installed = written(folder.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= written(folder.join("package-lock.json")) {
        return Ok(());
    }
    steps.run("packages of the page", Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(folder))
}

/// Builds the page around the core's bindings in `wasm`; tells the folder that a server serves.
pub fn build(workspace: &Workspace, steps: &mut Steps, wasm: &Path) -> Result<PathBuf> {
    let out = workspace.target.join("web-app");
    steps.run("types of the page", &mut npm(workspace, "check"))?;
    steps.run("page", npm(workspace, "build").env("ALCYON_WASM", wasm).env("ALCYON_WEB_APP_OUT", &out))?;
    Ok(out)
}

/// People in real browsers, through the page as a server serves it.
pub fn test(workspace: &Workspace, steps: &mut Steps, app: &Path) -> Result<()> {
    let mut tests = npm(workspace, "test");
    tests.env("ALCYON_WEB_APP_OUT", app).env("ALCYON_BIN_DIR", workspace.target.join("debug")).env("CHROMIUM", system::chromium()?);
    steps.run("tests of the page", &mut tests)
}

/// A program that a package has brought.
pub fn tool(workspace: &Workspace, name: impl AsRef<OsStr>) -> Command {
    Command::new(workspace.root.join("web/node_modules/.bin").join(name.as_ref()))
}

fn npm(workspace: &Workspace, script: &str) -> Command {
    let mut command = Command::new("npm");
    command.args(["run", "--silent", script]).current_dir(workspace.root.join("web"));
    command
}
