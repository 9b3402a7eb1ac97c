//! Drawing of what belongs to commands: the line, the help's list, a group's panel, links.

use alcyon_client::{GroupPermission, GroupView, Person};
use alcyon_image::Pixels;
use crossterm::event::KeyCode;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    composer::Composer,
    dialogs::{Buttons, buttons, room, scrolled, window},
    draw::draw_text,
    rows::drawn,
    slash::{COMMANDS, TypedLink},
    state::Chat,
    theme::Theme,
};
use crate::{
    called::name_and_handle,
    harmless::harmless_line,
    look::Look,
    qr,
    text::{Text, group::GroupText, slash::SlashText},
    wrap::{cut, wrapped},
};

/// The commands, for the help: how each is used, and below it what it does.
pub(super) fn command_lines(look: Look, theme: Theme) -> Vec<Line<'static>> {
    let say = |text| theme.fit(&look.language.say_of_slash(text));
    let mut lines = vec![Line::default(), Line::styled(say(SlashText::CommandsTitle), theme.heading())];
    for command in COMMANDS {
        lines.push(Line::styled(format!("  {}", theme.fit(&command.usage(look.language))), theme.strong()));
        lines.push(Line::raw(format!("      {}", say(SlashText::What(command.name)))));
    }
    lines
}

pub(super) fn draw_command(chat: &mut Chat, line: &Composer, problem: Option<&str>, frame: &mut Frame<'_>) {
    const KEYS: Buttons = &[(Text::RunKey, KeyCode::Enter), (Text::CancelKey, KeyCode::Esc)];
    let theme = Theme::new(chat.look);
    let say = |text| theme.fit(&chat.look.language.say_of_slash(text));
    let hint = say(SlashText::CommandHint);
    let title = say(SlashText::CommandTitle);
    let columns = room(frame, 70);
    let (text, style) = match (problem, &chat.notice) {
        (Some(problem), _) => (theme.fit(problem), theme.alarm()),
        (None, Some(notice)) => (harmless_line(notice), theme.dim()),
        (None, None) if line.text().len() > 1 => {
            (theme.fit(&super::slash::hint(line.text(), chat.place(), chat.look.language)), theme.dim())
        }
        (None, None) => (hint.clone(), theme.dim()),
    };
    let mut rows = wrapped(&text, usize::from(columns));
    rows.truncate(3);
    let area = window(chat, &title, (columns, 7), frame);
    let field = Rect::new(area.x + 2, area.y, area.width.saturating_sub(2), 1).intersection(area);
    if !field.is_empty() {
        frame.buffer_mut().set_string(area.x, field.y, theme.prompt(), theme.heading());
        draw_text(line, &hint, true, theme, field, frame);
    }
    for (y, row) in (area.y + 2..area.bottom().saturating_sub(1)).zip(rows) {
        frame.buffer_mut().set_string(area.x, y, row, style);
    }
    buttons(chat, KEYS, Rect::new(area.x, area.bottom().saturating_sub(1), area.width, 1), frame.buffer_mut());
}

pub(super) fn draw_group(chat: &mut Chat, view: Option<&GroupView>, scroll: &mut u16, frame: &mut Frame<'_>) {
    let theme = Theme::new(chat.look);
    let columns = room(frame, 60);
    let (title, lines) = match view {
        None => (String::new(), vec![Line::styled(theme.fit(&chat.look.language.say(Text::Working)), theme.dim())]),
        Some(group) => (harmless_line(&group.title), group_lines(chat.look, theme, group, usize::from(columns))),
    };
    scrolled(chat, &title, lines, columns, (scroll, &[]), frame);
}

