//! Knocks at the own inbox: opened, checked, and shown as requests.

use alcyon_identity::{Chain, Manifest, verify_device};
use alcyon_store::{ChainLink, OutboxKind, RequestKind, RequestRecord, RequestState, Standing, TermState, Tx};
use alcyon_wire::{ConversationId, DoorId, EntryKind, Handle, HeaderFacts, LogId, PayloadHash, RunningHash, limits, payload_hash, proto};
use prost::Message;

use crate::{
    AlarmKind, ClientError, Event,
    contacts::remember_manifest,
    core::{Core, raise},
    entry::Step,
    invite::InviteOffer,
    local::Local,
    offer::{Offer, accept_offer, move_towards},
};

impl Core {
    /// Processes a page of the inbox in order.
    pub(crate) fn process_inbox(&self, page: &proto::Entries, now_ms: u64) -> Result<(LogId, Step), ClientError> {
        let local = self.local()?;
        let proto::Entries { log, gap, entries, head: _, running_hash } = page;
        let log = LogId::parse(log, "entries.log")?;
        let mut step = Step::default();
        if log != local.inbox.log {
            return Err(ClientError::Unbelievable("entries of a log that was not asked for"));
        }
        if let Some(proto::Gap { first: _, last, running_hash, commit_count: _ }) = gap {
            let hash = RunningHash::parse(running_hash, "gap.running_hash")?;
            self.store.transaction(|tx| tx.set_inbox_cursor(*last, &hash))?;
        }
        for entry in entries {
            let one = self.store.transaction(|tx| apply(tx, &local, entry, now_ms))?;
            step.events.extend(one.events);
            if one.stop {
                step.stop = true;
                return Ok((log, step));
            }
        }
        let mine = self.store.transaction(|tx| tx.account())?.map(|account| (account.inbox_cursor, account.inbox_hash));
        if let Some((cursor, mine)) = mine
            && !running_hash.is_empty()
            && mine.as_bytes().as_slice() != running_hash.as_ref()
        {
            let evidence = (mine.as_bytes().as_slice(), running_hash.as_ref());
            step.events.extend(self.store.transaction(|tx| raise(tx, None, log, AlarmKind::Broken, cursor, evidence, now_ms))?);
        }
        Ok((log, step))
    }
}

fn apply(tx: &Tx<'_>, local: &Local, entry: &proto::Entry, now_ms: u64) -> Result<Step, ClientError> {
    let mut step = Step::default();
    let log = local.inbox.log;
    let account = tx.account()?.ok_or(ClientError::NoAccount)?;
    let proto::Entry { header: header_bytes, payload, payload_hash: given_hash } = entry;
    let Some(header) = HeaderFacts::parse(header_bytes).ok().filter(|header| header.sequence == account.inbox_cursor + 1) else {
        let evidence = (account.inbox_hash.as_bytes().as_slice(), header_bytes.as_ref());
        step.events.extend(raise(tx, None, log, AlarmKind::Broken, account.inbox_cursor + 1, evidence, now_ms)?);
        step.stop = true;
        return Ok(step);
    };
    let trimmed = !given_hash.is_empty();
    let hash = if trimmed { PayloadHash::parse(given_hash, "entry.payload_hash")? } else { payload_hash(payload) };
    if header.kind == EntryKind::Knock && !trimmed && tx.chain_of_entry(log, header.entry_id)?.is_none() {
        // Anybody can put anything here: what is no good knock is passed over, and nobody is alarmed.
        if let Ok(knock) = Knock::open(local, payload) {
            step.events.extend(receive(tx, local, knock, &header, now_ms)?);
        }
    }
    let running_hash = account.inbox_hash.next(header_bytes, &hash);
    tx.add_chain(log, ChainLink { sequence: header.sequence, running_hash }, header.entry_id)?;
    tx.set_inbox_cursor(header.sequence, &running_hash)?;
    Ok(step)
}

/// A knock whose seal, signature and certificates hold.
struct Knock {
    manifest: Manifest,
    handle: Handle,
    sent_at_ms: u64,
    body: Asked,
}

enum Asked {
    Conversation(Offer),
    Invite(InviteOffer),
    /// Something is reported to the admins of a group.
    Report(proto::Report),
    /// Without a door: somebody who is in the group can't follow any more.
    AskIn {
        conversation: ConversationId,
        log: LogId,
        door: Option<DoorId>,
    },
}

