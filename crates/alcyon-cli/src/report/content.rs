//! What a message can be, as commands print it.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use alcyon_client::{
    AttachmentView, ChangeKind, ChangedView, ConversationId, FileDetails, LinkPreview, MarkStyle, Message, MessageId, Person, PollView,
    Position, ReactionView, SendOutcome, TextFormat, Voice, marked_spans,
};
use serde::Serialize;

use super::{Report, delivery_word, files::size_text};
use crate::{
    called::{author, given_name, name_and_handle},
    harmless,
    harmless::harmless_line,
    look::Look,
    moments::{rfc3339, span},
    text::{Text, content::ContentText, files::FileText},
};

/// A message as an object. What is not said has its plainest value.
#[derive(Serialize)]
pub(super) struct MessageLine<'a> {
    event: &'static str,
    conversation: String,
    id: String,
    sender: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_name: Option<&'a str>,
    text: &'a str,
    position: Option<u64>,
    sent_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mentions: Vec<MentionLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<QuoteLine<'a>>,
    #[serde(skip_serializing_if = "is_not")]
    forwarded: bool,
    #[serde(skip_serializing_if = "is_not")]
    edited: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_by: Option<String>,
    #[serde(skip_serializing_if = "is_not")]
    pinned: bool,
    #[serde(skip_serializing_if = "is_not")]
    needs_newer_version: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<ReactionLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    poll: Option<PollLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<PlaceLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<CardLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<PreviewLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    read_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timer_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goes_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FileLine<'a>>,
}

#[derive(Serialize)]
struct PlaceLine {
    uri: String,
}

#[derive(Serialize)]
struct CardLine {
    handle: String,
    account: String,
}

#[derive(Serialize)]
struct PreviewLine<'a> {
    url: &'a str,
    title: &'a str,
    description: &'a str,
    image_bytes: usize,
}

/// A file as an object: what a message says of it.
#[derive(Serialize)]
pub(super) struct FileLine<'a> {
    name: &'a str,
    size: u64,
    media_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voice_ms: Option<u32>,
    #[serde(skip_serializing_if = "<[u8]>::is_empty")]
    waveform: &'a [u8],
    #[serde(skip_serializing_if = "is_not")]
    view_once: bool,
    #[serde(skip_serializing_if = "is_not")]
    sticker: bool,
    /// It was seen, and can't be fetched any more.
    #[serde(skip_serializing_if = "is_not")]
    gone: bool,
}

impl<'a> FileLine<'a> {
    pub(super) fn of(attachment: &'a AttachmentView) -> Self {
        let AttachmentView { name, media_type, size, details, gone } = attachment;
        let FileDetails { pixels, thumbnail: _, placeholder: _, view_once, sticker, voice } = details;
        Self {
            name,
            size: *size,
            media_type,
            width: pixels.map(|(width, _)| width),
            height: pixels.map(|(_, height)| height),
            voice_ms: voice.as_ref().map(|voice| voice.ms),
            waveform: voice.as_ref().map_or(&[], |voice| &voice.waveform),
            view_once: *view_once,
            sticker: *sticker,
            gone: *gone,
        }
    }
}

#[derive(Serialize)]
struct MentionLine {
    who: String,
    start: usize,
    end: usize,
}

#[derive(Serialize)]
struct QuoteLine<'a> {
    id: String,
    sender: Option<String>,
    text: &'a str,
}

#[derive(Serialize)]
struct ReactionLine<'a> {
    emoji: &'a str,
    who: Vec<String>,
    own: bool,
}

#[derive(Serialize)]
struct PollLine<'a> {
    several: bool,
    ended: bool,
    voters: usize,
    options: Vec<OptionLine<'a>>,
}

#[derive(Serialize)]
struct OptionLine<'a> {
    text: &'a str,
    votes: usize,
    who: Vec<String>,
    own: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the form that serde asks for
fn is_not(set: &bool) -> bool {
    !set
}

