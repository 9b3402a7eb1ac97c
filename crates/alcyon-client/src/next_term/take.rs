//! Going along: an offer of the next term, from whoever may open it, is taken without a question.

use alcyon_mls::{Group, MlsError, Payload, TreeChunk};
use alcyon_store::{ConversationKind, ConversationRecord, NewOutboxItem, NewTerm, OutboxKind, Standing, TermRecord, TermState, Tx};
use alcyon_wire::{
    AccountId, ConversationId, EntryId, LogId, SeatKey, SeatSecret,
    proto::{self, client_frame::Body},
};

use super::{TermReason, leave_behind, may_open, move_along, move_queue, newest_state, tell};
use crate::{
    AlarmKind, ClientError, Event,
    core::{handshake_key, raise},
    entry::{Step, Subject},
    invite::InviteOffer,
    local::Local,
    offer::Offer,
    outbox::{add, encode},
    random::random,
};

/// Why an entry was kept: a part of the first tree.
const TREE: &str = "tree";
/// Why an offer was kept.
const OFFER: &str = "offer";
/// In a group each device takes its own seat within this time a device: a path costs everybody something.
const TAKE_SEAT_MS: u64 = 10_000;

/// What becomes of a term that was offered.
enum Course {
    /// It is not for this device to take: from somebody who may not, or known.
    Pass,
    /// The conversation goes on there. Of two terms of one number that with the lower log id stays, the same for all.
    Follow(ConversationRecord),
    /// Another one of that number stays, or its opener may not open it by what is known now. That may change.
    Keep,
    /// The conversation has gone on from there: it is read.
    Read(ConversationRecord),
}

fn course(tx: &Tx<'_>, conversation: ConversationId, term: u32, log: LogId, by: AccountId) -> Result<Course, ClientError> {
    let own = tx.account()?.is_some_and(|own| own.account == by);
    let Some(record) = tx.conversation(conversation)?.filter(|record| record.standing == Standing::Open) else { return Ok(Course::Pass) };
    let entitled = match record.kind {
        ConversationKind::Pair => own || record.peer == Some(by) && tx.contact(by)?.is_none_or(|contact| !contact.blocked),
        ConversationKind::Group | ConversationKind::Own => may_open(tx, &record, by)?,
    };
    let terms = tx.terms_of(record.conversation)?;
    let Some(newest) = terms.first().filter(|_| term > 0) else { return Ok(Course::Pass) };
    if !entitled {
        // Somebody who could not be taken along at once may be let in as an admin yet.
        return Ok(if record.kind == ConversationKind::Group { Course::Keep } else { Course::Pass });
    }
    let same_number = terms.iter().find(|known| known.term == term);
    Ok(match same_number {
        Some(known) if known.log == log => Course::Pass,
        Some(known) if known.log == newest.log && log < newest.log => Course::Follow(record),
        Some(_) => Course::Keep,
        None if term > newest.term => Course::Follow(record),
        None => Course::Read(record),
    })
}

/// An offer of a term beyond the first, from an account whose chain was verified.
pub(crate) fn receive(tx: &Tx<'_>, local: &Local, by: AccountId, offer: &Offer, now_ms: u64) -> Result<Vec<Event>, ClientError> {
    let Some(seat) = offer.seat_of(local.device.id()) else { return Ok(Vec::new()) };
    let joining = |record: &ConversationRecord| TermRecord {
        welcome: Some(offer.welcome.clone()),
        reason: offer.reason,
        ..TermRecord::joining(NewTerm {
            log: offer.log,
            conversation: record.conversation,
            term: offer.term,
            server: offer.server.clone(),
            seat: seat.secret.clone(),
            drop_secret: seat.drop_secret.clone(),
            join_secret: offer.join_secret.clone(),
        })
    };
    match course(tx, offer.conversation, offer.term, offer.log, by)? {
        Course::Pass => {}
        Course::Keep => tx.set_aside(offer.log, 0, by.as_bytes(), &offer.encode(), OFFER)?,
        Course::Read(record) => tx.put_term(&joining(&record))?,
        Course::Follow(record) => follow(tx, local, &joining(&record), &offer.before, now_ms)?,
    }
    Ok(Vec::new())
}

/// An account was let in as an admin: what it has offered before is looked at again.
pub(crate) fn reconsider(tx: &Tx<'_>, local: &Local, account: AccountId, now_ms: u64) -> Result<(), ClientError> {
    for (log, (by, offer)) in tx.all_set_aside_for(OFFER)? {
        if by != account.as_bytes() {
            continue;
        }
        tx.forget_set_aside(log, OFFER)?;
        receive(tx, local, account, &Offer::decode(&offer)?, now_ms)?;
    }
    Ok(())
}

