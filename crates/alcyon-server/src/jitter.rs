//! Times drawn at random, so that those who are sent away do not come back all at once.

/// A time between two, both among them.
pub(crate) fn between(from_ms: u64, to_ms: u64) -> u64 {
    let mut random = [0; 4];
    // Without randomness everybody gets the middle.
    let share = getrandom::fill(&mut random).map_or(u32::MAX / 2, |()| u32::from_ne_bytes(random));
    from_ms + (to_ms - from_ms).saturating_mul(u64::from(share)) / u64::from(u32::MAX)
}
