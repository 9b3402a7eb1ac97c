//! What is said about what a message can be, in every language.

use super::Language;

/// What can be said.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ContentText<'a> {
    // instead of a text
    Deleted { who: &'a str },
    DeletedByYou,
    Newer,
    // around it
    Forwarded,
    Edited,
    Pinned,
    NotHere,
    // polls
    Poll { several: bool },
    Ended,
    Voters { count: usize },
    // what somebody did
    Reacted { who: &'a str, emoji: &'a str },
    TookBack { who: &'a str, emoji: &'a str },
    HasEdited { who: &'a str },
    HasDeleted { who: &'a str },
    HasVoted { who: &'a str },
    HasEnded { who: &'a str },
    HasPinned { who: &'a str },
    HasUnpinned { who: &'a str },
    NotDone,
    Done,
    Queued,
    Place,
    Contact,
    NoContact,
    Goes { after: &'a str },
    HasRead { who: &'a str },
    Types { who: &'a str },
    Introduced { who: &'a str },
    // search
    NothingFound,
    SearchTitle,
    SearchHint,
    SearchKeys,
}

impl Language {
    pub(crate) fn say_of_content(self, text: ContentText<'_>) -> String {
        match self {
            Self::English => english(text),
            Self::French => french(text),
        }
    }
}

fn english(text: ContentText<'_>) -> String {
    match text {
        ContentText::Deleted { who } => return format!("deleted by {who}"),
        ContentText::DeletedByYou => "deleted by you",
        ContentText::Newer => "this needs a newer version of Alcyon; it is kept until then",
        ContentText::Forwarded => "forwarded",
        ContentText::Edited => "edited",
        ContentText::Pinned => "pinned",
        ContentText::NotHere => "a message that is not here",
        ContentText::Poll { several: false } => "poll, one choice",
        ContentText::Poll { several: true } => "poll, several choices",
        ContentText::Ended => "over",
        ContentText::Voters { count: 1 } => "1 has voted",
        ContentText::Voters { count } => return format!("{count} have voted"),
        ContentText::Reacted { who, emoji } => return format!("{who}: {emoji}"),
        ContentText::TookBack { who, emoji } => return format!("{who} took back {emoji}"),
        ContentText::HasEdited { who } => return format!("{who} changed a message"),
        ContentText::HasDeleted { who } => return format!("{who} deleted a message"),
        ContentText::HasVoted { who } => return format!("{who} voted"),
        ContentText::HasEnded { who } => return format!("{who} ended the poll"),
        ContentText::HasPinned { who } => return format!("{who} pinned a message"),
        ContentText::HasUnpinned { who } => return format!("{who} took a pin off"),
        ContentText::NotDone => "what you did to this message did not go out, and nothing has changed",
        ContentText::Done => "Done.",
        ContentText::Queued => "No connection: it is done with the next one.",
        ContentText::Place => "place",
        ContentText::Contact => "contact; /start TEXT writes to them",
        ContentText::NoContact => "There is no contact card here; Ctrl+Up chooses a message.",
        ContentText::Goes { after } => return format!("goes after {after}"),
        ContentText::HasRead { who } => return format!("{who} has read"),
        ContentText::Types { who } => return format!("{who} is typing"),
        ContentText::Introduced { who } => return format!("another name or picture: {who}"),
        ContentText::NothingFound => "Nothing found.",
        ContentText::SearchTitle => "Search",
        ContentText::SearchHint => "words, from:ben in:boats after:2026-11 has:link",
        ContentText::SearchKeys => "↑ ↓ choose, Enter go there, Esc close",
    }
    .to_owned()
}

fn french(text: ContentText<'_>) -> String {
    match text {
        ContentText::Deleted { who } => return format!("supprimé par {who}"),
        ContentText::DeletedByYou => "supprimé par vous",
        ContentText::Newer => "il faut une version plus récente d’Alcyon ; le message est gardé jusque-là",
        ContentText::Forwarded => "transféré",
        ContentText::Edited => "modifié",
        ContentText::Pinned => "épinglé",
        ContentText::NotHere => "un message qui n’est pas ici",
        ContentText::Poll { several: false } => "sondage, un seul choix",
        ContentText::Poll { several: true } => "sondage, plusieurs choix",
        ContentText::Ended => "terminé",
        ContentText::Voters { count: 0 } => "aucun vote",
        ContentText::Voters { count: 1 } => "1 vote",
        ContentText::Voters { count } => return format!("{count} votes"),
        ContentText::Reacted { who, emoji } => return format!("{who} : {emoji}"),
        ContentText::TookBack { who, emoji } => return format!("{who} a retiré {emoji}"),
        ContentText::HasEdited { who } => return format!("{who} a modifié un message"),
        ContentText::HasDeleted { who } => return format!("{who} a supprimé un message"),
        ContentText::HasVoted { who } => return format!("{who} a voté"),
        ContentText::HasEnded { who } => return format!("{who} a terminé le sondage"),
        ContentText::HasPinned { who } => return format!("{who} a épinglé un message"),
        ContentText::HasUnpinned { who } => return format!("{who} a retiré une épingle"),
        ContentText::NotDone => "ce que vous avez fait à ce message n’est pas parti, et rien n’a changé",
        ContentText::Done => "C’est fait.",
        ContentText::Queued => "Pas de connexion : ce sera fait à la prochaine.",
        ContentText::Place => "lieu",
        ContentText::Contact => "contact ; /start TEXTE lui écrit",
        ContentText::NoContact => "Il n’y a pas de contact ici ; Ctrl+Haut choisit un message.",
        ContentText::Goes { after } => return format!("s’efface après {after}"),
        ContentText::HasRead { who } => return format!("{who} a lu"),
        ContentText::Types { who } => return format!("{who} écrit"),
        ContentText::Introduced { who } => return format!("autre nom ou photo : {who}"),
        ContentText::NothingFound => "Rien trouvé.",
        ContentText::SearchTitle => "Rechercher",
        ContentText::SearchHint => "des mots, from:ben in:barques after:2026-11 has:link",
        ContentText::SearchKeys => "↑ ↓ choisir, Entrée y aller, Échap fermer",
    }
    .to_owned()
}
