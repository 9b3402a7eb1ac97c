//! The conversation of an account's own devices: *note to self*, and where they tell each other what they share.

use alcyon_mls::{Created, Group, GroupRules, Settings, Who};
use alcyon_store::{ConversationKind, ConversationRecord, DeviceRecord, NewTerm, OutboxKind, Standing, TermRecord, TermState, Tx};
use alcyon_wire::{
    ConversationId, DropSecret, JoinSecret, LogId, Seat, SeatSecret,
    proto::{self, client_frame::Body},
};

use crate::{ClientError, group::queue_tree, inbox::has_begun, local::Local, outbox::add, random::random};

/// The conversation of this account's devices; made if there is none. Only where there is one device can there be none.
pub(crate) fn ensure(tx: &Tx<'_>, local: &Local, now_ms: u64) -> Result<ConversationId, ClientError> {
    if let Some(own) = tx.own_conversation()? {
        return Ok(own);
    }
    if super::has_siblings(local) {
        return Err(ClientError::NotInYet);
    }
    let (log, conversation) = (random::<16, LogId>(), random::<16, ConversationId>());
    let (seat, drop_secret) = (random::<32, SeatSecret>(), local.drop_secret(log));
    let rules = GroupRules::group(conversation, 0, log);
    let settings = Settings { who_writes: Who::Members, ..Settings::default() };
    let Created { group, .. } = Group::create_group(tx, &local.mls()?, &rules, seat.seat_id(log), settings)?;
    tx.put_conversation(&ConversationRecord {
        conversation,
        peer: None,
        start_handle: None,
        start_account: None,
        standing: Standing::Open,
        created_ms: now_ms,
        read_number: 0,
        kind: ConversationKind::Own,
        title: String::new(),
    })?;
    let term = TermRecord::begun(
        NewTerm {
            log,
            conversation,
            term: 0,
            server: local.server.clone(),
            seat: seat.clone(),
            drop_secret: drop_secret.clone(),
            join_secret: random::<32, JoinSecret>(),
        },
        group.id().as_bytes(),
    );
    tx.put_term(&term)?;
    let first = |seat: &SeatSecret, drop_secret: &DropSecret, right| {
        Seat { id: seat.seat_id(log), drop_hash: drop_secret.hash(log), keep: right, invite: right }.to_field()
    };
    // A second seat that nobody sits on: a log with one alone goes when nothing is written for a month.
    let seats = vec![first(&seat, &drop_secret, true), first(&random(), &drop_secret, false)];
    add(tx, OutboxKind::Create, &term, random(), None, Some(Body::Create(proto::Create { log: log.to_field(), seats, payment: None })))?;
    queue_tree(tx, &term)?;
    Ok(conversation)
}

/// Whether it is there for others to come into: made, and its tree stored.
pub(crate) fn stands(tx: &Tx<'_>) -> Result<bool, ClientError> {
    let Some(own) = tx.own_conversation()? else { return Ok(false) };
    let Some(term) = tx.term_of(own)? else { return Ok(false) };
    let waits = tx.outbox_of_log(term.log)?.iter().any(|item| matches!(item.kind, OutboxKind::Create | OutboxKind::PutTree));
    Ok(!waits && term.state == TermState::Live && term.rejoin == 0 && has_begun(tx, term.log)?)
}

/// Notes this device among those of the account.
pub(crate) fn note_this(tx: &Tx<'_>, local: &Local, added_ms: u64) -> Result<(), ClientError> {
    Ok(tx.put_device(&DeviceRecord {
        device: local.device.id(),
        name: String::new(),
        added_ms,
        inbox_seat: Some(local.inbox.seat_id()),
        added_here: false,
    })?)
}
