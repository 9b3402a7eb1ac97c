//! Entries of a conversation's log: each is processed, judged, merged and stored in one transaction.

use alcyon_mls::{
    Entry, Group, GroupHandshake, GroupId, GroupState, Lost, MlsError, Payload, Processed, Seen, SetAside, Verdict, adopt_rejoin,
    discard_rejoin, unpad,
};
use alcyon_store::{ChainLink, ConversationKind, DeliveryState, OutboxKind, Standing, StoreError, TermRecord, TermState, Tx};
use alcyon_wire::{AccountId, EntryId, EntryKind, HeaderFacts, LogId, PayloadHash, RunningHash, payload_hash, proto};
use proto::content::Body;

use crate::{
    AlarmKind, ClientError, Event,
    content::Content,
    core::{Core, handshake_key, raise},
    device::come_in::SIBLING,
    group::{Lines, put_lines},
    line::NewLine,
    local::Local,
    message::{incoming, view::progress},
    next_term::{TermReason, propose},
    rejoin::{LOST_STATE, ROLLED_BACK, UNOPENED_PATH},
};

/// Why an entry was kept for coming in anew.
pub(crate) const REPLAY: &str = "replay";

/// What an entry, or a page of them, came to.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) events: Vec<Event>,
    /// This device sits on another seat from here on.
    pub(crate) new_seat: bool,
    /// The log contradicts itself: read no further on this connection.
    pub(crate) stop: bool,
    /// Own acts that the rules have passed over, with the reason.
    pub(crate) failed: Vec<(EntryId, String)>,
    /// The account's manifest is another one from here on, or is to be looked at.
    pub(crate) own_manifest: bool,
    /// Doors were opened for them, as admins.
    pub(crate) let_in_as_admin: Vec<AccountId>,
    /// What was read closes a log towards the conversation's next term.
    goes_on: bool,
}

/// An entry on its way through a transaction.
pub(crate) struct Subject<'a> {
    pub(crate) header: HeaderFacts,
    pub(crate) header_bytes: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) hash: PayloadHash,
    pub(crate) now_ms: u64,
}

impl Core {
    /// Processes a page of a log in order.
    pub(crate) fn process_page(&self, page: &proto::Entries, now_ms: u64) -> Result<(LogId, Step), ClientError> {
        let proto::Entries { log, gap, entries, head: _, running_hash } = page;
        let log = LogId::parse(log, "entries.log")?;
        let mut total = Step::default();
        if let Some(gap) = gap {
            total.add(self.store.transaction(|tx| apply_gap(tx, log, gap, now_ms))?);
        }
        for entry in entries {
            if total.stop {
                return Ok((log, total));
            }
            total.add(self.process_entry(log, entry, now_ms)?);
        }
        if !total.stop && !running_hash.is_empty() {
            total.add(self.store.transaction(|tx| compare_with_server(tx, log, running_hash, now_ms))?);
        }
        Ok((log, total))
    }

    fn process_entry(&self, log: LogId, entry: &proto::Entry, now_ms: u64) -> Result<Step, ClientError> {
        let local = self.local()?;
        let outcome = self.store.transaction(|tx| apply(tx, &local, log, entry, now_ms, None));
        // What follows starts from a clean transaction: everything the first one did was taken back.
        match outcome {
            Err(ClientError::Mls(MlsError::Rows(error))) => Err(store_failure(&error)),
            Err(ClientError::Mls(MlsError::CantOpenPath { .. })) => {
                self.store.transaction(|tx| apply(tx, &local, log, entry, now_ms, Some(Instead::Rejoin)))
            }
            Err(ClientError::Mls(_) | ClientError::Wire(_)) => {
                self.store.transaction(|tx| apply(tx, &local, log, entry, now_ms, Some(Instead::SetAside)))
            }
            outcome => outcome,
        }
    }
}

/// What to do with an entry whose processing failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Instead {
    SetAside,
    Rejoin,
}

