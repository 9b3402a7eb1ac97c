//! What may be typed: one source for parsing, help, shell completions and man pages.

use std::{ffi::OsString, io::Write as _, path::PathBuf, process::ExitCode};

use alcyon_client::{AccountId, ConversationId, GeoPoint, Handle, HandleName, JoinLink, MessageId, ReportReason, ServerUrl};
use clap::{
    Args, CommandFactory, Parser, Subcommand,
    builder::styling::{AnsiColor, Styles},
    error::{ContextKind, ContextValue, ErrorKind},
};
use clap_complete::Shell;

use crate::{
    conversation::{ConversationCommand, Seconds},
    device::DeviceCommand,
    failure::{Failure, print_json},
    files::TransferCommand,
    group::GroupCommand,
    post::PostCommand,
    settings::SettingsCommand,
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Cyan.on_default().bold())
    .usage(AnsiColor::Cyan.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .error(AnsiColor::Red.on_default().bold());

/// Alcyon: a private messenger that stays up.
///
/// Messages are encrypted on this device for the devices of the people you talk with; servers move sealed entries and
/// cannot read them. Without a command, the full-screen chat opens.
#[derive(Debug, Parser)]
#[command(name = "alcyon", version, styles = STYLES, max_term_width = 100, subcommand_help_heading = "Commands")]
#[command(after_help = "Examples:
  alcyon register ann --server https://chat.example.org
  alcyon start ben@chat.example.org \"Hello Ben, it's Ann\"
  alcyon send ben@chat.example.org see you at eight
  alcyon                                     opens the chat

Exit codes: 0 done or queued, 1 failed, 2 wrong usage.
Profile key: ALCYON_PASSPHRASE if set, else the system keyring, else alcyon asks.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// One JSON object a line instead of text; errors too, on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Tell on standard error what goes on; never what is written (finer: ALCYON_LOG=FILTER)
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Where a profile is, and how it reaches servers.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The directory of the profile: its database, and files on their way [default: the system's place for data, in `alcyon`]
    #[arg(long, global = true, value_name = "DIR", env = "ALCYON_PROFILE")]
    pub(crate) profile: Option<PathBuf>,
    /// Allow plain HTTP to other machines (tests and closed networks only)
    #[arg(long, global = true, hide = true, env = "ALCYON_INSECURE_HTTP", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) insecure_http: bool,
}

/// What a message of `send` can be or have beside a text.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct Carries {
    /// Send a place: latitude and longitude in degrees
    #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true)]
    pub(crate) location: Option<GeoPoint>,
    /// Send how to reach somebody you know, or yourself
    #[arg(long, value_name = "HANDLE")]
    pub(crate) contact: Option<Handle>,
    /// Fetch the page that the text links to, and send its title, description and image along
    ///
    /// This device asks that page's server, which sees your address. Those who get the message ask nobody.
    #[arg(long)]
    pub(crate) preview: bool,
}

/// What some servers ask newcomers for.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Shows {
    /// An invite, where the server asks for one
    #[arg(long, value_name = "CODE")]
    pub(crate) invite: Option<String>,
    /// An e-mail address to send a code to, where the server asks for that
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// A phone number to send a code to, such as +491701234567, where the server asks for that
    #[arg(long, value_name = "NUMBER")]
    pub(crate) phone: Option<String>,
    /// The code that has come; on a terminal it is asked for
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an account on a server, and a profile for it
    ///
    /// Prints twelve recovery words, this once. Write them down: they are the account.
    /// Where many sign up at once, it waits in line and shows the place and the time. Stopped and run again, it keeps its place.
    #[command(after_help = "Example:\n  alcyon register ann --server https://chat.example.org")]
    Register {
        /// The part of the handle before the @: 3 to 32 of a-z 0-9 . _ -
        name: HandleName,
        /// The server: https://HOST:PORT, or http:// on this machine
        #[arg(long, value_name = "URL")]
        server: ServerUrl,
        /// Do not wait where many sign up at once: the place in line is kept, and the same command goes on from there
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        shows: Shows,
    },
    /// Show the handle and the account of this profile
    Whoami,
    /// Show or set your own name and picture: those whom you talk with see them, and no server does
    #[command(after_help = "\
