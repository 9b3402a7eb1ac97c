use std::borrow::Cow;

/// Text of others, fit for a terminal: control characters, escape sequences' first bytes and invisible characters that turn
/// the direction of writing become U+FFFD. Line ends and everything visible stay; a tab becomes four spaces.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c != '\n' && is_harmful(c)) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\n' => clean.push('\n'),
            '\t' => clean.push_str("    "),
            c if is_harmful(c) => clean.push('\u{fffd}'),
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// The same on one line.
pub(crate) fn harmless_line(text: &str) -> String {
    harmless(text).replace('\n', " ")
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200e}' | '\u{200f}'        // direction marks
            | '\u{2028}' | '\u{2029}'                   // line and paragraph separators
            | '\u{202a}'..='\u{202e}'                   // direction embeddings and overrides
            | '\u{2060}'..='\u{206f}'                   // invisible operators, isolates, deprecated format characters
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'      // byte order mark, interlinear annotation
            | '\u{e0000}'..='\u{e001f}'                 // tags that are no flag
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_escape_sequence_survives() {
        for attack in ["\u{1b}[31mred", "\u{9b}31m", "\u{1b}]0;title\u{7}", "\u{1b}]52;c;aGk=\u{7}", "a\rb", "a\u{8}\u{8}b", "\u{7f}", "\0"]
        {
            let clean = harmless(attack);
            assert!(clean.chars().all(|c| !c.is_control()), "{attack:?} became {clean:?}");
        }
    }

    #[test]
    fn direction_can_not_be_turned() {
        assert_eq!(harmless("safe\u{202e}gpj.exe"), "safe\u{fffd}gpj.exe");
        assert_eq!(harmless("\u{2066}a\u{2069}"), "\u{fffd}a\u{fffd}");
    }

    #[test]
    fn what_people_write_stays() {
        for text in ["hello\nthere", "Grüße, 你好, привет", "שלום مرحبا", "👩‍👩‍👧‍👦 family, 🏳️‍🌈 flag", "e\u{301}"]
        {
            assert!(matches!(harmless(text), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(harmless("a\tb\r\nc"), "a    b\nc");
    }

    #[test]
    fn a_line_is_a_line() {
        assert_eq!(harmless_line("two\nlines\u{1b}"), "two lines\u{fffd}");
    }
}
