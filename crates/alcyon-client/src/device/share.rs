//! What a device tells its siblings, in the conversation of their own.

use alcyon_mls::CommitSummary;
use alcyon_store::{
    ContactRecord, ConversationKind, ConversationRecord, DeviceNoteKind, RequestRecord, Standing, TermRecord, TermState, Tx,
};
use alcyon_wire::{AccountId, ConversationId, DeviceId, LogId, proto};
use bytes::Bytes;
use prost::Message;
use proto::content::Body;
use sha2::{Digest, Sha256};

use super::{come_in, has_siblings, history, remove};
use crate::{
    Client, ClientError, Clock, Transport, entry::load_group, group::queue_tree, inbox::has_begun, introduction, invite::knock,
    local::Local, outbox::say,
};

/// Contacts told in one entry, bytes.
const TOLD_BYTES: usize = 48 * 1024;
/// Whoever has not added the new device itself waits so long before it shares: mostly somebody else has done it by then.
const OTHERS_MS: u64 = 10 * 60 * 1000;
/// A device that is not in yet asks again after this time.
const ASK_AGAIN_MS: u64 = 10 * 60 * 1000;

/// What is noted of a term: for which manifest its place was shared.
#[derive(Clone, PartialEq, Message)]
struct Shared {
    #[prost(uint64, tag = "1")]
    version: u64,
    /// When this device first saw that a sibling is missing under that manifest.
    #[prost(uint64, tag = "2")]
    since_ms: u64,
    #[prost(bool, tag = "3")]
    done: bool,
    /// A sibling has asked: shared whether it is missing or not.
    #[prost(bool, tag = "4")]
    asked: bool,
    /// This device's seat there was lent.
    #[prost(bool, tag = "5")]
    lent: bool,
}

impl Shared {
    fn noted(tx: &Tx<'_>, log: LogId) -> Result<Option<Self>, ClientError> {
        let note = tx.device_note(DeviceNoteKind::Shared, log.as_bytes())?;
        Ok(note.and_then(|note| Self::decode(note.as_slice()).ok()))
    }

    fn note(&self, tx: &Tx<'_>, log: LogId) -> Result<(), ClientError> {
        Ok(tx.put_device_note(DeviceNoteKind::Shared, log.as_bytes(), &self.encode_to_vec())?)
    }
}

/// Puts something into the conversation of this account's devices. An account with one device tells nobody.
pub(crate) fn tell(tx: &Tx<'_>, local: &Local, body: Body, now_ms: u64) -> Result<(), ClientError> {
    if !has_siblings(local) {
        return Ok(());
    }
    let Some(term) = tx.own_conversation()?.map(|own| tx.term_of(own)).transpose()?.flatten() else { return Ok(()) };
    say(tx, &term, body, now_ms)
}

/// Who the devices are.
pub(crate) fn tell_devices(tx: &Tx<'_>, local: &Local, now_ms: u64) -> Result<(), ClientError> {
    tell(tx, local, Body::SharedDevices(devices_field(tx, local)?), now_ms)
}

pub(crate) fn devices_field(tx: &Tx<'_>, local: &Local) -> Result<proto::SharedDevices, ClientError> {
    let manifest = tx.account()?.map(|account| account.manifest).unwrap_or_else(|| local.manifest.to_bytes().to_vec());
    let devices = tx.devices()?.into_iter().map(|record| proto::SharedDevice {
        device_key: record.device.to_field(),
        name: record.name,
        added_ms: record.added_ms,
        inbox_seat: record.inbox_seat.map(|seat| seat.to_field()).unwrap_or_default(),
    });
    Ok(proto::SharedDevices { signed_manifest: manifest.into(), devices: devices.collect() })
}

