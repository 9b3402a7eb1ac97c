//! Whether an acknowledgement means that data are on the disk: the calls that force them there are counted from outside while
//! messages are stored one by one.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};

/// Messages that are stored one by one.
pub const MESSAGES: usize = 60;
/// How long strace may take to end.
const END_TIME: Duration = Duration::from_secs(20);

/// strace, attached to a process and all its threads.
pub struct Trace {
    child: Child,
    output: PathBuf,
}

impl Trace {
    /// From now on. An error where there is no strace, or it may not look.
    pub fn attach(process: u32, folder: &Path) -> anyhow::Result<Self> {
        let output = folder.join(format!("strace-{process}.log"));
        let calls = "trace=fsync,fdatasync,sync_file_range,msync,sync,syncfs";
        let mut strace = Command::new("strace");
        strace.args(["-f", "-ttt", "-e", calls, "-p", &process.to_string(), "-o"]).arg(&output);
        let mut child = strace.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().context("strace")?;
        let mut said = BufReader::new(child.stderr.take().context("standard error was asked for")?);
        let mut line = String::new();
        said.read_line(&mut line)?;
        // What else it says goes nowhere, and must not stop it.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let trace = Self { child, output };
        if line.contains("attached") { Ok(trace) } else { bail!("strace can't look: {}", line.trim()) }
    }

    /// Calls that ended well up to now, after strace has let go.
    pub fn count(mut self) -> anyhow::Result<usize> {
        let until = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        Command::new("kill").arg("-INT").arg(self.child.id().to_string()).status()?;
        let end = Instant::now() + END_TIME;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > end {
                bail!("strace does not end");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(count(&fs::read_to_string(&self.output)?, until))
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines are `PID SECONDS call(...) = result`, or two: `... <unfinished ...>` and `... <... call resumed>) = result`.
fn count(log: &str, until: f64) -> usize {
    let ended_well = |line: &&str| {
        let time = line.split_whitespace().nth(1).and_then(|time| time.parse::<f64>().ok());
        time.is_some_and(|time| time <= until) && line.trim_end().ends_with("= 0")
    };
    log.lines().filter(ended_well).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_count_once_if_they_ended_well_and_in_time() {
        let log = "\
17 1700000001.100000 fdatasync(9) = 0
18 1700000001.200000 fsync(4 <unfinished ...>
17 1700000001.300000 fdatasync(9) = -1 EIO (Input/output error)
18 1700000001.400000 <... fsync resumed>) = 0
17 1700000001.500000 msync(0x7f0000000000, 4096, MS_SYNC) = 0
18 1700000001.600000 +++ exited with 0 +++
17 1700000002.000000 fdatasync(9) = 0
";
        assert_eq!(count(log, 1_700_000_001.9), 3);
        assert_eq!(count(log, 1_700_000_003.0), 4);
        assert_eq!(count("", 1.0), 0);
    }
}
