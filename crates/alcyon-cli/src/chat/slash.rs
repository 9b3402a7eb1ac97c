//! Commands that are typed where messages are written: `/invite ben@server.example`. One table says what there is; parsing,
//! completion and help read it, so that a new command is a row, a text and an [`Act`].

use std::borrow::Cow;

use alcyon_client::{AccountId, GeoPoint, GroupPermission, Handle, JoinLink, MessageId, ReportReason, ServerUrl, Tells};

use crate::{
    conversation::{Seconds, Span},
    harmless::harmless_line,
    text::{Language, shelf::ShelfText, slash::SlashText},
};

/// Which command. The words are those of `alcyon group` and `alcyon conversation` where these have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Help,
    Create,
    Join,
    Invite,
    Link,
    Approve,
    Reject,
    Members,
    Roles,
    Title,
    Description,
    Timer,
    Allow,
    Remove,
    Move,
    Leave,
    End,
    Mute,
    Unmute,
    Pin,
    Unpin,
    Archive,
    Unarchive,
    Search,
    Unread,
    Receipts,
    Typing,
    Location,
    Contact,
    Start,
    Reply,
    React,
    Edit,
    Delete,
    Forward,
    Poll,
    Vote,
    EndPoll,
    PinMessage,
    UnpinMessage,
    File,
    Save,
    View,
    GroupPicture,
    Introduce,
    Portrait,
    Report,
}

/// What stands in an argument's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A handle of anybody.
    Person,
    /// A member of the group: a handle or an account id.
    Member,
    /// A handle of somebody who has asked to be let in.
    Asking,
    OneOf(&'static [&'static str]),
    /// All the rest of the line.
    Text,
    Link,
    Server,
    Emoji,
    /// Somebody one talks with: a handle.
    Known,
    Span,
    Seconds,
}

/// How often it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Once,
    AtMostOnce,
    OnceOrMore,
}

/// What a command is about, from the narrowest to the widest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Anywhere,
    Conversation,
    Group,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) name: Name,
    pub(super) word: &'static str,
    pub(super) place: Place,
    pub(super) arguments: &'static [(Takes, Need)],
}

const fn row(name: Name, word: &'static str, place: Place, arguments: &'static [(Takes, Need)]) -> Command {
    Command { name, word, place, arguments }
}