Examples:
  alcyon introduce --name \"Ann of the sea\" --picture ann.jpg
  alcyon introduce --name \"\" --picture -          takes both back")]
    Introduce {
        /// At most 64 characters; an empty one is none
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// An image, of which the middle is taken, small; - is none
        #[arg(long, value_name = "FILE")]
        picture: Option<PathBuf>,
    },
    /// List conversations: those pinned, then the newest first, then those archived
    Conversations,
    /// Mute, archive or pin a conversation, in this profile alone
    Conversation {
        #[command(subcommand)]
        command: ConversationCommand,
    },
    /// Show the number to compare with the other side, to be sure that nobody sits in between
    #[command(after_help = "Compare all sixty digits, or scan the code, over a way that you trust: side by side, or in a call.")]
    SafetyNumber {
        /// The other side
        handle: Handle,
    },
    /// Open a conversation: the other side sees a message request
    ///
    /// Writes into the conversation there is, if there is one.
    #[command(after_help = "Examples:
  alcyon start ben@chat.example.org \"Hello Ben, it's Ann\"
  alcyon start ben@chat.example.org#ACCOUNT hello     only if the handle names that very account
  echo hello | alcyon start ben@chat.example.org -")]
    Start {
        /// The other side: HANDLE, or HANDLE#ACCOUNT, which can't be spoofed
        #[arg(value_name = "HANDLE[#ACCOUNT]", value_parser = parse_handle)]
        handle: (Handle, Option<AccountId>),
        /// The first words, joined by spaces; - reads standard input
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        text: Vec<String>,
    },
    /// List those who would like to talk with you
    Requests,
    /// Accept a request
    Accept {
        /// The id that `requests` shows
        #[arg(value_parser = parse_id)]
        id: ConversationId,
    },
    /// Decline a request; the other side is not told why
    Decline {
        /// The id that `requests` shows
        #[arg(value_parser = parse_id)]
        id: ConversationId,
    },
    /// Hear nothing more from somebody
    Block {
        /// Whom
        handle: Handle,
    },
    /// Show something to the admins of a group, or to the operator of your server
    ///
    /// Prints the report and sends nothing, unless --yes is given: then exactly what is printed is sent, and nothing else. Admins get it
    /// sealed, and see who reports; the operator gets it in clear and can check nothing of it. For `block`ing see there, or give --block.
    Report {
        /// The conversation: a handle or a conversation's id; or a request's id
        who: String,
        /// What is the matter
        #[arg(long, value_parser = parse_reason)]
        reason: ReportReason,
        /// In a group, who is reported: a handle or an account id; without it the group itself
        #[arg(long, value_name = "WHOM")]
        whom: Option<String>,
        /// A message to show; up to eight times. The id of a request stands for its first words
        #[arg(long = "message", value_name = "ID", value_parser = parse_message)]
        messages: Vec<MessageId>,
        /// What you have to say, up to 1 KiB
        #[arg(long, value_name = "TEXT", default_value = "")]
        words: String,
        /// Who gets it; may be given twice
        #[arg(long = "to", value_name = "admins|operator", value_parser = ["admins", "operator"])]
        to: Vec<String>,
        /// Tell the operator who reports
        #[arg(long)]
        named: bool,
        /// Block them as well, once it is sent
        #[arg(long)]
        block: bool,
        /// Send it
        #[arg(long)]
        yes: bool,
    },
    /// The reverse of block
    Unblock {
        /// Whom
        handle: Handle,
    },
    /// Write a message
    ///
    /// Everything after WHO, --reply and --plain is the text, whatever it looks like. If the server can't be reached, the message is queued: it
    /// goes out with the next command that connects, once.
    #[command(after_help = "Examples:
  alcyon send ben@chat.example.org see you at eight
  alcyon send ben@chat.example.org - < letter.txt
  alcyon send ben@chat.example.org --reply ID yes, at eight
  alcyon send ben@chat.example.org --file boat.jpg sea.mp4
  alcyon send ben@chat.example.org --file boat.jpg -- what do you say?
  alcyon send ben@chat.example.org --voice note.ogg
  alcyon send ben@chat.example.org --preview look: https://chat.example.org
  alcyon send ben@chat.example.org --location 48.2082,16.3738
  alcyon send ben@chat.example.org --contact cat@chat.example.org

