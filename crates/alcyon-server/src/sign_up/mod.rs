//! The way in for newcomers: straight through while there is room, else a fair line.
//!
//! While fewer come than the server takes, there is no line and no ticket. Otherwise one asks for a [`ticket`]: a MAC over
//! the time of arrival, the hash of the root key and the part of the network, which costs the server no memory and holds
//! after a restart. The [`line`] is one watermark; [`pace`] says how fast it moves; [`work`] makes asking dear when many
//! ask. What newcomers have to show besides, if anything, are [`proof`]s. Nothing of this knows who somebody is, and what is kept is a watermark with counts.

mod line;
mod pace;
pub mod proof;
mod proofs;
mod records;
#[cfg(test)]
mod tests;
mod ticket;
mod work;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alcyon_wire::AccountId;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::{
    line::{Held, Line, Standing},
    pace::Pace,
    proof::{
        code::Codes,
        senders::{Senders, SendersError},
    },
    records::LineRecord,
    work::Seen,
};
use crate::{
    Refusal, jitter,
    logs::{AddressBand, Logs, ServerClock},
    observe::Metrics,
    store::{Store, StoreError, Table},
};

#[cfg(test)]
pub(crate) use pace::Calm;
pub(crate) use pace::Pressure;
pub use proof::{Invite, InviteCode, Policy};
pub(crate) use proof::{InviteHash, InviteRecord, Proof, code::Way};
pub(crate) use proofs::{Asked, Given, GivenCode, NoCode, NotProven, Proven};
pub(crate) use ticket::{Key, Ticket};
pub(crate) use work::{Challenge, MOST_BITS, Price, Purpose};

/// Names of rows in [`Table::Own`].
const KEY_ROW: &str = "sign-up key";
const LINE_ROW: &str = "sign-up line";
/// So many tickets a second are asked for without work.
const CALM_ASKING: f64 = 50.0;
/// So many a second pay the least for the proof of work.
const CALM_WORK: f64 = 20.0;
/// Whoever stands far back asks again so seldom.
const ASK_AGAIN_MS: u64 = 10 * 60 * 1_000;

/// What the operator decides about newcomers.
#[derive(Debug, Clone, PartialEq)]
pub struct SignUpSettings {
    /// How many may sign up in a second. None: as many as there is room for.
    pub per_second: Option<f64>,
    /// A file with the secret behind tickets, for several processes to share. None: one of its own, in the store.
    pub key_file: Option<PathBuf>,
    /// What newcomers have to show.
    pub policy: Policy,
    /// Zero bits that the proof of work begins with while few come.
    pub work_bits: u8,
    /// A file that says who carries codes.
    pub senders: Option<PathBuf>,
    /// While none of them can, newcomers come in without one, and their accounts are marked. Otherwise they wait.
    pub excuses: bool,
}

impl Default for SignUpSettings {
    fn default() -> Self {
        Self { per_second: None, key_file: None, policy: Policy::default(), work_bits: 16, senders: None, excuses: false }
    }
}

/// What can't be read of [`SignUpSettings::key_file`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("it must hold 64 hexadecimal digits and nothing else")]
    Form,
}

/// The door and the line before it.
pub(crate) struct SignUps<S> {
    logs: Logs<S>,
    clock: Arc<dyn ServerClock>,
    pressure: Arc<dyn Pressure>,
    metrics: Arc<Metrics>,
    key: Key,
    policy: Policy,
    work_bits: u8,
    senders: Option<Senders>,
    excuses: bool,
    state: Mutex<State>,
}

struct State {
    line: Line,
    pace: Pace,
    price: Price,
    seen: Seen,
    work_price: Price,
    codes: Codes,
    /// As it stands in the store.
    kept: Option<LineRecord>,
}

/// Where somebody stands who asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Place {
    /// There is no line: come in.
    Open,
    /// There is one: ask for a ticket.
    Line,
    /// Do this first.
    Work { challenge: [u8; Challenge::BYTES], bits: u8 },
    /// In line.
    Waiting { standing: Standing, ask_again_ms: u64 },
    /// It is this ticket's turn.
    Ready,
}

