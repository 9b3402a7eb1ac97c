//! Coming into a group by a door: read what happened since the stored tree, check it, and commit oneself in.

use alcyon_mls::{
    DoorKeys, Entry, Ground, GroupHandshake, GroupId, HandshakeKey, How, LeaveProof, Payload, Replay, Seen, StoredTree, Suite, Verdict,
    adopt_rejoin, open_join_secret, prepare_join,
};
use alcyon_store::{OutboxItem, Standing, TermRecord, TermState, Tx};
use alcyon_wire::{
    DoorKey, EntryKind, HeaderFacts, JoinSecret, LogId, RunningHash, Seat, SeatChanges, payload_hash,
    proto::{self, client_frame::Body},
};
use bytes::Bytes;
use prost::Message;

use crate::{
    ClientError, Event,
    contacts::tell_manifest,
    core::{Core, handshake_key},
    entry::{Step, Subject, load_group},
    local::Local,
    rejoin::FetchedTree,
};

/// A group's stored tree and the GroupInfo of its epoch, in one: GroupInfos of their own are kept for the newest epochs alone.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TreeBox {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) tree: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) group_info: Vec<u8>,
    /// The words of members who have left and whose leaves are still in.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub(crate) leaves: Vec<Vec<u8>>,
}

impl TreeBox {
    /// The tree, and the words of leavers that are true. `None`: it is none.
    pub(crate) fn read(bytes: &[u8], log: LogId) -> Option<(StoredTree, Vec<LeaveProof>)> {
        let Self { tree, group_info, leaves } = Self::decode(bytes).ok()?;
        let leaves = leaves.iter().filter_map(|proof| LeaveProof::decode(proof).ok()).filter(|proof| proof.holds(log));
        Some((StoredTree { tree, group_info }, leaves.collect()))
    }
}

/// What was read at the door, from the commit that opened it to the head.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) entries: Vec<proto::Entry>,
    pub(crate) cursor: u64,
    /// On the server's word; others compare it.
    pub(crate) running_hash: Option<RunningHash>,
}

/// What shows a term's door to its log.
pub(crate) fn door_key(term: &TermRecord) -> Result<Option<DoorKey>, ClientError> {
    let Some(invite) = &term.door else { return Ok(None) };
    let DoorKeys { id, secret, .. } = DoorKeys::derive(invite, term.log)?;
    Ok(Some(DoorKey { log: term.log, id, secret }))
}

impl Core {
    /// Makes the frame by which this device comes in. `known`: commits that were in the log before the tree was asked for.
    pub(crate) fn come_in_by_door(
        &self,
        item: &OutboxItem,
        tree: &FetchedTree,
        history: &History,
        known: u64,
    ) -> Result<AtDoor, ClientError> {
        let local = self.local()?;
        self.store.transaction(|tx| {
            let Some(mut term) = tx.term(item.log)? else { return Ok(AtDoor::NotYet) };
            let made = make(tx, &local, &mut term, item, tree, history, known)?;
            if let AtDoor::Frame(frame) = &made {
                tx.set_outbox_frame(item.number, Some(&frame.encode_to_vec()))?;
            }
            Ok(made)
        })
    }
}

/// What was found at a door.
pub(crate) enum AtDoor {
    /// This brings the device in.
    Frame(Box<proto::ClientFrame>),
    /// So many commits are in the log, and the newest GroupInfo is of an older one: somebody has committed between the two
    /// answers. Ask again at once.
    Overtaken(u64),
    /// Nothing that is confirmed, or a tree under an older secret. Ask again later.
    NotYet,
}

