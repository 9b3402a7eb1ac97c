use alcyon_client::{
    ActOutcome, Alarm, AlarmKind, ClientError, ConnectionState, JoinOutcome, Me, Registered, SafetyNumberView, SendOutcome, Telling,
};
use serde::{Deserialize, Serialize};

use crate::report::ReportShown;
use crate::view::{ConversationView, DeviceShown, GroupShown, IntroductionShown, MessageView, PersonView, RequestView, TransferShown};

/// What a page is told. Ids are text; a position is a number that increases within its conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
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
        /// For people, in English.
        message: String,
        /// The argument at fault.
        field: Option<String>,
        /// The server said "later": not before so many milliseconds from now.
        retry_in_ms: Option<u64>,
        /// What is asked of a newcomer, if it is that.
        asks: Option<AsksView>,
    },
    /// Many sign up at once, and this one waits its turn.
    InLine {
        /// People before this one, and itself.
        place: u64,
        /// People in line.
        waiting: u64,
        /// Milliseconds until its turn, as far as the server knows.
        wait_ms: u64,
    },
    /// This device works because the server wants it of newcomers. It ends by luck, and nobody has to do anything.
    Working {
        /// Milliseconds so far.
        spent_ms: u64,
        /// Milliseconds that such work takes here on average.
        mean_ms: u64,
        /// Of a thousand that work as quickly, so many are done by now; at most 999.
        permille: u32,
    },
    /// A message of somebody else. Once it is on the screen, call `shown`.
    Message(MessageView),
    /// An own message has got further.
    Delivery(MessageView),
    /// Something was done to a message. Once it is on the screen, call `shown` with the id of what was done.
    Changed {
        /// What was done.
        id: String,
        /// By this account.
        own: bool,
        /// It will never go out: the message is as if it had not been done.
        failed: bool,
        /// The message as it is now.
        message: MessageView,
    },
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
    /// Messages from before this device came in are there now: what is shown of the conversation is to be read again.
    History {
        /// Which conversation.
        conversation: String,
    },
    /// A message has gone by itself: nothing of it may be shown any more.
    Gone {
        /// Which conversation.
        conversation: String,
        /// Which message.
        id: String,
    },
    /// Somebody has read own messages, up to a position.
    Read {
        /// Which conversation.
        conversation: String,
        /// Up to where.
        up_to: u64,
    },
    /// Somebody types, or has stopped. Without another one within six seconds they have stopped, too.
    Typing {
        /// Which conversation.
        conversation: String,
        /// Whose account.
        account: String,
        /// How it is called here.
        by: Option<String>,
        /// Else they have stopped.
        typing: bool,
    },
    /// Somebody, or another device of this account, has set another name or picture. Others who share the name are called otherwise now, too: what is
    /// shown of people is to be read again.
    Introduced {
        /// Who.
        person: PersonView,
    },
    /// A person has to know this about a server or a conversation.
    Alarm {
        /// Where; `null` for the inbox.
        conversation: Option<String>,
        /// What was found.
        kind: AlarmWord,
        /// At which entry of the log.
        sequence: u64,
    },
    /// A file on its way has got further, or is there, or will not come.
    Transfer(TransferShown),
    /// This device was removed from the account. Nothing more can be done with this profile.
    DeviceRemoved,
    /// The way to the servers.
    Connection {
        /// How it is.
        state: ConnectionWord,
        /// While waiting: milliseconds until the next try.
        retry_in_ms: Option<u64>,
    },
    /// An event that this version has no words for.
    Other,
}

/// The way to the servers, all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionWord {
    /// Trying.
    Connecting,
    /// Everything there is has been read.
    Online,
    /// A server is away.
    Waiting,
}

/// What was found about a server or a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum AlarmWord {
    /// The log contradicts itself.
    Broken,
    /// The other side was shown another history.
    Forked,
    /// The server runs on an old copy.
    ServerRestored,
    /// This profile is an old copy.
    ProfileRestored,
    /// The handle names another account now.
    HandleChanged,
    /// There is a hole in the history.
    Gap,
    /// An entry could not be read.
    Unreadable,
    /// This version has no words for it.
    Unknown,
}

