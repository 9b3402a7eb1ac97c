//! What is said about the commands that are typed inside the chat, in every language.

use alcyon_client::GroupPermission;

use super::Language;
use crate::chat::slash::Name;

/// What can be said.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SlashText<'a> {
    // the help
    CommandsTitle,
    What(Name),
    Handle,
    Who,
    Words,
    Link,
    Span,
    Seconds,
    // what was typed wrongly
    NoCommand { given: &'a str },
    Missing { usage: &'a str },
    TooMuch { usage: &'a str },
    NotOneOf { given: &'a str, words: &'a str },
    NoHandle { given: &'a str },
    NoLink,
    NoServer { given: &'a str },
    NoSeconds { given: &'a str },
    NoConversationHere { word: &'a str },
    NoGroupHere { word: &'a str },
    NoPoll,
    NoPlace,
    NoOption { given: &'a str },
    NoMessageHere,
    NobodyToForwardTo { who: &'a str },
    ReallyDelete,
    NoAdminsHere,
    ReallyReport,
    // what came of it
    LinksAreOpen,
    Made,
    // questions
    Sure,
    ReallyRemove { who: &'a str, group: &'a str },
    ReallyMove { group: &'a str, server: &'a str },
    ReallyLeave { group: &'a str },
    ReallyEnd { group: &'a str },
    ReallyCloseLinks { group: &'a str },
    // the line for commands
    CommandTitle,
    CommandHint,
    // the group's panel
    Members { count: usize },
    Devices { count: usize },
    Doors,
    NoDoors,
    InviteFor { who: &'a str, by: &'a str },
    LinkBy { by: &'a str, approval: bool },
    Permission(GroupPermission),
    Nothing,
    LinkTitle,
    NoLinks,
}

impl Language {
    pub(crate) fn say_of_slash(self, text: SlashText<'_>) -> String {
        match self {
            Self::English => english(text),
            Self::French => french(text),
        }
    }
}

fn english(text: SlashText<'_>) -> String {
    match text {
        SlashText::CommandsTitle => "Commands, while writing (Tab completes; // sends a slash)",
        SlashText::What(name) => english_what(name),
        SlashText::Handle => "HANDLE",
        SlashText::Who => "WHO",
        SlashText::Words => "TEXT",
        SlashText::Link => "LINK",
        SlashText::Span => "SPAN",
        SlashText::Seconds => "TIME",
        SlashText::NoCommand { given } => return format!("There is no command {given}: /help lists them, // sends a slash."),
        SlashText::Missing { usage } => return format!("Something is missing: {usage}"),
        SlashText::TooMuch { usage } => return format!("That is too much: {usage}"),
        SlashText::NotOneOf { given, words } => return format!("“{given}” is not one of {words}."),
        SlashText::NoHandle { given } => return format!("“{given}” is no handle: a handle looks like name@server.example."),
        SlashText::NoLink => "That is no link to a group: one begins with alcyon://join/ or ends in /join#...",
        SlashText::NoServer { given } => return format!("“{given}” is no server: an address is like https://server.example"),
        SlashText::NoSeconds { given } => return format!("“{given}” is no time: a number and s, m, h, d or w, or off."),
        SlashText::NoConversationHere { word } => return format!("/{word} is about a conversation: choose one first."),
        SlashText::NoGroupHere { word } => return format!("/{word} is for groups: this is a conversation of two."),
        SlashText::NoPlace => "A place is LATITUDE,LONGITUDE in degrees, like 48.2082,16.3738",
        SlashText::NoPoll => "A poll is a question and options, with bars between them: When? | today | tomorrow",
        SlashText::NoOption { given } => return format!("“{given}” is no option: they have numbers, from 1."),
        SlashText::NoMessageHere => "There is no message here that this could be about; Ctrl+Up chooses one.",
        SlashText::NobodyToForwardTo { who } => return format!("You have no conversation with {who}."),
        SlashText::ReallyDelete => "Delete this message for everybody? It can't be undone.",
        SlashText::NoAdminsHere => "There are no admins here who could get it: /report operator",
        SlashText::ReallyReport => "Send exactly this?",
        SlashText::LinksAreOpen => "Done. Links to this group are open; if they had one: /link off",
        SlashText::Made => "The group is made. To invite people: /invite",
        SlashText::Sure => "Are you sure?",
        SlashText::ReallyRemove { who, group } => {
            return format!("Remove {who} from “{group}”? They can't read what comes after, and come back only by a new invite.");
        }
        SlashText::ReallyMove { group, server } => {
            return format!("Move “{group}” to {server}? Everybody in it goes along; open invites and links end.");
        }
        SlashText::ReallyLeave { group } => return format!("Leave “{group}”? You come back only by a new invite."),
        SlashText::ReallyEnd { group } => return format!("End “{group}” for everybody? It can't be undone."),
        SlashText::ReallyCloseLinks { group } => {
            return format!("Close all links to “{group}”? Whoever has one can't come in by it any more.");
        }
        SlashText::CommandTitle => "Command",
        SlashText::CommandHint => "/help lists the commands",
        SlashText::Members { count } => return format!("Members ({count})"),
        SlashText::Devices { count: 1 } => "1 device",
        SlashText::Devices { count } => return format!("{count} devices"),
        SlashText::Doors => "Open invites and links",
        SlashText::NoDoors => "none",
        SlashText::InviteFor { who, by } => return format!("invite for {who}, by {by}"),
        SlashText::LinkBy { by, approval: false } => return format!("link, by {by}"),
        SlashText::LinkBy { by, approval: true } => return format!("link with approval, by {by}"),
        SlashText::Permission(GroupPermission::Invite) => "invite",
        SlashText::Permission(GroupPermission::Edit) => "edit (title, description, timer)",
        SlashText::Permission(GroupPermission::Write) => "write",
        SlashText::Nothing => "nothing",
        SlashText::LinkTitle => "Link to the group",
        SlashText::NoLinks => "None of your links to this group is open.",
    }
    .to_owned()
}

fn english_what(name: Name) -> &'static str {
    match name {
        Name::Help => "this help",
        Name::Create => "make a group",
        Name::Join => "come into a group by a link",
        Name::Invite => "invite people; nobody is in before they accept",
        Name::Link => "open a link, with approval; close all; list yours",
        Name::Approve => "let somebody in who has asked by a link",
        Name::Reject => "do not let them in; they are not told",
        Name::Members => "members, roles, open invites and settings",
        Name::Roles => "make somebody an admin, or a member",
        Name::Title => "set the title",
        Name::Description => "set the description; none if left out",
        Name::Timer => "new messages go so long after reading; off: they stay",
        Name::Allow => "who may invite, edit the settings, write",
        Name::Remove => "remove somebody from the group",
        Name::Move => "move the conversation to another server",
        Name::Leave => "leave the group",
        Name::End => "end the group for everybody",
        Name::Mute => "mute: 8h, 1d, 1w, or until unmuted",
        Name::Search => "look for messages, also by from: in: before: after: has:",
        Name::Unread => "mark this conversation as unread",
        Name::Receipts => "tell others here what you have read, or not",
        Name::Typing => "tell others here that you are typing, or not",
        Name::Location => "send a place: latitude,longitude",
        Name::Contact => "send how to reach somebody",
        Name::Start => "write to the person of a contact card",
        Name::Unmute => "the reverse of mute",
        Name::Pin => "keep this conversation at the top of the list",
        Name::Unpin => "the reverse of pin",
        Name::Archive => "put this conversation out of the list",
        Name::Unarchive => "the reverse of archive",
        Name::Reply => "answer a message (Ctrl+Up chooses one)",
        Name::React => "put an emoji under a message, or take it back",
        Name::Edit => "change an own text, within 24 hours",
        Name::Delete => "delete a message for everybody, within 24 hours",
        Name::Forward => "write a message again to somebody else",
        Name::Poll => "ask: [--several] QUESTION | OPTION | OPTION ...",
        Name::Vote => "vote in a poll: numbers of options, none to take it back",
        Name::EndPoll => "end an own poll",
        Name::File => "send a file: its path",
        Name::Save => "save a file: where to (Ctrl+Up chooses a message)",
        Name::View => "show an image (Ctrl+Up chooses a message)",
        Name::GroupPicture => "set the picture of the group out of an image; - for none",
        Name::Introduce => "set your own name, for those you talk with; - for none",
        Name::Portrait => "set your own picture out of an image; - for none",
        Name::PinMessage => "pin a message for everybody; at most five are",
        Name::UnpinMessage => "take a message's pin off",
        Name::Report => "show somebody, or a message (Ctrl+Up chooses one), to the admins or to your server's operator; asks first",
    }
}

fn french(text: SlashText<'_>) -> String {
    match text {
        SlashText::CommandsTitle => "Commandes, en écrivant (Tab complète ; // envoie une barre)",
        SlashText::What(name) => french_what(name),
        SlashText::Handle => "IDENTIFIANT",
        SlashText::Who => "QUI",
        SlashText::Words => "TEXTE",
        SlashText::Link => "LIEN",
        SlashText::Span => "DURÉE",
        SlashText::Seconds => "DURÉE",
        SlashText::NoCommand { given } => return format!("Il n'y a pas de commande {given} : /help les montre, // envoie une barre."),
        SlashText::Missing { usage } => return format!("Il manque quelque chose : {usage}"),
        SlashText::TooMuch { usage } => return format!("C'est trop : {usage}"),
        SlashText::NotOneOf { given, words } => return format!("« {given} » n'est pas parmi {words}."),
        SlashText::NoHandle { given } => return format!("« {given} » n'est pas un identifiant, comme nom@serveur.example."),
        SlashText::NoLink => "Ce n'est pas un lien vers un groupe : il commence par alcyon://join/ ou finit par /join#...",
        SlashText::NoServer { given } => {
            return format!("« {given} » n'est pas un serveur : une adresse est comme https://serveur.example");
        }
        SlashText::NoSeconds { given } => {
            return format!("« {given} » n'est pas une durée : un nombre et s, m, h, d ou w, ou off.");
        }
        SlashText::NoConversationHere { word } => return format!("/{word} concerne une conversation : choisissez-en une d'abord."),
        SlashText::NoGroupHere { word } => return format!("/{word} est pour les groupes : vous êtes deux ici."),
        SlashText::NoPlace => "Un lieu s'écrit LATITUDE,LONGITUDE en degrés, comme 48.2082,16.3738",
        SlashText::NoPoll => "Un sondage est une question et des choix séparés par des barres : Quand ? | ce soir | demain",
        SlashText::NoOption { given } => return format!("« {given} » n'est pas un choix : ils ont des numéros, à partir de 1."),
        SlashText::NoMessageHere => "Aucun message ici ne s'y prête ; Ctrl+Haut en choisit un.",
        SlashText::NobodyToForwardTo { who } => return format!("Vous n'avez pas de conversation avec {who}."),
        SlashText::ReallyDelete => "Supprimer ce message pour tous ? C'est irrévocable.",
        SlashText::NoAdminsHere => "Aucun administrateur ici ne peut le recevoir : /report operator",
        SlashText::ReallyReport => "Envoyer exactement cela ?",
        SlashText::LinksAreOpen => "C'est fait. Des liens vers ce groupe sont ouverts ; s'il en avait un : /link off",
        SlashText::Made => "Le groupe est créé. Pour inviter : /invite",
        SlashText::Sure => "Êtes-vous sûr ?",
        SlashText::ReallyRemove { who, group } => {
            return format!("Retirer {who} de « {group} » ? La suite lui est illisible, et il ne revient que par une nouvelle invitation.");
        }
        SlashText::ReallyMove { group, server } => {
            return format!("Déplacer « {group} » vers {server} ? Chacun suit ; les invitations et liens ouverts prennent fin.");
        }
        SlashText::ReallyLeave { group } => return format!("Quitter « {group} » ? Vous n'y reviendrez que par une nouvelle invitation."),
        SlashText::ReallyEnd { group } => return format!("Mettre fin à « {group} » pour tous ? C'est irrévocable."),
        SlashText::ReallyCloseLinks { group } => {
            return format!("Fermer tous les liens vers « {group} » ? Plus personne n'entrera par eux.");
        }
        SlashText::CommandTitle => "Commande",
        SlashText::CommandHint => "/help montre les commandes",
        SlashText::Members { count } => return format!("Membres ({count})"),
        SlashText::Devices { count: 1 } => "1 appareil",
        SlashText::Devices { count } => return format!("{count} appareils"),
        SlashText::Doors => "Invitations et liens ouverts",
        SlashText::NoDoors => "aucun",
        SlashText::InviteFor { who, by } => return format!("invitation pour {who}, par {by}"),
        SlashText::LinkBy { by, approval: false } => return format!("lien, par {by}"),
        SlashText::LinkBy { by, approval: true } => return format!("lien avec approbation, par {by}"),
        SlashText::Permission(GroupPermission::Invite) => "inviter",
        SlashText::Permission(GroupPermission::Edit) => "modifier (titre, description, minuterie)",
        SlashText::Permission(GroupPermission::Write) => "écrire",
        SlashText::Nothing => "rien",
        SlashText::LinkTitle => "Lien vers le groupe",
        SlashText::NoLinks => "Aucun de vos liens vers ce groupe n'est ouvert.",
    }
    .to_owned()
}

fn french_what(name: Name) -> &'static str {
    match name {
        Name::Help => "cette aide",
        Name::Create => "créer un groupe",
        Name::Join => "entrer dans un groupe par un lien",
        Name::Invite => "inviter ; nul n'entre sans accepter",
        Name::Link => "ouvrir un lien, avec approbation ; tout fermer ; lister",
        Name::Approve => "laisser entrer qui a demandé par un lien",
        Name::Reject => "ne pas le laisser entrer ; rien ne lui est dit",
        Name::Members => "membres, rôles, invitations ouvertes, réglages",
        Name::Roles => "faire de quelqu'un un admin, ou un membre",
        Name::Title => "changer le titre",
        Name::Description => "changer la description ; aucune sans texte",
        Name::Timer => "les nouveaux messages s'effacent après lecture ; off : non",
        Name::Allow => "qui peut inviter, modifier les réglages, écrire",
        Name::Remove => "retirer quelqu'un du groupe",
        Name::Move => "déplacer la conversation vers un autre serveur",
        Name::Leave => "quitter le groupe",
        Name::End => "mettre fin au groupe pour tous",
        Name::Mute => "sourdine : 8h, 1d, 1w, ou jusqu'à nouvel ordre",
        Name::Search => "chercher des messages, aussi par from: in: before: has:",
        Name::Unread => "marquer cette conversation comme non lue",
        Name::Receipts => "dire ici aux autres ce que vous avez lu, ou non",
        Name::Typing => "dire ici aux autres que vous écrivez, ou non",
        Name::Location => "envoyer un lieu : latitude,longitude",
        Name::Contact => "envoyer comment joindre quelqu'un",
        Name::Start => "écrire à la personne d'une carte de contact",
        Name::Unmute => "l'inverse de mute",
        Name::Pin => "garder cette conversation en haut de la liste",
        Name::Unpin => "l'inverse de pin",
        Name::Archive => "sortir cette conversation de la liste",
        Name::Unarchive => "l'inverse d'archive",
        Name::Reply => "répondre à un message (Ctrl+Haut en choisit un)",
        Name::React => "mettre un emoji sous un message, ou le retirer",
        Name::Edit => "modifier un de vos textes, sous 24 heures",
        Name::Delete => "supprimer un message pour tous, sous 24 heures",
        Name::Forward => "transférer un message à quelqu'un d'autre",
        Name::Poll => "demander : [--several] QUESTION | CHOIX | CHOIX ...",
        Name::Vote => "voter : les numéros des choix, rien pour retirer",
        Name::EndPoll => "terminer un de vos sondages",
        Name::File => "envoyer un fichier : son chemin",
        Name::Save => "enregistrer un fichier : où (Ctrl+Haut choisit un message)",
        Name::View => "montrer une image (Ctrl+Haut choisit un message)",
        Name::GroupPicture => "choisir l'image du groupe, d'un fichier ; - pour aucune",
        Name::Introduce => "choisir votre nom, pour vos interlocuteurs ; - pour aucun",
        Name::Portrait => "choisir votre photo, d'un fichier ; - pour aucune",
        Name::PinMessage => "épingler un message pour tous ; cinq au plus",
        Name::UnpinMessage => "retirer l'épingle d'un message",
        Name::Report => {
            "signaler quelqu'un, ou un message (Ctrl+Haut en choisit un), aux admins ou à l'opérateur du serveur ; demande avant"
        }
    }
}
