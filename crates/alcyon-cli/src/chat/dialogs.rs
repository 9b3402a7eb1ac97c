//! Drawing of what lies above the chat.

use alcyon_client::SafetyNumberView;
use alcyon_image::Pixels;
use crossterm::event::KeyCode;
use ratatui::{
    Frame,
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph, Widget},
};

use super::{
    dialog::{Dialog, Form, Words},
    draw::{columns, draw_text},
    finding,
    graphics::Graphics,
    layout::Target,
    panels,
    rows::drawn_within,
    state::Chat,
    theme::Theme,
};
use crate::{
    harmless::harmless_line,
    picture, qr,
    report::{delivery_mark, digit_rows},
    text::{Text, files::FileText, slash::SlashText},
    wrap::{cut, width, wrapped},
};

/// Buttons of a dialog, and the keys that do the same.
pub(super) type Buttons = &'static [(Text<'static>, KeyCode)];

const YES_OR_NO: Buttons = &[(Text::YesKey, KeyCode::Char('y')), (Text::CancelKey, KeyCode::Esc)];

pub(super) fn draw(chat: &mut Chat, frame: &mut Frame<'_>) {
    // Taken out while it is drawn, so that the rest of the state is at hand.
    let Some(mut dialog) = chat.dialog.take() else { return };
    let language = chat.look.language;
    match &mut dialog {
        Dialog::Welcome(form) => draw_welcome(chat, form, frame),
        Dialog::Words(words) => draw_words(chat, words, frame),
        Dialog::Help { scroll } => draw_help(chat, scroll, frame),
        Dialog::New(form) => draw_new(chat, form, frame),
        Dialog::Block { handle } => {
            let question = language.say(Text::BlockQuestion { who: &handle.to_text() });
            const KEYS: Buttons = &[(Text::BlockKey, KeyCode::Char('b')), (Text::CancelKey, KeyCode::Esc)];
            draw_question(chat, &language.say(Text::BlockTitle), &question, KEYS, frame);
        }
        Dialog::Problem(problem) => {
            const KEYS: Buttons = &[(Text::CloseKey, KeyCode::Esc)];
            draw_question(chat, &language.say(Text::ProblemTitle), problem, KEYS, frame);
        }
        Dialog::Told(text) => {
            const KEYS: Buttons = &[(Text::CloseKey, KeyCode::Esc)];
            draw_question(chat, "Alcyon", text, KEYS, frame);
        }
        Dialog::Confirm { question, .. } => {
            draw_question(chat, &language.say_of_slash(SlashText::Sure), question, YES_OR_NO, frame);
        }
        Dialog::Read { lines, scroll, .. } => {
            let theme = Theme::new(chat.look);
            let columns = room(frame, 56);
            let rows = lines.iter().flat_map(|line| wrapped(&theme.fit(line), usize::from(columns))).map(Line::raw).collect();
            scrolled(chat, &language.say_of_slash(SlashText::Sure), rows, columns, (scroll, YES_OR_NO), frame);
        }
        Dialog::Command { line, problem } => panels::draw_command(chat, line, problem.as_deref(), frame),
        Dialog::Group { view, scroll } => panels::draw_group(chat, view.as_deref(), scroll, frame),
        Dialog::Links { links, scroll } => panels::draw_links(chat, links, scroll, frame),
        Dialog::Search(finding) => finding::draw(chat, finding, frame),
        Dialog::Image { name, pixels, place } => *place = draw_image(chat, name, pixels, frame),
        Dialog::Safety { who, number } => draw_safety(chat, who, number.as_ref(), frame),
    }
    chat.dialog = Some(dialog);
}

/// An empty frame in the middle, as large as asked for or as there is room. Returns the inner part.
pub(super) fn window(chat: &mut Chat, title: &str, inner: (u16, u16), frame: &mut Frame<'_>) -> Rect {
    let theme = Theme::new(chat.look);
    let screen = frame.area();
    let (across, down) = ((inner.0 + 4).min(screen.width), (inner.1 + 2).min(screen.height));
    let area = Rect::new(screen.x + (screen.width - across) / 2, screen.y + (screen.height - down) / 2, across, down);
    chat.layout.cover();
    frame.render_widget(Clear, area);
    // A wide character that begins just outside would lie over the frame.
    for y in area.top()..area.bottom() {
        if let Some(cell) = area.x.checked_sub(1).and_then(|x| frame.buffer_mut().cell_mut((x, y)))
            && width(cell.symbol()) > 1
        {
            cell.set_symbol(" ");
        }
    }
    let title = cut(&theme.fit(title), usize::from(across).saturating_sub(6), theme.unicode());
    let block = Block::bordered()
        .border_set(theme.borders())
        .border_style(theme.heading())
        .title(Line::styled(format!(" {title} "), theme.heading()));
    frame.render_widget(block, area);
    Rect::new(area.x + 2, area.y + 1, area.width.saturating_sub(4), area.height.saturating_sub(2))
}