/// An invite into the next term of a group that this account is in already: its opener had no KeyPackage for it. Taken like
/// an offer. False: it is an invite like any other.
pub(crate) fn receive_invite(tx: &Tx<'_>, local: &Local, invite: &InviteOffer, by: AccountId, now_ms: u64) -> Result<bool, ClientError> {
    let InviteOffer { conversation, term, log, server, join_secret, door, title: _, members: _, member_marks: _, before } = invite;
    let Course::Follow(record) = course(tx, *conversation, *term, *log, by)? else { return Ok(false) };
    let joining = TermRecord {
        door: Some(*door),
        // Whether the term before is read on shows by itself: its last entry says so, or its server is gone.
        reason: TermReason::Lost as u32,
        ..TermRecord::joining(NewTerm {
            log: *log,
            conversation: record.conversation,
            term: *term,
            server: server.clone(),
            seat: random::<32, SeatSecret>(),
            drop_secret: local.drop_secret(*log),
            join_secret: join_secret.clone(),
        })
    };
    follow(tx, local, &joining, before, now_ms)?;
    add(tx, OutboxKind::ComeIn, &joining, random(), None, None)?;
    Ok(true)
}

/// The conversation goes on in `term`, which comes after the logs `before`.
fn follow(tx: &Tx<'_>, local: &Local, term: &TermRecord, before: &[LogId], now_ms: u64) -> Result<(), ClientError> {
    let reason = TermReason::from_number(term.reason).unwrap_or(TermReason::Lost);
    let reach = term.term.saturating_sub(u32::try_from(before.len()).unwrap_or(u32::MAX));
    // Terms that it does not come from are of another branch: they go, and what was written there goes out again.
    let (astray, mut along): (Vec<_>, Vec<_>) =
        tx.terms_of(term.conversation)?.into_iter().partition(|known| known.term >= reach.max(1) && !before.contains(&known.log));
    let numbers: Vec<_> = astray.iter().map(|astray| astray.term).collect();
    for astray in &astray {
        tx.remove_term(astray.log)?;
    }
    tx.put_term(term)?;
    for astray in astray {
        abandon(tx, &astray, term, now_ms)?;
    }
    // Of the branch that stays, terms that were passed over are read after all.
    for log in before.iter().filter(|log| !along.iter().any(|known| known.log == **log)) {
        for (by, offer) in tx.set_aside_for(*log, OFFER)? {
            let (Ok(by), Ok(offer)) = (AccountId::parse(&by, "by"), Offer::decode(&offer)) else { continue };
            receive(tx, local, by, &offer, now_ms)?;
        }
        tx.forget_set_aside(*log, OFFER)?;
    }
    along.retain(|known| !numbers.contains(&known.term));
    match along.first() {
        Some(old) => leave_behind(tx, old, term, reason, now_ms),
        None => Ok(()),
    }
}

/// What was written in a term that the conversation does not go on in goes out again; its group, lines and seat are given up.
fn abandon(tx: &Tx<'_>, astray: &TermRecord, to: &TermRecord, now_ms: u64) -> Result<(), ClientError> {
    let created = !tx.outbox_of_log(astray.log)?.iter().any(|item| item.kind == OutboxKind::Create);
    move_along(tx, astray, to, 0, now_ms)?;
    if let Some(group) = &astray.group_id {
        alcyon_mls::forget_group(tx, &alcyon_mls::GroupId::from_bytes(group))?;
    }
    tx.remove_lines_of_term(astray.conversation, astray.term)?;
    tx.remove_knocks(astray.conversation)?;
    if created { give_seat_up(tx, astray) } else { Ok(()) }
}

/// Gives up the own seat at a log that nobody goes on in: so the server need not keep it.
fn give_seat_up(tx: &Tx<'_>, term: &TermRecord) -> Result<(), ClientError> {
    let entry_id: EntryId = random();
    let frame = encode(Body::Leave(proto::Leave {
        seat: Some(SeatKey { log: term.log, secret: term.seat.clone() }.to_field()),
        entry_id: entry_id.to_field(),
        payload: bytes::Bytes::new(),
        seats_dropped: vec![term.seat.seat_id(term.log).to_field()],
        drop_secrets: Vec::new(),
        commit_count: None,
        keeper_stays: false,
    }));
    tx.add_outbox(&NewOutboxItem {
        kind: OutboxKind::Leave,
        conversation: None,
        server: &term.server,
        log: term.log,
        entry_id,
        after: 0,
        content: None,
        frame: Some(&frame),
    })?;
    Ok(())
}

