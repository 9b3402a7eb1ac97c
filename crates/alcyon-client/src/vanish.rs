//! Messages that go by themselves: counted from reading for those who read, from sending for who sent.
//!
//! The timer rides in each message, so that all devices agree. A device counts by its own clock, from the earliest moment that it
//! knows of: its own reading, or a sibling's ([`read_elsewhere`]). What has gone leaves its id behind, so that it does not come
//! back when somebody sends it again.

use std::time::Duration;

use alcyon_store::{ConversationKind, ConversationRecord, MessageKind, Setting, Tx};
use alcyon_wire::{ConversationId, MessageId, limits, proto};
use futures::FutureExt;
use proto::content::Body;

use crate::{
    ActOutcome, Client, ClientError, Clock, Event, Post, SendOutcome, Transport, content::Content, group::the_group,
    message::view::content_of, offer::Offer,
};

/// The longest that the program sleeps before it looks at the clock again: clocks are set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
const NO_TIMER: &str = "messages go after 5 seconds to a year, or stay";

impl<T: Transport, C: Clock> Client<T, C> {
    /// Seconds after which new messages go in a conversation; 0: they stay.
    pub fn timer(&self, conversation: ConversationId) -> Result<u32, ClientError> {
        self.core.store.transaction(|tx| {
            let unknown = || ClientError::Unknown { field: "conversation", what: conversation.to_text() };
            timer_of(tx, &tx.conversation(conversation)?.ok_or_else(unknown)?)
        })
    }

    /// Sets it: messages that are written from then on go after so many seconds, 5 to a year; 0: they stay. Of two people both may, and the
    /// last one by the log holds; in a group those who may edit. It is a promise about devices: sealed entries lie on the server
    /// for its retention, and who reads can copy.
    pub async fn set_timer(&self, conversation: ConversationId, seconds: u32) -> Result<ActOutcome, ClientError> {
        check_timer(seconds)?;
        let record = self.core.store.transaction(|tx| tx.conversation(conversation))?;
        if record.is_some_and(|record| record.kind == ConversationKind::Group) {
            return self.set_timer_of_group(conversation, seconds).await;
        }
        Ok(match self.post(conversation, &Post::SetTimer { seconds }).await? {
            SendOutcome::Sent { .. } => ActOutcome::Done,
            SendOutcome::Queued { .. } => ActOutcome::Queued,
        })
    }

    /// The timer of conversations that this profile begins; 0: messages stay.
    pub fn default_timer(&self) -> Result<u32, ClientError> {
        Ok(self.core.store.transaction(default_timer)?)
    }

    /// Sets it.
    pub fn set_default_timer(&self, seconds: u32) -> Result<(), ClientError> {
        check_timer(seconds)?;
        Ok(self.core.store.transaction(|tx| tx.put_setting(Setting::Timer, u64::from(seconds)))?)
    }

    /// What has reached its time goes: called before anything is shown.
    pub(crate) fn let_go(&self) -> Result<(), ClientError> {
        let now_ms = self.clock.now_ms();
        let gone = self.core.store.transaction(|tx| let_go(tx, now_ms))?;
        if !gone.is_empty() {
            // From the journal as well.
            self.core.store.checkpoint()?;
            self.core.emit(gone);
        }
        Ok(())
    }

    /// Lets each message go when its time comes, for as long as the future lives.
    pub(crate) async fn keep_time(&self) -> Result<(), ClientError> {
        loop {
            let seen = self.core.work.count();
            self.let_go()?;
            let next_ms = self.core.store.transaction(|tx| tx.next_to_go())?;
            let wait = next_ms.map_or(LOOK_AGAIN, |at| Duration::from_millis(at.saturating_sub(self.clock.now_ms())).min(LOOK_AGAIN));
            let mut work = std::pin::pin!(self.core.work.after(seen).fuse());
            let mut sleep = std::pin::pin!(self.clock.sleep(wait).fuse());
            futures::select_biased! { () = work => {}, () = sleep => {} }
        }
    }
}

pub(crate) fn check_timer(seconds: u32) -> Result<(), ClientError> {
    if seconds == 0 || limits::TIMER_S.contains(&seconds) {
        return Ok(());
    }
    Err(ClientError::NotAllowed { rule: NO_TIMER.to_owned() })
}

