//! Codes of six digits, sent to an address that a newcomer names. Nothing is kept for one: it is a MAC over whose it is,
//! where it goes and when, made anew to compare. What limits trying and sending are counts in memory, under MACs.

use std::collections::HashMap;

use alcyon_wire::AccountId;
use subtle::ConstantTimeEq as _;

use crate::{
    logs::{AddressBand, Bucket, Rate},
    sign_up::ticket::Key,
};

/// A code is made for a span of this length and good in it and the one after: 10 to 20 minutes.
const SPAN_MS: u64 = 10 * 60_000;
/// Tries at a code.
const TRIES: u32 = 5;
/// Codes sent to one address, and asked for from one part of the network.
const PER_ADDRESS: Rate = Rate { burst: 3.0, per_second: 1.0 / 600.0 };
const PER_BAND: Rate = Rate { burst: 20.0, per_second: 1.0 / 60.0 };
/// Addresses, bands and tries that are counted at once; more have to wait.
const COUNTED: usize = 100_000;
/// The longest address: that of an e-mail.
pub(crate) const ADDRESS: usize = 254;

/// How a code travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    Email = 1,
    Phone = 2,
}

/// An address as it is written, in one form; what is none is not taken.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(String);

impl Address {
    /// Checks the form. It says nothing of whether anybody reads there.
    pub fn parse(way: Way, text: &str) -> Option<Self> {
        let text = text.trim();
        match way {
            Way::Email => {
                let (local, host) = text.rsplit_once('@')?;
                let plain = |character: u8| character.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&character);
                let local_fits = (1..=64).contains(&local.len()) && local.bytes().all(plain);
                let label =
                    |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                let host_fits = host.contains('.') && host.split('.').all(label);
                // What differs in case alone goes to one box nearly everywhere; counted as one it is everywhere.
                (text.len() <= ADDRESS && local_fits && host_fits).then(|| Self(text.to_ascii_lowercase()))
            }
            Way::Phone => {
                let digits: String = text.chars().filter(|character| !matches!(character, ' ' | '-' | '(' | ')' | '.')).collect();
                let number = digits.strip_prefix('+')?;
                let fits = (7..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
                (fits && !number.starts_with('0')).then_some(Self(digits))
            }
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Address(..)")
    }
}

/// What is counted, in memory alone.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    addresses: HashMap<u64, Bucket>,
    bands: HashMap<AddressBand, Bucket>,
    /// The span of the code, and how often it was guessed wrong.
    tries: HashMap<u64, (u64, u32)>,
    span: u64,
}

impl Codes {
    /// Whether a code may be sent now; if not, when.
    pub fn charge(&mut self, key: &Key, way: Way, to: &Address, band: AddressBand, now_ms: u64) -> Result<(), u64> {
        self.forget(now_ms);
        if self.addresses.len() >= COUNTED || self.bands.len() >= COUNTED {
            return Err(SPAN_MS);
        }
        let place = short(&key.mac("alcyon code address v1", &[&[way as u8], to.as_str().as_bytes()]));
        let here = self.bands.entry(band).or_insert_with(|| Bucket::full(PER_BAND, now_ms));
        let there = self.addresses.entry(place).or_insert_with(|| Bucket::full(PER_ADDRESS, now_ms));
        here.check(PER_BAND, now_ms, 1.0, 0.0)?;
        there.check(PER_ADDRESS, now_ms, 1.0, 0.0)?;
        here.take(1.0);
        there.take(1.0);
        Ok(())
    }

    /// Whether this is the code that was sent. Wrong ones are counted; after five none is right any more. `sent` is [`sent`]'s word
    /// that one was: otherwise it could be guessed at for any number of accounts, without one ever being sent.
    #[allow(clippy::too_many_arguments)] // whose, where, what and when: all of it is compared
    pub fn check(&mut self, key: &Key, account: AccountId, way: Way, to: &Address, sent: &[u8], code: &str, now_ms: u64) -> bool {
        self.forget(now_ms);
        let now = now_ms / SPAN_MS;
        let is_of = |span: &u64| bool::from(mac(key, SENT, account, way, to, *span).ct_eq(sent));
        let Some(span) = [Some(now), now.checked_sub(1)].into_iter().flatten().find(is_of) else { return false };
        let place = short(&mac(key, "alcyon code tries v1", account, way, to, span));
        let (_, tries) = self.tries.get(&place).copied().unwrap_or((span, 0));
        if tries >= TRIES || (tries == 0 && self.tries.len() >= COUNTED) {
            return false;
        }
        let right = bool::from(code_of(key, account, way, to, span).as_bytes().ct_eq(code.trim().as_bytes()));
        if !right {
            self.tries.insert(place, (span, tries + 1));
        }
        right
    }

    fn forget(&mut self, now_ms: u64) {
        let span = now_ms / SPAN_MS;
        if span != self.span {
            self.span = span;
            self.tries.retain(|_, (of, _)| *of + 1 >= span);
            self.addresses.retain(|_, bucket| bucket.check(PER_ADDRESS, now_ms, PER_ADDRESS.burst, 0.0).is_err());
            self.bands.retain(|_, bucket| bucket.check(PER_BAND, now_ms, PER_BAND.burst, 0.0).is_err());
        }
    }
}

/// Label of [`sent`].
const SENT: &str = "alcyon code sent v1";

