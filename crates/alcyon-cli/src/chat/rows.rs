//! Messages as rows of a given width.

use alcyon_client::{Delivery, Message};
use ratatui::text::{Line, Span};
use time::Date;

use super::{state::Open, theme::Theme};
use crate::{
    harmless,
    look::Look,
    moments::{Zone, day},
    report::{delivery_mark, group::line_text},
    text::Text,
    wrap::{cut, width, wrapped},
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
        self.rows.lines = rows(&self.messages, self.unread, paper);
        self.rows.laid_out_for = Some(wanted);
        if std::mem::take(&mut self.rows.grew) && self.scroll > 0 {
            self.scroll += self.rows.lines.len().saturating_sub(before);
        }
    }
}

fn rows(messages: &[Message], unread: u64, paper: &Paper) -> Vec<Line<'static>> {
    let mut rows = Vec::new();
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
        rows.extend(body(message, paper));
        last = Some(message);
    }
    rows
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
    let name = match &message.sender_handle {
        Some(handle) => handle.name().as_str().to_owned(),
        None => message.sender.to_text().chars().take(8).collect(),
    };
    Line::styled(name, theme.other(message.sender))
}

/// Text rows; time and mark stand at the end of the last.
fn body(message: &Message, paper: &Paper) -> Vec<Line<'static>> {
    let theme = Theme::new(paper.look);
    let columns = usize::from(paper.width).saturating_sub(INDENT + MARGIN).max(8);
    let texts = wrapped(&harmless(&message.text), columns);
    let last = texts.len() - 1;
    let style = match message.delivery {
        Delivery::Queued => theme.dim(),
        Delivery::Failed => theme.alarm(),
        Delivery::Sent | Delivery::Delivered => ratatui::style::Style::new(),
    };
    let mark = if message.own { delivery_mark(message.delivery, paper.look) } else { "" };
    let mark_style = match message.delivery {
        Delivery::Delivered => theme.good(),
        Delivery::Failed => theme.alarm(),
        Delivery::Queued | Delivery::Sent => theme.dim(),
    };
    let row = |(at, text): (usize, String)| {
        let mut spans = vec![Span::raw(" ".repeat(INDENT))];
        if at == last {
            let gap = (columns + 2).saturating_sub(width(&text));
            spans.push(Span::styled(text, style));
            spans.push(Span::styled(format!("{}{} ", " ".repeat(gap), paper.zone.clock(message.sent_at_ms)), theme.dim()));
            spans.push(Span::styled(format!("{mark:<2}"), mark_style));
        } else {
            spans.push(Span::styled(text, style));
        }
        Line::from(spans)
    };
    texts.into_iter().enumerate().map(row).collect()
}
