//! A text that is being written.

use unicode_segmentation::UnicodeSegmentation;

use crate::{
    harmless,
    wrap::{width, wrap},
};

/// Text and cursor. Moving up and down follows the rows that are on the screen.
#[derive(Debug, Clone, Default)]
pub(super) struct Composer {
    text: String,
    /// A byte index at a boundary of graphemes.
    cursor: usize,
    /// Which older text stands here instead; 0 is the newest.
    recalled: Option<usize>,
    /// What stood here before an older text was called up.
    own: String,
}

impl Composer {
    pub(super) fn of(text: &str) -> Self {
        Self { text: text.to_owned(), cursor: text.len(), ..Self::default() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// The text, leaving nothing.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(self).text
    }

    /// Typed or pasted.
    pub(super) fn insert(&mut self, text: &str) {
        let text = harmless(text);
        self.text.insert_str(self.cursor, &text);
        self.cursor += text.len();
        self.recalled = None;
    }

    pub(super) fn backspace(&mut self) {
        self.delete_to(self.before());
    }

    pub(super) fn delete(&mut self) {
        self.delete_to(self.after());
    }

    pub(super) fn delete_word(&mut self) {
        self.delete_to(self.word_before());
    }

    pub(super) fn delete_to_line_start(&mut self) {
        self.delete_to(self.line_start());
    }

    pub(super) fn delete_to_line_end(&mut self) {
        self.delete_to(self.line_end());
    }

    fn delete_to(&mut self, other: usize) {
        let (from, to) = (self.cursor.min(other), self.cursor.max(other));
        self.text.replace_range(from..to, "");
        self.cursor = from;
        self.recalled = None;
    }

    pub(super) fn left(&mut self) {
        self.cursor = self.before();
    }

    pub(super) fn right(&mut self) {
        self.cursor = self.after();
    }

    pub(super) fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    pub(super) fn word_right(&mut self) {
        let rest = self.text.get(self.cursor..).unwrap_or_default();
        let word = rest.len() - rest.trim_start().len();
        let after = rest.get(word..).and_then(|rest| rest.find(char::is_whitespace)).map_or(self.text.len(), |at| self.cursor + word + at);
        self.cursor = after;
    }

    pub(super) fn home(&mut self) {
        self.cursor = self.line_start();
    }

    pub(super) fn end(&mut self) {
        self.cursor = self.line_end();
    }

    /// A row up, or at the top to an older text; `older` has the newest first.
    pub(super) fn up(&mut self, columns: usize, older: &[&str]) {
        let (row, column) = self.position(columns);
        if row > 0 {
            self.move_to(columns, row - 1, column);
            return;
        }
        let next = self.recalled.map_or(0, |recalled| recalled + 1);
        if let Some(text) = older.get(next) {
            if self.recalled.is_none() {
                self.own = std::mem::take(&mut self.text);
            }
            self.recall(Some(next), (*text).to_owned());
        }
    }

    /// A row down, or at the bottom back towards what was being written.
    pub(super) fn down(&mut self, columns: usize, older: &[&str]) {
        let (row, column) = self.position(columns);
        if row + 1 < wrap(&self.text, columns).len() {
            self.move_to(columns, row + 1, column);
            return;
        }
        match self.recalled {
            Some(0) => {
                let own = std::mem::take(&mut self.own);
                self.recall(None, own);
            }
            Some(recalled) => {
                if let Some(text) = older.get(recalled - 1) {
                    self.recall(Some(recalled - 1), (*text).to_owned());
                }
            }
            None => {}
        }
    }

    fn recall(&mut self, recalled: Option<usize>, text: String) {
        self.recalled = recalled;
        self.cursor = text.len();
        self.text = text;
    }

    /// Row and column of the cursor.
    pub(super) fn position(&self, columns: usize) -> (usize, usize) {
        let rows = wrap(&self.text, columns);
        let row = rows.iter().rposition(|row| row.start <= self.cursor).unwrap_or(0);
        let start = rows.get(row).map_or(0, |row| row.start);
        (row, width(self.text.get(start..self.cursor).unwrap_or_default()))
    }

    /// Puts the cursor where somebody clicked, or as near as the text goes.
    pub(super) fn move_to(&mut self, columns: usize, row: usize, column: usize) {
        let rows = wrap(&self.text, columns);
        let last = rows.len() - 1;
        let Some(range) = rows.get(row.min(last)).cloned() else { return };
        let mut at = range.start;
        let mut used = 0;
        for grapheme in self.text.get(range.clone()).unwrap_or_default().graphemes(true) {
            used += width(grapheme);
            // The end of a row that goes on is the beginning of the next: stay on this one.
            if used > column
                || (row < last && at + grapheme.len() == range.end && rows.get(row + 1).is_some_and(|next| next.start == range.end))
            {
                break;
            }
            at += grapheme.len();
        }
        self.cursor = at;
    }

    fn before(&self) -> usize {
        self.text.get(..self.cursor).and_then(|text| text.grapheme_indices(true).next_back()).map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        let rest = self.text.get(self.cursor..).unwrap_or_default();
        self.cursor + rest.graphemes(true).next().map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let text = self.text.get(..self.cursor).unwrap_or_default().trim_end();
        text.rfind(char::is_whitespace).map_or(0, |at| at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8))
    }

