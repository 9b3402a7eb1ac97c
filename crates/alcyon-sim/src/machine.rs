//! What the operating system says of processes and of the machine, and where this process may run. Linux only.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, bail};
use tempfile::TempDir;

/// CPU time of a process, or of a process and all its descendants, between two moments.
#[derive(Debug)]
pub struct CpuMeter {
    root: u32,
    whole_tree: bool,
    processes: BTreeMap<u32, Account>,
}

/// What the kernel has counted for one process so far.
#[derive(Debug)]
struct Account {
    /// Nanoseconds by thread.
    threads: BTreeMap<u64, u64>,
    /// All of its threads, those that have ended too.
    ticks: u64,
    /// Children that have ended, once their parent has been told.
    children_ticks: u64,
}

/// The kernel's unit of `/proc/PID/stat`: USER_HZ, 100 on Linux.
const TICK_NS: u64 = 10_000_000;

impl CpuMeter {
    /// Of one process, from now on.
    pub fn start(process: u32) -> anyhow::Result<Self> {
        Ok(Self { root: process, whole_tree: false, processes: BTreeMap::from([(process, Account::of(process)?)]) })
    }

    /// Of a process and its descendants, from now on.
    pub fn start_tree(root: u32) -> anyhow::Result<Self> {
        Ok(Self { root, whole_tree: true, processes: accounts(root)? })
    }

    /// Nanoseconds since the start. By thread, to the nanosecond; where a thread has ended meanwhile and taken its account
    /// with it, by the whole process, to the tick. A descendant that has ended counts by the tick too.
    pub fn nanoseconds(&self) -> anyhow::Result<u64> {
        let now = if self.whole_tree { accounts(self.root)? } else { BTreeMap::from([(self.root, Account::of(self.root)?)]) };
        Ok(spent(&self.processes, &now, self.whole_tree))
    }
}

fn spent(before: &BTreeMap<u32, Account>, now: &BTreeMap<u32, Account>, children: bool) -> u64 {
    let fresh = Account { threads: BTreeMap::new(), ticks: 0, children_ticks: 0 };
    let mut own = 0;
    let mut ended_ticks = 0_u64;
    for (process, account) in now {
        let earlier = before.get(process).unwrap_or(&fresh);
        own += account.since(earlier);
        ended_ticks += account.children_ticks.saturating_sub(earlier.children_ticks);
    }
    if !children {
        return own;
    }
    // A child that has ended brings its whole life to its parent's account; what it had before the start is not ours.
    let known_ticks: u64 = before.iter().filter(|(process, _)| !now.contains_key(process)).map(|(_, account)| account.ticks).sum();
    own + ended_ticks.saturating_sub(known_ticks) * TICK_NS
}

impl Account {
    fn of(process: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        let field = |index| number_in_stat(&stat, index);
        Ok(Self { threads: threads(process)?, ticks: field(11)? + field(12)?, children_ticks: field(13)? + field(14)? })
    }

    /// Nanoseconds of its own.
    fn since(&self, earlier: &Self) -> u64 {
        if earlier.threads.keys().all(|thread| self.threads.contains_key(thread)) {
            return self.threads.iter().map(|(thread, time)| time - earlier.threads.get(thread).copied().unwrap_or(0)).sum();
        }
        self.ticks.saturating_sub(earlier.ticks) * TICK_NS
    }
}

fn accounts(root: u32) -> anyhow::Result<BTreeMap<u32, Account>> {
    let mut accounts = BTreeMap::from([(root, Account::of(root)?)]);
    for process in tree(root)? {
        // A descendant may end between the listing and this.
        if let Ok(account) = Account::of(process) {
            accounts.insert(process, account);
        }
    }
    Ok(accounts)
}

/// A process and all its descendants.
pub fn tree(root: u32) -> anyhow::Result<BTreeSet<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for item in fs::read_dir("/proc")? {
        let Ok(process) = item?.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
        children.entry(u32::try_from(number_in_stat(&stat, 1)?)?).or_default().push(process);
    }
    let mut found = BTreeSet::from([root]);
    let mut open = vec![root];
    while let Some(process) = open.pop() {
        for child in children.get(&process).into_iter().flatten() {
            if found.insert(*child) {
                open.push(*child);
            }
        }
    }
    Ok(found)
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

/// A number of `/proc/PID/stat`, counted from after the name in parentheses, which may hold anything: 1 is the parent, 11 and
/// 12 are user and system time, 13 and 14 those of children that have ended (proc(5)).
fn number_in_stat(stat: &str, index: usize) -> anyhow::Result<u64> {
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().nth(index).context("stat is short")?.parse().context("stat")
}

/// Resident memory of a process, bytes.
pub fn resident(process: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().context("VmRSS")?;
    Ok(kib * 1024)
}

/// Resident memory of a process and its descendants, bytes.
pub fn resident_tree(root: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for process in tree(root)? {
        sum += if process == root { resident(root)? } else { resident(process).unwrap_or(0) };
    }
    Ok(sum)
}

/// CPU and wall-clock time since a moment.
#[derive(Debug)]
pub struct Stopwatch {
    cpu: CpuMeter,
    wall: Instant,
}

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// CPU time, microseconds.
    pub cpu_us: f64,
    /// Time on the wall, seconds.
    pub wall_s: f64,
}

impl Stopwatch {
    /// For one process, from now on.
    pub fn start(process: u32) -> anyhow::Result<Self> {
        Ok(Self { cpu: CpuMeter::start(process)?, wall: Instant::now() })
    }

    /// For a process and its descendants, from now on.
    pub fn start_tree(root: u32) -> anyhow::Result<Self> {
        Ok(Self { cpu: CpuMeter::start_tree(root)?, wall: Instant::now() })
    }