impl Step {
    fn add(&mut self, other: Self) {
        let Self { events, new_seat, stop, failed, own_manifest, let_in_as_admin: _, goes_on: _ } = other;
        self.own_manifest |= own_manifest;
        self.events.extend(events);
        self.failed.extend(failed);
        self.new_seat |= new_seat;
        self.stop |= stop;
    }
}

/// A store's failure inside an MLS operation, as what it was.
fn store_failure(error: &alcyon_mls::RowsError) -> ClientError {
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::DiskFull) => ClientError::Store(StoreError::DiskFull),
        Some(StoreError::Busy) => ClientError::Store(StoreError::Busy),
        _ => ClientError::Mls(MlsError::Rows(error.clone())),
    }
}

fn apply(tx: &Tx<'_>, local: &Local, log: LogId, entry: &proto::Entry, now_ms: u64, instead: Option<Instead>) -> Result<Step, ClientError> {
    // The conversation has gone on elsewhere meanwhile, or nobody has asked for this log.
    let Some(mut term) = tx.term(log)? else { return Ok(Step { stop: true, ..Step::default() }) };
    let mut step = Step::default();
    if term.door.is_some() {
        // It comes in by a door, and reads on from there.
        return Ok(step);
    }
    let proto::Entry { header: header_bytes, payload, payload_hash: given_hash } = entry;
    let facts = HeaderFacts::parse(header_bytes)
        .ok()
        .filter(|header| header.sequence == term.cursor + 1 && header.commit_count == term.commit_count && header.kind != EntryKind::Knock);
    let Some(header) = facts else {
        let evidence = (term.running_hash.as_bytes().as_slice(), header_bytes.as_ref());
        step.events.extend(raise(tx, Some(term.conversation), log, AlarmKind::Broken, term.cursor + 1, evidence, now_ms)?);
        step.stop = true;
        return Ok(step);
    };
    let trimmed = !given_hash.is_empty();
    let hash = if trimmed { PayloadHash::parse(given_hash, "entry.payload_hash")? } else { payload_hash(payload) };
    let running_hash = term.running_hash.next(header_bytes, &hash);
    let subject = Subject { header, header_bytes, payload, hash, now_ms };

    if let Some(first) = tx.chain_of_entry(log, subject.header.entry_id)? {
        // A log takes an entry id once. This one shows an old entry again.
        let evidence = (&first.to_be_bytes()[..], header_bytes.as_ref());
        step.events.extend(raise(tx, Some(term.conversation), log, AlarmKind::Broken, subject.header.sequence, evidence, now_ms)?);
    } else if term.rejoin == SIBLING {
        if !trimmed && instead.is_none() {
            crate::device::come_in::read(tx, local, &mut term, &subject, &mut step)?;
        }
    } else if trimmed {
        step.events.extend(raise(tx, Some(term.conversation), log, AlarmKind::Gap, subject.header.sequence, (&[], &[]), now_ms)?);
    } else {
        match instead {
            Some(Instead::SetAside) if term.welcome.is_some() => {
                crate::next_term::give_up(tx, &term, &subject, &mut step)?;
                return Ok(step);
            }
            Some(Instead::SetAside) => set_aside(tx, &term, &subject, "could not be processed", &mut step)?,
            Some(Instead::Rejoin) => {
                term.rejoin = UNOPENED_PATH;
                crate::outbox::queue_rejoin(tx, &term)?;
                tx.set_aside(log, subject.header.sequence, header_bytes, payload, REPLAY)?;
            }
            None if term.state == TermState::Joining && term.welcome.is_some() => {
                crate::next_term::collect(tx, local, &mut term, &subject, &mut step)?;
            }
            // Before it is in, a device reads nothing but the commit by which it comes in.
            None if term.state == TermState::Joining => {
                if tx.own_entry(log, subject.header.entry_id)? == Some(subject.hash) {
                    crate::come_in::own_echo(tx, local, &mut term, &subject, &mut step)?;
                }
            }
            None => match subject.header.kind {
                EntryKind::Application => apply_application(tx, local, &mut term, &subject, &mut step)?,
                EntryKind::Commit => apply_commit(tx, local, &mut term, &subject, &mut step)?,
                EntryKind::Close => apply_close(tx, local, &mut term, &subject, &mut step)?,
                EntryKind::Leave => apply_leave(tx, local, &term, &subject, &mut step)?,
                EntryKind::Knock | EntryKind::Unspecified => {}
            },
        }
    }
    term.cursor = subject.header.sequence;
    term.running_hash = running_hash;
    if subject.header.kind == EntryKind::Commit {
        term.commit_count += 1;
    }
    tx.put_term(&term)?;
    tx.add_chain(log, ChainLink { sequence: term.cursor, running_hash }, subject.header.entry_id)?;
    for account in std::mem::take(&mut step.let_in_as_admin) {
        crate::next_term::reconsider(tx, local, account, now_ms)?;
    }
    Ok(step)
}

