use std::io::{self, Write as _, stderr};

use alcyon_client::{ClientError, RefusalKind};
use alcyon_net::{NetError, PreviewError};
use alcyon_store::StoreError;
use serde::Serialize;
use thiserror::Error;

use crate::{
    harmless,
    text::{Language, french_failure},
};

/// Why a command was not done.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The client core or a server said no.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The network layer can't be set up.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The profile's database can't be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Some of the servers were away; the rest was done. Try again later.
    #[error("{0} of the servers can't be reached now; the rest was done")]
    SomeUnreachable(usize),
    /// Nothing is there yet. Register.
    #[error("there is no profile in {0} yet; register first")]
    NoProfile(String),
    /// The directory is not ours. Name another.
    #[error("{0} holds something else than an Alcyon profile; nothing was changed")]
    ForeignDirectory(String),
    /// A part of the profile is missing or damaged. Restore it from a copy.
    #[error("the profile is damaged: {0}; nothing was changed, restore it from a copy")]
    DamagedProfile(&'static str),
    /// A newer version made it. Use that version.
    #[error("this profile was made by a newer version of Alcyon (format {found}, this program knows {known})")]
    NewerProfile { found: u32, known: u32 },
    /// No way to come by the key.
    #[error("this profile needs a passphrase: set ALCYON_PASSPHRASE, or run alcyon on a terminal, which asks for it")]
    NoPassphrase,
    /// No way to come by a key for a new profile.
    #[error(
        "there is no system keyring here to keep the profile's key: set ALCYON_PASSPHRASE, or run alcyon on a terminal, which asks for one"
    )]
    NoKeySource,
    /// Probably a script's variable that was not set. Set it, or unset `ALCYON_PASSPHRASE`.
    #[error("the passphrase is empty; set ALCYON_PASSPHRASE to something, or unset it")]
    EmptyPassphrase,
    /// Typed twice, differently.
    #[error("the two passphrases differ; nothing was made")]
    PassphrasesDiffer,
    /// The keyring that keeps this profile's key does not give it. Unlock it.
    #[error("the system keyring does not give the key of this profile: {0}")]
    Keyring(String),
    /// Standard input is no text.
    #[error("standard input is not UTF-8 text")]
    InputNotText,
    /// The chat needs a screen.
    #[error("the chat needs a terminal; use the other commands in scripts (alcyon --help)")]
    NoTerminal,
    /// There is no page to preview. Send the text without `--preview`.
    #[error("the text has no link to a page")]
    NoLink,
    /// The page can't be previewed. Send the text without `--preview`; nothing was sent.
    #[error("{0}; nothing was sent")]
    Preview(#[from] PreviewError),
    /// `man` of something that is not there.
    #[error("there is no command {0}")]
    NoSuchCommand(String),
    /// A file can't be read or written. The cause says why.
    #[error("{path}: {error}")]
    File { path: String, error: io::Error },
    /// A folder or a device. Name a file.
    #[error("{0} is no file")]
    NoFile(String),
    /// An image from which place and camera can't be taken out. Use --keep-metadata, or make another of it.
    #[error("{path}: {error}; --keep-metadata sends it as it is")]
    Metadata { path: String, error: alcyon_image::ImageError },
    /// No image of the size and kind that a sticker or a picture is.
    #[error("{path}: {limit}")]
    NoPicture { path: String, limit: &'static str },
    /// No recording that we know.
    #[error("{0} is no voice note: Opus in Ogg")]
    NoVoice(String),
    /// Something has that name. Choose another, or use --force.
    #[error("{0} is there already; --force writes over it")]
    Exists(String),
    /// A file could not be carried. The text says why.
    #[error("the file was not carried: {0}")]
    NotCarried(String),
    /// Files or the terminal failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Failure {
    /// A word for machines, stable.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Client(ClientError::Store(error)) | Self::Store(error) => code_of_store(error),
            Self::Client(error) => error.code(),
            Self::Net(_) => "tls",
            Self::SomeUnreachable(_) => "unreachable",
            Self::NoProfile(_) => "no-account",
            Self::ForeignDirectory(_) | Self::DamagedProfile(_) => "not-a-profile",
            Self::NewerProfile { .. } => "newer-profile",
            Self::NoPassphrase | Self::NoKeySource | Self::EmptyPassphrase | Self::PassphrasesDiffer => "passphrase",
            Self::Keyring(_) => "keyring",
            Self::InputNotText => "invalid",
            Self::NoTerminal => "no-terminal",
            Self::NoLink => "no-link",
            Self::Preview(_) => "no-preview",
            Self::NoSuchCommand(_) => "usage",
            Self::NoFile(_) => "no-file",
            Self::Metadata { .. } => "metadata",
            Self::NoPicture { .. } => "no-picture",
            Self::NoVoice(_) => "no-voice-note",
            Self::Exists(_) => "exists",
            Self::NotCarried(_) => "not-carried",
            Self::Io(_) | Self::File { .. } => "io",
        }
    }

    /// The argument at fault, if there is one.
    pub(crate) fn field(&self) -> Option<&str> {
        match self {
            Self::Client(ClientError::Store(error)) | Self::Store(error) => match error {
                StoreError::WrongKey => Some("passphrase"),
                StoreError::NotAProfile(_) | StoreError::Newer { .. } | StoreError::Busy => Some("profile"),
                _ => None,
            },
            Self::Client(error) => error.field(),
            Self::NoProfile(_) | Self::ForeignDirectory(_) | Self::DamagedProfile(_) | Self::NewerProfile { .. } => Some("profile"),
            Self::NoPassphrase | Self::NoKeySource | Self::EmptyPassphrase | Self::PassphrasesDiffer => Some("passphrase"),
            Self::InputNotText | Self::NoLink | Self::Preview(_) => Some("text"),
            Self::NoFile(_) | Self::File { .. } | Self::Metadata { .. } | Self::NoPicture { .. } | Self::NoVoice(_) => Some("file"),
            Self::Exists(_) => Some("path"),
            Self::NoSuchCommand(_) => Some("command"),
            Self::Net(_) | Self::SomeUnreachable(_) | Self::Keyring(_) | Self::NoTerminal | Self::NotCarried(_) | Self::Io(_) => None,
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        if matches!(self, Self::NoSuchCommand(_)) { 2 } else { 1 }
    }

    /// For people, in their language.
    pub(crate) fn explain(&self, language: Language) -> String {
        let mut text = match language {
            Language::English => self.to_string(),
            Language::French => french_failure(self),
        };
        if let Self::Client(ClientError::Refused { kind: RefusalKind::Later { after_ms }, .. }) = self {
            text.push_str(&language.say(crate::text::Text::TryAgainIn { seconds: after_ms.div_ceil(1000).max(1) }));
        }
        // A server's own words may be among them.
        harmless(&text).into_owned()
    }

    /// On standard error. JSON is for programs and always English.
    pub(crate) fn print(&self, language: Language, json: bool) {
        if let Self::Io(error) = self
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            return; // whoever read has seen enough
        }
        if json {
            print_json(self.code(), &self.explain(Language::English), self.field());
        } else {
            // Nothing can be done if even standard error is gone.
            let _ = writeln!(stderr(), "alcyon: {}", self.explain(language));
        }
    }
}

fn code_of_store(error: &StoreError) -> &'static str {
    match error {
        StoreError::WrongKey => "wrong-passphrase",
        StoreError::Busy => "busy",
        StoreError::NotAProfile(_) => "not-a-profile",
        StoreError::Newer { .. } => "newer-profile",
        StoreError::DiskFull => "disk-full",
        _ => "storage",
    }
}

/// One error object on standard error.
pub(crate) fn print_json(error: &str, message: &str, field: Option<&str>) {
    #[derive(Serialize)]
    struct Line<'a> {
        error: &'a str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        field: Option<&'a str>,
    }
    let line = serde_json::to_string(&Line { error, message, field }).expect("three strings always serialise");
    let _ = writeln!(stderr(), "{line}");
}
