//! The Markdown subset of marked texts, as spans over the text that was written: bold, italic, strike, code, spoiler, lists,
//! links. Nothing is taken away that is not a mark, so that any text is shown, whoever wrote it, and in linear time.

use std::ops::Range;

/// How a span is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MarkStyle {
    /// `**so**`
    pub bold: bool,
    /// `*so*` or `_so_`
    pub italic: bool,
    /// `~~so~~`
    pub strike: bool,
    /// `` `so` ``, or lines between two of three backticks.
    pub code: bool,
    /// `||so||`: hidden until somebody wants to see it.
    pub spoiler: bool,
    /// The `-` or `*` that begins an entry of a list.
    pub bullet: bool,
}

/// Some of a text that is shown in one way. What lies between two spans is marks, and is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkedSpan {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// How.
    pub style: MarkStyle,
    /// `[words](https://...)`, or an address by itself: where it leads, as bytes of the text.
    pub link: Option<Range<usize>>,
}

/// Marks within marks that are looked at. Deeper ones are text.
const DEPTH: usize = 8;
/// What a link may begin with.
const SCHEMES: [&str; 3] = ["https://", "http://", "mailto:"];

/// The spans of a marked text. Line ends are in spans of their own.
#[must_use]
pub fn marked_spans(text: &str) -> Vec<MarkedSpan> {
    let mut spans = Vec::new();
    let mut start = 0;
    let mut fenced = false;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        let inner = start + line.trim_end_matches(['\n', '\r']).len();
        let is_fence = text[start..inner].trim_end().starts_with("```") && !text[start..inner].trim_start_matches('`').contains('`');
        // A fence counts if another one closes it.
        if is_fence && (fenced || closes(&text[end..])) {
            fenced = !fenced;
        } else if fenced {
            push(&mut spans, start..end, MarkStyle { code: true, ..MarkStyle::default() }, None);
        } else {
            let rest = bullet(text, start..inner, &mut spans);
            Inline { text, spans: &mut spans }.read(rest..inner, MarkStyle::default(), None, 0);
            push(&mut spans, inner..end, MarkStyle::default(), None);
        }
        start = end;
    }
    spans
}

fn closes(rest: &str) -> bool {
    rest.lines().any(|line| line.trim_end() == "```")
}

fn push(spans: &mut Vec<MarkedSpan>, range: Range<usize>, style: MarkStyle, link: Option<Range<usize>>) {
    if range.is_empty() {
        return;
    }
    match spans.last_mut() {
        Some(last) if last.range.end == range.start && last.style == style && last.link == link => last.range.end = range.end,
        _ => spans.push(MarkedSpan { range, style, link }),
    }
}

/// Notes the mark of a list's entry; where the line goes on.
fn bullet(text: &str, line: Range<usize>, spans: &mut Vec<MarkedSpan>) -> usize {
    let trimmed = text[line.clone()].trim_start_matches(' ');
    let at = line.end - trimmed.len();
    if !(trimmed.starts_with("- ") || trimmed.starts_with("* ")) {
        return line.start;
    }
    push(spans, line.start..at, MarkStyle::default(), None);
    push(spans, at..at + 1, MarkStyle { bullet: true, ..MarkStyle::default() }, None);
    at + 1
}

/// Reads a line.
struct Inline<'a, 'b> {
    text: &'a str,
    spans: &'b mut Vec<MarkedSpan>,
}

/// The marks that stand around something, longest first.
const MARKS: [&str; 6] = ["**", "~~", "||", "*", "_", "`"];

fn with_mark(style: MarkStyle, mark: &str) -> MarkStyle {
    match mark {
        "**" => MarkStyle { bold: true, ..style },
        "~~" => MarkStyle { strike: true, ..style },
        "||" => MarkStyle { spoiler: true, ..style },
        "`" => MarkStyle { code: true, ..style },
        _ => MarkStyle { italic: true, ..style },
    }
}

