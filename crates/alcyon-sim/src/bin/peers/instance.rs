//! A peer's server as a child process: with a configuration, a data folder and ports of its own, pinned to the server's core,
//! and gone when its value is dropped. Nothing of what Debian's package has set up is used or touched.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alcyon_sim::tls::TestAuthority;
use anyhow::{Context, bail};

use super::{ejabberd, prosody, xmpp::Place};

/// How long it may take until it listens.
const START_TIME: Duration = Duration::from_secs(60);
/// How long it may take to write down what it holds.
const STOP_TIME: Duration = Duration::from_secs(60);
/// How often it is looked whether it listens, or has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Open files that a peer may have, as many as ours.
const FILES: u32 = 20_000;

/// Which peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ejabberd,
    Prosody,
}

/// What a peer is started with.
pub struct Setting<'a> {
    /// Its own: configuration, data and logs.
    pub folder: &'a Path,
    pub plain: SocketAddr,
    pub tls: SocketAddr,
    /// The certificate and its key behind it in one file, PEM.
    pub certificate: &'a Path,
}

/// A peer that runs.
#[derive(Debug)]
pub struct Instance {
    child: Child,
    log: PathBuf,
    pub place: Place,
}

impl Instance {
    /// Starts a peer in a folder, which may hold what an earlier instance has left, and waits until it listens.
    pub async fn start(kind: Kind, folder: &Path, core: usize) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let authority = TestAuthority::new(folder)?;
        let certificate = folder.join("both.pem");
        fs::write(&certificate, format!("{}{}", fs::read_to_string(authority.certificate())?, fs::read_to_string(authority.key())?))?;
        let [plain, tls] = free_ports()?;
        let setting = Setting { folder, plain, tls, certificate: &certificate };
        let command = match kind {
            Kind::Ejabberd => ejabberd::command(&setting)?,
            Kind::Prosody => prosody::command(&setting)?,
        };
        let log = folder.join("output.log");
        let output = File::create(&log)?;
        let mut pinned = pinned(&command, core);
        let child = pinned.current_dir(folder).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn();
        let child = child.context("setpriv, taskset and prlimit (package util-linux)")?;
        let mut instance = Self { child, log, place: Place { plain, tls, trust: authority.client_config()? } };
        instance.wait_until_it_listens().await?;
        Ok(instance)
    }

    /// The process, whose descendants are the peer's too.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    async fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + START_TIME;
        loop {
            let plain = tokio::net::TcpStream::connect(self.place.plain).await;
            let tls = tokio::net::TcpStream::connect(self.place.tls).await;
            if plain.is_ok() && tls.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}; it said:\n{}", self.said());
            }
            if Instant::now() > end {
                bail!("the server does not listen; it said:\n{}", self.said());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGTERM, and waits until it has written down what it holds.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg("-TERM").arg(self.id().to_string()).status()?;
        let end = Instant::now() + STOP_TIME;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > end {
                bail!("the server does not end; it said:\n{}", self.said());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Fails only if it has ended already. Helpers that it has started see their pipes close and end too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same command on one core, with as many files as it may need, and not outliving this process whatever ends that.
fn pinned(command: &Command, core: usize) -> Command {
    let core = core.to_string();
    let files = format!("--nofile={FILES}");
    let mut pinned = Command::new("setpriv");
    pinned.args(["--pdeathsig", "KILL", "--", "taskset", "-c", &core, "prlimit", &files, "--"]);
    pinned.arg(command.get_program()).args(command.get_args());
    pinned.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    pinned
}

/// Ports that were free a moment ago.
fn free_ports() -> anyhow::Result<[SocketAddr; 2]> {
    let listeners = [TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?];
    Ok([listeners[0].local_addr()?, listeners[1].local_addr()?])
}
