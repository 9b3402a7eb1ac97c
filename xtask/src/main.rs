//! One command for every chore: `cargo xtask --help`.
//!
//! Everything that a person or a build server does with this workspace is a command here, so that both do the same.
//! The program knows cargo and the tools around it; it must not know the product.
#![allow(clippy::print_stdout, clippy::print_stderr)] // it talks to a person

mod ci;
mod dependencies;
mod fuzz;
mod group_storm;
mod page;
mod peers;
mod serve;
mod steps;
mod storm;
mod system;
mod test;
mod wasm;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::steps::Steps;
use crate::workspace::Workspace;

/// Every chore of the Alcyon workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build what is needed, start a server on 127.0.0.1:8080 with its data in ./data, and say how to open a first chat
    Serve(serve::Options),
    /// Run every test: workspace, documentation, WebAssembly, the web app in a browser, fuzz targets
    ///
    /// What is lacking is installed through apt-get (as root, or where sudo asks no password) and cargo, or named.
    /// WASM_STD=debian takes the WebAssembly standard library from Debian's packages where rustup can't download it.
    Test(test::Options),
    /// All that has to hold before a change is taken: format, lints, documentation, dependencies, then `test`
    Ci,
    /// Measure the server; prints a table beside the goals. Arguments go to the benchmark (try `-- --help`)
    Bench {
        /// Arguments of the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The nights that have brought others down, against a real server; prints what held and writes a page with plots
    Storm(storm::Options),
    /// Our server side by side with ejabberd and prosody, which are installed from Debian where they are lacking
    Peers(peers::Options),
    /// Groups in a long storm: people, servers and connections that fail, in the release build
    GroupStorm(group_storm::Options),
    /// Build the fuzz targets and run them
    Fuzz(fuzz::Options),
    /// Build the web app into target/web-app, which `alcyon-server --web-app ./target/web-app` serves
    #[command(visible_alias = "wasm")]
    Web(wasm::Options),
    /// Check licences, sources, banned and duplicate packages of all dependencies
    Dependencies,
}

fn main() -> ExitCode {
    let mut steps = Steps::new();
    let result = carry_out(Arguments::parse().command, &mut steps);
    steps.report();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(chore: Chore, steps: &mut Steps) -> Result<()> {
    let workspace = Workspace::find()?;
    match chore {
        Chore::Serve(options) => serve::run(&workspace, steps, &options),
        Chore::Test(options) => test::run(&workspace, steps, &options),
        Chore::Ci => ci::run(&workspace, steps),
        Chore::Bench { arguments } => {
            let mut bench = workspace.cargo(["run", "--release", "--package", "alcyon-sim", "--bin", "bench", "--"]);
            steps::succeed(bench.args(arguments))
        }
        Chore::Storm(options) => storm::run(&workspace, &options),
        Chore::Peers(options) => peers::run(&workspace, steps, &options),
        Chore::GroupStorm(options) => group_storm::run(&workspace, &options),
        Chore::Fuzz(options) => fuzz::run(&workspace, steps, &options),
        Chore::Web(options) => wasm::run(&workspace, steps, &options),
        Chore::Dependencies => dependencies::check(&workspace),
    }
}
