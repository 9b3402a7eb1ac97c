//! Proof of work: a challenge that the server need not remember, bound to what it is for, a part of the network and a minute,
//! and a price that rises with how often it is asked for.

use std::collections::HashMap;

use subtle::ConstantTimeEq as _;

use super::ticket::Key;
use crate::logs::AddressBand;

const MINUTE_MS: u64 = 60_000;
/// A challenge is good in its own minute and in so many after it.
const MINUTES: u64 = 5;
/// The least that is asked when anything is: about 4,000 hashes, a few milliseconds.
const FIRST_BITS: u8 = 12;
/// The most: about four million hashes, seconds on a small device.
pub(crate) const MOST_BITS: u8 = 22;
/// What moving a ticket to another part of the network costs at the least.
pub(crate) const MOVE_BITS: u8 = 16;
/// From one band in a minute, before it becomes dearer there than elsewhere.
const BAND_CALM: u32 = 64;
/// Bands that are counted; more have the general price.
const BANDS: usize = 65_536;
/// Over which time the rate of asking is smoothed.
const SMOOTH_MS: f64 = 5_000.0;

/// What is to be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Challenge {
    minute: u32,
    /// Zero bits that the hash has to begin with.
    pub bits: u8,
}

/// What work is for: a challenge for one thing is no proof for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Purpose(pub &'static str);

impl Purpose {
    pub const TICKET: Self = Self("alcyon ticket challenge v1");
    pub const SIGN_UP: Self = Self("alcyon sign-up challenge v1");
    pub const PAYMENT: Self = Self("alcyon payment challenge v1");
}

impl Challenge {
    pub const BYTES: usize = 4 + 1 + 16;

    pub fn new(now_ms: u64, bits: u8) -> Self {
        Self { minute: u32::try_from(now_ms / MINUTE_MS).unwrap_or(u32::MAX), bits }
    }

    /// Minute, bits, MAC.
    pub fn seal(self, key: &Key, purpose: Purpose, subject: &[u8; 32], band: AddressBand) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.minute.to_be_bytes());
        bytes[4] = self.bits;
        let mac = mac(key, &bytes[..5], purpose, subject, band);
        bytes[5..].copy_from_slice(&mac);
        bytes
    }

    /// What was proven, if the challenge is this server's, for this subject and place, not too old, and the work is done.
    pub fn check(key: &Key, bytes: &[u8], nonce: u64, purpose: Purpose, subject: &[u8; 32], band: AddressBand, now_ms: u64) -> Option<u8> {
        let sealed: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let minute = u32::from_be_bytes(sealed[..4].try_into().ok()?);
        let bits = sealed[4];
        // One hash first; nothing that follows is done for those who have not worked.
        if alcyon_wire::work::zero_bits(sealed, nonce) < u32::from(bits) {
            return None;
        }
        let age = (now_ms / MINUTE_MS).checked_sub(u64::from(minute))?;
        let ours = bool::from(mac(key, &sealed[..5], purpose, subject, band).ct_eq(&sealed[5..]));
        (ours && age <= MINUTES).then_some(bits)
    }
}

fn mac(key: &Key, head: &[u8], purpose: Purpose, subject: &[u8; 32], band: AddressBand) -> [u8; 16] {
    let mac = key.mac(purpose.0, &[head, subject, &band.to_bytes()]);
    mac[..16].try_into().expect("32 bytes have 16")
}

/// How often something is asked for, in all and by part of the network; gives the price. Bounded, in memory.
#[derive(Debug)]
pub(crate) struct Price {
    /// So many a second are free.
    calm: f64,
    /// Smoothed.
    per_second: f64,
    at_ms: u64,
    minute: u64,
    bands: HashMap<AddressBand, u32>,
}

impl Price {
    pub fn new(calm: f64) -> Self {
        Self { calm, per_second: 0.0, at_ms: 0, minute: 0, bands: HashMap::new() }
    }

    /// One more asks.
    pub fn asked(&mut self, band: AddressBand, now_ms: u64) {
        self.decay(now_ms);
        self.per_second += 1_000.0 / SMOOTH_MS;
        if self.minute != now_ms / MINUTE_MS {
            self.minute = now_ms / MINUTE_MS;
            self.bands.clear();
        }
        if self.bands.len() < BANDS || self.bands.contains_key(&band) {
            let count = self.bands.entry(band).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Zero bits for the next one from there.
    pub fn bits(&mut self, band: AddressBand, now_ms: u64) -> u8 {
        self.decay(now_ms);
        let here = if self.minute == now_ms / MINUTE_MS { self.bands.get(&band).copied().unwrap_or(0) } else { 0 };
        bits(self.per_second / self.calm).max(bits(f64::from(here) / f64::from(BAND_CALM)))
    }

    /// The same for what is never free: `least` while calm, as much more as [`Self::bits`] is above its own least.
    pub fn bits_from(&mut self, least: u8, band: AddressBand, now_ms: u64) -> u8 {
        let more = self.bits(band, now_ms).saturating_sub(FIRST_BITS);
        least.saturating_add(more).min(least.max(MOST_BITS))
    }

    fn decay(&mut self, now_ms: u64) {
        #[allow(clippy::cast_precision_loss)] // milliseconds of any real span are exact
        let elapsed = now_ms.saturating_sub(self.at_ms) as f64;
        self.per_second *= (-elapsed / SMOOTH_MS).exp();
        self.at_ms = self.at_ms.max(now_ms);
    }
}

/// Nothing while calm; twice the work for twice the asking.
fn bits(times_calm: f64) -> u8 {
    if times_calm <= 1.0 {
        return 0;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a logarithm of what is over one
    let more = times_calm.log2().min(64.0) as u8;
    (FIRST_BITS + more).min(MOST_BITS)
}

/// Whom a ticket was counted for, roughly and in bounded memory: asking again does not make the line look longer.
pub(crate) struct Seen {
    now: Vec<u64>,
    before: Vec<u64>,
    count: usize,
}

impl Seen {
    const WORDS: usize = 1 << 15;
    /// Then the older half is forgotten.
    const FULL: usize = 150_000;

    pub fn new() -> Self {
        Self { now: vec![0; Self::WORDS], before: vec![0; Self::WORDS], count: 0 }
    }

    /// Whether it is new; from here on it is not. `mac` is a MAC over who asks, so that nobody can choose the places.
    pub fn insert(&mut self, mac: &[u8; 32]) -> bool {
        let places = || {
            mac.chunks_exact(8).map(|chunk| {
                let hash = u64::from_be_bytes(chunk.try_into().expect("chunks of eight"));
                let bit = usize::try_from(hash % (Self::WORDS as u64 * 64)).expect("small");
                (bit / 64, 1u64 << (bit % 64))
            })
        };
        let known = |words: &[u64]| places().all(|(word, bit)| words[word] & bit != 0);
        if known(&self.now) || known(&self.before) {
            return false;
        }
        if self.count >= Self::FULL {
            self.before = std::mem::replace(&mut self.now, vec![0; Self::WORDS]);
            self.count = 0;
        }
        places().for_each(|(word, bit)| self.now[word] |= bit);
        self.count += 1;
        true
    }
}
