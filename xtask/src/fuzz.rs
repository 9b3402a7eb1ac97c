//! Fuzz targets, by libFuzzer.
//!
//! They build with the ordinary compiler: coverage comes from LLVM's pass, and no sanitizer is used, since the crates under
//! test forbid unsafe code.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::{Steps, output};
use crate::workspace::Workspace;

const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
     -Ccodegen-units=1";

/// What to fuzz.
#[derive(clap::Args)]
pub struct Options {
    /// One target (default: all)
    pub target: Option<String>,
    /// How long each runs; 0 only builds
    #[arg(long, default_value_t = 60)]
    pub seconds: u32,
}

pub fn run(workspace: &Workspace, steps: &mut Steps, options: &Options) -> Result<()> {
    let folder = workspace.root.join("fuzz");
    let host = host()?;
    // A target of its own keeps the coverage flags away from build scripts and procedural macros.
    let target = workspace.target.join("fuzz");
    let mut build = workspace.cargo(["build", "--bins", "--target", &host]);
    build.current_dir(&folder).arg("--target-dir").arg(&target).env("RUSTFLAGS", COVERAGE);
    steps.run("fuzz targets", &mut build)?;
    if options.seconds == 0 {
        return Ok(());
    }
    for name in names(&folder)?.iter().filter(|name| options.target.as_ref().is_none_or(|wanted| *name == wanted)) {
        let corpus = folder.join("corpus").join(name);
        let artifacts = folder.join("artifacts").join(name);
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&artifacts)?;
        let mut fuzzer = Command::new(target.join(&host).join("debug").join(name));
        fuzzer.arg(format!("-max_total_time={}", options.seconds)).arg(format!("-artifact_prefix={}/", artifacts.display()));
        fuzzer.args(["-rss_limit_mb=4096", "-print_final_stats=1"]).arg(corpus);
        let seeds = folder.join("seeds").join(name);
        if seeds.exists() {
            fuzzer.arg(seeds);
        }
        steps.run(&format!("fuzz {name}"), &mut fuzzer)?;
    }
    Ok(())
}

fn host() -> Result<String> {
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names its host")?;
    Ok(host.to_owned())
}

/// One target a file.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs::read_dir(folder.join("fuzz_targets"))? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}
