//! What is said about how conversations are kept in the list, in every language.

use super::Language;

/// What can be said.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ShelfText<'a> {
    // what was done
    Muted,
    MutedUntil { when: &'a str },
    Unmuted,
    Archived,
    Unarchived,
    Pinned,
    Unpinned,
    MarkedUnread,
    MarkedRead,
    // what is so, in lists
    IsMuted,
    IsMutedUntil { when: &'a str },
    IsArchived,
    IsPinned,
    IsMarkedUnread,
    IsTimed { after: &'a str },
    HasDraft,
    // what is told, and how long messages stay
    Telling { read: bool, typing: bool },
    TimerIs { after: &'a str },
    TimerIsOff,
    NewTimerIs { after: &'a str },
    NewTimerIsOff,
    TimerSet { after: &'a str },
    TimerSetOff,
    // the archive in the chat's list
    Archive { count: usize },
    ArchiveShows,
    ArchiveHides,
    // what was typed wrongly
    NoSpan { given: &'a str },
}

impl Language {
    pub(crate) fn say_of_shelf(self, text: ShelfText<'_>) -> String {
        match self {
            Self::English => english(text),
            Self::French => french(text),
        }
    }
}

fn english(text: ShelfText<'_>) -> String {
    match text {
        ShelfText::MarkedUnread => "Marked as unread.",
        ShelfText::MarkedRead => "Everything is read.",
        ShelfText::IsMarkedUnread => "unread",
        ShelfText::IsTimed { after } => return format!("messages go after {after}"),
        ShelfText::HasDraft => "draft",
        ShelfText::Telling { read: true, typing: true } => "Others are told what you have read, and that you are typing.",
        ShelfText::Telling { read: true, typing: false } => "Others are told what you have read. Who is typing nobody is told, and neither are you.",
        ShelfText::Telling { read: false, typing: true } => "Others are told that you are typing. What is read nobody is told, and neither are you.",
        ShelfText::Telling { read: false, typing: false } => "Others are not told what you have read, nor that you are typing; neither are you.",
        ShelfText::TimerIs { after } => return format!("New messages go {after} after they were read, with their author after they were sent."),
        ShelfText::TimerIsOff => "New messages stay.",
        ShelfText::NewTimerIs { after } => return format!("In conversations that you begin messages go after {after}."),
        ShelfText::NewTimerIsOff => "In conversations that you begin messages stay.",
        ShelfText::TimerSet { after } => {
            return format!(
                "New messages go {after} after they were read, with their author after they were sent. That is a promise about devices: who reads can copy, and sealed entries can lie on the server for 30 days."
            );
        }
        ShelfText::TimerSetOff => "New messages stay.",
        ShelfText::Muted => "Muted until you unmute it.",
        ShelfText::MutedUntil { when } => return format!("Muted until {when}."),
        ShelfText::Unmuted => "No longer muted.",
        ShelfText::Archived => "Archived. A new message brings it back, unless it is muted.",
        ShelfText::Unarchived => "Back in the list.",
        ShelfText::Pinned => "Pinned to the top of the list.",
        ShelfText::Unpinned => "No longer pinned.",
        ShelfText::IsMuted => "muted",
        ShelfText::IsMutedUntil { when } => return format!("muted until {when}"),
        ShelfText::IsArchived => "archived",
        ShelfText::IsPinned => "pinned",
        ShelfText::Archive { count } => return format!("Archived ({count})"),
        ShelfText::ArchiveShows => "Enter shows them",
        ShelfText::ArchiveHides => "Enter hides them",
        ShelfText::NoSpan { given } => return format!("“{given}” is no span of time: 30m, 8h, 1d or 1w, at most ten years"),
    }
    .to_owned()
}

fn french(text: ShelfText<'_>) -> String {
    match text {
        ShelfText::MarkedUnread => "Marquée comme non lue.",
        ShelfText::MarkedRead => "Tout est lu.",
        ShelfText::IsMarkedUnread => "non lue",
        ShelfText::IsTimed { after } => return format!("messages effacés après {after}"),
        ShelfText::HasDraft => "brouillon",
        ShelfText::Telling { read: true, typing: true } => "Les autres savent ce que vous avez lu, et quand vous écrivez.",
        ShelfText::Telling { read: true, typing: false } => "Les autres savent ce que vous avez lu. Qui écrit, personne ne le sait, ni vous.",
        ShelfText::Telling { read: false, typing: true } => "Les autres savent quand vous écrivez. Ce qui est lu, personne ne le sait, ni vous.",
        ShelfText::Telling { read: false, typing: false } => "Les autres ne savent ni ce que vous avez lu, ni quand vous écrivez ; vous non plus.",
        ShelfText::TimerIs { after } => return format!("Les nouveaux messages s'effacent {after} après lecture, chez l'auteur après l'envoi."),
        ShelfText::TimerIsOff => "Les nouveaux messages restent.",
        ShelfText::NewTimerIs { after } => return format!("Dans les conversations que vous commencez, les messages s'effacent après {after}."),
        ShelfText::NewTimerIsOff => "Dans les conversations que vous commencez, les messages restent.",
        ShelfText::TimerSet { after } => {
            return format!(
                "Les nouveaux messages s'effacent {after} après lecture, chez l'auteur après l'envoi. C'est une promesse des appareils : qui lit peut copier, et des entrées scellées peuvent rester 30 jours sur le serveur."
            );
        }
        ShelfText::TimerSetOff => "Les nouveaux messages restent.",
        ShelfText::Muted => "En sourdine jusqu'à nouvel ordre.",
        ShelfText::MutedUntil { when } => return format!("En sourdine jusqu'au {when}."),
        ShelfText::Unmuted => "N'est plus en sourdine.",
        ShelfText::Archived => "Archivée. Un nouveau message la ramène, sauf si elle est en sourdine.",
        ShelfText::Unarchived => "De retour dans la liste.",
        ShelfText::Pinned => "Épinglée en haut de la liste.",
        ShelfText::Unpinned => "N'est plus épinglée.",
        ShelfText::IsMuted => "en sourdine",
        ShelfText::IsMutedUntil { when } => return format!("en sourdine jusqu'au {when}"),
        ShelfText::IsArchived => "archivée",
        ShelfText::IsPinned => "épinglée",
        ShelfText::Archive { count } => return format!("Archivées ({count})"),
        ShelfText::ArchiveShows => "Entrée les montre",
        ShelfText::ArchiveHides => "Entrée les cache",
        ShelfText::NoSpan { given } => return format!("« {given} » n'est pas une durée : 30m, 8h, 1d ou 1w, dix ans au plus"),
    }
    .to_owned()
}
