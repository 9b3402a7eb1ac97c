use alcyon_client::{
    Alarm, ClientError, ConnectionState, ConversationSummary, Delivery, KnockRequest, Me, Message, Muted, Registered, RequestKind,
    SafetyNumberView, SendOutcome, Standing,
};
use serde::{Deserialize, Serialize};

/// What a page is told. Ids are text; a position is a number that increases within its conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The Worker listens. Calls made before are lost.
    Ready,
    /// A call was done.
    Done {
        /// The page's number.
        call: u32,
        /// What came of it.
        #[serde(flatten)]
        answer: Answer,
    },
    /// A call failed.
    Failed {
        /// The page's number; `null` if there was none to be read, or if it is the listening that ended.
        call: Option<u32>,
        /// A word for machines: those of the client's errors, and `malformed`, `not-open`, `open` of this boundary.
        error: String,
        /// For people.
        message: String,
        /// The argument at fault.
        field: Option<String>,
    },
    /// A message of somebody else. Once it is on the screen, call `shown`.
    Message(MessageView),
    /// An own message has got further, or something was done to a message: as it is now.
    Delivery(MessageView),
    /// Somebody knocks.
    Request(RequestView),
    /// The other side has accepted, or this device has come in.
    Accepted {
        /// Which conversation.
        conversation: String,
    },
    /// The other side has declined or left.
    Left {
        /// Which conversation.
        conversation: String,
    },
    /// A person has to know this about a server or a conversation.
    Alarm {
        /// Where; `null` for the inbox.
        conversation: Option<String>,
        /// A word: `broken`, `forked`, ...
        kind: String,
        /// At which entry of the log.
        sequence: u64,
    },
    /// The way to the servers.
    Connection {
        /// `connecting`, `online` or `waiting`.
        state: String,
        /// While waiting: milliseconds until the next try.
        retry_in_ms: Option<u64>,
    },
    /// An event that this version has no words for.
    Other,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It is done; there is nothing to tell.
    Nothing,
    /// The profile is open.
    Opened {
        /// Its handle, once it has an account.
        handle: Option<String>,
        /// Its account, once it has one.
        account: Option<String>,
    },
    /// A new account.
    Registered {
        /// Its handle.
        handle: String,
        /// Its id.
        account: String,
        /// The recovery words: show them, and forget them.
        words: String,
    },
    /// The account of the profile.
    Account {
        /// Its handle.
        handle: String,
        /// Its id.
        account: String,
    },
    /// All conversations: those pinned, then the newest first, then those archived.
    Conversations {
        /// They.
        conversations: Vec<ConversationView>,
    },
    /// Messages, oldest first.
    Messages {
        /// They.
        messages: Vec<MessageView>,
    },
    /// A message was written.
    Sent {
        /// Its id.
        id: String,
        /// Where.
        conversation: String,
        /// Its place; `null` while it waits for the server.
        position: Option<u64>,
    },
    /// Who knocks, oldest first.
    Requests {
        /// They.
        requests: Vec<RequestView>,
    },
    /// Let in.
    Conversation {
        /// Its id.
        conversation: String,
    },
    /// Both sides see the same if nobody is in between.
    SafetyNumber {
        /// 60 digits, in groups of five.
        digits: String,
        /// For a QR code.
        qr_text: String,
    },
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    /// Where.
    pub conversation: String,
    /// The same on all sides for ever.
    pub id: String,
    /// Whose account.
    pub sender: String,
    /// That account's handle as known here.
    pub sender_handle: Option<String>,
    /// Written by this account.
    pub own: bool,
    /// The text.
    pub text: String,
    /// `null` until the server has it.
    pub position: Option<u64>,
    /// The sender's clock, Unix milliseconds.
    pub sent_at_ms: u64,
    /// `queued`, `sent`, `delivered` or `failed`.
    pub delivery: String,
    /// No message, but something the sender did in a group; the text is empty then.
    pub line: bool,
    /// The text is not the first one.
    pub edited: bool,
    /// It is gone.
    pub deleted: bool,
}

