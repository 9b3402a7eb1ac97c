//! Invites and links: offered by members, taken by one's own act.

use std::collections::BTreeSet;

use alcyon_identity::Manifest;
use alcyon_mls::{ACCOUNT_DOOR_MS, DoorKeys, GroupChange, GroupState, LetsIn, NewDoor, OpenDoor, Permission, Role, seal_knock};
use alcyon_store::{
    ConversationKind, ConversationRecord, LinkRecord, NewOutboxItem, NewTerm, OutboxKind, RequestKind, RequestRecord, RequestState,
    Standing, TermRecord, TermState, Tx,
};
use alcyon_wire::{
    AccountId, ConversationId, DoorId, EntryId, Handle, JoinSecret, LogId, Pass, SeatSecret, ServerUrl,
    proto::{self, client_frame::Body, knock_body},
};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::{
    ActOutcome, Client, ClientError, Clock, JoinLink, JoinOutcome, OpenedLink, Transport,
    act::Act,
    contacts::remember_manifest,
    directory,
    entry::load_group,
    group::{queue_tree, the_group},
    inbox::signed_knock,
    local::Local,
    outbox::encode,
    random::random,
};

/// Doors that one commit opens at most.
const AT_ONCE: usize = 32;
/// An invite lasts a day less than the rules allow: this device's clock may be ahead of the server's.
const LASTS_MS: u64 = ACCOUNT_DOOR_MS - 24 * 60 * 60 * 1000;
/// Bytes of a member's mark.
const MARK: usize = 8;

impl<T: Transport, C: Clock> Client<T, C> {
    /// Invites people. They come in by their own act or not at all; nothing tells whether somebody has looked.
    pub async fn invite(&self, conversation: ConversationId, handles: &[(Handle, Option<AccountId>)]) -> Result<ActOutcome, ClientError> {
        if handles.len() > AT_ONCE {
            return Err(ClientError::TooManyAtOnce { limit: AT_ONCE, actual: handles.len() });
        }
        let mut manifests = Vec::new();
        for (handle, account) in handles {
            manifests.push(self.manifest_to_invite(handle, *account).await?);
        }
        let now_ms = self.clock.now_ms();
        let prepared = self.core.store.transaction(|tx| {
            let (term, _, state) = the_group(tx, conversation)?;
            let mut seen = BTreeSet::new();
            manifests
                .into_iter()
                .filter(|manifest| seen.insert(manifest.account()))
                .map(|manifest| {
                    if state.accounts.contains_key(&manifest.account()) {
                        let handle = manifest.homes().first().map(|home| home.handle.to_text()).unwrap_or_default();
                        return Err(ClientError::AlreadyIn(handle));
                    }
                    let (change, offer) = new_invite(&term, &state, manifest.account(), Role::Member, &[], now_ms)?;
                    Ok((manifest, change, offer))
                })
                .collect::<Result<Vec<_>, ClientError>>()
        })?;
        let changes: Vec<_> = prepared.iter().map(|(_, change, _)| change.clone()).collect();
        let act = Act::open(&changes, prepared.iter().map(|(_, _, offer)| offer.door.to_vec()).collect());
        let (number, entry_id) = self.queue_act(conversation, &act, |tx, number| {
            prepared.iter().try_for_each(|(manifest, _, offer)| queue_invite(tx, manifest, offer, number, now_ms))
        })?;
        self.settle(number, Some(entry_id)).await
    }

    async fn manifest_to_invite(&self, handle: &Handle, account: Option<AccountId>) -> Result<Manifest, ClientError> {
        let local = self.core.local()?;
        if *handle == local.handle || account == Some(local.account) {
            return Err(ClientError::OwnHandle);
        }
        let manifest = directory::manifest_of(&self.transport, handle).await?;
        let now_ms = self.clock.now_ms();
        if account.is_some_and(|insisted| insisted != manifest.account()) {
            return Err(ClientError::HandleChanged { handle: handle.to_text() });
        }
        let contact = self.core.store.transaction(|tx| {
            let changed = tx.contacts_by_handle(handle)?.iter().any(|contact| contact.account != manifest.account());
            if changed && account.is_none() {
                return Err(ClientError::HandleChanged { handle: handle.to_text() });
            }
            remember_manifest(tx, &manifest, Some(handle), now_ms)
        })?;
        if contact.blocked { Err(ClientError::Blocked(handle.to_text())) } else { Ok(manifest) }
    }

