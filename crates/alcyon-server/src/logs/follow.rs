//! Waking those who listen: one mailbox a connection, however many logs it follows.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use alcyon_wire::{LogId, SeatId};
use bytes::Bytes;
use tokio::sync::Notify;

/// Signals that wait for a slow connection; older ones give way, for they are never stored anyway.
const PUBLISHED_WAITING: usize = 64;

/// What one connection is told about the logs it follows. Clones share one mailbox; when the last one goes, it follows
/// nothing.
#[derive(Clone, Default)]
pub struct Follower {
    mailbox: Arc<Mailbox>,
}

/// News of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// There are entries after what was read, or the seat was dropped: read again.
    Entries(LogId),
    /// Somebody published this.
    Published(LogId, Bytes),
}

#[derive(Default)]
struct Mailbox {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    moved: Vec<(LogId, Arc<AtomicBool>)>,
    published: VecDeque<(LogId, Bytes)>,
}

/// Those who follow one log.
#[derive(Default)]
pub(crate) struct Registrations {
    list: Mutex<Vec<Registration>>,
    count: AtomicUsize,
}

struct Registration {
    mailbox: Weak<Mailbox>,
    seat: SeatId,
    /// The mailbox knows already that the log has moved.
    told: Arc<AtomicBool>,
}

impl Follower {
    /// Waits for news: each log that has moved once, however far, and what was published. Never empty. Cancel safe.
    pub async fn news(&self) -> Vec<News> {
        loop {
            let arrived = self.mailbox.arrived.notified();
            let news = self.news_now();
            if !news.is_empty() {
                return news;
            }
            arrived.await;
        }
    }

    /// The news that is there, possibly none.
    #[must_use]
    pub fn news_now(&self) -> Vec<News> {
        let mut waiting = self.mailbox.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { moved, published } = &mut *waiting;
        let moved = moved.drain(..).map(|(log, told)| {
            // Before the reader looks: what comes after is told again.
            told.store(false, Ordering::Release);
            News::Entries(log)
        });
        moved.chain(published.drain(..).map(|(log, payload)| News::Published(log, payload))).collect()
    }
}

impl Mailbox {
    fn moved(&self, log: LogId, told: &Arc<AtomicBool>) {
        if told.swap(true, Ordering::AcqRel) {
            return;
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).moved.push((log, told.clone()));
        self.arrived.notify_one();
    }

    fn published(&self, log: LogId, payload: Bytes) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.published.len() >= PUBLISHED_WAITING {
            waiting.published.pop_front();
        }
        waiting.published.push_back((log, payload));
        drop(waiting);
        self.arrived.notify_one();
    }
}

impl Registrations {
    /// `follower` is told from now on.
    pub fn add(&self, follower: &Follower, seat: SeatId) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|one| one.mailbox.strong_count() > 0 && !(one.seat == seat && one.is_of(follower)));
        list.push(Registration { mailbox: Arc::downgrade(&follower.mailbox), seat, told: Arc::default() });
        self.count.store(list.len(), Ordering::Release);
    }

    /// `follower` is told no more.
    pub fn remove(&self, follower: &Follower) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|one| one.mailbox.strong_count() > 0 && !one.is_of(follower));
        self.count.store(list.len(), Ordering::Release);
    }

    /// The log has moved; those on `dropped` seats hear it for the last time.
    pub fn moved(&self, log: LogId, dropped: &[SeatId]) {
        if self.is_empty() {
            return;
        }
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|one| {
            let Some(mailbox) = one.mailbox.upgrade() else {
                return false;
            };
            mailbox.moved(log, &one.told);
            !dropped.contains(&one.seat)
        });
        self.count.store(list.len(), Ordering::Release);
    }

    /// Somebody published.
    pub fn published(&self, log: LogId, payload: &Bytes) {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        for mailbox in list.iter().filter_map(|one| one.mailbox.upgrade()) {
            mailbox.published(log, payload.clone());
        }
    }

    /// Whether nobody follows, as far as is known without a look at each.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }
}

impl Registration {
    fn is_of(&self, follower: &Follower) -> bool {
        Weak::as_ptr(&self.mailbox) == Arc::as_ptr(&follower.mailbox)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_log_that_moves_often_is_told_once_until_it_was_heard() {
        let (follower, registrations) = (Follower::default(), Registrations::default());
        let (log, seat) = (LogId::from([1; 16]), SeatId::from([2; 32]));
        registrations.add(&follower, seat);
        for _ in 0..3 {
            registrations.moved(log, &[]);
        }
        assert_eq!(follower.news().await, [News::Entries(log)]);
        assert_eq!(follower.news_now(), []);
        registrations.moved(log, &[seat]);
        registrations.moved(log, &[]);
        assert_eq!(follower.news().await, [News::Entries(log)], "dropped: once more and never again");
        registrations.moved(log, &[]);
        assert_eq!(follower.news_now(), []);
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let registrations = Registrations::default();
        let follower = Follower::default();
        registrations.add(&follower, SeatId::from([2; 32]));
        drop(follower);
        registrations.moved(LogId::from([1; 16]), &[]);
        assert!(registrations.is_empty());
    }

    #[test]
    fn what_is_published_to_a_slow_one_gives_way() {
        let (follower, registrations) = (Follower::default(), Registrations::default());
        registrations.add(&follower, SeatId::from([2; 32]));
        for n in 0..100_u8 {
            registrations.published(LogId::from([1; 16]), &Bytes::copy_from_slice(&[n]));
        }
        let news = follower.news_now();
        assert_eq!(news.len(), PUBLISHED_WAITING);
        assert_eq!(news.last(), Some(&News::Published(LogId::from([1; 16]), Bytes::from_static(&[99]))));
    }
}
