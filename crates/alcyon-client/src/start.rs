//! Starting a conversation: find the account, make the group and its log, and knock.

use std::{cell::RefCell, collections::BTreeSet};

use alcyon_identity::Manifest;
use alcyon_mls::{Created, Group, GroupRules, JudgedKeyPackage, StoredTree};
use alcyon_store::{
    ConversationKind, ConversationRecord, MessageKind, NewOutboxItem, NewTerm, OutboxItem, OutboxKind, RequestState, Standing, TermRecord,
    Tx,
};
use alcyon_wire::{
    AccountId, ConversationId, DropSecret, EntryId, Handle, JoinSecret, LogId, Seat, SeatKey, SeatSecret, ServerUrl, limits,
    proto::{self, client_frame::Body},
};

use crate::{
    Client, ClientError, Clock, Post, RefusalKind, SendOutcome, Transport, TransportError,
    contacts::{mark_changed_handles, remember_manifest},
    core::handshake_key,
    directory,
    invite::knock,
    local::Local,
    message::post::queue_post,
    offer::{Offer, OfferSeat, accept_offer, move_texts},
    outbox::{add, encode},
    random::random,
    send::check_text,
};

impl<T: Transport, C: Clock> Client<T, C> {
    /// Knocks, or writes in the conversation there already is. Waits for the server's acknowledgement or gives up into `Queued`.
    pub async fn start(&self, handle: &Handle, account: Option<AccountId>, text: &str) -> Result<SendOutcome, ClientError> {
        check_text(text)?;
        let local = self.core.local()?;
        if *handle == local.handle || account == Some(local.account) {
            return Err(ClientError::OwnHandle);
        }
        if let Some(conversation) = self.conversation_to(handle, account).await? {
            return self.send(conversation, text).await;
        }
        let now_ms = self.clock.now_ms();
        let conversation = random();
        let server = ServerUrl::of_handle_server(handle.server())?;
        let message = self.core.store.transaction(|tx| {
            let log: LogId = random();
            let record = ConversationRecord {
                conversation,
                peer: None,
                start_handle: Some(handle.clone()),
                start_account: account,
                standing: Standing::Asked,
                created_ms: now_ms,
                read_number: 0,
                kind: ConversationKind::Pair,
                title: String::new(),
            };
            tx.put_conversation(&record)?;
            // Places in the queue: the start fills the two that follow it, and the text waits behind them.
            for (kind, server) in [(OutboxKind::Start, &server), (OutboxKind::Create, &local.server), (OutboxKind::PutTree, &local.server)]
            {
                let conversation = Some(conversation);
                tx.add_outbox(&NewOutboxItem {
                    kind,
                    conversation,
                    server,
                    log,
                    entry_id: random(),
                    after: 0,
                    content: None,
                    frame: None,
                })?;
            }
            let seconds = crate::vanish::default_timer(tx)?;
            if seconds > 0 {
                queue_post(tx, &local, &record, (&local.server, log), &Post::SetTimer { seconds }, now_ms)?;
            }
            queue_post(tx, &local, &record, (&local.server, log), &Post::plain(text), now_ms)
        })?;
        if let Err(error) = self.run_starts(Some(conversation)).await {
            self.core.store.transaction(|tx| tx.remove_conversation(conversation))?;
            return Err(error);
        }
        self.core.work.poke();
        self.outcome(conversation, message).await
    }

    /// The conversation that a start goes on in: an open one, one that waits, or one whose request this start accepts.
    async fn conversation_to(&self, handle: &Handle, account: Option<AccountId>) -> Result<Option<ConversationId>, ClientError> {
        let now_ms = self.clock.now_ms();
        let local = self.core.local()?;
        let known = self.core.store.transaction(|tx| tx.contacts_by_handle(handle))?;
        for contact in &known {
            if account.map_or(contact.handle_changed, |account| account != contact.account) {
                continue;
            }
            if contact.blocked {
                return Err(ClientError::Blocked(handle.to_text()));
            }
            let found = self.core.store.transaction(|tx| {
                if let Some(mut request) = tx.open_request_of(contact.account)? {
                    accept_offer(tx, &Offer::decode(&request.offer)?, contact.account, now_ms)?;
                    request.state = RequestState::Accepted;
                    request.shown = true;
                    tx.put_request(&request)?;
                    crate::device::share::tell_decision(tx, &local, &request, now_ms)?;
                    return Ok::<_, ClientError>(Some(request.conversation));
                }
                let open = tx.conversation_with(contact.account)?.filter(|conversation| conversation.standing != Standing::Left);
                Ok(open.map(|conversation| conversation.conversation))
            })?;
            if found.is_some() {
                if account.is_none() {
                    self.check_handle(contact, 0).await?;
                }
                return Ok(found);
            }
        }
        if account.is_none() && known.iter().any(|contact| contact.handle_changed) {
            return Err(ClientError::HandleChanged { handle: handle.to_text() });
        }
        let waiting = self.core.store.transaction(|tx| tx.conversations())?;
        Ok(waiting
            .into_iter()
            .find(|record| {
                record.start_handle.as_ref() == Some(handle) && record.start_account == account && record.standing != Standing::Left
            })
            .map(|record| record.conversation))
    }

