use std::fmt;

use alcyon_wire::AccountId;
use sha2::{Digest, Sha512};

/// Makes each guess at a matching key cost this many hashes.
const ROUNDS: usize = 5200;
const LABEL: &str = "alcyon safety number v1";

/// What two people compare to know that nobody sits between them: the same 60 digits on both screens. It depends on the
/// two root keys alone, so neither a new device nor a new server changes it.
#[derive(Clone, PartialEq, Eq)]
pub struct SafetyNumber {
    digits: String,
    qr_text: String,
}

impl SafetyNumber {
    /// Of two root public keys, in either order.
    #[must_use]
    pub fn of(root_a: &[u8; 32], root_b: &[u8; 32]) -> Self {
        let mut halves = [half(root_a), half(root_b)];
        halves.sort();
        let mut ids = [root_a, root_b].map(|root| AccountId::of_root(root).to_text());
        ids.sort();
        Self { digits: halves.concat(), qr_text: format!("alcyon:safety:v1:{}:{}", ids[0], ids[1]) }
    }

    /// The 60 digits without spaces.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// Twelve groups of five digits, as people read them to each other.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &str> + '_ {
        (0..12).map(|group| &self.digits[group * 5..group * 5 + 5])
    }

    /// What a QR code shows. It has the account ids in full, which says more than the digits.
    #[must_use]
    pub fn qr_text(&self) -> &str {
        &self.qr_text
    }

    /// Whether the text of a scanned QR code, or 60 typed digits, is this number.
    #[must_use]
    pub fn matches(&self, scanned: &str) -> bool {
        let scanned: String = scanned.split_whitespace().collect::<String>().to_ascii_lowercase();
        scanned == self.qr_text || scanned == self.digits
    }
}

impl fmt::Debug for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SafetyNumber(..)")
    }
}

/// 30 digits for one side: h(1) = SHA-512(label || root), h(n) = SHA-512(label || h(n-1) || root), and of the last hash
/// six numbers of 5 bytes, big-endian, modulo 100,000.
fn half(root: &[u8; 32]) -> String {
    let first = Sha512::new().chain_update(LABEL).chain_update(root).finalize();
    let hash = (1..ROUNDS).fold(first, |hash, _| Sha512::new().chain_update(LABEL).chain_update(hash).chain_update(root).finalize());
    hash.chunks_exact(5)
        .take(6)
        .map(|chunk| format!("{:05}", chunk.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte)) % 100_000))
        .collect()
}