/// Why somebody is not let in. All of them: later.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum NotNow {
    /// There is a line: ask for a ticket.
    Line { retry_after_ms: u64 },
    /// Not this ticket's turn yet.
    Waiting { standing: Standing, retry_after_ms: u64 },
}

/// Somebody was let in. Dropped before [`Entered::signed_up`], the place is free again.
pub(crate) struct Entered<'a, S> {
    sign_ups: &'a SignUps<S>,
    arrival_ms: Option<u64>,
    done: bool,
}

/// The line, as an operator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Queue {
    /// Tickets that wait for their turn.
    pub waiting: u64,
    /// How many of them will probably come.
    pub coming: u64,
    /// How long the last one waits, as far as can be known.
    pub wait_seconds: Option<u64>,
    /// How many come in a second. None: all who come.
    pub per_second: Option<f64>,
}

impl<S: Store> SignUps<S> {
    /// The line as it is now.
    pub fn queue(&self) -> Queue {
        let state = self.state();
        let (waiting, per_second) = (state.line.waiting(), state.pace.rate());
        let wait_seconds = per_second.filter(|_| waiting > 0).map(|rate| state.line.end(rate).wait_ms / 1_000);
        Queue { waiting, coming: state.line.coming(), wait_seconds, per_second }
    }

    /// Goes on with the line that was kept; makes the server's secret if it has none yet.
    pub async fn open(
        logs: Logs<S>,
        settings: &SignUpSettings,
        server_name: &str,
        clock: Arc<dyn ServerClock>,
        pressure: Arc<dyn Pressure>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, OpenError> {
        let key = match &settings.key_file {
            Some(path) => read_key(path).map_err(|error| OpenError::Key(path.clone(), error))?,
            None => own_secret(&logs, KEY_ROW).await?,
        };
        let now_ms = clock.now_ms();
        let kept = match logs.store().get(Table::Own, LINE_ROW.as_bytes())? {
            Some(row) => Some(LineRecord::decode(row).map_err(|_| StoreError::Corrupt { table: Table::Own.kind() })?),
            None => None,
        };
        let line = kept.clone().map_or_else(|| Line::empty(now_ms), |kept| Line::restore(kept.into(), now_ms));
        let senders = settings
            .senders
            .as_ref()
            .map(|path| Senders::read(path, server_name, clock.clone()).map_err(|error| OpenError::Senders(path.clone(), error)));
        let state = State {
            line,
            pace: Pace::new(settings.per_second, now_ms),
            price: Price::new(CALM_ASKING),
            seen: Seen::new(),
            work_price: Price::new(CALM_WORK),
            codes: Codes::default(),
            kept,
        };
        Ok(Self {
            logs,
            clock,
            pressure,
            metrics,
            key: Key::new(&key),
            policy: settings.policy.clone(),
            work_bits: settings.work_bits,
            senders: senders.transpose()?,
            excuses: settings.excuses,
            state: Mutex::new(state),
        })
    }

    /// Reads a ticket. None: it is not of this server's making.
    pub fn ticket(&self, bytes: &[u8]) -> Option<Ticket> {
        Ticket::open(&self.key, bytes)
    }

    /// How many wait, and where a ticket stands.
    pub fn look(&self, ticket: Option<&Ticket>) -> (u64, Place) {
        let state = self.state();
        let place = match ticket.and_then(|ticket| self.place(&state, ticket.arrival_ms)) {
            Some(place) => place,
            None if state.is_open() => Place::Open,
            None if ticket.is_some_and(|ticket| state.has_passed(ticket)) => Place::Ready,
            None => Place::Line,
        };
        (state.line.waiting(), place)
    }

    /// A ticket for an account, if one is needed and the work that it costs is done. An old one of the same account keeps its
    /// place and moves to this part of the network. `work` is a challenge of this server and a nonce.
    pub fn ask(
        &self,
        account: AccountId,
        band: AddressBand,
        work: Option<(&[u8], u64)>,
        old: Option<&Ticket>,
    ) -> (u64, Place, Option<[u8; Ticket::BYTES]>) {
        let now_ms = self.clock.now_ms();
        let proven = work.and_then(|(challenge, nonce)| {
            Challenge::check(&self.key, challenge, nonce, Purpose::TICKET, account.as_bytes(), band, now_ms)
        });
        let mut state = self.state();
        let old = old.filter(|old| old.account == account && !state.is_over(old.arrival_ms));
        if old.is_none() && state.is_open() {
            return (0, Place::Open, None);
        }
        if let Some(old) = old
            && old.band == band
        {
            let place = self.place(&state, old.arrival_ms).unwrap_or(Place::Ready);
            return (state.line.waiting(), place, Some(old.seal(&self.key)));
        }
        let floor = if old.is_some() { work::MOVE_BITS } else { 0 };
        let bits = state.price.bits(band, now_ms).max(floor);
        // A challenge stands for the price of its minute: who has begun to work is not told to begin anew.
        let worked = proven.is_some_and(|proven| proven >= floor);
        if !worked {
            state.price.asked(band, now_ms);
            if bits > 0 {
                let challenge = Challenge::new(now_ms, bits).seal(&self.key, Purpose::TICKET, account.as_bytes(), band);
                return (state.line.waiting(), Place::Work { challenge, bits }, None);
            }
        }
        let arrival_ms = match old {
            Some(old) => old.arrival_ms,
            None => {
                let is_new = state.seen.insert(&self.key.mac("alcyon seen v1", &[account.as_bytes()]));
                state.line.join(is_new)
            }
        };
        self.metrics.sign_up_tickets.increment(1);
        let ticket = Ticket { arrival_ms, band, account }.seal(&self.key);
        let place = match (old, state.pace.rate()) {
            // Behind everybody, whatever the count of its second says of where in it.
            (None, Some(rate)) => waiting(&state, state.line.end(rate)),
            _ => self.place(&state, arrival_ms).unwrap_or(Place::Ready),
        };
        (state.line.waiting(), place, Some(ticket))
    }

    /// Lets somebody in, or says why not. Costs a look at a number: no signature has been looked at yet.
    pub fn enter(&self, ticket: Option<&Ticket>, band: AddressBand) -> Result<Entered<'_, S>, NotNow> {
        // A ticket from elsewhere has to be moved here first.
        let arrival_ms = ticket.filter(|ticket| ticket.band == band).map(|ticket| ticket.arrival_ms);
        let mut state = self.state();
        let rate = state.pace.rate();
        match state.line.enter(arrival_ms, rate) {
            Ok(()) => {
                state.pace.came();
                Ok(Entered { sign_ups: self, arrival_ms, done: false })
            }
            Err(held) => {
                let coming = state.line.coming();
                drop(state);
                self.metrics.sign_ups_held.increment(1);
                Err(match held {
                    Held::NoTicket => NotNow::Line { retry_after_ms: jitter::between(1_000, 3_000) },
                    Held::Early(standing) => NotNow::Waiting { standing, retry_after_ms: ask_again(standing.wait_ms, coming) },
                    Held::Crowded { wait_ms } => NotNow::Waiting {
                        standing: Standing { place: 1, wait_ms },
                        retry_after_ms: jitter::between(wait_ms, wait_ms + line::CROWDED_MS * 4 / 5),
                    },
                })
            }
        }
    }