    /// Runs the starts that wait and that nobody else runs. With `only`, that one alone, and an error that is final for it is
    /// handed back; otherwise such errors are stored.
    pub(crate) async fn run_starts(&self, only: Option<ConversationId>) -> Result<usize, ClientError> {
        let mut unreachable = 0;
        let now_ms = self.clock.now_ms();
        let heads = self.core.store.transaction(|tx| tx.outbox_heads(None))?;
        let live = only.is_some();
        let due = heads.into_iter().filter(|item| item.kind == OutboxKind::Start && (live || item.not_before_ms <= now_ms));
        for item in due.filter(|item| !live || item.conversation == only) {
            let Some(_running) = Running::begin(&self.core.starting, item.number) else { continue };
            match self.run_start(&item).await {
                Ok(()) => self.core.work.poke(),
                Err(error @ (ClientError::Store(_) | ClientError::NoAccount)) => return Err(error),
                Err(
                    ClientError::Transport(TransportError::Later { after_ms })
                    | ClientError::Refused { kind: RefusalKind::Later { after_ms }, .. },
                ) => {
                    unreachable += 1;
                    self.core.store.transaction(|tx| tx.delay_outbox(item.number, now_ms + after_ms))?;
                }
                Err(ClientError::Transport(_)) => unreachable += 1,
                Err(error) if live => return Err(error),
                Err(error) => self.start_failed(&item, &error)?,
            }
        }
        Ok(unreachable)
    }

    /// A start from an earlier command that can't be: its texts have failed, and the person sees it.
    fn start_failed(&self, item: &OutboxItem, error: &ClientError) -> Result<(), ClientError> {
        tracing::info!(code = error.code(), "a queued start has failed");
        let Some(conversation) = item.conversation else { return Ok(()) };
        self.core.store.transaction(|tx| {
            crate::outbox::fail_messages(tx, item.log, conversation)?;
            if let Some(mut record) = tx.conversation(conversation)? {
                record.standing = Standing::Left;
                tx.put_conversation(&record)?;
            }
            Ok::<_, ClientError>(())
        })?;
        self.core.emit([crate::Event::Left { conversation }]);
        Ok(())
    }

    async fn run_start(&self, item: &OutboxItem) -> Result<(), ClientError> {
        let local = self.core.local()?;
        let Some(conversation) = item.conversation else { return Ok(()) };
        let Some(record) = self.core.store.transaction(|tx| tx.conversation(conversation))? else { return Ok(()) };
        let Some(handle) = record.start_handle.clone() else { return Ok(()) };
        let manifest = directory::manifest_of(&self.transport, &handle).await?;
        let account = manifest.account();
        if account == local.account {
            return Err(ClientError::OwnHandle);
        }
        if record.start_account.is_some_and(|insisted| insisted != account) {
            return Err(ClientError::HandleChanged { handle: handle.to_text() });
        }
        let now_ms = self.clock.now_ms();
        let (events, changed, blocked) = self.core.store.transaction(|tx| {
            let events = mark_changed_handles(tx, &handle, Some(account), now_ms)?;
            let changed = tx.contacts_by_handle(&handle)?.iter().any(|contact| contact.account != account);
            let contact = remember_manifest(tx, &manifest, Some(&handle), now_ms)?;
            Ok::<_, ClientError>((events, changed, contact.blocked))
        })?;
        self.core.emit(events);
        if changed && record.start_account.is_none() {
            return Err(ClientError::HandleChanged { handle: handle.to_text() });
        }
        if blocked {
            return Err(ClientError::Blocked(handle.to_text()));
        }
        if self.core.store.transaction(|tx| go_on_in_another(tx, &local, item, conversation, account, now_ms))? {
            return Ok(());
        }
        let packages = directory::key_packages_of(&self.transport, &manifest).await?;
        if packages.is_empty() {
            return Err(ClientError::NoDevices(handle.to_text()));
        }
        self.core.store.transaction(|tx| begin(tx, &local, item, record, &manifest, &packages, now_ms))
    }
}

/// The mark of a start, or of a repair, that is being carried out, for as long as it is.
pub(crate) struct Running<'a> {
    starting: &'a RefCell<BTreeSet<u64>>,
    number: u64,
}

impl<'a> Running<'a> {
    /// `None` if it is being carried out already.
    pub(crate) fn begin(starting: &'a RefCell<BTreeSet<u64>>, number: u64) -> Option<Self> {
        let new = starting.borrow_mut().insert(number);
        new.then(|| Self { starting, number })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.starting.borrow_mut().remove(&self.number);
    }
}

