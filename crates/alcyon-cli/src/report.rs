//! What commands print: JSON with a fixed order of fields, or lines for people.

use std::io::{self, Write};

use alcyon_client::{
    Alarm, AlarmKind, ConnectionState, ConversationSummary, Delivery, Event, IntroductionView, KnockRequest, Me, Message, Registered,
    RequestKind, SafetyNumberView, SendOutcome, Standing, TransferState,
};
use data_encoding::BASE64;
use serde::Serialize;

use crate::{
    called::{author, title_of},
    harmless,
    harmless::harmless_line,
    look::Look,
    moments::{Zone, rfc3339},
    qr,
    text::{Text, group::GroupText, reporting::ReportingText},
};

pub(crate) mod content;
mod devices;
pub(crate) mod files;
pub(crate) mod group;
pub(crate) mod reporting;
pub(crate) mod shelf;

use reporting::{ReportLine, report_lines};

/// Standard output, in one of the two forms. Each object or line is flushed, so that a reader at a pipe has it at once.
pub(crate) struct Report<W> {
    out: W,
    look: Look,
    json: bool,
    zone: Zone,
    /// The output is a terminal that knows colours.
    colours: bool,
}

impl<W: Write> Report<W> {
    pub(crate) fn new(out: W, look: Look, json: bool, colours: bool) -> Self {
        Self { out, look, json, zone: Zone::System, colours }
    }