    /// Lets time pass, and keeps the line as it stands.
    pub async fn keep(&self) -> Result<(), Refusal> {
        let (record, waiting) = {
            let state = self.state();
            (LineRecord::from(&state.line.keep()), state.line.waiting())
        };
        #[allow(clippy::cast_precision_loss)] // people of any real line are exact
        self.metrics.sign_up_line.set(waiting as f64);
        let known = {
            let state = self.state();
            // While nobody waits the watermark is the clock: nothing to keep.
            let was_empty = state.kept.as_ref().is_none_or(|kept| kept.spans.is_empty());
            (record.spans.is_empty() && was_empty) || state.kept.as_ref() == Some(&record)
        };
        if !known {
            self.logs.keep_own(LINE_ROW, record.encode_to_vec().into()).await?;
            self.state().kept = Some(record);
        }
        Ok(())
    }

    fn place(&self, state: &State, arrival_ms: u64) -> Option<Place> {
        let standing = state.line.standing(arrival_ms, state.pace.rate())?;
        Some(waiting(state, standing))
    }

    /// The state as of now.
    fn state(&self) -> MutexGuard<'_, State> {
        let (now_ms, pressure) = (self.clock.now_ms(), self.pressure.level());
        // Numbers: there is nothing that a panic could leave half done.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = state.line.waiting() > 0;
        state.pace.advance(now_ms, pressure, waiting);
        let rate = state.pace.rate();
        state.line.advance(now_ms, rate);
        state
    }
}

