//! Coming into a conversation that a sibling is in: by an external commit that the sibling's leaf backs.
//!
//! A sibling tells where the conversation is and lends its seat. On that this device reads the commits (messages it can't open
//! yet), follows them from the stored tree, and commits itself onto a seat of its own.

use alcyon_mls::{
    DoorKeys, Entry, Ground, GroupHandshake, GroupId, HandshakeKey, How, MlsError, Payload, Replay, Seen, StoredTree, Suite, Verdict,
    adopt_rejoin, forget_group, prepare_join,
};
use alcyon_store::{
    ConversationKind, ConversationRecord, DeviceNoteKind, LinkRecord, NewTerm, OutboxItem, OutboxKind, Standing, TermRecord, TermState, Tx,
};
use alcyon_wire::{
    AccountId, ConversationId, EntryKind, JoinSecret, LogId, RefusalCode, RunningHash, Seat, SeatChanges, SeatKey, SeatSecret,
    Verdict as Refused, payload_hash,
    proto::{self, client_frame::Body},
};
use bytes::Bytes;

use super::share;
use crate::{
    ClientError,
    come_in::is_word_of_leaver,
    contacts::tell_manifest,
    core::handshake_key,
    entry::{REPLAY, Step, Subject, judged, overtaken},
    group::is_group,
    local::Local,
    outbox::{add, encode, queue_rejoin},
    random::random,
    rejoin::{FetchedTree, follow, forget_replay, replay_of_tree},
};

/// The reason in a term's record: this device is not in yet, and sits on a seat that a sibling has lent it.
pub(crate) const SIBLING: u32 = 5;
/// In an item's content: the seat it adds asks for no rights, because the one that was lent has none.
const PLAIN: &[u8] = b"plain";
/// How long a tree that is still to come is waited for, and when one tries again that can't go on.
const TREE_MS: u64 = 2_000;
const STUCK_MS: u64 = 10 * 60 * 1000;

/// A sibling has shared a conversation: if this device is not in it, it comes in.
pub(crate) fn begin(tx: &Tx<'_>, local: &Local, shared: proto::SharedConversation, now_ms: u64) -> Result<(), ClientError> {
    let proto::SharedConversation {
        conversation,
        kind,
        peer,
        title,
        created_ms,
        term: number,
        log,
        server,
        reason,
        join_secret,
        seat,
        sequence,
        running_hash,
        commit_count,
        links,
        introduced,
    } = shared;
    let conversation = ConversationId::parse(&conversation, "shared.conversation")?;
    if log.is_empty() {
        return over(tx, conversation, kind, &peer, title, created_ms);
    }
    let log = LogId::parse(&log, "shared.log")?;
    let join_secret = JoinSecret::parse(&join_secret, "shared.join_secret")?;
    let seat = SeatSecret::parse(&seat, "shared.seat")?;
    let Some((kind, _)) = ConversationKind::ALL.iter().find(|(_, known)| *known == i64::from(kind)) else { return Ok(()) };
    let peer = if peer.is_empty() { None } else { Some(AccountId::parse(&peer, "shared.peer")?) };
    if let Some(known) = tx.term(log)? {
        let same = known.seat == seat && known.join_secret == join_secret;
        if known.rejoin != SIBLING || known.conversation != conversation || same {
            // It is in, or on its way in, or there is nothing new.
            return Ok(());
        }
        begin_anew(tx, &known)?;
    }
    let newer = tx.term_of(conversation)?.is_some_and(|known| known.term >= number && known.log != log);
    if newer {
        return Ok(());
    }
    let known = tx.conversation(conversation)?;
    let standing = known.as_ref().map(|known| known.standing).filter(|standing| *standing == Standing::Open);
    tx.put_conversation(&ConversationRecord {
        conversation,
        peer,
        start_handle: None,
        start_account: None,
        standing: standing.unwrap_or(Standing::Joining),
        created_ms: known.as_ref().map_or(created_ms, |known| known.created_ms),
        read_number: known.as_ref().map_or(0, |known| known.read_number),
        kind: *kind,
        title: known.map(|known| known.title).filter(|known| !known.is_empty()).unwrap_or(title),
    })?;
    tx.set_introduced(conversation, introduced)?;
    let new = NewTerm { log, conversation, term: number, server: server.parse()?, seat, drop_secret: local.drop_secret(log), join_secret };
    let term = TermRecord {
        state: TermState::Live,
        cursor: sequence,
        running_hash: RunningHash::parse(&running_hash, "shared.running_hash")?,
        commit_count,
        rejoin: SIBLING,
        reason,
        ..TermRecord::joining(new)
    };
    tx.put_term(&term)?;
    note_start(tx, log, commit_count)?;
    for proto::SharedLink { secret, approval } in links {
        if let Ok(secret) = <[u8; 32]>::try_from(secret.as_ref()) {
            tx.put_link(&LinkRecord { log, door: DoorKeys::derive(&secret, log)?.id, secret, approval })?;
        }
    }
    share::note_asked(tx, conversation, now_ms)?;
    queue_rejoin(tx, &term)
}