fn group_lines(look: Look, theme: Theme, group: &GroupView, columns: usize) -> Vec<Line<'static>> {
    let GroupView { title, description, picture, timer_s, members_may, members, doors, epoch: _ } = group;
    let of_group = |text| theme.fit(&look.language.say_of_group(text));
    let say = |text: SlashText<'_>| theme.fit(&look.language.say_of_slash(text));
    let name = |person: &Person| match (name_and_handle(person), &person.handle) {
        (Some(name), _) => name,
        (None, Some(handle)) => harmless_line(&handle.to_text()),
        (None, None) => person.account.to_text().chars().take(12).collect(),
    };
    let timer = if *timer_s == 0 { of_group(GroupText::Stay) } else { of_group(GroupText::Seconds { count: *timer_s }) };
    let may: Vec<_> = members_may.iter().map(|permission: &GroupPermission| say(SlashText::Permission(*permission))).collect();
    let may = if may.is_empty() { say(SlashText::Nothing) } else { may.join(", ") };
    let mut lines = match Pixels::of_thumbnail(picture) {
        Ok(pixels) => drawn(&pixels, columns, look),
        Err(_) => Vec::new(),
    };
    let settings = [
        (GroupText::Title, harmless_line(title)),
        (GroupText::Description, harmless_line(description)),
        (GroupText::Timer, timer),
        (GroupText::MembersMay, may),
    ];
    for (what, value) in settings {
        for row in wrapped(&format!("{}: {value}", of_group(what)), columns) {
            lines.push(Line::raw(row));
        }
    }
    lines.push(Line::default());
    lines.push(Line::styled(say(SlashText::Members { count: members.len() }), theme.heading()));
    for member in members {
        let who = if member.own { look.language.say(Text::You) } else { name(&member.person) };
        let role = of_group(if member.admin { GroupText::Admin } else { GroupText::Member });
        let facts = format!("  {role}, {}", say(SlashText::Devices { count: member.devices }));
        let who = cut(&who, columns.saturating_sub(2 + facts.chars().count()).max(8), theme.unicode());
        lines.push(Line::from(vec![Span::styled(format!("  {who}"), theme.strong()), Span::styled(facts, theme.dim())]));
    }
    lines.push(Line::default());
    lines.push(Line::styled(say(SlashText::Doors), theme.heading()));
    if doors.is_empty() {
        lines.push(Line::styled(format!("  {}", say(SlashText::NoDoors)), theme.dim()));
    }
    for door in doors {
        let by = name(&door.by);
        let text = match &door.whom {
            Some(whom) => say(SlashText::InviteFor { who: &name(whom), by: &by }),
            None => say(SlashText::LinkBy { by: &by, approval: door.approval }),
        };
        lines.extend(wrapped(&text, columns.saturating_sub(2)).into_iter().map(|row| Line::raw(format!("  {row}"))));
    }
    lines
}

/// Links as text, and the first as a code to scan where there is room for it.
pub(super) fn draw_links(chat: &mut Chat, links: &[TypedLink], scroll: &mut u16, frame: &mut Frame<'_>) {
    let theme = Theme::new(chat.look);
    let columns = room(frame, 76);
    let mut lines = Vec::new();
    for TypedLink(link) in links {
        for text in [link.to_text(), link.to_https()] {
            lines.extend(wrapped(&text, usize::from(columns)).into_iter().map(|row| Line::styled(row, theme.strong())));
            lines.push(Line::default());
        }
        let advice = chat.look.language.say_of_group(GroupText::LinkAdvice { approval: link.needs_approval() });
        lines.extend(wrapped(&theme.fit(&advice), usize::from(columns)).into_iter().map(|row| Line::styled(row, theme.dim())));
        lines.push(Line::default());
        let code = qr::half_blocks(&link.to_text()).filter(|_| theme.unicode()).unwrap_or_default();
        if code.first().is_some_and(|row| row.chars().count() <= usize::from(columns)) {
            lines.extend(code.into_iter().map(|row| Line::styled(row, theme.code())));
            lines.push(Line::default());
        }
    }
    scrolled(chat, &chat.look.language.say_of_slash(SlashText::LinkTitle), lines, columns, (scroll, &[]), frame);
}