/// Buttons side by side, on the first row of `area`.
pub(super) fn buttons(chat: &mut Chat, keys: &[(Text<'static>, KeyCode)], area: Rect, buffer: &mut Buffer) {
    let theme = Theme::new(chat.look);
    let mut x = area.x;
    for (text, key) in keys {
        let label = format!("[ {} ]", theme.fit(&chat.look.language.say(*text)));
        let label = cut(&label, usize::from(area.right().saturating_sub(x)), theme.unicode());
        if area.height == 0 || label.is_empty() {
            return;
        }
        buffer.set_string(x, area.y, &label, theme.heading());
        chat.layout.mark(Rect::new(x, area.y, columns(&label), 1), Target::Key(*key));
        x += columns(&label) + 2;
    }
}

/// Columns that a text may take on this screen.
pub(super) fn room(frame: &Frame<'_>, most: u16) -> u16 {
    most.min(frame.area().width.saturating_sub(6))
}

fn draw_question(chat: &mut Chat, title: &str, question: &str, keys: Buttons, frame: &mut Frame<'_>) {
    let theme = Theme::new(chat.look);
    let columns = room(frame, 56);
    let rows = wrapped(&theme.fit(&crate::harmless(question)), usize::from(columns));
    let height = u16::try_from(rows.len()).unwrap_or(u16::MAX - 4);
    let area = window(chat, title, (columns, height + 2), frame);
    Paragraph::new(rows.into_iter().map(Line::raw).collect::<Vec<_>>()).render(area, frame.buffer_mut());
    let last = Rect::new(area.x, area.bottom().saturating_sub(1), area.width, 1);
    buttons(chat, keys, last, frame.buffer_mut());
}

/// Two fields under their labels, what is wrong, buttons.
fn draw_form(chat: &mut Chat, form: &Form, labels: [(Text<'static>, Text<'static>); 2], keys: Buttons, area: Rect, frame: &mut Frame<'_>) {
    let theme = Theme::new(chat.look);
    let mut y = area.y;
    for (at, ((label, example), field)) in labels.into_iter().zip(&form.fields).enumerate() {
        let label = theme.fit(&chat.look.language.say(label));
        let style = if form.at == at { theme.heading() } else { theme.dim() };
        if y < area.bottom() {
            frame.buffer_mut().set_string(area.x, y, cut(&label, usize::from(area.width), theme.unicode()), style);
        }
        let place = Rect::new(area.x + 2, y + 1, area.width.saturating_sub(2), 1).intersection(area);
        if !place.is_empty() {
            frame.buffer_mut().set_string(area.x, place.y, theme.prompt(), style);
            let example = theme.fit(&chat.look.language.say(example));
            draw_text(field, &example, form.at == at && !form.busy, theme, place, frame);
            chat.layout.mark(Rect::new(area.x, y, area.width, 2).intersection(area), Target::Field(at));
        }
        y += 3;
    }
    let (text, style) = match &form.problem {
        Some(problem) => (theme.fit(&crate::harmless(problem)), theme.alarm()),
        None if form.busy => (theme.fit(&chat.look.language.say(Text::LookingUp)), theme.notice()),
        None => (String::new(), Style::new()),
    };
    for row in wrapped(&text, usize::from(area.width)) {
        if y + 1 < area.bottom() {
            frame.buffer_mut().set_string(area.x, y, row, style);
            y += 1;
        }
    }
    let last = Rect::new(area.x, area.bottom().saturating_sub(1), area.width, 1);
    buttons(chat, keys, last, frame.buffer_mut());
}

fn draw_new(chat: &mut Chat, form: &Form, frame: &mut Frame<'_>) {
    const KEYS: Buttons = &[(Text::NewKey, KeyCode::Enter), (Text::CancelKey, KeyCode::Esc)];
    let area = window(chat, &chat.look.language.say(Text::NewTitle), (room(frame, 56), 10), frame);
    let labels = [(Text::HandleLabel, Text::HandleExample), (Text::MessageLabel, Text::WriteHere)];
    draw_form(chat, form, labels, KEYS, area, frame);
}

fn draw_welcome(chat: &mut Chat, form: &Form, frame: &mut Frame<'_>) {
    const KEYS: Buttons = &[(Text::CreateKey, KeyCode::Enter), (Text::QuitShort, KeyCode::Esc)];
    let theme = Theme::new(chat.look);
    let columns = room(frame, 60);
    let mut about = wrapped(&theme.fit(&chat.look.language.say(Text::WelcomeText)), usize::from(columns));
    // The form is needed, the words about it are not.
    about.truncate(usize::from(frame.area().height.saturating_sub(13)));
    let height = u16::try_from(about.len()).unwrap_or(0);
    let area = window(chat, &chat.look.language.say(Text::WelcomeTitle), (columns, height + 11), frame);
    Paragraph::new(about.into_iter().map(Line::raw).collect::<Vec<_>>()).render(area, frame.buffer_mut());
    let below = Rect::new(area.x, area.y + height + 1, area.width, area.height.saturating_sub(height + 1));
    let labels = [(Text::ServerLabel, Text::ServerExample), (Text::NameLabel, Text::NameExample)];
    draw_form(chat, form, labels, KEYS, below, frame);
}

fn draw_words(chat: &mut Chat, words: &Words, frame: &mut Frame<'_>) {
    const SHOWN: Buttons = &[(Text::WordsWritten, KeyCode::Enter)];
    const SURE: Buttons = &[(Text::WordsSureKey, KeyCode::Char('y')), (Text::WordsBackKey, KeyCode::Esc)];
    let theme = Theme::new(chat.look);
    let language = chat.look.language;
    if words.sure {
        draw_question(chat, &language.say(Text::WordsTitle), &language.say(Text::WordsSure), SURE, frame);
        return;
    }
    let room = room(frame, 60);
    let list: Vec<&str> = words.words.split_whitespace().collect();
    // Columns of words, read downwards; two where three do not fit.
    let per_row = if room >= 48 { 3 } else { 2 };
    let rows = list.len().div_ceil(per_row);
    let row = |at: usize| {
        let cell = |column: usize| {
            list.get(column * rows + at).map(|word| format!("{:>2} {word:<12}", column * rows + at + 1)).unwrap_or_default()
        };
        (0..per_row).map(cell).collect::<String>()
    };
    let mut lines: Vec<Line<'_>> =
        vec![Line::styled(language.say(Text::Welcome { handle: &words.handle }), theme.strong()), Line::default()];
    lines.extend((0..rows).map(|at| Line::styled(row(at), theme.own())));
    lines.push(Line::default());
    lines.extend(wrapped(&theme.fit(&language.say(Text::WordsChatAdvice)), usize::from(room)).into_iter().map(Line::raw));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX - 4);
    let area = window(chat, &language.say(Text::WordsTitle), (room, height + 2), frame);
    let text = Rect::new(area.x, area.y, area.width, area.height.saturating_sub(1));
    Paragraph::new(lines).render(text, frame.buffer_mut());
    buttons(chat, SHOWN, Rect::new(area.x, area.bottom().saturating_sub(1), area.width, 1), frame.buffer_mut());
}

fn draw_help(chat: &mut Chat, scroll: &mut u16, frame: &mut Frame<'_>) {
    let theme = Theme::new(chat.look);
    let mut text = chat.look.language.say(Text::HelpKeys);
    use alcyon_client::Delivery::{Delivered, Failed, Queued, Read, Sent};
    for (name, delivery) in [("{queued}", Queued), ("{sent}", Sent), ("{delivered}", Delivered), ("{read}", Read), ("{failed}", Failed)] {
        text = text.replace(name, delivery_mark(delivery, chat.look));
    }
    let mut lines: Vec<Line<'static>> = text
        .lines()
        .map(|line| match line.split_once('|') {
            Some((keys, what)) => {
                let keys = theme.fit(keys);
                let gap = 16_usize.saturating_sub(width(&keys)).max(1);
                Line::from(vec![Span::styled(format!("  {keys}{}", " ".repeat(gap)), theme.strong()), Span::raw(theme.fit(what))])
            }
            None => Line::styled(theme.fit(line), theme.heading()),
        })
        .collect();
    lines.extend(panels::command_lines(chat.look, theme));
    scrolled(chat, &chat.look.language.say(Text::HelpTitle), lines, 56, (scroll, &[]), frame);
}

/// Lines that may be more than there is room for, with signs that there are more, and keys under them, if there are any.
pub(super) fn scrolled(
    chat: &mut Chat,
    title: &str,
    lines: Vec<Line<'static>>,
    most: u16,
    (scroll, keys): (&mut u16, Buttons),
    frame: &mut Frame<'_>,
) {
    let theme = Theme::new(chat.look);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX - 8);
    let below = if keys.is_empty() { 0 } else { 2 };
    let area = window(chat, title, (room(frame, most), height + below), frame);
    if !keys.is_empty() {
        let last = Rect::new(area.x, area.bottom().saturating_sub(1), area.width, 1);
        buttons(chat, keys, last, frame.buffer_mut());
    }
    let area = Rect { height: area.height.saturating_sub(below), ..area };
    *scroll = (*scroll).min(height.saturating_sub(area.height));
    let above = *scroll > 0;
    let below = height.saturating_sub(*scroll) > area.height;
    Paragraph::new(lines).scroll((*scroll, 0)).render(area, frame.buffer_mut());
    for (more, y, mark) in [(above, area.y, "↑"), (below, area.bottom().saturating_sub(1), "↓")] {
        if more {
            let mark = if theme.unicode() { mark } else { "+" };
            frame.buffer_mut().set_string(area.right(), y, mark, theme.notice());
        }
    }
}