    pub(crate) fn look(&self) -> Look {
        self.look
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    fn object(&mut self, object: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_string(object)?;
        line.push('\n');
        // One write, so that a line is never torn between two.
        self.out.write_all(line.as_bytes())?;
        self.out.flush()
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        self.out.write_all(format!("{line}\n").as_bytes())?;
        self.out.flush()
    }

    fn say(&mut self, text: Text<'_>) -> io::Result<()> {
        self.line(&self.look.language.say(text))
    }

    pub(crate) fn registered(&mut self, registered: &Registered) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            handle: String,
            account: String,
            words: &'a str,
        }
        let (handle, account) = (registered.handle.to_text(), registered.account.to_text());
        if self.json {
            return self.object(&Line { handle, account, words: &registered.words });
        }
        self.say(Text::Welcome { handle: &handle })?;
        self.line("")?;
        for line in boxed_words(&registered.words, self.look) {
            self.line(&line)?;
        }
        self.line("")?;
        self.say(Text::WordsAdvice)?;
        self.line("")?;
        self.say(Text::NextSteps { handle: &handle })
    }

    /// Where one stands in the line of newcomers; for programs.
    pub(crate) fn in_line(&mut self, line: alcyon_client::InLine) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            event: &'static str,
            place: u64,
            waiting: u64,
            wait_ms: u64,
        }
        let alcyon_client::InLine { place, waiting, wait_ms } = line;
        self.object(&Line { event: "in_line", place, waiting, wait_ms })
    }

    pub(crate) fn me(&mut self, me: &Me) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            handle: String,
            account: String,
        }
        let line = Line { handle: me.handle.to_text(), account: me.account.to_text() };
        if self.json {
            return self.object(&line);
        }
        self.line(&line.handle)?;
        self.say(Text::AccountIs { account: &line.account })
    }

    /// The own name and picture.
    pub(crate) fn introduction(&mut self, introduction: &IntroductionView) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            account: String,
            handle: Option<String>,
            name: &'a str,
            picture: String,
        }
        let IntroductionView { account, handle, display_name, name: _, picture } = introduction;
        if self.json {
            let (account, handle) = (account.to_text(), handle.as_ref().map(alcyon_client::Handle::to_text));
            return self.object(&Line { account, handle, name: display_name, picture: BASE64.encode(picture) });
        }
        self.picture(picture)?;
        let say = |text| self.look.language.say(text);
        let name = if display_name.is_empty() { say(Text::NoName) } else { harmless_line(display_name) };
        let picture = say(if picture.is_empty() { Text::NoPicture } else { Text::HasPicture });
        self.line(&format!("{name}  ({picture})"))
    }

    pub(crate) fn conversations(&mut self, conversations: &[ConversationSummary]) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            conversation: String,
            title: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            name: Option<&'a str>,
            unread: u64,
            standing: &'static str,
            account: Option<String>,
            blocked: bool,
            alarm: Option<&'static str>,
            group: bool,
            own_devices: bool,
            pinned: bool,
            muted: bool,
            muted_until: Option<String>,
            archived: bool,
            marked_unread: bool,
            timer_s: u32,
            draft: &'a str,
        }
        if conversations.is_empty() && !self.json {
            return self.say(Text::NoConversations);
        }
        for summary in conversations {
            let ConversationSummary {
                conversation,
                title,
                name,
                peer,
                unread,
                standing,
                last,
                blocked,
                alarm,
                group,
                own_devices,
                pinned,
                muted,
                archived,
                marked_unread,
                draft,
                timer_s,
            } = summary;
            if self.json {
                self.object(&Line {
                    conversation: conversation.to_text(),
                    title,
                    name: name.as_deref(),
                    unread: *unread,
                    standing: standing_word(*standing),
                    account: peer.map(alcyon_client::AccountId::to_text),
                    blocked: *blocked,
                    alarm: alarm.as_ref().map(|alarm| alarm.kind.code()),
                    group: *group,
                    own_devices: *own_devices,
                    pinned: *pinned,
                    muted: muted.is_some(),
                    muted_until: muted.and_then(shelf::until),
                    archived: *archived,
                    marked_unread: *marked_unread,
                    timer_s: *timer_s,
                    draft,
                })?;
                continue;
            }
            let say = |text| self.look.language.say(text);
            let mut notes = Vec::new();
            if *unread > 0 {
                notes.push(say(Text::Unread { count: *unread }));
            }
            notes.extend(standing_text(*standing).map(say));
            if *blocked {
                notes.push(say(Text::StandingBlocked));
            }
            notes.extend(shelf::notes(summary, self.zone, self.look.language));
            let mut line = title_of(summary);
            if name.is_some() {
                line.push_str(&format!("  {}", harmless_line(title)));
            }
            if !notes.is_empty() {
                line.push_str(&format!("  ({})", notes.join(", ")));
            }
            self.line(&line)?;
            if let Some(last) = last {
                let line = self.message_line(last);
                self.line(&format!("    {}", line.lines().next().unwrap_or_default()))?;
            }
            if let Some(alarm) = alarm {
                self.line(&format!("    ! {}", self.look.language.say(alarm_text(alarm.kind))))?;
            }
        }
        Ok(())
    }

    pub(crate) fn requests(&mut self, requests: &[KnockRequest]) -> io::Result<()> {
        if requests.is_empty() && !self.json {
            return self.say(Text::NoRequests);
        }
        for request in requests {
            if self.json {
                self.object(&RequestLine::of(None, request))?;
            } else {
                self.request_lines(request)?;
            }
        }
        if !self.json {
            self.line("")?;
            self.say(Text::RequestHint)?;
        }
        Ok(())
    }

    fn request_lines(&mut self, request: &KnockRequest) -> io::Result<()> {
        let KnockRequest { id, from, account, confirmed, kind, introduction, sent_at_ms } = request;
        let say = |text| self.look.language.say(text);
        let who = from.to_text();
        let confirmed = if *confirmed { say(Text::RequestConfirmed) } else { say(Text::RequestUnconfirmed) };
        let mut text = format!("[{}] {}\n", self.zone.date_and_clock(*sent_at_ms), say(Text::RequestFrom { who: &who }));
        let language = self.look.language;
        match kind {
            RequestKind::Knock => {}
            RequestKind::Report(report) => {
                let what = (report.reason, report.words.as_str());
                let lines = report_lines(report.about.as_ref(), Some(&report.title), what, &report.messages, self.look, self.zone);
                text.push_str(&indented(&lines.join("\n"), self.look));
                text.push_str(&format!("    {}\n", language.say_of_reporting(ReportingText::AdminHint)));
            }
            RequestKind::Invite { title, members, known } => {
                text.push_str(&format!(
                    "    {}\n",
                    language.say_of_group(GroupText::Invited { title: &harmless_line(title), members: *members })
                ));
                if !known.is_empty() {
                    text.push_str(&format!(
                        "    {}\n",
                        language.say_of_group(GroupText::Known { names: &harmless_line(&known.join(", ")) })
                    ));
                }
            }
            RequestKind::AskIn { title } => {
                text.push_str(&format!(
                    "    {}\n    {}\n",
                    language.say_of_group(GroupText::AsksIn { title: &harmless_line(title) }),
                    language.say_of_group(GroupText::AskInHint)
                ));
            }
        }
        if !introduction.is_empty() {
            text.push_str(&indented(&format!("“{}”", harmless(introduction)), self.look));
        }
        text.push_str(&format!("    {}\n    {confirmed}\n    id {}", say(Text::AccountIs { account: &account.to_text() }), id.to_text()));
        self.line(&text)
    }

    pub(crate) fn outcome(&mut self, outcome: &SendOutcome) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            event: &'static str,
            id: String,
            conversation: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            position: Option<u64>,
        }
        let (event, id, conversation, position) = match outcome {
            SendOutcome::Sent { id, conversation, position } => ("sent", id, conversation, Some(position.as_number())),
            SendOutcome::Queued { id, conversation } => ("queued", id, conversation, None),
        };
        if self.json {
            self.object(&Line { event, id: id.to_text(), conversation: conversation.to_text(), position })
        } else if position.is_some() {
            self.say(Text::Sent)
        } else {
            self.say(Text::Queued)
        }
    }

    pub(crate) fn message(&mut self, message: &Message) -> io::Result<()> {
        if let Some(line) = &message.line {
            return self.group_line(message, line);
        }
        if self.json {
            self.object(&content::MessageLine::of("message", message))
        } else {
            let line = self.message_line(message);
            self.line(&line)
        }
    }

    /// `[2026-01-05 14:03] ben@server: text`, further lines indented, how far an own one has got at the end.
    fn message_line(&self, message: &Message) -> String {
        if let Some(line) = &message.line {
            return format!("[{}] * {}", self.zone.date_and_clock(message.sent_at_ms), group::line_text(message, line, self.look));
        }
        let Message { own, sent_at_ms, delivery, .. } = message;
        let who = if *own { self.look.language.say(Text::You) } else { group::name_of(&author(message)) };
        let mark = if *own { format!("  {}", delivery_mark(*delivery, self.look)) } else { String::new() };
        let mut lines = content::quote_line(message, self.look).map(|quote| format!("{quote}\n")).unwrap_or_default();
        lines.push_str(&content::said(message, self.look, self.colours));
        let mut below = content::below(message, self.look);
        below.insert(0, lines + &mark);
        format!("[{}] {who}: {}", self.zone.date_and_clock(*sent_at_ms), below.join("\n").replace('\n', "\n    "))
    }

    /// One event of `listen` or `sync`; `who` names its conversation.
    pub(crate) fn event(&mut self, event: &Event, who: &str) -> io::Result<()> {
        match event {
            Event::Message(message) => self.message(message),
            Event::Delivery(message) => self.delivery(message, who),
            Event::Changed(changed) => self.changed(changed),
            // People have a bar where they wait for one; elsewhere they are told how it ends.
            Event::Transfer(view) if self.json || view.state != TransferState::Going => self.transfer(view),
            Event::Request(request) if self.json => self.object(&RequestLine::of(Some("request"), request)),
            Event::Request(request) => self.request_lines(request),
            Event::Accepted { conversation } => self.change("accepted", &conversation.to_text(), Text::Accepted { who }),
            Event::Left { conversation } => self.change("left", &conversation.to_text(), Text::HasLeft { who }),
            Event::History { conversation } => self.change("history", &conversation.to_text(), Text::HistoryCame { who }),
            Event::Gone { conversation, id } => self.gone(*conversation, *id),
            Event::Read { conversation, by, up_to } => self.read(*conversation, by, *up_to),
            Event::Introduced { person } => self.introduced(person),
            Event::Typing { conversation, by, typing } => self.typing(*conversation, by, *typing),
            Event::Alarm(alarm) => self.alarm(alarm, who),
            Event::DeviceRemoved => self.device_removed(),
            Event::Connection(state) => self.connection(state),
            // An event that is newer than this program is nothing that it could show.
            _ => Ok(()),
        }
    }

    /// Something happened to a conversation.
    pub(crate) fn change(&mut self, event: &'static str, conversation: &str, text: Text<'_>) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            event: &'static str,
            conversation: &'a str,
        }
        if self.json { self.object(&Line { event, conversation }) } else { self.say(text) }
    }

    /// Something happened to a contact.
    pub(crate) fn contact(&mut self, event: &'static str, handle: &str, text: Text<'_>) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            event: &'static str,
            handle: &'a str,
        }
        if self.json { self.object(&Line { event, handle }) } else { self.say(text) }
    }

    fn delivery(&mut self, message: &Message, who: &str) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            event: &'static str,
            conversation: String,
            id: String,
            delivery: &'static str,
            position: Option<u64>,
        }
        if self.json {
            let position = message.position.map(alcyon_client::Position::as_number);
            let (conversation, id) = (message.conversation.to_text(), message.id.to_text());
            return self.object(&Line { event: "delivery", conversation, id, delivery: delivery_word(message.delivery), position });
        }
        match message.delivery {
            Delivery::Delivered => self.say(Text::DeliveredTo { who }),
            Delivery::Failed => self.say(Text::NotSent { who }),
            // Told when it was written.
            Delivery::Queued | Delivery::Sent | Delivery::Read => Ok(()),
        }
    }

    fn alarm(&mut self, alarm: &Alarm, who: &str) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            event: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            conversation: Option<String>,
            kind: &'static str,
            sequence: u64,
        }
        let Alarm { conversation, kind, sequence } = alarm;
        if self.json {
            let conversation = conversation.map(alcyon_client::ConversationId::to_text);
            return self.object(&Line { event: "alarm", conversation, kind: kind.code(), sequence: *sequence });
        }
        let place = if conversation.is_some() { who.to_owned() } else { self.look.language.say(Text::AlarmInInbox) };
        let text = self.look.language.say(alarm_text(*kind));
        self.line(&format!("! {place}: {text}"))
    }

    fn connection(&mut self, state: &ConnectionState) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            event: &'static str,
            state: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            retry_in_ms: Option<u64>,
        }
        let (word, retry_in_ms, text) = match state {
            ConnectionState::Connecting => ("connecting", None, Text::Connecting),
            ConnectionState::Online => ("online", None, Text::Online),
            ConnectionState::Waiting { retry_in_ms } => {
                ("waiting", Some(*retry_in_ms), Text::WaitingSeconds { seconds: retry_in_ms.div_ceil(1000) })
            }
        };
        if self.json {
            self.object(&Line { event: "connection", state: word, retry_in_ms })
        } else {
            let text = self.look.language.say(text);
            self.line(&format!("-- {text}"))
        }
    }

    pub(crate) fn safety_number(&mut self, who: &str, view: &SafetyNumberView) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            safety_number: &'a str,
        }
        if self.json {
            return self.object(&Line { safety_number: &view.digits });
        }
        self.say(Text::CompareNumbers { who })?;
        self.line("")?;
        for row in digit_rows(&view.digits) {
            self.line(&format!("    {row}"))?;
        }
        if self.look.unicode
            && let Some(rows) = qr::half_blocks(&view.qr_text)
        {
            self.line("")?;
            // Dark on light, whatever colours the terminal has: some cameras want it so.
            let (before, after) = if self.colours { ("\u{1b}[97;40m", "\u{1b}[0m") } else { ("", "") };
            for row in rows {
                self.line(&format!("    {before}{row}{after}"))?;
            }
        }
        Ok(())
    }

    pub(crate) fn nothing_new(&mut self) -> io::Result<()> {
        if self.json { Ok(()) } else { self.say(Text::NothingNew) }
    }

    /// What waits for a server, and when it is tried again if that is known. It is late, not lost.
    pub(crate) fn still_queued(&mut self, count: usize, next_try_in_ms: Option<u64>) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            event: &'static str,
            queued: usize,
            next_try_in_ms: u64,
        }
        match next_try_in_ms {
            _ if count == 0 => Ok(()),
            Some(next_try_in_ms) if self.json => self.object(&Line { event: "waiting", queued: count, next_try_in_ms }),
            _ if self.json => Ok(()),
            Some(next_try_in_ms) => self.say(Text::StillWaiting { count, seconds: next_try_in_ms.div_ceil(1000) }),
            None => self.say(Text::StillQueued { count }),
        }
    }

    pub(crate) fn no_messages(&mut self) -> io::Result<()> {
        if self.json { Ok(()) } else { self.say(Text::NoMessages) }
    }

    pub(crate) fn listening(&mut self) -> io::Result<()> {
        if self.json { Ok(()) } else { self.say(Text::Listening) }
    }
}

