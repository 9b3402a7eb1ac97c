//! Making an account, and standing in line for it.

use std::{
    cell::{Cell, RefCell},
    io::Write,
    time::Instant,
};

use alcyon_client::{CodeWay, HandleName, InLine, Newcomer, ServerUrl};

use crate::{
    args::Shows,
    commands::Native,
    failure::Failure,
    look::Look,
    progress::with_progress_saying,
    report::Report,
    text::{Language, Text},
};

/// `alcyon register`
pub(crate) async fn run<W: Write>(
    name: &HandleName,
    server: &ServerUrl,
    waits: bool,
    shows: Shows,
    client: &Native,
    report: &mut Report<W>,
) -> Result<(), Failure> {
    let (look, json) = (report.look(), report.is_json());
    let last = Cell::new(None);
    let told = RefCell::new(&mut *report);
    let registered = {
        let mut newcomer = Waiting { waits, shows, look, json, last: &last, report: &told };
        let say = || said(look, last.get());
        with_progress_saying(look, json, say, client.register_as(name, server, &mut newcomer)).await?
    };
    report.registered(&registered)?;
    // They are on the screen: from here on no device has them.
    client.words_confirmed()?;
    Ok(())
}

/// Shows where it stands: in JSON as an event, to people beside the sign of life, elsewhere as a line now and then.
struct Waiting<'a, W: Write> {
    waits: bool,
    shows: Shows,
    look: Look,
    json: bool,
    last: &'a Cell<Option<(InLine, Instant)>>,
    report: &'a RefCell<&'a mut Report<W>>,
}

impl<W: Write> Newcomer for Waiting<'_, W> {
    fn in_line(&mut self, line: InLine) -> bool {
        self.last.set(Some((line, Instant::now())));
        if self.json {
            // Whoever reads may be gone; the account is made all the same.
            let _ = self.report.borrow_mut().in_line(line);
        } else if !std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            let _ = writeln!(std::io::stderr(), "{}", said(self.look, self.last.get()));
        }
        self.waits
    }

    fn invite(&mut self) -> Option<String> {
        self.shows.invite.clone().or_else(|| self.ask(Text::AskInvite))
    }

    fn address(&mut self, way: CodeWay) -> Option<String> {
        match way {
            CodeWay::Email => self.shows.email.clone().or_else(|| self.ask(Text::AskEmail)),
            CodeWay::Phone => self.shows.phone.clone().or_else(|| self.ask(Text::AskPhone)),
        }
    }

    fn code(&mut self, _: CodeWay, to: &str, again: bool) -> Option<String> {
        // One that was given is tried once.
        self.shows.code.take().or_else(|| self.ask(if again { Text::AskCodeAgain { to } } else { Text::AskCode { to } }))
    }
}

impl<W: Write> Waiting<'_, W> {
    /// Asks on a terminal; an empty line is no answer.
    fn ask(&self, text: Text<'_>) -> Option<String> {
        use std::io::{BufRead as _, IsTerminal as _, stderr, stdin};
        if self.json || !stdin().is_terminal() || !stderr().is_terminal() {
            return None;
        }
        let _ = write!(stderr(), "\r\u{1b}[K{} ", self.look.language.say(text));
        let mut line = String::new();
        stdin().lock().read_line(&mut line).ok()?;
        let line = line.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }
}

fn said(look: Look, last: Option<(InLine, Instant)>) -> String {
    let Some((InLine { place, waiting, wait_ms }, since)) = last else { return look.language.say(Text::Registering) };
    let passed_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let time = time(look.language, wait_ms.saturating_sub(passed_ms));
    look.language.say(Text::InLine { place, waiting: waiting.max(place), time: &time })
}

/// Roughly, as people say it.
fn time(language: Language, ms: u64) -> String {
    let seconds = ms.div_ceil(1_000);
    language.say(match seconds {
        0..120 => Text::Seconds { count: seconds },
        120..7_200 => Text::Minutes { count: seconds.div_ceil(60) },
        _ => Text::Hours { count: seconds.div_ceil(3_600) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        for (ms, english) in [(0, "0 s"), (1, "1 s"), (119_000, "119 s"), (120_000, "2 min"), (3_601_000, "61 min"), (7_200_000, "2 h")] {
            assert_eq!(time(Language::English, ms), english);
            assert_eq!(time(Language::French, ms), english);
        }
    }
}