/// An image as large as there is room. Where it is drawn by the terminal itself, its place is left empty.
fn draw_image(chat: &mut Chat, name: &str, pixels: &Pixels, frame: &mut Frame<'_>) -> Option<Rect> {
    let theme = Theme::new(chat.look);
    let name = harmless_line(name);
    let (most, rows) = (room(frame, u16::MAX), frame.area().height.saturating_sub(2));
    if !chat.look.unicode || !chat.look.colours {
        const KEYS: Buttons = &[(Text::CloseKey, KeyCode::Esc)];
        draw_question(chat, &name, &chat.look.language.say_of_files(FileText::NoImages), KEYS, frame);
        return None;
    }
    if chat.graphics != Graphics::Blocks {
        let (columns, rows) = picture::fitted(pixels, u32::from(most), u32::from(rows));
        let area = window(chat, &name, (u16::try_from(columns).unwrap_or(most), u16::try_from(rows).unwrap_or(1)), frame);
        return Some(area);
    }
    let lines = drawn_within(pixels, u32::from(most), u32::from(rows));
    let width = lines.first().map_or(1, |line| u16::try_from(line.spans.len()).unwrap_or(most));
    // A name needs some columns too.
    let area = window(chat, &name, (width.max(12).min(most), u16::try_from(lines.len()).unwrap_or(rows)), frame);
    Paragraph::new(lines).style(theme.dim()).render(area, frame.buffer_mut());
    None
}