impl From<AlarmKind> for AlarmWord {
    fn from(kind: AlarmKind) -> Self {
        match kind {
            AlarmKind::Broken => Self::Broken,
            AlarmKind::Forked => Self::Forked,
            AlarmKind::ServerRestored => Self::ServerRestored,
            AlarmKind::ProfileRestored => Self::ProfileRestored,
            AlarmKind::HandleChanged => Self::HandleChanged,
            AlarmKind::Gap => Self::Gap,
            AlarmKind::Unreadable => Self::Unreadable,
            _ => Self::Unknown,
        }
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
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
    /// The code of a new device, for one that is in: as text, and as a QR code.
    DeviceCode {
        /// It.
        code: String,
    },
    /// The other device shows the same number, or somebody else has answered.
    LinkNumber {
        /// Six digits.
        number: String,
        /// The account that would take this device in.
        handle: String,
    },
    /// A device that asks to come in. It shows the same number, or is another one.
    DeviceToAdd {
        /// As it calls itself.
        name: String,
        /// Six digits.
        number: String,
    },
    /// Devices, the oldest first.
    Devices {
        /// They.
        devices: Vec<DeviceShown>,
    },
    /// The account of the profile.
    Account {
        /// Its handle.
        handle: String,
        /// Its id.
        account: String,
    },
    /// Who an account is in its own words.
    Introduction {
        /// It.
        introduction: IntroductionShown,
    },
    /// A picture.
    Picture {
        /// A JPEG, in Base64, for an image element alone; empty for none.
        picture: String,
    },
    /// All conversations: those pinned, then the newest first, then those archived.
    Conversations {
        /// They.
        conversations: Vec<ConversationView>,
    },
    /// Messages.
    Messages {
        /// They.
        messages: Vec<MessageView>,
    },
    /// A report that was made and not sent: nothing else leaves.
    Report {
        /// It.
        report: Box<ReportShown>,
    },
    /// A message as it is now: the one that was written, or that to which something was done.
    Written {
        /// It.
        message: Box<MessageView>,
    },
    /// A file on its way.
    Transfer {
        /// It.
        transfer: TransferShown,
    },
    /// Files on their way, oldest first.
    Transfers {
        /// They.
        transfers: Vec<TransferShown>,
    },
    /// A file, which is posted beside this answer.
    File {
        /// Its name, made safe.
        name: String,
        /// What it can be shown as, by its first bytes; its blob has the media type then. `null`: as nothing, and it has none.
        shown: Option<ShownWord>,
        /// It was to be seen once, and is gone from this device now.
        once: bool,
    },
    /// A first message was written.
    Sent {
        /// Its id.
        id: String,
        /// Where.
        conversation: String,
        /// Its place; `null` while it waits for the server.
        position: Option<u64>,
    },
    /// The texts that a message had before.
    EarlierTexts {
        /// Oldest first.
        texts: Vec<EarlierTextView>,
    },
    /// Who knocks, oldest first.
    Requests {
        /// They.
        requests: Vec<RequestView>,
    },
    /// Let in, or made.
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
    /// What others are told.
    Telling {
        /// Read receipts.
        read: bool,
        /// Typing.
        typing: bool,
    },
    /// How long messages stay.
    Timer {
        /// Seconds; 0: for good.
        seconds: u32,
    },
    /// A group.
    Group {
        /// It.
        group: GroupShown,
    },
    /// What an act in a group, or joining one, came to.
    Act {
        /// It is in the log, and holds; else it goes out with the next connection.
        done: bool,
        /// An admin is asked first: who.
        asked: Option<String>,
        /// Where, if one has come in.
        conversation: Option<String>,
    },
    /// Links to a group.
    Links {
        /// `https://...`; none if the one just opened goes out with the next connection.
        links: Vec<LinkView>,
    },
    /// A QR code.
    Code {
        /// Modules on a side, without a frame.
        size: u32,
        /// The dark ones, as the `d` of an SVG path in a view box of `size`.
        path: String,
    },
}

/// What is asked of a newcomer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct AsksView {
    /// Any of the ways, all the proofs of one: `invite`, `work`, `email`, `phone`.
    pub ways: Vec<Vec<String>>,
    /// A code is on its way there.
    pub sent_to: Option<String>,
}

