//! Messages as rows of a given width.

use std::{collections::HashMap, ops::Range};

use alcyon_client::{AttachmentView, Delivery, MarkStyle, Message, MessageId, TextFormat, marked_spans};
use alcyon_image::Pixels;
use ratatui::{
    style::{Color, Modifier, Style},
    text::{Line, Span},
};
use time::Date;

use super::{state::Open, theme::Theme};
use crate::{
    called::author,
    harmless,
    look::Look,
    moments::{Zone, day},
    picture::{Cell, HALF, cells},
    report::{
        content::{instead_of_text, marks, name as called, poll_rows, preview_rows, quote_line, reactions},
        delivery_mark,
        group::line_text,
    },
    text::Text,
    wrap::{cut, width, wrap, wrapped},
};

/// Messages of one sender within this time stand under one name.
const TOGETHER_MS: u64 = 10 * 60 * 1000;
/// Before each row of text.
const INDENT: usize = 2;
/// Behind the text: two blanks, the time, a blank, the mark.
const MARGIN: usize = 2 + 5 + 1 + 2;

/// Everything that has to be known to lay messages out.
pub(super) struct Paper {
    pub(super) look: Look,
    pub(super) zone: Zone,
    pub(super) today: Date,
    pub(super) width: u16,
}

impl Open {
    /// Lays the messages out unless they are already. What is in sight stays in sight when something is added below.
    pub(super) fn lay_out(&mut self, paper: &Paper) {
        let wanted = (paper.width, paper.today.to_julian_day());
        if self.rows.laid_out_for == Some(wanted) {
            return;
        }
        let before = self.rows.lines.len();
        let (lines, places) = rows(&self.messages, self.unread, self.selected, &mut self.pictures, paper);
        (self.rows.lines, self.rows.places) = (lines, places);
        self.rows.laid_out_for = Some(wanted);
        if std::mem::take(&mut self.rows.grew) && self.scroll > 0 {
            self.scroll += self.rows.lines.len().saturating_sub(before);
        }
    }
}

/// Rows, and which of them belong to which message.
type Laid = (Vec<Line<'static>>, Vec<(MessageId, Range<usize>)>);

/// Pictures that were drawn, for a width: decoding them for each event would be felt.
pub(super) type Pictures = HashMap<(MessageId, u16), Vec<Line<'static>>>;

/// Most columns and rows of a picture among messages.
const PICTURE: (u32, u32) = (40, 12);

/// A picture in half blocks; nothing where the terminal has no colours or characters for it.
pub(super) fn drawn(pixels: &Pixels, columns: usize, look: Look) -> Vec<Line<'static>> {
    if !look.unicode || !look.colours {
        return Vec::new();
    }
    let (most, rows) = PICTURE;
    drawn_within(pixels, u32::try_from(columns).unwrap_or(most).min(most), rows)
}

/// The same of at most so many columns and rows.
pub(super) fn drawn_within(pixels: &Pixels, columns: u32, rows: u32) -> Vec<Line<'static>> {
    let line = |row: Vec<Cell>| {
        let cell = |(upper, lower): Cell| Span::styled(HALF.to_string(), Style::new().fg(Color::Indexed(upper)).bg(Color::Indexed(lower)));
        Line::from(row.into_iter().map(cell).collect::<Vec<_>>())
    };
    cells(pixels, columns, rows).into_iter().map(line).collect()
}

/// What can be seen of an image before it is fetched.
fn glimpse(attachment: &AttachmentView, columns: usize, look: Look) -> Vec<Line<'static>> {
    let details = &attachment.details;
    let pixels = match Pixels::of_thumbnail(&details.thumbnail) {
        Ok(pixels) => Some(pixels),
        Err(_) => Pixels::of_placeholder(&details.placeholder),
    };
    pixels.map(|pixels| drawn(&pixels, columns, look)).unwrap_or_default()
}

