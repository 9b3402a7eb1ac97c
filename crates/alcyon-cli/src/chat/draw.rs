//! The screen: a bar, the list, the conversation or request, a line of hints; dialogs above.

use alcyon_client::{ConnectionState, ConversationSummary, KnockRequest, RequestKind, Standing};
use crossterm::event::KeyCode;
use ratatui::{
    Frame,
    buffer::Buffer,
    layout::{Constraint, Layout as Split, Rect},
    style::Style,
    text::{Line, Span},
    widgets::{Paragraph, Widget},
};

use super::{
    composer::Composer,
    dialog::Dialog,
    dialogs::{self, buttons},
    layout::Target,
    rows::Paper,
    state::{Chat, Choice, Focus},
    theme::Theme,
};
use crate::{
    called::title_of,
    harmless,
    harmless::harmless_line,
    report::{alarm_text, content::name, group::line_text, reporting::report_lines, shelf::notes},
    text::{Text, content::ContentText, group::GroupText, shelf::ShelfText},
    wrap::{cut, width, wrap, wrapped},
};

/// Below this nothing sensible can be shown.
const SMALLEST: (u16, u16) = (20, 6);
/// From so many rows on there is room for a line under the name.
const ROOMY: u16 = 16;
/// Rows that a row of the list takes.
const ENTRY_ROWS: u16 = 2;

/// Draws everything anew, and notes where it is.
pub(super) fn draw(chat: &mut Chat, frame: &mut Frame<'_>) {
    let area = frame.area();
    let theme = Theme::new(chat.look);
    chat.layout.begin(area);
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        frame.render_widget(chat.look.language.say(Text::TooSmall), area);
        return;
    }
    let [bar, middle, hints] = Split::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    draw_bar(chat, theme, bar, frame.buffer_mut());
    draw_hints(chat, theme, hints, frame.buffer_mut());
    let first_steps = matches!(chat.dialog, Some(Dialog::Welcome(_) | Dialog::Words(_)));
    if !first_steps {
        draw_hints(chat, theme, hints, frame.buffer_mut());
    }
    if first_steps {
        // There is nothing behind them yet.
    } else if chat.layout.narrow {
        match chat.focus {
            Focus::List => draw_list(chat, theme, middle, frame.buffer_mut()),
            Focus::Main => draw_main(chat, theme, middle, frame),
        }
    } else {
        let side = (area.width / 3).clamp(24, 36);
        let [list, line, main] = Split::horizontal([Constraint::Length(side), Constraint::Length(1), Constraint::Fill(1)]).areas(middle);
        draw_list(chat, theme, list, frame.buffer_mut());
        for y in line.top()..line.bottom() {
            frame.buffer_mut().set_string(line.x, y, theme.down(), theme.dim());
        }
        draw_main(chat, theme, main, frame);
    }
    if chat.dialog.is_some() {
        dialogs::draw(chat, frame);
    }
}

/// Name and handle at the left, the state of the connection at the right.
fn draw_bar(chat: &Chat, theme: Theme, area: Rect, buffer: &mut Buffer) {
    buffer.set_style(area, theme.bar());
    let say = |text| theme.fit(&chat.look.language.say(text));
    let state = match &chat.connection {
        _ if chat.me.is_none() => String::new(),
        ConnectionState::Connecting => format!("{} {}", theme.dot(false), say(Text::Connecting)),
        ConnectionState::Online => format!("{} {}", theme.dot(true), say(Text::Online)),
        ConnectionState::Waiting { .. } => {
            let seconds = chat.next_try_ms.saturating_sub(chat.now_ms).div_ceil(1000);
            format!("{} {}", theme.dot(false), say(Text::WaitingSeconds { seconds }))
        }
    };
    let room = usize::from(area.width).saturating_sub(2);
    let state = cut(&state, room, theme.unicode());
    let title = match &chat.me {
        Some(me) => format!("Alcyon  {me}"),
        None => "Alcyon".to_owned(),
    };
    let title = cut(&title, room.saturating_sub(width(&state) + 1), theme.unicode());
    buffer.set_string(area.x + 1, area.y, title, theme.bar());
    buffer.set_string(area.right().saturating_sub(columns(&state) + 1), area.y, state, theme.bar());
}