/// A line in the list of conversations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationView {
    /// Its id.
    pub conversation: String,
    /// What to call it.
    pub title: String,
    /// The other account, once it is known.
    pub peer: Option<String>,
    /// Messages of others not yet read.
    pub unread: u64,
    /// `asked`, `open`, `left` or `joining`.
    pub standing: String,
    /// The newest message.
    pub last: Option<MessageView>,
    /// The other side is blocked.
    pub blocked: bool,
    /// The newest alarm's word.
    pub alarm: Option<String>,
    /// A group.
    pub group: bool,
    /// The account's own devices: "note to self". It has no title.
    pub own_devices: bool,
    /// Muted at this moment: it is not to call attention to itself.
    pub muted: bool,
    /// When that ends, Unix milliseconds; `null` if it has no end.
    pub muted_until_ms: Option<u64>,
    /// Out of the list, until a new message comes that finds it unmuted.
    pub archived: bool,
    /// At the top of the list.
    pub pinned: bool,
}

/// Somebody knocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestView {
    /// What `accept` and `decline` take.
    pub id: String,
    /// Who, by handle.
    pub from: String,
    /// Who, for certain.
    pub account: String,
    /// The handle's directory confirms that it names this account.
    pub confirmed: bool,
    /// `knock`, `invite` or `ask-in`.
    pub kind: String,
    /// Of a group: its title.
    pub title: Option<String>,
    /// The first words.
    pub introduction: String,
    /// The sender's clock, Unix milliseconds.
    pub sent_at_ms: u64,
}

/// A client's error as an event.
#[must_use]
pub fn failure(call: Option<u32>, error: &ClientError) -> Event {
    Event::Failed { call, error: error.code().to_owned(), message: error.to_string(), field: error.field().map(str::to_owned) }
}

impl From<alcyon_client::Event> for Event {
    fn from(event: alcyon_client::Event) -> Self {
        use alcyon_client::Event as Told;
        match event {
            Told::Message(message) => Self::Message(message.into()),
            Told::Delivery(message) => Self::Delivery(message.into()),
            // As it is now: a page that shows it puts it in the place of what it has.
            Told::Changed(changed) => Self::Delivery(changed.message.into()),
            Told::Request(request) => Self::Request(request.into()),
            Told::Accepted { conversation } => Self::Accepted { conversation: conversation.to_text() },
            Told::Left { conversation } => Self::Left { conversation: conversation.to_text() },
            Told::Alarm(Alarm { conversation, kind, sequence }) => {
                Self::Alarm { conversation: conversation.map(|id| id.to_text()), kind: kind.code().to_owned(), sequence }
            }
            Told::Connection(state) => {
                let (state, retry_in_ms) = match state {
                    ConnectionState::Connecting => ("connecting", None),
                    ConnectionState::Online => ("online", None),
                    ConnectionState::Waiting { retry_in_ms } => ("waiting", Some(retry_in_ms)),
                };
                Self::Connection { state: state.to_owned(), retry_in_ms }
            }
            _ => Self::Other,
        }
    }
}

impl From<Message> for MessageView {
    fn from(message: Message) -> Self {
        let Message { conversation, id, sender, sender_handle, own, text, position, sent_at_ms, delivery, line, content } = message;
        let delivery = match delivery {
            Delivery::Queued => "queued",
            Delivery::Sent => "sent",
            Delivery::Delivered => "delivered",
            Delivery::Read => "read",
            Delivery::Failed => "failed",
        };
        Self {
            conversation: conversation.to_text(),
            id: id.to_text(),
            sender: sender.to_text(),
            sender_handle: sender_handle.map(|handle| handle.to_text()),
            own,
            text,
            position: position.map(|position| position.as_number()),
            sent_at_ms,
            delivery: delivery.to_owned(),
            line: line.is_some(),
            edited: content.edited,
            deleted: content.deleted.is_some(),
        }
    }
}

impl From<ConversationSummary> for ConversationView {
    fn from(summary: ConversationSummary) -> Self {
        let ConversationSummary {
            conversation,
            title,
            peer,
            unread,
            standing,
            last,
            blocked,
            alarm,
            group,
            own_devices,
            muted,
            archived,
            pinned,
            ..
        } = summary;
        let standing = match standing {
            Standing::Asked => "asked",
            Standing::Open => "open",
            Standing::Left => "left",
            Standing::Joining => "joining",
        };
        Self {
            conversation: conversation.to_text(),
            title,
            peer: peer.map(|account| account.to_text()),
            unread,
            standing: standing.to_owned(),
            last: last.map(MessageView::from),
            blocked,
            alarm: alarm.map(|alarm| alarm.kind.code().to_owned()),
            group,
            own_devices,
            muted: muted.is_some(),
            muted_until_ms: match muted {
                Some(Muted::Until { at_ms }) => Some(at_ms),
                Some(Muted::ForEver) | None => None,
            },
            archived,
            pinned,
        }
    }
}

