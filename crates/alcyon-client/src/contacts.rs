//! Other accounts: what is known of them, who may knock, and whether a handle still means who it meant.

use alcyon_identity::{Manifest, SafetyNumber};
use alcyon_store::{ContactRecord, NewOutboxItem, OutboxKind, RequestState, TermRecord, Tx};
use alcyon_wire::{
    AccountId, Handle, Pass, SeatKey,
    proto::{self, client_frame::Body},
};

use crate::{
    AlarmKind, Client, ClientError, Clock, Event, SafetyNumberView, Transport,
    core::raise,
    directory,
    local::Local,
    outbox::{encode, say},
    random::random,
};

/// Keeps an account's manifest if it is the highest seen. With `confirmed` the handle's own directory has just named it.
pub(crate) fn remember_manifest(
    tx: &Tx<'_>,
    manifest: &Manifest,
    confirmed: Option<&Handle>,
    now_ms: u64,
) -> Result<ContactRecord, ClientError> {
    let named = manifest.homes().first().map(|home| home.handle.clone()).ok_or(ClientError::Unbelievable("a manifest without a home"))?;
    let mut contact = match tx.contact(manifest.account())? {
        Some(contact) => contact,
        None => ContactRecord {
            account: manifest.account(),
            handle: named,
            manifest: manifest.to_bytes().to_vec(),
            handle_checked_ms: 0,
            handle_changed: false,
            blocked: false,
            pass_given: None,
            pass_held: None,
        },
    };
    if Manifest::decode(&contact.manifest)?.order() < manifest.order() {
        contact.manifest = manifest.to_bytes().to_vec();
    }
    if let Some(handle) = confirmed {
        contact.handle = handle.clone();
        contact.handle_checked_ms = now_ms;
        contact.handle_changed = false;
    }
    tx.put_contact(&contact)?;
    Ok(contact)
}

/// The handle's directory has named `account`, or nobody: contacts that went by this handle and are another account are marked, and
/// nothing is sent to them until the person has looked.
pub(crate) fn mark_changed_handles(
    tx: &Tx<'_>,
    handle: &Handle,
    account: Option<AccountId>,
    now_ms: u64,
) -> Result<Vec<Event>, ClientError> {
    let mut events = Vec::new();
    for mut contact in tx.contacts_by_handle(handle)? {
        if account != Some(contact.account) && !contact.handle_changed {
            contact.handle_changed = true;
            tx.put_contact(&contact)?;
            if let Some(conversation) = tx.conversation_with(contact.account)?
                && let Some(term) = tx.term_of(conversation.conversation)?
            {
                let named = account.map(|account| account.as_bytes().to_vec()).unwrap_or_default();
                let evidence = (contact.account.as_bytes().as_slice(), named.as_slice());
                events.extend(raise(
                    tx,
                    Some(conversation.conversation),
                    term.log,
                    AlarmKind::HandleChanged,
                    term.cursor,
                    evidence,
                    now_ms,
                )?);
            }
        }
    }
    Ok(events)
}

/// Tells those in a term by which handle this account goes, and which devices it has.
pub(crate) fn tell_manifest(tx: &Tx<'_>, local: &Local, term: &TermRecord, now_ms: u64) -> Result<(), ClientError> {
    let news = proto::ManifestNews { signed_manifest: local.manifest.to_bytes().to_vec().into() };
    say(tx, term, proto::content::Body::ManifestNews(news), now_ms)
}

/// Gives the other side of a conversation a pass to the own inbox, once.
pub(crate) fn give_pass(tx: &Tx<'_>, local: &Local, term: &TermRecord, now_ms: u64) -> Result<(), ClientError> {
    let Some(peer) = tx.conversation(term.conversation)?.and_then(|conversation| conversation.peer) else { return Ok(()) };
    let Some(mut contact) = tx.contact(peer)? else { return Ok(()) };
    if contact.pass_given.is_some() || contact.blocked {
        return Ok(());
    }
    let pass: Pass = random();
    set_passes(tx, local, vec![pass.hash(local.inbox.log).to_field()], Vec::new())?;
    say(tx, term, proto::content::Body::Acquaintance(proto::Acquaintance { pass: pass.to_field() }), now_ms)?;
    contact.pass_given = Some(pass);
    tx.put_contact(&contact)?;
    crate::device::share::tell_contact(tx, local, peer, now_ms)
}

/// What follows from a block: the account's pass is good no more, and its requests are passed over.
pub(crate) fn shut_out(tx: &Tx<'_>, local: &Local, account: AccountId) -> Result<(), ClientError> {
    let Some(mut contact) = tx.contact(account)? else { return Ok(()) };
    contact.blocked = true;
    if let Some(pass) = contact.pass_given.take() {
        set_passes(tx, local, Vec::new(), vec![pass.hash(local.inbox.log).to_field()])?;
    }
    tx.put_contact(&contact)?;
    while let Some(mut request) = tx.open_request_of(account)? {
        request.state = RequestState::Superseded;
        tx.put_request(&request)?;
    }
    Ok(())
}