fn apply_gap(tx: &Tx<'_>, log: LogId, gap: &proto::Gap, now_ms: u64) -> Result<Step, ClientError> {
    let Some(mut term) = tx.term(log)? else { return Ok(Step { stop: true, ..Step::default() }) };
    let proto::Gap { first, last, running_hash, commit_count } = gap;
    let mut step = Step::default();
    if term.door.is_some() {
        return Ok(step);
    }
    if *first != term.cursor + 1 || last < first || *commit_count < term.commit_count {
        let evidence = (term.running_hash.as_bytes().as_slice(), running_hash.as_ref());
        step.events.extend(raise(tx, Some(term.conversation), log, AlarmKind::Broken, term.cursor + 1, evidence, now_ms)?);
        step.stop = true;
        return Ok(step);
    }
    if term.rejoin == SIBLING {
        crate::device::come_in::gap(tx, &mut term, *last, RunningHash::parse(running_hash, "gap.running_hash")?, *commit_count)?;
        return Ok(step);
    }
    step.events.extend(raise(tx, Some(term.conversation), log, AlarmKind::Gap, *first, (&[], &[]), now_ms)?);
    term.cursor = *last;
    term.running_hash = RunningHash::parse(running_hash, "gap.running_hash")?;
    if *commit_count > term.commit_count {
        term.commit_count = *commit_count;
        term.rejoin = LOST_STATE;
        crate::outbox::queue_rejoin(tx, &term)?;
    }
    tx.put_term(&term)?;
    Ok(step)
}

/// The server says what its running hash is; it has to be ours.
fn compare_with_server(tx: &Tx<'_>, log: LogId, theirs: &[u8], now_ms: u64) -> Result<Step, ClientError> {
    let mut step = Step::default();
    let Some(term) = tx.term(log)?.filter(|term| term.door.is_none()) else { return Ok(step) };
    let mine = term.running_hash.as_bytes().as_slice();
    if mine != theirs {
        step.events.extend(raise(tx, Some(term.conversation), log, AlarmKind::Broken, term.cursor, (mine, theirs), now_ms)?);
    }
    Ok(step)
}

/// Compares what somebody else has seen of this log with what this device has.
fn compare_seen(tx: &Tx<'_>, local: &Local, term: &TermRecord, seen: Seen, at: &Subject<'_>, step: &mut Step) -> Result<bool, ClientError> {
    let mine = if seen.sequence == 0 {
        Some(RunningHash::start(term.log))
    } else if seen.sequence == term.cursor {
        Some(term.running_hash)
    } else {
        tx.chain_at(term.log, seen.sequence)?
    };
    // Nobody can have seen what is not before their entry.
    let impossible = seen.sequence >= at.header.sequence;
    if impossible || mine.is_some_and(|mine| mine != seen.running_hash) {
        let mine = mine.unwrap_or(term.running_hash);
        let evidence = (mine.as_bytes().as_slice(), seen.running_hash.as_bytes().as_slice());
        step.events.extend(raise(tx, Some(term.conversation), term.log, AlarmKind::Forked, seen.sequence, evidence, at.now_ms)?);
        propose(tx, local, term, TermReason::Forked, at.now_ms)?;
        return Ok(false);
    }
    Ok(mine.is_some())
}

