//! The server under the storm: a real process on a core of its own, watched from outside.

use std::{
    cell::RefCell,
    net::SocketAddr,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

use alcyon_sim::{
    light::{NOTHING_TO_PAY, Origin},
    machine::{self, CpuMeter},
    process::{ServerProcess, ServerSetup},
};
use anyhow::Context;
use tokio::task::JoinHandle;

use super::crowd::Log;

/// What a scenario is run with.
pub struct Field<'a> {
    /// Where servers keep their data.
    pub folder: &'a Path,
    pub server_core: usize,
    pub seed: u64,
    /// The short form: smaller numbers, marks that hold on a shared machine.
    pub short: bool,
}

/// A server that runs.
pub struct Storming {
    setup: ServerSetup,
    pub process: ServerProcess,
    pub address: SocketAddr,
    /// Its status page.
    status: SocketAddr,
}

/// Limits that one person meets must not be what a crowd on one machine meets.
const LIFTED: [&str; 7] = [
    "--log-level=warn",
    "--logs-seat-entries=1000000000+1000000000/s",
    "--logs-seat-bytes=1000000000000+1000000000000/s",
    "--logs-log-mebibytes=1000000",
    "--logs-creates=100000000+1000000/s",
    "--logs-creates-per-address=1000000+1000000/s",
    "--drain-time=2s",
];

impl Field<'_> {
    /// Starts a server with more arguments.
    pub fn start(&self, name: &str, arguments: &[&str]) -> anyhow::Result<Storming> {
        let status = machine::free_address()?;
        let setup = ServerSetup::new(&self.folder.join(name))
            .arguments(LIFTED)
            .arguments(NOTHING_TO_PAY)
            .arguments([format!("--status={status}")])
            .arguments(arguments.iter().copied())
            .wrapper(["taskset", "-c", &self.server_core.to_string()]);
        let process = setup.start()?;
        let address = process.url().authority().parse()?;
        Ok(Storming { setup, process, address, status })
    }

    /// One number in the full form, another in the short one.
    pub fn size<T>(&self, full: T, short: T) -> T {
        if self.short { short } else { full }
    }
}

impl Storming {
    /// `kill -9`, and the same server again in the same place.
    pub fn kill_and_restart(self) -> anyhow::Result<Self> {
        let Self { setup, process, address, status } = self;
        let setup = setup.again(&process);
        process.kill()?;
        let process = setup.start()?;
        Ok(Self { setup, process, address, status })
    }

    /// Watches it until the handle is dropped.
    pub fn watch(&self, log: &Rc<Log>) -> Watch {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let (process, status) = (self.process.id(), self.status);
        let task = tokio::task::spawn_local(watch(process, status, log.clone(), seen.clone()));
        Watch { seen, task }
    }
}

/// The server at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Seconds since the beginning of the run.
    pub at: f64,
    /// Resident memory, bytes.
    pub memory: u64,
    /// Share of a core since the moment before.
    pub cpu: f64,
    pub connections: u64,
    /// How long the status page took, milliseconds; none: it gave no answer.
    pub status_ms: Option<f64>,
}

/// What was seen so far.
pub struct Watch {
    seen: Rc<RefCell<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// All of it, and looks no more.
    pub fn end(self) -> Vec<Seen> {
        self.task.abort();
        self.seen.take()
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(500);

async fn watch(process: u32, status: SocketAddr, log: Rc<Log>, seen: Rc<RefCell<Vec<Seen>>>) {
    let Ok(meter) = CpuMeter::start(process) else { return };
    let mut before = (Instant::now(), 0);
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let asked = Instant::now();
        let answer = tokio::time::timeout(Duration::from_secs(2), look(status)).await;
        let status_ms = matches!(answer, Ok(Ok(_))).then(|| asked.elapsed().as_secs_f64() * 1000.0);
        let connections = answer.ok().and_then(Result::ok).unwrap_or(0);
        let Ok(memory) = machine::resident(process) else { continue };
        let now = (Instant::now(), meter.nanoseconds().unwrap_or(before.1));
        let cpu = Duration::from_nanos(now.1.saturating_sub(before.1)).as_secs_f64() / (now.0 - before.0).as_secs_f64().max(0.001);
        before = now;
        seen.borrow_mut().push(Seen { at: log.origin.elapsed().as_secs_f64(), memory, cpu, connections, status_ms });
    }
}

async fn look(status: SocketAddr) -> anyhow::Result<u64> {
    let url = format!("http://{status}").parse()?;
    let mut connection = alcyon_sim::http::HttpConnection::connect(&url, None, Origin::default()).await?;
    let answer = connection.request("GET", "/status.json", &[], Vec::new()).await?;
    let shown: serde_json::Value = serde_json::from_slice(&answer.body)?;
    shown["connections"].as_u64().context("connections")
}
