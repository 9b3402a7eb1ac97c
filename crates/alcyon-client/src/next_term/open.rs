//! Opening the next term.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alcyon_identity::Manifest;
use alcyon_mls::{Created, Group, GroupRules, GroupState, JudgedKeyPackage, Payload, Role, TreeChunk, welcome_for};
use alcyon_store::{
    ConversationKind, ConversationRecord, NewOutboxItem, NewTerm, OutboxItem, OutboxKind, Standing, TermRecord, TermState, Tx,
};
use alcyon_wire::{
    AccountId, ConversationId, DropSecret, EntryId, JoinSecret, LogId, MessageId, Seat, SeatKey, SeatSecret, ServerUrl, payload_hash,
    proto::{self, client_frame::Body, knock_body},
};
use bytes::Bytes;
use futures::StreamExt;
use prost::Message;

use super::{ADDED, BEFORE, Proposed, TermReason, WELCOME_ROOM, leave_behind, may_open, newest_state, successor, tell, who_goes_along};
use crate::{
    ActOutcome, Client, ClientError, Clock, RefusalKind, Transport,
    content::Content,
    core::handshake_key,
    directory,
    group::queue_tree,
    invite::{invite_along, knock},
    link::{Ended, Link, Purpose},
    local::Local,
    offer::{Offer, OfferSeat},
    outbox::add,
    random::random,
    start::{Running, queue_pairs_tree},
};

/// How often a home is asked, and the longest wait in between.
const TRIES: usize = 4;
const TRY_AGAIN_MS: u64 = 5_000;
/// Homes that are asked for KeyPackages at a time.
const AT_ONCE: usize = 8;
/// A repair for which a server was missing is tried again; one that can't be made now, later.
const AGAIN_MS: u64 = 60_000;
const MUCH_LATER_MS: u64 = 60 * 60_000;
/// What a device adds to a Welcome that it shares, and to one of its own account: its seat in the state, its secrets.
const NAMED_BYTES: usize = 70;
const SECRETS_BYTES: usize = 1_400;

/// An account that goes along.
struct Along {
    manifest: Manifest,
    packages: Vec<JudgedKeyPackage>,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Moves a conversation to another server. Everybody in it goes along; what was said stays where it was and is read on.
    /// Of two people either may, in a group an admin ([`ClientError::NotAllowed`]). Works while the server it leaves is away.
    pub async fn move_to(&self, conversation: ConversationId, server: &ServerUrl) -> Result<ActOutcome, ClientError> {
        let here = self.core.store.transaction(|tx| {
            let unknown = || ClientError::Unknown { field: "conversation", what: conversation.to_text() };
            let record = tx.conversation(conversation)?.ok_or_else(unknown)?;
            match record.standing {
                Standing::Open => {}
                Standing::Left => return Err(ClientError::Left),
                Standing::Asked | Standing::Joining => return Err(ClientError::NotInYet),
            }
            if !may_open(tx, &record, self.core.local()?.account)? {
                return Err(ClientError::NotAllowed { rule: "only an admin moves a group".to_owned() });
            }
            tx.term_of(record.conversation)?.filter(|term| term.state == TermState::Live).ok_or(ClientError::NotInYet)
        })?;
        if here.server == *server {
            return Ok(ActOutcome::Done);
        }
        // Somebody has to be there.
        directory::server_info(&self.transport, server).await?;
        let reason = match self.run_or_follow(&Link { server: here.server.clone(), purpose: Purpose::Hub }).await {
            Ok(()) => TermReason::Moved,
            Err(Ended::Away { .. }) => TermReason::Lost,
            Err(Ended::Failed(error)) => return Err(error),
        };
        let last = self.open_next_term(here.conversation, server, reason).await?;
        self.settle(last, None).await
    }

    /// Makes the repairs that are due. Returns how many could not be made for want of a server.
    pub(crate) async fn run_next_terms(&self) -> Result<usize, ClientError> {
        let mut unreachable = 0;
        let now_ms = self.clock.now_ms();
        let heads = self.core.store.transaction(|tx| tx.outbox_heads(None))?;
        for item in heads.into_iter().filter(|item| item.kind == OutboxKind::NextTerm && item.not_before_ms <= now_ms) {
            let Some(_running) = Running::begin(&self.core.starting, item.number) else { continue };
            let again_ms = match self.repair(&item).await {
                Ok(()) => {
                    self.core.store.transaction(|tx| tx.remove_outbox(item.number))?;
                    self.core.work.poke();
                    continue;
                }
                Err(error @ (ClientError::Store(_) | ClientError::NoAccount)) => return Err(error),
                Err(ClientError::Transport(_) | ClientError::Refused { kind: RefusalKind::Later { .. }, .. }) => {
                    unreachable += 1;
                    AGAIN_MS
                }
                Err(error) => {
                    tracing::info!(code = error.code(), "a conversation could not be repaired");
                    MUCH_LATER_MS
                }
            };
            self.core.store.transaction(|tx| tx.delay_outbox(item.number, now_ms + again_ms))?;
        }
        Ok(unreachable)
    }