/// A conversation that is over, of which the history is to come.
fn over(tx: &Tx<'_>, conversation: ConversationId, kind: u32, peer: &[u8], title: String, created_ms: u64) -> Result<(), ClientError> {
    let Some((kind, _)) = ConversationKind::ALL.iter().find(|(_, known)| *known == i64::from(kind)) else { return Ok(()) };
    if tx.conversation(conversation)?.is_some() {
        return Ok(());
    }
    let peer = if peer.is_empty() { None } else { Some(AccountId::parse(peer, "shared.peer")?) };
    Ok(tx.put_conversation(&ConversationRecord {
        conversation,
        peer,
        start_handle: None,
        start_account: None,
        standing: Standing::Left,
        created_ms,
        read_number: 0,
        kind: *kind,
        title,
    })?)
}

/// What was read on a seat that is lent no more, or under a secret that has changed, is of no use.
fn begin_anew(tx: &Tx<'_>, term: &TermRecord) -> Result<(), ClientError> {
    if let Some(group) = &term.group_id {
        forget_group(tx, &GroupId::from_bytes(group))?;
    }
    for item in tx.outbox_of_log(term.log)? {
        if item.kind == OutboxKind::Rejoin {
            tx.remove_outbox(item.number)?;
        }
    }
    Ok(tx.remove_term(term.log)?)
}

/// All commits after so many are read.
fn note_start(tx: &Tx<'_>, log: LogId, commit_count: u64) -> Result<(), ClientError> {
    Ok(tx.put_device_note(DeviceNoteKind::Lent, log.as_bytes(), &commit_count.to_be_bytes())?)
}

/// Entries are gone that were not read: what follows has to begin behind them.
pub(crate) fn gap(tx: &Tx<'_>, term: &mut TermRecord, last: u64, running_hash: RunningHash, commit_count: u64) -> Result<(), ClientError> {
    (term.cursor, term.running_hash, term.commit_count) = (last, running_hash, commit_count);
    tx.put_term(term)?;
    note_start(tx, term.log, commit_count)
}

/// An entry that is read on the lent seat.
pub(crate) fn read(tx: &Tx<'_>, local: &Local, term: &mut TermRecord, subject: &Subject<'_>, step: &mut Step) -> Result<(), ClientError> {
    match subject.header.kind {
        EntryKind::Commit => {
            if tx.own_entry(term.log, subject.header.entry_id)? == Some(subject.hash) {
                return own_echo(tx, local, term, subject, step);
            }
            overtaken(tx, term, subject)?;
            term.group_id = None;
            Ok(tx.set_aside(term.log, subject.header.sequence, subject.header_bytes, subject.payload, REPLAY)?)
        }
        EntryKind::Leave if is_group(tx, term.conversation)? => {
            let Ok(Payload::Handshake(sealed)) = Payload::decode(subject.payload) else { return Ok(()) };
            let Ok(GroupHandshake::Leave(proof)) = handshake_key(term)?.open_group_handshake(&sealed) else { return Ok(()) };
            if is_word_of_leaver(&proof, &subject.header, term.log) {
                tx.put_leaving(term.log, proof.account(), &proof.encode())?;
            }
            Ok(())
        }
        EntryKind::Close => {
            // Where it goes on a sibling will share.
            begin_anew(tx, term)?;
            term.state = TermState::Closed;
            Ok(())
        }
        EntryKind::Application | EntryKind::Leave | EntryKind::Knock | EntryKind::Unspecified => Ok(()),
    }
}

