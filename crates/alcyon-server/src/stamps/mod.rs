//! Stamps: so that a server that is blind to who does what can still stop who does too much.
//!
//! A new log and a knock of a stranger cost one stamp. Accounts get so many a day; a stamp says nothing of whose it is, and
//! is good once. [`epoch`] says which key is whose time, [`allowance`] how many an account may have, [`spend`] keeps what is
//! spent, in the transaction of what it paid for. Who has no stamp of this server's, people of other servers and devices
//! that have no account yet, work instead, at a price that rises with how many do. Nothing that is kept leads from a stamp to an account.

mod allowance;
mod epoch;
mod spend;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alcyon_stamps::{Hidden, Issued, IssuerKey, Point};
use alcyon_wire::{Payment, RefusalCode, Stamp, StampKeyId, limits, token_challenge};
use zeroize::Zeroizing;

use self::epoch::{Epoch, Epochs};
use crate::{
    Refusal,
    logs::{AddressBand, Logs, ServerClock},
    observe::Metrics,
    sign_up::{Challenge, Key, OpenError, Price, Purpose, own_secret},
    store::{Store, Table},
};

pub(crate) use allowance::{Allowance, AllowanceRecord};
pub(crate) use spend::Paid;

/// Name of a row in [`Table::Own`].
const SEED_ROW: &str = "stamp seed";
/// So many a second pay the least for work instead of a stamp.
const CALM_WORK: f64 = 20.0;

/// What the operator decides about stamps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampSettings {
    /// New logs and knocks of strangers cost one.
    pub required: bool,
    /// For how many days a key is issued with; those of the one before are honoured as well.
    pub epoch_days: u32,
    /// How many an account gets a day.
    pub per_day: u32,
    /// How many it may have saved up, and has to begin with.
    pub saved: u32,
    /// Zero bits that work instead of a stamp begins with while few do it.
    pub work_bits: u8,
}

impl Default for StampSettings {
    fn default() -> Self {
        Self { required: true, epoch_days: 7, per_day: 64, saved: 256, work_bits: 18 }
    }
}

/// The issuer, and the till.
pub(crate) struct Stamps {
    settings: StampSettings,
    epochs: Epochs,
    seed: Zeroizing<[u8; 32]>,
    /// Behind challenges.
    key: Key,
    /// In all stamps of this server.
    challenge: [u8; 32],
    clock: Arc<dyn ServerClock>,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

struct State {
    /// Of the epochs that are honoured.
    keys: BTreeMap<Epoch, Arc<IssuerKey>>,
    price: Price,
}

/// What a client has to know to ask for stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Whether anything costs one here.
    pub required: bool,
    /// The key that is issued with now.
    pub key: Point,
    /// Until when it is, Unix milliseconds.
    pub issued_until_ms: u64,
    /// Until when its stamps are honoured.
    pub honoured_until_ms: u64,
}

/// Why no stamps are issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotIssued {
    /// Another key is issued with by now: ask for that.
    OtherKey,
    /// What was sent is no batch of hidden numbers.
    Malformed,
}