    /// KeyPackages of an account, asked for more than once: who has none comes in later than the others.
    async fn claim(&self, manifest: &Manifest) -> Result<Vec<JudgedKeyPackage>, ClientError> {
        let mut claimed = directory::key_packages_of(&self.transport, manifest).await;
        for _ in 1..TRIES {
            if !matches!(claimed, Err(ClientError::Transport(_))) {
                break;
            }
            self.clock.sleep(Duration::from_millis(u64::from_le_bytes(random()) % TRY_AGAIN_MS)).await;
            claimed = directory::key_packages_of(&self.transport, manifest).await;
        }
        claimed
    }

    async fn repair(&self, item: &OutboxItem) -> Result<(), ClientError> {
        let local = self.core.local()?;
        let Proposed { reason, log } = Proposed::decode(item.content.as_deref().unwrap_or_default()).unwrap_or_default();
        let (Some(conversation), Some(reason)) = (item.conversation, TermReason::from_number(reason)) else { return Ok(()) };
        let here = self.core.store.transaction(|tx| tx.term_of(conversation))?;
        // Somebody else was first, or it is over.
        let Some(here) = here.filter(|here| here.log.as_bytes().as_slice() == log && here.state != TermState::Joining) else {
            return Ok(());
        };
        // Not where it has just gone wrong, if there is a choice.
        let elsewhere = local.manifest.homes().iter().map(|home| &home.server).find(|server| **server != here.server);
        let server = elsewhere.unwrap_or(&local.server);
        self.open_next_term(conversation, server, reason).await.map(drop)
    }

    /// Gets KeyPackages of everybody who goes along, and puts all that follows into the outbox. Returns the number of an item
    /// that goes when the conversation has moved.
    async fn open_next_term(&self, conversation: ConversationId, server: &ServerUrl, reason: TermReason) -> Result<u64, ClientError> {
        let local = self.core.local()?;
        let (record, here, manifests) = self.core.store.transaction(|tx| going(tx, &local, conversation))?;
        let claims = futures::stream::iter(manifests).map(|manifest| async {
            let packages = self.claim(&manifest).await;
            (manifest, packages)
        });
        let mut claimed = Vec::new();
        for (manifest, packages) in claims.buffered(AT_ONCE).collect::<Vec<_>>().await {
            match packages {
                Ok(packages) => claimed.push(Along { manifest, packages }),
                // Nothing presses: a move can wait until everybody can come along.
                Err(error) if reason == TermReason::Moved => return Err(error),
                Err(error) => {
                    tracing::debug!(code = error.code(), "no KeyPackages could be got");
                    claimed.push(Along { manifest, packages: Vec::new() });
                }
            }
        }
        let peer_is_there = claimed.iter().any(|along| along.manifest.account() != local.account && !along.packages.is_empty());
        if record.kind == ConversationKind::Pair && !peer_is_there {
            return Err(ClientError::NoDevices(record.peer.map(|peer| peer.to_text()).unwrap_or_default()));
        }
        let now_ms = self.clock.now_ms();
        let opened = self.core.store.transaction(|tx| {
            // While others were asked, somebody else may have been first.
            if tx.term_of(record.conversation)?.is_none_or(|newest| newest.log != here.log) {
                return Err(ClientError::NotInYet);
            }
            let opening = Opening { local: &local, record: &record, here: &here, server, reason, now_ms };
            opening.begin(tx, claimed)
        })?;
        self.core.work.poke();
        Ok(opened)
    }
}

/// Whose KeyPackages are needed: everybody's who goes along, the own other devices' too.
fn going(tx: &Tx<'_>, local: &Local, conversation: ConversationId) -> Result<(ConversationRecord, TermRecord, Vec<Manifest>), ClientError> {
    let record = tx.conversation(conversation)?.ok_or(ClientError::Left)?;
    let here = tx.term_of(record.conversation)?.ok_or(ClientError::NotInYet)?;
    let accounts = match record.kind {
        ConversationKind::Pair => record.peer.into_iter().collect(),
        ConversationKind::Group | ConversationKind::Own => {
            let state = newest_state(tx, record.conversation, u32::MAX)?.ok_or(ClientError::NotInYet)?;
            who_goes_along(tx, &here, &state)?
        }
    };
    let mut manifests = Vec::new();
    for account in accounts.into_iter().filter(|account| *account != local.account) {
        if let Some(contact) = tx.contact(account)? {
            manifests.push(Manifest::decode(&contact.manifest)?);
        }
    }
    if local.manifest.devices().count() > 1 {
        manifests.push(local.manifest.clone());
    }
    Ok((record, here, manifests))
}

