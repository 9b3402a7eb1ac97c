//! What a newcomer shows, checked by the door: before any signature is.

use std::time::Duration;

use alcyon_wire::AccountId;
use subtle::ConstantTimeEq as _;

use super::{
    SignUps,
    proof::{
        Invite, InviteCode, InviteHash, InviteRecord, Proof,
        code::{self, Address, Way},
        senders::NotSent,
    },
    work::{Challenge, Purpose},
};
use crate::{
    directory::{Directory, DirectoryError},
    logs::AddressBand,
    store::{RowKey, Store, StoreError, Table},
};

/// An excuse is good in its own hour and the next.
const EXCUSE_MS: u64 = 60 * 60_000;

/// What somebody shows.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub invite: Option<InviteCode>,
    /// Challenge and nonce.
    pub work: Option<(Vec<u8>, u64)>,
    pub email: Option<GivenCode>,
    pub phone: Option<GivenCode>,
}

/// A code that came, or the server's own word that it could send none.
#[derive(Debug)]
pub(crate) struct GivenCode {
    pub to: String,
    pub sent: Vec<u8>,
    pub code: Option<String>,
}

/// What was shown is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Proven {
    /// Used in the transaction that makes the account.
    pub invite: Option<InviteHash>,
    /// It came in on an excuse.
    pub unverified: bool,
}

/// What is shown is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotProven {
    /// Nothing, or not all of what any way asks for.
    Missing,
    /// This one is wrong.
    Wrong(Proof),
    /// The store could not be read.
    Later,
}

/// What became of asking for a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It is on its way: this comes back with it.
    Sent([u8; 32]),
    /// It is not, and need not be: this comes instead.
    Excused([u8; 32]),
}

/// Why no code goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoCode {
    /// No way in asks for such a code here.
    NotAsked,
    /// No address, or none that anybody carries to.
    BadAddress,
    /// Too many to there, or from here.
    TooMany { retry_after_ms: u64 },
    /// All senders are away.
    Down { retry_after_ms: u64 },
}