    /// Opens a link. Whoever has it can read who is in the group; without approval they can come in.
    pub async fn open_link(&self, conversation: ConversationId, approval: bool) -> Result<OpenedLink, ClientError> {
        let local = self.core.local()?;
        let (act, record) = self.core.store.transaction(|tx| {
            let (term, _, _) = the_group(tx, conversation)?;
            let invite = *DoorKeys::new_invite()?;
            let keys = DoorKeys::derive(&invite, term.log)?;
            let door = NewDoor { id: keys.id, key: keys.public_key, lets_in: LetsIn::Link { approval }, expires_ms: None };
            let act = Act::open(&[GroupChange::OpenDoor(door)], vec![invite.to_vec()]);
            let record = LinkRecord { log: term.log, door: keys.id, secret: invite, approval };
            Ok::<_, ClientError>((act, record))
        })?;
        let (number, entry_id) = self.queue_act(conversation, &act, |tx, _| Ok(tx.put_link(&record)?))?;
        match self.settle(number, Some(entry_id)).await {
            Ok(ActOutcome::Queued) => Ok(OpenedLink::Queued),
            // With the join secret as it is now: a removal may have come before it.
            Ok(ActOutcome::Done) => {
                let term = self.core.store.transaction(|tx| tx.term(record.log))?;
                Ok(term.map_or(OpenedLink::Queued, |term| OpenedLink::Open(join_link(&local, &term, &record))))
            }
            Err(error) => {
                self.core.store.transaction(|tx| tx.remove_link(record.log, record.door))?;
                Err(error)
            }
        }
    }

    /// The links of a group that this account has opened.
    pub fn links_of(&self, conversation: ConversationId) -> Result<Vec<JoinLink>, ClientError> {
        let local = self.core.local()?;
        self.core.store.transaction(|tx| {
            let (term, _, state) = the_group(tx, conversation)?;
            let links = tx.links(term.log)?;
            Ok(links.iter().filter(|link| state.doors.contains_key(&link.door)).map(|link| join_link(&local, &term, link)).collect())
        })
    }

    /// Closes every link of a group that this account may close.
    pub async fn close_links(&self, conversation: ConversationId) -> Result<ActOutcome, ClientError> {
        let local = self.core.local()?;
        self.act(conversation, |_, state| {
            let may = |door: &OpenDoor| state.is_admin(local.account) || door.opened_by == local.account;
            let links = state.doors.iter().filter(|(_, door)| matches!(door.door.lets_in, LetsIn::Link { .. }) && may(door));
            Ok(Act::changes(&links.map(|(id, _)| GroupChange::CloseDoor(*id)).collect::<Vec<_>>()))
        })
        .await
    }

    /// Comes in by a link, or asks an admin to be let in if the link says so.
    pub async fn join(&self, link: &JoinLink) -> Result<JoinOutcome, ClientError> {
        let local = self.core.local()?;
        let now_ms = self.clock.now_ms();
        let JoinLink { conversation, term, log, server, join_secret, door, admin } = link.clone();
        let known = self.core.store.transaction(|tx| tx.conversation(conversation))?;
        if known.is_some_and(|known| matches!(known.standing, Standing::Open | Standing::Joining)) {
            return Err(ClientError::AlreadyIn(local.handle.to_text()));
        }
        if let Some(admin) = admin {
            let manifest = self.manifest_to_invite(&admin, None).await?;
            let ask = proto::AskIn {
                conversation: conversation.to_field(),
                log: log.to_field(),
                door: DoorKeys::derive(&door, log)?.id.to_field(),
            };
            let number =
                self.core.store.transaction(|tx| knock(tx, &local, &manifest, knock_body::Body::AskIn(ask), conversation, 0, now_ms))?;
            self.settle(number, None).await?;
            return Ok(JoinOutcome::Asked { admin });
        }
        let offer = InviteOffer {
            conversation,
            term,
            log,
            server,
            join_secret,
            door,
            title: String::new(),
            members: 0,
            member_marks: Vec::new(),
            before: Vec::new(),
        };
        let number = self.core.store.transaction(|tx| accept_invite(tx, &offer, now_ms))?;
        self.settle(number, None).await?;
        self.came_in(conversation)
    }

