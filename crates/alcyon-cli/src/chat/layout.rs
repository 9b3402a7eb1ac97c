//! Where things are on the screen: remembered from drawing, used for the mouse and for pages.

use crossterm::event::KeyCode;
use ratatui::layout::{Position, Rect};

use super::state::Choice;

/// Under so many columns there is room for one pane only.
pub(super) const NARROW: u16 = 60;

/// What a click on a place means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The list, beside its rows.
    List,
    Row(Choice),
    Messages,
    Composer,
    /// A field of the dialog, by number.
    Field(usize),
    /// The same as that key.
    Key(KeyCode),
}

/// What was drawn where; later places lie above earlier ones.
#[derive(Debug, Default)]
pub(super) struct Layout {
    targets: Vec<(Rect, Target)>,
    /// Only one pane fits.
    pub(super) narrow: bool,
    /// Rows of messages in sight.
    pub(super) message_rows: u16,
    /// The inner part of the composer.
    pub(super) composer: Rect,
    /// Its first row in sight.
    pub(super) composer_scroll: usize,
    /// The first row of the list in sight.
    pub(super) list_scroll: usize,
    /// The choice that was last brought into sight.
    pub(super) list_followed: Option<Choice>,
}

impl Layout {
    pub(super) fn begin(&mut self, area: Rect) {
        self.targets.clear();
        self.narrow = area.width < NARROW;
    }

    pub(super) fn mark(&mut self, area: Rect, target: Target) {
        self.targets.push((area, target));
    }

    /// Nothing below what is drawn next can be clicked.
    pub(super) fn cover(&mut self) {
        self.targets.clear();
    }

    pub(super) fn at(&self, column: u16, row: u16) -> Option<Target> {
        let point = Position::new(column, row);
        self.targets.iter().rev().find(|(area, _)| area.contains(point)).map(|(_, target)| *target)
    }
}