fn apply_application(tx: &Tx<'_>, local: &Local, term: &mut TermRecord, subject: &Subject<'_>, step: &mut Step) -> Result<(), ClientError> {
    let entry_id = subject.header.entry_id;
    let own = tx.own_entry(term.log, entry_id)?;
    if own == Some(subject.hash) {
        return own_echo(tx, local, term, subject, step);
    }
    if matches!(Payload::decode(subject.payload), Ok(Payload::Tree(_))) {
        // For those who have a Welcome; this device is in.
        return Ok(());
    }
    match process(tx, load_group(tx, term)?, subject, &subject_message(term, subject)?)? {
        Processed::Application { by, plaintext } => {
            let content = Content::parse(unpad(&plaintext)?)?;
            if EntryId::from(content.id) != entry_id {
                return set_aside(tx, term, subject, "the message names another id than its entry", step);
            }
            let from_peer = by.chain.account() != local.account;
            if let Some(seen) = content.seen {
                let agreed = compare_seen(tx, local, term, seen, subject, step)?;
                if agreed && from_peer {
                    for message in tx.delivered_up_to(term.conversation, term.term, seen.sequence)? {
                        step.events.extend(progress(tx, local, message)?);
                    }
                }
            }
            apply_content(tx, local, term, subject, &by.chain, content, step)
        }
        Processed::OwnApplication => {
            // Encrypted by this device, and this database knows nothing of it: it is an old copy.
            if let Some(item) = tx.outbox_by_entry(term.log, entry_id)? {
                tx.remove_outbox(item.number)?;
            }
            tx.set_delivery(term.conversation, entry_id.into(), DeliveryState::Sent, Some((term.term, subject.header.sequence)))?;
            rolled_back(tx, term, subject, step)
        }
        Processed::SetAside(_) if term.rejoin != 0 => Ok(()),
        Processed::SetAside(_) if let Some(made) = own => {
            // This device made other bytes for this entry: they were altered on the way.
            let evidence = (made.as_bytes().as_slice(), subject.header_bytes);
            step.events.extend(raise(
                tx,
                Some(term.conversation),
                term.log,
                AlarmKind::Broken,
                subject.header.sequence,
                evidence,
                subject.now_ms,
            )?);
            Ok(())
        }
        Processed::SetAside(reason) => set_aside(tx, term, subject, reason_text(reason), step),
        Processed::Commit(_) | Processed::OwnCommitUnknown | Processed::OwnRejoin => {
            set_aside(tx, term, subject, "a handshake in an application entry", step)
        }
    }
}

/// The own message came back from the log: it has its place.
fn own_echo(tx: &Tx<'_>, local: &Local, term: &TermRecord, subject: &Subject<'_>, step: &mut Step) -> Result<(), ClientError> {
    let entry_id = subject.header.entry_id;
    let message = tx.own_entry_message(term.log, entry_id)?.unwrap_or(entry_id.into());
    tx.remove_own_entry(term.log, entry_id)?;
    if let Some(item) = tx.outbox_by_entry(term.log, entry_id)? {
        tx.remove_outbox(item.number)?;
    }
    step.events.extend(incoming::own_echo(tx, local, term, subject, message)?);
    Ok(())
}

