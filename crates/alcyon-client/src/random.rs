//! Fresh ids and secrets from the system's randomness.

/// Random bytes for an id or a secret.
pub(crate) fn random<const N: usize, T: From<[u8; N]>>() -> T {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system's randomness never fails once the program runs");
    T::from(bytes)
}
