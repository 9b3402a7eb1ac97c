//! Messages, conversations, requests and groups as a page draws them: nothing is left to be worked out there.

use alcyon_client::{
    AttachmentView, ContentView, ConversationSummary, Delivery, DeviceView, DoorView, FileDetails, GroupView, IntroductionView,
    KnockRequest, Line, MarkStyle, MemberView, Message, Muted, Person, PollOptionView, PollView, RequestKind, Standing, TextFormat,
    TransferState, TransferView, TransferWay, Voice, marked_spans,
};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::{event::AlarmWord, report::ReportShown};

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MessageView {
    /// Where.
    pub conversation: String,
    /// The same on all sides for ever.
    pub id: String,
    /// Whose account.
    pub sender: String,
    /// That account's handle as known here.
    pub sender_handle: Option<String>,
    /// How it is called, if it has given itself a name; with the handle beside it where somebody else goes by the same one.
    pub sender_name: Option<String>,
    /// Written by this account.
    pub own: bool,
    /// The text as it was written.
    pub text: String,
    /// The text as it is shown.
    pub spans: Vec<SpanView>,
    /// `null` until the server has it.
    pub position: Option<u64>,
    /// The sender's clock, Unix milliseconds.
    pub sent_at_ms: u64,
    /// How far an own message has got.
    pub delivery: DeliveryWord,
    /// No message, but something the sender did in a group; the text is empty then.
    pub line: Option<LineView>,
    /// What it answers.
    pub reply: Option<ReplyView>,
    /// Written by somebody else, elsewhere.
    pub forwarded: bool,
    /// A poll; the text is its question.
    pub poll: Option<PollShown>,
    /// The file that it is.
    pub file: Option<FileShown>,
    /// The text is not the first one.
    pub edited: bool,
    /// It is gone: by whom it was deleted.
    pub deleted: Option<PersonView>,
    /// Emojis, in the order of their first.
    pub reactions: Vec<ReactionShown>,
    /// Pinned in the conversation.
    pub pinned: bool,
    /// A newer version of this program can show it.
    pub newer: bool,
    /// It calls this account by name.
    pub mentions_me: bool,
    /// Of an own message: who has read it, of those who tell.
    pub read_by: Vec<PersonView>,
    /// When it goes by itself, Unix milliseconds.
    pub goes_at_ms: Option<u64>,
}

/// Some of a text, shown in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SpanView {
    /// What it says.
    pub text: String,
    /// Bold.
    pub bold: bool,
    /// Italic.
    pub italic: bool,
    /// Struck out.
    pub strike: bool,
    /// In letters of one width.
    pub code: bool,
    /// Hidden until somebody wants to see it.
    pub spoiler: bool,
    /// The mark that begins an entry of a list.
    pub bullet: bool,
    /// Where it leads: `https:`, `http:` or `mailto:`, and nothing else.
    pub link: Option<String>,
    /// Somebody called by name.
    pub mention: bool,
}

/// How far an own message has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryWord {
    /// In the outbox.
    Queued,
    /// The server has it.
    Sent,
    /// A device of the other side has it.
    Delivered,
    /// Somebody has read it.
    Read,
    /// It will never go out.
    Failed,
}

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PersonView {
    /// The account.
    pub account: String,
    /// Its handle as known here.
    pub handle: Option<String>,
    /// How it is called, as in a message's `sender_name`.
    pub name: Option<String>,
}

/// Who somebody is in their own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct IntroductionShown {
    /// Who, and how they are called.
    pub person: PersonView,
    /// The name as they have set it; empty for none.
    pub display_name: String,
    /// A JPEG, in Base64, for an image element alone; empty for none.
    pub picture: String,
}

/// A message that another one answers, as far as it is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ReplyView {
    /// Its id.
    pub id: String,
    /// Who wrote it; `null` if it is not here.
    pub sender: Option<PersonView>,
    /// Written by this account.
    pub own: bool,
    /// Its first words; empty if it is not here, or gone.
    pub words: String,
    /// It was deleted.
    pub deleted: bool,
}

/// An emoji under a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ReactionShown {
    /// It.
    pub emoji: String,
    /// Of whom, the first one first.
    pub who: Vec<PersonView>,
    /// This account is among them.
    pub own: bool,
}