fn apply_content(
    tx: &Tx<'_>,
    local: &Local,
    term: &TermRecord,
    subject: &Subject<'_>,
    by: &alcyon_identity::Chain,
    content: Content,
    step: &mut Step,
) -> Result<(), ClientError> {
    let sender = by.account();
    let contact = tx.contact(sender)?;
    match content.meaning() {
        Err(reason) => return set_aside(tx, term, subject, reason, step),
        Ok(Some(_)) if contact.as_ref().is_some_and(|contact| contact.blocked) => return Ok(()),
        Ok(None) if contact.as_ref().is_some_and(|contact| contact.blocked) && matches!(content.body, Some(Body::ReadUpTo(_))) => {
            return Ok(());
        }
        Ok(Some(meaning)) => return incoming::take(tx, local, term, subject, sender, (&content, meaning), step),
        Ok(None) => {}
    }
    match content.body {
        Some(Body::Acquaintance(proto::Acquaintance { pass })) => {
            if let Some(mut contact) = contact {
                contact.pass_held = Some(alcyon_wire::Pass::parse(&pass, "acquaintance.pass")?);
                tx.put_contact(&contact)?;
            }
        }
        Some(Body::ManifestNews(proto::ManifestNews { signed_manifest })) => {
            if let Ok(manifest) = alcyon_identity::Manifest::decode(&signed_manifest)
                && manifest.account() == sender
            {
                crate::contacts::remember_manifest(tx, &manifest, None, subject.now_ms)?;
            }
        }
        Some(Body::Introduction(introduction)) => {
            step.events.extend(crate::introduction::take(tx, local, term.conversation, sender, &introduction)?);
        }
        Some(Body::ReadUpTo(read)) => step.events.extend(crate::reading::take(tx, local, term, subject, sender, &read)?),
        Some(Body::Successor(proto::Successor { conversation, term: next, log: _, server: _ })) => {
            let here = conversation == term.conversation.to_field() && next == term.term + 1;
            step.goes_on |= here && subject.header.kind == EntryKind::Close;
        }
        Some(Body::Roster(proto::Roster { signed_manifests })) => {
            for signed in signed_manifests {
                if let Ok(manifest) = alcyon_identity::Manifest::decode(&signed) {
                    crate::contacts::remember_manifest(tx, &manifest, None, subject.now_ms)?;
                }
            }
        }
        Some(Body::Ended(proto::Ended {})) if subject.header.kind == EntryKind::Close => {
            put_lines(tx, local, term, subject, Lines { by: sender, here: false, lines: vec![NewLine::Ended] }, step)?;
        }
        Some(
            body @ (Body::SharedConversation(_)
            | Body::SharedContacts(_)
            | Body::SharedMarks(_)
            | Body::SharedRequest(_)
            | Body::SharedDevices(_)
            | Body::AskSibling(_)
            | Body::HistoryPart(_)),
        ) => crate::device::take::take(tx, local, term, subject, body, step)?,
        // Messages, and what is done to them.
        _ => {}
    }
    Ok(())
}

fn apply_commit(tx: &Tx<'_>, local: &Local, term: &mut TermRecord, subject: &Subject<'_>, step: &mut Step) -> Result<(), ClientError> {
    let Some(message) = handshake_message(term, subject)? else {
        overtaken(tx, term, subject)?;
        return set_aside(tx, term, subject, "no handshake in a commit entry", step);
    };
    let group = load_group(tx, term)?;
    let before = group.as_ref().and_then(|group| group.state_of_group().cloned());
    match process(tx, group, subject, &message)? {
        Processed::Commit(verdict) => {
            overtaken(tx, term, subject)?;
            judged(tx, local, term, subject, (verdict, before.as_ref()), step)
        }
        Processed::OwnRejoin => {
            let Some(group) = &term.group_id else { return Ok(()) };
            let (_, verdict) = adopt_rejoin(tx, &GroupId::from_bytes(group), &message, &entry(subject))?;
            if matches!(verdict, Verdict::Valid(_)) {
                term.rejoin = 0;
                crate::rejoin::forget_replay(tx, term.log)?;
                crate::outbox::encrypt_anew(tx, term.log)?;
            }
            judged(tx, local, term, subject, (verdict, before.as_ref()), step)?;
            if term.rejoin != 0 {
                crate::outbox::queue_rejoin(tx, term)?;
            }
            Ok(())
        }
        Processed::OwnCommitUnknown => {
            own_seat_moved(local, term, subject, step);
            tx.set_aside(term.log, subject.header.sequence, subject.header_bytes, subject.payload, REPLAY)?;
            rolled_back(tx, term, subject, step)
        }
        Processed::SetAside(_) if term.rejoin != 0 => {
            overtaken(tx, term, subject)?;
            tx.set_aside(term.log, subject.header.sequence, subject.header_bytes, subject.payload, REPLAY)?;
            own_seat_moved(local, term, subject, step);
            Ok(())
        }
        Processed::SetAside(reason) => {
            overtaken(tx, term, subject)?;
            set_aside(tx, term, subject, reason_text(reason), step)
        }
        Processed::Application { .. } | Processed::OwnApplication => set_aside(tx, term, subject, "a message in a commit entry", step),
    }
}

