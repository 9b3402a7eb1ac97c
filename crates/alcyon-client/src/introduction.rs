//! Who somebody is in their own words: a name and a picture, told end-to-end encrypted like all else.
//!
//! An introduction is a content of its own, and no line of the conversation. It goes at once where this account writes, and elsewhere with the
//! next message; after somebody has come in, with the next message, too. Not on each coming in: in a group of 1,000 that would be 1,000 of them.

mod rules;

use alcyon_store::{ConversationKind, ConversationRecord, IntroductionRecord, OutboxItem, OutboxKind, Tx};
use alcyon_wire::{AccountId, ConversationId, Handle, LogId, MessageId, ServerUrl, proto};
use proto::content::Body;

pub use rules::IntroductionRule;
use rules::{REVISIONS, Said, called, check_name, folded};
pub(crate) use rules::{check_picture, picture_or_none};

use crate::{
    Client, ClientError, Clock, Event, Transport,
    content::Content,
    core::{handle_of, person_of},
    device::share,
    group::the_group,
    local::Local,
    message::post::{place_of, writable},
    outbox::queue_content,
    random::random,
};

/// Where this account has written since so long, a new introduction goes at once: 30 days.
const AT_ONCE_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// Characters of an account's id that stand for a handle that is not known.
const SHORT: usize = 12;

/// Who somebody is, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntroductionView {
    /// The account.
    pub account: AccountId,
    /// Its handle, if that is known here.
    pub handle: Option<Handle>,
    /// The name that it has given itself; empty for none. At most 64 characters, without any that are not seen.
    pub display_name: String,
    /// How it is called on a screen: the name, and the handle beside it where that is needed. `None`: by the handle.
    pub name: Option<String>,
    /// A JPEG of at most 4 KiB, or empty. Bytes from outside, to be decoded with care.
    pub picture: Vec<u8>,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// What an account has said of itself; the own one, too.
    pub fn introduction(&self, account: AccountId) -> Result<IntroductionView, ClientError> {
        let local = self.core.local()?;
        self.core.store.transaction(|tx| {
            let (display_name, picture) = tx.introduction(account)?.map(|known| (known.name, known.picture)).unwrap_or_default();
            let handle = handle_of(tx, &local, account)?;
            Ok(IntroductionView { account, handle, display_name, name: name_of(tx, &local, account)?, picture })
        })
    }

    /// The picture of a conversation: of the other one of two, of the group, or one's own. Empty for none; decode it with care.
    pub fn picture_of(&self, conversation: ConversationId) -> Result<Vec<u8>, ClientError> {
        let local = self.core.local()?;
        self.core.store.transaction(|tx| {
            let Some(record) = tx.conversation(conversation)? else { return Ok(Vec::new()) };
            let account = match record.kind {
                ConversationKind::Group => {
                    return match the_group(tx, record.conversation) {
                        Ok((_, _, state)) => Ok(picture_or_none(state.settings.picture)),
                        Err(ClientError::NotInYet | ClientError::Left) => Ok(Vec::new()),
                        Err(error) => Err(error),
                    };
                }
                ConversationKind::Pair => record.peer,
                ConversationKind::Own => Some(local.account),
            };
            let known = account.map(|account| tx.introduction(account)).transpose()?.flatten();
            Ok(known.map(|known| known.picture).unwrap_or_default())
        })
    }

    /// Sets the name, the picture or both; an empty one is none, and `None` leaves it as it is. It goes at once to where this account has written in
    /// the last 30 days, elsewhere with the next message.
    pub async fn set_introduction(&self, display_name: Option<&str>, picture: Option<&[u8]>) -> Result<(), ClientError> {
        let display_name = display_name.map(check_name).transpose()?;
        picture.map(check_picture).transpose()?;
        let (local, now_ms) = (self.core.local()?, self.clock.now_ms());
        let changed = self.core.store.transaction(|tx| {
            let known = tx.introduction(local.account)?;
            let before = known.map_or_else(Said::nothing, said);
            let name = display_name.unwrap_or_else(|| before.name.clone());
            let picture = picture.map_or_else(|| before.picture.clone(), <[u8]>::to_vec);
            if (&name, &picture) == (&before.name, &before.picture) {
                return Ok(false);
            }
            let said = Said { revision: now_ms.max(before.revision + 1).min(REVISIONS - 1), name, picture };
            keep(tx, local.account, &said)?;
            share::tell(tx, &local, Body::Introduction(said.field()), now_ms)?;
            for conversation in tx.written_since(now_ms.saturating_sub(AT_ONCE_MS))? {
                introduce_at_once(tx, &local, conversation, now_ms)?;
            }
            Ok::<_, ClientError>(true)
        })?;
        if !changed {
            return Ok(());
        }
        self.core.work.poke();
        self.drive_until(|_| Ok(false)).await
    }
}

impl Said {
    fn nothing() -> Self {
        Self { revision: 0, name: String::new(), picture: Vec::new() }
    }
}