/// Every command, in the order of the help.
pub(super) const COMMANDS: &[Command] = &[
    row(Name::Help, "help", Place::Anywhere, &[]),
    row(Name::Create, "create", Place::Anywhere, &[(Takes::Text, Need::Once)]),
    row(Name::Join, "join", Place::Anywhere, &[(Takes::Link, Need::Once)]),
    row(Name::Invite, "invite", Place::Group, &[(Takes::Person, Need::OnceOrMore)]),
    row(Name::Link, "link", Place::Group, &[(Takes::OneOf(&["approve", "off", "list"]), Need::AtMostOnce)]),
    row(Name::Approve, "approve", Place::Group, &[(Takes::Asking, Need::Once)]),
    row(Name::Reject, "reject", Place::Group, &[(Takes::Asking, Need::Once)]),
    row(Name::Members, "members", Place::Group, &[]),
    row(Name::Roles, "roles", Place::Group, &[(Takes::Member, Need::Once), (Takes::OneOf(&["admin", "member"]), Need::Once)]),
    row(Name::Title, "title", Place::Group, &[(Takes::Text, Need::Once)]),
    row(Name::Description, "description", Place::Group, &[(Takes::Text, Need::AtMostOnce)]),
    row(Name::Timer, "timer", Place::Conversation, &[(Takes::Seconds, Need::Once)]),
    row(
        Name::Allow,
        "allow",
        Place::Group,
        &[(Takes::OneOf(&["invite", "edit", "write"]), Need::Once), (Takes::OneOf(&["admins", "members"]), Need::Once)],
    ),
    row(Name::Remove, "remove", Place::Group, &[(Takes::Member, Need::Once)]),
    row(Name::Move, "move", Place::Conversation, &[(Takes::Server, Need::Once)]),
    row(Name::Leave, "leave", Place::Group, &[]),
    row(Name::End, "end", Place::Group, &[]),
    row(Name::Mute, "mute", Place::Conversation, &[(Takes::Span, Need::AtMostOnce)]),
    row(Name::Unmute, "unmute", Place::Conversation, &[]),
    row(Name::Pin, "pin", Place::Conversation, &[]),
    row(Name::Unpin, "unpin", Place::Conversation, &[]),
    row(Name::Archive, "archive", Place::Conversation, &[]),
    row(Name::Unarchive, "unarchive", Place::Conversation, &[]),
    row(Name::Search, "search", Place::Anywhere, &[(Takes::Text, Need::AtMostOnce)]),
    row(Name::Unread, "unread", Place::Conversation, &[]),
    row(Name::Receipts, "receipts", Place::Conversation, &[(Takes::OneOf(&["on", "off", "default"]), Need::Once)]),
    row(Name::Typing, "typing", Place::Conversation, &[(Takes::OneOf(&["on", "off", "default"]), Need::Once)]),
    row(Name::Reply, "reply", Place::Conversation, &[(Takes::Text, Need::Once)]),
    row(Name::React, "react", Place::Conversation, &[(Takes::Emoji, Need::Once), (Takes::OneOf(&["back"]), Need::AtMostOnce)]),
    row(Name::Edit, "edit", Place::Conversation, &[(Takes::Text, Need::Once)]),
    row(Name::Delete, "delete", Place::Conversation, &[]),
    row(Name::Forward, "forward", Place::Conversation, &[(Takes::Known, Need::Once)]),
    row(Name::Poll, "poll", Place::Conversation, &[(Takes::Text, Need::Once)]),
    row(Name::Location, "location", Place::Conversation, &[(Takes::Text, Need::Once)]),
    row(Name::Contact, "contact", Place::Conversation, &[(Takes::Known, Need::Once)]),
    row(Name::Start, "start", Place::Conversation, &[(Takes::Text, Need::Once)]),
    row(Name::Vote, "vote", Place::Conversation, &[(Takes::Text, Need::AtMostOnce)]),
    row(Name::EndPoll, "end-poll", Place::Conversation, &[]),
    row(Name::File, "file", Place::Conversation, &[(Takes::Text, Need::Once)]),
    row(Name::Save, "save", Place::Conversation, &[(Takes::Text, Need::Once)]),
    row(Name::View, "view", Place::Conversation, &[]),
    row(Name::GroupPicture, "picture", Place::Group, &[(Takes::Text, Need::Once)]),
    row(Name::Introduce, "introduce", Place::Anywhere, &[(Takes::Text, Need::Once)]),
    row(Name::Portrait, "portrait", Place::Anywhere, &[(Takes::Text, Need::Once)]),
    row(Name::PinMessage, "pin-message", Place::Conversation, &[]),
    row(Name::UnpinMessage, "unpin-message", Place::Conversation, &[]),
    row(
        Name::Report,
        "report",
        Place::Conversation,
        &[
            (Takes::OneOf(&["admins", "operator"]), Need::Once),
            (Takes::OneOf(&["spam", "abuse", "danger", "other"]), Need::Once),
            (Takes::Text, Need::AtMostOnce),
        ],
    ),
];