impl From<KnockRequest> for RequestView {
    fn from(request: KnockRequest) -> Self {
        let KnockRequest { id, from, account, confirmed, kind, introduction, sent_at_ms } = request;
        let (kind, title) = match kind {
            RequestKind::Knock => ("knock", None),
            RequestKind::Invite { title, members: _, known: _ } => ("invite", Some(title)),
            RequestKind::AskIn { title } => ("ask-in", Some(title)),
        };
        Self {
            id: id.to_text(),
            from: from.to_text(),
            account: account.to_text(),
            confirmed,
            kind: kind.to_owned(),
            title,
            introduction,
            sent_at_ms,
        }
    }
}

impl From<Registered> for Answer {
    fn from(registered: Registered) -> Self {
        let Registered { handle, account, words } = registered;
        Self::Registered { handle: handle.to_text(), account: account.to_text(), words: words.to_string() }
    }
}

impl From<Me> for Answer {
    fn from(me: Me) -> Self {
        let Me { handle, account } = me;
        Self::Account { handle: handle.to_text(), account: account.to_text() }
    }
}

impl From<SendOutcome> for Answer {
    fn from(outcome: SendOutcome) -> Self {
        let (id, conversation, position) = match outcome {
            SendOutcome::Sent { id, conversation, position } => (id, conversation, Some(position.as_number())),
            SendOutcome::Queued { id, conversation } => (id, conversation, None),
        };
        Self::Sent { id: id.to_text(), conversation: conversation.to_text(), position }
    }
}

impl From<SafetyNumberView> for Answer {
    fn from(number: SafetyNumberView) -> Self {
        let SafetyNumberView { digits, qr_text } = number;
        Self::SafetyNumber { digits, qr_text }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alcyon_client::{ConversationId, MessageId, Position};
    use serde_json::{Value, json};

    use super::*;
    use crate::{Call, Command};

    fn json_of(event: &Event) -> Value {
        serde_json::to_value(event).unwrap()
    }

    #[test]
    fn a_message_as_a_page_reads_it() {
        let message = Message {
            conversation: ConversationId::from([0; 16]),
            id: MessageId::from([1; 16]),
            sender: [2; 32].into(),
            sender_handle: Some("ann@server.example".parse().unwrap()),
            own: false,
            text: "hello".to_owned(),
            position: Some(Position { term: 1, sequence: 7 }),
            sent_at_ms: 1_700_000_000_000,
            delivery: Delivery::Delivered,
            line: None,
            content: alcyon_client::ContentView::default(),
        };
        let expected = json!({
            "event": "message",
            "conversation": ConversationId::from([0; 16]).to_text(),
            "id": MessageId::from([1; 16]).to_text(),
            "sender": alcyon_client::AccountId::from([2; 32]).to_text(),
            "sender_handle": "ann@server.example",
            "own": false,
            "text": "hello",
            "position": (1_u64 << 37) | 7,
            "sent_at_ms": 1_700_000_000_000_u64,
            "delivery": "delivered",
            "line": false,
            "edited": false,
            "deleted": false,
        });
        assert_eq!(json_of(&alcyon_client::Event::Message(message).into()), expected);
    }

    #[test]
    fn answers_carry_the_number_of_their_call() {
        let outcome = SendOutcome::Queued { id: MessageId::from([1; 16]), conversation: ConversationId::from([0; 16]) };
        let event = Event::Done { call: 3, answer: outcome.into() };
        let value = json_of(&event);
        assert_eq!(value["event"], "done");
        assert_eq!(value["answer"], "sent");
        assert_eq!(value["call"], 3);
        assert_eq!(value["position"], Value::Null);
        assert_eq!(serde_json::from_value::<Event>(value).unwrap(), event);
    }

    #[test]
    fn errors_name_the_field() {
        let event = failure(Some(4), &ClientError::HandleTaken("ann@server.example".to_owned()));
        let message = "the handle ann@server.example is taken";
        assert_eq!(
            json_of(&event),
            json!({ "event": "failed", "call": 4, "error": "handle-taken", "message": message, "field": "handle" })
        );
    }

    #[test]
    fn commands_are_flat() {
        let call = Call { call: 9, command: Command::SafetyNumber { handle: "ann@server.example".to_owned() } };
        let value = json!({ "call": 9, "command": "safety-number", "handle": "ann@server.example" });
        assert_eq!(serde_json::to_value(&call).unwrap(), value);
        assert_eq!(serde_json::from_value::<Call>(value).unwrap(), call);
    }
}