impl Knock {
    fn open(local: &Local, payload: &[u8]) -> Result<Self, ClientError> {
        const WHAT: ClientError = ClientError::Unbelievable("a knock that is not well-formed");
        let content = local.inbox_key.open_knock(local.inbox.log, payload)?;
        let proto::KnockContent { signed_content, chain, signature } = proto::KnockContent::decode(content.as_slice()).map_err(|_| WHAT)?;
        let chain = Chain::verify(chain.ok_or(WHAT)?)?;
        verify_device(chain.device(), &signed_knock(local.inbox.log, &signed_content), &signature)?;
        let proto::KnockBody { signed_manifest, handle, sent_at_ms, body } = proto::KnockBody::decode(signed_content).map_err(|_| WHAT)?;
        let manifest = Manifest::decode(&signed_manifest)?;
        let handle: Handle = handle.parse()?;
        if manifest.account() != chain.account() || !manifest.has_device(chain.device()) || !manifest.names(&handle) {
            return Err(WHAT);
        }
        let body = match body {
            Some(proto::knock_body::Body::Offer(offer)) => Asked::Conversation(Offer::parse(offer)?),
            Some(proto::knock_body::Body::Invite(invite)) => Asked::Invite(InviteOffer::parse(invite)?),
            Some(proto::knock_body::Body::AskIn(proto::AskIn { conversation, log, door })) => Asked::AskIn {
                conversation: ConversationId::parse(&conversation, "ask_in.conversation")?,
                log: LogId::parse(&log, "ask_in.log")?,
                door: if door.is_empty() { None } else { Some(DoorId::parse(&door, "ask_in.door")?) },
            },
            Some(proto::knock_body::Body::Report(report)) => Asked::Report(report),
            None => return Err(WHAT),
        };
        Ok(Self { manifest, handle, sent_at_ms, body })
    }
}

/// What a device signs when it knocks.
pub(crate) fn signed_knock(inbox: LogId, content: &[u8]) -> Vec<u8> {
    [b"alcyon knock v1".as_slice(), inbox.as_bytes(), content].concat()
}

fn receive(tx: &Tx<'_>, local: &Local, knock: Knock, header: &HeaderFacts, now_ms: u64) -> Result<Vec<Event>, ClientError> {
    let sequence = header.sequence;
    let Knock { manifest, handle, sent_at_ms, body } = knock;
    let account = manifest.account();
    let offer = match body {
        Asked::Conversation(offer) => offer,
        Asked::Invite(invite) => return receive_invite(tx, local, (manifest, handle, sent_at_ms), &invite, sequence, now_ms),
        Asked::Report(report) => {
            crate::report::receive(tx, local, (&manifest, handle, sent_at_ms), report, sequence, now_ms)?;
            return Ok(Vec::new());
        }
        Asked::AskIn { conversation: _, log, door: None } => {
            // Another device of this account asks for the conversation of its devices.
            if account != local.account {
                remember_manifest(tx, &manifest, None, now_ms)?;
            }
            crate::invite::invite_back(tx, local, log, &manifest, now_ms)?;
            return Ok(Vec::new());
        }
        Asked::AskIn { conversation, log, door: Some(door) } => {
            return receive_ask_in(tx, local, (manifest, handle, sent_at_ms), (conversation, log, door), sequence, now_ms);
        }
    };
    if offer.term > 0 {
        return crate::next_term::receive(tx, local, account, &offer, now_ms);
    }
    if account == local.account || tx.request(offer.conversation)?.is_some() || tx.conversation(offer.conversation)?.is_some() {
        return Ok(Vec::new());
    }
    let contact = remember_manifest(tx, &manifest, None, now_ms)?;
    let mut introduction = offer.introduction.clone();
    introduction.truncate(introduction.floor_char_boundary(limits::INTRODUCTION));
    let mut request = RequestRecord {
        conversation: offer.conversation,
        number: sequence,
        account,
        handle,
        confirmed: contact.handle_checked_ms > 0 && !contact.handle_changed,
        offer: offer.encode(),
        introduction,
        sent_at_ms,
        state: RequestState::Open,
        shown: false,
        kind: RequestKind::Knock,
    };
    if contact.blocked {
        request.state = RequestState::Superseded;
        tx.put_request(&request)?;
        return Ok(Vec::new());
    }
    // Both have knocked: the log with the lower id stays, the same for both, and the other's texts move there.
    let own = tx.conversation_with(account)?;
    if let Some(own) = own.as_ref().filter(|own| own.standing == Standing::Asked) {
        let lane = tx.term_of(own.conversation)?.map(|term| term.log);
        let mine_stays = lane.is_some_and(|mine| mine < offer.log);
        request.shown = true;
        if mine_stays {
            request.state = RequestState::Superseded;
            tx.put_request(&request)?;
        } else {
            request.state = RequestState::Accepted;
            tx.put_request(&request)?;
            accept_offer(tx, &offer, account, now_ms)?;
            move_towards(tx, own.conversation, &offer, now_ms)?;
        }
        return Ok(Vec::new());
    }
    // Both had knocked, and the other side has read ours first and come in: what it had asked before that is answered. It was told
    // by another connection than that of the inbox, and both by one server's clock.
    if let Some(own) = own.filter(|own| own.standing == Standing::Open)
        && tx.accepted_ms(own.conversation)?.is_some_and(|accepted| header.time_ms <= accepted)
        && tx.term_of(own.conversation)?.is_some_and(|term| term.server == local.manifest.inbox().server)
    {
        (request.state, request.shown) = (RequestState::Superseded, true);
        return Ok(tx.put_request(&request).map(|()| Vec::new())?);
    }
    put_new(tx, local, request, now_ms)?;
    // The event follows once the handle's directory was asked.
    Ok(Vec::new())
}

