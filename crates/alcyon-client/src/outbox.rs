//! What has to reach a server: made once, stored, sent as the bytes that are stored until the server has decided.

use alcyon_mls::{Lost, MlsError, Payload, Seen, pad};
use alcyon_store::{DeliveryState, NewOutboxItem, OutboxItem, OutboxKind, Standing, StoreError, TermRecord, TermState, Tx};
use alcyon_wire::{
    ConversationId, EntryId, LogId, MessageId, RefusalCode, Seat, SeatChanges, SeatKey, SeatSecret, ServerUrl, Verdict, limits,
    payload_hash,
    proto::{self, client_frame::Body},
};
use bytes::Bytes;
use prost::Message;

use crate::{
    AlarmKind, ClientError, Event,
    act::Made,
    content::Content,
    core::{Core, handshake_key, raise},
    entry::load_group,
    local::Local,
    message::{incoming, view::progress},
    next_term::{TermReason, propose},
    purse::{is_about_payment, not_taken, pay},
    random::random,
    rejoin::{self, FetchedTree},
    send::ADMINS_WRITE,
};

/// What is to be done with an item at the head of its log's queue.
pub(crate) enum Ready {
    /// Send these bytes, under a request number.
    Send(Box<proto::ClientFrame>),
    /// The log's stored tree has to be fetched first.
    NeedsTree,
    /// Nothing now: it waits for something else.
    NotYet,
}

/// What the answer to an item came to.
#[derive(Default)]
pub(crate) struct Answered {
    pub(crate) events: Vec<Event>,
    /// The log is at least this long: read to there before sending again.
    pub(crate) head: Option<u64>,
    /// An own act that will never be, with the reason.
    pub(crate) failed: Option<(EntryId, String)>,
}

impl Core {
    /// The frame of an item, made if it was not made before. The caller has read the log to its head.
    pub(crate) fn ready(&self, item: &OutboxItem, tree: Option<&FetchedTree>, now_ms: u64) -> Result<Ready, ClientError> {
        let local = self.local()?;
        let made = self.store.transaction(|tx| {
            // Since the caller looked, the item may have gone.
            let Some(item) = tx.outbox_item(item.number)? else { return Ok(Ready::NotYet) };
            if let Some(frame) = &item.frame {
                let mut frame = decode(frame)?;
                pay(tx, &item, &mut frame, now_ms)?;
                return Ok(Ready::Send(Box::new(frame)));
            }
            let Some(mut term) = tx.term(item.log)? else { return Ok(Ready::NotYet) };
            let frame = match item.kind {
                OutboxKind::Act => match crate::act::make(tx, &local, &term, &item)? {
                    Made::Frame(frame) => Some(frame),
                    Made::Nothing => {
                        tx.remove_outbox(item.number)?;
                        None
                    }
                },
                OutboxKind::Leave => crate::leave::make(tx, &local, &term, &item)?,
                OutboxKind::PutTree => crate::group::make_tree(tx, &local, &term, &item)?,
                OutboxKind::Append | OutboxKind::Close => encrypt(tx, &local, &term, &item)?,
                OutboxKind::Commit | OutboxKind::TakeSeat => update_commit(tx, &local, &mut term, &item)?,
                OutboxKind::TakeOut => crate::device::remove::make_frame(tx, &local, &mut term, &item)?,
                OutboxKind::Rejoin => match tree {
                    None => return Ok(Ready::NeedsTree),
                    Some(tree) => rejoin::make_frame(tx, &local, &mut term, &item, tree, now_ms)?,
                },
                _ => None,
            };
            let Some(frame) = frame else { return Ok(Ready::NotYet) };
            tx.set_outbox_frame(item.number, Some(&frame))?;
            let frame = decode(&frame)?;
            Ok(Ready::Send(Box::new(frame)))
        });
        match made {
            // What was allowed when it was asked for is so no more.
            Err(ClientError::Mls(MlsError::WouldBeInvalid(rule))) if item.kind == OutboxKind::Act => {
                self.store.transaction(|tx| {
                    tx.remove_outbox(item.number)?;
                    drop_followers(tx, item.number)
                })?;
                self.failed.borrow_mut().insert(item.entry_id, rule.to_string());
                Ok(Ready::NotYet)
            }
            // Since it was written, the settings have changed: nobody would take it. What is no message is not missed.
            Err(ClientError::Mls(MlsError::MayNotWrite)) if item.kind == OutboxKind::Append => {
                let event = self.store.transaction(|tx| {
                    tx.remove_outbox(item.number)?;
                    crate::introduction::not_sent(tx, item)?;
                    let Some(conversation) = item.conversation else { return Ok(None) };
                    let failed = incoming::fail(tx, conversation, item.entry_id.into())?;
                    failed.map(|failed| progress(tx, &local, failed)).transpose().map(Option::flatten)
                })?;
                if event.is_some() {
                    self.failed.borrow_mut().insert(item.entry_id, ADMINS_WRITE.to_owned());
                }
                self.emit(event);
                Ok(Ready::NotYet)
            }
            made => made,
        }
    }