/// A handle, or the whole account where that is all that is known.
fn who(person: &Person) -> String {
    person.handle.as_ref().map_or_else(|| person.account.to_text(), alcyon_client::Handle::to_text)
}

impl<'a> MessageLine<'a> {
    pub(super) fn of(event: &'static str, message: &'a Message) -> Self {
        let Message {
            conversation,
            id,
            sender: _,
            sender_handle: _,
            sender_name,
            own,
            text,
            position,
            sent_at_ms,
            delivery,
            line: _,
            content,
        } = message;
        let reactions = content.reactions.iter().map(|ReactionView { emoji, who: people, own }| ReactionLine {
            emoji,
            who: people.iter().map(who).collect(),
            own: *own,
        });
        Self {
            event,
            conversation: conversation.to_text(),
            id: id.to_text(),
            sender: who(&author(message)),
            sender_name: sender_name.as_deref(),
            text,
            position: position.map(Position::as_number),
            sent_at: rfc3339(*sent_at_ms),
            format: (content.format == TextFormat::Marked).then(|| content.format.code()),
            mentions: content
                .mentions
                .iter()
                .map(|mention| MentionLine { who: who(&mention.person), start: mention.start, end: mention.end })
                .collect(),
            reply_to: content.reply.as_ref().map(|quote| QuoteLine {
                id: quote.id.to_text(),
                sender: quote.sender.as_ref().map(who),
                text: &quote.words,
            }),
            forwarded: content.forwarded,
            edited: content.edited,
            deleted_by: content.deleted.as_ref().map(who),
            pinned: content.pinned,
            needs_newer_version: content.newer,
            reactions: reactions.collect(),
            place: content.place.map(|place| PlaceLine { uri: place.to_uri() }),
            contact: content.contact.as_ref().map(|card| CardLine { handle: card.handle.to_text(), account: card.account.to_text() }),
            preview: content.preview.as_ref().map(|LinkPreview { url, title, description, image }| PreviewLine {
                url,
                title,
                description,
                image_bytes: image.as_ref().map_or(0, Vec::len),
            }),
            delivery: own.then(|| delivery_word(*delivery)),
            read_by: content.read_by.iter().map(who).collect(),
            timer_s: content.goes.map(|goes| goes.timer_s),
            goes_at: content.goes.and_then(|goes| goes.at_ms).map(rfc3339),
            file: content.attachment.as_ref().map(FileLine::of),
            poll: content.poll.as_ref().map(|PollView { options, several, ended, voters }| PollLine {
                several: *several,
                ended: *ended,
                voters: *voters,
                options: options
                    .iter()
                    .map(|option| OptionLine {
                        text: &option.text,
                        votes: option.voters.len(),
                        who: option.voters.iter().map(who).collect(),
                        own: option.own,
                    })
                    .collect(),
            }),
        }
    }
}

/// The name of somebody, short enough to stand in a line.
pub(crate) fn name(person: &Person, own: bool, look: Look) -> String {
    match (&person.handle, given_name(person)) {
        _ if own => look.language.say(Text::You),
        (_, Some(name)) => name,
        (Some(handle), None) => handle.name().as_str().to_owned(),
        (None, None) => person.account.to_text().chars().take(8).collect(),
    }
}

/// What a message answers, in a line; none if it answers nothing.
pub(crate) fn quote_line(message: &Message, look: Look) -> Option<String> {
    let quote = message.content.reply.as_ref()?;
    let words = match &quote.sender {
        None => look.language.say_of_content(ContentText::NotHere),
        Some(sender) => {
            let name = name(sender, quote.own, look);
            let words = if quote.deleted { look.language.say_of_content(ContentText::Deleted { who: &name }) } else { quote.words.clone() };
            format!("{name}: {words}")
        }
    };
    Some(format!("> {}", harmless_line(&words)))
}

