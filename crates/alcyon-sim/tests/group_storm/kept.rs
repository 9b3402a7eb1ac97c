//! Somebody who is removed and has kept a copy of their profile from before it: what the copy still opens.

use std::path::Path;

use alcyon_client::{ConversationId, Store};
use alcyon_mls::{Entry, Group, GroupHandshake, GroupId, HandshakeKey, MlsError, Payload, Processed, Verdict};
use alcyon_sim::light::LightClient;
use alcyon_store::{StoreError, StoreKey, TermRecord, TermState};
use alcyon_wire::{
    AccountId, EntryKind, HeaderFacts, SeatKey, payload_hash,
    proto::{self, client_frame, server_frame},
};
use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::{
    person::PROFILE_KEY,
    tap::{Tap, Told},
};

/// A copy of a profile, made when its owner was about to be removed.
pub struct Kept {
    pub name: String,
    pub account: AccountId,
    pub conversation: ConversationId,
    folder: TempDir,
}

/// What trying has come to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tried {
    /// Removals that were tried.
    pub removals: usize,
    /// Messages from before the removal that the copy opened: the trying works.
    pub opened_before: usize,
    /// Copies that followed the log up to their removal and understood it.
    pub saw_the_removal: usize,
    /// Entries after it, none of which opened.
    pub shut_after: usize,
}

/// A failure that only ends a transaction.
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error(transparent)]
    Mls(#[from] MlsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Taken back on purpose.
    #[error("taken back")]
    TakenBack(Box<Option<Processed>>),
}

impl Kept {
    /// Copies a profile whose program does nothing at this moment.
    pub fn copy(name: &str, account: AccountId, conversation: ConversationId, profile: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(profile.parent().context("profiles lie in a folder")?)?;
        for item in std::fs::read_dir(profile)? {
            let item = item?;
            std::fs::copy(item.path(), folder.path().join(item.file_name()))?;
        }
        Ok(Self { name: name.to_owned(), account, conversation, folder })
    }

    /// Tries to open what came after the copy, and asks the log for more. `removals` are the sequences at which the account was
    /// removed from the group.
    pub async fn try_it(&self, tap: &Tap, removals: &[u64], tried: &mut Tried) -> anyhow::Result<()> {
        let store = Store::open(self.folder.path(), &StoreKey::from(PROFILE_KEY))?;
        let term = store.transaction(|tx| tx.term_of(self.conversation))?;
        let Some(mut term) = term.filter(|term| term.state == TermState::Live && term.group_id.is_some()) else { return Ok(()) };
        let Some(removed_at) = removals.iter().copied().filter(|sequence| *sequence > term.cursor).min() else { return Ok(()) };
        let entries = tap.after(term.log, term.cursor);
        ensure!(entries.last().is_some_and(|(last, _)| *last >= removed_at), "nobody has read the entries up to the removal");
        tried.removals += 1;
        let (before, rest) = entries.split_at(usize::try_from(removed_at - term.cursor - 1)?);
        let mut follows = true;
        for (sequence, told) in before {
            match self.follow(&store, &mut term, told) {
                Ok(Some(Processed::Application { .. })) => tried.opened_before += 1,
                // Made by the program itself after the copy: an old copy can't follow that.
                Ok(Some(Processed::OwnCommitUnknown | Processed::OwnRejoin)) | Err(Halt::Mls(MlsError::CantOpenPath { .. })) => {
                    follows = false;
                }
                Ok(Some(Processed::Commit(Verdict::Valid(summary)))) if summary.evicted => {
                    anyhow::bail!("{}: evicted at {sequence}, and the removal is at {removed_at}", self.name)
                }
                Ok(_) => {}
                Err(halt) if follows => return Err(halt).with_context(|| format!("{}: entry {sequence}", self.name)),
                Err(_) => {}
            }
            if !follows {
                break;
            }
        }
        let Some(((_, removal), after)) = rest.split_first() else { return Ok(()) };
        // With the state that still belonged to the group.
        for (sequence, told) in after {
            ensure!(!opens(&store, &term, told)?, "{} opens {sequence} with a state from before {removed_at}", self.name);
        }
        let understood = self.follow(&store, &mut term, removal);
        if follows {
            let evicted = matches!(&understood, Ok(Some(Processed::Commit(Verdict::Valid(summary)))) if summary.evicted);
            ensure!(evicted, "{} does not see its removal at {removed_at}: {understood:?}", self.name);
            tried.saw_the_removal += 1;
        }
        // And with whatever the removal itself told.
        for (sequence, told) in after {
            ensure!(!opens(&store, &term, told)?, "{} opens {sequence} after its removal at {removed_at}", self.name);
            tried.shut_after += 1;
        }
        self.ask_for_more(&term, removed_at).await
    }

