//! What stamps cost in CPU time: `cargo run --release -p alcyon-stamps --example stamp_cost`. Linux only: the time is the kernel's
//! account of this process, so that what else runs on the machine is not counted.

use std::{error::Error, fs, hint::black_box, io::Write as _};

use alcyon_stamps::{Asked, Hidden, IssuerKey};
use alcyon_wire::{limits, token_challenge};

/// Batches that are measured.
const ROUNDS: usize = 200;

/// Nanoseconds that this process has been on a processor.
fn on_cpu_ns() -> Result<u64, Box<dyn Error>> {
    let account = fs::read_to_string("/proc/self/schedstat")?;
    Ok(account.split(' ').next().ok_or("no account")?.parse()?)
}

/// Microseconds of CPU that each of `count` calls takes.
fn cost(count: usize, mut call: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let before = on_cpu_ns()?;
    for _ in 0..count {
        call()?;
    }
    #[allow(clippy::cast_precision_loss)] // a few seconds
    Ok((on_cpu_ns()? - before) as f64 / 1_000.0 / count as f64)
}

fn main() -> Result<(), Box<dyn Error>> {
    let key = IssuerKey::derive(&[7; 32], b"cost")?;
    let (public, at) = (key.public_key(), token_challenge("sea.example"));
    let points = Asked::draw(&public, at)?.hidden();
    let stamp = {
        let asked = Asked::draw(&public, at)?;
        let issued = key.issue(&Hidden::parse(&asked.hidden())?)?;
        asked.finish(&issued)?.remove(0)
    };
    let mut forged = stamp.clone();
    forged.authenticator[0] ^= 1;
    let mut foreign = stamp.clone();
    foreign.key.0[0] ^= 1;
    let per_stamp = |batch: f64| batch / limits::STAMP_BATCH as f64;

    let draw = cost(ROUNDS, || {
        black_box(Asked::draw(&public, at)?);
        Ok(())
    })?;
    let issue = cost(ROUNDS, || {
        black_box(key.issue(&Hidden::parse(&points)?)?);
        Ok(())
    })?;
    let mut asked = Vec::new();
    for _ in 0..ROUNDS {
        let batch = Asked::draw(&public, at)?;
        let issued = key.issue(&Hidden::parse(&batch.hidden())?)?;
        asked.push((batch, issued));
    }
    let finish = cost(ROUNDS, || {
        let (batch, issued) = asked.pop().ok_or("as many as rounds")?;
        black_box(batch.finish(&issued)?);
        Ok(())
    })?;
    let verify = cost(ROUNDS * 10, || {
        black_box(key.is_genuine(&stamp, &at));
        Ok(())
    })?;
    let refuse = cost(ROUNDS * 10, || {
        black_box(key.is_genuine(&forged, &at));
        Ok(())
    })?;
    let other_key = cost(ROUNDS * 10, || {
        black_box(key.is_genuine(&foreign, &at));
        Ok(())
    })?;
    let rows = [
        ("a stamp drawn, at its holder's", per_stamp(draw)),
        ("issued, at the server's", per_stamp(issue)),
        ("finished and checked, at its holder's", per_stamp(finish)),
        ("verified, at the server's", verify),
        ("a forged one refused", refuse),
        ("one of another key refused", other_key),
    ];
    let mut out = std::io::stdout().lock();
    for (what, microseconds) in rows {
        writeln!(out, "{what}: {microseconds:.1} us")?;
    }
    Ok(())
}