/// What a command asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    /// Sends it.
    File(String),
    /// Writes the file of a message there: of that which is chosen, or the newest there is.
    Save {
        path: String,
        id: Option<MessageId>,
    },
    /// Shows the image of a message: of that which is chosen, or the newest there is.
    View {
        id: Option<MessageId>,
    },
    /// The picture of the group out of this file; `-` for none.
    GroupPicture(String),
    /// The own name; `-` for none.
    Introduce(String),
    /// The own picture out of this file; `-` for none.
    Portrait(String),
    Help,
    Create(String),
    Join(TypedLink),
    Invite(Vec<(Handle, Option<AccountId>)>),
    OpenLink {
        approval: bool,
    },
    CloseLinks,
    ListLinks,
    Approve(Handle),
    Reject(Handle),
    Members,
    Role {
        who: String,
        admin: bool,
    },
    Title(String),
    Description(String),
    Timer(u32),
    Allow {
        permission: GroupPermission,
        members: bool,
    },
    Remove(String),
    Move(ServerUrl),
    Leave,
    End,
    /// For so long, or until unmuted.
    Mute(Option<Span>),
    Unmute,
    Pin(bool),
    Archive(bool),
    Search(String),
    Unread,
    /// What others are told here; none: as the profile has it.
    Tell(Tells, Option<bool>),
    /// The rest is about the chosen message, or the newest that it can be about.
    Reply(String),
    React {
        emoji: String,
        back: bool,
    },
    Edit(String),
    Delete,
    Forward(Handle),
    Poll {
        question: String,
        options: Vec<String>,
        several: bool,
    },
    Location(GeoPoint),
    Contact(Handle),
    /// Write to the person of a contact card.
    Start(String),
    /// Options from 1.
    Vote(Vec<u32>),
    EndPoll,
    PinMessage(bool),
    /// Makes a report to the admins or to the operator, and shows it.
    Report {
        to_operator: bool,
        reason: ReportReason,
        words: String,
        /// The chosen message.
        message: Option<MessageId>,
        /// Who has written it, unless this account has.
        whom: Option<AccountId>,
    },
    /// Sends a report that was shown.
    SendReport(Box<alcyon_client::Report>),
}

/// A link as it was typed. It is a secret: printing it for a programmer shows nothing.
#[derive(Clone)]
pub(super) struct TypedLink(pub(super) JoinLink);

impl std::fmt::Debug for TypedLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TypedLink(..)")
    }
}

impl PartialEq for TypedLink {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_text() == other.0.to_text()
    }
}

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    NoCommand(String),
    Missing(Name),
    TooMuch(Name),
    NotOneOf(String, &'static [&'static str]),
    NoHandle(String),
    NoLink,
    NoServer(String),
    NoSpan(String),
    NoSeconds(String),
    NoConversationHere(&'static str),
    NoGroupHere(&'static str),
    NoPoll,
    NoPlace,
    NoOption(String),
}

/// A line that is a command, right or wrong: it begins with one slash.
pub(super) fn is_command(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//")
}

/// What a line says that is no command: of two slashes at the beginning, one is meant.
pub(super) fn literal(text: &str) -> &str {
    if text.starts_with("//") { text.get(1..).unwrap_or_default() } else { text }
}

/// A text so that writing it again says the same.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if text.starts_with('/') { Cow::Owned(format!("/{text}")) } else { Cow::Borrowed(text) }
}