fn contact_field(tx: &Tx<'_>, contact: &ContactRecord) -> Result<proto::SharedContact, ClientError> {
    let ContactRecord { account, handle, manifest, handle_checked_ms, handle_changed, blocked, pass_given, pass_held } = contact;
    Ok(proto::SharedContact {
        signed_manifest: manifest.clone().into(),
        handle: handle.to_text(),
        handle_checked_ms: *handle_checked_ms,
        handle_changed: *handle_changed,
        blocked: *blocked,
        pass_given: pass_given.as_ref().map(|pass| pass.to_field()).unwrap_or_default(),
        pass_held: pass_held.as_ref().map(|pass| pass.to_field()).unwrap_or_default(),
        introduction: introduction::field_of(tx, *account)?,
    })
}

fn tell_contacts(tx: &Tx<'_>, local: &Local, contacts: impl IntoIterator<Item = ContactRecord>, now_ms: u64) -> Result<(), ClientError> {
    let mut batch = proto::SharedContacts::default();
    let mut bytes = 0;
    for contact in contacts {
        let field = contact_field(tx, &contact)?;
        bytes += field.encoded_len();
        if bytes > TOLD_BYTES && !batch.contacts.is_empty() {
            bytes = field.encoded_len();
            tell(tx, local, Body::SharedContacts(std::mem::take(&mut batch)), now_ms)?;
        }
        batch.contacts.push(field);
    }
    if batch.contacts.is_empty() { Ok(()) } else { tell(tx, local, Body::SharedContacts(batch), now_ms) }
}

/// What is known of an account has changed by the person's act.
pub(crate) fn tell_contact(tx: &Tx<'_>, local: &Local, account: AccountId, now_ms: u64) -> Result<(), ClientError> {
    if has_siblings(local) { tell_contacts(tx, local, tx.contact(account)?, now_ms) } else { Ok(()) }
}

/// The person has decided on a request.
pub(crate) fn tell_decision(tx: &Tx<'_>, local: &Local, record: &RequestRecord, now_ms: u64) -> Result<(), ClientError> {
    let decided = proto::SharedRequest {
        conversation: record.conversation.to_field(),
        state: u32::try_from(record.state.number()).unwrap_or_default(),
        kind: u32::try_from(record.kind.number()).unwrap_or_default(),
        ..proto::SharedRequest::default()
    };
    tell(tx, local, Body::SharedRequest(decided), now_ms)
}

/// A request that is open, for a device that may not have heard of it.
fn open_request(record: &RequestRecord) -> proto::SharedRequest {
    let RequestRecord { conversation, number, account, handle, confirmed, offer, introduction, sent_at_ms, state, shown: _, kind } = record;
    proto::SharedRequest {
        conversation: conversation.to_field(),
        state: u32::try_from(state.number()).unwrap_or_default(),
        kind: u32::try_from(kind.number()).unwrap_or_default(),
        account: account.to_field(),
        handle: handle.to_text(),
        confirmed: *confirmed,
        offer: offer.clone().into(),
        introduction: introduction.clone(),
        sent_at_ms: *sent_at_ms,
        number: *number,
    }
}

/// Everything that a new device has to know before it comes in anywhere. With `newcomer`, also the conversations that are over,
/// with what was said in them.
pub(crate) fn tell_everything(tx: &Tx<'_>, local: &Local, newcomer: Option<DeviceId>, now_ms: u64) -> Result<(), ClientError> {
    tell_devices(tx, local, now_ms)?;
    if let Some(own) = introduction::field_of(tx, local.account)? {
        tell(tx, local, Body::Introduction(own), now_ms)?;
    }
    tell_contacts(tx, local, tx.contacts()?, now_ms)?;
    for request in tx.open_requests()? {
        tell(tx, local, Body::SharedRequest(open_request(&request)), now_ms)?;
    }
    let Some(newcomer) = newcomer else { return Ok(()) };
    for record in tx.conversations()?.into_iter().filter(|record| record.standing == Standing::Left) {
        let over = proto::SharedConversation {
            conversation: record.conversation.to_field(),
            kind: u32::try_from(record.kind.number()).unwrap_or_default(),
            peer: record.peer.map(|peer| peer.to_field()).unwrap_or_default(),
            title: record.title.clone(),
            created_ms: record.created_ms,
            ..proto::SharedConversation::default()
        };
        tell(tx, local, Body::SharedConversation(over), now_ms)?;
        history::begin(tx, record.conversation, newcomer)?;
    }
    Ok(())
}

