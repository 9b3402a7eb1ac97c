//! What the operating system says of a process and of the machine.

use std::{collections::BTreeMap, fs};

use anyhow::Context;

/// CPU time of a process between two moments.
pub struct CpuMeter {
    process: u32,
    /// Nanoseconds by thread.
    threads: BTreeMap<u64, u64>,
    ticks: u64,
}

/// The kernel's unit of `/proc/PID/stat`: USER_HZ, 100 on Linux.
const TICK_NS: u64 = 10_000_000;

impl CpuMeter {
    /// From now on.
    pub fn start(process: u32) -> anyhow::Result<Self> {
        Ok(Self { process, threads: threads(process)?, ticks: ticks(process)? })
    }

    /// Nanoseconds since the start. By thread, to the nanosecond; if a thread has ended meanwhile and taken its account
    /// with it, by the whole process, to the tick.
    pub fn nanoseconds(&self) -> anyhow::Result<u64> {
        let now = threads(self.process)?;
        if self.threads.keys().all(|thread| now.contains_key(thread)) {
            return Ok(now.iter().map(|(thread, time)| time - self.threads.get(thread).copied().unwrap_or(0)).sum());
        }
        Ok((ticks(self.process)? - self.ticks) * TICK_NS)
    }
}

fn threads(process: u32) -> anyhow::Result<BTreeMap<u64, u64>> {
    let mut times = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let thread = thread?;
        let id = thread.file_name().to_string_lossy().parse().context("a thread id")?;
        // A thread may end between the listing and this.
        if let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) {
            times.insert(id, text.split(' ').next().unwrap_or_default().parse().context("schedstat")?);
        }
    }
    Ok(times)
}

fn ticks(process: u32) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold anything; user and system time are the 12th and 13th field after it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |index: usize| -> anyhow::Result<u64> { fields.get(index).context("stat is short")?.parse().context("stat") };
    Ok(field(11)? + field(12)?)
}

/// Resident memory of a process, bytes.
pub fn resident(process: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().context("VmRSS")?;
    Ok(kib * 1024)
}

/// Processor, cores and kernel.
pub fn describe() -> anyhow::Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default().trim_start_matches([' ', '\t', ':']);
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!("{model}, {cores} cores, Linux {}", kernel.trim()))
}