fn make(
    tx: &Tx<'_>,
    local: &Local,
    term: &mut TermRecord,
    item: &OutboxItem,
    tree: &FetchedTree,
    history: &History,
    known: u64,
) -> Result<AtDoor, ClientError> {
    let (Some(invite), Some(running_hash)) = (term.door, history.running_hash) else { return Ok(AtDoor::NotYet) };
    let keys = DoorKeys::derive(&invite, term.log)?;
    let secrets = vec![term.join_secret.clone()];
    let mut followed = Followed { keys: &keys, log: term.log, secrets, replay: None, leaves: Vec::new(), opened: false };
    let mut commit_count = tree.commit_count;
    for entry in &history.entries {
        let header = HeaderFacts::parse(&entry.header)?;
        commit_count = header.commit_count + u64::from(header.kind == EntryKind::Commit);
        // A tree that is still sealed under an older join secret is about to be replaced.
        if header.sequence > tree.sequence && followed.replay.is_none() && !followed.open_tree(tree)? {
            return followed.opens_something(tree).map(|()| AtDoor::NotYet);
        }
        match header.kind {
            EntryKind::Commit => followed.commit(&header, &entry.payload)?,
            EntryKind::Leave => followed.leave(&header, &entry.payload),
            EntryKind::Application | EntryKind::Close | EntryKind::Knock | EntryKind::Unspecified => {}
        }
    }
    if followed.replay.is_none() && !followed.open_tree(tree)? {
        return followed.opens_something(tree).map(|()| AtDoor::NotYet);
    }
    let Followed { keys: _, log: _, secrets, replay, leaves, opened: _ } = followed;
    let Some(replay) = replay else { return Ok(AtDoor::NotYet) };
    let rules = replay.rules();
    if rules.conversation != term.conversation || rules.log != term.log || rules.term != term.term {
        return Err(ClientError::Unbelievable("the group belongs to another conversation"));
    }
    // A commit may lack its GroupInfo: then the next one shows where the group is, and there is nothing to be asked for at once.
    if known < commit_count && tree.group_infos.iter().all(|stored| stored.commit_count < commit_count) {
        return Ok(AtDoor::Overtaken(commit_count));
    }
    // Several members' GroupInfos are kept: a bad one costs a look at the next.
    for stored in tree.group_infos.iter().rev() {
        for secret in secrets.iter().rev() {
            let key = HandshakeKey::derive(secret, term.log)?;
            let Ok(group_info) = key.open_group_info(&stored.payload) else { continue };
            let Some(ground) = replay.ground(&group_info).ok().filter(Ground::is_newest) else { continue };
            let seat = local.replaced_seat(term.log, item.entry_id);
            let seen = Seen { sequence: history.cursor, running_hash };
            let prepared = prepare_join(tx, &local.mls()?, ground, seat.seat_id(term.log), seen, How::Door(keys.id))?;
            let handshake = GroupHandshake::Commit { message: prepared.message, join_secrets: Vec::new() };
            let payload: Bytes = Payload::Handshake(key.seal_group_handshake(&handshake)?).encode().into();
            tx.put_own_entry(term.log, item.entry_id, &payload_hash(&payload))?;
            for proof in &leaves {
                tx.put_leaving(term.log, proof.account(), &proof.encode())?;
            }
            let (keep, invite) = rights_by_door(&replay, &keys, &history.entries)?;
            let added = Seat { id: seat.seat_id(term.log), drop_hash: term.drop_secret.hash(term.log), keep, invite };
            let changes = SeatChanges { seats_added: vec![added], ..SeatChanges::default() };
            term.group_id = Some(prepared.group.as_bytes().to_vec());
            term.join_secret = secret.clone();
            term.seat = seat;
            (term.cursor, term.running_hash, term.commit_count) = (history.cursor, running_hash, commit_count);
            tx.put_term(term)?;
            let body = Body::Commit(proto::Commit {
                authority: Some(proto::commit::Authority::Door(
                    DoorKey { log: term.log, id: keys.id, secret: keys.secret.clone() }.to_field(),
                )),
                entry_id: item.entry_id.to_field(),
                payload,
                commit_count,
                changes: changes.to_field(),
                drop_secrets: Vec::new(),
                group_info: key.seal_group_info(&prepared.group_info)?.into(),
            });
            return Ok(AtDoor::Frame(Box::new(proto::ClientFrame { request: 0, body: Some(body) })));
        }
    }
    tracing::debug!(group_infos = tree.group_infos.len(), "no GroupInfo fits what was read at the door");
    Ok(AtDoor::NotYet)
}

/// The rights that the seat may have: those that the door has at the log, as far as the group's state allows them now.
fn rights_by_door(replay: &Replay, keys: &DoorKeys, entries: &[proto::Entry]) -> Result<(bool, bool), ClientError> {
    let headers = entries.iter().filter_map(|entry| HeaderFacts::parse(&entry.header).ok());
    let at_log = headers.flat_map(|header| header.changes.doors_added).find(|door| door.id == keys.id);
    let state = replay.state_of_group()?;
    let in_state = state.as_ref().and_then(|state| state.doors.get(&keys.id).map(|door| (state, door.door.lets_in.role())));
    let (Some(at_log), Some((state, role))) = (at_log, in_state) else { return Ok((false, false)) };
    let (keep, invite) = state.rights_at_log(role);
    Ok((keep && at_log.keep, invite && at_log.invite))
}

/// Following the commits from outside.
struct Followed<'a> {
    keys: &'a DoorKeys,
    log: LogId,
    /// Join secrets, the newest last. A hostile commit may have sealed a wrong one: the older ones stay.
    secrets: Vec<JoinSecret>,
    replay: Option<Replay>,
    /// Of members who have left. Those whose leaves a commit has taken out since are about nobody any more.
    leaves: Vec<LeaveProof>,
    /// One of the secrets has opened an entry.
    opened: bool,
}