impl Inline<'_, '_> {
    fn read(&mut self, range: Range<usize>, style: MarkStyle, link: Option<&Range<usize>>, depth: usize) {
        let text = self.text;
        let mut plain = range.start;
        let mut at = range.start;
        // Where no mark closes one that opened, none closes a later one.
        let mut unclosed = [false; MARKS.len()];
        let mut no_link = false;
        while at < range.end {
            let rest = &text[at..range.end];
            let Some(first) = rest.chars().next() else { break };
            if first == '\\' && rest[1..].starts_with(|c: char| c.is_ascii_punctuation()) {
                push(self.spans, plain..at, style, link.cloned());
                plain = at + 1;
                at += 2;
                continue;
            }
            if depth < DEPTH {
                if let Some((index, mark)) = MARKS.iter().enumerate().find(|(_, mark)| rest.starts_with(**mark)) {
                    let close =
                        if unclosed[index] || !self.opens(at, mark, &range) { None } else { self.close(at + mark.len()..range.end, mark) };
                    if let Some(close) = close {
                        push(self.spans, plain..at, style, link.cloned());
                        let (inside, marked) = (at + mark.len()..close, with_mark(style, mark));
                        if *mark == "`" {
                            push(self.spans, inside, marked, link.cloned());
                        } else {
                            self.read(inside, marked, link, depth + 1);
                        }
                        at = close + mark.len();
                        plain = at;
                        continue;
                    }
                    unclosed[index] |= self.opens(at, mark, &range);
                    // Of two stars that open nothing, one does not either.
                    at += mark.len();
                    continue;
                }
                if first == '[' && link.is_none() && !no_link {
                    match self.link(at, range.end) {
                        Some((words, target)) => {
                            push(self.spans, plain..at, style, None);
                            let end = target.end + 1;
                            self.read(words, style, Some(&target), depth + 1);
                            (at, plain) = (end, end);
                            continue;
                        }
                        None => no_link = !rest.contains("]("),
                    }
                }
            }
            if link.is_none() && first == 'h' && !before(text, at).is_some_and(char::is_alphanumeric) {
                let length = address(rest);
                if length > 0 {
                    push(self.spans, plain..at, style, None);
                    push(self.spans, at..at + length, style, Some(at..at + length));
                    (at, plain) = (at + length, at + length);
                    continue;
                }
            }
            at += first.len_utf8();
        }
        push(self.spans, plain..range.end, style, link.cloned());
    }

    /// A mark opens at the beginning of a word; code and spoilers do anywhere.
    fn opens(&self, at: usize, mark: &str, range: &Range<usize>) -> bool {
        let next = self.text[at + mark.len()..range.end].chars().next();
        let free = matches!(mark, "`" | "||");
        // Of several backticks none opens anything by itself.
        if mark == "`" && (next == Some('`') || before(self.text, at) == Some('`')) {
            return false;
        }
        next.is_some_and(|next| !next.is_whitespace() || free) && (free || !before(self.text, at).is_some_and(char::is_alphanumeric))
    }

    /// Where the mark stands that closes it.
    fn close(&self, range: Range<usize>, mark: &str) -> Option<usize> {
        let free = matches!(mark, "`" | "||");
        let mut at = range.start;
        while at < range.end {
            let rest = &self.text[at..range.end];
            let first = rest.chars().next()?;
            if first == '\\' && mark != "`" {
                at += 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                continue;
            }
            if rest.starts_with(mark) && at > range.start {
                let behind = rest[mark.len()..].chars().next();
                let ends = !before(self.text, at).is_some_and(char::is_whitespace) && !behind.is_some_and(char::is_alphanumeric);
                // A star that is one of two closes nothing of one.
                let single = mark.len() > 1 || mark == "`" || behind != mark.chars().next();
                if free || (ends && single) {
                    return Some(at);
                }
                if !single {
                    at += 2;
                    continue;
                }
            }
            at += first.len_utf8();
        }
        None
    }

    /// `[words](address)`.
    fn link(&self, at: usize, end: usize) -> Option<(Range<usize>, Range<usize>)> {
        let middle = at + self.text[at..end].find("](")?;
        let close = middle + self.text[middle..end].find(')')?;
        let target = middle + 2..close;
        let address = &self.text[target.clone()];
        let whole = SCHEMES.iter().any(|scheme| address.starts_with(scheme)) && !address.contains(char::is_whitespace);
        (whole && middle > at + 1 && !self.text[at + 1..middle].contains('[')).then_some((at + 1..middle, target))
    }
}

fn before(text: &str, at: usize) -> Option<char> {
    text[..at].chars().next_back()
}

