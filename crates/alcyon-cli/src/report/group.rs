//! What is printed about groups.

use std::io::{self, Write};

use alcyon_client::{ActOutcome, GroupPermission, GroupView, JoinLink, Line, Message, Person};
use alcyon_image::Pixels;
use serde::Serialize;

use super::Report;
use crate::{
    called::{author, given_name, name_and_handle},
    harmless::harmless_line,
    look::Look,
    moments::rfc3339,
    picture::{HALF, cells},
    qr,
    text::{Text, group::GroupText},
};

impl<W: Write> Report<W> {
    pub(crate) fn hint(&mut self, text: GroupText<'_>) -> io::Result<()> {
        if self.json { Ok(()) } else { self.line(&self.look.language.say_of_group(text)) }
    }

    pub(crate) fn group_made(&mut self, conversation: &str) -> io::Result<()> {
        #[derive(Serialize)]
        struct Made<'a> {
            event: &'static str,
            conversation: &'a str,
        }
        if self.json {
            return self.object(&Made { event: "created", conversation });
        }
        self.line(conversation)?;
        self.hint(GroupText::Made)
    }

    /// What an act came to; `event` if it is done, else `queued`.
    pub(crate) fn act(&mut self, event: &'static str, conversation: &str, outcome: ActOutcome) -> io::Result<()> {
        #[derive(Serialize)]
        struct Act<'a> {
            event: &'static str,
            conversation: &'a str,
        }
        let done = outcome == ActOutcome::Done;
        if self.json {
            return self.object(&Act { event: if done { event } else { "queued" }, conversation });
        }
        self.hint(if done { GroupText::Done } else { GroupText::Queued })
    }

    pub(crate) fn asked(&mut self, who: &str) -> io::Result<()> {
        #[derive(Serialize)]
        struct Asked<'a> {
            event: &'static str,
            handle: &'a str,
        }
        if self.json { self.object(&Asked { event: "asked", handle: who }) } else { self.hint(GroupText::Asked { who }) }
    }

    pub(crate) fn link(&mut self, link: &JoinLink) -> io::Result<()> {
        #[derive(Serialize)]
        struct Opened {
            event: &'static str,
            link: String,
            https: String,
            approval: bool,
        }
        let (text, https, approval) = (link.to_text(), link.to_https(), link.needs_approval());
        if self.json {
            return self.object(&Opened { event: "link", link: text, https, approval });
        }
        self.line(&text)?;
        self.line(&https)?;
        if self.look.unicode
            && let Some(rows) = qr::half_blocks(&text)
        {
            let (before, after) = if self.colours { ("\u{1b}[97;40m", "\u{1b}[0m") } else { ("", "") };
            for row in rows {
                self.line(&format!("    {before}{row}{after}"))?;
            }
        }
        self.hint(GroupText::LinkAdvice { approval })
    }

    /// The picture, where the terminal can show it.
    pub(super) fn picture(&mut self, jpeg: &[u8]) -> io::Result<()> {
        if !self.colours || !self.look.unicode {
            return Ok(());
        }
        let Ok(pixels) = Pixels::of_thumbnail(jpeg) else { return Ok(()) };
        for row in cells(&pixels, 24, 12) {
            let row: String = row.iter().map(|(upper, lower)| format!("\u{1b}[38;5;{upper};48;5;{lower}m{HALF}")).collect();
            self.line(&format!("{row}\u{1b}[0m"))?;
        }
        Ok(())
    }

    pub(crate) fn members(&mut self, group: &GroupView) -> io::Result<()> {
        if !self.json {
            self.picture(&group.picture)?;
        }
        #[derive(Serialize)]
        struct Member {
            account: String,
            handle: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            name: Option<String>,
            role: &'static str,
            own: bool,
            devices: usize,
        }
        for member in &group.members {
            let Person { account, handle, name } = &member.person;
            let role = if member.admin { "admin" } else { "member" };
            if self.json {
                let handle = handle.as_ref().map(alcyon_client::Handle::to_text);
                let (name, own, devices) = (name.clone(), member.own, member.devices);
                self.object(&Member { account: account.to_text(), handle, name, role, own, devices })?;
                continue;
            }
            let role = self.look.language.say_of_group(if member.admin { GroupText::Admin } else { GroupText::Member });
            let who = match name_and_handle(&member.person) {
                _ if member.own => self.look.language.say(Text::You),
                Some(who) => who,
                None => name_of(&member.person),
            };
            self.line(&format!("{who}  ({role})"))?;
        }
        let links = group.doors.iter().filter(|door| door.whom.is_none()).count();
        self.hint(GroupText::Open { invites: group.doors.len() - links, links })
    }

    pub(crate) fn settings(&mut self, group: &GroupView) -> io::Result<()> {
        #[derive(Serialize)]
        struct Settings<'a> {
            title: &'a str,
            description: &'a str,
            /// A JPEG in base64.
            #[serde(skip_serializing_if = "Option::is_none")]
            picture: Option<String>,
            timer_s: u32,
            members_may: Vec<&'static str>,
            members: usize,
            epoch: u64,
        }
        let members_may: Vec<_> = group.members_may.iter().map(|permission| GroupPermission::code(*permission)).collect();
        let GroupView { title, description, picture, timer_s, members, epoch, .. } = group;
        if self.json {
            let picture = (!picture.is_empty()).then(|| data_encoding::BASE64.encode(picture));
            return self.object(&Settings {
                title,
                description,
                picture,
                timer_s: *timer_s,
                members_may,
                members: members.len(),
                epoch: *epoch,
            });
        }
        self.picture(picture)?;
        let say = |text| self.look.language.say_of_group(text);
        let timer = if *timer_s == 0 { say(GroupText::Stay) } else { say(GroupText::Seconds { count: *timer_s }) };
        let rows = [
            (say(GroupText::Title), harmless_line(title)),
            (say(GroupText::Description), harmless_line(description)),
            (say(GroupText::Timer), timer),
            (say(GroupText::MembersMay), members_may.join(", ")),
        ];
        for (what, value) in rows {
            self.line(&format!("{what}: {value}"))?;
        }
        Ok(())
    }

    /// A line about what happened.
    pub(super) fn group_line(&mut self, message: &Message, line: &Line) -> io::Result<()> {
        #[derive(Serialize)]
        struct Happened {
            event: &'static str,
            conversation: String,
            id: String,
            position: Option<u64>,
            at: String,
            by: String,
            what: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            whom: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            value: Option<serde_json::Value>,
        }
        if !self.json {
            let text = line_text(message, line, self.look);
            return self.line(&format!("[{}] * {text}", self.zone.date_and_clock(message.sent_at_ms)));
        }
        let (what, whom, value) = facts(line);
        let Message { conversation, id, sender, sender_handle, position, sent_at_ms, .. } = message;
        self.object(&Happened {
            event: "group",
            conversation: conversation.to_text(),
            id: id.to_text(),
            position: position.map(alcyon_client::Position::as_number),
            at: rfc3339(*sent_at_ms),
            by: sender_handle.as_ref().map_or_else(|| sender.to_text(), alcyon_client::Handle::to_text),
            what,
            whom: whom.map(|person| person.handle.as_ref().map_or_else(|| person.account.to_text(), alcyon_client::Handle::to_text)),
            value,
        })
    }
}

