//! `cargo xtask bench`: what one operation costs the real server, as CPU time by the operating system's accounting.
//!
//! The server is pinned to one core and this generator to another, so that they do not wait for each other. Each case
//! runs once to warm up and then five times; the table shows the median. A wall clock would measure the machine; CPU time
//! measures the program, even on a machine that others use too.

#![allow(clippy::print_stdout)] // a program for a terminal

mod cases;
mod groups;
mod report;
mod search;

use std::path::{Path, PathBuf};

use alcyon_sim::{
    light::{AT_ONCE, NOTHING_TO_PAY},
    machine,
    process::ServerSetup,
};
use anyhow::Context;
use clap::Parser;

use cases::Case;
use report::Report;

#[derive(Debug, Parser)]
#[command(name = "bench", about = "CPU time and memory of alcyon-server per operation, beside the goals")]
struct Arguments {
    /// Only cases whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Measured runs of each case.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Operations in a run, as a share of the usual number.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// The server's core.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The generator's core.
    #[arg(long, default_value_t = 1)]
    generator_core: usize,
    /// Where the server keeps its data; a folder on a real disk, or durability costs nothing. The default is below the
    /// target directory.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Measure groups of so many accounts instead: `--groups 10,100`. 1,000 take about an hour.
    #[arg(long, value_delimiter = ',')]
    groups: Vec<usize>,
    /// Measure searches in a profile of so many messages instead: `--search 100000`.
    #[arg(long)]
    search: Option<usize>,
    /// Write the table into docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    machine::pin(arguments.generator_core)?;
    if !arguments.groups.is_empty() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let rows = tokio::task::LocalSet::new().block_on(&runtime, groups(&arguments))?;
        println!("{}", report::group_table(&machine::describe()?, &rows));
        return if arguments.write { report::write_groups(&machine::describe()?, &rows) } else { Ok(()) };
    }
    if let Some(messages) = arguments.search {
        let folder = machine::data_folder(arguments.data.as_deref())?;
        let setup = ServerSetup::new(&folder.path().join("server")).arguments(["--log-level", "warn"]).arguments(NOTHING_TO_PAY);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let rows = tokio::task::LocalSet::new().block_on(&runtime, search::measure(setup, folder.path(), messages))?;
        let table = report::search_table(&machine::describe()?, &rows);
        println!("{table}");
        return if arguments.write { report::write_search(&table) } else { Ok(()) };
    }
    let report = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(&arguments))?;
    println!("{}", report.table());
    if arguments.write {
        report.write()?;
    }
    Ok(())
}

async fn groups(arguments: &Arguments) -> anyhow::Result<String> {
    let disk = machine::data_folder(arguments.data.as_deref())?;
    let in_memory = Path::new("/dev/shm");
    let memory = if in_memory.is_dir() { tempfile::tempdir_in(in_memory)? } else { machine::data_folder(arguments.data.as_deref())? };
    let mut rows = String::new();
    for accounts in &arguments.groups {
        let setup = ServerSetup::new(&disk.path().join(format!("server-{accounts}")))
            .arguments(["--log-level", "warn", AT_ONCE])
            .arguments(NOTHING_TO_PAY)
            .wrapper(["taskset", "-c", &arguments.server_core.to_string()]);
        let figures =
            groups::measure(setup, disk.path(), memory.path(), *accounts).await.with_context(|| format!("{accounts} accounts"))?;
        println!("{}", figures.row());
        rows += &figures.row();
    }
    Ok(rows)
}

async fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    let folder = machine::data_folder(arguments.data.as_deref())?;
    let mut report = Report::new(arguments.runs, machine::describe()?);
    for case in Case::all(arguments.scale) {
        if arguments.only.as_ref().is_some_and(|only| !case.name.contains(only.as_str())) {
            continue;
        }
        // Each case has a server of its own: none pays for what another has left behind.
        let data = folder.path().join(case.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let setup = ServerSetup::new(&data).arguments(["--log-level", "warn", AT_ONCE]).arguments(NOTHING_TO_PAY).wrapper([
            "taskset",
            "-c",
            &arguments.server_core.to_string(),
        ]);
        let measured = case.measure(setup, folder.path(), arguments.runs).await.with_context(|| case.name.to_owned())?;
        println!("{}", Report::line(&case, &measured));
        report.add(case, measured);
    }
    Ok(report)
}
