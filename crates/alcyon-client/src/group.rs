//! Groups: made, looked at, changed and left.

use alcyon_mls::{CommitSummary, Created, Group, GroupChange, GroupRules, GroupState, LetsIn, MlsError, Permission, Role, Settings, Who};
use alcyon_store::{ConversationKind, ConversationRecord, NewTerm, OutboxItem, OutboxKind, Standing, TermRecord, TermState, Tx};
use alcyon_wire::{
    AccountId, ConversationId, EntryId, Handle, JoinSecret, LogId, MessageId, Seat, SeatKey, SeatSecret,
    proto::{self, client_frame::Body},
};
use prost::Message;

use crate::{
    ActOutcome, Client, ClientError, Clock, DoorView, Event, GroupPermission, GroupView, MemberView, Transport,
    act::{self, Act},
    come_in::TreeBox,
    content::Content,
    core::{handshake_key, message_view, person_of},
    entry::{Step, Subject, load_group},
    line::{NewLine, Place, add_line},
    local::Local,
    outbox::{add, encode, say},
    random::random,
};

/// Every so many commits the one who made the last one stores the tree anew.
const TREE_EVERY: u64 = 32;
/// A roster is sent up to this many bytes; in larger groups names come with each member's own messages.
const ROSTER_BYTES: usize = 48 * 1024;

impl<T: Transport, C: Clock> Client<T, C> {
    /// Makes a group of oneself alone. Everybody else comes in by an invite or a link.
    pub async fn create_group(&self, title: &str) -> Result<ConversationId, ClientError> {
        check_title(title)?;
        let local = self.core.local()?;
        let now_ms = self.clock.now_ms();
        let conversation: ConversationId = random();
        self.core.store.transaction(|tx| create(tx, &local, conversation, title, now_ms))?;
        self.core.work.poke();
        self.drive_until(|_| Ok(false)).await?;
        Ok(conversation)
    }

    /// A group as it is, as far as this device has read.
    pub fn group(&self, conversation: ConversationId) -> Result<GroupView, ClientError> {
        let local = self.core.local()?;
        self.core.store.transaction(|tx| {
            let (term, group, state) = the_group(tx, conversation)?;
            // Their leaves go with the next commit; they themselves are gone.
            let left = act::have_left(tx, &term, &group)?;
            let mut members = state
                .accounts
                .iter()
                .filter(|(account, _)| !left.contains(account))
                .map(|(account, known)| {
                    let devices = group.members().filter(|member| member.chain.account() == *account).count();
                    let view = MemberView {
                        person: person_of(tx, &local, *account)?,
                        admin: known.role == Role::Admin,
                        own: *account == local.account,
                        devices,
                    };
                    Ok((known.since, view))
                })
                .collect::<Result<Vec<_>, ClientError>>()?;
            members.sort_by_key(|(since, _)| *since);
            let doors = state.doors.values().map(|door| {
                let (whom, approval) = match door.door.lets_in {
                    LetsIn::Account { account, role: _ } => (Some(person_of(tx, &local, account)?), false),
                    LetsIn::Link { approval } => (None, approval),
                };
                Ok(DoorView { whom, by: person_of(tx, &local, door.opened_by)?, approval })
            });
            let all = [
                (GroupPermission::Invite, state.settings.who_invites),
                (GroupPermission::Edit, state.settings.who_edits),
                (GroupPermission::Write, state.settings.who_writes),
            ];
            Ok(GroupView {
                title: state.settings.title.clone(),
                description: state.settings.description.clone(),
                picture: crate::introduction::picture_or_none(state.settings.picture.clone()),
                timer_s: state.settings.timer_s,
                members_may: all.into_iter().filter(|(_, who)| *who == Who::Members).map(|(permission, _)| permission).collect(),
                members: members.into_iter().map(|(_, view)| view).collect(),
                doors: doors.collect::<Result<_, ClientError>>()?,
                epoch: group.epoch(),
            })
        })
    }

    /// Sets the title.
    pub async fn set_title(&self, conversation: ConversationId, title: &str) -> Result<ActOutcome, ClientError> {
        check_title(title)?;
        self.act(conversation, |_, _| Ok(Act::changes(&[GroupChange::SetTitle(title.to_owned())]))).await
    }

    /// Sets the description; empty for none.
    pub async fn set_description(&self, conversation: ConversationId, description: &str) -> Result<ActOutcome, ClientError> {
        if description.len() > alcyon_mls::DESCRIPTION {
            return Err(ClientError::TextTooLong { limit: alcyon_mls::DESCRIPTION, actual: description.len() });
        }
        self.act(conversation, |_, _| Ok(Act::changes(&[GroupChange::SetDescription(description.to_owned())]))).await
    }