/// What can be done now, or what just happened.
fn draw_hints(chat: &Chat, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let say = |text| theme.fit(&chat.look.language.say(text));
    let (text, style) = match (&chat.notice, chat.focus, chat.chosen) {
        (Some(notice), _, _) => (harmless_line(notice), theme.notice()),
        _ if chat.waiting > 0 => (say(Text::Working), theme.notice()),
        (None, _, Some(Choice::Request(_))) => (say(Text::HintsRequest), theme.dim()),
        (None, Focus::Main, Some(Choice::Conversation(_))) if chat.dialog.is_none() && chat.command_line().is_some() => {
            (theme.fit(&chat.command_hint()), theme.notice())
        }
        (None, Focus::Main, Some(Choice::Conversation(_))) => (say(Text::HintsComposer), theme.dim()),
        (None, _, _) => (say(Text::HintsList), theme.dim()),
    };
    buffer.set_string(area.x + 1, area.y, cut(&text, usize::from(area.width).saturating_sub(2), theme.unicode()), style);
}

/// A line of the list: a heading, or one of the rows of an entry.
enum ListRow {
    Heading(String),
    Entry(Choice, [Line<'static>; ENTRY_ROWS as usize]),
}

fn draw_list(chat: &mut Chat, theme: Theme, area: Rect, buffer: &mut Buffer) {
    chat.layout.mark(area, Target::List);
    let say = |text| theme.fit(&chat.look.language.say(text));
    if chat.requests.is_empty() && chat.conversations.is_empty() {
        let text = format!("{}\n{}", say(Text::NobodyYet), say(Text::NobodyYetHint));
        for (row, line) in wrapped(&text, usize::from(area.width).saturating_sub(2)).iter().take(usize::from(area.height)).enumerate() {
            buffer.set_string(area.x + 1, area.y + u16::try_from(row).unwrap_or(u16::MAX), line, theme.dim());
        }
        return;
    }
    let mut rows = Vec::new();
    if !chat.requests.is_empty() {
        rows.push(ListRow::Heading(format!("{} ({})", say(Text::RequestsTitle), chat.requests.len())));
        rows.extend(
            chat.requests.iter().map(|request| ListRow::Entry(Choice::Request(request.id), request_entry(request, theme, area.width))),
        );
    }
    let entry = |one: &ConversationSummary| {
        ListRow::Entry(Choice::Conversation(one.conversation), conversation_entry(chat, one, theme, area.width))
    };
    if !chat.conversations.is_empty() {
        rows.push(ListRow::Heading(say(Text::ConversationsTitle)));
        rows.extend(chat.kept(false).map(entry));
    }
    let archived = chat.kept(true).count();
    if archived > 0 {
        rows.push(ListRow::Entry(Choice::Archive, archive_entry(chat, archived, theme, area.width)));
        if chat.archive_open {
            rows.extend(chat.kept(true).map(entry));
        }
    }
    // Scrolled by lines; the chosen entry is brought into sight when the choice changes, not against the wheel.
    let height = |row: &ListRow| if matches!(row, ListRow::Heading(_)) { 1 } else { usize::from(ENTRY_ROWS) };
    let total: usize = rows.iter().map(height).sum();
    let shown = usize::from(area.height);
    let mut scroll = chat.layout.list_scroll.min(total.saturating_sub(shown));
    if chat.layout.list_followed != chat.chosen {
        chat.layout.list_followed = chat.chosen;
        let mut top = 0;
        for row in &rows {
            if matches!(row, ListRow::Entry(choice, _) if Some(*choice) == chat.chosen) {
                scroll = scroll.min(top.max(1) - 1).max((top + height(row)).saturating_sub(shown));
            }
            top += height(row);
        }
    }
    chat.layout.list_scroll = scroll;
    let focused = chat.focus == Focus::List && chat.dialog.is_none();
    let mut line = 0_usize;
    let visible = |line: usize| (scroll..scroll + shown).contains(&line).then(|| area.y + u16::try_from(line - scroll).unwrap_or(u16::MAX));
    for row in rows {
        match row {
            ListRow::Heading(text) => {
                if let Some(y) = visible(line) {
                    buffer.set_string(
                        area.x + 1,
                        y,
                        cut(&text, usize::from(area.width).saturating_sub(2), theme.unicode()),
                        theme.heading(),
                    );
                }
                line += 1;
            }
            ListRow::Entry(choice, lines) => {
                for text in lines {
                    if let Some(y) = visible(line) {
                        let place = Rect::new(area.x, y, area.width, 1);
                        text.render(place, buffer);
                        if Some(choice) == chat.chosen {
                            buffer.set_style(place, theme.chosen(focused));
                        }
                        chat.layout.mark(place, Target::Row(choice));
                    }
                    line += 1;
                }
            }
        }
    }
}

fn request_entry(request: &KnockRequest, theme: Theme, columns: u16) -> [Line<'static>; 2] {
    let room = usize::from(columns).saturating_sub(3);
    let words = match &request.kind {
        RequestKind::Knock => harmless_line(&request.introduction),
        RequestKind::Invite { title, .. } | RequestKind::AskIn { title } => harmless_line(title),
        RequestKind::Report(report) => harmless_line(&report.title),
    };
    let words = cut(&words, room, theme.unicode());
    [
        title_line(&request.from.to_text(), "?", theme.notice(), room, theme),
        Line::from(vec![Span::raw("   "), Span::styled(words, theme.dim())]),
    ]
}

/// Behind it are the archived conversations.
fn archive_entry(chat: &Chat, count: usize, theme: Theme, columns: u16) -> [Line<'static>; 2] {
    let room = usize::from(columns).saturating_sub(4);
    let say = |text| cut(&theme.fit(&chat.look.language.say_of_shelf(text)), room, theme.unicode());
    let hint = if chat.archive_open { ShelfText::ArchiveHides } else { ShelfText::ArchiveShows };
    [
        Line::from(vec![Span::raw("   "), Span::styled(say(ShelfText::Archive { count }), theme.strong())]),
        Line::from(vec![Span::raw("   "), Span::styled(say(hint), theme.dim())]),
    ]
}

fn conversation_entry(chat: &Chat, one: &ConversationSummary, theme: Theme, columns: u16) -> [Line<'static>; 2] {
    let say = |text| theme.fit(&chat.look.language.say(text));
    let (mark, mark_style) = match one {
        one if one.alarm.is_some() => ("!", theme.alarm()),
        one if one.blocked => (if theme.unicode() { "⊘" } else { "x" }, theme.alarm()),
        _ => (" ", Style::new()),
    };
    let muted = one.muted.is_some_and(|muted| muted.holds_at(chat.now_ms));
    let badge = match (one.unread, one.marked_unread) {
        (0, false) => String::new(),
        (0, true) => (if theme.unicode() { " • " } else { " * " }).to_owned(),
        (unread, _) => format!(" {unread} "),
    };
    let room = usize::from(columns).saturating_sub(3 + width(&badge) + 1);
    let mut first = title_line(&title_of(one), mark, mark_style, room, theme);
    if !badge.is_empty() {
        let gap = (usize::from(columns) - 1).saturating_sub(first.width() + width(&badge));
        first.push_span(Span::raw(" ".repeat(gap)));
        // A muted one is counted, and does not shout.
        first.push_span(Span::styled(badge, if muted { theme.dim() } else { theme.badge() }));
    }
    let below = match (one.blocked, one.standing, &one.last) {
        (true, _, _) => say(Text::StandingBlocked),
        (_, Standing::Left, _) => say(Text::StandingLeft),
        (_, Standing::Joining, _) => say(Text::StandingJoining),
        (_, Standing::Asked, None) => say(Text::StandingAsked),
        (_, _, Some(last)) if last.line.is_some() => {
            last.line.as_ref().map(|line| theme.fit(&line_text(last, line, chat.look))).unwrap_or_default()
        }
        (_, _, Some(last)) if last.own => format!("{}: {}", say(Text::You), harmless_line(&last.text)),
        (_, _, Some(last)) => harmless_line(&last.text),
        (_, Standing::Open, None) => String::new(),
    };
    // In words: a sign alone says nothing to who can't see it.
    let word = |text| theme.fit(&chat.look.language.say_of_shelf(text));
    let mut words: Vec<_> = [
        (one.marked_unread && one.unread == 0, ShelfText::IsMarkedUnread),
        (!one.draft.is_empty(), ShelfText::HasDraft),
        (one.pinned, ShelfText::IsPinned),
        (muted, ShelfText::IsMuted),
    ]
    .into_iter()
    .filter(|(is, _)| *is)
    .map(|(_, text)| word(text))
    .collect();
    words.extend(Some(below).filter(|below| !below.is_empty()));
    let below = cut(&words.join(if theme.unicode() { " · " } else { " - " }), usize::from(columns).saturating_sub(4), theme.unicode());
    [first, Line::from(vec![Span::raw("   "), Span::styled(below, theme.dim())])]
}

/// ` ! name@server`: the name stands out, the server steps back.
fn title_line(title: &str, mark: &'static str, mark_style: Style, room: usize, theme: Theme) -> Line<'static> {
    let mut spans = vec![Span::raw(" "), Span::styled(mark, mark_style), Span::raw(" ")];
    spans.extend(name_spans(title, room, theme));
    Line::from(spans)
}

fn name_spans(title: &str, room: usize, theme: Theme) -> [Span<'static>; 2] {
    let title = cut(&harmless_line(title), room, theme.unicode());
    let (name, server) = title.split_at(title.find('@').unwrap_or(title.len()));
    [Span::styled(name.to_owned(), theme.strong()), Span::styled(server.to_owned(), theme.dim())]
}

fn draw_main(chat: &mut Chat, theme: Theme, area: Rect, frame: &mut Frame<'_>) {
    let area = Rect::new(area.x + 1, area.y, area.width.saturating_sub(2), area.height);
    match chat.chosen {
        Some(Choice::Conversation(_)) => draw_conversation(chat, theme, area, frame),
        Some(Choice::Request(_)) => draw_request(chat, theme, area, frame.buffer_mut()),
        Some(Choice::Archive) | None => {
            let text = if chat.conversations.is_empty() { Text::NobodyYetHint } else { Text::ChooseConversation };
            let text = theme.fit(&chat.look.language.say(text));
            let rows = wrapped(&text, usize::from(area.width));
            for (row, line) in (area.y + area.height / 2..area.bottom()).zip(&rows) {
                let left = area.width.saturating_sub(columns(line)) / 2;
                frame.buffer_mut().set_string(area.x + left, row, line, theme.dim());
            }
        }
    }
}

fn draw_conversation(chat: &mut Chat, theme: Theme, area: Rect, frame: &mut Frame<'_>) {
    let Some(summary) = chat.chosen_conversation() else { return };
    let id = summary.conversation;
    let title = name_spans(&title_of(summary), usize::from(area.width), theme);
    let state = state_of(summary);
    let say = |text| theme.fit(&chat.look.language.say(text));
    // What has to be known about it stays in sight, however long the conversation.
    let mut kinds = Vec::new();
    if let Some(open) = &chat.open {
        for alarm in &open.alarms {
            if !kinds.contains(&alarm.kind) {
                kinds.push(alarm.kind);
            }
        }
    }
    let mut first = Line::from_iter(title);
    let current = ConversationSummary { muted: summary.muted.filter(|muted| muted.holds_at(chat.now_ms)), ..summary.clone() };
    let notes = notes(&current, chat.zone, chat.look.language);
    if !notes.is_empty() {
        let room = usize::from(area.width).saturating_sub(first.width());
        first.push_span(Span::styled(cut(&theme.fit(&format!("  ({})", notes.join(", "))), room, theme.unicode()), theme.dim()));
    }
    let mut heads: Vec<Line<'_>> = vec![first];
    for kind in kinds {
        let rows = wrapped(&say(alarm_text(kind)), usize::from(area.width).saturating_sub(2));
        for (at, row) in rows.into_iter().enumerate() {
            heads.push(Line::styled(format!("{} {row}", if at == 0 { "!" } else { " " }), theme.alarm()));
        }
    }
    if let Some(state) = state {
        heads.extend(wrapped(&say(state), usize::from(area.width)).into_iter().map(|row| Line::styled(row, theme.notice())));
    }
    // Even so, half of the pane is for messages.
    heads.truncate(usize::from(area.height / 2).max(1));
    if area.height >= ROOMY {
        heads.push(Line::styled(theme.across().repeat(usize::from(area.width)), theme.dim()));
    }
    let closed = chat.is_closed(id);
    let inner = area.width.saturating_sub(2);
    let draft = chat.drafts.get(&id).cloned().unwrap_or_default();
    let most = (area.height / 3).clamp(1, 6);
    let rows = if closed { 0 } else { u16::try_from(wrap(draft.text(), usize::from(inner)).len()).unwrap_or(most).min(most) };
    let [head, messages, line, composer] = Split::vertical([
        Constraint::Length(u16::try_from(heads.len()).unwrap_or(1)),
        Constraint::Fill(1),
        Constraint::Length(u16::from(!closed)),
        Constraint::Length(rows),
    ])
    .areas(area);
    Paragraph::new(heads).render(head, frame.buffer_mut());
    draw_messages(chat, messages, frame.buffer_mut());
    if closed {
        return;
    }
    draw_composer_line(chat, theme, line, frame.buffer_mut());
    chat.layout.mark(composer, Target::Composer);
    frame.buffer_mut().set_string(composer.x, composer.y, theme.prompt(), theme.own());
    let inner = Rect::new(composer.x + 2, composer.y, inner, composer.height);
    chat.layout.composer = inner;
    let focused = chat.focus == Focus::Main && chat.dialog.is_none();
    let hint = theme.fit(&chat.look.language.say(Text::WriteHere));
    chat.layout.composer_scroll = draw_text(&draft, &hint, focused, theme, inner, frame);
}

/// What is special about a conversation.
fn state_of(summary: &ConversationSummary) -> Option<Text<'static>> {
    match summary.standing {
        _ if summary.blocked => Some(Text::TheyAreBlocked),
        Standing::Asked => Some(Text::NotAcceptedYet),
        Standing::Left => Some(Text::TheyLeft),
        Standing::Joining => Some(Text::ComingIn),
        Standing::Open => None,
    }
}

fn draw_messages(chat: &mut Chat, area: Rect, buffer: &mut Buffer) {
    chat.layout.mark(area, Target::Messages);
    chat.layout.message_rows = area.height;
    let today = chat.zone.local(chat.now_ms).date();
    let paper = Paper { look: chat.look, zone: chat.zone, today, width: area.width };
    let Some(open) = &mut chat.open else { return };
    open.lay_out(&paper);
    let height = usize::from(area.height);
    if std::mem::take(&mut open.bring)
        && let Some((_, place)) = open.rows.places.iter().find(|(id, _)| Some(*id) == open.selected)
    {
        open.scroll = open.rows.lines.len().saturating_sub(place.start + height.div_ceil(2));
    }
    open.scroll = open.scroll.min(open.rows.lines.len().saturating_sub(height));
    let end = open.rows.lines.len() - open.scroll;
    let shown = open.rows.lines.get(end.saturating_sub(height)..end).unwrap_or_default();
    // The newest at the bottom, beside the composer.
    let top = area.bottom().saturating_sub(u16::try_from(shown.len()).unwrap_or(area.height));
    for (y, line) in (top..area.bottom()).zip(shown) {
        line.render(Rect::new(area.x, y, area.width, 1), buffer);
    }
}

/// The line above the composer; it tells of messages out of sight.
fn draw_composer_line(chat: &Chat, theme: Theme, area: Rect, buffer: &mut Buffer) {
    buffer.set_string(area.x, area.y, theme.across().repeat(usize::from(area.width)), theme.dim());
    let here = chat.open.as_ref().map(|open| open.id);
    let typing = chat.typing.iter().filter(|one| Some(one.conversation) == here && one.until_ms > chat.now_ms);
    let names: Vec<String> = typing.map(|one| name(&one.by, false, chat.look)).collect();
    if !names.is_empty() {
        let text = format!(" {} ", theme.fit(&chat.look.language.say_of_content(ContentText::Types { who: &names.join(", ") })));
        buffer.set_string(area.x + 1, area.y, cut(&harmless_line(&text), usize::from(area.width / 2), theme.unicode()), theme.notice());
    }
    if let Some(open) = chat.open.as_ref().filter(|open| open.below > 0) {
        let text = format!(" {} ", theme.fit(&chat.look.language.say(Text::NewBelow { count: open.below })));
        let text = cut(&text, usize::from(area.width), theme.unicode());
        buffer.set_string(area.right().saturating_sub(columns(&text) + 1), area.y, text, theme.notice());
    }
}

fn draw_request(chat: &mut Chat, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let Some(request) = chat.chosen_request() else { return };
    let (asks_in, reports) = (matches!(request.kind, RequestKind::AskIn { .. }), matches!(request.kind, RequestKind::Report(_)));
    let say = |text: Text<'_>| theme.fit(&chat.look.language.say(text));
    let room = usize::from(area.width);
    let mut lines = Vec::new();
    let mut push = |text: &str, style: Style| lines.extend(wrapped(text, room).into_iter().map(|row| Line::styled(row, style)));
    push("", Style::new());
    let who = request.from.to_text();
    match request.kind {
        RequestKind::Knock => push(&say(Text::RequestFrom { who: &who }), theme.strong()),
        // What they want follows below.
        RequestKind::Invite { .. } | RequestKind::AskIn { .. } | RequestKind::Report(_) => push(&who, theme.strong()),
    }
    push(&chat.zone.date_and_clock(request.sent_at_ms), theme.dim());
    push("", Style::new());
    let group = |text: GroupText<'_>| theme.fit(&chat.look.language.say_of_group(text));
    match &request.kind {
        RequestKind::Knock => push(&harmless(&request.introduction), Style::new()),
        RequestKind::Invite { title, members, known } => {
            push(&group(GroupText::Invited { title: &harmless_line(title), members: *members }), Style::new());
            if !known.is_empty() {
                push(&group(GroupText::Known { names: &harmless_line(&known.join(", ")) }), Style::new());
            }
        }
        RequestKind::AskIn { title } => push(&group(GroupText::AsksIn { title: &harmless_line(title) }), Style::new()),
        RequestKind::Report(report) => {
            let what = (report.reason, report.words.as_str());
            for line in report_lines(report.about.as_ref(), Some(&report.title), what, &report.messages, chat.look, chat.zone) {
                push(&theme.fit(&line), Style::new());
            }
        }
    }
    push("", Style::new());
    if request.confirmed {
        push(&say(Text::RequestConfirmed), theme.good());
    } else {
        push(&say(Text::RequestUnconfirmed), theme.alarm());
    }
    // In groups, so that it can be read out and breaks well.
    let account = request.account.to_text();
    let groups: Vec<&str> = account.as_bytes().chunks(13).filter_map(|group| std::str::from_utf8(group).ok()).collect();
    push(&say(Text::AccountIs { account: &groups.join(" ") }), theme.dim());
    let [text, keys] = Split::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    Paragraph::new(lines).render(text, buffer);
    let (accept, decline) = match asks_in {
        true => (Text::LetInKey, Text::DoNotLetInKey),
        false => (Text::AcceptKey, Text::DeclineKey),
    };
    let keys_of = [(accept, KeyCode::Char('a')), (decline, KeyCode::Char('d')), (Text::BlockKey, KeyCode::Char('b'))];
    // A report can't be accepted: it is put away.
    buttons(chat, if reports { &keys_of[1..2] } else { &keys_of }, keys, buffer);
}

/// A text being written, with the cursor in sight. Returns its first row in sight.
pub(super) fn draw_text(text: &Composer, hint: &str, focused: bool, theme: Theme, area: Rect, frame: &mut Frame<'_>) -> usize {
    if area.is_empty() {
        return 0;
    }
    if text.text().is_empty() {
        frame.buffer_mut().set_string(area.x, area.y, cut(hint, usize::from(area.width), theme.unicode()), theme.dim());
    }
    let rows = wrap(text.text(), usize::from(area.width));
    let (row, column) = text.position(usize::from(area.width));
    let scroll = (row + 1).saturating_sub(usize::from(area.height));
    for (y, range) in (area.y..area.bottom()).zip(rows.into_iter().skip(scroll)) {
        let line = text.text().get(range).unwrap_or_default();
        frame.buffer_mut().set_stringn(area.x, y, line, usize::from(area.width), Style::new());
    }
    if focused {
        let column = u16::try_from(column).unwrap_or(u16::MAX).min(area.width);
        let row = u16::try_from(row - scroll).unwrap_or(u16::MAX);
        frame.set_cursor_position((area.x + column, area.y + row));
    }
    scroll
}

/// Columns of a short text.
pub(super) fn columns(text: &str) -> u16 {
    u16::try_from(width(text)).unwrap_or(u16::MAX)
}