/// A poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PollShown {
    /// In their order.
    pub options: Vec<PollOptionShown>,
    /// A voter may choose several.
    pub several: bool,
    /// No vote counts any more.
    pub ended: bool,
    /// Accounts that have chosen something.
    pub voters: u32,
}

/// An option of a poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PollOptionShown {
    /// What it says.
    pub text: String,
    /// Who has chosen it.
    pub voters: Vec<PersonView>,
    /// This account has.
    pub own: bool,
}

/// A file, by what its message says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FileShown {
    /// Its name, made safe.
    pub name: String,
    /// Bytes of it.
    pub size: u64,
    /// What it says it is; a hint.
    pub media_type: String,
    /// Width of an image, pixels; 0 of what is none.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// A JPEG of at most 16 KiB, in Base64; empty if there is none.
    pub thumbnail: String,
    /// It is to be seen once.
    pub once: bool,
    /// A small image that stands by itself.
    pub sticker: bool,
    /// A voice note.
    pub voice: Option<VoiceShown>,
    /// It was to be seen once, and was.
    pub gone: bool,
}

/// A device of this account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DeviceShown {
    /// Its id.
    pub device: String,
    /// As the person calls it; empty if it was never named.
    pub name: String,
    /// When it came into the account, Unix milliseconds; `null` where that is not known.
    pub added_ms: Option<u64>,
    /// The one that this page runs on.
    pub this: bool,
}

/// What is shown of a voice note before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct VoiceShown {
    /// How long it lasts, milliseconds.
    pub ms: u32,
    /// How loud it is: at most 64 bars of 0 to 255, evenly spread over its length; none if that is not known.
    pub waveform: Vec<u8>,
}

/// A file on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TransferShown {
    /// The message that it is in, or will be.
    pub id: String,
    /// Where.
    pub conversation: String,
    /// Its name, made safe.
    pub name: String,
    /// Bytes of it.
    pub size: u64,
    /// To others; else to this device.
    pub up: bool,
    /// How it is doing.
    pub state: TransferWord,
    /// Of one that has failed: why, in English.
    pub reason: String,
    /// Bytes that have gone over.
    pub done: u64,
    /// Of so many.
    pub total: u64,
}

/// How a file on its way is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum TransferWord {
    /// It goes on by itself, whenever the server can be reached.
    Going,
    /// Stopped by the person.
    Paused,
    /// It can't go on.
    Failed,
    /// One for this device is here; one for others is on the server, and its message goes out.
    Complete,
    /// It is forgotten.
    Cancelled,
}

/// What happened in a conversation. Who did it is the message's sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum LineView {
    /// The group was made.
    Created,
    /// Somebody was invited.
    Invited {
        /// Who.
        whom: PersonView,
    },
    /// The sender came in.
    CameIn {
        /// By whose invitation or link.
        invited_by: Option<PersonView>,
    },
    /// Somebody left.
    Left {
        /// Who.
        whom: PersonView,
    },
    /// Somebody was removed.
    Removed {
        /// Who.
        whom: PersonView,
    },
    /// Somebody became an admin, or a member.
    Role {
        /// Who.
        whom: PersonView,
        /// An admin from here on.
        admin: bool,
    },
    /// The title.
    Title {
        /// The new one.
        title: String,
    },
    /// The description.
    Description,
    /// The picture.
    Picture,
    /// Messages vanish after a time.
    Timer {
        /// Seconds; 0: they stay.
        seconds: u32,
    },
    /// Who may do something.
    Permission {
        /// `invite`, `edit` or `write`.
        permission: String,
        /// All members may; else admins alone.
        members: bool,
    },
    /// A link was opened.
    LinkOpened,
    /// A link was closed.
    LinkClosed,
    /// The group is over.
    Ended,
    /// The conversation goes on at another server.
    Moved {
        /// Its host.
        server: String,
    },
    /// This version has no words for it.
    Unknown,
}

/// Where a conversation stands with its other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum StandingWord {
    /// Knocked; not accepted yet. Writing is allowed.
    Asked,
    /// Both sides are in.
    Open,
    /// Over.
    Left,
    /// Accepted here, and still coming in.
    Joining,
}