    /// What accepting an invite or a link has come to.
    pub(crate) fn came_in(&self, conversation: ConversationId) -> Result<JoinOutcome, ClientError> {
        let standing = self.core.store.transaction(|tx| tx.conversation(conversation))?.map(|record| record.standing);
        match standing {
            Some(Standing::Open) => Ok(JoinOutcome::In { conversation }),
            Some(Standing::Joining | Standing::Asked) => Ok(JoinOutcome::Queued { conversation }),
            Some(Standing::Left) | None => Err(ClientError::InviteOver),
        }
    }

    /// Lets somebody in who has asked by a link: an invite for that account, which they have asked for. Tells the group.
    pub async fn approve(&self, request: ConversationId) -> Result<ConversationId, ClientError> {
        let (record, conversation) = self.asked_in(request)?;
        self.invite(conversation, &[(record.handle.clone(), Some(record.account))]).await?;
        self.decide(RequestRecord { state: RequestState::Accepted, shown: true, ..record })?;
        Ok(conversation)
    }

    /// Does not let them in. They are not told.
    pub fn reject(&self, request: ConversationId) -> Result<(), ClientError> {
        let (record, _) = self.asked_in(request)?;
        self.decide(RequestRecord { state: RequestState::Declined, shown: true, ..record })
    }

    /// What the person has decided, here and on the account's other devices.
    fn decide(&self, record: RequestRecord) -> Result<(), ClientError> {
        let local = self.core.local()?;
        self.core.store.transaction(|tx| {
            tx.put_request(&record)?;
            crate::device::share::tell_decision(tx, &local, &record, self.clock.now_ms())
        })?;
        self.core.work.poke();
        Ok(())
    }

    /// The open request of a handle to be let into a group.
    pub fn asking(&self, conversation: ConversationId, handle: &Handle) -> Result<ConversationId, ClientError> {
        let unknown = || ClientError::Unknown { field: "handle", what: handle.to_text() };
        let requests = self.core.store.transaction(|tx| tx.open_requests())?;
        let asked = requests.into_iter().find(|request| {
            request.kind == RequestKind::AskIn
                && request.handle == *handle
                && proto::AskIn::decode(request.offer.as_slice()).is_ok_and(|ask| ask.conversation == conversation.to_field())
        });
        asked.map(|request| request.conversation).ok_or_else(unknown)
    }

    fn asked_in(&self, request: ConversationId) -> Result<(RequestRecord, ConversationId), ClientError> {
        let unknown = || ClientError::Unknown { field: "id", what: request.to_text() };
        let record = self.core.store.transaction(|tx| tx.request(request))?;
        let record = record.filter(|record| record.kind == RequestKind::AskIn && record.state == RequestState::Open).ok_or_else(unknown)?;
        let ask = proto::AskIn::decode(record.offer.as_slice()).map_err(|_| alcyon_store::StoreError::Damaged("requests"))?;
        Ok((record, ConversationId::parse(&ask.conversation, "ask_in.conversation")?))
    }
}

/// A door for an account, and the invite to it.
fn new_invite(
    term: &TermRecord,
    state: &GroupState,
    account: AccountId,
    role: Role,
    before: &[LogId],
    now_ms: u64,
) -> Result<(GroupChange, InviteOffer), ClientError> {
    let invite = *DoorKeys::new_invite()?;
    let keys = DoorKeys::derive(&invite, term.log)?;
    let lets_in = LetsIn::Account { account, role };
    let door = NewDoor { id: keys.id, key: keys.public_key, lets_in, expires_ms: Some(now_ms + LASTS_MS) };
    let offer = InviteOffer {
        conversation: term.conversation,
        term: term.term,
        log: term.log,
        server: term.server.clone(),
        join_secret: term.join_secret.clone(),
        door: invite,
        title: state.settings.title.clone(),
        members: u32::try_from(state.accounts.len()).unwrap_or(u32::MAX),
        member_marks: state.accounts.keys().map(|account| mark(&invite, *account)).collect(),
        before: before.to_vec(),
    };
    Ok((GroupChange::OpenDoor(door), offer))
}