/// A commit made by a copy of this profile that is newer than this one may have moved the seat.
fn own_seat_moved(local: &Local, term: &mut TermRecord, subject: &Subject<'_>, step: &mut Step) {
    let seat = local.replaced_seat(term.log, subject.header.entry_id);
    if subject.header.changes.seats_added.iter().any(|added| added.id == seat.seat_id(term.log)) {
        term.seat = seat;
        term.drop_secret = local.drop_secret(term.log);
        step.new_seat = true;
    }
}

/// What follows from the verdict on a commit.
pub(crate) fn judged(
    tx: &Tx<'_>,
    local: &Local,
    term: &mut TermRecord,
    subject: &Subject<'_>,
    (verdict, before): (Verdict, Option<&GroupState>),
    step: &mut Step,
) -> Result<(), ClientError> {
    let item = tx.outbox_by_entry(term.log, subject.header.entry_id)?;
    let act = item.as_ref().filter(|item| item.kind == OutboxKind::Act).map(|item| item.number);
    let own = item.is_some() || matches!(&verdict, Verdict::Valid(summary) if summary.own);
    if own {
        // Valid or not, the log has taken the entry, and with it the change of seats.
        if let Some(item) = item {
            tx.remove_outbox(item.number)?;
            if let (OutboxKind::Act, Verdict::Invalid(rule)) = (item.kind, &verdict) {
                crate::outbox::drop_followers(tx, item.number)?;
                step.failed.push((item.entry_id, rule.to_string()));
            }
        }
        tx.remove_own_entry(term.log, subject.header.entry_id)?;
        if let Some(seat) = term.next_seat.take() {
            term.seat = seat;
            term.drop_secret = local.drop_secret(term.log);
            step.new_seat = true;
        }
    }
    let Verdict::Valid(summary) = verdict else { return Ok(()) };
    if !own {
        compare_seen(tx, local, term, summary.data.seen, subject, step)?;
    }
    if let Some(secret) = &summary.new_join_secret {
        term.join_secret = secret.clone();
    }
    crate::group::tell(tx, local, term, subject, &summary, before, step)?;
    // Who has come in does not know who the others are, or missed what they said meanwhile.
    if (summary.joined_account.is_some() || (summary.joined && summary.data.door.is_some())) && summary.by.chain.account() != local.account
    {
        tx.set_introduced(term.conversation, 0)?;
    }
    if !own {
        crate::device::share::followed(tx, local, term, &summary, subject.now_ms)?;
    } else if summary.new_join_secret.is_some() || step.new_seat {
        crate::device::share::share_again(tx, term)?;
    }
    if let Some(act) = act {
        crate::invite::send_waiting(tx, local, term, act)?;
    }
    if before.is_some() {
        crate::group::renew_tree(tx, term, subject, &summary)?;
    }
    let (by, evicted) = (&summary.by, summary.evicted);
    let Some(mut conversation) = tx.conversation(term.conversation)? else { return Ok(()) };
    if evicted && tx.own_conversation()? == Some(term.conversation) {
        // A sibling has taken this device out of the account.
        tx.put_device_note(alcyon_store::DeviceNoteKind::Removed, &[], &[])?;
        step.events.push(Event::DeviceRemoved);
        step.own_manifest = true;
    }
    if evicted {
        conversation.standing = Standing::Left;
        term.state = TermState::Closed;
        tx.put_conversation(&conversation)?;
        crate::outbox::fail_messages(tx, term.log, conversation.conversation)?;
        step.events.push(Event::Left { conversation: conversation.conversation });
        return Ok(());
    }
    let came_in = match conversation.standing {
        Standing::Asked => by.chain.account() != local.account,
        Standing::Joining => by.chain.device() == local.device.id(),
        Standing::Open | Standing::Left => false,
    };
    if came_in {
        if conversation.standing == Standing::Asked {
            tx.set_accepted(conversation.conversation, subject.header.time_ms)?;
        }
        conversation.standing = Standing::Open;
        tx.put_conversation(&conversation)?;
        crate::contacts::give_pass(tx, local, term, subject.now_ms)?;
        crate::introduction::introduce_at_once(tx, local, conversation.conversation, subject.now_ms)?;
        step.events.push(Event::Accepted { conversation: conversation.conversation });
    }
    Ok(())
}