impl<S: Store> SignUps<S> {
    /// The ways in, for newcomers.
    pub fn ways(&self) -> Vec<Vec<&'static str>> {
        self.policy.ways().iter().map(|way| way.iter().map(|proof| proof.word()).collect()).collect()
    }

    /// Work for a sign-up, and its price.
    pub fn challenge(&self, account: AccountId, band: AddressBand) -> ([u8; Challenge::BYTES], u8) {
        let now_ms = self.clock.now_ms();
        let mut state = self.state();
        state.work_price.asked(band, now_ms);
        let bits = state.work_price.bits_from(self.work_bits, band, now_ms);
        (Challenge::new(now_ms, bits).seal(&self.key, Purpose::SIGN_UP, account.as_bytes(), band), bits)
    }

    /// Sends a code to an address.
    pub async fn send_code(&self, account: AccountId, band: AddressBand, way: Way, to: &str) -> Result<Asked, NoCode> {
        let (proof, senders) = (proof_of(way), self.senders.as_ref().filter(|senders| senders.has(way)));
        let Some(senders) = senders.filter(|_| self.policy.has(proof)) else { return Err(NoCode::NotAsked) };
        let to = Address::parse(way, to).ok_or(NoCode::BadAddress)?;
        let now_ms = self.clock.now_ms();
        self.state().codes.charge(&self.key, way, &to, band, now_ms).map_err(|retry_after_ms| NoCode::TooMany { retry_after_ms })?;
        match senders.send(way, &to, &code::code(&self.key, account, way, &to, now_ms)).await {
            Ok(()) => {
                self.metrics.codes_sent.increment(1);
                Ok(Asked::Sent(code::sent(&self.key, account, way, &to, now_ms)))
            }
            Err(NotSent::BadAddress) => Err(NoCode::BadAddress),
            Err(NotSent::AllDown { retry_after_ms }) => {
                self.metrics.codes_failed.increment(1);
                if self.excuses {
                    Ok(Asked::Excused(self.excuse(account, way, &to, now_ms / EXCUSE_MS)))
                } else {
                    Err(NoCode::Down { retry_after_ms })
                }
            }
        }
    }

    /// Whether what is shown is enough. Hashes and MACs; of the store one row at most.
    pub fn prove(&self, given: &Given, account: AccountId, band: AddressBand) -> Result<Proven, NotProven> {
        let now_ms = self.clock.now_ms();
        let mut proven = Proven::default();
        let (mut wrong, mut failed) = (None, false);
        let mut excused = Vec::new();
        let met = self.policy.met(|proof| {
            let held = match proof {
                Proof::Invite => given.invite.as_ref().map(|invite| {
                    self.invite_is_good(invite, now_ms).unwrap_or_else(|_| {
                        failed = true;
                        false
                    })
                }),
                Proof::Work => given.work.as_ref().map(|(challenge, nonce)| {
                    let done = Challenge::check(&self.key, challenge, *nonce, Purpose::SIGN_UP, account.as_bytes(), band, now_ms);
                    done.is_some_and(|bits| bits >= self.work_bits)
                }),
                Proof::Email | Proof::Phone => {
                    let (way, code) = if proof == Proof::Email { (Way::Email, &given.email) } else { (Way::Phone, &given.phone) };
                    code.as_ref().map(|code| self.code_is_good(code, account, way, now_ms, || excused.push(proof)))
                }
            };
            if held == Some(false) {
                wrong = wrong.or(Some(proof));
            }
            held.unwrap_or(false)
        });
        match met {
            Some(way) => {
                if way.contains(&Proof::Invite) {
                    proven.invite = given.invite.as_ref().map(InviteCode::hash);
                }
                proven.unverified = way.iter().any(|proof| excused.contains(proof));
                Ok(proven)
            }
            None if failed => Err(NotProven::Later),
            None => Err(wrong.map_or(NotProven::Missing, NotProven::Wrong)),
        }
    }

    fn code_is_good(&self, given: &GivenCode, account: AccountId, way: Way, now_ms: u64, excused: impl FnOnce()) -> bool {
        let GivenCode { to, sent, code } = given;
        let Some(to) = Address::parse(way, to) else { return false };
        if let Some(code) = code {
            return self.state().codes.check(&self.key, account, way, &to, sent, code, now_ms);
        }
        let hour = now_ms / EXCUSE_MS;
        let is_of = |hour: u64| bool::from(self.excuse(account, way, &to, hour).ct_eq(sent.as_slice()));
        let good = self.excuses && (is_of(hour) | hour.checked_sub(1).is_some_and(is_of));
        if good {
            excused();
        }
        good
    }

    fn excuse(&self, account: AccountId, way: Way, to: &Address, hour: u64) -> [u8; 32] {
        self.key.mac("alcyon excuse v1", &[account.as_bytes(), &[way as u8], &hour.to_be_bytes(), to.as_str().as_bytes()])
    }

    fn invite_is_good(&self, invite: &InviteCode, now_ms: u64) -> Result<bool, StoreError> {
        let Some(row) = self.logs.store().get(Table::Invites, &invite.hash().key())? else { return Ok(false) };
        let InviteRecord { left, expires_ms } = crate::logs::records::decode(Table::Invites, row)?;
        Ok(left > 0 && now_ms < expires_ms)
    }

    /// Makes an invite by which so many may come until its time is over, which is told with it, Unix milliseconds. The code is
    /// shown here and never again.
    pub async fn make_invite(&self, directory: &Directory<S>, people: u32, lasts: Duration) -> Result<(InviteCode, u64), DirectoryError> {
        let code = InviteCode::random();
        let lasts_ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        let expires_ms = self.clock.now_ms().saturating_add(lasts_ms);
        directory.put_invite(code.hash().key(), Some(InviteRecord { left: people, expires_ms })).await?;
        Ok((code, expires_ms))
    }

    /// All invites that are left, those that have run out among them.
    pub fn invites(&self) -> Result<Vec<Invite>, StoreError> {
        let rows = self.logs.store().range(Table::Invites, &[], &RowKey::after_prefix(&[0xFF]))?;
        rows.map(|row| {
            let (key, value) = row?;
            let InviteRecord { left, expires_ms } = crate::logs::records::decode(Table::Invites, value)?;
            Ok(Invite { id: InviteHash::id_of(&key), left, expires_ms })
        })
        .collect()
    }

    /// Takes an invite back, by its id. False: there is none.
    pub async fn take_back_invite(&self, directory: &Directory<S>, id: &str) -> Result<bool, DirectoryError> {
        let failed = |error: StoreError| crate::logs::engine::read_failed(&error);
        let keys: Vec<RowKey> = {
            let rows = self.logs.store().range(Table::Invites, &[], &RowKey::after_prefix(&[0xFF])).map_err(failed)?;
            rows.filter_map(|row| row.ok().map(|(key, _)| key)).filter(|key| InviteHash::id_of(key) == id).collect()
        };
        for key in &keys {
            directory.put_invite(*key, None).await?;
        }
        Ok(!keys.is_empty())
    }
}

fn proof_of(way: Way) -> Proof {
    match way {
        Way::Email => Proof::Email,
        Way::Phone => Proof::Phone,
    }
}
