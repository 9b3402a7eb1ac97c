//! Text in columns: how wide it is, where it breaks, what is left of it when there is no room.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.graphemes(true).map(grapheme_width).sum()
}

/// No grapheme is wider than two columns, whatever its parts add up to.
pub(crate) fn grapheme_width(grapheme: &str) -> usize {
    grapheme.width().min(2)
}

/// The rows of `text` in `columns`, as ranges of bytes: broken after spaces where possible, within words where not.
/// Spaces at a break stay at the end of their row and may hang over; line ends are in no row. There is always one row.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<Range<usize>> {
    // A wide character needs two columns to be anywhere at all.
    let columns = columns.max(2);
    let mut rows = Vec::new();
    let (mut start, mut after_space, mut used) = (0, 0, 0);
    for (at, grapheme) in text.grapheme_indices(true) {
        let end = at + grapheme.len();
        if grapheme == "\n" || grapheme == "\r\n" {
            rows.push(start..at);
            (start, after_space, used) = (end, end, 0);
            continue;
        }
        let wide = grapheme_width(grapheme);
        if grapheme == " " {
            used += wide;
            after_space = end;
            continue;
        }
        if used + wide > columns && at > start {
            let cut = if after_space > start { after_space } else { at };
            rows.push(start..cut);
            used = width(text.get(cut..at).unwrap_or_default());
            (start, after_space) = (cut, cut);
        }
        used += wide;
    }
    rows.push(start..text.len());
    rows
}

/// The same as text, without the spaces that hang over.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    wrap(text, columns).into_iter().map(|row| text.get(row).unwrap_or_default().trim_end_matches(' ').to_owned()).collect()
}

/// As much as fits, with an ellipsis if that is not all.
pub(crate) fn cut(text: &str, columns: usize, unicode: bool) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let ellipsis = if unicode { "…" } else { "~" };
    let mut short = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        used += grapheme_width(grapheme);
        if used + 1 > columns {
            break;
        }
        short.push_str(grapheme);
    }
    if columns > 0 {
        short.push_str(ellipsis);
    }
    short
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrapped("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(wrapped("the quick brown fox", 9), ["the quick", "brown fox"]);
        assert_eq!(wrapped("a supercalifragilistic word", 10), ["a", "supercalif", "ragilistic", "word"]);
        assert_eq!(wrapped("", 10), [""]);
        assert_eq!(wrapped("one\n\nthree\n", 10), ["one", "", "three", ""]);
        assert_eq!(wrapped("  indented", 20), ["  indented"]);
    }

    #[test]
    fn wide_characters_count_two_and_are_never_halved() {
        assert_eq!(width("你好"), 4);
        assert_eq!(wrapped("你好世界", 5), ["你好", "世界"]);
        assert_eq!(width("e\u{301}"), 1);
        assert_eq!(width("👩‍👩‍👧‍👦"), 2);
        assert_eq!(wrapped("👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 2), ["👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"]);
    }

    #[test]
    fn rows_cover_the_text_and_fit() {
        for text in ["a b c d e f g h", "aaaaaaaaaaaaaaaa b", "你好 世界 hello 你好世界你好世界", "x   y     z", "a\nb  \n c"] {
            for columns in 2..20 {
                let rows = wrap(text, columns);
                let mut next = 0;
                for row in rows {
                    assert!(row.start == next || text.get(next..row.start) == Some("\n"), "{text:?} in {columns}: hole at {next}");
                    assert!(width(text[row.clone()].trim_end_matches(' ')) <= columns, "{text:?} in {columns}");
                    next = row.end;
                }
                assert_eq!(next, text.len());
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_visibly() {
        assert_eq!(cut("handle", 6, true), "handle");
        assert_eq!(cut("handle", 5, true), "hand…");
        assert_eq!(cut("你好世界", 6, true), "你好…");
        assert_eq!(cut("handle", 5, false), "hand~");
        assert_eq!(cut("handle", 0, true), "");
    }
}