impl Followed<'_> {
    /// False if none of the secrets opens it.
    fn open_tree(&mut self, tree: &FetchedTree) -> Result<bool, ClientError> {
        for secret in self.secrets.iter().rev() {
            let key = HandshakeKey::derive(secret, self.log)?;
            let Ok(bytes) = key.open_tree(&tree.chunks, tree.commit_count) else { continue };
            let Some((stored, leaves)) = TreeBox::read(&bytes, self.log) else { continue };
            self.replay = Some(Replay::from_tree(Suite::PRODUCT, &stored)?);
            self.leaves.extend(leaves);
            return Ok(true);
        }
        Ok(false)
    }

    /// The tree may be older than the secrets: then it is about to be renewed. Where neither the newest GroupInfos open nor any
    /// entry since the door was opened, the secret was over when the door came to be, or is of another log: waiting is in vain.
    fn opens_something(&self, tree: &FetchedTree) -> Result<(), ClientError> {
        if self.opened || tree.group_infos.is_empty() {
            return Ok(());
        }
        // Older ones are kept too, and open with a secret that opens nothing since.
        let newest = tree.group_infos.iter().map(|stored| stored.commit_count).max();
        for secret in &self.secrets {
            let key = HandshakeKey::derive(secret, self.log)?;
            let mut infos = tree.group_infos.iter().filter(|stored| Some(stored.commit_count) == newest);
            if infos.any(|stored| key.open_group_info(&stored.payload).is_ok()) {
                return Ok(());
            }
        }
        Err(ClientError::Unbelievable("nothing at the log opens with the secret of the invite or link"))
    }

    /// The handshake in an entry, under whichever of the secrets it is sealed.
    fn open(&mut self, payload: &Bytes) -> Option<GroupHandshake> {
        let Ok(Payload::Handshake(sealed)) = Payload::decode(payload) else { return None };
        let mut keys = self.secrets.iter().rev().filter_map(|secret| HandshakeKey::derive(secret, self.log).ok());
        let opened = keys.find_map(|key| key.open_group_handshake(&sealed).ok());
        self.opened |= opened.is_some();
        opened
    }

    fn leave(&mut self, header: &HeaderFacts, payload: &Bytes) {
        if let Some(GroupHandshake::Leave(proof)) = self.open(payload)
            && is_word_of_leaver(&proof, header, self.log)
        {
            self.leaves.push(*proof);
        }
    }

    fn commit(&mut self, header: &HeaderFacts, payload: &Bytes) -> Result<(), ClientError> {
        let Some(GroupHandshake::Commit { message, join_secrets }) = self.open(payload) else { return Ok(()) };
        let believed = match &mut self.replay {
            Some(replay) => matches!(replay.advance(&message, &Entry { header, payload_hash: payload_hash(payload) })?, Verdict::Valid(_)),
            None => true,
        };
        if believed && let Ok(Some(secret)) = open_join_secret(self.keys, &join_secrets) {
            self.secrets.push(secret);
        }
        Ok(())
    }
}

/// Whether a leave entry gives up the seats that its proof is about, and the proof is true.
pub(crate) fn is_word_of_leaver(proof: &LeaveProof, header: &HeaderFacts, log: LogId) -> bool {
    proof.seats().all(|seat| header.changes.seats_dropped.contains(&seat)) && proof.holds(log)
}

/// The log has the commit by which this device came in.
pub(crate) fn own_echo(
    tx: &Tx<'_>,
    local: &Local,
    term: &mut TermRecord,
    subject: &Subject<'_>,
    step: &mut Step,
) -> Result<(), ClientError> {
    let (Some(id), Payload::Handshake(sealed)) = (&term.group_id, Payload::decode(subject.payload)?) else { return Ok(()) };
    let GroupHandshake::Commit { message, join_secrets: _ } = handshake_key(term)?.open_group_handshake(&sealed)? else { return Ok(()) };
    let entry = Entry { header: &subject.header, payload_hash: subject.hash };
    let (_, verdict) = adopt_rejoin(tx, &GroupId::from_bytes(id), &message, &entry)?;
    if let Some(item) = tx.outbox_by_entry(term.log, subject.header.entry_id)? {
        tx.remove_outbox(item.number)?;
    }
    tx.remove_own_entry(term.log, subject.header.entry_id)?;
    let Some(mut conversation) = tx.conversation(term.conversation)? else { return Ok(()) };
    term.door = None;
    let Verdict::Valid(summary) = verdict else {
        crate::outbox::fail_messages(tx, term.log, conversation.conversation)?;
        term.state = TermState::Closed;
        conversation.standing = Standing::Left;
        tx.put_conversation(&conversation)?;
        step.events.push(Event::Left { conversation: conversation.conversation });
        return Ok(());
    };
    term.state = TermState::Live;
    conversation.standing = Standing::Open;
    // A link says no title, and that of an invite may be old.
    if let Some(state) = load_group(tx, term)?.as_ref().and_then(|group| group.state_of_group()) {
        conversation.title.clone_from(&state.settings.title);
    }
    tx.put_conversation(&conversation)?;
    crate::group::tell(tx, local, term, subject, &summary, None, step)?;
    crate::group::renew_tree(tx, term, subject, &summary)?;
    tell_manifest(tx, local, term, subject.now_ms)?;
    crate::introduction::introduce_at_once(tx, local, conversation.conversation, subject.now_ms)?;
    step.events.push(Event::Accepted { conversation: conversation.conversation });
    Ok(())
}
