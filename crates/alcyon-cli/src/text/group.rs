//! What is said about groups, in every language.

use alcyon_client::{GroupPermission, Line, Person, TermReason};

use super::Language;
use crate::moments::span;

/// What can be said about a group besides the lines about what happened there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum GroupText<'a> {
    Made,
    Done,
    Queued,
    Asked { who: &'a str },
    LinkAdvice { approval: bool },
    LinkComes,
    LinksAreOpen,
    ReallyEnd,
    Admin,
    Member,
    Open { invites: usize, links: usize },
    Title,
    Description,
    Timer,
    Stay,
    Seconds { count: u32 },
    MembersMay,
    Invited { title: &'a str, members: u32 },
    Known { names: &'a str },
    AsksIn { title: &'a str },
    AskInHint,
}

impl Language {
    pub(crate) fn say_of_group(self, text: GroupText<'_>) -> String {
        match self {
            Self::English => english(text),
            Self::French => french(text),
        }
    }

    /// What happened; `by` and the names in it have been made harmless, `own` says that it was this account.
    pub(crate) fn say_line(self, line: &Line, by: &str, own: bool, name: impl Fn(&Person) -> String) -> String {
        match self {
            Self::English => english_line(line, by, own, name),
            Self::French => french_line(line, by, own, name),
        }
    }
}

fn english(text: GroupText<'_>) -> String {
    match text {
        GroupText::Made => "The group is made. Invite people: alcyon group invite".to_owned(),
        GroupText::Done => "Done.".to_owned(),
        GroupText::Queued => "Queued: it is done as soon as the server takes it.".to_owned(),
        GroupText::Asked { who } => format!("{who} was asked to let you in. The invite comes among your requests."),
        GroupText::LinkAdvice { approval: false } => "Whoever has this link can come in, and read who is in the group.".to_owned(),
        GroupText::LinkAdvice { approval: true } => {
            "Whoever has this link can ask to come in, and read who is in the group. An admin approves.".to_owned()
        }
        GroupText::LinkComes => "Then you see the link by: alcyon group link G --list".to_owned(),
        GroupText::LinksAreOpen => "Links to this group are open. If they had one: alcyon group link G --off".to_owned(),
        GroupText::ReallyEnd => "End the group for everybody? It can't be undone. [y/N]".to_owned(),
        GroupText::Admin => "admin".to_owned(),
        GroupText::Member => "member".to_owned(),
        GroupText::Open { invites, links } => format!("open invites: {invites}, open links: {links}"),
        GroupText::Title => "title".to_owned(),
        GroupText::Description => "description".to_owned(),
        GroupText::Timer => "messages vanish after".to_owned(),
        GroupText::Stay => "never".to_owned(),
        GroupText::Seconds { count } => span(count),
        GroupText::MembersMay => "members may".to_owned(),
        GroupText::Invited { title, members: 1 } => format!("invites you to the group “{title}”, one person so far"),
        GroupText::Invited { title, members } => format!("invites you to the group “{title}”, {members} people"),
        GroupText::Known { names } => format!("among them {names}"),
        GroupText::AsksIn { title } => format!("has your link and asks to come into the group “{title}”"),
        GroupText::AskInHint => "to answer: alcyon group approve G HANDLE, or alcyon group reject G HANDLE".to_owned(),
    }
}

fn french(text: GroupText<'_>) -> String {
    match text {
        GroupText::Made => "Le groupe est créé. Pour inviter : alcyon group invite".to_owned(),
        GroupText::Done => "C'est fait.".to_owned(),
        GroupText::Queued => "En attente : ce sera fait dès que le serveur l'accepte.".to_owned(),
        GroupText::Asked { who } => format!("{who} est prié de vous laisser entrer. L'invitation viendra parmi vos demandes."),
        GroupText::LinkAdvice { approval: false } => "Qui a ce lien peut entrer, et lire qui est dans le groupe.".to_owned(),
        GroupText::LinkAdvice { approval: true } => {
            "Qui a ce lien peut demander à entrer, et lire qui est dans le groupe. Un admin approuve.".to_owned()
        }
        GroupText::LinkComes => "Le lien se verra ensuite par : alcyon group link G --list".to_owned(),
        GroupText::LinksAreOpen => "Des liens vers ce groupe sont ouverts. S'il en avait un : alcyon group link G --off".to_owned(),
        GroupText::ReallyEnd => "Mettre fin au groupe pour tous ? C'est irrévocable. [o/N]".to_owned(),
        GroupText::Admin => "admin".to_owned(),
        GroupText::Member => "membre".to_owned(),
        GroupText::Open { invites, links } => format!("invitations ouvertes : {invites}, liens ouverts : {links}"),
        GroupText::Title => "titre".to_owned(),
        GroupText::Description => "description".to_owned(),
        GroupText::Timer => "les messages disparaissent après".to_owned(),
        GroupText::Stay => "jamais".to_owned(),
        GroupText::Seconds { count } => span(count),
        GroupText::MembersMay => "les membres peuvent".to_owned(),
        GroupText::Invited { title, members: 1 } => format!("vous invite dans le groupe « {title} », une personne pour l'instant"),
        GroupText::Invited { title, members } => format!("vous invite dans le groupe « {title} », {members} personnes"),
        GroupText::Known { names } => format!("dont {names}"),
        GroupText::AsksIn { title } => format!("a votre lien et demande à entrer dans le groupe « {title} »"),
        GroupText::AskInHint => "pour répondre : alcyon group approve G IDENTIFIANT, ou alcyon group reject G IDENTIFIANT".to_owned(),
    }
}

fn english_line(line: &Line, by: &str, own: bool, name: impl Fn(&Person) -> String) -> String {
    let be = if own { "are" } else { "is" };
    match line {
        Line::Created => format!("{by} made the group"),
        Line::Invited { whom } => format!("{by} invited {}", name(whom)),
        Line::CameIn { invited_by: Some(inviter) } => format!("{by} came in by invitation of {}", name(inviter)),
        Line::CameIn { invited_by: None } => format!("{by} came in"),
        Line::Left { .. } => format!("{by} left"),
        Line::Removed { whom } => format!("{by} removed {}", name(whom)),
        Line::Role { whom, admin: true } => format!("{} {} an admin now", name(whom), if name(whom) == by { be } else { "is" }),
        Line::Role { whom, admin: false } => format!("{} {} no admin any more", name(whom), if name(whom) == by { be } else { "is" }),
        Line::Title { title } => format!("{by} set the title: {title}"),
        Line::Description { description } => format!("{by} set the description: {description}"),
        Line::Picture => format!("{by} changed the picture"),
        Line::Timer { seconds: 0 } => format!("{by} set messages to stay"),
        Line::Timer { seconds } => format!("{by} set messages to vanish after {}", span(*seconds)),
        Line::Permission { permission, members } => {
            let who = if *members { "all members" } else { "admins alone" };
            let what = match permission {
                GroupPermission::Invite => "invite",
                GroupPermission::Edit => "change title, description, picture and timer",
                GroupPermission::Write => "write",
            };
            format!("{by} allowed {who} to {what}")
        }
        Line::LinkOpened { approval: false } => format!("{by} opened a link"),
        Line::LinkOpened { approval: true } => format!("{by} opened a link with approval"),
        Line::LinkClosed => format!("{by} closed a link"),
        Line::Ended => format!("{by} ended the group"),
        Line::Moved { server, reason: TermReason::Moved } => format!("{by} moved the conversation to {server}"),
        Line::Moved { server, reason: TermReason::Forked } => {
            format!("the server before showed people different things: {by} moved the conversation to {server}")
        }
        Line::Moved { server, reason: TermReason::Lost } => {
            format!("the server before has lost messages, or is gone: {by} moved the conversation to {server}")
        }
        _ => format!("{by} did something that this version has no words for"),
    }
}

fn french_line(line: &Line, by: &str, own: bool, name: impl Fn(&Person) -> String) -> String {
    let have = if own { "avez" } else { "a" };
    match line {
        Line::Created => format!("{by} {have} créé le groupe"),
        Line::Invited { whom } => format!("{by} {have} invité {}", name(whom)),
        Line::CameIn { invited_by: Some(inviter) } => {
            format!("{by} {} par invitation de {}", if own { "êtes entré" } else { "est entré" }, name(inviter))
        }
        Line::CameIn { invited_by: None } => format!("{by} {}", if own { "êtes entré" } else { "est entré" }),
        Line::Left { .. } => format!("{by} {} parti", if own { "êtes" } else { "est" }),
        Line::Removed { whom } => format!("{by} {have} retiré {}", name(whom)),
        Line::Role { whom, admin: true } => format!("{} : admin désormais", name(whom)),
        Line::Role { whom, admin: false } => format!("{} : n'est plus admin", name(whom)),
        Line::Title { title } => format!("{by} {have} changé le titre : {title}"),
        Line::Description { description } => format!("{by} {have} changé la description : {description}"),
        Line::Picture => format!("{by} {have} changé l'image"),
        Line::Timer { seconds: 0 } => format!("{by} {have} réglé que les messages restent"),
        Line::Timer { seconds } => format!("{by} {have} réglé que les messages disparaissent après {}", span(*seconds)),
        Line::Permission { permission, members } => {
            let who = if *members { "tous les membres" } else { "les admins seuls" };
            let what = match permission {
                GroupPermission::Invite => "inviter",
                GroupPermission::Edit => "changer titre, description, image et minuterie",
                GroupPermission::Write => "écrire",
            };
            format!("{by} {have} réglé que {who} peuvent {what}")
        }
        Line::LinkOpened { approval: false } => format!("{by} {have} ouvert un lien"),
        Line::LinkOpened { approval: true } => format!("{by} {have} ouvert un lien avec approbation"),
        Line::LinkClosed => format!("{by} {have} fermé un lien"),
        Line::Ended => format!("{by} {have} mis fin au groupe"),
        Line::Moved { server, reason: TermReason::Moved } => format!("{by} {have} déplacé la conversation vers {server}"),
        Line::Moved { server, reason: TermReason::Forked } => {
            format!("le serveur précédent montrait des choses différentes aux gens : {by} {have} déplacé la conversation vers {server}")
        }
        Line::Moved { server, reason: TermReason::Lost } => {
            format!("le serveur précédent a perdu des messages, ou n'est plus là : {by} {have} déplacé la conversation vers {server}")
        }
        _ => format!("{by} : un acte que cette version ne sait pas dire"),
    }
}