    /// Sets the picture, a JPEG within [`alcyon_wire::limits::PICTURE`] and [`alcyon_wire::limits::PICTURE_EDGE`]; empty for none.
    pub async fn set_picture(&self, conversation: ConversationId, jpeg: &[u8]) -> Result<ActOutcome, ClientError> {
        crate::introduction::check_picture(jpeg)?;
        self.act(conversation, |_, _| Ok(Act::changes(&[GroupChange::SetPicture(jpeg.to_vec())]))).await
    }

    /// Messages vanish after so many seconds; 0: they stay.
    pub(crate) async fn set_timer_of_group(&self, conversation: ConversationId, seconds: u32) -> Result<ActOutcome, ClientError> {
        self.act(conversation, |_, _| Ok(Act::changes(&[GroupChange::SetTimer(seconds)]))).await
    }

    /// Allows something to all members, or to admins alone.
    pub async fn set_permission(
        &self,
        conversation: ConversationId,
        permission: GroupPermission,
        members: bool,
    ) -> Result<ActOutcome, ClientError> {
        let permission = match permission {
            GroupPermission::Invite => Permission::Invite,
            GroupPermission::Edit => Permission::Edit,
            GroupPermission::Write => Permission::Write,
        };
        let who = if members { Who::Members } else { Who::Admins };
        self.act(conversation, |_, _| Ok(Act::changes(&[GroupChange::SetPermission { permission, who }]))).await
    }

    /// Makes a member an admin, or an admin a member. `who` is a handle or an account id.
    pub async fn set_role(&self, conversation: ConversationId, who: &str, admin: bool) -> Result<ActOutcome, ClientError> {
        let role = if admin { Role::Admin } else { Role::Member };
        self.act(conversation, |tx, state| Ok(Act::changes(&[GroupChange::SetRole { account: member(tx, state, who)?, role }]))).await
    }

    /// Removes a member with all its devices. Nothing that is accepted after it can be read by them.
    pub async fn remove(&self, conversation: ConversationId, who: &str) -> Result<ActOutcome, ClientError> {
        self.act(conversation, |tx, state| Ok(Act::remove(member(tx, state, who)?))).await
    }

    /// Ends a group for all. It can be read on, and nobody writes any more.
    pub async fn end_group(&self, conversation: ConversationId) -> Result<ActOutcome, ClientError> {
        let local = self.core.local()?;
        let now_ms = self.clock.now_ms();
        let number = self.core.store.transaction(|tx| {
            let (term, _, state) = the_group(tx, conversation)?;
            if !state.is_admin(local.account) {
                return Err(ClientError::NotAllowed { rule: "only an admin ends a group for all".to_owned() });
            }
            let id: MessageId = random();
            let draft = Content::draft(id, now_ms, proto::content::Body::Ended(proto::Ended {}));
            add(tx, OutboxKind::Close, &term, id.into(), Some(&draft), None)
        })?;
        self.settle(number, None).await
    }