impl Command {
    fn of_word(word: &str) -> Option<&'static Self> {
        COMMANDS.iter().find(|command| command.word == word)
    }

    fn of(name: Name) -> Option<&'static Self> {
        COMMANDS.iter().find(|command| command.name == name)
    }

    /// `/roles WHO admin|member`.
    pub(super) fn usage(&self, language: Language) -> String {
        let mut usage = format!("/{}", self.word);
        for (takes, need) in self.arguments {
            let what = match takes {
                Takes::Person | Takes::Asking => language.say_of_slash(SlashText::Handle),
                Takes::Member => language.say_of_slash(SlashText::Who),
                Takes::OneOf(words) => words.join("|"),
                Takes::Text => language.say_of_slash(SlashText::Words),
                Takes::Link => language.say_of_slash(SlashText::Link),
                Takes::Server => "https://SERVER".to_owned(),
                Takes::Emoji => "EMOJI".to_owned(),
                Takes::Known => language.say_of_slash(SlashText::Handle),
                Takes::Span => language.say_of_slash(SlashText::Span),
                Takes::Seconds => language.say_of_slash(SlashText::Seconds),
            };
            usage.push_str(&match need {
                Need::Once => format!(" {what}"),
                Need::AtMostOnce => format!(" [{what}]"),
                Need::OnceOrMore => format!(" {what} ..."),
            });
        }
        usage
    }

    /// What stands in the place of the n-th argument.
    fn takes(&self, at: usize) -> Option<Takes> {
        match self.arguments.get(at) {
            Some((takes, _)) => Some(*takes),
            None => self.arguments.last().filter(|(_, need)| *need == Need::OnceOrMore).map(|(takes, _)| *takes),
        }
    }

    /// The words of a line, as many as are needed and no more.
    fn words<'a>(&self, rest: &'a str) -> Result<Vec<&'a str>, Wrong> {
        let least = self.arguments.iter().filter(|(_, need)| *need != Need::AtMostOnce).count();
        let words: Vec<&str> = match self.arguments.split_last() {
            // What comes before it are words, it is all the rest.
            Some(((Takes::Text, _), before)) => {
                let (mut words, mut rest) = (Vec::new(), rest);
                for _ in before {
                    let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                    words.push(word);
                    rest = after.trim_start();
                }
                words.push(rest);
                words.retain(|word| !word.is_empty());
                words
            }
            _ => rest.split_whitespace().collect(),
        };
        if words.len() < least {
            return Err(Wrong::Missing(self.name));
        }
        for (at, word) in words.iter().enumerate() {
            match self.takes(at) {
                None => return Err(Wrong::TooMuch(self.name)),
                Some(Takes::OneOf(known)) if !known.contains(&undashed(word)) => {
                    return Err(Wrong::NotOneOf((*word).to_owned(), known));
                }
                Some(_) => {}
            }
        }
        Ok(words)
    }
}

/// `--approve` is what the command line calls `approve`.
fn undashed(word: &str) -> &str {
    word.strip_prefix("--").unwrap_or(word)
}