/// What stands for a message that has no text.
pub(crate) fn instead_of_text(message: &Message, look: Look) -> Option<String> {
    let say = |text| look.language.say_of_content(text);
    match &message.content.deleted {
        Some(by) if message.own && by.account == message.sender => Some(say(ContentText::DeletedByYou)),
        Some(by) => Some(say(ContentText::Deleted { who: &name(by, false, look) })),
        None => message.content.newer.then(|| say(ContentText::Newer)),
    }
}

/// What a file is: `image, 640 x 480, 4.2 MB`.
fn attachment_text(file: &AttachmentView, look: Look) -> String {
    let AttachmentView { size, details, gone, .. } = file;
    let size = size_text(*size, look.language);
    let what = match details {
        FileDetails { sticker: true, .. } => look.language.say_of_files(FileText::Sticker),
        FileDetails { voice: Some(Voice { ms, waveform }), .. } => {
            let seconds = ms.div_ceil(1000);
            let length = format!("{}:{:02}", seconds / 60, seconds % 60);
            let said = look.language.say_of_files(FileText::Voice { length: &length, size: &size });
            if look.unicode && !waveform.is_empty() { format!("{} {said}", bars(waveform)) } else { said }
        }
        FileDetails { pixels: Some((width, height)), .. } => {
            look.language.say_of_files(FileText::Image { width: *width, height: *height, size: &size })
        }
        _ => look.language.say_of_files(FileText::File { size: &size }),
    };
    match (gone, details.view_once) {
        (true, _) => format!("{what}, {}", look.language.say_of_files(FileText::Gone)),
        (false, true) => format!("{what}, {}", look.language.say_of_files(FileText::Once)),
        (false, false) => what,
    }
}

/// A waveform as blocks of eight heights, as many as there is room for in any terminal.
fn bars(waveform: &[u8]) -> String {
    const HEIGHTS: [char; 8] = ['\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}', '\u{2588}'];
    let columns = waveform.len().min(16);
    (0..columns)
        .filter_map(|column| {
            let part = &waveform[column * waveform.len() / columns..(column + 1) * waveform.len() / columns];
            let mean = part.iter().map(|bar| usize::from(*bar)).sum::<usize>() / part.len().max(1);
            HEIGHTS.get(mean * HEIGHTS.len() / 256)
        })
        .collect()
}

/// The marks behind a text: forwarded, edited, pinned.
pub(crate) fn marks(message: &Message, look: Look) -> Vec<String> {
    let content = &message.content;
    let poll = content.poll.as_ref();
    let after = content.goes.map(|goes| span(goes.timer_s)).unwrap_or_default();
    let marks = [
        (content.forwarded, ContentText::Forwarded),
        (content.edited, ContentText::Edited),
        (content.pinned, ContentText::Pinned),
        (content.place.is_some(), ContentText::Place),
        (content.contact.is_some(), ContentText::Contact),
        (content.goes.is_some(), ContentText::Goes { after: &after }),
        (poll.is_some(), ContentText::Poll { several: poll.is_some_and(|poll| poll.several) }),
        (poll.is_some_and(|poll| poll.ended), ContentText::Ended),
        (poll.is_some(), ContentText::Voters { count: poll.map_or(0, |poll| poll.voters) }),
    ];
    let file = content.attachment.as_ref().map(|file| attachment_text(file, look));
    let marks = marks.into_iter().filter(|(set, _)| *set).map(|(_, text)| look.language.say_of_content(text));
    file.into_iter().chain(marks).collect()
}

/// What a page that is linked to says about itself, in rows.
pub(crate) fn preview_rows(message: &Message, look: Look) -> Vec<String> {
    let Some(LinkPreview { url, title, description, image: _ }) = &message.content.preview else { return Vec::new() };
    let host = url.split("://").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let bar = if look.unicode { "┃" } else { "|" };
    let rows = [format!("{} ({host})", title), description.clone()];
    rows.iter().filter(|row| !row.is_empty()).map(|row| format!("{bar} {}", harmless_line(row))).collect()
}