/// What a file can be shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ShownWord {
    /// An image.
    Image,
    /// A film.
    Video,
    /// Sound.
    Audio,
}

/// A text that a message had before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct EarlierTextView {
    /// It.
    pub text: String,
    /// When it was written, by its author's clock, Unix milliseconds.
    pub sent_at_ms: u64,
}

/// A link to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LinkView {
    /// `https://HOST/join#...`
    pub link: String,
    /// An admin has to approve who comes by it.
    pub approval: bool,
}

/// A client's error as an event.
#[must_use]
pub fn failure(call: Option<u32>, error: &ClientError) -> Event {
    let retry_in_ms = match error {
        ClientError::Refused { kind: alcyon_client::RefusalKind::Later { after_ms }, .. } => Some(*after_ms),
        _ => None,
    };
    let asks = match error {
        ClientError::ProofNeeded { ways } => {
            let ways = ways.split(", or ").map(|way| way.split(" + ").map(str::to_owned).collect()).collect();
            Some(AsksView { ways, sent_to: None })
        }
        ClientError::CodeSent { to } => Some(AsksView { ways: Vec::new(), sent_to: Some(to.clone()) }),
        _ => None,
    };
    let field = error.field().map(str::to_owned);
    Event::Failed { call, error: error.code().to_owned(), message: error.to_string(), field, retry_in_ms, asks }
}

