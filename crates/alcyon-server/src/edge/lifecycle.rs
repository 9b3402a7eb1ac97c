use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::observe::Metrics;

/// How far the server is on its way from start to stop. It only goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Takes connections and work.
    Running,
    /// Finishes what it has accepted, takes nothing new.
    Draining,
    /// The time to drain is over: what is still there is dropped.
    Ended,
}

/// Something that is told when the phase changes. A session; thousands of them, so no task or channel each.
pub(crate) trait PhaseListener: Send + Sync {
    /// The phase is now this.
    fn phase(&self, phase: Phase);
}

/// Keeps the phase, counts connections, and tells sessions.
pub(crate) struct Lifecycle {
    phase: watch::Sender<Phase>,
    connections: AtomicU32,
    most_connections: AtomicU32,
    empty: tokio::sync::Notify,
    listeners: Mutex<HashMap<u64, Weak<dyn PhaseListener>>>,
    next_listener: AtomicU64,
    metrics: Arc<Metrics>,
}

impl Lifecycle {
    /// `most_connections` at once.
    pub(crate) fn new(metrics: Arc<Metrics>, most_connections: u32) -> Arc<Self> {
        Arc::new(Self {
            phase: watch::Sender::new(Phase::Running),
            connections: AtomicU32::new(0),
            most_connections: AtomicU32::new(most_connections),
            empty: tokio::sync::Notify::new(),
            listeners: Mutex::default(),
            next_listener: AtomicU64::new(0),
            metrics,
        })
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until the phase is `phase` or a later one.
    pub(crate) async fn reached(&self, phase: Phase) {
        // The sender lives as long as `self`.
        let _ = self.phase.subscribe().wait_for(|now| *now >= phase).await;
    }

    /// Goes on to `phase`, unless it is there already, and tells everybody.
    pub(crate) fn advance(&self, phase: Phase) {
        self.metrics.draining.set(f64::from(u8::from(phase >= Phase::Draining)));
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
        let listeners: Vec<_> = self.listeners().values().filter_map(Weak::upgrade).collect();
        for listener in listeners {
            listener.phase(phase);
        }
    }

    /// Tells `listener` of every later phase, and of the present one if that is not running, until the guard is dropped.
    pub(crate) fn listen(self: &Arc<Self>, listener: Weak<dyn PhaseListener>) -> Listening {
        let key = self.next_listener.fetch_add(1, Ordering::Relaxed);
        let told_now = listener.upgrade();
        self.listeners().insert(key, listener);
        // After the insertion: a change before it is seen here, a change after it is told by `advance`.
        let phase = self.phase();
        if phase > Phase::Running
            && let Some(listener) = told_now
        {
            listener.phase(phase);
        }
        Listening { lifecycle: self.clone(), key }
    }

    /// From now on so many connections at once; those that are open stay.
    pub(crate) fn set_most_connections(&self, most: u32) {
        self.most_connections.store(most, Ordering::Release);
    }

    /// Connections open now, and how many there may be.
    pub(crate) fn connections(&self) -> (u32, u32) {
        (self.connections.load(Ordering::Acquire), self.most_connections.load(Ordering::Acquire))
    }

    /// Takes a place for one connection, if there is one.
    pub(crate) fn take_place(self: &Arc<Self>) -> Option<Place> {
        let most = self.most_connections.load(Ordering::Acquire);
        let taken = self.connections.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now < most).then_some(now + 1));
        taken.ok()?;
        self.metrics.connections.increment(1.0);
        Some(Place(self.clone()))
    }

    /// Waits until no connection is left, at most this long. True if none is.
    pub(crate) async fn emptied_within(&self, time: Duration) -> bool {
        let emptied = async {
            loop {
                let notified = self.empty.notified();
                if self.connections.load(Ordering::Acquire) == 0 {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(time, emptied).await.is_ok()
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<u64, Weak<dyn PhaseListener>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection; free again when dropped.
pub(crate) struct Place(Arc<Lifecycle>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.metrics.connections.decrement(1.0);
        if self.0.connections.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.empty.notify_waiters();
        }
    }
}

/// While it lives, a listener is told.
pub(crate) struct Listening {
    lifecycle: Arc<Lifecycle>,
    key: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.lifecycle.listeners().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn places_are_counted_and_come_back() {
        let lifecycle = Lifecycle::new(Arc::new(Metrics::new()), 2);
        let first = lifecycle.take_place().unwrap();
        let second = lifecycle.take_place().unwrap();
        assert!(lifecycle.take_place().is_none());
        drop(first);
        let third = lifecycle.take_place().unwrap();
        assert!(!lifecycle.emptied_within(Duration::from_secs(1)).await);
        drop((second, third));
        assert!(lifecycle.emptied_within(Duration::from_secs(1)).await);
    }

    #[tokio::test]
    async fn phases_only_go_forward_and_everybody_is_told() {
        struct Told(Mutex<Vec<Phase>>);
        impl PhaseListener for Told {
            fn phase(&self, phase: Phase) {
                self.0.lock().unwrap().push(phase);
            }
        }
        let lifecycle = Lifecycle::new(Arc::new(Metrics::new()), 2);
        let [early, late, gone] = [(); 3].map(|()| Arc::new(Told(Mutex::default())));
        let weak = |told: &Arc<Told>| -> Weak<dyn PhaseListener> { Arc::downgrade(&(told.clone() as Arc<dyn PhaseListener>)) };
        let _early = lifecycle.listen(weak(&early));
        drop(lifecycle.listen(weak(&gone)));
        lifecycle.advance(Phase::Draining);
        let _late = lifecycle.listen(weak(&late));
        lifecycle.advance(Phase::Ended);
        lifecycle.advance(Phase::Draining);
        assert_eq!(lifecycle.phase(), Phase::Ended);
        assert_eq!(early.0.lock().unwrap()[..2], [Phase::Draining, Phase::Ended]);
        assert_eq!(late.0.lock().unwrap()[..2], [Phase::Draining, Phase::Ended]);
        assert!(gone.0.lock().unwrap().is_empty());
        lifecycle.reached(Phase::Draining).await;
    }
}