    /// The server has taken an item, durably.
    pub(crate) fn accepted(&self, number: u64, sequence: u64, now_ms: u64) -> Result<Answered, ClientError> {
        let local = self.local()?;
        self.owes_no_more(number);
        self.store.transaction(|tx| {
            let mut answered = Answered::default();
            let Some(item) = tx.outbox_item(number)? else { return Ok(answered) };
            match item.kind {
                OutboxKind::Append => {
                    // Its echo comes next: what is written after it has seen it.
                    answered.head = Some(sequence);
                    tx.remove_outbox(number)?;
                    if let (Some(conversation), Some(term)) = (item.conversation, tx.term(item.log)?) {
                        let message = message_of(&item);
                        tx.set_delivery(conversation, message, DeliveryState::Sent, Some((term.term, sequence)))?;
                        tx.start_countdown(conversation, message, now_ms)?;
                        if let Some(message) = tx.message(conversation, message)? {
                            answered.events.extend(progress(tx, &local, message)?);
                        }
                    }
                }
                // These change what this device may do next: their echo decides.
                OutboxKind::Commit
                | OutboxKind::Rejoin
                | OutboxKind::Close
                | OutboxKind::Act
                | OutboxKind::TakeSeat
                | OutboxKind::TakeOut => {
                    answered.head = Some(sequence);
                }
                OutboxKind::ComeIn => {
                    // The seat is there: what follows is read by it, up to the own commit.
                    if let Some(mut term) = tx.term(item.log)? {
                        term.door = None;
                        tx.put_term(&term)?;
                    }
                }
                OutboxKind::Leave if item.conversation.is_some() => {
                    tx.remove_outbox(number)?;
                    left(tx, &item, &mut answered)?;
                }
                OutboxKind::Create
                | OutboxKind::PutTree
                | OutboxKind::Leave
                | OutboxKind::Knock
                | OutboxKind::SetPasses
                | OutboxKind::NextTerm
                | OutboxKind::Start => tx.remove_outbox(number)?,
            }
            Ok(answered)
        })
    }