fn set_passes(tx: &Tx<'_>, local: &Local, added: Vec<bytes::Bytes>, dropped: Vec<bytes::Bytes>) -> Result<(), ClientError> {
    let SeatKey { log, .. } = &local.inbox;
    let frame = encode(Body::SetPasses(proto::SetPasses { seat: Some(local.inbox.to_field()), added, dropped }));
    tx.add_outbox(&NewOutboxItem {
        kind: OutboxKind::SetPasses,
        conversation: None,
        server: &local.manifest.inbox().server,
        log: *log,
        entry_id: random(),
        after: 0,
        content: None,
        frame: Some(&frame),
    })?;
    Ok(())
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// The account that goes by a handle here: a contact's, or the own one.
    pub fn account_called(&self, handle: &Handle) -> Result<AccountId, ClientError> {
        let local = self.core.local()?;
        if *handle == local.handle {
            return Ok(local.account);
        }
        let contacts = self.core.store.transaction(|tx| tx.contacts_by_handle(handle))?;
        match contacts.as_slice() {
            [contact] if !contact.handle_changed => Ok(contact.account),
            [] => Err(ClientError::Unknown { field: "contact", what: handle.to_text() }),
            _ => Err(ClientError::HandleChanged { handle: handle.to_text() }),
        }
    }

    /// Blocks an account by handle: its pass is revoked, its knocks are dropped unseen, its messages not shown.
    pub async fn block(&self, handle: &Handle) -> Result<(), ClientError> {
        let account = self.account_of(handle).await?;
        self.core.store.transaction(|tx| {
            let local = self.core.local()?;
            shut_out(tx, &local, account)?;
            crate::device::share::tell_contact(tx, &local, account, self.clock.now_ms())
        })?;
        self.core.work.poke();
        self.drive_until(|_| Ok(true)).await
    }

    /// The reverse. They get a new pass with the next conversation that is accepted.
    pub async fn unblock(&self, handle: &Handle) -> Result<(), ClientError> {
        let account = self.account_of(handle).await?;
        self.core.store.transaction(|tx| {
            let local = self.core.local()?;
            let Some(mut contact) = tx.contact(account)? else { return Ok::<_, ClientError>(()) };
            contact.blocked = false;
            tx.put_contact(&contact)?;
            if let Some(conversation) = tx.conversation_with(account)?
                && conversation.standing == alcyon_store::Standing::Open
                && let Some(term) = tx.term_of(conversation.conversation)?
            {
                give_pass(tx, &local, &term, self.clock.now_ms())?;
            }
            crate::device::share::tell_contact(tx, &local, account, self.clock.now_ms())
        })?;
        self.core.work.poke();
        self.drive_until(|_| Ok(true)).await
    }

    /// The safety number with that handle's account.
    pub async fn safety_number(&self, handle: &Handle) -> Result<SafetyNumberView, ClientError> {
        let account = self.account_of(handle).await?;
        let local = self.core.local()?;
        let contact = self.core.store.transaction(|tx| tx.contact(account))?;
        let contact = contact.ok_or_else(|| ClientError::Unknown { field: "handle", what: handle.to_text() })?;
        let theirs = Manifest::decode(&contact.manifest)?;
        let number = SafetyNumber::of(local.chain.root(), theirs.root());
        Ok(SafetyNumberView { digits: number.digits().to_owned(), qr_text: number.qr_text().to_owned() })
    }

    /// The account a handle means: of a contact, or asked of its directory.
    async fn account_of(&self, handle: &Handle) -> Result<AccountId, ClientError> {
        self.core.local()?;
        let known = self.core.store.transaction(|tx| tx.contacts_by_handle(handle))?;
        if let Some(contact) = known.iter().find(|contact| !contact.handle_changed).or(known.first()) {
            return Ok(contact.account);
        }
        let manifest = directory::manifest_of(&self.transport, handle).await?;
        let now_ms = self.clock.now_ms();
        self.core.store.transaction(|tx| remember_manifest(tx, &manifest, Some(handle), now_ms))?;
        Ok(manifest.account())
    }

    /// Asks the handle's directory whether it still names the contact. A directory that can't be reached changes nothing.
    pub(crate) async fn check_handle(&self, contact: &ContactRecord, older_than_ms: u64) -> Result<(), ClientError> {
        let now_ms = self.clock.now_ms();
        if !contact.handle_changed && now_ms.saturating_sub(contact.handle_checked_ms) >= older_than_ms {
            match directory::manifest_of(&self.transport, &contact.handle).await {
                Ok(manifest) => {
                    let events = self.core.store.transaction(|tx| {
                        remember_manifest(tx, &manifest, Some(&contact.handle), now_ms)?;
                        mark_changed_handles(tx, &contact.handle, Some(manifest.account()), now_ms)
                    })?;
                    self.core.emit(events);
                }
                // Of a handle that was true before, this may be a server's accident; of one that never was, it is a lie.
                Err(ClientError::NoSuchHandle(_)) if contact.handle_checked_ms == 0 => {
                    let events = self.core.store.transaction(|tx| mark_changed_handles(tx, &contact.handle, None, now_ms))?;
                    self.core.emit(events);
                }
                Err(ClientError::Transport(_) | ClientError::NoSuchHandle(_) | ClientError::Refused { .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let changed = self.core.store.transaction(|tx| tx.contact(contact.account))?.is_some_and(|contact| contact.handle_changed);
        if changed { Err(ClientError::HandleChanged { handle: contact.handle.to_text() }) } else { Ok(()) }
    }
}