fn apply_close(tx: &Tx<'_>, local: &Local, term: &mut TermRecord, subject: &Subject<'_>, step: &mut Step) -> Result<(), ClientError> {
    let own = tx.own_entry(term.log, subject.header.entry_id)? == Some(subject.hash);
    if own && let Some(draft) = tx.outbox_by_entry(term.log, subject.header.entry_id)?.and_then(|item| item.content) {
        step.goes_on |= matches!(Content::parse(&draft)?.body, Some(Body::Successor(_)));
    }
    apply_application(tx, local, term, subject, step)?;
    term.state = TermState::Closed;
    if step.goes_on {
        tx.put_term(term)?;
        return crate::next_term::closed_towards(tx, term);
    }
    if let Some(mut conversation) = tx.conversation(term.conversation)?.filter(|conversation| conversation.kind == ConversationKind::Group)
    {
        if own {
            put_lines(tx, local, term, subject, Lines { by: local.account, here: true, lines: vec![NewLine::Ended] }, step)?;
        }
        conversation.standing = Standing::Left;
        tx.put_conversation(&conversation)?;
        crate::outbox::fail_messages(tx, term.log, conversation.conversation)?;
        step.events.push(Event::Left { conversation: conversation.conversation });
    }
    Ok(())
}

fn apply_leave(tx: &Tx<'_>, local: &Local, term: &TermRecord, subject: &Subject<'_>, step: &mut Step) -> Result<(), ClientError> {
    let mine = term.seat.seat_id(term.log);
    if crate::group::is_group(tx, term.conversation)? {
        let Ok(Payload::Handshake(sealed)) = Payload::decode(subject.payload) else { return Ok(()) };
        let Ok(GroupHandshake::Leave(proof)) = handshake_key(term)?.open_group_handshake(&sealed) else { return Ok(()) };
        if crate::come_in::is_word_of_leaver(&proof, &subject.header, term.log) {
            tx.put_leaving(term.log, proof.account(), &proof.encode())?;
            let by = proof.account();
            put_lines(tx, local, term, subject, Lines { by, here: by == local.account, lines: vec![NewLine::Left(by)] }, step)?;
        }
        return Ok(());
    }
    if subject.header.changes.seats_dropped.iter().all(|dropped| *dropped == mine) {
        return Ok(());
    }
    if let Some(mut conversation) = tx.conversation(term.conversation)?
        && conversation.standing != Standing::Left
    {
        conversation.standing = Standing::Left;
        tx.put_conversation(&conversation)?;
        crate::outbox::fail_messages(tx, term.log, conversation.conversation)?;
        step.events.push(Event::Left { conversation: conversation.conversation });
    }
    Ok(())
}

fn process(tx: &Tx<'_>, group: Option<Group>, subject: &Subject<'_>, message: &[u8]) -> Result<Processed, ClientError> {
    let Some(mut group) = group else { return Ok(Processed::SetAside(SetAside::OtherGroup)) };
    Ok(group.process(tx, message, &entry(subject))?)
}

pub(crate) fn load_group(tx: &Tx<'_>, term: &TermRecord) -> Result<Option<Group>, ClientError> {
    match &term.group_id {
        Some(id) => Ok(Group::load(tx, &GroupId::from_bytes(id))?),
        None => Ok(None),
    }
}