/// Emojis under a message, each with how many and, of a few, who.
pub(crate) fn reactions(message: &Message, look: Look) -> Option<String> {
    let all = message.content.reactions.iter().map(|reaction| {
        let ReactionView { emoji, who, own } = reaction;
        let emoji = harmless_line(emoji);
        match who.as_slice() {
            [one] => format!("{emoji} {}", name(one, *own, look)),
            several => format!("{emoji} {}{}", several.len(), if *own { "*" } else { "" }),
        }
    });
    let all: Vec<_> = all.collect();
    (!all.is_empty()).then(|| all.join("  "))
}

/// The options of a poll with bars of at most `columns`.
pub(crate) fn poll_rows(poll: &PollView, columns: usize, look: Look) -> Vec<String> {
    let most = poll.options.iter().map(|option| option.voters.len()).max().unwrap_or(0).max(1);
    let (full, own, other) = if look.unicode { ("█", "●", "○") } else { ("#", "*", "o") };
    (1..)
        .zip(&poll.options)
        .map(|(number, option)| {
            let votes = option.voters.len();
            let bar = full.repeat((votes * columns).div_ceil(most));
            let blank = if bar.is_empty() { "" } else { " " };
            format!("{} {number}. {}  {bar}{blank}{votes}", if option.own { own } else { other }, harmless_line(&option.text))
        })
        .collect()
}

/// The words of a message; with `colours` marked text looks as it is meant.
pub(super) fn said(message: &Message, look: Look, colours: bool) -> String {
    let mut said = match instead_of_text(message, look) {
        Some(text) => format!("({text})"),
        None if colours && message.content.format == TextFormat::Marked => ansi(&message.text),
        None => harmless(&message.text).into_owned(),
    };
    let marks = marks(message, look);
    if !marks.is_empty() {
        let _ = write!(said, "  ({})", marks.join(", "));
    }
    said
}

/// What stands below a message.
pub(super) fn below(message: &Message, look: Look) -> Vec<String> {
    const BAR: usize = 20;
    let mut rows = message.content.poll.as_ref().map(|poll| poll_rows(poll, BAR, look)).unwrap_or_default();
    rows.extend(preview_rows(message, look));
    rows.extend(reactions(message, look));
    rows
}

/// A marked text with the terminal's styles. Spoilers are dark on dark.
fn ansi(text: &str) -> String {
    let mut styled = String::new();
    for span in marked_spans(text) {
        let MarkStyle { bold, italic, strike, code, spoiler, bullet } = span.style;
        let words = harmless(text.get(span.range).unwrap_or_default());
        let codes = [(bold, "1"), (italic, "3"), (span.link.is_some(), "4"), (spoiler, "8"), (strike, "9"), (code, "36")];
        let codes: Vec<_> = codes.into_iter().filter(|(set, _)| *set).map(|(_, code)| code).collect();
        let words = if bullet { "•".into() } else { words };
        if codes.is_empty() {
            styled.push_str(&words);
        } else {
            let _ = write!(styled, "\u{1b}[{}m{words}\u{1b}[0m", codes.join(";"));
        }
    }
    styled
}

/// What somebody did, in a line.
pub(crate) fn changed_line(changed: &ChangedView, look: Look) -> String {
    let name = name(&changed.by, changed.own, look);
    let who = name.as_str();
    let text = match &changed.what {
        ChangeKind::Reaction { emoji, back: false } => ContentText::Reacted { who, emoji },
        ChangeKind::Reaction { emoji, back: true } => ContentText::TookBack { who, emoji },
        ChangeKind::Edit => ContentText::HasEdited { who },
        ChangeKind::Deletion => ContentText::HasDeleted { who },
        ChangeKind::Vote => ContentText::HasVoted { who },
        ChangeKind::PollEnd => ContentText::HasEnded { who },
        ChangeKind::Pin { pinned: true } => ContentText::HasPinned { who },
        ChangeKind::Pin { pinned: false } => ContentText::HasUnpinned { who },
        // A change that is newer than this program shows in the message.
        _ => return String::new(),
    };
    let text = if changed.failed { ContentText::NotDone } else { text };
    harmless_line(&look.language.say_of_content(text))
}