/// A conversation, for a device that is not in it.
pub(crate) fn shared_conversation(
    tx: &Tx<'_>,
    record: &ConversationRecord,
    term: &TermRecord,
) -> Result<proto::SharedConversation, ClientError> {
    let links = tx.links(term.log)?;
    Ok(proto::SharedConversation {
        conversation: record.conversation.to_field(),
        kind: u32::try_from(record.kind.number()).unwrap_or_default(),
        peer: record.peer.map(|peer| peer.to_field()).unwrap_or_default(),
        title: record.title.clone(),
        created_ms: record.created_ms,
        term: term.term,
        log: term.log.to_field(),
        server: term.server.to_text(),
        reason: term.reason,
        join_secret: term.join_secret.to_field(),
        seat: term.seat.to_field(),
        sequence: term.cursor,
        running_hash: term.running_hash.to_field(),
        commit_count: term.commit_count,
        links: links.iter().map(|link| proto::SharedLink { secret: link.secret.to_vec().into(), approval: link.approval }).collect(),
        introduced: tx.introduced(record.conversation)?,
    })
}

/// Somebody has to be told again where a term is: its secrets, or the seat that was lent, have changed.
pub(crate) fn share_again(tx: &Tx<'_>, term: &TermRecord) -> Result<(), ClientError> {
    let Some(note) = Shared::noted(tx, term.log)? else { return Ok(()) };
    Shared { done: false, ..note }.note(tx, term.log)
}

/// A sibling asks for a conversation; empty, for all that there is.
pub(crate) fn asked(tx: &Tx<'_>, local: &Local, conversation: Option<ConversationId>, now_ms: u64) -> Result<(), ClientError> {
    let terms = match conversation {
        Some(conversation) => tx.term_of(conversation)?.into_iter().collect(),
        None => {
            tell_everything(tx, local, None, now_ms)?;
            tx.open_terms(None)?
        }
    };
    for term in terms {
        let known = Shared::noted(tx, term.log)?.unwrap_or_default();
        Shared { asked: true, ..known }.note(tx, term.log)?;
    }
    Ok(())
}

/// Shares every conversation of which a sibling's leaf is missing.
pub(crate) fn share_what_is_missing(tx: &Tx<'_>, local: &Local, now_ms: u64) -> Result<(), ClientError> {
    let Some(own) = tx.own_conversation()?.filter(|_| has_siblings(local)) else { return Ok(()) };
    // Who is not in the account's own conversation yet would not hear it.
    let listening = listening(tx, local)?;
    if listening.is_empty() {
        return Ok(());
    }
    let version = fingerprint(&listening);
    for term in tx.open_terms(None)? {
        let mut note = Shared::noted(tx, term.log)?.unwrap_or_default();
        if note.version == version && note.done && !note.asked {
            continue;
        }
        if note.version != version {
            note = Shared { version, since_ms: now_ms, done: false, ..note };
        }
        let Some(record) = tx.conversation(term.conversation)?.filter(|_| term.conversation != own) else { continue };
        match course(tx, local, &record, &term, (&note, &listening), now_ms)? {
            Course::Share => {
                share(tx, local, &record, &term, now_ms)?;
                (note.done, note.asked, note.lent) = (true, false, true);
            }
            Course::Done => note.done = true,
            Course::Wait => {}
        }
        note.note(tx, term.log)?;
    }
    Ok(())
}

enum Course {
    Share,
    /// Everybody is in.
    Done,
    Wait,
}