/// The server's word that a code goes out now, for the newcomer to bring back with the code.
pub(crate) fn sent(key: &Key, account: AccountId, way: Way, to: &Address, now_ms: u64) -> [u8; 32] {
    mac(key, SENT, account, way, to, now_ms / SPAN_MS)
}

/// The code that goes out now.
pub(crate) fn code(key: &Key, account: AccountId, way: Way, to: &Address, now_ms: u64) -> String {
    code_of(key, account, way, to, now_ms / SPAN_MS)
}

fn code_of(key: &Key, account: AccountId, way: Way, to: &Address, span: u64) -> String {
    let number = short(&mac(key, "alcyon code v1", account, way, to, span)) % 1_000_000;
    format!("{number:06}")
}

fn mac(key: &Key, label: &str, account: AccountId, way: Way, to: &Address, span: u64) -> [u8; 32] {
    key.mac(label, &[account.as_bytes(), &[way as u8], &span.to_be_bytes(), to.as_str().as_bytes()])
}

fn short(mac: &[u8; 32]) -> u64 {
    u64::from_be_bytes(mac[..8].try_into().expect("32 bytes have 8"))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    const NOW_MS: u64 = 1_700_000_400_000;

    fn key() -> Key {
        Key::new(&Zeroizing::new([1; 32]))
    }

    fn band(n: u8) -> AddressBand {
        AddressBand::of(std::net::Ipv4Addr::new(10, 0, n, 1).into())
    }

    fn ann() -> Address {
        Address::parse(Way::Email, "ann@sea.example").unwrap()
    }

    #[test]
    fn addresses_have_one_form() {
        assert_eq!(Address::parse(Way::Email, " Ann@Sea.Example ").unwrap().as_str(), "ann@sea.example");
        assert_eq!(Address::parse(Way::Phone, "+49 (170) 123-4567").unwrap().as_str(), "+491701234567");
        for wrong in
            ["", "ann", "@sea.example", "ann@sea", "a b@sea.example", "ann@sea..example", "ann\r\nto:x@sea.example", "ann@[::1]", "<a>@b.c"]
        {
            assert_eq!(Address::parse(Way::Email, wrong), None, "{wrong:?}");
        }
        for wrong in ["", "0170123456", "+0170123456", "+12345", "+1234567890123456", "+49170x23456"] {
            assert_eq!(Address::parse(Way::Phone, wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_code_is_good_for_its_account_address_and_time() {
        let (account, other) = (AccountId::of_root(&[1; 32]), AccountId::of_root(&[2; 32]));
        let code = code(&key(), account, Way::Email, &ann(), NOW_MS);
        let sent = sent(&key(), account, Way::Email, &ann(), NOW_MS);
        assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()));
        let mut codes = Codes::default();
        assert!(codes.check(&key(), account, Way::Email, &ann(), &sent, &code, NOW_MS));
        assert!(codes.check(&key(), account, Way::Email, &ann(), &sent, &format!(" {code}\n"), NOW_MS + 10 * 60_000), "ten minutes later");
        assert!(!codes.check(&key(), account, Way::Email, &ann(), &sent, &code, NOW_MS + 20 * 60_000));
        assert!(!codes.check(&key(), other, Way::Email, &ann(), &sent, &code, NOW_MS));
        assert!(!codes.check(&key(), account, Way::Phone, &ann(), &sent, &code, NOW_MS));
        assert!(!codes.check(&key(), account, Way::Email, &ann(), &[0; 32], &code, NOW_MS), "none was sent");
    }

    #[test]
    fn five_wrong_tries_are_all_there_are() {
        let account = AccountId::of_root(&[1; 32]);
        let right = code(&key(), account, Way::Email, &ann(), NOW_MS);
        let sent = sent(&key(), account, Way::Email, &ann(), NOW_MS);
        let wrong = if right == "000000" { "000001" } else { "000000" };
        let mut codes = Codes::default();
        for _ in 0..4 {
            assert!(!codes.check(&key(), account, Way::Email, &ann(), &sent, wrong, NOW_MS));
        }
        assert!(codes.check(&key(), account, Way::Email, &ann(), &sent, &right, NOW_MS));
        assert!(!codes.check(&key(), account, Way::Email, &ann(), &sent, wrong, NOW_MS));
        assert!(!codes.check(&key(), account, Way::Email, &ann(), &sent, &right, NOW_MS), "guessed at five times");
    }

    #[test]
    fn neither_an_address_nor_a_part_of_the_network_can_be_flooded() {
        let mut codes = Codes::default();
        for _ in 0..3 {
            codes.charge(&key(), Way::Email, &ann(), band(1), NOW_MS).unwrap();
        }
        assert!(codes.charge(&key(), Way::Email, &ann(), band(2), NOW_MS).unwrap_err() >= 300_000);
        for n in 0..17 {
            let to = Address::parse(Way::Email, &format!("person{n}@sea.example")).unwrap();
            codes.charge(&key(), Way::Email, &to, band(1), NOW_MS).unwrap();
        }
        let to = Address::parse(Way::Email, "ben@sea.example").unwrap();
        assert!(codes.charge(&key(), Way::Email, &to, band(1), NOW_MS).is_err());
        codes.charge(&key(), Way::Email, &to, band(3), NOW_MS).unwrap();
    }
}