impl Stamps {
    /// Opens the till; makes the server's seed if it has none yet.
    pub async fn open<S: Store>(
        logs: &Logs<S>,
        settings: StampSettings,
        server_name: &str,
        clock: Arc<dyn ServerClock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, OpenError> {
        let seed = own_secret(logs, SEED_ROW).await?;
        let state = State { keys: BTreeMap::new(), price: Price::new(CALM_WORK) };
        Ok(Self {
            epochs: Epochs::new(settings.epoch_days),
            settings,
            key: Key::new(&seed),
            seed,
            challenge: token_challenge(server_name),
            clock,
            metrics,
            state: Mutex::new(state),
        })
    }

    /// How many stamps an account may have.
    pub fn allowance(&self) -> Allowance {
        Allowance { per_day: self.settings.per_day, saved: self.settings.saved }
    }

    /// What is on offer now.
    pub fn offer(&self) -> Result<Offer, Refusal> {
        let now = self.epochs.at(self.clock.now_ms());
        Ok(Offer {
            required: self.settings.required,
            key: self.key_of(now)?.public_key(),
            issued_until_ms: self.epochs.issued_until_ms(now),
            honoured_until_ms: self.epochs.honoured_until_ms(now),
        })
    }

    /// The key by which this batch can be issued. Changes nothing: what is asked for has yet to be taken from an allowance.
    pub fn ready(&self, key: StampKeyId, hidden: &[Point]) -> Result<Ready, NotIssued> {
        let now = self.epochs.at(self.clock.now_ms());
        let issuer = self.key_of(now).map_err(|_| NotIssued::OtherKey)?;
        if issuer.id() != key {
            return Err(NotIssued::OtherKey);
        }
        if hidden.len() != limits::STAMP_BATCH {
            return Err(NotIssued::Malformed);
        }
        let hidden = Hidden::parse(hidden).map_err(|_| NotIssued::Malformed)?;
        Ok(Ready { issuer, hidden })
    }

    /// Issues a batch that was taken off an allowance.
    pub fn issue(&self, ready: &Ready) -> Result<Issued, Refusal> {
        let Ready { issuer, hidden } = ready;
        let issued = issuer.issue(hidden).map_err(|_| Refusal::internal())?;
        self.metrics.stamps_issued.increment(limits::STAMP_BATCH as u64);
        Ok(issued)
    }

    /// Something to work on instead of a stamp, for that alone ([`Payment::for_log`], [`Payment::for_knock`]), and its price.
    pub fn challenge(&self, subject: &[u8; 32], band: AddressBand) -> ([u8; Challenge::BYTES], u8) {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        state.price.asked(band, now_ms);
        let bits = state.price.bits_from(self.settings.work_bits, band, now_ms);
        (Challenge::new(now_ms, bits).seal(&self.key, Purpose::PAYMENT, subject, anywhere()), bits)
    }

    /// Looks at what is shown for something. Whether a stamp is spent already the writer finds out, and what was done before
    /// is answered whatever is shown.
    pub fn check(&self, payment: Option<&Payment>, subject: &[u8; 32]) -> Paid {
        if !self.settings.required {
            return Paid::Free;
        }
        match payment {
            None => {
                let message = "this costs a stamp: an account here gets some, everybody else works (/v1/stamps)";
                Paid::Refused(Refusal::never(RefusalCode::StampNeeded, message))
            }
            Some(Payment::Stamp(stamp)) => match self.honoured(stamp) {
                Some(epoch) => {
                    self.metrics.paid_by_stamp.increment(1);
                    Paid::Stamp { table: Table::SpentStamps(self.epochs.last_day(epoch)), key: spend::key(stamp) }
                }
                None => Paid::Refused(Refusal::never(RefusalCode::StampUnknown, "this is no stamp of this server's, or not any more")),
            },
            Some(Payment::Work { challenge, nonce }) => {
                let now_ms = self.clock.now_ms();
                match Challenge::check(&self.key, challenge, *nonce, Purpose::PAYMENT, subject, anywhere(), now_ms) {
                    Some(bits) if bits >= self.settings.work_bits => {
                        self.metrics.paid_by_work.increment(1);
                        Paid::Free
                    }
                    _ => {
                        let message = "this is not the work that was asked for, or it is too old";
                        Paid::Refused(Refusal::never(RefusalCode::StampNeeded, message))
                    }
                }
            }
        }
    }

    /// The epoch of a genuine stamp that is honoured now.
    fn honoured(&self, stamp: &Stamp) -> Option<Epoch> {
        self.epochs.honoured(self.clock.now_ms()).find(|epoch| {
            // Another key's is told by its name, without any work.
            self.key_of(*epoch).is_ok_and(|key| key.is_genuine(stamp, &self.challenge))
        })
    }

    fn key_of(&self, epoch: Epoch) -> Result<Arc<IssuerKey>, Refusal> {
        let mut state = self.state();
        if let Some(key) = state.keys.get(&epoch) {
            return Ok(key.clone());
        }
        let key = IssuerKey::derive(&self.seed, &self.epochs.info(epoch)).map_err(|_| Refusal::internal())?;
        let key = Arc::new(key);
        state.keys.insert(epoch, key.clone());
        while state.keys.len() > Epochs::HONOURED + 1 {
            state.keys.pop_first();
        }
        Ok(key)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A price and a cache: there is nothing that a panic could leave half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A batch that can be issued, once it is paid for.
#[derive(Debug)]
pub(crate) struct Ready {
    issuer: Arc<IssuerKey>,
    hidden: Hidden,
}

/// A challenge that is asked for over HTTP is shown on a WebSocket, which may come from another part of the network.
fn anywhere() -> AddressBand {
    AddressBand::of(Ipv4Addr::UNSPECIFIED.into())
}
