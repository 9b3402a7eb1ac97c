//! The real programs as child processes, each with a directory of its own, each gone when its value is dropped.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant, SystemTime},
};

use alcyon_wire::ServerUrl;
use anyhow::{Context, anyhow, bail};

/// How long a server may take to say that it listens.
const START_TIME: Duration = Duration::from_secs(30);

/// Where one of our programs is: `ALCYON_BIN_DIR`, else beside the running executable. There it is built first if it is
/// missing or older than the sources, so that a test never runs against yesterday's program.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("ALCYON_BIN_DIR") {
        let path = PathBuf::from(folder).join(name);
        return if path.is_file() { Ok(path) } else { Err(anyhow!("ALCYON_BIN_DIR holds no {name}")) };
    }
    let executable = std::env::current_exe()?;
    let mut folder = executable.parent().context("the running executable has no folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("deps has no parent")?;
    }
    let path = folder.join(name);
    if !is_current(&path)? {
        build(folder)?;
    }
    if path.is_file() { Ok(path) } else { Err(anyhow!("{} was not built", path.display())) }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn is_current(program: &Path) -> anyhow::Result<bool> {
    let Ok(built) = program.metadata().and_then(|meta| meta.modified()) else { return Ok(false) };
    for name in fs::read_dir(workspace().join("crates"))? {
        let name = name?.path();
        // This crate is in neither program.
        if !name.ends_with("alcyon-sim") && newest(&name.join("src"))? > built {
            return Ok(false);
        }
    }
    Ok(true)
}

fn newest(folder: &Path) -> anyhow::Result<SystemTime> {
    let mut latest = SystemTime::UNIX_EPOCH;
    for item in fs::read_dir(folder)? {
        let item = item?;
        let time = if item.file_type()?.is_dir() { newest(&item.path())? } else { item.metadata()?.modified()? };
        latest = latest.max(time);
    }
    Ok(latest)
}

fn build(folder: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()).args(["build", "--quiet", "--package", "alcyon-server", "--package", "alcyon-cli", "--bins"]);
    if folder.ends_with("release") {
        command.arg("--release");
    }
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    if command.status().context("cargo")?.success() { Ok(()) } else { Err(anyhow!("cargo could not build the programs")) }
}

/// A server, running.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    url: ServerUrl,
    /// Everything it has written to standard error, in all its lives.
    log: PathBuf,
}

/// How to start a server.
#[derive(Debug, Clone)]
pub struct ServerSetup {
    /// Its data directory.
    pub data: PathBuf,
    /// `ADDR:PORT`; port 0 for any.
    pub listen: String,
    /// More arguments.
    pub arguments: Vec<String>,
    /// A program and its arguments that start the server in their place (`taskset`, `prlimit`, `unshare`).
    pub wrapper: Vec<String>,
}

impl ServerSetup {
    /// On loopback, any port.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self { data: data.to_owned(), listen: "127.0.0.1:0".to_owned(), arguments: Vec::new(), wrapper: Vec::new() }
    }

    /// The same with more arguments.
    #[must_use]
    pub fn arguments<I: IntoIterator<Item = S>, S: Into<String>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The same, started by another program.
    #[must_use]
    pub fn wrapper<I: IntoIterator<Item = S>, S: Into<String>>(mut self, wrapper: I) -> Self {
        self.wrapper = wrapper.into_iter().map(Into::into).collect();
        self
    }

    /// The same place again: a server that comes back must be found under its old address.
    #[must_use]
    pub fn again(mut self, server: &ServerProcess) -> Self {
        server.url.authority().clone_into(&mut self.listen);
        self
    }

    /// Starts it and waits for the line that says where it listens.
    pub fn start(&self) -> anyhow::Result<ServerProcess> {
        let Self { data, listen, arguments, wrapper } = self;
        let program = program("alcyon-server")?;
        let mut command = match wrapper.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        let log = data.with_extension("log");
        let log_file = fs::OpenOptions::new().create(true).append(true).open(&log)?;
        command.arg("--data").arg(data).arg("--listen").arg(listen).args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file).spawn().context("alcyon-server")?;
        let output = child.stdout.take().context("standard output was asked for")?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut server = ServerProcess { child, url: "http://127.0.0.1:1".parse()?, log };
        let Ok(line) = receiver.recv_timeout(START_TIME) else {
            let ended = server.child.try_wait()?;
            bail!("alcyon-server did not come up ({ended:?}); it said:\n{}", server.log_text()?);
        };
        let url = line.strip_prefix("alcyon-server listening on ").ok_or_else(|| anyhow!("an unexpected first line: {line}"))?;
        server.url = url.parse()?;
        Ok(server)
    }
}

