//! Working for a server that asks for it, a little at a time.

use std::time::Duration;

use alcyon_wire::work;
use data_encoding::BASE64URL_NOPAD;

use crate::{Client, ClientError, Clock, Transport};

/// How work gets on that a server has asked for. It ends by luck: however much of it was done, as much again is to be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toil {
    /// Milliseconds so far.
    pub spent_ms: u64,
    /// Milliseconds that this device takes for such work on average.
    pub mean_ms: u64,
    /// Of a thousand that do the same work as quickly, so many are done by now; at most 999.
    pub permille: u32,
}

/// Hashes between two looks at everything else that this thread has to do.
const HASHES_A_TURN: u64 = 20_000;
/// More work than this no server may ask for: minutes on a small device.
const MOST_BITS: u32 = 28;
/// Milliseconds between two words of how it gets on, at the least.
const TOLD_EACH_MS: u64 = 250;

impl Toil {
    fn new(spent_ms: u64, tried: u64, bits: u32) -> Self {
        let expected = 1_u64 << bits;
        let thousandths = u32::try_from(tried.saturating_mul(1_000) / expected).unwrap_or(u32::MAX);
        let left = (-f64::from(thousandths) / 1_000.0).exp();
        // One of a thousand steps at least is left for whoever has no luck.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 0 and 999
        let permille = (1_000.0 - left * 1_000.0).min(999.0) as u32;
        Self { spent_ms, mean_ms: spent_ms.saturating_mul(expected) / tried.max(1), permille }
    }
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Finds the nonce for a challenge; tells how it gets on where that takes long enough to be told.
    pub(crate) async fn work(&self, challenge: &str, bits: u32, mut told: impl FnMut(Toil)) -> Result<u64, ClientError> {
        if bits > MOST_BITS {
            return Err(ClientError::Unbelievable("more work than anybody could do"));
        }
        let challenge =
            BASE64URL_NOPAD.decode(challenge.as_bytes()).map_err(|_| ClientError::Unbelievable("a challenge that is not base64url"))?;
        let began_ms = self.clock.now_ms();
        let (mut tried, mut told_ms) = (0, 0);
        loop {
            if let Some(nonce) = work::solve(&challenge, bits, tried, HASHES_A_TURN) {
                return Ok(nonce);
            }
            tried += HASHES_A_TURN;
            let spent_ms = self.clock.now_ms().saturating_sub(began_ms);
            if spent_ms >= told_ms + TOLD_EACH_MS {
                told_ms = spent_ms;
                told(Toil::new(spent_ms, tried, bits));
            }
            self.clock.sleep(Duration::ZERO).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_follows_luck() {
        // As much as is needed on average: 63 of 100 are done by then.
        assert_eq!(Toil::new(2_000, 1 << 20, 20), Toil { spent_ms: 2_000, mean_ms: 2_000, permille: 632 });
        assert_eq!(Toil::new(500, 1 << 18, 20), Toil { spent_ms: 500, mean_ms: 2_000, permille: 221 });
        // Nobody is ever told that it is done before it is.
        assert_eq!(Toil::new(60_000, 30 << 20, 20).permille, 999);
        assert_eq!(Toil::new(u64::MAX, u64::MAX, 28).permille, 999);
        assert_eq!(Toil::new(250, 20_000, 28).permille, 0);
    }
}
