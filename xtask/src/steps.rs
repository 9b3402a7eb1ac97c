//! Steps one after the other, and what each took.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Steps done so far.
pub struct Steps {
    done: Vec<(String, Usage)>,
    begun: Usage,
}

impl Steps {
    /// None done.
    pub fn new() -> Self {
        Self { done: Vec::new(), begun: Usage::now() }
    }

    /// Runs a command as a step; anything but success ends everything.
    pub fn run(&mut self, name: &str, command: &mut Command) -> Result<()> {
        self.call(name, || succeed(command))
    }

    /// Runs something else as a step.
    pub fn call<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n== {name}");
        let before = Usage::now();
        let result = step().with_context(|| format!("step `{name}` failed"));
        self.done.push((name.to_owned(), before.until_now()));
        result
    }

    /// Prints a table of what each step took, if there were any.
    pub fn report(&self) {
        if self.done.is_empty() {
            return;
        }
        println!("\n{:>9} {:>9}  step", "wall", "CPU");
        for (name, usage) in &self.done {
            println!("{:>8.1}s {:>8.1}s  {name}", usage.wall.as_secs_f64(), usage.cpu.as_secs_f64());
        }
        let all = self.begun.until_now();
        println!("{:>8.1}s {:>8.1}s  all", all.wall.as_secs_f64(), all.cpu.as_secs_f64());
    }
}

/// Runs a command with this program's input and output.
pub fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{} can't be run", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and takes its standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("{} can't be run", shown(command)))?;
    if !output.status.success() {
        bail!("{} ended with {}", shown(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} printed something that is not text", shown(command)))
}

/// Whether a command runs and succeeds; its output is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

struct Usage {
    wall: Duration,
    cpu: Duration,
}

impl Usage {
    fn now() -> Self {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        Self { wall: START.get_or_init(Instant::now).elapsed(), cpu: children_cpu().unwrap_or_default() }
    }

    fn until_now(&self) -> Self {
        let now = Self::now();
        Self { wall: now.wall - self.wall, cpu: now.cpu.saturating_sub(self.cpu) }
    }
}

/// User and system time of all ended children; Linux only. The kernel counts it in hundredths of a second (proc(5)).
fn children_cpu() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = stat.rsplit_once(") ")?.1;
    let ticks: u64 = after_name.split(' ').skip(13).take(2).map_while(|field| field.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks * 10))
}