impl ServerProcess {
    /// Where it listens, with the real port.
    #[must_use]
    pub fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard error.
    pub fn log_text(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// `kill -9`.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        terminate(&self.child)?;
        wait(&mut self.child, within)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn terminate(child: &Child) -> anyhow::Result<()> {
    let status = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status()?;
    if status.success() { Ok(()) } else { Err(anyhow!("kill -TERM failed")) }
}

fn wait(child: &mut Child, within: Duration) -> anyhow::Result<ExitStatus> {
    let end = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            bail!("the process did not end within {within:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A profile of the terminal client, and how to run it.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The profile's directory.
    pub folder: PathBuf,
    /// `ALCYON_PASSPHRASE`.
    pub passphrase: String,
    /// More environment.
    pub environment: Vec<(String, String)>,
    /// How long one command may take.
    pub within: Duration,
}

/// What a command came to.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output, a JSON object a line.
    pub lines: Vec<serde_json::Value>,
    /// Standard error, as it is.
    pub errors: String,
}

impl Finished {
    /// The one object that was printed, if all went well.
    pub fn one(self) -> anyhow::Result<serde_json::Value> {
        let mut lines = self.all()?;
        match (lines.pop(), lines.is_empty()) {
            (Some(line), true) => Ok(line),
            (last, _) => bail!("expected one line, got {lines:?} and {last:?}"),
        }
    }

    /// All objects that were printed, if all went well.
    pub fn all(self) -> anyhow::Result<Vec<serde_json::Value>> {
        if self.code == Some(0) { Ok(self.lines) } else { Err(anyhow!("exit code {:?}: {}", self.code, self.errors)) }
    }

    /// The error object on standard error, which must be there.
    pub fn error(&self) -> anyhow::Result<serde_json::Value> {
        let line =
            self.errors.lines().rev().find(|line| line.starts_with('{')).with_context(|| format!("no error object in: {}", self.errors))?;
        Ok(serde_json::from_str(line)?)
    }
}

impl Profile {
    /// In that directory, which need not exist yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), passphrase: "correct horse".to_owned(), environment: Vec::new(), within: Duration::from_secs(60) }
    }

    /// The command, ready to start.
    pub fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> anyhow::Result<Command> {
        let Self { folder, passphrase, environment, within: _ } = self;
        let mut command = Command::new(program("alcyon")?);
        command.arg("--profile").arg(folder).arg("--json").args(arguments).env("ALCYON_PASSPHRASE", passphrase);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// Runs a command to its end.
    pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> anyhow::Result<Finished> {
        self.finish(self.command(arguments)?.spawn().context("alcyon")?)
    }

    /// Runs a command to its end, with `input` on its standard input.
    pub fn run_with_input<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I, input: &str) -> anyhow::Result<Finished> {
        let mut child = self.command(arguments)?.stdin(Stdio::piped()).spawn().context("alcyon")?;
        child.stdin.take().context("standard input was asked for")?.write_all(input.as_bytes())?;
        self.finish(child)
    }

    fn finish(&self, mut child: Child) -> anyhow::Result<Finished> {
        let output = child.stdout.take().context("standard output was asked for")?;
        let errors = child.stderr.take().context("standard error was asked for")?;
        let output = std::thread::spawn(move || std::io::read_to_string(output));
        let errors = std::thread::spawn(move || std::io::read_to_string(errors));
        let status = wait(&mut child, self.within)?;
        let output = output.join().map_err(|_| anyhow!("the reader panicked"))??;
        let errors = errors.join().map_err(|_| anyhow!("the reader panicked"))??;
        let lines =
            output.lines().map(serde_json::from_str).collect::<Result<_, _>>().with_context(|| format!("not JSON lines: {output}"))?;
        Ok(Finished { code: status.code(), lines, errors })
    }

    /// Starts a command that goes on by itself, such as `listen`.
    pub fn start<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> anyhow::Result<Running> {
        // A pipe that nobody reads would stop it one day.
        let errors = fs::OpenOptions::new().create(true).append(true).open(self.folder.with_extension("errors"))?;
        let mut child = self.command(arguments)?.stderr(errors).spawn().context("alcyon")?;
        let output = child.stdout.take().context("standard output was asked for")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Running { child, lines })
    }
}

/// A client that goes on by itself. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// The next object it prints.
    pub fn line(&self, within: Duration) -> anyhow::Result<serde_json::Value> {
        let line = self.lines.recv_timeout(within).map_err(|_| anyhow!("nothing was printed within {within:?}"))?;
        Ok(serde_json::from_str(&line)?)
    }

    /// What it has printed that nobody has taken yet.
    pub fn so_far(&self) -> anyhow::Result<Vec<serde_json::Value>> {
        self.lines.try_iter().map(|line| Ok(serde_json::from_str(&line)?)).collect()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// `kill -9`, and what it had printed.
    pub fn kill(mut self) -> anyhow::Result<Vec<serde_json::Value>> {
        self.child.kill()?;
        self.child.wait()?;
        self.lines.iter().map(|line| Ok(serde_json::from_str(&line)?)).collect()
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        terminate(&self.child)?;
        wait(&mut self.child, within)
    }

    /// Waits until it ends by itself, and returns what it had printed.
    pub fn finish(mut self, within: Duration) -> anyhow::Result<Vec<serde_json::Value>> {
        wait(&mut self.child, within)?;
        self.lines.iter().map(|line| Ok(serde_json::from_str(&line)?)).collect()
    }

    /// Asks it to end, if it has not yet, and returns what it had printed.
    pub fn end(mut self, within: Duration) -> anyhow::Result<Vec<serde_json::Value>> {
        if self.is_running()? {
            terminate(&self.child)?;
        }
        self.finish(within)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