Marks: **bold** *italic* ~~strike~~ `code` ||spoiler|| [words](https://...) and lines that begin with -.
@name calls somebody who is in the conversation. A text that begins with a flag of this command stands behind --.")]
    Send {
        /// A handle, a conversation's id, or `self`
        who: String,
        /// Answer this message: its id, as --json shows it
        #[arg(long, value_name = "ID", value_parser = parse_message)]
        reply: Option<MessageId>,
        /// The text as it is: no *marks*, `code` or lists in it
        #[arg(long)]
        plain: bool,
        /// Send these files, each as a message; a text stands behind --
        ///
        /// They are sealed on this device first, up to 4 GiB each, and go on where they were if they are interrupted.
        #[arg(long, value_name = "FILE", num_args = 1..)]
        file: Vec<PathBuf>,
        /// Send a recording as a voice note: Opus in Ogg
        #[arg(long, value_name = "FILE", conflicts_with = "file")]
        voice: Option<PathBuf>,
        /// Leave in images what they say of place, time and camera; without this it is taken out, and nothing else is changed
        #[arg(long)]
        keep_metadata: bool,
        /// The files can be seen once by each, and go then; a promise of their programs, not of cameras
        #[arg(long)]
        view_once: bool,
        /// The files are stickers: images of at most 512 pixels an edge and 256 KiB
        #[arg(long, conflicts_with = "view_once")]
        sticker: bool,
        #[command(flatten)]
        carries: Carries,
        /// The text, words joined by spaces; - reads standard input
        #[arg(required_unless_present_any = ["file", "voice", "location", "contact"], trailing_var_arg = true, allow_hyphen_values = true)]
        text: Vec<String>,
    },
    /// List the files of a conversation, the oldest first
    Files {
        /// A handle, a conversation's id, or `self`
        who: String,
    },
    /// Fetch a file and write it
    ///
    /// A file that is there is not written over. What was sealed, sent and written is checked to be the same, byte for byte.
    #[command(after_help = "Examples:\n  alcyon save ID .              under the name it was sent with\n  alcyon save ID boat.jpg")]
    Save {
        /// The id that `files` shows
        #[arg(value_parser = parse_message)]
        id: MessageId,
        /// Where: a file, or a directory that is there
        path: PathBuf,
        /// Write over a file that is there
        #[arg(long)]
        force: bool,
    },
    /// Files on their way: list, pause, resume, cancel
    Transfer {
        #[command(subcommand)]
        command: TransferCommand,
    },
    #[command(flatten)]
    Post(PostCommand),
    /// Fetch and print what is new from others, send what is queued, and exit
    Sync,
    /// The same until interrupted, an event a line
    Listen,
    /// Print a conversation, the oldest message first
    History {
        /// A handle, a conversation's id, or `self`
        who: String,
        /// Only the newest N messages
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
    /// Look for messages in this profile, the newest first
    ///
    /// Words are found by their beginnings, whatever their accents: \"several words\" between quotation marks stand one behind the
    /// other. Nothing is asked of a server.
    #[command(after_help = "Examples:
  alcyon search tide table
  alcyon search 'from:ben after:2026-11-01 has:link'
  alcyon search 'in:\"the boats\" \"at the pier\"'

Filters: from:WHO (a handle, a name, me), in:WHERE (a handle, an id, part of a title),
before:DAY and after:DAY (2026, 2026-11 or 2026-11-22), has:file, has:link, has:place, has:contact.")]
    Search {
        /// What to look for, words joined by spaces
        #[arg(required = true)]
        query: Vec<String>,
        /// At most so many messages
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Show or set after how long messages go in a conversation
    ///
    /// A message goes so long after it was read, with its author after it was sent, on all devices of both. It is a promise about
    /// devices: who reads can copy, and sealed entries can lie on the server for 30 days.
    #[command(after_help = "Examples:
  alcyon timer ben@chat.example.org 1d
  alcyon timer ben@chat.example.org off
  alcyon timer ben@chat.example.org            shows it")]
    Timer {
        /// A handle, or a conversation's id
        who: String,
        /// A number and s, m, h, d or w, like 30s, 1d or 4w; off: messages stay
        time: Option<Seconds>,
    },
    /// Show or set what holds for this profile: timer, read receipts, typing
    Settings {
        #[command(subcommand)]
        command: Option<SettingsCommand>,
    },
    /// Groups: make, invite, change, leave
    Group {
        #[command(subcommand)]
        command: GroupCommand,
    },
    /// The devices of this account: link a new one, list, name
    Device {
        #[command(subcommand)]
        command: DeviceCommand,
    },
    /// Come into a group by a link
    #[command(
        after_help = "Whoever has the link can read who is in the group.\n\nExample:\n  alcyon join 'alcyon://join/chat.example.org#...'"
    )]
    Join {
        /// alcyon://join/... or https://.../join#...
        link: JoinLink,
    },
    /// Open the full-screen chat
    Chat,
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  alcyon completions bash > ~/.local/share/bash-completion/completions/alcyon")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, of one command if it is named
    #[command(after_help = "Example:\n  alcyon man | man -l -")]
    Man {
        /// Which command
        command: Option<String>,
    },
}

