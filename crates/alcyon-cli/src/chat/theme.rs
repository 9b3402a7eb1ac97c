//! Colours and characters, as the terminal has them. Colours are the sixteen that people choose for their terminal.

use alcyon_client::AccountId;
use ratatui::{
    style::{Color, Modifier, Style},
    symbols::border,
};

use crate::look::Look;

/// Styles by meaning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    look: Look,
}

/// Borders of a terminal that has only ASCII.
const ASCII: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

impl Theme {
    pub(super) fn new(look: Look) -> Self {
        Self { look }
    }

    fn style(self, colour: Color, otherwise: Modifier) -> Style {
        if self.look.colours { Style::new().fg(colour) } else { Style::new().add_modifier(otherwise) }
    }

    /// The line at the top.
    pub(super) fn bar(self) -> Style {
        if self.look.colours { Style::new().fg(Color::Black).bg(Color::Cyan) } else { Style::new().add_modifier(Modifier::REVERSED) }
    }

    pub(super) fn dim(self) -> Style {
        self.style(Color::DarkGray, Modifier::DIM)
    }

    pub(super) fn heading(self) -> Style {
        self.style(Color::Cyan, Modifier::BOLD).add_modifier(Modifier::BOLD)
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn own(self) -> Style {
        self.style(Color::Cyan, Modifier::BOLD).add_modifier(Modifier::BOLD)
    }

    /// Whose text this is, the same colour each time.
    pub(super) fn other(self, account: AccountId) -> Style {
        const COLOURS: [Color; 4] = [Color::Yellow, Color::Magenta, Color::Green, Color::LightBlue];
        let [first, ..] = account.as_bytes();
        let colour = COLOURS.get(usize::from(*first) % COLOURS.len()).copied().unwrap_or(Color::Yellow);
        self.style(colour, Modifier::BOLD).add_modifier(Modifier::BOLD)
    }

    pub(super) fn good(self) -> Style {
        self.style(Color::Green, Modifier::empty())
    }

    pub(super) fn notice(self) -> Style {
        self.style(Color::Yellow, Modifier::BOLD)
    }

    pub(super) fn alarm(self) -> Style {
        self.style(Color::Red, Modifier::BOLD).add_modifier(Modifier::BOLD)
    }

    /// How many are unread.
    pub(super) fn badge(self) -> Style {
        if self.look.colours {
            Style::new().fg(Color::Black).bg(Color::Yellow).add_modifier(Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    /// The chosen row of the list.
    pub(super) fn chosen(self, focused: bool) -> Style {
        match (self.look.colours, focused) {
            (true, true) => Style::new().bg(Color::Blue).fg(Color::White),
            (true, false) => Style::new().bg(Color::DarkGray).fg(Color::White),
            (false, true) => Style::new().add_modifier(Modifier::REVERSED),
            (false, false) => Style::new().add_modifier(Modifier::UNDERLINED),
        }
    }

    /// A QR code must be dark on light, whatever the terminal's colours are.
    pub(super) fn code(self) -> Style {
        if self.look.colours { Style::new().fg(Color::White).bg(Color::Black) } else { Style::new() }
    }

    pub(super) fn borders(self) -> border::Set<'static> {
        if self.look.unicode { border::ROUNDED } else { ASCII }
    }

    pub(super) fn across(self) -> &'static str {
        if self.look.unicode { "─" } else { "-" }
    }

    pub(super) fn down(self) -> &'static str {
        if self.look.unicode { "│" } else { "|" }
    }

    pub(super) fn prompt(self) -> &'static str {
        if self.look.unicode { "›" } else { ">" }
    }

    pub(super) fn dot(self, full: bool) -> &'static str {
        match (self.look.unicode, full) {
            (true, true) => "●",
            (true, false) => "○",
            (false, true) => "*",
            (false, false) => "o",
        }
    }

    pub(super) fn unicode(self) -> bool {
        self.look.unicode
    }

    /// Our own texts on a terminal that has only ASCII: arrows become words. (What people write is not changed.)
    pub(super) fn fit(self, text: &str) -> String {
        if self.look.unicode {
            return text.to_owned();
        }
        let text = text.replace("↑↓", "Up/Down").replace('↑', "Up").replace('↓', "Down").replace('→', "Right");
        text.replace('é', "e").replace(['è', 'ê'], "e").replace('à', "a").replace('É', "E").replace('ç', "c").replace('\u{a0}', " ")
    }
}