/// The log has the commit by which this device comes in.
fn own_echo(tx: &Tx<'_>, local: &Local, term: &mut TermRecord, subject: &Subject<'_>, step: &mut Step) -> Result<(), ClientError> {
    let (Some(id), Payload::Handshake(sealed)) = (&term.group_id, Payload::decode(subject.payload)?) else { return Ok(()) };
    let message = handshake_key(term)?.open_handshake(&sealed)?;
    let entry = Entry { header: &subject.header, payload_hash: subject.hash };
    let (_, verdict) = adopt_rejoin(tx, &GroupId::from_bytes(id), &message, &entry)?;
    if !matches!(verdict, Verdict::Valid(_)) {
        if let Some(item) = tx.outbox_by_entry(term.log, subject.header.entry_id)? {
            tx.remove_outbox(item.number)?;
        }
        tx.remove_own_entry(term.log, subject.header.entry_id)?;
        (term.group_id, term.next_seat) = (None, None);
        return queue_rejoin(tx, term);
    }
    term.rejoin = 0;
    forget_replay(tx, term.log)?;
    crate::outbox::encrypt_anew(tx, term.log)?;
    tx.remove_device_note(DeviceNoteKind::Lent, term.log.as_bytes())?;
    judged(tx, local, term, subject, (verdict, None), step)?;
    if tx.own_conversation()? == Some(term.conversation) {
        return Ok(());
    }
    // The others learn that there is one more device to write to.
    tell_manifest(tx, local, term, subject.now_ms)
}

/// Makes the commit by which this device comes in. `None`: the tree at the log is not new enough yet.
pub(crate) fn make_frame(
    tx: &Tx<'_>,
    local: &Local,
    term: &mut TermRecord,
    item: &OutboxItem,
    fetched: &FetchedTree,
    now_ms: u64,
) -> Result<Option<Vec<u8>>, ClientError> {
    let start = tx.device_note(DeviceNoteKind::Lent, term.log.as_bytes())?;
    let start = start.and_then(|start| start.try_into().ok()).map_or(0, u64::from_be_bytes);
    let not_yet = || Ok::<_, ClientError>(tx.delay_outbox(item.number, now_ms + TREE_MS).map(|()| None)?);
    if fetched.commit_count < start || fetched.group_infos.iter().all(|info| info.commit_count < term.commit_count) {
        return not_yet();
    }
    let key = handshake_key(term)?;
    let Some(mut replay) = begin_replay(tx, term, &key, fetched)? else { return not_yet() };
    follow(tx, term, &key, &mut replay, fetched.sequence)?;
    let rules = replay.rules();
    if rules.conversation != term.conversation || rules.log != term.log || rules.term != term.term {
        return Err(ClientError::Unbelievable("the group belongs to another conversation"));
    }
    for info in fetched.group_infos.iter().rev() {
        let Ok(group_info) = key.open_group_info(&info.payload) else { continue };
        let Some(ground) = replay.ground(&group_info).ok().filter(Ground::is_newest) else { continue };
        let seat = local.replaced_seat(term.log, item.entry_id);
        let seen = Seen { sequence: term.cursor, running_hash: term.running_hash };
        let prepared = match prepare_join(tx, &local.mls()?, ground, seat.seat_id(term.log), seen, How::Sibling) {
            Ok(prepared) => prepared,
            // The account was put out meanwhile.
            Err(MlsError::NotBacked) => break,
            Err(error) => return Err(error.into()),
        };
        let payload: Bytes = Payload::Handshake(key.seal_handshake(&prepared.message)?).encode().into();
        tx.put_own_entry(term.log, item.entry_id, &payload_hash(&payload))?;
        let (keep, invite) = rights(local, &replay, item)?;
        let added = Seat { id: seat.seat_id(term.log), drop_hash: term.drop_secret.hash(term.log), keep, invite };
        term.group_id = Some(prepared.group.as_bytes().to_vec());
        term.next_seat = Some(seat);
        tx.put_term(term)?;
        return Ok(Some(encode(Body::Commit(proto::Commit {
            authority: Some(proto::commit::Authority::Seat(SeatKey { log: term.log, secret: term.seat.clone() }.to_field())),
            entry_id: item.entry_id.to_field(),
            payload,
            commit_count: term.commit_count,
            changes: SeatChanges { seats_added: vec![added], ..SeatChanges::default() }.to_field(),
            drop_secrets: Vec::new(),
            group_info: key.seal_group_info(&prepared.group_info)?.into(),
        }))));
    }
    stuck(tx, local, term, now_ms)?;
    Ok(None)
}