fn rows(messages: &[Message], unread: u64, selected: Option<MessageId>, pictures: &mut Pictures, paper: &Paper) -> Laid {
    let mut rows = Vec::new();
    let mut places = Vec::new();
    let mut last: Option<&Message> = None;
    let mut shown_day = None;
    let first_unread = first_unread(messages, unread);
    for (at, message) in messages.iter().enumerate() {
        let date = paper.zone.local(message.sent_at_ms).date();
        let new_day = shown_day != Some(date);
        shown_day = Some(date);
        if new_day {
            rows.push(separator(&day(date, paper.today, paper.look.language), paper, false));
        }
        if first_unread == Some(at) {
            rows.push(separator(&paper.look.language.say(Text::NewHere), paper, true));
        }
        if let Some(line) = &message.line {
            let columns = usize::from(paper.width).saturating_sub(2).max(8);
            let text = Theme::new(paper.look).fit(&format!("* {}", line_text(message, line, paper.look)));
            rows.extend(wrapped(&text, columns).into_iter().map(|row| Line::styled(row, Theme::new(paper.look).dim())));
            // What follows stands under its own name.
            last = None;
            continue;
        }
        let together = !new_day
            && first_unread != Some(at)
            && last.is_some_and(|last| last.sender == message.sender && message.sent_at_ms.abs_diff(last.sent_at_ms) <= TOGETHER_MS);
        if !together {
            if last.is_some() && !new_day && first_unread != Some(at) {
                rows.push(Line::default());
            }
            rows.push(name(message, paper));
        }
        let chosen = selected == Some(message.id);
        let start = rows.len();
        rows.extend(body(message, chosen, pictures, paper));
        places.push((message.id, start..rows.len()));
        last = Some(message);
    }
    (rows, places)
}

/// The unread ones are the last of others' messages.
fn first_unread(messages: &[Message], unread: u64) -> Option<usize> {
    let others = messages.iter().enumerate().rev().filter(|(_, message)| !message.own && message.line.is_none());
    let skip = usize::try_from(unread).ok()?.checked_sub(1)?;
    others.map(|(at, _)| at).nth(skip)
}

fn separator(text: &str, paper: &Paper, new: bool) -> Line<'static> {
    let theme = Theme::new(paper.look);
    let style = if new { theme.notice() } else { theme.dim() };
    let columns = usize::from(paper.width);
    let text = cut(text, columns.saturating_sub(4), paper.look.unicode);
    let rest = columns.saturating_sub(width(&text) + 2);
    let (left, right) = (rest / 2, rest - rest / 2);
    Line::styled(format!("{} {text} {}", theme.across().repeat(left), theme.across().repeat(right)), style)
}

fn name(message: &Message, paper: &Paper) -> Line<'static> {
    let theme = Theme::new(paper.look);
    if message.own {
        return Line::styled(paper.look.language.say(Text::You), theme.own());
    }
    let name = called(&author(message), false, paper.look);
    Line::styled(theme.fit(&name), theme.other(message.sender))
}

/// What is said, with what it answers above and reactions below; time and mark stand at the end of the last row of text.
fn body(message: &Message, chosen: bool, pictures: &mut Pictures, paper: &Paper) -> Vec<Line<'static>> {
    let theme = Theme::new(paper.look);
    let columns = usize::from(paper.width).saturating_sub(INDENT + MARGIN).max(8);
    let style = match message.delivery {
        Delivery::Queued => theme.dim(),
        Delivery::Failed => theme.alarm(),
        Delivery::Sent | Delivery::Delivered | Delivery::Read => Style::new(),
    };
    let mark = if message.own { delivery_mark(message.delivery, paper.look) } else { "" };
    let mark_style = match message.delivery {
        Delivery::Delivered | Delivery::Read => theme.good(),
        Delivery::Failed => theme.alarm(),
        Delivery::Queued | Delivery::Sent => theme.dim(),
    };
    // The chosen one stands out without colours too.
    let indent = if chosen { theme.prompt().to_owned() + " " } else { " ".repeat(INDENT) };
    let indent_style = if chosen { theme.notice() } else { Style::new() };
    let beside = |text: &str, style: Style| {
        let text = cut(&theme.fit(text), columns + MARGIN, paper.look.unicode);
        Line::from(vec![Span::styled(indent.clone(), indent_style), Span::styled(text, style)])
    };
    let mut lines: Vec<Line<'static>> = quote_line(message, paper.look).map(|quote| beside(&quote, theme.dim())).into_iter().collect();
    if let Some(attachment) = message.content.attachment.as_ref().filter(|attachment| !attachment.gone) {
        let drawn = pictures.entry((message.id, paper.width)).or_insert_with(|| glimpse(attachment, columns, paper.look));
        lines.extend(drawn.iter().map(|row| {
            let mut spans = vec![Span::styled(indent.clone(), indent_style)];
            spans.extend(row.spans.iter().cloned());
            Line::from(spans)
        }));
    }
    let texts = Styled::of(message, style, chosen, paper).rows(columns);
    let last = texts.len() - 1;
    for (at, row) in texts.into_iter().enumerate() {
        let used: usize = row.iter().map(|span| width(&span.content)).sum();
        let mut spans = vec![Span::styled(indent.clone(), indent_style)];
        spans.extend(row);
        if at == last {
            let gap = (columns + 2).saturating_sub(used);
            spans.push(Span::styled(format!("{}{} ", " ".repeat(gap), paper.zone.clock(message.sent_at_ms)), theme.dim()));
            spans.push(Span::styled(format!("{mark:<2}"), mark_style));
        }
        lines.push(Line::from(spans));
    }
    if let Some(poll) = &message.content.poll {
        let bar = (columns / 3).max(4);
        lines.extend(poll_rows(poll, bar, paper.look).iter().map(|row| beside(row, style)));
    }
    lines.extend(preview_rows(message, paper.look).iter().map(|row| beside(row, theme.dim())));
    lines.extend(reactions(message, paper.look).map(|row| beside(&row, Style::new())));
    let marks = marks(message, paper.look);
    if !marks.is_empty() {
        lines.push(beside(&format!("({})", marks.join(", ")), theme.dim()));
    }
    lines
}

