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
    // what is so, in lists
    IsMuted,
    IsMutedUntil { when: &'a str },
    IsArchived,
    IsPinned,
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
