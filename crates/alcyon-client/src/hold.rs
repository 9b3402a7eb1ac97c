//! Each connection that is needed is kept by one task at a time: two that read the same log side by side would each meet
//! entries that the other has processed already, and take that for a server that shows them twice.

use std::{cell::RefCell, collections::BTreeMap};

use crate::{link::Link, poke::Poke};

/// Who keeps which connection.
#[derive(Default)]
pub(crate) struct Holds {
    held: RefCell<BTreeMap<Link, Way>>,
    /// Something was done on a connection, or its holder has changed.
    pub(crate) progress: Poke,
}

/// The state of a connection that somebody keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Being opened, or open. With `idle_at`, nothing was left to do on it after that many pokes for work.
    Up {
        /// [`Poke::count`] of the work that it has looked at.
        idle_at: Option<u64>,
    },
    /// The server could not be reached; its keeper waits before it tries again.
    Away,
}

const UP: Way = Way::Up { idle_at: None };

impl Holds {
    /// Takes a connection, unless somebody keeps it. It is given back when the hold is dropped.
    pub(crate) fn take(&self, link: &Link) -> Option<Hold<'_>> {
        let mut held = self.held.borrow_mut();
        if held.contains_key(link) {
            return None;
        }
        held.insert(link.clone(), UP);
        Some(Hold { holds: self, link: link.clone() })
    }

    /// How it stands with a connection; `None` if nobody keeps it.
    pub(crate) fn way(&self, link: &Link) -> Option<Way> {
        self.held.borrow().get(link).copied()
    }
}

/// The right to run a connection.
pub(crate) struct Hold<'a> {
    holds: &'a Holds,
    link: Link,
}

impl Hold<'_> {
    /// It is being opened.
    pub(crate) fn up(&self) {
        self.set(UP);
    }

    /// Tells those who follow how it stands.
    pub(crate) fn set(&self, way: Way) {
        self.holds.held.borrow_mut().insert(self.link.clone(), way);
        self.holds.progress.poke();
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.holds.held.borrow_mut().remove(&self.link);
        self.holds.progress.poke();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::link::Purpose;

    #[test]
    fn one_keeper_at_a_time() {
        let holds = Holds::default();
        let link = Link { server: "http://127.0.0.1:1".parse().unwrap(), purpose: Purpose::Hub };
        let before = holds.progress.count();
        let hold = holds.take(&link).unwrap();
        assert_eq!(holds.way(&link), Some(UP));
        assert!(holds.take(&link).is_none());
        assert!(holds.take(&Link { purpose: Purpose::Inbox, ..link.clone() }).is_some());
        hold.set(Way::Away);
        assert_eq!(holds.way(&link), Some(Way::Away));
        drop(hold);
        assert_eq!(holds.way(&link), None);
        assert!(holds.progress.count() > before + 1, "those who follow are woken");
        assert!(holds.take(&link).is_some());
    }
}
