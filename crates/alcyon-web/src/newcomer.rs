//! Whoever signs up on a page: what it shows was typed before, and where it stands in line is told.

use alcyon_client::{CodeWay, InLine, Newcomer, Toil};

use crate::{Event, Shows, worker::tell};

/// Each thing is shown once: what a server has not taken is typed anew.
pub(crate) struct PageNewcomer(pub(crate) Shows);

impl Newcomer for PageNewcomer {
    fn in_line(&mut self, InLine { place, waiting, wait_ms }: InLine) -> bool {
        tell(&Event::InLine { place, waiting, wait_ms });
        // Whoever does not want to wait closes the page; the place is kept.
        true
    }

    fn working(&mut self, Toil { spent_ms, mean_ms, permille }: Toil) {
        tell(&Event::Working { spent_ms, mean_ms, permille });
    }

    fn invite(&mut self) -> Option<String> {
        self.0.invite.take()
    }

    fn address(&mut self, way: CodeWay) -> Option<String> {
        match way {
            CodeWay::Email => self.0.email.clone(),
            CodeWay::Phone => self.0.phone.clone(),
        }
    }

    fn code(&mut self, _: CodeWay, _: &str, _: bool) -> Option<String> {
        self.0.code.take()
    }
}