pub(crate) fn parse_handle(text: &str) -> Result<(Handle, Option<AccountId>), alcyon_wire::WireError> {
    Handle::parse_with_account(text)
}

fn parse_reason(text: &str) -> Result<ReportReason, String> {
    ReportReason::from_code(text).ok_or_else(|| format!("one of {}", ReportReason::ALL.map(ReportReason::code).join(", ")))
}

pub(crate) fn parse_message(text: &str) -> Result<MessageId, alcyon_wire::WireError> {
    MessageId::from_text(text, "id")
}

fn parse_id(text: &str) -> Result<ConversationId, alcyon_wire::WireError> {
    ConversationId::from_text(text, "id")
}

/// The program as clap knows it, for documents that are made from it.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

pub(crate) fn parse(words: &[OsString]) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(guard_text(words))
}

/// Flags whose value stands apart.
const VALUES: [&str; 7] = ["--profile", "--server", "--reply", "--file", "--voice", "--location", "--contact"];
/// Flags of `send` that have none.
const SWITCHES: [&str; 5] = ["--plain", "--keep-metadata", "--view-once", "--sticker", "--preview"];

/// Whatever follows WHO is text, even if it looks like a flag of ours: a `--` before it says so to clap.
fn guard_text(words: &[OsString]) -> Vec<OsString> {
    let mut guarded = words.to_vec();
    // The program, the command and WHO are the words that are no flags; only these have a value apart.
    let mut plain = (0..words.len()).filter(|at| {
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        let is_value = before.is_some_and(|word| VALUES.iter().any(|flag| word == flag));
        !is_value && words.get(*at).and_then(|word| word.to_str()).is_none_or(|word| !word.starts_with('-'))
    });
    let (command, who) = (plain.nth(1), plain.next());
    let writes = command.and_then(|at| words.get(at)).is_some_and(|word| word == "send" || word == "start");
    if let Some(text) = who.map(|who| behind_flags(words, who + 1)).filter(|_| writes)
        // A `--` that somebody has put there is one, unless it is all there is.
        && words.get(text).is_some_and(|word| word != "--" || words.len() == text + 1)
    {
        guarded.insert(text, "--".into());
    }
    guarded
}

/// Where the text begins: behind the flags of `send` that stand behind WHO.
fn behind_flags(words: &[OsString], mut at: usize) -> usize {
    loop {
        match words.get(at) {
            Some(word) if SWITCHES.iter().any(|switch| word == switch) => at += 1,
            Some(word) if ["--reply", "--voice", "--location", "--contact"].iter().any(|flag| word == flag) && at + 1 < words.len() => {
                at += 2
            }
            // Files up to the next flag, or up to the `--` before the text.
            Some(word) if word == "--file" => {
                at += 1;
                while words.get(at).is_some_and(|word| !word.to_str().is_some_and(|word| word.starts_with("--"))) {
                    at += 1;
                }
            }
            _ => return at,
        }
    }
}

/// Whether a command line that can't be parsed asks for JSON: the flag stands before the command, or right behind it.
pub(crate) fn wants_json(words: &[OsString]) -> bool {
    guard_text(words).iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--json")
}

/// Help, version or a usage error. Returns the exit code.
pub(crate) fn complain(error: &clap::Error, json: bool) -> ExitCode {
    if !error.use_stderr() {
        // A reader that went away (`alcyon --help | head -1`) has seen enough.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if json {
        let field = error.context().find_map(|(kind, value)| match (kind, value) {
            (ContextKind::InvalidArg, ContextValue::String(argument)) => Some(field_of(argument)),
            (ContextKind::InvalidArg, ContextValue::Strings(arguments)) => arguments.first().map(|argument| field_of(argument)),
            (ContextKind::InvalidSubcommand, _) => Some("command".to_owned()),
            _ => None,
        });
        // A word that is none of those there are is as wrong as one that can't be read; one that is missing is not.
        let given = matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if !value.is_empty());
        let wrong = error.kind() == ErrorKind::ValueValidation || (error.kind() == ErrorKind::InvalidValue && given);
        let code = if wrong { "invalid" } else { "usage" };
        print_json(code, &summary(error), field.as_deref());
    } else {
        let _ = error.print();
    }
    ExitCode::from(2)
}

/// What bare `alcyon` says where there is no terminal to open the chat on.
pub(crate) fn no_command() -> clap::Error {
    let mut command = Arguments::command();
    command.error(ErrorKind::MissingSubcommand, "a command is needed here: the chat opens on a terminal only")
}