fn said(record: IntroductionRecord) -> Said {
    let IntroductionRecord { account: _, name, folded: _, picture, revision } = record;
    Said { revision, name, picture }
}

fn keep(tx: &Tx<'_>, account: AccountId, said: &Said) -> Result<(), ClientError> {
    let Said { revision, name, picture } = said.clone();
    Ok(tx.put_introduction(&IntroductionRecord { account, folded: folded(&name), name, picture, revision })?)
}

/// Puts the own introduction at the end of a log's queue, in place of one that waits there, unless those who are in the conversation have it.
pub(crate) fn introduce(
    tx: &Tx<'_>,
    local: &Local,
    record: &ConversationRecord,
    (server, log): &(ServerUrl, LogId),
    now_ms: u64,
) -> Result<(), ClientError> {
    let Some(said) = tx.introduction(local.account)?.map(said) else { return Ok(()) };
    // Siblings hear of it by itself.
    if record.kind == ConversationKind::Own || tx.introduced(record.conversation)? >= said.revision {
        return Ok(());
    }
    for (number, draft) in tx.drafts_in_outbox(record.conversation)? {
        if is_introduction(&draft) {
            tx.remove_outbox(number)?;
        }
    }
    let id: MessageId = random();
    let draft = Content::draft(id, now_ms, Body::Introduction(said.field()));
    queue_content(tx, OutboxKind::Append, record.conversation, server, *log, id.into(), &draft)?;
    Ok(tx.set_introduced(record.conversation, said.revision)?)
}

/// The same at the conversation's place. Where nothing can be written now, it goes with the next message, if there will be one.
pub(crate) fn introduce_at_once(tx: &Tx<'_>, local: &Local, conversation: ConversationId, now_ms: u64) -> Result<(), ClientError> {
    let written =
        writable(tx, local, conversation).and_then(|record| introduce(tx, local, &record, &place_of(tx, local, &record)?, now_ms));
    match written {
        Err(ClientError::Left | ClientError::Blocked(_) | ClientError::HandleChanged { .. } | ClientError::NotAllowed { .. }) => Ok(()),
        written => written,
    }
}

/// An item of the outbox will never go: if it was an introduction, the next message takes it along again.
pub(crate) fn not_sent(tx: &Tx<'_>, item: &OutboxItem) -> Result<(), ClientError> {
    match item.conversation.filter(|_| item.content.as_deref().is_some_and(is_introduction)) {
        Some(conversation) => Ok(tx.set_introduced(conversation, 0)?),
        None => Ok(()),
    }
}

fn is_introduction(draft: &[u8]) -> bool {
    Content::parse(draft).is_ok_and(|content| matches!(content.body, Some(Body::Introduction(_))))
}

/// Somebody has said who they are. An event if that is news.
pub(crate) fn take(
    tx: &Tx<'_>,
    local: &Local,
    conversation: ConversationId,
    sender: AccountId,
    field: &proto::Introduction,
) -> Result<Option<Event>, ClientError> {
    let Some(new) = Said::read(field) else { return Ok(None) };
    if sender == local.account {
        // A sibling has told them.
        tx.set_introduced(conversation, tx.introduced(conversation)?.max(new.revision))?;
    }
    take_over(tx, local, sender, new)
}

/// The same as a sibling knows it of another account.
pub(crate) fn take_shared(
    tx: &Tx<'_>,
    local: &Local,
    account: AccountId,
    field: &proto::Introduction,
) -> Result<Option<Event>, ClientError> {
    Said::read(field).map_or(Ok(None), |new| take_over(tx, local, account, new))
}

fn take_over(tx: &Tx<'_>, local: &Local, account: AccountId, new: Said) -> Result<Option<Event>, ClientError> {
    if tx.introduction(account)?.map(said).is_some_and(|known| known >= new) {
        return Ok(None);
    }
    keep(tx, account, &new)?;
    Ok(Some(Event::Introduced { person: person_of(tx, local, account)? }))
}

/// What is known of an account, for a sibling.
pub(crate) fn field_of(tx: &Tx<'_>, account: AccountId) -> Result<Option<proto::Introduction>, ClientError> {
    Ok(tx.introduction(account)?.map(|known| said(known).field()))
}

/// How an account is called on a screen, if it has given itself a name.
pub(crate) fn name_of(tx: &Tx<'_>, local: &Local, account: AccountId) -> Result<Option<String>, ClientError> {
    let Some((name, shared)) = tx.name_of(account)? else { return Ok(None) };
    let known_as = match handle_of(tx, local, account)? {
        Some(handle) => handle.to_text(),
        None => account.to_text().chars().take(SHORT).collect(),
    };
    Ok(Some(called(&name, shared, &known_as)))
}

/// Accounts that go by a name, whatever the case of its letters.
pub(crate) fn goes_by(tx: &Tx<'_>, account: AccountId, name: &str) -> Result<bool, ClientError> {
    Ok(tx.introduction(account)?.is_some_and(|known| !known.folded.is_empty() && known.folded == folded(name)))
}