    /// The server has said no to an item.
    pub(crate) fn refused(&self, number: u64, refusal: &proto::Refusal, now_ms: u64) -> Result<Answered, ClientError> {
        let local = self.local()?;
        let mut owes = false;
        let answered = self.store.transaction(|tx| {
            let mut answered = Answered::default();
            let Some(item) = tx.outbox_item(number)? else { return Ok(answered) };
            if is_about_payment(&item, refusal.code()) {
                owes = !not_taken(tx, &item, refusal.code(), now_ms)?;
                if owes {
                    tx.delay_outbox(number, now_ms + AGAIN_MS)?;
                }
                return Ok(answered);
            }
            let term = tx.term(item.log)?;
            if let Some(term) = &term
                && crate::device::come_in::refused(tx, &local, term, &item, refusal, now_ms)?
            {
                return Ok(answered);
            }
            match (refusal.verdict(), refusal.code()) {
                // Somebody has committed meanwhile: that tree is old, and another is made of the epoch that is then.
                (_, RefusalCode::Stale | RefusalCode::EntryIdReused | RefusalCode::Malformed)
                    if item.kind == OutboxKind::PutTree && is_group(tx, &item)? =>
                {
                    drop_upload(tx, &item)?;
                    if let Some(term) = term.filter(|term| term.state == TermState::Live) {
                        crate::group::queue_tree(tx, &term)?;
                    }
                }
                (_, RefusalCode::Stale) => {
                    answered.head = Some(refusal.head);
                    if term.as_ref().is_some_and(|term| refusal.commit_count < term.commit_count) {
                        restored(tx, &local, term.as_ref(), &item, refusal.head, now_ms, &mut answered)?;
                    } else if matches!(item.kind, OutboxKind::Append | OutboxKind::Close | OutboxKind::Leave | OutboxKind::ComeIn) {
                        // The bytes are refused for ever: encrypt anew, under the same id, once the log is read to its head.
                        tx.set_outbox_frame(number, None)?;
                        tx.remove_own_entry(item.log, item.entry_id)?;
                    }
                }
                (Verdict::Later, _) | (_, RefusalCode::Internal | RefusalCode::Draining) => {
                    tx.delay_outbox(number, now_ms + refusal.retry_after_ms.max(50))?;
                }
                (_, RefusalCode::WrongSeat | RefusalCode::SeatDropped)
                    if term.as_ref().is_some_and(|term| frame_seat(&item).is_some_and(|seat| seat != term.seat)) =>
                {
                    // Made before this device changed its seat.
                    tx.set_outbox_frame(number, None)?;
                    tx.remove_own_entry(item.log, item.entry_id)?;
                }
                (_, RefusalCode::WrongPass) if item.kind == OutboxKind::Knock => {
                    if let Some(frame) = without_pass(&item) {
                        tx.set_outbox_frame(number, Some(&frame))?;
                    }
                }
                (_, RefusalCode::EntryIdReused) => {
                    // A newer copy of this profile has sent other bytes under this id: the message is there.
                    tx.remove_outbox(number)?;
                    if let (Some(conversation), OutboxKind::Append) = (item.conversation, item.kind) {
                        tx.set_delivery(conversation, item.entry_id.into(), DeliveryState::Sent, None)?;
                    }
                }
                (_, RefusalCode::NoKeeper) if item.kind == OutboxKind::Leave => {
                    answered.head = Some(refusal.head);
                    if let Some(term) = &term {
                        crate::leave::again(tx, term, &item)?;
                    }
                }
                // The conversation goes on in its next term: where that is known, there; until then it waits.
                (_, RefusalCode::Closed) if item.kind == OutboxKind::Append && may_go_on(tx, &item)? => {
                    tx.set_outbox_frame(number, None)?;
                    tx.remove_own_entry(item.log, item.entry_id)?;
                    tx.delay_outbox(number, now_ms + AGAIN_MS)?;
                    if let Some(term) = &term {
                        crate::next_term::closed_towards(tx, term)?;
                    }
                }
                (_, RefusalCode::UnknownLog) if !matches!(item.kind, OutboxKind::Knock | OutboxKind::Create) => {
                    restored(tx, &local, term.as_ref(), &item, 0, now_ms, &mut answered)?;
                }
                _ => give_up(tx, &local, &item, refusal, &mut answered)?,
            }
            Ok::<_, ClientError>(answered)
        })?;
        if owes {
            self.owes(number);
        } else {
            self.owes_no_more(number);
        }
        Ok(answered)
    }
}

/// When what can't go now is looked at again.
const AGAIN_MS: u64 = 60_000;

/// Whether the item's conversation is one that this account is still in.
fn may_go_on(tx: &Tx<'_>, item: &OutboxItem) -> Result<bool, ClientError> {
    let conversation = item.conversation.map(|conversation| tx.conversation(conversation)).transpose()?.flatten();
    Ok(conversation.is_some_and(|conversation| conversation.standing != Standing::Left))
}

/// The server runs on an older copy than what it has acknowledged: shown, and tried again later, because the right copy may come
/// back.
fn restored(
    tx: &Tx<'_>,
    local: &Local,
    term: Option<&TermRecord>,
    item: &OutboxItem,
    head: u64,
    now_ms: u64,
    answered: &mut Answered,
) -> Result<(), ClientError> {
    if let Some(term) = term {
        let evidence = (term.running_hash.as_bytes().as_slice(), &head.to_be_bytes()[..]);
        answered.events.extend(raise(tx, Some(term.conversation), term.log, AlarmKind::ServerRestored, term.cursor, evidence, now_ms)?);
        propose(tx, local, term, TermReason::Lost, now_ms)?;
    }
    tx.delay_outbox(item.number, now_ms + AGAIN_MS)?;
    Ok(())
}