fn entry<'a>(subject: &'a Subject<'_>) -> Entry<'a> {
    Entry { header: &subject.header, payload_hash: subject.hash }
}

fn subject_message(term: &TermRecord, subject: &Subject<'_>) -> Result<Vec<u8>, ClientError> {
    match Payload::decode(subject.payload)? {
        Payload::Application(message) => Ok(message),
        Payload::Handshake(sealed) => Ok(handshake_key(term)?.open_handshake(&sealed)?),
        Payload::Tree(_) => Err(MlsError::Malformed { what: "MLSMessage" }.into()),
    }
}

/// The MLS message in a commit entry; none if there is no handshake that opens.
fn handshake_message(term: &TermRecord, subject: &Subject<'_>) -> Result<Option<Vec<u8>>, ClientError> {
    let Ok(Payload::Handshake(sealed)) = Payload::decode(subject.payload) else { return Ok(None) };
    Ok(handshake_key(term)?.open_handshake(&sealed).ok())
}

/// Another commit took the place that a pending own one was made for: that one is taken back, and made anew later.
pub(crate) fn overtaken(tx: &Tx<'_>, term: &mut TermRecord, subject: &Subject<'_>) -> Result<(), ClientError> {
    let after = HeaderFacts { commit_count: subject.header.commit_count + 1, ..subject.header.clone() };
    let Some(lost) = Lost::overtaken(subject.header.commit_count, &after) else { return Ok(()) };
    for item in tx.outbox_of_log(term.log)? {
        if item.frame.is_none() || item.entry_id == subject.header.entry_id {
            continue;
        }
        match (item.kind, &term.group_id) {
            (OutboxKind::Rejoin, Some(group)) => discard_rejoin(tx, &GroupId::from_bytes(group), lost)?,
            (OutboxKind::Commit | OutboxKind::Act | OutboxKind::TakeSeat | OutboxKind::TakeOut, _) => {
                if let Some(mut group) = load_group(tx, term)?
                    && group.pending()
                {
                    group.discard_own(tx, lost)?;
                }
            }
            _ => continue,
        }
        term.next_seat = None;
        tx.set_outbox_frame(item.number, None)?;
        tx.remove_own_entry(term.log, item.entry_id)?;
    }
    Ok(())
}

/// This profile is an old copy: it comes in anew before it sends anything.
fn rolled_back(tx: &Tx<'_>, term: &mut TermRecord, subject: &Subject<'_>, step: &mut Step) -> Result<(), ClientError> {
    if term.rejoin != 0 {
        return Ok(());
    }
    term.rejoin = ROLLED_BACK;
    crate::outbox::queue_rejoin(tx, term)?;
    step.events.extend(raise(
        tx,
        Some(term.conversation),
        term.log,
        AlarmKind::ProfileRestored,
        subject.header.sequence,
        (&[], subject.header_bytes),
        subject.now_ms,
    )?);
    Ok(())
}

fn set_aside(tx: &Tx<'_>, term: &TermRecord, subject: &Subject<'_>, reason: &str, step: &mut Step) -> Result<(), ClientError> {
    let sequence = subject.header.sequence;
    tx.set_aside(term.log, sequence, subject.header_bytes, subject.payload, reason)?;
    let evidence = (reason.as_bytes(), subject.header_bytes);
    step.events.extend(raise(tx, Some(term.conversation), term.log, AlarmKind::Unreadable, sequence, evidence, subject.now_ms)?);
    Ok(())
}

fn reason_text(reason: SetAside) -> &'static str {
    match reason {
        SetAside::Malformed => "not a well-formed MLS message",
        SetAside::OtherGroup => "of another group",
        SetAside::PastEpoch => "of an epoch that is over",
        SetAside::FutureEpoch => "of an epoch that is not there yet",
        SetAside::Undecryptable => "does not open",
        SetAside::ClearData => "carries data in clear",
        _ => "not usable",
    }
}