/// Reads a line that [`is_command`], typed in `place`.
pub(super) fn parse(line: &str, place: Place) -> Result<Act, Wrong> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let command = word.strip_prefix('/').and_then(Command::of_word).ok_or_else(|| Wrong::NoCommand(word.to_owned()))?;
    if command.place > place {
        return Err(match place {
            Place::Anywhere => Wrong::NoConversationHere(command.word),
            Place::Conversation | Place::Group => Wrong::NoGroupHere(command.word),
        });
    }
    let rest = rest.trim();
    let words = command.words(rest)?;
    let first = words.first().copied().unwrap_or_default();
    let second = words.get(1).copied().unwrap_or_default();
    Ok(match command.name {
        Name::Help => Act::Help,
        Name::Create => Act::Create(first.to_owned()),
        Name::Join => Act::Join(TypedLink(first.parse().map_err(|_| Wrong::NoLink)?)),
        Name::Invite => Act::Invite(words.iter().map(|word| person(word)).collect::<Result<_, _>>()?),
        Name::Link => match undashed(first) {
            "off" => Act::CloseLinks,
            "list" => Act::ListLinks,
            approve => Act::OpenLink { approval: approve == "approve" },
        },
        Name::Approve => Act::Approve(person(first)?.0),
        Name::Reject => Act::Reject(person(first)?.0),
        Name::Members => Act::Members,
        Name::Roles => Act::Role { who: member(first)?, admin: undashed(second) == "admin" },
        Name::Title => Act::Title(first.to_owned()),
        Name::Description => Act::Description(first.to_owned()),
        Name::Timer => Act::Timer(first.parse::<Seconds>().map_err(|_| Wrong::NoSeconds(first.to_owned()))?.0),
        Name::Allow => {
            let permission = match undashed(first) {
                "invite" => GroupPermission::Invite,
                "edit" => GroupPermission::Edit,
                _ => GroupPermission::Write,
            };
            Act::Allow { permission, members: undashed(second) == "members" }
        }
        Name::Remove => Act::Remove(member(first)?),
        Name::Move => Act::Move(first.parse().map_err(|_| Wrong::NoServer(first.to_owned()))?),
        Name::Leave => Act::Leave,
        Name::End => Act::End,
        Name::Mute if first.is_empty() => Act::Mute(None),
        Name::Mute => Act::Mute(Some(first.parse().map_err(|_| Wrong::NoSpan(first.to_owned()))?)),
        Name::Unmute => Act::Unmute,
        Name::Pin => Act::Pin(true),
        Name::Unpin => Act::Pin(false),
        Name::Archive => Act::Archive(true),
        Name::Unarchive => Act::Archive(false),
        Name::Search => Act::Search(first.to_owned()),
        Name::Unread => Act::Unread,
        Name::Receipts => Act::Tell(Tells::Read, on_or_off(first)),
        Name::Typing => Act::Tell(Tells::Typing, on_or_off(first)),
        Name::Reply => Act::Reply(first.to_owned()),
        Name::React => Act::React { emoji: first.to_owned(), back: undashed(second) == "back" },
        Name::Edit => Act::Edit(first.to_owned()),
        Name::Delete => Act::Delete,
        Name::Forward => Act::Forward(person(first)?.0),
        Name::Poll => {
            let several = first.strip_prefix("--several").filter(|rest| rest.starts_with(char::is_whitespace));
            let mut parts = several.unwrap_or(first).split('|').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
            let question = parts.next().unwrap_or_default();
            let options: Vec<String> = parts.collect();
            if options.len() < 2 {
                return Err(Wrong::NoPoll);
            }
            Act::Poll { question, options, several: several.is_some() }
        }
        Name::Vote => {
            let numbers = first.split_whitespace().map(|word| word.parse().ok().filter(|number| *number > 0));
            Act::Vote(numbers.collect::<Option<_>>().ok_or_else(|| Wrong::NoOption(first.to_owned()))?)
        }
        Name::Location => Act::Location(first.parse().map_err(|_| Wrong::NoPlace)?),
        Name::Contact => Act::Contact(person(first)?.0),
        Name::Start => Act::Start(first.to_owned()),
        Name::EndPoll => Act::EndPoll,
        Name::File => Act::File(first.to_owned()),
        Name::Save => Act::Save { path: first.to_owned(), id: None },
        Name::View => Act::View { id: None },
        Name::GroupPicture => Act::GroupPicture(first.to_owned()),
        Name::Introduce => Act::Introduce(first.to_owned()),
        Name::Portrait => Act::Portrait(first.to_owned()),
        Name::PinMessage => Act::PinMessage(true),
        Name::UnpinMessage => Act::PinMessage(false),
        Name::Report => Act::Report {
            to_operator: undashed(first) == "operator",
            reason: ReportReason::from_code(undashed(second)).unwrap_or(ReportReason::Other),
            words: words.get(2).copied().unwrap_or_default().to_owned(),
            message: None,
            whom: None,
        },
    })
}