/// A line in the list of conversations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ConversationView {
    /// Its id.
    pub conversation: String,
    /// The other one's handle, or the beginning of the account's id; the title of a group.
    pub title: String,
    /// Of two people: how the other one is called, as in a message's `sender_name`.
    pub name: Option<String>,
    /// The other account, once it is known.
    pub peer: Option<String>,
    /// Messages of others not yet read.
    pub unread: u64,
    /// Marked by the person as still to be read.
    pub marked_unread: bool,
    /// How things stand.
    pub standing: StandingWord,
    /// The newest message.
    pub last: Option<MessageView>,
    /// The other side is blocked.
    pub blocked: bool,
    /// The newest alarm.
    pub alarm: Option<AlarmWord>,
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
    /// Written and not sent.
    pub draft: String,
}

/// Somebody asks for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RequestView {
    /// What `accept` and `decline`, or `approve` and `reject`, take.
    pub id: String,
    /// Who, by handle.
    pub from: String,
    /// Who, for certain.
    pub account: String,
    /// The handle's directory confirms that it names this account.
    pub confirmed: bool,
    /// What is asked.
    pub kind: RequestWord,
    /// Of a group: its title.
    pub title: Option<String>,
    /// Of a group one is invited to: accounts in it.
    pub members: u32,
    /// Of a group one is invited to: handles of members that are known here.
    pub known: Vec<String>,
    /// Of a report: it.
    pub report: Option<Box<ReportShown>>,
    /// The first words.
    pub introduction: String,
    /// The sender's clock, Unix milliseconds.
    pub sent_at_ms: u64,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum RequestWord {
    /// A conversation of two.
    Knock,
    /// To come into a group: `accept` or `decline`.
    Invite,
    /// To be let into a group of ours: `approve` or `reject`.
    AskIn,
    /// Nothing: something is reported to this account, an admin. `decline` once it has been looked at.
    Report,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct GroupShown {
    /// The title.
    pub title: String,
    /// The description.
    pub description: String,
    /// A JPEG, in Base64, for an image element alone; empty for none.
    pub picture: String,
    /// Messages vanish after so many seconds; 0: they stay.
    pub timer_s: u32,
    /// Everybody, oldest first.
    pub members: Vec<MemberShown>,
    /// Who is invited and not in yet.
    pub invited: Vec<PersonView>,
    /// This account may do everything.
    pub admin: bool,
    /// This account may invite.
    pub may_invite: bool,
    /// This account may set title, picture and timer.
    pub may_edit: bool,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MemberShown {
    /// Who.
    pub person: PersonView,
    /// May do everything.
    pub admin: bool,
    /// This account.
    pub own: bool,
}

impl From<Person> for PersonView {
    fn from(person: Person) -> Self {
        let Person { account, handle, name } = person;
        Self { account: account.to_text(), handle: handle.map(|handle| handle.to_text()), name }
    }
}

impl From<IntroductionView> for IntroductionShown {
    fn from(introduction: IntroductionView) -> Self {
        let IntroductionView { account, handle, display_name, name, picture } = introduction;
        Self { person: Person { account, handle, name }.into(), display_name, picture: BASE64.encode(&picture) }
    }
}

fn people(all: Vec<Person>) -> Vec<PersonView> {
    all.into_iter().map(Into::into).collect()
}

impl From<Message> for MessageView {
    fn from(message: Message) -> Self {
        let Message { conversation, id, sender, sender_handle, sender_name, own, text, position, sent_at_ms, delivery, line, content } =
            message;
        let spans = spans(&text, &content);
        let ContentView {
            format: _,
            mentions,
            reply,
            forwarded,
            poll,
            attachment,
            edited,
            deleted,
            reactions,
            pinned,
            newer,
            place: _,
            contact: _,
            preview: _,
            read_by,
            goes,
        } = content;
        Self {
            conversation: conversation.to_text(),
            id: id.to_text(),
            sender: sender.to_text(),
            sender_handle: sender_handle.map(|handle| handle.to_text()),
            sender_name,
            own,
            text,
            spans,
            position: position.map(|position| position.as_number()),
            sent_at_ms,
            delivery: match delivery {
                Delivery::Queued => DeliveryWord::Queued,
                Delivery::Sent => DeliveryWord::Sent,
                Delivery::Delivered => DeliveryWord::Delivered,
                Delivery::Read => DeliveryWord::Read,
                Delivery::Failed => DeliveryWord::Failed,
            },
            line: line.map(Into::into),
            reply: reply.map(|reply| {
                let alcyon_client::QuoteView { id, sender, own, words, deleted } = reply;
                ReplyView { id: id.to_text(), sender: sender.map(Into::into), own, words, deleted }
            }),
            forwarded,
            poll: poll.map(Into::into),
            file: attachment.map(Into::into),
            edited,
            deleted: deleted.map(Into::into),
            reactions: reactions
                .into_iter()
                .map(|alcyon_client::ReactionView { emoji, who, own }| ReactionShown { emoji, who: people(who), own })
                .collect(),
            pinned,
            newer,
            mentions_me: mentions.iter().any(|mention| mention.own),
            read_by: people(read_by),
            goes_at_ms: goes.and_then(|goes| goes.at_ms),
        }
    }
}

impl From<AttachmentView> for FileShown {
    fn from(file: AttachmentView) -> Self {
        let AttachmentView { name, media_type, size, details, gone } = file;
        let FileDetails { pixels, thumbnail, placeholder: _, view_once, sticker, voice } = details;
        let (width, height) = pixels.unwrap_or_default();
        Self {
            name,
            size,
            media_type,
            width,
            height,
            thumbnail: BASE64.encode(&thumbnail),
            once: view_once,
            sticker,
            voice: voice.map(|Voice { ms, waveform }| VoiceShown { ms, waveform }),
            gone,
        }
    }
}

impl From<DeviceView> for DeviceShown {
    fn from(device: DeviceView) -> Self {
        let DeviceView { device, name, added_ms, this } = device;
        Self { device: device.to_text(), name, added_ms: (added_ms > 0).then_some(added_ms), this }
    }
}

impl From<TransferView> for TransferShown {
    fn from(transfer: TransferView) -> Self {
        let TransferView { id, conversation, name, size, way, state, done, total } = transfer;
        let (state, reason) = match state {
            TransferState::Going => (TransferWord::Going, String::new()),
            TransferState::Paused => (TransferWord::Paused, String::new()),
            TransferState::Failed { reason } => (TransferWord::Failed, reason),
            TransferState::Complete => (TransferWord::Complete, String::new()),
            TransferState::Cancelled => (TransferWord::Cancelled, String::new()),
        };
        let (id, conversation) = (id.to_text(), conversation.to_text());
        Self { id, conversation, name, size, up: way == TransferWay::Up, state, reason, done, total }
    }
}

/// A text in the spans that are shown, cut where somebody is called by name.
fn spans(text: &str, content: &ContentView) -> Vec<SpanView> {
    let marked = match content.format {
        TextFormat::Marked => marked_spans(text),
        TextFormat::Plain if text.is_empty() => Vec::new(),
        TextFormat::Plain => vec![alcyon_client::MarkedSpan { range: 0..text.len(), style: MarkStyle::default(), link: None }],
    };
    let mut shown = Vec::new();
    for span in marked {
        let MarkStyle { bold, italic, strike, code, spoiler, bullet } = span.style;
        let mut push = |range: std::ops::Range<usize>, mention| {
            let Some(text_here) = text.get(range).filter(|words| !words.is_empty()) else { return };
            let link = span.link.clone().and_then(|link| text.get(link)).map(str::to_owned);
            shown.push(SpanView { text: text_here.to_owned(), bold, italic, strike, code, spoiler, bullet, link, mention });
        };
        let mut from = span.range.start;
        for mention in &content.mentions {
            if mention.start >= from && mention.end <= span.range.end {
                push(from..mention.start, false);
                push(mention.start..mention.end, true);
                from = mention.end;
            }
        }
        push(from..span.range.end, false);
    }
    shown
}

impl From<PollView> for PollShown {
    fn from(poll: PollView) -> Self {
        let PollView { options, several, ended, voters } = poll;
        let options =
            options.into_iter().map(|PollOptionView { text, voters, own }| PollOptionShown { text, voters: people(voters), own }).collect();
        Self { options, several, ended, voters: u32::try_from(voters).unwrap_or(u32::MAX) }
    }
}

impl From<Line> for LineView {
    fn from(line: Line) -> Self {
        match line {
            Line::Created => Self::Created,
            Line::Invited { whom } => Self::Invited { whom: whom.into() },
            Line::CameIn { invited_by } => Self::CameIn { invited_by: invited_by.map(Into::into) },
            Line::Left { whom } => Self::Left { whom: whom.into() },
            Line::Removed { whom } => Self::Removed { whom: whom.into() },
            Line::Role { whom, admin } => Self::Role { whom: whom.into(), admin },
            Line::Title { title } => Self::Title { title },
            Line::Description { description: _ } => Self::Description,
            Line::Picture => Self::Picture,
            Line::Timer { seconds } => Self::Timer { seconds },
            Line::Permission { permission, members } => Self::Permission { permission: permission.code().to_owned(), members },
            Line::LinkOpened { approval: _ } => Self::LinkOpened,
            Line::LinkClosed => Self::LinkClosed,
            Line::Ended => Self::Ended,
            Line::Moved { server, reason: _ } => Self::Moved { server },
            _ => Self::Unknown,
        }
    }
}

impl From<ConversationSummary> for ConversationView {
    fn from(summary: ConversationSummary) -> Self {
        let ConversationSummary {
            conversation,
            title,
            name,
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
            marked_unread,
            draft,
            timer_s: _,
        } = summary;
        Self {
            conversation: conversation.to_text(),
            title,
            name,
            peer: peer.map(|account| account.to_text()),
            unread,
            marked_unread,
            standing: match standing {
                Standing::Asked => StandingWord::Asked,
                Standing::Open => StandingWord::Open,
                Standing::Left => StandingWord::Left,
                Standing::Joining => StandingWord::Joining,
            },
            last: last.map(MessageView::from),
            blocked,
            alarm: alarm.map(|alarm| alarm.kind.into()),
            group,
            own_devices,
            muted: muted.is_some(),
            muted_until_ms: match muted {
                Some(Muted::Until { at_ms }) => Some(at_ms),
                Some(Muted::ForEver) | None => None,
            },
            archived,
            pinned,
            draft,
        }
    }
}

impl From<KnockRequest> for RequestView {
    fn from(request: KnockRequest) -> Self {
        let KnockRequest { id, from, account, confirmed, kind, introduction, sent_at_ms } = request;
        let mut told = None;
        let (kind, title, members, known) = match kind {
            RequestKind::Knock => (RequestWord::Knock, None, 0, Vec::new()),
            RequestKind::Invite { title, members, known } => (RequestWord::Invite, Some(title), members, known),
            RequestKind::AskIn { title } => (RequestWord::AskIn, Some(title), 0, Vec::new()),
            RequestKind::Report(report) => {
                let title = report.title.clone();
                told = Some(Box::new((*report).into()));
                (RequestWord::Report, Some(title), 0, Vec::new())
            }
        };
        Self {
            id: id.to_text(),
            from: from.to_text(),
            account: account.to_text(),
            confirmed,
            kind,
            title,
            members,
            known,
            report: told,
            introduction,
            sent_at_ms,
        }
    }
}

impl From<GroupView> for GroupShown {
    fn from(group: GroupView) -> Self {
        use alcyon_client::GroupPermission as May;
        let GroupView { title, description, picture, timer_s, members_may, members, doors, epoch: _ } = group;
        let members: Vec<MemberShown> = members
            .into_iter()
            .map(|MemberView { person, admin, own, devices: _ }| MemberShown { person: person.into(), admin, own })
            .collect();
        let invited = doors.into_iter().filter_map(|DoorView { whom, by: _, approval: _ }| whom.map(Into::into)).collect();
        let admin = members.iter().any(|member| member.own && member.admin);
        Self {
            title,
            description,
            picture: BASE64.encode(&picture),
            timer_s,
            members,
            invited,
            admin,
            may_invite: admin || members_may.contains(&May::Invite),
            may_edit: admin || members_may.contains(&May::Edit),
        }
    }
}
