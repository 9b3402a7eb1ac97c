//! What is printed of reports: those that are made here, and those that come to an admin.

use std::io::{self, Write};

use alcyon_client::{Handle, Person, ReportReason, ReportView, ReportedView};
use serde::Serialize;

use super::Report;
use crate::{
    called::name_and_handle,
    harmless::{harmless, harmless_line},
    look::Look,
    moments::{Zone, rfc3339},
    text::reporting::ReportingText,
};

/// A report as programs read it.
#[derive(Serialize)]
pub(crate) struct ReportLine<'a> {
    /// The account that is reported; none: the group.
    account: Option<String>,
    handle: Option<String>,
    title: Option<&'a str>,
    reason: &'static str,
    words: &'a str,
    messages: Vec<ReportedLine<'a>>,
}

#[derive(Serialize)]
struct ReportedLine<'a> {
    id: String,
    account: String,
    handle: Option<String>,
    sent_at: String,
    text: &'a str,
    /// This device has it so in the conversation.
    found: bool,
}

fn handle(person: &Person) -> Option<String> {
    person.handle.as_ref().map(Handle::to_text)
}

fn called(person: &Person) -> String {
    name_and_handle(person).or_else(|| handle(person)).unwrap_or_else(|| person.account.to_text())
}

impl<'a> ReportLine<'a> {
    pub(crate) fn of(report: &'a ReportView) -> Self {
        let ReportView { conversation: _, title, about, reason, words, messages } = report;
        Self::from_parts(about.as_ref(), Some(title), *reason, words, messages)
    }

    fn from_parts(
        about: Option<&Person>,
        title: Option<&'a str>,
        reason: ReportReason,
        words: &'a str,
        messages: &'a [ReportedView],
    ) -> Self {
        let message = |one: &'a ReportedView| ReportedLine {
            id: one.id.to_text(),
            account: one.by.account.to_text(),
            handle: handle(&one.by),
            sent_at: rfc3339(one.sent_at_ms),
            text: &one.text,
            found: one.found,
        };
        Self {
            account: about.map(|about| about.account.to_text()),
            handle: about.and_then(handle),
            title,
            reason: reason.code(),
            words,
            messages: messages.iter().map(message).collect(),
        }
    }
}

/// For a person: what is reported, why, and what is shown.
pub(crate) fn report_lines(
    about: Option<&Person>,
    title: Option<&str>,
    (reason, words): (ReportReason, &str),
    messages: &[ReportedView],
    look: Look,
    zone: Zone,
) -> Vec<String> {
    let say = |text: ReportingText<'_>| look.language.say_of_reporting(text);
    let title = title.map(harmless_line);
    let mut lines = Vec::new();
    match (about, &title) {
        (Some(about), title) => {
            lines.push(say(ReportingText::AboutPerson { who: &called(about) }));
            lines.extend(title.as_ref().map(|title| say(ReportingText::InGroup { title })));
        }
        (None, title) => lines.push(say(ReportingText::AboutGroup { title: title.as_deref().unwrap_or_default() })),
    }
    lines.push(say(ReportingText::ReasonIs { reason: &say(ReportingText::Reason(reason)) }));
    if !words.is_empty() {
        lines.push(harmless(words).into_owned());
    }
    for ReportedView { id: _, by, sent_at_ms, text, found } in messages {
        let (who, when) = (called(by), zone.date_and_clock(*sent_at_ms));
        let wrote = match found {
            true => ReportingText::Wrote { who: &who, when: &when },
            false => ReportingText::WroteUnproven { who: &who, when: &when },
        };
        lines.push(say(wrote));
        lines.extend(harmless(text).lines().map(|line| format!("    {line}")));
    }
    lines
}

/// For a person: a report that was made here, and where it goes.
pub(crate) fn made_lines(made: &alcyon_client::Report, look: Look, zone: Zone) -> Vec<String> {
    let admins: Vec<String> = made.admins.iter().map(called).collect();
    let what = (made.reason, made.words.as_str());
    let mut lines = report_lines(made.about.as_ref(), title_shown(made), what, &made.messages, look, zone);
    let say = |text: ReportingText<'_>| look.language.say_of_reporting(text);
    if !admins.is_empty() {
        lines.push(say(ReportingText::ToAdmins { names: &admins.join(", ") }));
    }
    if let Some(server) = &made.operator {
        lines.push(say(ReportingText::ToOperator { server: server.authority(), named: made.named.is_some() }));
    }
    lines
}

/// Of a person's report the operator is not told the group.
fn title_shown(made: &alcyon_client::Report) -> Option<&str> {
    made.title.as_deref().filter(|_| made.about.is_none() || !made.admins.is_empty())
}

impl<W: Write> Report<W> {
    /// A report that was made here, and whether it was sent.
    pub(crate) fn reported(&mut self, made: &alcyon_client::Report, sent: bool) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            event: &'static str,
            sent: bool,
            #[serde(flatten)]
            report: ReportLine<'a>,
            admins: Vec<String>,
            operator: Option<&'a str>,
            named: bool,
        }
        if self.json {
            let report = ReportLine::from_parts(made.about.as_ref(), title_shown(made), made.reason, &made.words, &made.messages);
            let admins = made.admins.iter().map(|admin| handle(admin).unwrap_or_else(|| admin.account.to_text())).collect();
            let (operator, named) = (made.operator.as_ref().map(alcyon_client::ServerUrl::authority), made.named.is_some());
            return self.object(&Line { event: "report", sent, report, admins, operator, named });
        }
        let mut lines = made_lines(made, self.look, self.zone);
        let say = |text: ReportingText<'_>| self.look.language.say_of_reporting(text);
        lines.push(say(match (sent, made.goes_somewhere()) {
            (true, _) => ReportingText::Sent,
            (false, true) => ReportingText::NotSent,
            (false, false) => ReportingText::ToNobody,
        }));
        self.line(&lines.join("\n"))
    }
}