    /// What was spent since the start.
    pub fn stop(self) -> anyhow::Result<Spent> {
        let wall_s = self.wall.elapsed().as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // far below 2^52
        let nanoseconds = self.cpu.nanoseconds()? as f64;
        Ok(Spent { cpu_us: nanoseconds / 1000.0, wall_s })
    }
}

/// What this machine's processors have done so far, in ticks of all of them.
#[derive(Debug, Clone, Copy)]
pub struct Processors {
    all: u64,
    stolen: u64,
}

impl Processors {
    /// As of now.
    pub fn now() -> anyhow::Result<Self> {
        Self::parse(&fs::read_to_string("/proc/stat")?)
    }

    fn parse(stat: &str) -> anyhow::Result<Self> {
        let line = stat.lines().next().context("/proc/stat is empty")?;
        let ticks: Vec<u64> = line.split_whitespace().skip(1).map(str::parse).collect::<Result<_, _>>()?;
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are counted in user already.
        let [counted @ .., stolen] = ticks.get(..8).context("/proc/stat has fewer columns than Linux writes")? else { bail!("no columns") };
        Ok(Self { all: counted.iter().sum::<u64>() + stolen, stolen: *stolen })
    }

    /// The share of all time since `before` that the machine's host has taken for others, 0 to 1.
    #[must_use]
    pub fn stolen_since(&self, before: &Self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // ticks
        let share = self.stolen.saturating_sub(before.stolen) as f64 / (self.all.saturating_sub(before.all)).max(1) as f64;
        share
    }
}

/// Processor, cores and kernel.
pub fn describe() -> anyhow::Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default().trim_start_matches([' ', '\t', ':']);
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!("{model}, {cores} cores, Linux {}", kernel.trim()))
}

/// A folder for the data of servers that are measured, gone with its value: in `data`, else beside the running program. It has
/// to be on a real disk, or durability costs nothing.
pub fn data_folder(data: Option<&Path>) -> anyhow::Result<TempDir> {
    Ok(match data {
        Some(folder) => {
            fs::create_dir_all(folder)?;
            tempfile::tempdir_in(folder)?
        }
        None => tempfile::tempdir_in(std::env::current_exe()?.parent().context("the program has a folder")?)?,
    })
}

/// An address of this machine that was free a moment ago, for programs that have to be told theirs.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Keeps this process to one core. To be called before a runtime starts, so that every later thread inherits it.
pub fn pin(core: usize) -> anyhow::Result<()> {
    let status = Command::new("taskset")
        .args(["-pc", &core.to_string(), &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status()
        .context("taskset (package util-linux)")?;
    if !status.success() {
        bail!("this machine has no core {core}: give --generator-core and --server-core");
    }
    Ok(())
}

/// Lets the calling thread, and those that it starts from now on, run only where nobody else wants to: whoever else is woken on its core goes
/// on at once, which being nice alone does not give.
pub fn give_way() -> anyhow::Result<()> {
    let thread = rustix::thread::gettid().as_raw_pid().to_string();
    let status = Command::new("chrt").args(["--idle", "--pid", "0", &thread]).status().context("chrt (package util-linux)")?;
    if !status.success() {
        bail!("the system does not let a thread give way to all others");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(threads: &[(u64, u64)], ticks: u64, children_ticks: u64) -> Account {
        Account { threads: threads.iter().copied().collect(), ticks, children_ticks }
    }

    #[test]
    fn threads_count_to_the_nanosecond() {
        let before = BTreeMap::from([(1, account(&[(1, 100), (2, 50)], 7, 0))]);
        let now = BTreeMap::from([(1, account(&[(1, 130), (2, 50), (3, 5)], 7, 0))]);
        assert_eq!(spent(&before, &now, true), 35);
    }

    #[test]
    fn a_thread_that_has_ended_makes_its_process_count_by_ticks() {
        let before = BTreeMap::from([(1, account(&[(1, 100), (2, 50)], 7, 0))]);
        let now = BTreeMap::from([(1, account(&[(1, 130)], 9, 0))]);
        assert_eq!(spent(&before, &now, true), 2 * TICK_NS);
    }

    #[test]
    fn descendants_count_whether_they_are_new_or_have_ended() {
        let before = BTreeMap::from([(1, account(&[(1, 100)], 7, 3)), (2, account(&[(2, 40)], 4, 0))]);
        // 2 has ended with 6 ticks in all, 4 of them before the start; 3 is new.
        let now = BTreeMap::from([(1, account(&[(1, 100)], 7, 9)), (3, account(&[(3, 11)], 0, 0))]);
        assert_eq!(spent(&before, &now, true), 11 + 2 * TICK_NS);
        assert_eq!(spent(&before, &now, false), 11);
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "12 (a) b) S 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17";
        assert_eq!(number_in_stat(stat, 1).unwrap(), 3);
        assert_eq!(number_in_stat(stat, 11).unwrap(), 13);
        assert!(number_in_stat(stat, 99).is_err());
    }

    #[test]
    fn what_the_host_takes_is_a_share_of_all_time() {
        let before = Processors::parse("cpu  10 0 10 70 5 0 5 0 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n").unwrap();
        let now = Processors::parse("cpu  40 0 10 120 5 0 5 20 9 9\n").unwrap();
        assert!((now.stolen_since(&before) - 0.2).abs() < 1e-9);
        assert!(Processors::parse("cpu  1 2 3\n").is_err());
        assert!((0.0..=1.0).contains(&Processors::now().unwrap().stolen_since(&Processors::now().unwrap())));
    }

    #[test]
    fn this_process_and_its_child_are_a_tree() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let found = tree(std::process::id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&child.id()));
        assert!(found.contains(&std::process::id()));
    }
}