/// An invite into a group. One that comes again replaces the one that waits.
fn receive_invite(
    tx: &Tx<'_>,
    local: &Local,
    (manifest, handle, sent_at_ms): (Manifest, Handle, u64),
    invite: &InviteOffer,
    sequence: u64,
    now_ms: u64,
) -> Result<Vec<Event>, ClientError> {
    let account = manifest.account();
    if crate::rejoin::let_back_in(tx, invite, now_ms)? || crate::next_term::receive_invite(tx, local, invite, account, now_ms)? {
        return Ok(Vec::new());
    }
    let in_already = tx.conversation(invite.conversation)?.is_some_and(|known| known.standing != Standing::Left);
    let other_kind = tx.request(invite.conversation)?.is_some_and(|known| known.kind != RequestKind::Invite);
    if account == local.account || in_already || other_kind {
        return Ok(Vec::new());
    }
    let contact = remember_manifest(tx, &manifest, None, now_ms)?;
    if contact.blocked {
        return Ok(Vec::new());
    }
    // Of the members, those who are known here are named, and nobody else.
    let known = tx.contacts()?.into_iter().filter(|contact| invite.has(contact.account) && contact.account != account);
    let names: Vec<_> = known.map(|contact| contact.handle.to_text()).collect();
    let request = RequestRecord {
        conversation: invite.conversation,
        number: sequence,
        account,
        handle,
        confirmed: contact.handle_checked_ms > 0 && !contact.handle_changed,
        offer: invite.to_field().encode_to_vec(),
        introduction: names.join(", "),
        sent_at_ms,
        state: RequestState::Open,
        shown: false,
        kind: RequestKind::Invite,
    };
    put_new(tx, local, request, now_ms)?;
    Ok(Vec::new())
}

/// Somebody has a link of ours that needs approval.
fn receive_ask_in(
    tx: &Tx<'_>,
    local: &Local,
    (manifest, handle, sent_at_ms): (Manifest, Handle, u64),
    (conversation, log, door): (ConversationId, LogId, DoorId),
    sequence: u64,
    now_ms: u64,
) -> Result<Vec<Event>, ClientError> {
    let account = manifest.account();
    if !crate::invite::is_our_link(tx, log, door)? {
        return Ok(Vec::new());
    }
    let contact = remember_manifest(tx, &manifest, None, now_ms)?;
    if contact.blocked {
        return Ok(Vec::new());
    }
    let ask = proto::AskIn { conversation: conversation.to_field(), log: log.to_field(), door: door.to_field() };
    let request = RequestRecord {
        conversation: crate::invite::ask_in_id(conversation, account),
        number: sequence,
        account,
        handle,
        confirmed: contact.handle_checked_ms > 0 && !contact.handle_changed,
        offer: ask.encode_to_vec(),
        introduction: tx.conversation(conversation)?.map(|record| record.title).unwrap_or_default(),
        sent_at_ms,
        state: RequestState::Open,
        shown: false,
        kind: RequestKind::AskIn,
    };
    put_new(tx, local, request, now_ms)?;
    Ok(Vec::new())
}

/// Stores a request. A sibling that has read it before may have decided on it already.
pub(crate) fn put_new(tx: &Tx<'_>, local: &Local, request: RequestRecord, now_ms: u64) -> Result<(), ClientError> {
    tx.put_request(&request)?;
    match crate::device::take::decided(tx, request.conversation)? {
        Some(state) => crate::device::take::decide(tx, local, request, state, now_ms),
        None => Ok(()),
    }
}

/// Own terms that only wait for the other side to accept have their Create in the outbox, or stand at the hub.
pub(crate) fn has_begun(tx: &Tx<'_>, log: LogId) -> Result<bool, ClientError> {
    let waiting = tx.outbox_of_log(log)?.iter().any(|item| matches!(item.kind, OutboxKind::Start | OutboxKind::Create));
    Ok(!waiting && tx.term(log)?.is_some_and(|term| term.state == TermState::Live))
}