/// The word, whom it is about, and the new value.
fn facts(line: &Line) -> (&'static str, Option<&Person>, Option<serde_json::Value>) {
    match line {
        Line::Created => ("created", None, None),
        Line::Invited { whom } => ("invited", Some(whom), None),
        Line::CameIn { invited_by } => ("came-in", invited_by.as_ref(), None),
        Line::Left { whom } => ("left", Some(whom), None),
        Line::Removed { whom } => ("removed", Some(whom), None),
        Line::Role { whom, admin } => ("role", Some(whom), Some(if *admin { "admin" } else { "member" }.into())),
        Line::Title { title } => ("title", None, Some(title.as_str().into())),
        Line::Description { description } => ("description", None, Some(description.as_str().into())),
        Line::Picture => ("picture", None, None),
        Line::Timer { seconds } => ("timer", None, Some((*seconds).into())),
        Line::Permission { permission, members } => {
            ("permission", None, Some(format!("{} {}", permission.code(), if *members { "members" } else { "admins" }).into()))
        }
        Line::LinkOpened { approval } => ("link-opened", None, Some((*approval).into())),
        Line::LinkClosed => ("link-closed", None, None),
        Line::Ended => ("ended", None, None),
        Line::Moved { server, reason } => ("moved", None, Some(serde_json::json!({ "server": server, "reason": reason.code() }))),
        _ => ("unknown", None, None),
    }
}

/// What somebody is called in a line: the name, the whole handle, or the beginning of the account's id.
pub(super) fn name_of(person: &Person) -> String {
    match (given_name(person), &person.handle) {
        (Some(name), _) => name,
        (None, Some(handle)) => handle.to_text(),
        (None, None) => person.account.to_text().chars().take(8).collect(),
    }
}

/// What happened, in words.
pub(crate) fn line_text(message: &Message, line: &Line, look: Look) -> String {
    let by = if message.own { look.language.say(Text::You) } else { name_of(&author(message)) };
    harmless_line(&look.language.say_line(line, &by, message.own, name_of))
}