/// A conversation with that account is there already, or its request is: the texts go there.
fn go_on_in_another(
    tx: &Tx<'_>,
    local: &Local,
    item: &OutboxItem,
    conversation: ConversationId,
    account: AccountId,
    now_ms: u64,
) -> Result<bool, ClientError> {
    if let Some(mut request) = tx.open_request_of(account)? {
        accept_offer(tx, &Offer::decode(&request.offer)?, account, now_ms)?;
        request.state = RequestState::Accepted;
        request.shown = true;
        tx.put_request(&request)?;
        crate::device::share::tell_decision(tx, local, &request, now_ms)?;
    }
    let Some(other) = tx.conversation_with(account)?.filter(|other| other.standing != Standing::Left) else { return Ok(false) };
    let Some(term) = tx.term_of(other.conversation)? else { return Ok(false) };
    tx.clear_outbox_of_log(item.log)?;
    move_texts(tx, conversation, other.conversation, &term.server, term.log)?;
    Ok(true)
}

/// Makes the group, fills the frames that wait for it, and puts the knock behind them.
fn begin(
    tx: &Tx<'_>,
    local: &Local,
    item: &OutboxItem,
    mut record: ConversationRecord,
    manifest: &Manifest,
    packages: &[JudgedKeyPackage],
    now_ms: u64,
) -> Result<(), ClientError> {
    let (log, conversation, account) = (item.log, record.conversation, manifest.account());
    let queue = tx.outbox_of_log(log)?;
    let place = |kind| queue.iter().find(|item| item.kind == kind).ok_or(alcyon_store::StoreError::Damaged("outbox"));
    let (create, put_tree) = (place(OutboxKind::Create)?, place(OutboxKind::PutTree)?);

    let own = OfferSeat { device: local.device.id(), secret: random::<32, SeatSecret>(), drop_secret: local.drop_secret(log) };
    let drop_secret: DropSecret = random();
    let offered: Vec<OfferSeat> = packages
        .iter()
        .map(|package| OfferSeat { device: package.chain().device(), secret: random(), drop_secret: drop_secret.clone() })
        .collect();
    let rules = GroupRules::pair(conversation, 0, log);
    let Created { group, welcome, stored } = Group::create(tx, &local.mls()?, &rules, own.secret.seat_id(log), packages)?;
    let term = TermRecord::begun(
        NewTerm {
            log,
            conversation,
            term: 0,
            server: local.server.clone(),
            seat: own.secret.clone(),
            drop_secret: own.drop_secret.clone(),
            join_secret: random::<32, JoinSecret>(),
        },
        group.id().as_bytes(),
    );
    tx.put_term(&term)?;

    let seats = std::iter::once(&own).chain(&offered).map(|seat| seat_field(log, seat)).collect();
    tx.set_outbox_frame(create.number, Some(&encode(Body::Create(proto::Create { log: log.to_field(), seats, payment: None }))))?;
    let put = pairs_tree(&term, put_tree.entry_id, &stored)?;
    tx.set_outbox_frame(put_tree.number, Some(&encode(put)))?;

    let first = tx.own_messages(conversation)?.into_iter().find(|message| message.kind == MessageKind::Message);
    let mut introduction = first.as_ref().map(|message| message.text.clone()).unwrap_or_default();
    introduction.truncate(introduction.floor_char_boundary(limits::INTRODUCTION));
    let offer = Offer {
        conversation,
        term: 0,
        log,
        server: local.server.clone(),
        join_secret: term.join_secret.clone(),
        welcome: welcome.ok_or(ClientError::Unbelievable("a group of nobody"))?,
        seats: offered,
        introduction,
        introduction_id: first.map(|message| message.message),
        reason: 0,
        before: Vec::new(),
    };
    knock(tx, local, manifest, proto::knock_body::Body::Offer(offer.to_field()), conversation, put_tree.number, now_ms)?;
    tx.remove_outbox(item.number)?;
    record.peer = Some(account);
    record.start_handle = None;
    tx.put_conversation(&record)?;
    Ok(())
}

/// A pair's first tree, for the log to keep.
fn pairs_tree(term: &TermRecord, entry_id: EntryId, stored: &StoredTree) -> Result<Body, ClientError> {
    let key = handshake_key(term)?;
    let mut chunks = key.seal_tree(&stored.tree, 0)?;
    let (Some(chunk), true) = (chunks.pop(), chunks.is_empty()) else {
        return Err(ClientError::Unbelievable("a pair's tree is larger than one chunk"));
    };
    Ok(Body::PutTree(proto::PutTree {
        seat: Some(SeatKey { log: term.log, secret: term.seat.clone() }.to_field()),
        entry_id: entry_id.to_field(),
        commit_count: 0,
        chunk: 0,
        chunks: 1,
        payload: chunk.into(),
        group_info: key.seal_group_info(&stored.group_info)?.into(),
    }))
}

/// The same, put into the outbox.
pub(crate) fn queue_pairs_tree(tx: &Tx<'_>, term: &TermRecord, stored: &StoredTree) -> Result<(), ClientError> {
    let entry_id = random();
    add(tx, OutboxKind::PutTree, term, entry_id, None, Some(pairs_tree(term, entry_id, stored)?))?;
    Ok(())
}

fn seat_field(log: LogId, seat: &OfferSeat) -> proto::Seat {
    Seat { id: seat.secret.seat_id(log), drop_hash: seat.drop_secret.hash(log), keep: true, invite: false }.to_field()
}
