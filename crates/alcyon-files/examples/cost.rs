//! What sealing and opening cost: `cargo run --release -p alcyon-files --example cost` prints microseconds of CPU time a MiB. From
//! memory into nothing, so that no disk is measured.

use std::{error::Error, fs, io};

use alcyon_files::{Opener, Sealer};

const MEBIBYTES: u64 = 256;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let file = vec![0x5a; usize::try_from(MEBIBYTES << 20)?];
    let mut sealed = Vec::with_capacity(file.len() + file.len() / 64);
    let (mut sealing, mut opening) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        sealed.clear();
        let began = cpu_us()?;
        let reference = Sealer::new(file.len() as u64)?.seal(&mut file.as_slice(), &mut sealed)?;
        let halfway = cpu_us()?;
        Opener::new(&reference).open(&mut sealed.as_slice(), &mut io::sink())?;
        sealing.push((halfway - began) / MEBIBYTES);
        opening.push((cpu_us()? - halfway) / MEBIBYTES);
    }
    report("seal", sealing);
    report("open", opening);
    Ok(())
}

#[allow(clippy::print_stdout)] // printing is what it is for
fn report(what: &str, mut times: Vec<u64>) {
    times.sort_unstable();
    println!("{what}: {} us/MiB ({} to {})", times[ROUNDS / 2], times[0], times[ROUNDS - 1]);
}

/// Of this process, user and system, from Linux: microseconds this thread has run.
fn cpu_us() -> Result<u64, Box<dyn Error>> {
    let schedstat = fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: u64 = schedstat.split_whitespace().next().ok_or("schedstat is empty")?.parse()?;
    Ok(nanoseconds / 1000)
}