/// `--server <URL>` is `server`, `<HANDLE[#ACCOUNT]>` is `handle`.
fn field_of(argument: &str) -> String {
    let word = argument.split_whitespace().next().unwrap_or(argument);
    let word = word.trim_start_matches('-').trim_start_matches(['<', '[']);
    word.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>().to_ascii_lowercase()
}

/// The first paragraph of clap's message, without its `error:` and colours.
fn summary(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or(&text);
    first.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn print_completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "alcyon", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

pub(crate) fn print_man(name: Option<&str>) -> Result<(), Failure> {
    let mut command = command();
    command.build();
    let command = match name {
        None => command,
        Some(name) => command.find_subcommand(name).cloned().ok_or_else(|| Failure::NoSuchCommand(name.to_owned()))?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(std::io::stdout().write_all(&page)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parsed(words: &[&str]) -> Arguments {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn whatever_follows_who_is_text() {
        for words in [&["--json", "-x"][..], &["-"], &["--"], &["-v"], &["--help"], &["a", "--limit", "--json"], &["", ""]] {
            for before in [&["send"][..], &["--json", "send"], &["--profile", "send", "send", "--json"]] {
                let line = [&["alcyon"], before, &["ben@x.example"], words].concat();
                let arguments = parsed(&line);
                assert_eq!(arguments.json, before.contains(&"--json"), "{line:?}");
                let Some(Command::Send { who, text, reply: None, plain: false, .. }) = arguments.command else {
                    panic!("not send: {line:?}")
                };
                assert_eq!(who, "ben@x.example", "{line:?}");
                assert_eq!(text, words, "{line:?}");
            }
        }
        let Some(Command::Send { text, .. }) = parsed(&["alcyon", "send", "ben@x.example", "--", "-a", "b"]).command else {
            panic!("not send")
        };
        assert_eq!(text, ["-a", "b"], "a guard of one's own is no text");
        let id = MessageId::from([7; 16]).to_text();
        for words in [&["ben@x.example", "--reply", &id, "--plain", "-a"][..], &["--plain", "--reply", &id, "ben@x.example", "-a"]] {
            let Some(Command::Send { who, text, reply, plain, .. }) = parsed(&[&["alcyon", "send"], words].concat()).command else {
                panic!("not send")
            };
            assert_eq!((who.as_str(), reply, plain), ("ben@x.example", Some(MessageId::from([7; 16])), true));
            assert_eq!(text, ["-a"]);
        }
    }

    #[test]
    fn files_end_where_the_text_begins() {
        let sent = |words: &[&str]| match parsed(&[&["alcyon", "send", "ben@x.example"], words].concat()).command {
            Some(Command::Send { file, text, .. }) => {
                (file.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" "), text.join(" "))
            }
            other => panic!("not send: {other:?}"),
        };
        assert_eq!(sent(&["--file", "a", "b"]), ("a b".to_owned(), String::new()));
        assert_eq!(sent(&["--file", "a", "-", "--", "--file", "c"]), ("a -".to_owned(), "--file c".to_owned()));
        assert_eq!(sent(&["--file", "a", "--file", "b", "--plain", "hello", "you"]), ("a b".to_owned(), "hello you".to_owned()));
        assert_eq!(sent(&["--view-once", "--file", "a", "--keep-metadata"]), ("a".to_owned(), String::new()));
        assert_eq!(sent(&["--voice", "a.ogg", "hello"]), (String::new(), "hello".to_owned()));
        assert_eq!(sent(&["hello", "--file", "a"]), (String::new(), "hello --file a".to_owned()));
    }

    #[test]
    fn flags_stand_before_or_behind_the_command() {
        assert!(parsed(&["alcyon", "--json", "whoami"]).json);
        assert!(parsed(&["alcyon", "whoami", "--json"]).json);
        assert!(parsed(&["alcyon", "send", "--json", "ben@x.example", "text"]).json);
        assert_eq!(parsed(&["alcyon", "sync", "--profile", "p"]).place.profile, Some(PathBuf::from("p")));
    }

    #[test]
    fn an_argument_is_named_as_a_field() {
        assert_eq!(field_of("--server <URL>"), "server");
        assert_eq!(field_of("<HANDLE[#ACCOUNT]>"), "handle");
        assert_eq!(field_of("<TEXT>..."), "text");
        assert_eq!(field_of("[ROLE]"), "role");
        assert_eq!(field_of("--limit"), "limit");
    }
}