/// The siblings that hear what is told in the account's own conversation.
fn listening(tx: &Tx<'_>, local: &Local) -> Result<Vec<DeviceId>, ClientError> {
    let Some(term) = tx.own_conversation()?.map(|own| tx.term_of(own)).transpose()?.flatten() else { return Ok(Vec::new()) };
    let Some(group) = load_group(tx, &term)?.filter(|_| term.rejoin == 0) else { return Ok(Vec::new()) };
    let others = group.members().map(|member| member.chain.device()).filter(|device| *device != local.device.id());
    Ok(others.filter(|device| local.manifest.has_device(*device)).collect())
}

/// A number for a set of devices, never 0.
fn fingerprint(devices: &[DeviceId]) -> u64 {
    let mut devices: Vec<_> = devices.iter().map(|device| device.as_bytes().as_slice()).collect();
    devices.sort_unstable();
    let hash = Sha256::digest(devices.concat());
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)).max(1)
}

/// Whether this device has lent somebody its seat in a term.
pub(crate) fn has_lent(tx: &Tx<'_>, term: &TermRecord) -> Result<bool, ClientError> {
    Ok(Shared::noted(tx, term.log)?.is_some_and(|note| note.lent))
}

/// Whether a term is to be shared now.
fn course(
    tx: &Tx<'_>,
    local: &Local,
    record: &ConversationRecord,
    term: &TermRecord,
    (note, listening): (&Shared, &[DeviceId]),
    now_ms: u64,
) -> Result<Course, ClientError> {
    let newest = tx.term_of(record.conversation)?.is_some_and(|newest| newest.log == term.log);
    let in_it = term.state == TermState::Live && term.rejoin == 0 && matches!(record.standing, Standing::Open | Standing::Asked);
    // A seat that somebody else has given this device is no seat to lend: its own is on the way.
    let own_seat = term.drop_secret == local.drop_secret(term.log);
    if !newest || !in_it || !own_seat || !has_begun(tx, term.log)? {
        return Ok(Course::Wait);
    }
    let Some(group) = load_group(tx, term)?.filter(|group| !group.pending()) else { return Ok(Course::Wait) };
    let inside: Vec<_> = group.members().map(|member| &member.chain).filter(|chain| chain.account() == local.account).collect();
    let mut missing = listening.iter().copied().filter(|device| inside.iter().all(|chain| chain.device() != *device)).peekable();
    if missing.peek().is_none() && !note.asked {
        return Ok(Course::Done);
    }
    let alone = inside.len() <= 1;
    let mut mine = alone || note.asked;
    for device in missing {
        mine |= tx.device(device)?.is_some_and(|known| known.added_here);
    }
    Ok(if mine || now_ms >= note.since_ms.saturating_add(OTHERS_MS) { Course::Share } else { Course::Wait })
}

fn share(tx: &Tx<'_>, local: &Local, record: &ConversationRecord, term: &TermRecord, now_ms: u64) -> Result<(), ClientError> {
    // Who is in it, for a device that was not there when they came.
    let known = match record.kind {
        ConversationKind::Pair => record.peer.into_iter().collect(),
        ConversationKind::Group | ConversationKind::Own => {
            let group = load_group(tx, term)?;
            let state = group.as_ref().and_then(|group| group.state_of_group());
            state.map(|state| state.accounts.keys().copied().collect::<Vec<_>>()).unwrap_or_default()
        }
    };
    let contacts = known.into_iter().map(|account| tx.contact(account)).collect::<Result<Vec<_>, _>>()?;
    tell_contacts(tx, local, contacts.into_iter().flatten(), now_ms)?;
    // The tree at the log may be older than what a newcomer is told.
    queue_tree(tx, term)?;
    tell(tx, local, Body::SharedConversation(shared_conversation(tx, record, term)?), now_ms)?;
    super::marks::tell(tx, local, record.conversation, now_ms)
}