fn draw_safety(chat: &mut Chat, who: &str, number: Option<&SafetyNumberView>, frame: &mut Frame<'_>) {
    const KEYS: Buttons = &[(Text::CloseKey, KeyCode::Esc)];
    let theme = Theme::new(chat.look);
    let language = chat.look.language;
    let title = language.say(Text::SafetyTitle { who });
    let Some(number) = number else {
        let area = window(chat, &title, (room(frame, 40), 3), frame);
        frame.buffer_mut().set_string(area.x, area.y, theme.fit(&language.say(Text::Working)), theme.dim());
        buttons(chat, KEYS, Rect::new(area.x, area.bottom().saturating_sub(1), area.width, 1), frame.buffer_mut());
        return;
    };
    let screen = frame.area();
    let code = qr::half_blocks(&number.qr_text).filter(|_| theme.unicode()).unwrap_or_default();
    let (code_width, code_height) = (code.first().map_or(0, |row| columns(row)), u16::try_from(code.len()).unwrap_or(u16::MAX));
    // The code beside the digits; below 19 columns for these there is no room for both.
    let beside = code_width > 0 && screen.width >= code_width + 2 + 19 + 4 && screen.height >= code_height + 2;
    let text_width = if beside { (screen.width - code_width - 6).min(34) } else { room(frame, 56) };
    let mut lines: Vec<Line<'_>> = digit_rows(&number.digits).into_iter().map(|row| Line::styled(row, theme.strong())).collect();
    lines.push(Line::default());
    lines.extend(wrapped(&theme.fit(&language.say(Text::SafetyAdvice)), usize::from(text_width)).into_iter().map(Line::raw));
    if !beside && code_width > 0 {
        lines.push(Line::styled(theme.fit(&language.say(Text::SafetyNoRoom)), theme.dim()));
    }
    let text_height = u16::try_from(lines.len()).unwrap_or(u16::MAX - 4) + 2;
    let inner = if beside { (text_width + 2 + code_width, text_height.max(code_height)) } else { (text_width, text_height) };
    let area = window(chat, &title, inner, frame);
    let text = Rect::new(area.x, area.y, text_width.min(area.width), area.height.saturating_sub(1));
    Paragraph::new(lines).render(text, frame.buffer_mut());
    if beside {
        for (y, row) in (area.y..area.bottom()).zip(&code) {
            frame.buffer_mut().set_string(area.right().saturating_sub(code_width), y, row, theme.code());
        }
    }
    buttons(chat, KEYS, Rect::new(area.x, area.bottom().saturating_sub(1), text.width, 1), frame.buffer_mut());
}
