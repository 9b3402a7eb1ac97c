//! Lines about what happened in a group, as they are stored among its messages and shown.

use alcyon_store::{DeliveryState, MessageKind, MessageRecord, Tx};
use alcyon_wire::{AccountId, ConversationId, EntryId, MessageId};
use prost::Message;

use crate::{ClientError, GroupPermission, Line, TermReason, core::person_of, local::Local};

/// A line as it is stored. Numbers never change their meaning.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct LineRecord {
    #[prost(enumeration = "What", tag = "1")]
    what: i32,
    /// Whom it is about; empty if that is who did it.
    #[prost(bytes = "vec", tag = "2")]
    whom: Vec<u8>,
    /// A title or description.
    #[prost(string, tag = "3")]
    text: String,
    /// Seconds, a permission, or a truth.
    #[prost(uint64, tag = "4")]
    number: u64,
    #[prost(bool, tag = "5")]
    yes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum What {
    Unspecified = 0,
    Created = 1,
    Invited = 2,
    CameIn = 3,
    Left = 4,
    Removed = 5,
    Role = 6,
    Title = 7,
    Description = 8,
    Picture = 9,
    Timer = 10,
    Permission = 11,
    LinkOpened = 12,
    LinkClosed = 13,
    Ended = 14,
    Moved = 15,
}

/// A line that is about to be stored.
pub(crate) enum NewLine {
    Created,
    Invited(AccountId),
    /// By whose invitation or link; none where a sibling's leaf or a rejoin backed it.
    CameIn(Option<AccountId>),
    Left(AccountId),
    Removed(AccountId),
    Role(AccountId, bool),
    Title(String),
    Description(String),
    Picture,
    Timer(u32),
    Permission(GroupPermission, bool),
    LinkOpened(bool),
    LinkClosed,
    Ended,
    /// To this server, for this reason.
    Moved(String, TermReason),
}

impl NewLine {
    fn record(self) -> LineRecord {
        let mut record = LineRecord::default();
        let mut set = |what: What| record.what = what.into();
        match self {
            Self::Created => set(What::Created),
            Self::Invited(whom) => {
                set(What::Invited);
                record.whom = whom.as_bytes().to_vec();
            }
            Self::CameIn(by) => {
                set(What::CameIn);
                record.whom = by.map(|by| by.as_bytes().to_vec()).unwrap_or_default();
            }
            Self::Left(whom) => {
                set(What::Left);
                record.whom = whom.as_bytes().to_vec();
            }
            Self::Removed(whom) => {
                set(What::Removed);
                record.whom = whom.as_bytes().to_vec();
            }
            Self::Role(whom, admin) => {
                set(What::Role);
                (record.whom, record.yes) = (whom.as_bytes().to_vec(), admin);
            }
            Self::Title(text) => {
                set(What::Title);
                record.text = text;
            }
            Self::Description(text) => {
                set(What::Description);
                record.text = text;
            }
            Self::Picture => set(What::Picture),
            Self::Timer(seconds) => {
                set(What::Timer);
                record.number = u64::from(seconds);
            }
            Self::Permission(permission, members) => {
                set(What::Permission);
                (record.number, record.yes) = (permission as u64, members);
            }
            Self::LinkOpened(approval) => {
                set(What::LinkOpened);
                record.yes = approval;
            }
            Self::LinkClosed => set(What::LinkClosed),
            Self::Ended => set(What::Ended),
            Self::Moved(server, reason) => {
                set(What::Moved);
                (record.text, record.number) = (server, u64::from(reason as u32));
            }
        }
        record
    }
}

/// Where a line stands.
pub(crate) struct Place {
    pub(crate) conversation: ConversationId,
    pub(crate) position: (u32, u64),
    /// The entry's id; lines of one entry are told apart by `index`.
    pub(crate) entry_id: EntryId,
    pub(crate) index: u8,
    pub(crate) at_ms: u64,
}

/// Stores a line; the record if it is new.
pub(crate) fn add_line(
    tx: &Tx<'_>,
    local: &Local,
    place: Place,
    by: AccountId,
    line: NewLine,
) -> Result<Option<MessageRecord>, ClientError> {
    let Place { conversation, position, entry_id, index, at_ms } = place;
    let mut id = *entry_id.as_bytes();
    id[0] ^= index;
    let own = by == local.account;
    let record = MessageRecord {
        number: 0,
        conversation,
        message: MessageId::from(id),
        sender: by,
        own,
        text: String::new(),
        position: Some(position),
        sent_at_ms: at_ms,
        delivery: if own { DeliveryState::Sent } else { DeliveryState::Delivered },
        shown: own,
        line: Some(line.record().encode_to_vec()),
        kind: MessageKind::Message,
        target: None,
        content: None,
        at_ms,
        rights: 0,
    };
    Ok(tx.add_message(&record)?.then_some(record))
}

/// A stored line as it is shown; none for one that this version does not know.
pub(crate) fn view(tx: &Tx<'_>, local: &Local, bytes: &[u8]) -> Result<Option<Line>, ClientError> {
    let Ok(LineRecord { what, whom, text, number, yes }) = LineRecord::decode(bytes) else { return Ok(None) };
    let person = match AccountId::parse(&whom, "line.whom") {
        Ok(account) => Some(person_of(tx, local, account)?),
        Err(_) => None,
    };
    Ok(match (What::try_from(what).unwrap_or(What::Unspecified), person) {
        (What::Created, _) => Some(Line::Created),
        (What::Invited, Some(whom)) => Some(Line::Invited { whom }),
        (What::CameIn, invited_by) => Some(Line::CameIn { invited_by }),
        (What::Left, Some(whom)) => Some(Line::Left { whom }),
        (What::Removed, Some(whom)) => Some(Line::Removed { whom }),
        (What::Role, Some(whom)) => Some(Line::Role { whom, admin: yes }),
        (What::Title, _) => Some(Line::Title { title: text }),
        (What::Description, _) => Some(Line::Description { description: text }),
        (What::Picture, _) => Some(Line::Picture),
        (What::Timer, _) => Some(Line::Timer { seconds: u32::try_from(number).unwrap_or(u32::MAX) }),
        (What::Permission, _) => GroupPermission::from_number(number).map(|permission| Line::Permission { permission, members: yes }),
        (What::LinkOpened, _) => Some(Line::LinkOpened { approval: yes }),
        (What::LinkClosed, _) => Some(Line::LinkClosed),
        (What::Ended, _) => Some(Line::Ended),
        (What::Moved, _) => {
            let reason = u32::try_from(number).ok().and_then(TermReason::from_number);
            reason.map(|reason| Line::Moved { server: text, reason })
        }
        (What::Unspecified | What::Invited | What::Left | What::Removed | What::Role, _) => None,
    })
}
