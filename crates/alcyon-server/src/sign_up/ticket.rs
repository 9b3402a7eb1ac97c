//! Tickets: a place in the line that its holder carries. The server keeps nothing of them but its key.

use alcyon_wire::AccountId;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::logs::AddressBand;

const VERSION: u8 = 1;

/// The server's own secret behind tickets, challenges and codes. Processes that share it honour each other's.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

impl Key {
    pub fn new(bytes: &Zeroizing<[u8; 32]>) -> Self {
        Self(Hmac::new_from_slice(&**bytes).expect("HMAC takes keys of any length"))
    }

    /// A MAC over `parts`, whose lengths are fixed by `label`.
    pub fn mac(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(label.as_bytes());
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A place in the line: whose, since when, and from where it was asked for. One that exists has been verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// Unix milliseconds.
    pub arrival_ms: u64,
    pub band: AddressBand,
    /// The hash of the root key: only an account of that root comes in with it.
    pub account: AccountId,
}

impl Ticket {
    pub const BYTES: usize = 1 + 8 + 8 + 32 + 32;

    /// Version, arrival, band, account, MAC.
    pub fn seal(&self, key: &Key) -> [u8; Self::BYTES] {
        let mut bytes = [VERSION; Self::BYTES];
        bytes[1..9].copy_from_slice(&self.arrival_ms.to_be_bytes());
        bytes[9..17].copy_from_slice(&self.band.to_bytes());
        bytes[17..49].copy_from_slice(self.account.as_bytes());
        let mac = key.mac("alcyon ticket v1", &[&bytes[..49]]);
        bytes[49..].copy_from_slice(&mac);
        bytes
    }

    /// None: not made with this key.
    pub fn open(key: &Key, bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let (body, mac) = bytes.split_at(49);
        if bytes[0] != VERSION || !bool::from(key.mac("alcyon ticket v1", &[body]).ct_eq(mac)) {
            return None;
        }
        Some(Self {
            arrival_ms: u64::from_be_bytes(body[1..9].try_into().ok()?),
            band: AddressBand::from_bytes(body[9..17].try_into().ok()?),
            account: AccountId::from(<[u8; 32]>::try_from(&body[17..]).ok()?),
        })
    }
}