pub(crate) fn default_timer(tx: &Tx<'_>) -> Result<u32, alcyon_store::StoreError> {
    Ok(tx.setting(Setting::Timer)?.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(0))
}

/// The timer for what is written in a conversation now.
pub(crate) fn timer_of(tx: &Tx<'_>, record: &ConversationRecord) -> Result<u32, ClientError> {
    if record.kind == ConversationKind::Group {
        return match the_group(tx, record.conversation) {
            Ok((_, _, state)) => Ok(state.settings.timer_s),
            Err(ClientError::NotInYet | ClientError::Left) => Ok(0),
            Err(error) => Err(error),
        };
    }
    let Some(id) = tx.timer_message(record.conversation)? else { return Ok(0) };
    let set = tx.message(record.conversation, id)?.as_ref().and_then(content_of).and_then(|content| content.body);
    Ok(match set {
        Some(Body::SetTimer(proto::SetTimer { seconds })) => seconds,
        _ => 0,
    })
}

/// A message is here, with the timer that it came with. `from_ms` is when its countdown begins, if that is known.
pub(crate) fn came(
    tx: &Tx<'_>,
    conversation: ConversationId,
    id: MessageId,
    timer_s: u32,
    from_ms: Option<u64>,
) -> Result<(), ClientError> {
    if timer_s == 0 {
        return Ok(());
    }
    tx.set_timer(conversation, id, timer_s.min(*limits::TIMER_S.end()))?;
    if let Some(from_ms) = from_ms {
        tx.start_countdown(conversation, id, from_ms)?;
    }
    Ok(())
}

/// Another device of this account has read up to a position, at a time by its clock: countdowns run from the earliest reading of any
/// device. Everything that hears of reading elsewhere comes here.
pub(crate) fn read_elsewhere(
    tx: &Tx<'_>,
    conversation: ConversationId,
    up_to: (u32, u64),
    at_ms: u64,
    now_ms: u64,
) -> Result<(), ClientError> {
    tx.mark_read_to(conversation, up_to)?;
    // A clock that is ahead must not keep anything longer.
    Ok(tx.start_countdowns_up_to(conversation, up_to, at_ms.min(now_ms))?)
}

/// Buries what has reached its time.
fn let_go(tx: &Tx<'_>, now_ms: u64) -> Result<Vec<Event>, ClientError> {
    let mut events = Vec::new();
    for (conversation, id) in tx.to_go(now_ms)? {
        bury(tx, conversation, id)?;
        events.push(Event::Gone { conversation, id });
    }
    Ok(events)
}

/// Everything that this profile has of a message goes: text, content, edits, what was done to it, its place in the search, its
/// file, and what waits to go out again.
fn bury(tx: &Tx<'_>, conversation: ConversationId, id: MessageId) -> Result<(), ClientError> {
    for (number, draft) in tx.drafts_in_outbox(conversation)? {
        if Content::parse(&draft).is_ok_and(|content| content.message == id) {
            tx.remove_outbox(number)?;
        }
    }
    forget_introduction(tx, conversation, id)?;
    // Its key goes at once; the sealed bytes leave the room when files are looked after the next time.
    tx.remove_transfer(id)?;
    Ok(tx.bury(conversation, id)?)
}

/// The first words of a conversation came in its request as well.
pub(crate) fn forget_introduction(tx: &Tx<'_>, conversation: ConversationId, id: MessageId) -> Result<(), ClientError> {
    let Some(mut request) = tx.request(conversation)?.filter(|request| request.kind == alcyon_store::RequestKind::Knock) else {
        return Ok(());
    };
    let Ok(offer) = Offer::decode(&request.offer) else { return Ok(()) };
    if offer.introduction_id == Some(id) {
        request.introduction.clear();
        request.offer = Offer { introduction: String::new(), ..offer }.encode();
        tx.put_request(&request)?;
    }
    Ok(())
}

/// Whether a message that comes is one that has gone by itself, or was done to one.
pub(crate) fn has_gone(tx: &Tx<'_>, conversation: ConversationId, id: MessageId) -> Result<bool, ClientError> {
    Ok(tx.message(conversation, id)?.is_some_and(|record| record.kind == MessageKind::Gone))
}