    fn line_start(&self) -> usize {
        self.text.get(..self.cursor).and_then(|text| text.rfind('\n')).map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        self.text.get(self.cursor..).and_then(|text| text.find('\n')).map_or(self.text.len(), |at| self.cursor + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Composer {
        let mut composer = Composer::default();
        for c in text.chars() {
            composer.insert(&c.to_string());
        }
        composer
    }

    #[test]
    fn editing_goes_by_what_people_see_as_characters() {
        let mut composer = typed("a👩‍👩‍👧‍👦e\u{301}");
        composer.backspace();
        assert_eq!(composer.text(), "a👩‍👩‍👧‍👦");
        composer.left();
        composer.insert("b");
        assert_eq!(composer.text(), "ab👩‍👩‍👧‍👦");
        composer.delete();
        assert_eq!(composer.text(), "ab");
        composer.delete();
        composer.home();
        composer.backspace();
        assert_eq!(composer.text(), "ab");
    }

    #[test]
    fn words_and_lines() {
        let mut composer = typed("one two\nthree  four");
        composer.word_left();
        composer.insert("x");
        assert_eq!(composer.text(), "one two\nthree  xfour");
        composer.delete_word();
        assert_eq!(composer.text(), "one two\nthree  four");
        composer.word_left();
        composer.word_left();
        composer.word_right();
        composer.insert("!");
        assert_eq!(composer.text(), "one two!\nthree  four");
        composer.delete_to_line_start();
        assert_eq!(composer.text(), "\nthree  four");
        composer.right();
        composer.delete_to_line_end();
        assert_eq!(composer.text(), "\n");
    }

    #[test]
    fn up_and_down_follow_the_rows_on_the_screen() {
        let mut composer = typed("abcdefgh");
        assert_eq!(composer.position(4), (1, 4));
        composer.up(4, &[]);
        assert_eq!(composer.position(4), (0, 3), "the end of a row that goes on is not a place of its own");
        composer.down(4, &[]);
        assert_eq!(composer.position(4), (1, 3));
        composer.move_to(4, 0, 2);
        composer.insert("-");
        assert_eq!(composer.text(), "ab-cdefgh");
    }

    #[test]
    fn older_texts_come_up_and_the_own_comes_back() {
        let older = ["newest", "older"];
        let mut composer = typed("mine");
        composer.up(20, &older);
        assert_eq!(composer.text(), "newest");
        composer.up(20, &older);
        composer.up(20, &older);
        assert_eq!(composer.text(), "older");
        composer.down(20, &older);
        assert_eq!(composer.text(), "newest");
        composer.down(20, &older);
        assert_eq!(composer.text(), "mine");
        composer.down(20, &older);
        assert_eq!(composer.text(), "mine");
    }

    #[test]
    fn a_recalled_text_that_is_changed_is_a_new_one() {
        let mut composer = Composer::default();
        composer.up(20, &["old"]);
        composer.insert("er");
        composer.up(20, &["old"]);
        assert_eq!(composer.text(), "old");
        composer.down(20, &["old"]);
        assert_eq!(composer.text(), "older");
    }

    #[test]
    fn pasted_control_characters_do_no_harm() {
        let mut composer = Composer::default();
        composer.insert("a\u{1b}[31mb\r\nc");
        assert_eq!(composer.text(), "a\u{fffd}[31mb\nc");
    }

    #[test]
    fn taking_leaves_nothing() {
        let mut composer = typed("text");
        assert_eq!(composer.take(), "text");
        assert!(composer.is_blank());
        assert_eq!(composer.position(10), (0, 0));
    }
}