/// An item that will never be taken.
fn give_up(tx: &Tx<'_>, local: &Local, item: &OutboxItem, refusal: &proto::Refusal, answered: &mut Answered) -> Result<(), ClientError> {
    tx.remove_outbox(item.number)?;
    if matches!(item.kind, OutboxKind::Knock | OutboxKind::PutTree) && is_group(tx, item)? {
        // An invite that did not arrive is one fewer, and a tree that was not stored is stored by another.
        return if item.kind == OutboxKind::PutTree { drop_upload(tx, item) } else { Ok(()) };
    }
    let Some(conversation) = item.conversation else { return Ok(()) };
    if let Some(term) = tx.term(item.log)?.filter(|term| term.term > 0 && item.kind == OutboxKind::Create) {
        // The next term can't come to be: the conversation stays where it is.
        return crate::next_term::take_back(tx, &term);
    }
    if item.kind == OutboxKind::Knock && tx.term_of(conversation)?.is_some_and(|term| term.term > 0) {
        // Somebody can't be told at their inbox; the last entry of the term before says where it goes on.
        return Ok(());
    }
    match item.kind {
        OutboxKind::Append => {
            crate::introduction::not_sent(tx, item)?;
            if let Some(failed) = incoming::fail(tx, conversation, item.entry_id.into())? {
                answered.events.extend(progress(tx, local, failed)?);
            }
        }
        OutboxKind::Create | OutboxKind::PutTree | OutboxKind::Knock | OutboxKind::Start => {
            // The conversation can't come to be.
            if let Some(term) = tx.term_of(conversation)? {
                fail_messages(tx, term.log, conversation)?;
            }
            if let Some(mut record) = tx.conversation(conversation)? {
                record.standing = Standing::Left;
                tx.put_conversation(&record)?;
            }
            answered.events.push(Event::Left { conversation });
        }
        OutboxKind::Act => {
            if let (Some(term), Some(lost)) = (tx.term(item.log)?, Lost::refused(refusal.verdict()))
                && let Some(mut group) = load_group(tx, &term)?
                && group.pending()
            {
                group.discard_own(tx, lost)?;
            }
            tx.remove_own_entry(item.log, item.entry_id)?;
            drop_followers(tx, item.number)?;
            answered.failed = Some((item.entry_id, refusal.message.clone()));
        }
        OutboxKind::ComeIn | OutboxKind::Leave => left(tx, item, answered)?,
        OutboxKind::Commit
        | OutboxKind::Rejoin
        | OutboxKind::Close
        | OutboxKind::SetPasses
        | OutboxKind::NextTerm
        | OutboxKind::TakeSeat
        | OutboxKind::TakeOut => {}
    }
    Ok(())
}

/// This account is not, or no more, in the group.
fn left(tx: &Tx<'_>, item: &OutboxItem, answered: &mut Answered) -> Result<(), ClientError> {
    let (Some(mut term), Some(mut conversation)) =
        (tx.term(item.log)?, item.conversation.map(|conversation| tx.conversation(conversation)).transpose()?.flatten())
    else {
        return Ok(());
    };
    fail_messages(tx, term.log, conversation.conversation)?;
    (term.state, term.door) = (TermState::Closed, None);
    tx.put_term(&term)?;
    if let Some(group) = &term.group_id {
        alcyon_mls::forget_group(tx, &alcyon_mls::GroupId::from_bytes(group))?;
    }
    conversation.standing = Standing::Left;
    tx.put_conversation(&conversation)?;
    answered.events.push(Event::Left { conversation: conversation.conversation });
    Ok(())
}

fn is_group(tx: &Tx<'_>, item: &OutboxItem) -> Result<bool, ClientError> {
    item.conversation.map_or(Ok(false), |conversation| crate::group::is_group(tx, conversation))
}

/// Items that were to follow one that will never be.
pub(crate) fn drop_followers(tx: &Tx<'_>, number: u64) -> Result<(), ClientError> {
    Ok(tx.remove_outbox_after(number)?)
}

/// The chunks of a tree go together.
fn drop_upload(tx: &Tx<'_>, item: &OutboxItem) -> Result<(), ClientError> {
    for other in tx.outbox_of_log(item.log)? {
        if other.kind == OutboxKind::PutTree && other.entry_id == item.entry_id {
            tx.remove_outbox(other.number)?;
        }
    }
    Ok(())
}

/// Nothing more can be written there: what waits has failed.
pub(crate) fn fail_messages(tx: &Tx<'_>, log: LogId, conversation: ConversationId) -> Result<(), ClientError> {
    for item in tx.outbox_of_log(log)? {
        if item.kind == OutboxKind::Append {
            incoming::fail(tx, conversation, item.entry_id.into())?;
        }
        tx.remove_outbox(item.number)?;
    }
    Ok(())
}

/// Frames made before this device came in anew must never be sent: their keys may have been used twice.
pub(crate) fn encrypt_anew(tx: &Tx<'_>, log: LogId) -> Result<(), ClientError> {
    Ok(tx.clear_entry_frames(log)?)
}