/// The rights that go with what the account is there.
fn rights(local: &Local, replay: &Replay, item: &OutboxItem) -> Result<(bool, bool), ClientError> {
    if item.content.as_deref() == Some(PLAIN) {
        return Ok((false, false));
    }
    Ok(match replay.state_of_group()? {
        None => (true, false),
        Some(state) => state.accounts.get(&local.account).map_or((false, false), |known| state.rights_at_log(known.role)),
    })
}

fn begin_replay(tx: &Tx<'_>, term: &TermRecord, key: &HandshakeKey, fetched: &FetchedTree) -> Result<Option<Replay>, ClientError> {
    let Ok(tree) = key.open_tree(&fetched.chunks, fetched.commit_count) else { return Ok(None) };
    if is_group(tx, term.conversation)? {
        return replay_of_tree(tx, term.log, &tree);
    }
    // A pair's tree lies apart from its GroupInfo.
    let infos = fetched.group_infos.iter().rev().filter(|info| info.commit_count == fetched.commit_count);
    for info in infos {
        let Ok(group_info) = key.open_group_info(&info.payload) else { continue };
        if let Ok(replay) = Replay::from_tree(Suite::PRODUCT, &StoredTree { tree: tree.clone(), group_info }) {
            return Ok(Some(replay));
        }
    }
    Ok(None)
}

/// This device can't go on by itself: a sibling has to say anew where the conversation is.
pub(crate) fn stuck(tx: &Tx<'_>, local: &Local, term: &TermRecord, now_ms: u64) -> Result<(), ClientError> {
    for item in tx.outbox_of_log(term.log)? {
        if item.kind == OutboxKind::Rejoin {
            tx.set_outbox_frame(item.number, None)?;
            tx.remove_own_entry(term.log, item.entry_id)?;
            tx.delay_outbox(item.number, now_ms + STUCK_MS)?;
        }
    }
    share::ask(tx, local, term.conversation, now_ms)
}

/// The place that was offered to this device leads nowhere any more, but a sibling has taken its own: it is asked to share that.
/// False: no sibling has.
pub(crate) fn instead(tx: &Tx<'_>, local: &Local, log: LogId, now_ms: u64) -> Result<bool, ClientError> {
    let Some(term) = tx.term(log)? else { return Ok(false) };
    if !share::was_asked(tx, term.conversation)? {
        return Ok(false);
    }
    for item in tx.outbox_of_log(log)? {
        if item.kind == OutboxKind::Commit {
            tx.remove_outbox(item.number)?;
        }
    }
    tx.remove_term(log)?;
    share::ask(tx, local, term.conversation, now_ms)?;
    Ok(true)
}

/// The log refuses the commit by which this device comes in. False: it is nothing special about it.
pub(crate) fn refused(
    tx: &Tx<'_>,
    local: &Local,
    term: &TermRecord,
    item: &OutboxItem,
    refusal: &proto::Refusal,
    now_ms: u64,
) -> Result<bool, ClientError> {
    let ours = term.rejoin == SIBLING && item.kind == OutboxKind::Rejoin;
    if !ours || refusal.verdict() == Refused::Later || refusal.code() == RefusalCode::Stale {
        return Ok(false);
    }
    if refusal.code() == RefusalCode::NoRight && item.content.is_none() {
        tx.remove_outbox(item.number)?;
        tx.remove_own_entry(term.log, item.entry_id)?;
        add(tx, OutboxKind::Rejoin, term, random(), Some(PLAIN), None)?;
    } else {
        stuck(tx, local, term, now_ms)?;
    }
    Ok(true)
}

/// The log does not give its tree, or does not let this device read. False: it is nothing special about it.
pub(crate) fn not_let_read(tx: &Tx<'_>, local: &Local, log: LogId, refusal: &proto::Refusal, now_ms: u64) -> Result<bool, ClientError> {
    let Some(term) = tx.term(log)?.filter(|term| term.rejoin == SIBLING) else { return Ok(false) };
    if refusal.code() == RefusalCode::NoTree || refusal.verdict() == Refused::Later {
        for item in tx.outbox_of_log(log)?.into_iter().filter(|item| item.kind == OutboxKind::Rejoin) {
            tx.delay_outbox(item.number, now_ms + refusal.retry_after_ms.max(TREE_MS))?;
        }
    } else {
        stuck(tx, local, &term, now_ms)?;
    }
    Ok(true)
}