/// The invite goes out once item `after`, which opens its door, has its echo.
fn queue_invite(tx: &Tx<'_>, manifest: &Manifest, offer: &InviteOffer, after: u64, now_ms: u64) -> Result<(), ClientError> {
    let invite = proto::Invite { join_secret: bytes::Bytes::new(), ..offer.to_field() };
    let waiting = WaitingInvite { account: manifest.account().as_bytes().to_vec(), invite: invite.encode_to_vec(), at_ms: now_ms };
    let inbox = manifest.inbox();
    tx.add_outbox(&NewOutboxItem {
        kind: OutboxKind::Knock,
        conversation: Some(offer.conversation),
        server: &inbox.server,
        log: inbox.log,
        entry_id: random(),
        after,
        content: Some(&waiting.encode_to_vec()),
        frame: None,
    })?;
    Ok(())
}

/// A member can't follow any more and asks to be let in again. A door is opened without a question: the account is in the group,
/// and came in by an act of its own.
pub(crate) fn invite_back(tx: &Tx<'_>, local: &Local, log: LogId, manifest: &Manifest, now_ms: u64) -> Result<(), ClientError> {
    let account = manifest.account();
    let Some(term) = tx.term(log)?.filter(|term| term.state == TermState::Live) else { return Ok(()) };
    let Some(state) = load_group(tx, &term)?.and_then(|group| group.state_of_group().cloned()) else { return Ok(()) };
    let open = |door: &OpenDoor| matches!(door.door.lets_in, LetsIn::Account { account: whom, role: _ } if whom == account);
    let Some(known) = state.accounts.get(&account) else { return Ok(()) };
    if !state.may(local.account, Permission::Invite) || state.doors.values().any(open) {
        return Ok(());
    }
    let role = if state.is_admin(local.account) { known.role } else { Role::Member };
    // The stored tree may be from before what was lost.
    queue_tree(tx, &term)?;
    let (change, offer) = new_invite(&term, &state, account, role, &[], now_ms)?;
    let (number, _) = Act::open(&[change], vec![offer.door.to_vec()]).queue(tx, &term)?;
    queue_invite(tx, manifest, &offer, number, now_ms)
}

/// Opens doors into a group's next term for accounts that were in the one before, as what they were there (`before`). `logs`
/// are those of the terms before.
pub(crate) fn invite_along(
    tx: &Tx<'_>,
    term: &TermRecord,
    before: &GroupState,
    logs: &[LogId],
    others: &[Manifest],
    now_ms: u64,
) -> Result<(), ClientError> {
    for others in others.chunks(AT_ONCE) {
        let mut doors = Vec::new();
        for manifest in others {
            let role = if before.is_admin(manifest.account()) { Role::Admin } else { Role::Member };
            doors.push((manifest, new_invite(term, before, manifest.account(), role, logs, now_ms)?));
        }
        let changes: Vec<_> = doors.iter().map(|(_, (change, _))| change.clone()).collect();
        let act = Act::open(&changes, doors.iter().map(|(_, (_, offer))| offer.door.to_vec()).collect());
        let (number, _) = act.queue(tx, term)?;
        for (manifest, (_, offer)) in doors {
            queue_invite(tx, manifest, &offer, number, now_ms)?;
        }
    }
    Ok(())
}

/// An invite whose door is not open yet. The join secret comes in when it is: a removal may change it until then.
#[derive(Clone, PartialEq, Message)]
struct WaitingInvite {
    #[prost(bytes = "vec", tag = "1")]
    account: Vec<u8>,
    /// An Invite without a join secret.
    #[prost(bytes = "vec", tag = "2")]
    invite: Vec<u8>,
    #[prost(uint64, tag = "3")]
    at_ms: u64,
}

/// The doors of an act are open: its invites go out, with the join secret as it is now.
pub(crate) fn send_waiting(tx: &Tx<'_>, local: &Local, term: &TermRecord, act: u64) -> Result<(), ClientError> {
    for item in tx.outbox_after(act)? {
        let (OutboxKind::Knock, None, Some(content)) = (item.kind, &item.frame, &item.content) else { continue };
        let damaged = |_| ClientError::from(alcyon_store::StoreError::Damaged("outbox"));
        let WaitingInvite { account, invite, at_ms } = WaitingInvite::decode(content.as_slice()).map_err(damaged)?;
        let invite = proto::Invite::decode(invite.as_slice()).map_err(damaged)?;
        let account = AccountId::parse(&account, "account")?;
        let (manifest, pass) = match tx.contact(account)? {
            Some(contact) => (Manifest::decode(&contact.manifest)?, contact.pass_held),
            // Another device of this account.
            None if account == local.account => (local.manifest.clone(), None),
            None => continue,
        };
        let body = knock_body::Body::Invite(proto::Invite { join_secret: term.join_secret.to_field(), ..invite });
        tx.set_outbox_frame(item.number, Some(&knock_frame(local, &manifest, item.entry_id, body, pass, at_ms)?))?;
    }
    Ok(())
}