impl From<alcyon_client::Event> for Event {
    fn from(event: alcyon_client::Event) -> Self {
        use alcyon_client::Event as Told;
        match event {
            Told::Message(message) => Self::Message(message.into()),
            Told::Delivery(message) => Self::Delivery(message.into()),
            Told::Changed(changed) => {
                let alcyon_client::ChangedView { message, id, what: _, by: _, own, failed } = *changed;
                Self::Changed { id: id.to_text(), own, failed, message: message.into() }
            }
            Told::Request(request) => Self::Request(request.into()),
            Told::Accepted { conversation } => Self::Accepted { conversation: conversation.to_text() },
            Told::Left { conversation } => Self::Left { conversation: conversation.to_text() },
            Told::History { conversation } => Self::History { conversation: conversation.to_text() },
            Told::Gone { conversation, id } => Self::Gone { conversation: conversation.to_text(), id: id.to_text() },
            Told::Read { conversation, by: _, up_to } => Self::Read { conversation: conversation.to_text(), up_to: up_to.as_number() },
            Told::Typing { conversation, by, typing } => Self::Typing {
                conversation: conversation.to_text(),
                account: by.account.to_text(),
                by: by.name.or_else(|| by.handle.map(|handle| handle.to_text())),
                typing,
            },
            Told::Introduced { person } => Self::Introduced { person: person.into() },
            Told::Alarm(Alarm { conversation, kind, sequence }) => {
                Self::Alarm { conversation: conversation.map(|id| id.to_text()), kind: kind.into(), sequence }
            }
            Told::Transfer(transfer) => Self::Transfer(transfer.into()),
            Told::DeviceRemoved => Self::DeviceRemoved,
            Told::Connection(state) => {
                let (state, retry_in_ms) = match state {
                    ConnectionState::Connecting => (ConnectionWord::Connecting, None),
                    ConnectionState::Online => (ConnectionWord::Online, None),
                    ConnectionState::Waiting { retry_in_ms } => (ConnectionWord::Waiting, Some(retry_in_ms)),
                };
                Self::Connection { state, retry_in_ms }
            }
            _ => Self::Other,
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

impl From<Telling> for Answer {
    fn from(telling: Telling) -> Self {
        let Telling { read, typing } = telling;
        Self::Telling { read, typing }
    }
}

impl From<ActOutcome> for Answer {
    fn from(outcome: ActOutcome) -> Self {
        Self::Act { done: outcome == ActOutcome::Done, asked: None, conversation: None }
    }
}

impl From<JoinOutcome> for Answer {
    fn from(outcome: JoinOutcome) -> Self {
        match outcome {
            JoinOutcome::In { conversation } => Self::Act { done: true, asked: None, conversation: Some(conversation.to_text()) },
            JoinOutcome::Queued { conversation } => Self::Act { done: false, asked: None, conversation: Some(conversation.to_text()) },
            JoinOutcome::Asked { admin } => Self::Act { done: false, asked: Some(admin.to_text()), conversation: None },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alcyon_client::{ContentView, ConversationId, Delivery, MentionView, Message, MessageId, Person, Position, TextFormat};
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
            sender_name: Some("Ann".to_owned()),
            own: false,
            text: "hello".to_owned(),
            position: Some(Position { term: 1, sequence: 7 }),
            sent_at_ms: 1_700_000_000_000,
            delivery: Delivery::Delivered,
            line: None,
            content: ContentView::default(),
        };
        let expected = json!({
            "event": "message",
            "conversation": ConversationId::from([0; 16]).to_text(),
            "id": MessageId::from([1; 16]).to_text(),
            "sender": alcyon_client::AccountId::from([2; 32]).to_text(),
            "sender_handle": "ann@server.example",
            "sender_name": "Ann",
            "own": false,
            "text": "hello",
            "position": (1_u64 << 37) | 7,
            "sent_at_ms": 1_700_000_000_000_u64,
            "delivery": "delivered",
            "spans": [{
                "text": "hello", "bold": false, "italic": false, "strike": false, "code": false, "spoiler": false, "bullet": false,
                "link": null, "mention": false,
            }],
            "line": null,
            "reply": null,
            "forwarded": false,
            "poll": null,
            "file": null,
            "edited": false,
            "deleted": null,
            "reactions": [],
            "pinned": false,
            "newer": false,
            "mentions_me": false,
            "read_by": [],
            "goes_at_ms": null,
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
            json!({ "event": "failed", "call": 4, "error": "handle-taken", "message": message, "field": "handle", "retry_in_ms": null, "asks": null })
        );
    }

    #[test]
    fn commands_are_flat() {
        let call = Call { call: 9, command: Command::SafetyNumber { handle: "ann@server.example".to_owned() } };
        let value = json!({ "call": 9, "command": "safety-number", "handle": "ann@server.example" });
        assert_eq!(serde_json::to_value(&call).unwrap(), value);
        assert_eq!(serde_json::from_value::<Call>(value).unwrap(), call);
    }

    #[test]
    fn a_text_is_cut_at_marks_and_names() {
        let text = "**hi @ben, you** <b>";
        let person = Person { account: [3; 32].into(), handle: None, name: Some("Ben".to_owned()) };
        let content = ContentView {
            format: TextFormat::Marked,
            mentions: vec![MentionView { person, own: true, start: 5, end: 9 }],
            ..ContentView::default()
        };
        let message = Message {
            conversation: ConversationId::from([0; 16]),
            id: MessageId::from([1; 16]),
            sender: [2; 32].into(),
            sender_handle: None,
            sender_name: None,
            own: false,
            text: text.to_owned(),
            position: None,
            sent_at_ms: 0,
            delivery: Delivery::Delivered,
            line: None,
            content,
        };
        let shown = MessageView::from(message);
        assert!(shown.mentions_me);
        let spans: Vec<_> = shown.spans.iter().map(|span| (span.text.as_str(), span.bold, span.mention)).collect();
        assert_eq!(spans, [("hi ", true, false), ("@ben", true, true), (", you", true, false), (" <b>", false, false)]);
    }
}
