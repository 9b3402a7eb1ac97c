//! Proof of work, for both ends: a number that makes a hash begin with many zero bits.

use sha2::{Digest, Sha256};

/// Zero bits at the beginning of SHA-256(`alcyon work v1` || challenge || nonce, big-endian).
#[must_use]
pub fn zero_bits(challenge: &[u8], nonce: u64) -> u32 {
    let hash = Sha256::new().chain_update("alcyon work v1").chain_update(challenge).chain_update(nonce.to_be_bytes()).finalize();
    let mut bits = 0;
    for byte in hash {
        bits += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    bits
}

/// Looks for a nonce among `tries` from `first` on. About 2 to the power of `bits` have to be tried.
#[must_use]
pub fn solve(challenge: &[u8], bits: u32, first: u64, tries: u64) -> Option<u64> {
    (first..first.saturating_add(tries)).find(|nonce| zero_bits(challenge, *nonce) >= bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_has_the_bits_and_is_bound_to_the_challenge() {
        let nonce = solve(b"a challenge", 12, 0, 1 << 20).expect("one in 4096");
        assert!(zero_bits(b"a challenge", nonce) >= 12);
        assert_eq!(solve(b"a challenge", 12, 0, nonce), None, "the first one was found");
        assert!(zero_bits(b"another challenge", nonce) < 12);
        // A vector, so that other clients can be held against it.
        assert_eq!((nonce, zero_bits(b"a challenge", 0)), (2373, 1));
    }
}
