//! Looking for messages, as somebody types, and going there.

use alcyon_client::{ConversationId, Message, MessageId};
use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{Frame, layout::Rect, text::Line, widgets::Widget};

use super::{
    composer::Composer,
    dialog::Dialog,
    dialogs::{room, window},
    draw::draw_text,
    input::edit,
    layout::Target,
    state::{Chat, Effect},
    theme::Theme,
};
use crate::{
    called::author,
    harmless::harmless_line,
    report::content::name,
    text::content::ContentText,
    wrap::{cut, wrapped},
};

/// What is being looked for, and what was found.
#[derive(Debug, Default)]
pub(super) struct Finding {
    line: Composer,
    /// What `found` answers.
    answered: String,
    found: Vec<Message>,
    at: usize,
    problem: Option<String>,
}

impl Finding {
    /// A message is not there any more.
    pub(super) fn gone(&mut self, conversation: ConversationId, id: MessageId) {
        self.found.retain(|message| message.conversation != conversation || message.id != id);
        self.at = self.at.min(self.found.len().saturating_sub(1));
    }
}

impl Chat {
    /// Opens the search, with some words in it.
    pub(super) fn look_for(&mut self, words: &str) -> Vec<Effect> {
        let line = if words.is_empty() { String::new() } else { format!("{words} ") };
        self.dialog = Some(Dialog::Search(Finding { line: Composer::of(&line), ..Finding::default() }));
        self.search_again()
    }

    fn finding(&mut self) -> Option<&mut Finding> {
        match &mut self.dialog {
            Some(Dialog::Search(finding)) => Some(finding),
            _ => None,
        }
    }

    fn search_again(&mut self) -> Vec<Effect> {
        let Some(finding) = self.finding() else { return Vec::new() };
        let query = finding.line.text().trim().to_owned();
        if query == finding.answered {
            return Vec::new();
        }
        if query.is_empty() {
            *finding = Finding { line: std::mem::take(&mut finding.line), ..Finding::default() };
            return Vec::new();
        }
        vec![Effect::Search(query)]
    }

    pub(super) fn found(&mut self, query: &str, found: Result<Vec<Message>, String>) {
        let Some(finding) = self.finding() else { return };
        finding.answered = query.to_owned();
        match found {
            Ok(found) => (finding.found, finding.at, finding.problem) = (found, 0, None),
            // While somebody types a filter, it is not one yet: what was found before stays.
            Err(problem) => finding.problem = Some(problem),
        }
    }

    pub(super) fn search_key(&mut self, key: KeyEvent) -> Vec<Effect> {
        let Some(finding) = self.finding() else { return Vec::new() };
        let last = finding.found.len().saturating_sub(1);
        match key.code {
            KeyCode::Esc => self.dialog = None,
            KeyCode::Up => finding.at = finding.at.saturating_sub(1),
            KeyCode::Down => finding.at = (finding.at + 1).min(last),
            KeyCode::PageUp => finding.at = finding.at.saturating_sub(5),
            KeyCode::PageDown => finding.at = (finding.at + 5).min(last),
            KeyCode::Enter => {
                let Some(message) = finding.found.get(finding.at) else { return Vec::new() };
                let effect = Effect::GoTo(message.conversation, message.id);
                self.dialog = None;
                return vec![effect];
            }
            _ => {
                edit(&mut finding.line, key);
                return self.search_again();
            }
        }
        Vec::new()
    }

    pub(super) fn search_paste(&mut self, text: &str) -> Vec<Effect> {
        if let Some(finding) = self.finding() {
            finding.line.insert(text.lines().collect::<Vec<_>>().join(" ").trim());
        }
        self.search_again()
    }
}

/// A line for the query, and two for each message: where, who and when; what.
pub(super) fn draw(chat: &mut Chat, finding: &mut Finding, frame: &mut Frame<'_>) {
    let theme = Theme::new(chat.look);
    let say = |chat: &Chat, text| theme.fit(&chat.look.language.say_of_content(text));
    let columns = room(frame, 76);
    let title = say(chat, ContentText::SearchTitle);
    let area = window(chat, &title, (columns, frame.area().height.saturating_sub(4)), frame);
    let field = Rect::new(area.x + 2, area.y, area.width.saturating_sub(2), 1).intersection(area);
    if field.is_empty() {
        return;
    }
    frame.buffer_mut().set_string(area.x, field.y, theme.prompt(), theme.heading());
    draw_text(&finding.line, &say(chat, ContentText::SearchHint), true, theme, field, frame);
    let width = usize::from(area.width);
    let last = area.bottom().saturating_sub(1);
    frame.buffer_mut().set_string(area.x, last, cut(&say(chat, ContentText::SearchKeys), width, theme.unicode()), theme.dim());
    chat.layout.mark(Rect::new(area.x, last, area.width, 1), Target::Key(KeyCode::Enter));
    let list = Rect::new(area.x, area.y + 2, area.width, last.saturating_sub(area.y + 3));
    let note = match &finding.problem {
        Some(problem) => Some((theme.fit(problem), theme.alarm())),
        None if finding.found.is_empty() && !finding.answered.is_empty() => Some((say(chat, ContentText::NothingFound), theme.dim())),
        None => None,
    };
    if let Some((text, style)) = note {
        for (y, row) in (list.top()..list.bottom()).zip(wrapped(&text, width)) {
            frame.buffer_mut().set_string(list.x, y, row, style);
        }
        return;
    }
    let shown = usize::from(list.height / 2).max(1);
    let first = (finding.at + 1).saturating_sub(shown);
    for (row, (at, message)) in (0_u16..).zip(finding.found.iter().enumerate().skip(first).take(shown)) {
        let (y, chosen) = (list.y + row * 2, at == finding.at);
        let who = name(&author(message), message.own, chat.look);
        let head = format!("{}  {who}  {}", chat.zone.date_and_clock(message.sent_at_ms), chat.title(message.conversation));
        let mark = if chosen { theme.prompt() } else { " " };
        let words = around(&harmless_line(&message.text), finding.answered.split_whitespace().next().unwrap_or_default(), width);
        for (y, text, style) in [(y, format!("{mark} {head}"), theme.dim()), (y + 1, format!("  {words}"), theme.strong())] {
            if y < list.bottom() {
                let place = Rect::new(list.x, y, list.width, 1);
                Line::styled(cut(&theme.fit(&text), width, theme.unicode()), style).render(place, frame.buffer_mut());
                if chosen {
                    frame.buffer_mut().set_style(place, theme.chosen(true));
                }
            }
        }
    }
}

/// A long text from shortly before the place where a word is.
fn around(text: &str, word: &str, columns: usize) -> String {
    const BEFORE: usize = 16;
    let lower = text.to_lowercase();
    let at = lower.find(&word.to_lowercase()).map_or(0, |at| lower.get(..at).map_or(0, |before| before.chars().count()));
    if at + BEFORE < columns || text.chars().count() < columns {
        return text.to_owned();
    }
    let rest: String = text.chars().skip(at.saturating_sub(BEFORE)).collect();
    format!("…{rest}")
}