    /// Does something in a group. What the rules do not allow is refused here, and nothing changes.
    pub(crate) async fn act(
        &self,
        conversation: ConversationId,
        what: impl FnOnce(&Tx<'_>, &GroupState) -> Result<Act, ClientError>,
    ) -> Result<ActOutcome, ClientError> {
        let act = self.core.store.transaction(|tx| {
            let (_, _, state) = the_group(tx, conversation)?;
            what(tx, &state)
        })?;
        let (number, entry_id) = self.queue_act(conversation, &act, |_, _| Ok(()))?;
        self.settle(number, Some(entry_id)).await
    }

    /// Tries an act out and, if the rules allow it, puts it into the outbox; `beside` is done in the same transaction with its number.
    pub(crate) fn queue_act(
        &self,
        conversation: ConversationId,
        act: &Act,
        beside: impl FnOnce(&Tx<'_>, u64) -> Result<(), ClientError>,
    ) -> Result<(u64, EntryId), ClientError> {
        let local = self.core.local()?;
        // Tried out in a transaction that is taken back whatever comes of it.
        let tried: Result<(), ClientError> = self.core.store.transaction(|tx| {
            let (term, _, _) = the_group(tx, conversation)?;
            let (number, _) = act.queue(tx, &term)?;
            let item = tx.outbox_item(number)?.ok_or(alcyon_store::StoreError::Damaged("outbox"))?;
            act::make(tx, &local, &term, &item)?;
            Err(ClientError::Left)
        });
        match tried {
            Err(ClientError::Mls(MlsError::WouldBeInvalid(rule))) => return Err(ClientError::NotAllowed { rule: rule.to_string() }),
            // Taken back, or an own commit is under way: then it shows when this one is made.
            Ok(()) | Err(ClientError::Left | ClientError::Mls(MlsError::CommitPending)) => {}
            Err(error) => return Err(error),
        }
        self.core.store.transaction(|tx| {
            let (term, _, _) = the_group(tx, conversation)?;
            let (number, entry_id) = act.queue(tx, &term)?;
            beside(tx, number)?;
            Ok((number, entry_id))
        })
    }

    /// Waits until an item of the outbox is gone, or nothing more can be done for it now.
    pub(crate) async fn settle(&self, number: u64, entry_id: Option<EntryId>) -> Result<ActOutcome, ClientError> {
        self.core.work.poke();
        self.drive_until(|tx| Ok(tx.outbox_item(number)?.is_none())).await?;
        if let Some(rule) = entry_id.and_then(|entry_id| self.core.failed.borrow_mut().remove(&entry_id)) {
            return Err(ClientError::NotAllowed { rule });
        }
        let waits = self.core.store.transaction(|tx| tx.outbox_item(number))?.is_some();
        Ok(if waits { ActOutcome::Queued } else { ActOutcome::Done })
    }
}

/// Whether a conversation goes by the rules of groups: that of the account's own devices does, too.
pub(crate) fn is_group(tx: &Tx<'_>, conversation: ConversationId) -> Result<bool, ClientError> {
    Ok(tx.conversation(conversation)?.is_some_and(|record| record.kind != ConversationKind::Pair))
}

/// A group that this account is in.
pub(crate) fn the_group(tx: &Tx<'_>, conversation: ConversationId) -> Result<(TermRecord, Group, GroupState), ClientError> {
    let unknown = || ClientError::Unknown { field: "group", what: conversation.to_text() };
    let record = tx.conversation(conversation)?.filter(|record| record.kind == ConversationKind::Group).ok_or_else(unknown)?;
    if record.standing == Standing::Left {
        return Err(ClientError::Left);
    }
    let term = tx.term_of(record.conversation)?.filter(|term| term.state == TermState::Live).ok_or(ClientError::NotInYet)?;
    let group = load_group(tx, &term)?.ok_or(ClientError::NotInYet)?;
    let state = group.state_of_group().cloned().ok_or_else(unknown)?;
    Ok((term, group, state))
}

/// A member by handle or account id.
fn member(tx: &Tx<'_>, state: &GroupState, who: &str) -> Result<AccountId, ClientError> {
    let unknown = || ClientError::Unknown { field: "member", what: who.to_owned() };
    let wanted = if who.contains('@') {
        let (handle, account) = Handle::parse_with_account(who)?;
        match account {
            Some(account) => vec![account],
            None => {
                let mut known: Vec<_> = tx.contacts_by_handle(&handle)?.into_iter().map(|contact| contact.account).collect();
                let own = tx.account()?.filter(|own| own.handle == handle);
                known.extend(own.map(|own| own.account));
                // A roster names this account, too.
                known.sort();
                known.dedup();
                known
            }
        }
    } else {
        vec![AccountId::from_text(who, "member").map_err(|_| unknown())?]
    };
    let mut there = wanted.into_iter().filter(|account| state.accounts.contains_key(account));
    match (there.next(), there.next()) {
        (Some(account), None) => Ok(account),
        _ => Err(unknown()),
    }
}

fn check_title(title: &str) -> Result<(), ClientError> {
    if title.trim().is_empty() {
        return Err(ClientError::EmptyText);
    }
    if title.len() > alcyon_mls::TITLE {
        return Err(ClientError::TextTooLong { limit: alcyon_mls::TITLE, actual: title.len() });
    }
    Ok(())
}

fn create(tx: &Tx<'_>, local: &Local, conversation: ConversationId, title: &str, now_ms: u64) -> Result<(), ClientError> {
    let log: LogId = random();
    let (seat, drop_secret) = (random::<32, SeatSecret>(), local.drop_secret(log));
    let rules = GroupRules::group(conversation, 0, log);
    let timer_s = crate::vanish::default_timer(tx)?;
    let settings = Settings { title: title.to_owned(), who_writes: Who::Members, timer_s, ..Settings::default() };
    let Created { group, .. } = Group::create_group(tx, &local.mls()?, &rules, seat.seat_id(log), settings)?;
    tx.put_conversation(&ConversationRecord {
        conversation,
        peer: None,
        start_handle: None,
        start_account: None,
        standing: Standing::Open,
        created_ms: now_ms,
        read_number: 0,
        kind: ConversationKind::Group,
        title: title.to_owned(),
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
    let first = Seat { id: seat.seat_id(log), drop_hash: drop_secret.hash(log), keep: true, invite: true };
    let frame = Body::Create(proto::Create { log: log.to_field(), seats: vec![first.to_field()], payment: None });
    add(tx, OutboxKind::Create, &term, random(), None, Some(frame))?;
    queue_tree(tx, &term)?;
    let place = Place { conversation, position: (0, 0), entry_id: random(), index: 0, at_ms: now_ms };
    add_line(tx, local, place, local.account, NewLine::Created)?;
    Ok(())
}

/// A tree is to be stored as soon as the log is read to its head: of the epoch that the group is in then.
pub(crate) fn queue_tree(tx: &Tx<'_>, term: &TermRecord) -> Result<(), ClientError> {
    let waits = tx.outbox_of_log(term.log)?.iter().any(|item| item.kind == OutboxKind::PutTree && item.frame.is_none());
    if !waits {
        add(tx, OutboxKind::PutTree, term, random(), None, None)?;
    }
    Ok(())
}

/// Makes the frame of the first chunk, and queues the others behind.
pub(crate) fn make_tree(tx: &Tx<'_>, local: &Local, term: &TermRecord, item: &OutboxItem) -> Result<Option<Vec<u8>>, ClientError> {
    let Some(group) = load_group(tx, term)? else { return Ok(None) };
    let stored = group.stored_tree(&local.mls()?)?;
    let key = handshake_key(term)?;
    let group_info = key.seal_group_info(&stored.group_info)?;
    let tree = if is_group(tx, term.conversation)? {
        TreeBox { tree: stored.tree, group_info: stored.group_info, leaves: tx.leaving(term.log)? }.encode_to_vec()
    } else {
        // A pair's GroupInfo goes along apart from its tree.
        stored.tree
    };
    let sealed = key.seal_tree(&tree, term.commit_count)?;
    let chunks = u32::try_from(sealed.len()).map_err(|_| ClientError::Unbelievable("a tree of too many chunks"))?;
    let mut first = None;
    for (chunk, payload) in (0..).zip(sealed) {
        let frame = Body::PutTree(proto::PutTree {
            seat: Some(SeatKey { log: term.log, secret: term.seat.clone() }.to_field()),
            entry_id: item.entry_id.to_field(),
            commit_count: term.commit_count,
            chunk,
            chunks,
            payload: payload.into(),
            group_info: if chunk + 1 == chunks { group_info.clone().into() } else { bytes::Bytes::new() },
        });
        match &first {
            None => first = Some(encode(frame)),
            Some(_) => drop(add(tx, OutboxKind::PutTree, term, item.entry_id, None, Some(frame))?),
        }
    }
    Ok(first)
}

/// What follows from a valid commit of a group besides the group itself: lines, title, links, the tree, names for who came.
pub(crate) fn tell(
    tx: &Tx<'_>,
    local: &Local,
    term: &TermRecord,
    subject: &Subject<'_>,
    summary: &CommitSummary,
    before: Option<&GroupState>,
    step: &mut Step,
) -> Result<(), ClientError> {
    let Some(mut conversation) = tx.conversation(term.conversation)?.filter(|record| record.kind == ConversationKind::Group) else {
        return Ok(());
    };
    let by = summary.by.chain.account();
    let mut lines = Vec::new();
    let mut let_in_as_admin = Vec::new();
    // Who has left and comes back before the leaf is out takes that leaf's place.
    let came_back = summary.joined && summary.data.door.is_some();
    if came_back {
        tx.remove_leaving(term.log, by)?;
    }
    if summary.joined_account.is_some() || came_back {
        let door = before.and_then(|state| summary.data.door.and_then(|door| state.doors.get(&door)));
        let own_invite = if summary.own { tx.request(term.conversation)?.map(|request| request.account) } else { None };
        lines.push(NewLine::CameIn(door.map(|door| door.opened_by).or(own_invite)));
        if !summary.own && term.term > 0 {
            crate::next_term::tell_again(tx, term, by, subject.now_ms)?;
        }
        if door.is_some_and(|door| door.opened_by == local.account) && !summary.own {
            send_roster(tx, local, term, subject.now_ms)?;
        }
    }
    let mut gone: Vec<AccountId> = summary.removed.iter().map(|member| member.chain.account()).collect();
    gone.dedup();
    for account in gone {
        tx.remove_leaving(term.log, account)?;
        // Who left of its own will had its line then.
        if account != by && !summary.data.leaves.iter().any(|proof| proof.account() == account) {
            lines.push(NewLine::Removed(account));
        }
    }
    for change in &summary.changes {
        match change {
            GroupChange::SetRole { account, role } => lines.push(NewLine::Role(*account, *role == Role::Admin)),
            GroupChange::OpenDoor(door) => match door.lets_in {
                LetsIn::Account { account, role } => {
                    lines.push(NewLine::Invited(account));
                    if role == Role::Admin {
                        let_in_as_admin.push(account);
                    }
                }
                LetsIn::Link { approval } => lines.push(NewLine::LinkOpened(approval)),
            },
            GroupChange::CloseDoor(id) => {
                tx.remove_link(term.log, *id)?;
                let link =
                    before.and_then(|state| state.doors.get(id)).is_some_and(|door| matches!(door.door.lets_in, LetsIn::Link { .. }));
                if link {
                    lines.push(NewLine::LinkClosed);
                }
            }
            GroupChange::SetTitle(title) => {
                conversation.title.clone_from(title);
                lines.push(NewLine::Title(title.clone()));
            }
            GroupChange::SetDescription(description) => lines.push(NewLine::Description(description.clone())),
            GroupChange::SetPicture(_) => lines.push(NewLine::Picture),
            GroupChange::SetTimer(seconds) => lines.push(NewLine::Timer(*seconds)),
            GroupChange::SetPermission { permission, who } => {
                let permission = match permission {
                    Permission::Invite => GroupPermission::Invite,
                    Permission::Edit => GroupPermission::Edit,
                    Permission::Write => GroupPermission::Write,
                };
                lines.push(NewLine::Permission(permission, *who == Who::Members));
            }
        }
    }
    tx.put_conversation(&conversation)?;
    put_lines(tx, local, term, subject, Lines { by, here: summary.own, lines }, step)?;
    step.let_in_as_admin.extend(let_in_as_admin);
    Ok(())
}

/// After a valid commit: whether this device is to store the tree. Whoever changed the join secret does, whoever invites after
/// that and has not done so yet, and now and then whoever commits or comes in: newcomers read all commits since.
pub(crate) fn renew_tree(tx: &Tx<'_>, term: &mut TermRecord, subject: &Subject<'_>, summary: &CommitSummary) -> Result<(), ClientError> {
    term.tree_stale |= summary.starts_join_secret;
    let opens = summary.changes.iter().any(|change| matches!(change, GroupChange::OpenDoor(_)));
    let due = summary.starts_join_secret || (opens && term.tree_stale) || (subject.header.commit_count + 1).is_multiple_of(TREE_EVERY);
    if summary.own && due {
        term.tree_stale = false;
        queue_tree(tx, term)?;
    }
    Ok(())
}

/// What somebody has done to a group with one entry.
pub(crate) struct Lines {
    pub by: AccountId,
    /// On this device, where whoever did it knows it already; on another device of the account it is news.
    pub here: bool,
    pub lines: Vec<NewLine>,
}

pub(crate) fn put_lines(
    tx: &Tx<'_>,
    local: &Local,
    term: &TermRecord,
    subject: &Subject<'_>,
    Lines { by, here, lines }: Lines,
    step: &mut Step,
) -> Result<(), ClientError> {
    for (index, line) in (0..=u8::MAX).zip(lines) {
        let place = Place {
            conversation: term.conversation,
            position: (term.term, subject.header.sequence),
            entry_id: subject.header.entry_id,
            index,
            at_ms: subject.header.time_ms,
        };
        if let Some(record) = add_line(tx, local, place, by, line)?
            && !here
        {
            step.events.push(Event::Message(message_view(tx, local, record)?));
        }
    }
    Ok(())
}

/// Tells somebody who has come in who the others are, as far as it fits.
fn send_roster(tx: &Tx<'_>, local: &Local, term: &TermRecord, now_ms: u64) -> Result<(), ClientError> {
    let Some(group) = load_group(tx, term)? else { return Ok(()) };
    let Some(state) = group.state_of_group() else { return Ok(()) };
    let mut signed_manifests = vec![bytes::Bytes::from(local.manifest.to_bytes().to_vec())];
    let mut room = ROSTER_BYTES;
    for account in state.accounts.keys() {
        if let Some(contact) = tx.contact(*account)?
            && contact.manifest.len() <= room
        {
            room -= contact.manifest.len();
            signed_manifests.push(contact.manifest.into());
        }
    }
    say(tx, term, proto::content::Body::Roster(proto::Roster { signed_manifests }), now_ms)
}