#[derive(Serialize)]
struct RequestLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    id: String,
    from: String,
    kind: &'static str,
    account: String,
    confirmed: bool,
    text: &'a str,
    sent_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<ReportLine<'a>>,
}

impl<'a> RequestLine<'a> {
    fn of(event: Option<&'static str>, request: &'a KnockRequest) -> Self {
        let KnockRequest { id, from, account, confirmed, kind, introduction, sent_at_ms } = request;
        let (kind, title, members, known) = match kind {
            RequestKind::Knock => ("knock", None, None, None),
            RequestKind::Invite { title, members, known } => ("invite", Some(title.as_str()), Some(*members), Some(known.as_slice())),
            RequestKind::AskIn { title } => ("ask-in", Some(title.as_str()), None, None),
            RequestKind::Report(report) => ("report", Some(report.title.as_str()), None, None),
        };
        let report = if let RequestKind::Report(report) = &request.kind { Some(ReportLine::of(report)) } else { None };
        let (id, from, account) = (id.to_text(), from.to_text(), account.to_text());
        Self {
            event,
            id,
            from,
            kind,
            account,
            confirmed: *confirmed,
            text: introduction,
            sent_at: rfc3339(*sent_at_ms),
            title,
            members,
            known,
            report,
        }
    }
}

fn indented(text: &str, look: Look) -> String {
    let text = if look.unicode { text.to_owned() } else { text.replace(['“', '”'], "\"") };
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// Twelve words, numbered, three columns in a frame.
fn boxed_words(words: &str, look: Look) -> Vec<String> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let rows = words.len().div_ceil(3);
    let title = look.language.say(Text::WordsTitle);
    let lines: Vec<String> = (0..rows)
        .map(|row| {
            let cell = |column: usize| {
                let number = column * rows + row;
                words.get(number).map_or_else(|| " ".repeat(15), |word| format!("{:>2}  {word:<11}", number + 1))
            };
            format!("  {} {} {}", cell(0), cell(1), cell(2))
        })
        .collect();
    let inner = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0).max(title.chars().count() + 4);
    let [corner_a, corner_b, corner_c, corner_d, across, down] =
        if look.unicode { ["┌", "┐", "└", "┘", "─", "│"] } else { ["+", "+", "+", "+", "-", "|"] };
    let rest = inner - title.chars().count() - 3;
    let mut boxed = vec![format!("  {corner_a}{across} {title} {}{corner_b}", across.repeat(rest))];
    boxed.extend(lines.iter().map(|line| format!("  {down}{line:<inner$}{down}")));
    boxed.push(format!("  {corner_c}{}{corner_d}", across.repeat(inner)));
    boxed
}