/// Bytes of the address that a text begins with; what ends a sentence is no part of it.
fn address(text: &str) -> usize {
    let Some(scheme) = SCHEMES[..2].iter().find(|scheme| text.starts_with(**scheme)) else { return 0 };
    let whole = &text[..text.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '|')).unwrap_or(text.len())];
    let length = whole.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '*', '_', '~', '\'']).len();
    if length > scheme.len() { length } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Spans as `b:text`, with a letter for each mark.
    fn shown(text: &str) -> Vec<String> {
        let letters = |span: &MarkedSpan| {
            let MarkStyle { bold, italic, strike, code, spoiler, bullet } = span.style;
            let marks = [(bold, 'b'), (italic, 'i'), (strike, 's'), (code, 'c'), (spoiler, 'p'), (bullet, '-'), (span.link.is_some(), 'l')];
            marks.into_iter().filter(|(set, _)| *set).map(|(_, letter)| letter).collect::<String>()
        };
        marked_spans(text).iter().map(|span| format!("{}:{}", letters(span), &text[span.range.clone()])).collect()
    }

    #[test]
    fn each_mark_is_read() {
        assert_eq!(shown("plain"), [":plain"]);
        assert_eq!(shown("a **b** c"), [":a ", "b:b", ": c"]);
        assert_eq!(shown("*b* _c_"), ["i:b", ": ", "i:c"]);
        assert_eq!(shown("~~b~~ ||c d|| `e*f*`"), ["s:b", ": ", "p:c d", ": ", "c:e*f*"]);
        assert_eq!(shown("**a *b* c**"), ["b:a ", "bi:b", "b: c"]);
        assert_eq!(shown("*a **b** c*"), ["i:a ", "bi:b", "i: c"]);
        assert_eq!(shown("- a\n  * *b*"), ["-:-", ": a\n  ", "-:*", ": ", "i:b"]);
        assert_eq!(shown("x\n```rust\nlet *a* = 1;\n```\ny"), [":x\n", "c:let *a* = 1;\n", ":y"]);
    }

    #[test]
    fn links_lead_to_the_web_and_nowhere_else() {
        assert_eq!(shown("see [here](https://a.example/b)."), [":see ", "l:here", ":."]);
        assert_eq!(shown("(https://a.example/b?c=d)."), [":(", "l:https://a.example/b?c=d", ":)."]);
        assert_eq!(shown("[a](javascript:b)"), [":[a](javascript:b)"]);
        assert_eq!(shown("[*a*](mailto:a@b.example)"), ["il:a"]);
        assert_eq!(shown("https://"), [":https://"]);
    }

    #[test]
    fn what_only_looks_like_a_mark_is_text() {
        for text in
            ["2*3*4", "snake_case_name", "a * b * c", "**", "** a **", "*a", "a*", "||", "``", "5 ** 2", "[a](", "```\nopen", "_", "~~a ~~"]
        {
            let spans = shown(text);
            assert!(spans.iter().all(|span| span.starts_with(':')), "{text}: {spans:?}");
        }
        assert_eq!(shown(r"\*a\* \\"), [":*a", ":* ", r":\"]);
    }

    #[test]
    fn a_hostile_text_takes_no_time() {
        for piece in ["*a ", "**a ", "[", "[a](", "`", "||", "_a*b ", "\\", "https://", "*a*b", "```\n"] {
            let text = piece.repeat(64 * 1024 / piece.len());
            let before = std::time::Instant::now();
            let spans = marked_spans(&text);
            assert!(before.elapsed().as_secs() < 2, "{piece:?} took {:?} for {} spans", before.elapsed(), spans.len());
        }
    }

    proptest! {
        #[test]
        fn spans_lie_in_the_text_one_behind_the_other(text in "[ab \\n*_~|`\\[\\]()\\\\é-]{0,60}|(https://a|\\*\\*|\\|\\||[a-z ]){0,20}") {
            let mut end = 0;
            for span in marked_spans(&text) {
                prop_assert!(span.range.start >= end && !span.range.is_empty());
                prop_assert!(text.get(span.range.clone()).is_some());
                prop_assert!(span.link.is_none_or(|link| text.get(link).is_some()));
                end = span.range.end;
            }
            prop_assert!(end <= text.len());
        }
    }
}