/// A term about to be opened.
struct Opening<'a> {
    local: &'a Local,
    record: &'a ConversationRecord,
    here: &'a TermRecord,
    server: &'a ServerUrl,
    reason: TermReason,
    now_ms: u64,
}

impl Opening<'_> {
    fn begin(&self, tx: &Tx<'_>, claimed: Vec<Along>) -> Result<u64, ClientError> {
        let Self { local, record, here, server, reason, now_ms } = *self;
        let state = match record.kind {
            ConversationKind::Pair => None,
            ConversationKind::Group | ConversationKind::Own => {
                Some(newest_state(tx, record.conversation, u32::MAX)?.ok_or(ClientError::NotInYet)?)
            }
        };
        let (along, others) = choose(local, state.as_ref(), claimed);
        let offered: Vec<_> = along.iter().map(|along| (along.manifest.account(), seats_for(along))).collect();
        let log = random();
        let new = NewTerm {
            log,
            conversation: record.conversation,
            term: here.term + 1,
            server: server.clone(),
            seat: random::<32, SeatSecret>(),
            drop_secret: local.drop_secret(log),
            join_secret: random::<32, JoinSecret>(),
        };
        let (Created { group, welcome, stored }, next) = make_group(tx, local, &new, state.as_ref(), &along, &offered)?;
        let seats = first_seats(&new, local, next.as_ref(), &offered);
        let term = TermRecord { reason: reason as u32, ..TermRecord::begun(new, group.id().as_bytes()) };
        tx.put_term(&term)?;
        add(
            tx,
            OutboxKind::Create,
            &term,
            random(),
            None,
            Some(Body::Create(proto::Create { log: term.log.to_field(), seats, payment: None })),
        )?;
        let last_part = queue_first_tree(tx, &term, &stored.tree)?;
        match record.kind {
            ConversationKind::Group | ConversationKind::Own => queue_tree(tx, &term)?,
            ConversationKind::Pair => queue_pairs_tree(tx, &term, &stored)?,
        }
        let before: Vec<LogId> = tx.terms_of(term.conversation)?.iter().skip(1).take(BEFORE).map(|before| before.log).collect();
        let mut last = last_part;
        for (along, (_, seats)) in along.iter().zip(offered) {
            let welcome = welcome.as_deref().ok_or(ClientError::Unbelievable("a group of nobody"))?;
            let offer = Offer {
                conversation: term.conversation,
                term: term.term,
                log: term.log,
                server: term.server.clone(),
                join_secret: term.join_secret.clone(),
                welcome: welcome_for(welcome, &along.packages)?,
                seats,
                introduction: String::new(),
                introduction_id: None,
                reason: reason as u32,
                before: before.clone(),
            };
            let body = knock_body::Body::Offer(offer.to_field());
            last = knock(tx, local, &along.manifest, body, term.conversation, last_part, now_ms)?;
        }
        if let Some(state) = state.filter(|_| !others.is_empty()) {
            invite_along(tx, &term, &state, &before, &others, now_ms)?;
        }
        tell(tx, local, &term, local.account, now_ms)?;
        leave_behind(tx, here, &term, reason, now_ms)?;
        if reason == TermReason::Moved {
            last = self.queue_last_entry(tx, &term, last_part)?;
        }
        Ok(last)
    }

    /// The last entry of the term before, once the next one can be read.
    fn queue_last_entry(&self, tx: &Tx<'_>, next: &TermRecord, after: u64) -> Result<u64, ClientError> {
        let id: MessageId = random();
        let draft = Content::draft(id, self.now_ms, proto::content::Body::Successor(successor(next)));
        Ok(tx.add_outbox(&NewOutboxItem {
            kind: OutboxKind::Close,
            conversation: Some(self.here.conversation),
            server: &self.here.server,
            log: self.here.log,
            entry_id: id.into(),
            after,
            content: Some(&draft),
            frame: None,
        })?)
    }
}