/// A text as it is shown: no marks, and a style for each piece.
struct Styled {
    text: String,
    pieces: Vec<(Range<usize>, Style)>,
}

impl Styled {
    fn of(message: &Message, style: Style, revealed: bool, paper: &Paper) -> Self {
        let theme = Theme::new(paper.look);
        let mut styled = Self { text: String::new(), pieces: Vec::new() };
        if let Some(instead) = instead_of_text(message, paper.look) {
            styled.push(&theme.fit(&instead), theme.dim());
            return styled;
        }
        if message.content.format == TextFormat::Plain {
            styled.push_called(message, 0..message.text.len(), style, theme);
            return styled;
        }
        for span in marked_spans(&message.text) {
            let MarkStyle { bold, italic, strike, code, spoiler, bullet } = span.style;
            let marks = [
                (bold, Modifier::BOLD),
                (italic, Modifier::ITALIC),
                (strike, Modifier::CROSSED_OUT),
                (span.link.is_some(), Modifier::UNDERLINED),
            ];
            let mut marked = marks.into_iter().filter(|(set, _)| *set).fold(style, |style, (_, modifier)| style.add_modifier(modifier));
            if code {
                marked = marked.patch(theme.good());
            }
            let words = message.text.get(span.range.clone()).unwrap_or_default();
            match (spoiler && !revealed, bullet && paper.look.unicode) {
                // As wide as what is hidden, and nothing of it.
                (true, _) => styled.push(&(if paper.look.unicode { "▒" } else { "#" }).repeat(width(words)), theme.dim()),
                (false, true) => styled.push("•", marked),
                (false, false) => styled.push_called(message, span.range.clone(), marked, theme),
            }
            if let Some(link) = span.link.filter(|link| *link != span.range) {
                let target = message.text.get(link).unwrap_or_default();
                styled.push(&format!(" <{}>", harmless(target)), theme.dim());
            }
        }
        styled
    }

    fn push(&mut self, text: &str, style: Style) {
        let start = self.text.len();
        self.text.push_str(text);
        self.pieces.push((start..self.text.len(), style));
    }

    /// Some of a message's text, with the names in it that it calls.
    fn push_called(&mut self, message: &Message, range: Range<usize>, style: Style, theme: Theme) {
        let mut at = range.start;
        for mention in &message.content.mentions {
            if mention.start >= at && mention.end <= range.end {
                self.push(&harmless(message.text.get(at..mention.start).unwrap_or_default()), style);
                let called = if mention.own { theme.notice() } else { theme.heading() };
                self.push(&harmless(message.text.get(mention.start..mention.end).unwrap_or_default()), called);
                at = mention.end;
            }
        }
        self.push(&harmless(message.text.get(at..range.end).unwrap_or_default()), style);
    }

    /// Rows of at most so many columns. There is always one.
    fn rows(&self, columns: usize) -> Vec<Vec<Span<'static>>> {
        let cut = |row: Range<usize>| {
            // Spaces at a break hang over.
            let end = row.start + self.text.get(row.clone()).unwrap_or_default().trim_end_matches(' ').len();
            let pieces = self.pieces.iter().filter_map(|(piece, style)| {
                let (from, to) = (piece.start.max(row.start), piece.end.min(end));
                let text = self.text.get(from..to).filter(|text| !text.is_empty())?;
                Some(Span::styled(text.to_owned(), *style))
            });
            pieces.collect()
        };
        wrap(&self.text, columns).into_iter().map(cut).collect()
    }
}
