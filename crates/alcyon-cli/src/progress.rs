//! A sign of life on standard error while something takes longer than a second.

use std::{
    future::poll_fn,
    io::{IsTerminal, Write as _, stderr},
    pin::pin,
    time::Duration,
};

use crate::{look::Look, text::Text};

const FIRST: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(120);

/// Runs `work`; people at a terminal see that it goes on.
pub(crate) async fn with_progress<T>(look: Look, json: bool, text: Text<'_>, work: impl Future<Output = T>) -> T {
    with_progress_saying(look, json, || look.language.say(text), work).await
}

/// The same, where what there is to say changes meanwhile.
pub(crate) async fn with_progress_saying<T>(look: Look, json: bool, say: impl Fn() -> String, work: impl Future<Output = T>) -> T {
    if json || !stderr().is_terminal() {
        return work.await;
    }
    let mut work = pin!(work);
    let mut shown = Shown(false);
    let mut wait = FIRST;
    let frames =
        if look.unicode { ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧"] } else { ["|", "/", "-", "\\", "|", "/", "-", "\\"] };
    for frame in frames.iter().cycle() {
        if let Ok(done) = tokio::time::timeout(wait, poll_fn(|context| work.as_mut().poll(context))).await {
            return done;
        }
        wait = STEP;
        shown.0 = true;
        let _ = write!(stderr(), "\r\u{1b}[K{frame} {}", say());
        let _ = stderr().flush();
    }
    unreachable!("a cycle has no end")
}

/// Clears the line even if the work is dropped.
struct Shown(bool);

impl Drop for Shown {
    fn drop(&mut self) {
        if self.0 {
            let _ = write!(stderr(), "\r\u{1b}[K");
        }
    }
}