/// An entry of a term that this device has a Welcome for. Once the first tree is whole, it is in the group.
pub(crate) fn collect(
    tx: &Tx<'_>,
    local: &Local,
    term: &mut TermRecord,
    subject: &Subject<'_>,
    step: &mut Step,
) -> Result<(), ClientError> {
    let Payload::Tree(TreeChunk { chunks, .. }) = Payload::decode(subject.payload)? else { return Ok(()) };
    tx.set_aside(term.log, subject.header.sequence, &subject.header.encode(), subject.payload, TREE)?;
    let mut parts = std::collections::BTreeMap::new();
    for (_, payload) in tx.set_aside_for(term.log, TREE)? {
        if let Ok(Payload::Tree(part)) = Payload::decode(&payload)
            && part.chunks == chunks
        {
            parts.insert(part.chunk, bytes::Bytes::from(part.sealed));
        }
    }
    if parts.len() != chunks as usize {
        return Ok(());
    }
    let parts: Vec<_> = parts.into_values().collect();
    let tree = handshake_key(term)?.open_tree(&parts, 0)?;
    let welcome = term.welcome.as_deref().ok_or(MlsError::OtherState("there is no Welcome"))?;
    let group = Group::join(tx, &local.mls()?, welcome, &tree)?;
    let opener = check(tx, term, &group)?;
    let devices = group.members().count() as u64;
    term.group_id = Some(group.id().as_bytes().to_vec());
    (term.welcome, term.state) = (None, TermState::Live);
    tx.forget_set_aside(term.log, TREE)?;
    step.events.extend(tell(tx, local, term, opener, subject.header.time_ms)?);
    // The opener knows the secret of this seat: it is changed for one that nobody else knows.
    let number = add(tx, OutboxKind::TakeSeat, term, random(), None, None)?;
    if devices > 2 {
        tx.delay_outbox(number, subject.now_ms + u64::from_le_bytes(random()) % (devices * TAKE_SEAT_MS))?;
    }
    Ok(())
}

/// Whether this is the term it was offered as: bound to this conversation, opened by whoever may, with nobody in it who was
/// not in the conversation before. The account that has opened it.
fn check(tx: &Tx<'_>, term: &TermRecord, group: &Group) -> Result<AccountId, ClientError> {
    let untrue = |what| ClientError::Mls(MlsError::OtherState(what));
    let rules = group.rules();
    if rules.conversation != term.conversation || rules.log != term.log || rules.term != term.term {
        return Err(untrue("the group belongs to another conversation"));
    }
    let record = tx.conversation(term.conversation)?.ok_or(ClientError::Left)?;
    let opener = group.members().next().map(|first| first.chain.account()).ok_or(untrue("a group of nobody"))?;
    let own = tx.account()?.ok_or(ClientError::NoAccount)?.account;
    let accounts = group.members().map(|member| member.chain.account());
    if record.kind == ConversationKind::Pair {
        let two = |account: AccountId| account == own || Some(account) == record.peer;
        let right = rules.rules == alcyon_mls::RULES_PAIR && two(opener) && accounts.into_iter().all(two);
        return if right { Ok(opener) } else { Err(untrue("somebody else is in the conversation")) };
    }
    let state = newest_state(tx, term.conversation, term.term)?.ok_or(untrue("the term before is not known"))?;
    if !state.is_admin(opener) || rules.rules != alcyon_mls::RULES_GROUP {
        return Err(untrue("opened by somebody who is no admin"));
    }
    // Where people were shown different things, others may have come in that this device was not shown.
    let forked = TermReason::from_number(term.reason) != Some(TermReason::Moved);
    if !forked && accounts.into_iter().any(|account| !state.accounts.contains_key(&account)) {
        return Err(untrue("somebody is in it who was not in the conversation"));
    }
    Ok(opener)
}

/// This device can't come into an offered term: the conversation stays in the one before, and it is shown.
pub(crate) fn give_up(tx: &Tx<'_>, term: &TermRecord, subject: &Subject<'_>, step: &mut Step) -> Result<(), ClientError> {
    let evidence = (b"next term".as_slice(), &[][..]);
    let at = subject.header.sequence;
    step.events.extend(raise(tx, Some(term.conversation), term.log, AlarmKind::Unreadable, at, evidence, subject.now_ms)?);
    step.stop = true;
    tx.remove_term(term.log)?;
    if let Some(before) = tx.term_of(term.conversation)? {
        move_queue(tx, term.log, &before)?;
    }
    Ok(())
}
