//! `cargo xtask peers`: our server side by side with ejabberd and prosody, as Debian packages them. What an operation costs
//! each, as CPU time by the operating system's accounting, and what an idle connection holds of its memory.
//!
//! All three do the same work in turn, round by round, on the same core, for a generator on another that is built the same way
//! for both protocols. What is not the same is said in `docs/benchmarks.md`.

#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for a terminal
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod ejabberd;
mod instance;
mod ours;
mod prosody;
mod rows;
mod syncs;
mod table;
mod theirs;
mod xmpp;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use alcyon_sim::machine;
use anyhow::{Context, bail, ensure};
use clap::{Parser, ValueEnum};

use self::{
    instance::Kind,
    ours::Ours,
    rows::{Case, Figures, Sizes},
    syncs::Trace,
    table::Table,
    theirs::Theirs,
};

#[derive(Debug, Parser)]
#[command(name = "peers", about = "alcyon-server, ejabberd and prosody side by side: CPU time and memory per operation")]
struct Arguments {
    /// Which rows; all without any
    cases: Vec<Case>,
    /// Rounds that are counted; one goes before them
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// One small round: to see that everything works, not to measure
    #[arg(long)]
    short: bool,
    /// The servers' core
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The generator's core
    #[arg(long, default_value_t = 1)]
    generator_core: usize,
    /// Where servers keep their data: a folder on a real disk, or durability costs nothing. The default is beside this program
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write the table into docs/benchmarks.md
    #[arg(long, conflicts_with_all = ["short", "cases"])]
    write: bool,
    /// Print every figure as JSON instead of the table
    #[arg(long)]
    json: bool,
}

/// How long a round may take.
const ROUND_TIME: Duration = Duration::from_secs(15 * 60);
/// Open files of the generator.
const FILES: u32 = 20_000;

/// Who is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// alcyon-server.
    Ours,
    /// ejabberd.
    Ejabberd,
    /// prosody.
    Prosody,
}

impl System {
    /// In this order in every round.
    pub const ALL: [Self; 3] = [Self::Ours, Self::Ejabberd, Self::Prosody];

    /// As the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Ejabberd => "ejabberd",
            Self::Prosody => "prosody",
        }
    }
}

/// One of them, ready for the rounds of a case.
enum Ready {
    Ours(Box<Ours>),
    Theirs(Box<Theirs>),
}

impl Ready {
    async fn start(system: System, case: Case, folder: &Path, core: usize, sizes: Sizes) -> anyhow::Result<Self> {
        let kind = match system {
            System::Ours => return Ok(Self::Ours(Box::new(Ours::start(case, folder, core, sizes)?))),
            System::Ejabberd => Kind::Ejabberd,
            System::Prosody => Kind::Prosody,
        };
        Ok(Self::Theirs(Box::new(Theirs::start(kind, case, folder, core, sizes).await?)))
    }

    async fn round(&mut self, case: Case) -> anyhow::Result<Figures> {
        match self {
            Self::Ours(ours) => ours.round(case).await,
            Self::Theirs(theirs) => theirs.round().await,
        }
    }

    /// Calls that force data to the disk while messages are stored one by one.
    async fn syncs(&mut self, folder: &Path) -> anyhow::Result<usize> {
        let trace = Trace::attach(self.id()?, folder)?;
        match self {
            Self::Ours(ours) => ours.store_one_by_one(syncs::MESSAGES).await?,
            Self::Theirs(theirs) => theirs.store_one_by_one(syncs::MESSAGES).await?,
        }
        trace.count()
    }

    fn id(&self) -> anyhow::Result<u32> {
        match self {
            Self::Ours(ours) => ours.id(),
            Self::Theirs(theirs) => theirs.id(),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    machine::pin(arguments.generator_core)?;
    allow_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Whatever ends the run, the servers end with their values.
    let (table, failed) = runtime.block_on(async {
        tokio::select! {
            done = run(&arguments) => done,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })?;
    if arguments.json {
        println!("{:#}", table.json())
    } else {
        println!("\n{}", table.markdown())
    }
    ensure!(failed.is_empty(), "not measured to the end, and nothing written: {failed:?}");
    if arguments.write { table.write() } else { Ok(()) }
}

/// The table, and the cases that failed: what others have measured is not lost with them.
async fn run(arguments: &Arguments) -> anyhow::Result<(Table, Vec<Case>)> {
    let Arguments { cases, rounds, short, server_core, generator_core: _, data, write: _, json: _ } = arguments;
    let folder = machine::data_folder(data.as_deref())?;
    let (rounds, sizes) = if *short { (1, Sizes::SHORT) } else { ((*rounds).max(1), Sizes::FULL) };
    let versions = [version(ejabberd::PACKAGE)?, version(prosody::PACKAGE)?];
    let mut table = Table::new(machine::describe()?, versions.into(), rounds);
    let mut failed = Vec::new();
    let cases = if cases.is_empty() { Case::value_variants() } else { cases };
    for case in cases {
        // Each case has servers of its own: none pays for what another has left behind.
        let folder = folder.path().join(format!("{case:?}"));
        std::fs::create_dir_all(&folder)?;
        if let Err(error) = run_case(*case, rounds, sizes, &folder, *server_core, &mut table).await {
            eprintln!("{case:?} failed: {error:#}");
            failed.push(*case);
        }
    }
    Ok((table, failed))
}

async fn run_case(case: Case, rounds: usize, sizes: Sizes, folder: &Path, core: usize, table: &mut Table) -> anyhow::Result<()> {
    eprintln!("{case:?}: starting servers");
    let mut systems = Vec::new();
    for system in System::ALL {
        systems.push((system, Ready::start(system, case, folder, core, sizes).await.with_context(|| system.name())?));
    }
    // Idle connections have new servers each time: there is nothing to warm up.
    let first_counted = usize::from(case != Case::Idle);
    for round in 0..rounds + first_counted {
        for (system, ready) in &mut systems {
            let figures = tokio::time::timeout(ROUND_TIME, ready.round(case)).await.context("a round takes too long");
            let figures = figures.flatten().with_context(|| system.name())?;
            for (row, figure) in &figures {
                let counted = if round < first_counted { " (to warm up)" } else { "" };
                eprintln!("{case:?} {round}: {}: {}: {figure:.1} {}{counted}", system.name(), row.what(), row.unit());
            }
            if round >= first_counted {
                table.add(*system, figures);
            }
        }
    }
    if case == Case::Store {
        for (system, ready) in &mut systems {
            match ready.syncs(folder).await {
                Ok(calls) => table.add_syncs(*system, calls),
                Err(error) => eprintln!("note: {} was not traced: {error:#}", system.name()),
            }
        }
    }
    Ok(())
}

/// A package and its version.
fn version(package: &str) -> anyhow::Result<String> {
    let mut query = Command::new("dpkg-query");
    let output = query.args(["--show", "--showformat=${Package} ${Version}", package]).stderr(Stdio::null()).output()?;
    ensure!(output.status.success(), "{package} is not installed; `cargo xtask peers` does that");
    Ok(String::from_utf8(output.stdout)?)
}

/// A thousand connections are a thousand files; the usual limit is lower.
fn allow_files() -> anyhow::Result<()> {
    let process = std::process::id().to_string();
    let mut prlimit = Command::new("prlimit");
    let status = prlimit.args(["--pid", &process, &format!("--nofile={FILES}")]).status().context("prlimit (package util-linux)")?;
    ensure!(status.success(), "this process may not have {FILES} open files");
    Ok(())
}