impl<W: Write> Report<W> {
    /// Something was done to a message.
    pub(super) fn changed(&mut self, changed: &ChangedView) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            event: &'static str,
            id: String,
            change: &'static str,
            by: String,
            failed: bool,
            message: MessageLine<'a>,
        }
        if self.json {
            return self.object(&Line {
                event: "changed",
                id: changed.id.to_text(),
                change: changed.what.code(),
                by: who(&changed.by),
                failed: changed.failed,
                message: MessageLine::of("message", &changed.message),
            });
        }
        if changed.own && !changed.failed {
            // Told when it was done.
            return Ok(());
        }
        let line = format!("* {}", changed_line(changed, self.look));
        self.line(&line)?;
        let message = self.message_line(&changed.message);
        self.line(&format!("    {}", message.replace('\n', "\n    ")))
    }

    /// A message that answers a search.
    pub(crate) fn found(&mut self, message: &Message, title: &str) -> io::Result<()> {
        if self.json {
            return self.object(&MessageLine::of("found", message));
        }
        let line = self.message_line(message);
        self.line(&format!("{title}  {line}"))
    }

    pub(crate) fn nothing_found(&mut self) -> io::Result<()> {
        if self.json { Ok(()) } else { self.line(&self.look.language.say_of_content(ContentText::NothingFound)) }
    }

    /// A message has gone by itself. Programs that keep what they have read take it away.
    pub(super) fn gone(&mut self, conversation: ConversationId, id: MessageId) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            event: &'static str,
            conversation: String,
            id: String,
        }
        if !self.json {
            return Ok(());
        }
        self.object(&Line { event: "gone", conversation: conversation.to_text(), id: id.to_text() })
    }

    /// Somebody has read own messages.
    pub(super) fn read(&mut self, conversation: ConversationId, by: &Person, up_to: Position) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            event: &'static str,
            conversation: String,
            by: String,
            position: u64,
        }
        if self.json {
            let conversation = conversation.to_text();
            return self.object(&Line { event: "read", conversation, by: who(by), position: up_to.as_number() });
        }
        let name = name(by, false, self.look);
        self.line(&format!("* {}", harmless_line(&self.look.language.say_of_content(ContentText::HasRead { who: &name }))))
    }

    /// Somebody has another name or picture.
    pub(super) fn introduced(&mut self, person: &Person) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            event: &'static str,
            account: String,
            handle: Option<String>,
            name: Option<&'a str>,
        }
        if self.json {
            let handle = person.handle.as_ref().map(alcyon_client::Handle::to_text);
            return self.object(&Line { event: "introduced", account: person.account.to_text(), handle, name: person.name.as_deref() });
        }
        let who = name_and_handle(person).unwrap_or_else(|| who(person));
        self.line(&format!("* {}", harmless_line(&self.look.language.say_of_content(ContentText::Introduced { who: &who }))))
    }

    /// Somebody types, or has stopped.
    pub(super) fn typing(&mut self, conversation: ConversationId, by: &Person, typing: bool) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            event: &'static str,
            conversation: String,
            by: String,
            typing: bool,
        }
        if !self.json {
            return Ok(());
        }
        self.object(&Line { event: "typing", conversation: conversation.to_text(), by: who(by), typing })
    }

    /// What became of something that was done to a message.
    pub(crate) fn posted(&mut self, outcome: &SendOutcome) -> io::Result<()> {
        if self.json {
            return self.outcome(outcome);
        }
        let text = match outcome {
            SendOutcome::Sent { .. } => ContentText::Done,
            SendOutcome::Queued { .. } => ContentText::Queued,
        };
        self.line(&self.look.language.say_of_content(text))
    }
}