/// Who is added at once, and whose devices have to come in by a door: those without a KeyPackage, and those beyond what a
/// Welcome holds.
fn choose(local: &Local, state: Option<&GroupState>, claimed: Vec<Along>) -> (Vec<Along>, Vec<Manifest>) {
    let (mut along, mut others) = (Vec::new(), Vec::new());
    let state_bytes = state.map_or(0, |state| state.encode().len());
    let mut devices = 0;
    for Along { manifest, mut packages } in claimed {
        packages.retain(|package| package.chain().device() != local.device.id() && (state.is_none() || package.fits_groups()));
        let bytes = state_bytes + (devices + packages.len()) * NAMED_BYTES + packages.len() * SECRETS_BYTES;
        if packages.is_empty() || devices + packages.len() > ADDED || bytes > WELCOME_ROOM {
            if manifest.account() != local.account {
                others.push(manifest);
            }
            continue;
        }
        devices += packages.len();
        along.push(Along { manifest, packages });
    }
    (along, others)
}

fn seats_for(along: &Along) -> Vec<OfferSeat> {
    let drop_secret: DropSecret = random();
    let device = |package: &JudgedKeyPackage| package.chain().device();
    along.packages.iter().map(|package| OfferSeat { device: device(package), secret: random(), drop_secret: drop_secret.clone() }).collect()
}

type Offered = (AccountId, Vec<OfferSeat>);

fn make_group(
    tx: &Tx<'_>,
    local: &Local,
    new: &NewTerm,
    state: Option<&GroupState>,
    along: &[Along],
    offered: &[Offered],
) -> Result<(Created, Option<GroupState>), ClientError> {
    let packages: Vec<_> = along.iter().flat_map(|along| along.packages.iter().cloned()).collect();
    let own = new.seat.seat_id(new.log);
    let Some(state) = state else {
        let rules = GroupRules::pair(new.conversation, new.term, new.log);
        return Ok((Group::create(tx, &local.mls()?, &rules, own, &packages)?, None));
    };
    let seats = offered.iter().flat_map(|(_, seats)| seats);
    let named: BTreeMap<_, _> = seats.map(|seat| (seat.device, seat.secret.seat_id(new.log))).collect();
    let accounts: BTreeSet<_> = offered.iter().map(|(account, _)| *account).chain([local.account]).collect();
    let next = state.next_term(named, |account| accounts.contains(&account));
    let rules = GroupRules::group(new.conversation, new.term, new.log);
    Ok((Group::create_next(tx, &local.mls()?, &rules, own, &packages, &next)?, Some(next)))
}

/// Everybody's seat, with the rights that go with what they are.
fn first_seats(new: &NewTerm, local: &Local, state: Option<&GroupState>, offered: &[Offered]) -> Vec<proto::Seat> {
    let rights = |account: AccountId| match state {
        None => (true, false),
        Some(state) => state.rights_at_log(state.accounts.get(&account).map_or(Role::Member, |known| known.role)),
    };
    let seat = |account, secret: &SeatSecret, drop_secret: &DropSecret| {
        let (keep, invite) = rights(account);
        Seat { id: secret.seat_id(new.log), drop_hash: drop_secret.hash(new.log), keep, invite }.to_field()
    };
    let others = offered.iter().flat_map(|(account, seats)| seats.iter().map(|offered| (*account, offered)));
    std::iter::once(seat(local.account, &new.seat, &new.drop_secret))
        .chain(others.map(|(account, OfferSeat { device: _, secret, drop_secret })| seat(account, secret, drop_secret)))
        .collect()
}

/// The tree that the Welcomes lead into goes into the log itself, before anything else. The number of its last part.
fn queue_first_tree(tx: &Tx<'_>, term: &TermRecord, tree: &[u8]) -> Result<u64, ClientError> {
    let sealed = handshake_key(term)?.seal_tree(tree, 0)?;
    let chunks = u32::try_from(sealed.len()).map_err(|_| ClientError::Unbelievable("a tree of too many chunks"))?;
    let mut last = 0;
    for (chunk, sealed) in (0..).zip(sealed) {
        let entry_id: EntryId = random();
        let payload: Bytes = Payload::Tree(TreeChunk { chunk, chunks, sealed }).encode().into();
        tx.put_own_entry(term.log, entry_id, &payload_hash(&payload))?;
        let seat = Some(SeatKey { log: term.log, secret: term.seat.clone() }.to_field());
        let frame = Body::Append(proto::Append { seat, entry_id: entry_id.to_field(), payload, commit_count: 0 });
        last = add(tx, OutboxKind::Append, term, entry_id, None, Some(frame))?;
    }
    Ok(last)
}