/// An invite, as it is offered.
pub(crate) struct InviteOffer {
    pub(crate) conversation: ConversationId,
    pub(crate) term: u32,
    pub(crate) log: LogId,
    pub(crate) server: ServerUrl,
    pub(crate) join_secret: JoinSecret,
    pub(crate) door: [u8; 32],
    pub(crate) title: String,
    pub(crate) members: u32,
    pub(crate) member_marks: Vec<[u8; MARK]>,
    /// The logs of the terms before it, the newest first.
    pub(crate) before: Vec<LogId>,
}

impl InviteOffer {
    pub(crate) fn parse(field: proto::Invite) -> Result<Self, ClientError> {
        let proto::Invite { conversation, term, log, server, join_secret, door, title, members, member_marks, before } = field;
        if title.len() > alcyon_mls::TITLE || member_marks.len() > alcyon_mls::ACCOUNTS {
            return Err(ClientError::Unbelievable("an invite over the limits"));
        }
        Ok(Self {
            conversation: ConversationId::parse(&conversation, "invite.conversation")?,
            term,
            log: LogId::parse(&log, "invite.log")?,
            server: server.parse()?,
            join_secret: JoinSecret::parse(&join_secret, "invite.join_secret")?,
            door: door.as_ref().try_into().map_err(|_| ClientError::Unbelievable("an invite of another length"))?,
            title,
            members,
            member_marks: member_marks.iter().filter_map(|mark| mark.as_ref().try_into().ok()).collect(),
            before: before.iter().map(|log| LogId::parse(log, "invite.before")).collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn to_field(&self) -> proto::Invite {
        let Self { conversation, term, log, server, join_secret, door, title, members, member_marks, before } = self;
        proto::Invite {
            conversation: conversation.to_field(),
            term: *term,
            log: log.to_field(),
            server: server.to_text(),
            join_secret: join_secret.to_field(),
            door: door.to_vec().into(),
            title: title.clone(),
            members: *members,
            member_marks: member_marks.iter().map(|mark| mark.to_vec().into()).collect(),
            before: before.iter().map(|log| log.to_field()).collect(),
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ClientError> {
        Self::parse(proto::Invite::decode(bytes).map_err(|_| alcyon_store::StoreError::Damaged("requests"))?)
    }

    /// Whether an account is among the members.
    pub(crate) fn has(&self, account: AccountId) -> bool {
        self.member_marks.contains(&mark(&self.door, account))
    }
}

fn mark(invite: &[u8; 32], account: AccountId) -> [u8; MARK] {
    let hash = Sha256::new().chain_update(b"alcyon member v1").chain_update(invite).chain_update(account.as_bytes()).finalize();
    let mut mark = [0; MARK];
    mark.copy_from_slice(&hash[..MARK]);
    mark
}

/// The id that a request to be let in has here: there may be many for one group.
pub(crate) fn ask_in_id(conversation: ConversationId, account: AccountId) -> ConversationId {
    let hash =
        Sha256::new().chain_update(b"alcyon ask in v1").chain_update(conversation.as_bytes()).chain_update(account.as_bytes()).finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    ConversationId::from(id)
}

/// Whether a link of ours is what somebody refers to.
pub(crate) fn is_our_link(tx: &Tx<'_>, log: LogId, door: DoorId) -> Result<bool, ClientError> {
    Ok(tx.links(log)?.iter().any(|link| link.door == door && link.approval))
}

/// Takes an invite: from here on this device comes in with whatever connection there is. The number of the outbox's item.
pub(crate) fn accept_invite(tx: &Tx<'_>, offer: &InviteOffer, now_ms: u64) -> Result<u64, ClientError> {
    let InviteOffer { conversation, term, log, server, join_secret, door, title, members: _, member_marks: _, before: _ } = offer;
    let own = tx.account()?.ok_or(ClientError::NoAccount)?;
    // Whoever made the invite has chosen the id: it takes nothing away from a conversation that is there.
    match tx.conversation(*conversation)? {
        Some(known) if known.kind != ConversationKind::Group => {
            return Err(ClientError::Unbelievable("an invite or link that names a conversation of two"));
        }
        Some(known) if known.standing != Standing::Left => {
            return Err(ClientError::AlreadyIn(own.handle.to_text()));
        }
        Some(_) | None => {}
    }
    if let Some(old) = tx.term_of(*conversation)? {
        // Who comes back begins anew: what the device had of the group is of no use any more.
        if let Some(group) = &old.group_id {
            alcyon_mls::forget_group(tx, &alcyon_mls::GroupId::from_bytes(group))?;
        }
        crate::outbox::fail_messages(tx, old.log, *conversation)?;
        tx.forget_log(old.log)?;
    }
    tx.put_conversation(&ConversationRecord {
        conversation: *conversation,
        peer: None,
        start_handle: None,
        start_account: None,
        standing: Standing::Joining,
        created_ms: now_ms,
        read_number: tx.conversation(*conversation)?.map_or(0, |known| known.read_number),
        kind: ConversationKind::Group,
        title: title.clone(),
    })?;
    // Who goes into a group wants to see it.
    tx.put_shelf(*conversation, alcyon_store::Shelf { archived: false, ..tx.shelf(*conversation)? })?;
    let record = TermRecord {
        door: Some(*door),
        ..TermRecord::joining(NewTerm {
            log: *log,
            conversation: *conversation,
            term: *term,
            server: server.clone(),
            seat: random::<32, SeatSecret>(),
            drop_secret: Local::of_record(&own)?.drop_secret(*log),
            join_secret: join_secret.clone(),
        })
    };
    tx.put_term(&record)?;
    let entry_id: EntryId = random();
    Ok(tx.add_outbox(&NewOutboxItem {
        kind: OutboxKind::ComeIn,
        conversation: Some(*conversation),
        server,
        log: *log,
        entry_id,
        after: 0,
        content: None,
        frame: None,
    })?)
}

fn join_link(local: &Local, term: &TermRecord, link: &LinkRecord) -> JoinLink {
    let LinkRecord { log, door: _, secret, approval } = link;
    JoinLink {
        conversation: term.conversation,
        term: term.term,
        log: *log,
        server: term.server.clone(),
        join_secret: term.join_secret.clone(),
        door: *secret,
        admin: approval.then(|| local.handle.clone()),
    }
}

/// Seals and queues a knock at an account's inbox, once item `after` is gone (0: at once). The number of the outbox's item.
pub(crate) fn knock(
    tx: &Tx<'_>,
    local: &Local,
    manifest: &Manifest,
    body: knock_body::Body,
    conversation: ConversationId,
    after: u64,
    now_ms: u64,
) -> Result<u64, ClientError> {
    let inbox = manifest.inbox();
    let entry_id: EntryId = random();
    let pass = tx.contact(manifest.account())?.and_then(|contact| contact.pass_held);
    let frame = knock_frame(local, manifest, entry_id, body, pass, now_ms)?;
    Ok(tx.add_outbox(&NewOutboxItem {
        kind: OutboxKind::Knock,
        conversation: Some(conversation),
        server: &inbox.server,
        log: inbox.log,
        entry_id,
        after,
        content: None,
        frame: Some(&frame),
    })?)
}

fn knock_frame(
    local: &Local,
    manifest: &Manifest,
    entry_id: EntryId,
    body: knock_body::Body,
    pass: Option<Pass>,
    now_ms: u64,
) -> Result<Vec<u8>, ClientError> {
    let inbox = manifest.inbox();
    let body = proto::KnockBody {
        signed_manifest: local.manifest.to_bytes().to_vec().into(),
        handle: local.handle.to_text(),
        sent_at_ms: now_ms,
        body: Some(body),
    };
    let signed_content = body.encode_to_vec();
    let signature = local.device.sign(&signed_knock(inbox.log, &signed_content));
    let content = proto::KnockContent {
        signed_content: signed_content.into(),
        chain: Some(local.chain.to_field()),
        signature: signature.to_vec().into(),
    };
    let payload = seal_knock(&inbox.sealing_key, inbox.log, &content.encode_to_vec())?.0;
    Ok(encode(Body::Knock(proto::Knock {
        inbox: inbox.log.to_field(),
        entry_id: entry_id.to_field(),
        payload: payload.into(),
        pass: pass.map(|pass| pass.to_field()).unwrap_or_default(),
        payment: None,
    })))
}
