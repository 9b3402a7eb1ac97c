//! Reports, as an operator sees them.

use super::request::{ReportShown, ReportedShown};
use crate::{
    reports::{ReportId, ReportRecord, ReportedMessage, Reports},
    store::Store,
};

/// For the answer of the socket.
pub(super) fn shown<S: Store>(reports: &Reports<S>, id: ReportId, record: ReportRecord) -> ReportShown {
    let ReportRecord { received_ms, account, called, reason, words, messages, from } = record;
    let given = |text: String| (!text.is_empty()).then_some(text);
    ReportShown {
        id: id.to_string(),
        received_ms,
        kept_until_ms: reports.until_ms(received_ms),
        account: given(account),
        called,
        reason,
        words,
        messages: messages.into_iter().map(|ReportedMessage { by, sent_at_ms, text }| ReportedShown { by, sent_at_ms, text }).collect(),
        from: given(from),
    }
}

/// For a person at a terminal.
pub(super) fn text(report: &ReportShown, date: impl Fn(u64) -> String) -> String {
    let ReportShown { id, received_ms, kept_until_ms, account, called, reason, words, messages, from } = report;
    let about = match account {
        Some(account) => format!("{}, account {}", harmless(called), harmless(account)),
        None => format!("a group called \u{201c}{}\u{201d}", harmless(called)),
    };
    let mut lines = vec![
        format!("report {id}"),
        format!("  about: {about}"),
        format!("  reason: {}", harmless(reason)),
        format!("  received: {}, kept until {}", date(*received_ms), date(*kept_until_ms)),
        format!("  from: {}", from.as_deref().map_or("not said".to_owned(), |from| format!("account {}", harmless(from)))),
    ];
    if !words.is_empty() {
        lines.push(format!("  says: {}", quoted(words)));
    }
    for ReportedShown { by, sent_at_ms, text } in messages {
        lines.push(format!("  claims that {} wrote on {}: {}", harmless(by), date(*sent_at_ms), quoted(text)));
    }
    lines.push("  Nothing of this is proven: this server has never seen the messages.".to_owned());
    lines.join("\n")
}

/// On lines of its own if it has several.
fn quoted(text: &str) -> String {
    let text = harmless(text);
    if text.contains('\n') { format!("\n    {}", text.replace('\n', "\n    ")) } else { text }
}

/// Written by anybody: it moves no cursor, colours nothing and turns no direction of reading.
fn harmless(text: &str) -> String {
    let is_harmful = |letter: char| {
        letter != '\n' && letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
    };
    text.chars().map(|letter| if is_harmful(letter) { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_can_do_nothing_to_the_terminal_it_is_read_at() {
        let report = ReportShown {
            id: "07".repeat(16),
            received_ms: 1,
            kept_until_ms: 2,
            account: None,
            called: "boats\u{202e}".to_owned(),
            reason: "abuse".to_owned(),
            words: "one\ntwo".to_owned(),
            messages: vec![ReportedShown { by: "mal@sea.example".to_owned(), sent_at_ms: 3, text: "\u{1b}[2Jgone".to_owned() }],
            from: None,
        };
        insta::assert_snapshot!(text(&report, |ms| format!("day {ms}")));
    }
}