/// Sixty digits in groups of five, three groups a row.
pub(crate) fn digit_rows(digits: &str) -> Vec<String> {
    let digits: Vec<char> = digits.chars().filter(char::is_ascii_digit).collect();
    let groups: Vec<String> = digits.chunks(5).map(|group| group.iter().collect()).collect();
    groups.chunks(3).map(|row| row.join("  ")).collect()
}

pub(crate) fn alarm_text(kind: AlarmKind) -> Text<'static> {
    match kind {
        AlarmKind::Broken => Text::AlarmBroken,
        AlarmKind::Forked => Text::AlarmForked,
        AlarmKind::ServerRestored => Text::AlarmServerRestored,
        AlarmKind::ProfileRestored => Text::AlarmProfileRestored,
        AlarmKind::HandleChanged => Text::AlarmHandleChanged,
        AlarmKind::Gap => Text::AlarmGap,
        AlarmKind::Unreadable => Text::AlarmUnreadable,
        _ => Text::AlarmUnknown,
    }
}

pub(crate) fn delivery_mark(delivery: Delivery, look: Look) -> &'static str {
    match (delivery, look.unicode) {
        (Delivery::Queued, true) => "⋯",
        (Delivery::Queued, false) => "..",
        (Delivery::Sent, true) => "✓",
        (Delivery::Sent, false) => "v",
        (Delivery::Read, true) => "◉",
        (Delivery::Read, false) => "r",
        (Delivery::Delivered, true) => "✓✓",
        (Delivery::Delivered, false) => "vv",
        (Delivery::Failed, true) => "✗",
        (Delivery::Failed, false) => "x",
    }
}

pub(crate) fn delivery_word(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Queued => "queued",
        Delivery::Sent => "sent",
        Delivery::Delivered => "delivered",
        Delivery::Read => "read",
        Delivery::Failed => "failed",
    }
}

fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Asked => "asked",
        Standing::Open => "open",
        Standing::Left => "left",
        Standing::Joining => "joining",
    }
}

fn standing_text(standing: Standing) -> Option<Text<'static>> {
    match standing {
        Standing::Asked => Some(Text::StandingAsked),
        Standing::Open => None,
        Standing::Left => Some(Text::StandingLeft),
        Standing::Joining => Some(Text::StandingJoining),
    }
}

#[cfg(test)]
mod tests;