/// Asks siblings for what this device is not in yet, now and then.
pub(crate) fn ask_again(tx: &Tx<'_>, local: &Local, now_ms: u64) -> Result<(), ClientError> {
    if !has_siblings(local) {
        return Ok(());
    }
    for term in tx.open_terms(None)?.into_iter().filter(|term| term.rejoin == come_in::SIBLING) {
        let about = *term.conversation.as_bytes();
        let asked = tx.device_note(DeviceNoteKind::Asked, &about)?;
        let asked_ms = asked.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        if now_ms >= asked_ms.saturating_add(ASK_AGAIN_MS) {
            ask(tx, local, term.conversation, now_ms)?;
        }
    }
    Ok(())
}

/// Asks siblings for a conversation.
///
/// For the account's own conversation there is no other place to ask than the own inbox: a sibling opens a door then.
pub(crate) fn ask(tx: &Tx<'_>, local: &Local, conversation: ConversationId, now_ms: u64) -> Result<(), ClientError> {
    note_asked(tx, conversation, now_ms)?;
    if tx.own_conversation()? == Some(conversation) {
        let Some(term) = tx.term_of(conversation)? else { return Ok(()) };
        let ask = proto::AskIn { conversation: conversation.to_field(), log: term.log.to_field(), door: Bytes::new() };
        knock(tx, local, &local.manifest, proto::knock_body::Body::AskIn(ask), conversation, 0, now_ms)?;
        return Ok(());
    }
    let ask = proto::AskSibling { device_key: local.device.id().to_field(), conversation: conversation.to_field() };
    tell(tx, local, Body::AskSibling(ask), now_ms)
}

/// Whether a sibling is in that conversation, and could be asked for it.
pub(crate) fn was_asked(tx: &Tx<'_>, conversation: ConversationId) -> Result<bool, ClientError> {
    Ok(tx.device_note(DeviceNoteKind::Asked, conversation.as_bytes())?.is_some())
}

/// From now on the time counts after which siblings are asked.
pub(crate) fn note_asked(tx: &Tx<'_>, conversation: ConversationId, now_ms: u64) -> Result<(), ClientError> {
    Ok(tx.put_device_note(DeviceNoteKind::Asked, conversation.as_bytes(), &now_ms.to_be_bytes())?)
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// What siblings are to be told now.
    pub(crate) fn share_due(&self) -> Result<(), ClientError> {
        let local = self.core.local()?;
        // An account that never had a second device has nothing to tell.
        if local.manifest.order().version == 1 {
            return Ok(());
        }
        let now_ms = self.clock.now_ms();
        self.core.store.transaction(|tx| {
            remove::take_out_removed(tx, &local, now_ms)?;
            share_what_is_missing(tx, &local, now_ms)?;
            history::tell_due(tx, &local, now_ms)?;
            ask_again(tx, &local, now_ms)
        })
    }
}

/// An id in a field, or none if the field is empty.
pub(crate) fn conversation_of(field: &Bytes) -> Result<Option<ConversationId>, ClientError> {
    if field.is_empty() { Ok(None) } else { Ok(Some(ConversationId::parse(field, "conversation")?)) }
}

/// Somebody else's commit: whether it concerns devices of this account.
pub(crate) fn followed(tx: &Tx<'_>, local: &Local, term: &TermRecord, summary: &CommitSummary, now_ms: u64) -> Result<(), ClientError> {
    if summary.new_join_secret.is_some() {
        // Who is still on the way in can't follow.
        share_again(tx, term)?;
    }
    let device = summary.by.chain.device();
    let sibling = summary.joined && summary.by.chain.account() == local.account;
    if sibling && tx.device(device)?.is_some_and(|known| known.added_here) {
        if tx.own_conversation()? == Some(term.conversation) {
            tell_everything(tx, local, Some(device), now_ms)?;
        }
        history::begin(tx, term.conversation, device)?;
    }
    remove::followed(tx, local, term, summary)
}
