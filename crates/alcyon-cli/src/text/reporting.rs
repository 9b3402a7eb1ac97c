//! What is said about reports, in every language.

use alcyon_client::ReportReason;

use super::Language;

/// What can be said.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ReportingText<'a> {
    Reason(ReportReason),
    AboutPerson { who: &'a str },
    AboutGroup { title: &'a str },
    InGroup { title: &'a str },
    ReasonIs { reason: &'a str },
    Wrote { who: &'a str, when: &'a str },
    WroteUnproven { who: &'a str, when: &'a str },
    ToAdmins { names: &'a str },
    ToOperator { server: &'a str, named: bool },
    ToNobody,
    NotSent,
    Sent,
    AdminHint,
}

impl Language {
    pub(crate) fn say_of_reporting(self, text: ReportingText<'_>) -> String {
        match self {
            Self::English => english(text),
            Self::French => french(text),
        }
    }
}

fn english(text: ReportingText<'_>) -> String {
    match text {
        ReportingText::Reason(ReportReason::Spam) => "spam or fraud",
        ReportingText::Reason(ReportReason::Abuse) => "insults, threats or harassment",
        ReportingText::Reason(ReportReason::Danger) => "somebody is in danger",
        ReportingText::Reason(ReportReason::Other) => "something else",
        ReportingText::AboutPerson { who } => return format!("Report about {who}"),
        ReportingText::AboutGroup { title } => return format!("Report about the group “{title}”"),
        ReportingText::InGroup { title } => return format!("Group: {title}"),
        ReportingText::ReasonIs { reason } => return format!("Reason: {reason}"),
        ReportingText::Wrote { who, when } => return format!("{who} wrote on {when}:"),
        ReportingText::WroteUnproven { who, when } => {
            return format!("{who} is said to have written on {when} (not found here as it is quoted):");
        }
        ReportingText::ToAdmins { names } => return format!("Goes to these admins, who see who reports: {names}"),
        ReportingText::ToOperator { server, named: true } => {
            return format!("Goes to the operator of {server}, in clear, with your name.");
        }
        ReportingText::ToOperator { server, named: false } => {
            return format!("Goes to the operator of {server}, in clear. Who reports is not kept.");
        }
        ReportingText::ToNobody => "It goes to nobody: say --to admins or --to operator.",
        ReportingText::NotSent => "Nothing was sent. With --yes exactly this is.",
        ReportingText::Sent => "Reported.",
        ReportingText::AdminHint => "To put it away: alcyon decline ID",
    }
    .to_owned()
}

fn french(text: ReportingText<'_>) -> String {
    match text {
        ReportingText::Reason(ReportReason::Spam) => "publicité ou fraude",
        ReportingText::Reason(ReportReason::Abuse) => "insultes, menaces ou harcèlement",
        ReportingText::Reason(ReportReason::Danger) => "quelqu'un est en danger",
        ReportingText::Reason(ReportReason::Other) => "autre chose",
        ReportingText::AboutPerson { who } => return format!("Signalement de {who}"),
        ReportingText::AboutGroup { title } => return format!("Signalement du groupe « {title} »"),
        ReportingText::InGroup { title } => return format!("Groupe : {title}"),
        ReportingText::ReasonIs { reason } => return format!("Motif : {reason}"),
        ReportingText::Wrote { who, when } => return format!("{who} a écrit le {when} :"),
        ReportingText::WroteUnproven { who, when } => {
            return format!("{who} aurait écrit le {when} (introuvable ici tel que cité) :");
        }
        ReportingText::ToAdmins { names } => return format!("Est envoyé à ces administrateurs, qui voient qui signale : {names}"),
        ReportingText::ToOperator { server, named: true } => {
            return format!("Est envoyé en clair à l'opérateur de {server}, avec votre nom.");
        }
        ReportingText::ToOperator { server, named: false } => {
            return format!("Est envoyé en clair à l'opérateur de {server}. Qui signale n'est pas conservé.");
        }
        ReportingText::ToNobody => "N'est envoyé à personne : donnez --to admins ou --to operator.",
        ReportingText::NotSent => "Rien n'a été envoyé. Avec --yes, exactement ceci le sera.",
        ReportingText::Sent => "Signalé.",
        ReportingText::AdminHint => "Pour le ranger : alcyon decline ID",
    }
    .to_owned()
}
