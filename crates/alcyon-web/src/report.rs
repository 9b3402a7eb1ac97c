//! Reports as a page draws them: what is sent with one, and what has come.

use alcyon_client::{Report, ReportReason, ReportView, ReportedView};
use serde::{Deserialize, Serialize};

use crate::{command::ReasonWord, view::PersonView};

/// A report: one that was made here, or one that has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ReportShown {
    /// Who is reported; none: the group.
    pub about: Option<PersonView>,
    /// Of a group: its title.
    pub title: Option<String>,
    /// What is the matter.
    pub reason: ReasonWord,
    /// What the reporter says.
    pub words: String,
    /// The messages shown, oldest first.
    pub messages: Vec<ReportedShown>,
    /// One that was made here: the admins who get it.
    pub admins: Vec<PersonView>,
    /// One that was made here: the host whose operator gets it.
    pub operator: Option<String>,
    /// One that was made here: the operator is told that this handle reports.
    pub named: Option<String>,
    /// One that has come: the group's conversation.
    pub conversation: Option<String>,
}

/// A message of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ReportedShown {
    /// Its id.
    pub id: String,
    /// Who has written it.
    pub by: PersonView,
    /// The sender's clock, Unix milliseconds.
    pub sent_at_ms: u64,
    /// Its text.
    pub text: String,
    /// This very text is, or was, in the conversation as it is here.
    pub found: bool,
}

/// One that has come.
impl From<ReportView> for ReportShown {
    fn from(report: ReportView) -> Self {
        let ReportView { conversation, title, about, reason, words, messages } = report;
        Self {
            about: about.map(Into::into),
            title: Some(title),
            reason: reason.into(),
            words,
            messages: reported(messages),
            admins: Vec::new(),
            operator: None,
            named: None,
            conversation: Some(conversation.to_text()),
        }
    }
}

/// One that was made here, before it is sent.
impl From<&Report> for ReportShown {
    fn from(report: &Report) -> Self {
        let Report { about, title, reason, words, messages, admins, operator, named, .. } = report.clone();
        Self {
            about: about.map(Into::into),
            title,
            reason: reason.into(),
            words,
            messages: reported(messages),
            admins: admins.into_iter().map(Into::into).collect(),
            operator: operator.map(|server| server.authority().to_owned()),
            named: named.map(|handle| handle.to_text()),
            conversation: None,
        }
    }
}

impl From<ReportReason> for ReasonWord {
    fn from(reason: ReportReason) -> Self {
        match reason {
            ReportReason::Spam => Self::Spam,
            ReportReason::Abuse => Self::Abuse,
            ReportReason::Danger => Self::Danger,
            ReportReason::Other => Self::Other,
        }
    }
}

impl From<ReasonWord> for ReportReason {
    fn from(reason: ReasonWord) -> Self {
        match reason {
            ReasonWord::Spam => Self::Spam,
            ReasonWord::Abuse => Self::Abuse,
            ReasonWord::Danger => Self::Danger,
            ReasonWord::Other => Self::Other,
        }
    }
}

fn reported(messages: Vec<ReportedView>) -> Vec<ReportedShown> {
    let shown =
        |ReportedView { id, by, sent_at_ms, text, found }| ReportedShown { id: id.to_text(), by: by.into(), sent_at_ms, text, found };
    messages.into_iter().map(shown).collect()
}