impl State {
    fn is_open(&self) -> bool {
        self.pace.rate().is_none() || self.line.is_open()
    }

    fn is_over(&self, arrival_ms: u64) -> bool {
        arrival_ms.saturating_mul(1_000).saturating_add(line::TURN_HOLDS_US) < self.line.watermark_us()
    }

    fn has_passed(&self, ticket: &Ticket) -> bool {
        !self.is_over(ticket.arrival_ms) && ticket.arrival_ms.saturating_mul(1_000) < self.line.watermark_us()
    }
}

impl<S: Store> Entered<'_, S> {
    /// The account is there: the place is taken for good.
    pub fn signed_up(mut self) {
        self.done = true;
        self.sign_ups.metrics.sign_ups.increment(1);
    }
}

impl<S> Drop for Entered<'_, S> {
    fn drop(&mut self) {
        if !self.done {
            self.sign_ups.state.lock().unwrap_or_else(PoisonError::into_inner).line.leave(self.arrival_ms);
        }
    }
}

/// Why the line can't be gone on with. For the operator to mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("the shared secret can't be read: {1}")]
    Key(PathBuf, KeyError),
    #[error("who carries codes can't be read: {1}")]
    Senders(PathBuf, SendersError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{}", .0.message)]
    Write(Refusal),
}

fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let text = Zeroizing::new(std::fs::read_to_string(path)?);
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).map(Zeroizing::new).map_err(|_| KeyError::Form)?;
    bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| KeyError::Form)
}

/// A secret of the server's own that lies in its store under this name; made if there is none yet.
pub(crate) async fn own_secret<S: Store>(logs: &Logs<S>, row_name: &'static str) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    if let Some(row) = logs.store().get(Table::Own, row_name.as_bytes())? {
        return <[u8; 32]>::try_from(&*row).map(Zeroizing::new).map_err(|_| StoreError::Corrupt { table: Table::Own.kind() }.into());
    }
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(|error| StoreError::Io(std::io::Error::other(error)))?;
    logs.keep_own(row_name, bytes::Bytes::copy_from_slice(&*key)).await.map_err(OpenError::Write)?;
    Ok(key)
}

fn waiting(state: &State, standing: Standing) -> Place {
    Place::Waiting { standing, ask_again_ms: ask_again(standing.wait_ms, state.line.coming()) }
}

/// When to ask again: near the front when it is time, further back after a good part of the wait. All who wait ask a thousand
/// times a second together at the most, and each every ten minutes at the least.
fn ask_again(wait_ms: u64, coming: u64) -> u64 {
    if wait_ms <= 2_000 {
        return jitter::between(wait_ms, wait_ms + 250);
    }
    let seldom = coming.clamp(2_000, ASK_AGAIN_MS);
    jitter::between(wait_ms * 6 / 10, wait_ms * 9 / 10).min(jitter::between(seldom * 9 / 10, seldom))
}