    /// Processes an entry as the program would.
    fn follow(&self, store: &Store, term: &mut TermRecord, told: &Told) -> Result<Option<Processed>, Halt> {
        let Ok(header) = HeaderFacts::parse(&told.header) else { return Ok(None) };
        let Some(message) = message_of(term, told) else { return Ok(None) };
        let entry = Entry { header: &header, payload_hash: payload_hash(&told.payload) };
        if header.kind == EntryKind::Leave {
            return Ok(None);
        }
        let processed = store.transaction(|tx| {
            let Some(mut group) = load(tx, term)? else { return Ok::<_, Halt>(None) };
            Ok(Some(group.process(tx, &message, &entry)?))
        })?;
        if let Some(Processed::Commit(Verdict::Valid(summary))) = &processed
            && let Some(secret) = &summary.new_join_secret
        {
            term.join_secret = secret.clone();
        }
        Ok(processed)
    }

    /// The log tells whoever sat on the old seat nothing after the entry that took it away.
    async fn ask_for_more(&self, term: &TermRecord, removed_at: u64) -> anyhow::Result<()> {
        let seat = SeatKey { log: term.log, secret: term.seat.clone() };
        let mut client = LightClient::connect(&term.server, None).await?;
        for after in [removed_at, removed_at - 1] {
            let logs = vec![proto::Subscription { seat: Some(seat.to_field()), after }];
            client.post(client_frame::Body::Subscribe(proto::Subscribe { logs })).await?;
            let ping = client.post(client_frame::Body::Ping(proto::Ping {})).await?;
            client.flush().await?;
            loop {
                let frame = client.next().await?;
                if let Some(server_frame::Body::Entries(page)) = &frame.body {
                    for entry in &page.entries {
                        let sequence = HeaderFacts::parse(&entry.header)?.sequence;
                        ensure!(sequence <= removed_at, "{} is still told entry {sequence} after {removed_at}", self.name);
                    }
                }
                if frame.request == ping {
                    break;
                }
            }
        }
        client.close().await
    }
}

fn load(tx: &alcyon_store::Tx<'_>, term: &TermRecord) -> Result<Option<Group>, MlsError> {
    match &term.group_id {
        Some(id) => Group::load(tx, &GroupId::from_bytes(id)),
        None => Ok(None),
    }
}

/// The MLS message of an entry, if the join secret opens it.
fn message_of(term: &TermRecord, told: &Told) -> Option<Vec<u8>> {
    match Payload::decode(&told.payload).ok()? {
        Payload::Application(message) => Some(message),
        // A tree that goes through the log is one of a pair.
        Payload::Tree(_) => None,
        Payload::Handshake(sealed) => {
            let key = HandshakeKey::derive(&term.join_secret, term.log).ok()?;
            match key.open_group_handshake(&sealed).ok()? {
                GroupHandshake::Commit { message, .. } => Some(message),
                GroupHandshake::Leave(_) => Some(Vec::new()),
            }
        }
    }
}

/// Whether anything of an entry is readable: as it is, or passed off as one of the epoch that the copy is in.
fn opens(store: &Store, term: &TermRecord, told: &Told) -> anyhow::Result<bool> {
    let header = HeaderFacts::parse(&told.header)?;
    let Ok(payload) = Payload::decode(&told.payload) else { return Ok(false) };
    let Payload::Application(message) = payload else { return Ok(message_of(term, told).is_some()) };
    let entry = Entry { header: &header, payload_hash: payload_hash(&told.payload) };
    let group_and_epoch = store.transaction(|tx| {
        let group = load(tx, term)?;
        Ok::<_, Halt>(group.map(|group| (group.id(), group.epoch())))
    })?;
    let Some((id, epoch)) = group_and_epoch else { return Ok(false) };
    for message in [message.clone(), in_epoch(&message, &id, epoch)?] {
        // Taken back, whatever comes of it: the next trial begins with the same state.
        let outcome = store.transaction(|tx| {
            let processed = match load(tx, term)? {
                Some(mut group) => Some(group.process(tx, &message, &entry)?),
                None => None,
            };
            Err::<(), _>(Halt::TakenBack(Box::new(processed)))
        });
        match outcome {
            Ok(()) => {}
            Err(Halt::TakenBack(processed)) => {
                if matches!(*processed, Some(Processed::Application { .. } | Processed::OwnApplication)) {
                    return Ok(true);
                }
            }
            Err(Halt::Mls(_)) => {}
            Err(error @ Halt::Store(_)) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// A PrivateMessage (RFC 9420 section 6.3) that claims another epoch: version, wire format, group id, epoch.
fn in_epoch(message: &[u8], id: &GroupId, epoch: u64) -> anyhow::Result<Vec<u8>> {
    let id = id.as_bytes();
    let begin = 2 + 2 + 1 + id.len();
    ensure!(message.get(5..begin) == Some(id), "a PrivateMessage begins with its group");
    let mut changed = message.to_vec();
    changed[begin..begin + 8].copy_from_slice(&epoch.to_be_bytes());
    Ok(changed)
}
