//! What is said about files, in every language.

use super::Language;

/// What can be said.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FileText<'a> {
    NoFiles,
    NoTransfers,
    Saved { path: &'a str, size: &'a str },
    Of { done: &'a str, total: &'a str },
    Paused,
    Failed { reason: &'a str },
    Complete,
    Cancelled,
    NoFileHere,
    File { size: &'a str },
    Image { width: u32, height: u32, size: &'a str },
    Voice { length: &'a str, size: &'a str },
    Sticker,
    Once,
    Gone,
    NoImages,
    Attached { name: &'a str },
}

impl Language {
    pub(crate) fn say_of_files(self, text: FileText<'_>) -> String {
        match self {
            Self::English => english(text),
            Self::French => french(text),
        }
    }
}

fn english(text: FileText<'_>) -> String {
    match text {
        FileText::NoFiles => "No files here.",
        FileText::NoTransfers => "No files are on their way.",
        FileText::Saved { path, size } => return format!("Saved as {path} ({size})."),
        FileText::Of { done, total } => return format!("{done} of {total}"),
        FileText::Paused => "paused",
        FileText::Failed { reason } => return format!("failed: {reason}"),
        FileText::Complete => "complete",
        FileText::Cancelled => "cancelled",
        FileText::NoFileHere => "There is no file here that could be saved; Ctrl+Up chooses a message.",
        FileText::File { size } => return format!("file, {size}"),
        FileText::Image { width, height, size } => return format!("image, {width} x {height}, {size}"),
        FileText::Voice { length, size } => return format!("voice note, {length}, {size}"),
        FileText::Sticker => "sticker",
        FileText::Once => "to be seen once",
        FileText::Gone => "seen, and gone",
        FileText::NoImages => "This terminal shows no images. /save writes it.",
        FileText::Attached { name } => return format!("{name} is on its way."),
    }
    .to_owned()
}

fn french(text: FileText<'_>) -> String {
    match text {
        FileText::NoFiles => "Pas de fichiers ici.",
        FileText::NoTransfers => "Aucun fichier n'est en route.",
        FileText::Saved { path, size } => return format!("Enregistré dans {path} ({size})."),
        FileText::Of { done, total } => return format!("{done} sur {total}"),
        FileText::Paused => "en pause",
        FileText::Failed { reason } => return format!("échec : {reason}"),
        FileText::Complete => "complet",
        FileText::Cancelled => "annulé",
        FileText::NoFileHere => "Aucun fichier à enregistrer ici ; Ctrl+Haut choisit un message.",
        FileText::File { size } => return format!("fichier, {size}"),
        FileText::Image { width, height, size } => return format!("image, {width} x {height}, {size}"),
        FileText::Voice { length, size } => return format!("message vocal, {length}, {size}"),
        FileText::Sticker => "autocollant",
        FileText::Once => "à voir une fois",
        FileText::Gone => "vu, et disparu",
        FileText::NoImages => "Ce terminal ne montre pas d'images. /save l'enregistre.",
        FileText::Attached { name } => return format!("{name} est en route."),
    }
    .to_owned()
}