/// Comes in anew as soon as the log is read to its head.
pub(crate) fn queue_rejoin(tx: &Tx<'_>, term: &TermRecord) -> Result<(), ClientError> {
    if tx.outbox_of_log(term.log)?.iter().any(|item| item.kind == OutboxKind::Rejoin) {
        return Ok(());
    }
    add(tx, OutboxKind::Rejoin, term, random(), None, None)?;
    Ok(())
}

/// The message that an item appends.
pub(crate) fn message_of(item: &OutboxItem) -> MessageId {
    let content = item.content.as_deref().and_then(|draft| Content::parse(draft).ok());
    content.map_or_else(|| item.entry_id.into(), |content| content.message)
}

/// Puts an item of a term into the outbox.
pub(crate) fn add(
    tx: &Tx<'_>,
    kind: OutboxKind,
    term: &TermRecord,
    entry_id: EntryId,
    content: Option<&[u8]>,
    frame: Option<Body>,
) -> Result<u64, ClientError> {
    let frame = frame.map(encode);
    Ok(tx.add_outbox(&NewOutboxItem {
        kind,
        conversation: Some(term.conversation),
        server: &term.server,
        log: term.log,
        entry_id,
        after: 0,
        content,
        frame: frame.as_deref(),
    })?)
}

/// The bytes of a frame as the outbox keeps it: without a request number.
pub(crate) fn encode(body: Body) -> Vec<u8> {
    proto::ClientFrame { request: 0, body: Some(body) }.encode_to_vec()
}

/// A frame as the outbox kept it.
pub(crate) fn decode(frame: &[u8]) -> Result<proto::ClientFrame, StoreError> {
    proto::ClientFrame::decode(frame).map_err(|_| StoreError::Damaged("outbox"))
}

/// Tells those in a term something that is no message, under an id of its own.
pub(crate) fn say(tx: &Tx<'_>, term: &TermRecord, body: proto::content::Body, now_ms: u64) -> Result<(), ClientError> {
    let id: MessageId = random();
    let draft = Content::draft(id, now_ms, body);
    debug_assert!(draft.len() <= limits::ENTRY, "what is told fits an entry");
    queue_content(tx, OutboxKind::Append, term.conversation, &term.server, term.log, id.into(), &draft)?;
    Ok(())
}

/// Puts a message's content at the end of a log's queue; the log need not exist yet.
pub(crate) fn queue_content(
    tx: &Tx<'_>,
    kind: OutboxKind,
    conversation: ConversationId,
    server: &ServerUrl,
    log: LogId,
    entry_id: EntryId,
    draft: &[u8],
) -> Result<u64, ClientError> {
    Ok(tx.add_outbox(&NewOutboxItem {
        kind,
        conversation: Some(conversation),
        server,
        log,
        entry_id,
        after: 0,
        content: Some(draft),
        frame: None,
    })?)
}

/// Encrypts an item's content in the group's epoch. Ciphertext, its hash and the group's state are stored before a byte is sent.
fn encrypt(tx: &Tx<'_>, local: &Local, term: &TermRecord, item: &OutboxItem) -> Result<Option<Vec<u8>>, ClientError> {
    let (Some(draft), Some(mut group)) = (&item.content, load_group(tx, term)?) else { return Ok(None) };
    let seen = Seen { sequence: term.cursor, running_hash: term.running_hash };
    let content = pad(&Content::complete(draft, seen)?);
    let payload: Bytes = Payload::Application(group.encrypt(tx, &local.mls()?, &content)?).encode().into();
    tx.put_own_entry(term.log, item.entry_id, &payload_hash(&payload))?;
    tx.note_own_message(term.log, item.entry_id, message_of(item))?;
    let seat = Some(SeatKey { log: term.log, secret: term.seat.clone() }.to_field());
    let (entry_id, commit_count) = (item.entry_id.to_field(), term.commit_count);
    Ok(Some(encode(if item.kind == OutboxKind::Close {
        Body::Close(proto::Close { seat, entry_id, payload, commit_count })
    } else {
        Body::Append(proto::Append { seat, entry_id, payload, commit_count })
    })))
}

