//! How a person keeps conversations in the list: muted, archived, pinned. Devices of the same account keep them alike, and nobody
//! else is told.

use alcyon_store::{Shelf, Tx};
use alcyon_wire::ConversationId;

use crate::{Client, ClientError, Clock, Transport};

/// How long a conversation is muted. What comes in is stored and counted as ever; a program does not call attention to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Muted {
    /// Up to a time by this device's clock, Unix milliseconds.
    Until {
        /// When it is over.
        at_ms: u64,
    },
    /// Until it is unmuted.
    ForEver,
}

impl Muted {
    /// Whether it still holds at a time.
    #[must_use]
    pub fn holds_at(self, now_ms: u64) -> bool {
        match self {
            Self::Until { at_ms } => at_ms > now_ms,
            Self::ForEver => true,
        }
    }

    /// What a shelf says now: a mute that is over is none.
    pub(crate) fn at(shelf: Shelf, now_ms: u64) -> Option<Self> {
        let muted = if shelf.muted_until_ms == Shelf::FOR_EVER { Self::ForEver } else { Self::Until { at_ms: shelf.muted_until_ms } };
        Some(muted).filter(|muted| muted.holds_at(now_ms))
    }
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Mutes a conversation, or with `None` unmutes it. A time that has passed is as good as `None`.
    pub fn set_muted(&self, conversation: ConversationId, muted: Option<Muted>) -> Result<(), ClientError> {
        let muted_until_ms = match muted {
            Some(Muted::ForEver) => Shelf::FOR_EVER,
            // One below, so that no time is mistaken for no end.
            Some(Muted::Until { at_ms }) => at_ms.min(Shelf::FOR_EVER - 1),
            None => 0,
        };
        self.shelve(conversation, |_, shelf| Ok(Shelf { muted_until_ms, ..shelf }))
    }

    /// Puts a conversation out of the list, and takes its pin off; or back. A new message, own or another's, brings it back by
    /// itself, unless it is muted when the message comes. Lines about what happened in a group don't.
    pub fn set_archived(&self, conversation: ConversationId, archived: bool) -> Result<(), ClientError> {
        self.shelve(conversation, |_, shelf| Ok(Shelf { archived, pinned: if archived { 0 } else { shelf.pinned }, ..shelf }))
    }

    /// Pins a conversation to the top of the list, below those that are pinned already, and out of the archive; or takes the pin off.
    pub fn set_pinned(&self, conversation: ConversationId, pinned: bool) -> Result<(), ClientError> {
        self.shelve(conversation, |tx, shelf| {
            Ok(match (pinned, shelf.pinned) {
                (true, 0) => Shelf { pinned: tx.next_pin()?, archived: false, ..shelf },
                (true, _) => shelf,
                (false, _) => Shelf { pinned: 0, ..shelf },
            })
        })
    }

    fn shelve(
        &self,
        conversation: ConversationId,
        change: impl FnOnce(&Tx<'_>, Shelf) -> Result<Shelf, ClientError>,
    ) -> Result<(), ClientError> {
        let local = self.core.local()?;
        self.core.store.transaction(|tx| {
            let unknown = || ClientError::Unknown { field: "conversation", what: conversation.to_text() };
            let conversation = tx.conversation(conversation)?.ok_or_else(unknown)?.conversation;
            let shelf = change(tx, tx.shelf(conversation)?)?;
            tx.put_shelf(conversation, shelf)?;
            crate::device::tell_marks(tx, &local, conversation, self.clock.now_ms())
        })?;
        self.core.work.poke();
        Ok(())
    }
}

/// Where a conversation stands in the list: the smallest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    archived: bool,
    /// The first pinned first; what is not pinned comes after all of them.
    pinned: u64,
    newest_ms: std::cmp::Reverse<u64>,
}

impl Place {
    pub(crate) fn of(shelf: Shelf, newest_ms: u64) -> Self {
        let pinned = if shelf.pinned == 0 { u64::MAX } else { shelf.pinned };
        Self { archived: shelf.archived, pinned, newest_ms: std::cmp::Reverse(newest_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mute_ends_by_the_clock() {
        let at = |muted_until_ms, now_ms| Muted::at(Shelf { muted_until_ms, ..Shelf::default() }, now_ms);
        assert_eq!(at(0, 0), None);
        assert_eq!(at(10, 9), Some(Muted::Until { at_ms: 10 }));
        assert_eq!(at(10, 10), None);
        assert_eq!(at(Shelf::FOR_EVER, u64::MAX), Some(Muted::ForEver));
    }

    #[test]
    fn pinned_ones_stand_first_in_the_order_of_pinning_and_archived_ones_last() {
        let shelf = |pinned, archived| Shelf { muted_until_ms: 0, archived, pinned };
        let mut places = [
            (shelf(0, true), 90),
            (shelf(0, false), 5),
            (shelf(3, false), 80),
            (shelf(0, false), 7),
            (shelf(1, false), 1),
            (shelf(0, true), 95),
        ];
        places.sort_by_key(|(shelf, newest)| Place::of(*shelf, *newest));
        assert_eq!(places.map(|(_, newest)| newest), [1, 80, 7, 5, 95, 90]);
    }
}