fn on_or_off(word: &str) -> Option<bool> {
    match undashed(word) {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn person(word: &str) -> Result<(Handle, Option<AccountId>), Wrong> {
    Handle::parse_with_account(word).map_err(|_| Wrong::NoHandle(word.to_owned()))
}

/// A handle, or an account's id, of which the client knows whether it is one.
fn member(word: &str) -> Result<String, Wrong> {
    if word.contains('@') {
        person(word)?;
    } else if AccountId::from_text(word, "member").is_err() {
        return Err(Wrong::NoHandle(word.to_owned()));
    }
    Ok(word.to_owned())
}

impl Wrong {
    /// In a person's words.
    pub(super) fn explain(&self, language: Language) -> String {
        let usage = |name| Command::of(name).map(|command| command.usage(language)).unwrap_or_default();
        let say = |text: SlashText<'_>| language.say_of_slash(text);
        match self {
            Self::NoCommand(given) => say(SlashText::NoCommand { given: &harmless_line(given) }),
            Self::Missing(name) => say(SlashText::Missing { usage: &usage(*name) }),
            Self::TooMuch(name) => say(SlashText::TooMuch { usage: &usage(*name) }),
            Self::NotOneOf(given, words) => say(SlashText::NotOneOf { given: &harmless_line(given), words: &words.join(", ") }),
            Self::NoHandle(given) => say(SlashText::NoHandle { given: &harmless_line(given) }),
            Self::NoLink => say(SlashText::NoLink),
            Self::NoServer(given) => say(SlashText::NoServer { given: &harmless_line(given) }),
            Self::NoSpan(given) => language.say_of_shelf(ShelfText::NoSpan { given: &harmless_line(given) }),
            Self::NoSeconds(given) => say(SlashText::NoSeconds { given: &harmless_line(given) }),
            Self::NoConversationHere(word) => say(SlashText::NoConversationHere { word }),
            Self::NoGroupHere(word) => say(SlashText::NoGroupHere { word }),
            Self::NoPoll => say(SlashText::NoPoll),
            Self::NoPlace => say(SlashText::NoPlace),
            Self::NoOption(given) => say(SlashText::NoOption { given: &harmless_line(given) }),
        }
    }
}

/// The words that may stand where a line ends, and where the last word of it begins. `known` names people.
pub(super) fn candidates(line: &str, place: Place, known: impl Fn(Takes) -> Vec<String>) -> (usize, Vec<String>) {
    let start =
        line.rfind(char::is_whitespace).map_or(0, |at| at + line.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
    let begun = line.get(start..).unwrap_or_default();
    let before: Vec<&str> = line.get(..start).unwrap_or_default().split_whitespace().collect();
    let all: Vec<String> = match before.split_first() {
        None => COMMANDS.iter().filter(|command| command.place <= place).map(|command| format!("/{}", command.word)).collect(),
        Some((word, arguments)) => {
            let takes = word.strip_prefix('/').and_then(Command::of_word).and_then(|command| command.takes(arguments.len()));
            match takes {
                Some(Takes::OneOf(words)) => words.iter().map(|word| (*word).to_owned()).collect(),
                Some(Takes::Emoji) => ["👍", "❤️", "😂", "😮", "😢", "🙏"].map(str::to_owned).to_vec(),
                Some(Takes::Seconds) => ["30s", "5m", "1h", "8h", "1d", "1w", "4w", "off"].map(str::to_owned).to_vec(),
                Some(Takes::Span) => ["8h", "1d", "1w"].map(str::to_owned).to_vec(),
                Some(Takes::Text | Takes::Link | Takes::Server) | None => Vec::new(),
                Some(people) => known(people).into_iter().filter(|name| !arguments.contains(&name.as_str())).collect(),
            }
        }
    };
    (start, all.into_iter().filter(|word| word.starts_with(begun)).collect())
}

/// The line with its last word completed as far as all candidates agree; a blank behind it if there is one only.
pub(super) fn completed(line: &str, start: usize, candidates: &[String]) -> Option<String> {
    let (first, others) = candidates.split_first()?;
    let mut common = first.as_str();
    for other in others {
        let same = common.char_indices().zip(other.chars()).find(|((_, ours), theirs)| ours != theirs).map(|((at, _), _)| at);
        let end = same.unwrap_or(common.len().min(other.len()));
        common = common.get(..end).unwrap_or_default();
    }
    let blank = if others.is_empty() { " " } else { "" };
    Some(format!("{}{common}{blank}", line.get(..start).unwrap_or_default()))
}

/// What helps while a command is being typed: the candidates while there are several, then how it is used and what it does.
pub(super) fn hint(line: &str, place: Place, language: Language) -> String {
    let word = line.split_whitespace().next().unwrap_or("/");
    let wrong = || Wrong::NoCommand(word.to_owned()).explain(language);
    let about = |command: &Command| format!("{}  {}", command.usage(language), language.say_of_slash(SlashText::What(command.name)));
    match word.strip_prefix('/').and_then(Command::of_word) {
        Some(command) if command.place <= place => about(command),
        Some(_) => parse(line, place).err().map_or_else(wrong, |wrong| wrong.explain(language)),
        None if line.contains(char::is_whitespace) => wrong(),
        None => {
            let (_, words) = candidates(line, place, |_| Vec::new());
            match words.as_slice() {
                [] => wrong(),
                [only] => only.strip_prefix('/').and_then(Command::of_word).map(about).unwrap_or_default(),
                several => several.join(" "),
            }
        }
    }
}

#[cfg(test)]
mod tests;