/// The commit by which this device takes a seat that nobody else knows, and renews its keys.
fn update_commit(tx: &Tx<'_>, local: &Local, term: &mut TermRecord, item: &OutboxItem) -> Result<Option<Vec<u8>>, ClientError> {
    let Some(mut group) = load_group(tx, term)? else { return Ok(None) };
    let seat = local.replaced_seat(term.log, item.entry_id);
    let seen = Seen { sequence: term.cursor, running_hash: term.running_hash };
    let prepared = group.prepare_update(tx, &local.mls()?, seat.seat_id(term.log), seen)?;
    let frame = CommitFrame { message: &prepared.message, group_info: &prepared.group_info, seat };
    commit_frame(tx, local, term, item, frame).map(|frame| Some(frame.encode_to_vec()))
}

/// The rights that a seat of this account has: keep and invite.
pub(crate) fn own_rights(tx: &Tx<'_>, term: &TermRecord) -> Result<(bool, bool), ClientError> {
    let Some(account) = tx.account()?.map(|own| own.account) else { return Ok((false, false)) };
    let group = load_group(tx, term)?;
    Ok(match group.as_ref().and_then(alcyon_mls::Group::state_of_group) {
        None => (true, false),
        Some(state) => (state.is_admin(account), state.may(account, alcyon_mls::Permission::Invite)),
    })
}

/// What a commit's frame is made of.
pub(crate) struct CommitFrame<'a> {
    pub(crate) message: &'a [u8],
    pub(crate) group_info: &'a [u8],
    pub(crate) seat: SeatSecret,
}

/// Seals a prepared commit, notes the seat that it takes, and makes its frame.
pub(crate) fn commit_frame(
    tx: &Tx<'_>,
    local: &Local,
    term: &mut TermRecord,
    item: &OutboxItem,
    commit: CommitFrame<'_>,
) -> Result<proto::ClientFrame, ClientError> {
    // On its old seat a device changes nothing at the log.
    let CommitFrame { message, group_info, seat } = commit;
    let key = handshake_key(term)?;
    let payload: Bytes = Payload::Handshake(key.seal_handshake(message)?).encode().into();
    tx.put_own_entry(term.log, item.entry_id, &payload_hash(&payload))?;
    let (keep, invite) = own_rights(tx, term)?;
    let changes = if seat == term.seat {
        term.next_seat = None;
        SeatChanges::default().to_field()
    } else {
        let drop_secret = local.drop_secret(term.log);
        let added = Seat { id: seat.seat_id(term.log), drop_hash: drop_secret.hash(term.log), keep, invite };
        let dropped = term.seat.seat_id(term.log);
        term.next_seat = Some(seat);
        SeatChanges { seats_added: vec![added], seats_dropped: vec![dropped], ..SeatChanges::default() }.to_field()
    };
    tx.put_term(term)?;
    let body = Body::Commit(proto::Commit {
        authority: Some(proto::commit::Authority::Seat(SeatKey { log: term.log, secret: term.seat.clone() }.to_field())),
        entry_id: item.entry_id.to_field(),
        payload,
        commit_count: term.commit_count,
        changes,
        drop_secrets: Vec::new(),
        group_info: key.seal_group_info(group_info)?.into(),
    });
    Ok(proto::ClientFrame { request: 0, body: Some(body) })
}

/// The seat that an item's frame shows.
fn frame_seat(item: &OutboxItem) -> Option<SeatSecret> {
    let body = proto::ClientFrame::decode(item.frame.as_deref()?).ok()?.body?;
    let seat = match body {
        Body::Append(proto::Append { seat, .. }) | Body::Close(proto::Close { seat, .. }) => seat?,
        Body::Commit(proto::Commit { authority: Some(proto::commit::Authority::Seat(seat)), .. }) => seat,
        _ => return None,
    };
    SeatSecret::parse(&seat.secret, "seat").ok()
}

/// A knock that goes the strangers' way, because its pass is not good any more.
fn without_pass(item: &OutboxItem) -> Option<Vec<u8>> {
    match proto::ClientFrame::decode(item.frame.as_deref()?).ok()?.body? {
        Body::Knock(knock) => Some(encode(Body::Knock(proto::Knock { pass: Bytes::new(), ..knock }))),
        _ => None,
    }
}

impl Core {
    /// This device can't come into a group: the invite or link is over, or what is there does not hold.
    pub(crate) fn not_coming_in(&self, item: &OutboxItem) -> Result<Vec<Event>, ClientError> {
        self.store.transaction(|tx| {
            let mut answered = Answered::default();
            tx.remove_outbox(item.number)?;
            left(tx, item, &mut answered)?;
            Ok(answered.events)
        })
    }
}
