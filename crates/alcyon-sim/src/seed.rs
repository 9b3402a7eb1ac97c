//! Seeds and numbers of runs from the environment, so that every random test can be replayed and stretched.

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// `ALCYON_SEED`, if a run is to be replayed.
#[must_use]
pub fn given() -> Option<u64> {
    std::env::var("ALCYON_SEED").ok().map(|text| text.parse().expect("ALCYON_SEED is a number"))
}

/// The seeds of a test that usually has `usual` runs: one if a seed is given, else as many as the variable says. They are
/// the same every time but for `ALCYON_FRESH_SEEDS=1`, so that a change, and not luck, makes a test fail.
#[must_use]
pub fn seeds(variable: &str, usual: u64) -> Vec<u64> {
    if let Some(seed) = given() {
        return vec![seed];
    }
    let base: u64 =
        if std::env::var("ALCYON_FRESH_SEEDS").is_ok_and(|value| value == "1") { rand::rng().random_range(1..1 << 40) } else { 1 };
    (base..base + rounds(variable, usual)).collect()
}

/// How often a test does what it does.
#[must_use]
pub fn rounds(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// A generator for a seed, and a line that says how to come back to it; tests print only when they fail.
#[must_use]
#[allow(clippy::print_stdout)] // the test runner keeps it for failures
pub fn generator(seed: u64) -> StdRng {
    println!("replay with ALCYON_SEED={seed}");
    StdRng::seed_from_u64(seed)
}
