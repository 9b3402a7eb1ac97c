use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    admission::memory::{CONNECTION, Lease, Memory},
    logs::AddressBand,
    observe::Metrics,
};

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
    /// Connections by where they come from; in memory only.
    bands: Mutex<HashMap<AddressBand, u32>>,
    most_per_address: u32,
    memory: Arc<Memory>,
    metrics: Arc<Metrics>,
}

/// Why there is no place for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// There are as many as there may be.
    Connections,
    /// There are as many from its part of the network as there may be.
    Address,
    /// What connections hold has reached the ceiling.
    Memory,
}

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    /// At once, all together.
    pub(crate) all: u32,
    /// At once from one address band; those from this machine are not counted.
    pub(crate) per_address: u32,
}

impl Lifecycle {
    pub(crate) fn new(metrics: Arc<Metrics>, places: Places, memory: Arc<Memory>) -> Arc<Self> {
        Arc::new(Self {
            phase: watch::Sender::new(Phase::Running),
            connections: AtomicU32::new(0),
            most_connections: AtomicU32::new(places.all),
            empty: tokio::sync::Notify::new(),
            listeners: Mutex::default(),
            next_listener: AtomicU64::new(0),
            most_per_address: places.per_address,
            bands: Mutex::default(),
            memory,
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

    /// What connections hold, counted.
    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Takes a place for one connection, if there is one.
    pub(crate) fn take_place(self: &Arc<Self>, peer: IpAddr) -> Result<Place, NoPlace> {
        let Some(lease) = self.memory.lease(CONNECTION) else {
            self.metrics.refused_for_memory.increment(1);
            return Err(NoPlace::Memory);
        };
        let band = (!stands_for_everybody(peer)).then(|| AddressBand::of(peer));
        if let Some(band) = band {
            let mut bands = self.bands();
            let count = bands.entry(band).or_insert(0);
            if *count >= self.most_per_address {
                self.metrics.refused_for_address.increment(1);
                return Err(NoPlace::Address);
            }
            *count += 1;
        }
        // From here on it is given back when dropped.
        let mut place = Place(Box::new(Taken { lifecycle: self.clone(), band, counted: false, _lease: lease }));
        let most = self.most_connections.load(Ordering::Acquire);
        if self.connections.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now < most).then_some(now + 1)).is_err() {
            self.metrics.refused_at_limit.increment(1);
            return Err(NoPlace::Connections);
        }
        self.metrics.connections.increment(1.0);
        place.0.counted = true;
        Ok(place)
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

    fn bands(&self) -> MutexGuard<'_, HashMap<AddressBand, u32>> {
        self.bands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<u64, Weak<dyn PhaseListener>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes from this machine's usual address is a proxy that stands for everybody, or the operator.
fn stands_for_everybody(peer: IpAddr) -> bool {
    peer == IpAddr::V4(Ipv4Addr::LOCALHOST) || peer == IpAddr::V6(Ipv6Addr::LOCALHOST)
}

/// The place of one connection; free again when dropped. In a box: connections are moved about, and many.
pub(crate) struct Place(#[allow(dead_code, reason = "kept for what dropping it does")] Box<Taken>);

struct Taken {
    lifecycle: Arc<Lifecycle>,
    band: Option<AddressBand>,
    /// It counts among all connections.
    counted: bool,
    _lease: Lease,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Lifecycle { connections, empty, metrics, .. } = &*self.lifecycle;
        if let Some(band) = self.band {
            let mut bands = self.lifecycle.bands();
            if let Some(count) = bands.get_mut(&band) {
                *count -= 1;
                if *count == 0 {
                    bands.remove(&band);
                }
            }
        }
        if !self.counted {
            return;
        }
        metrics.connections.decrement(1.0);
        if connections.fetch_sub(1, Ordering::AcqRel) == 1 {
            empty.notify_waiters();
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

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn lifecycle(all: u32, per_address: u32, memory: u64) -> Arc<Lifecycle> {
        Lifecycle::new(Arc::new(Metrics::new()), Places { all, per_address }, Memory::new(memory))
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_counted_and_come_back() {
        let lifecycle = lifecycle(2, 1, u64::MAX);
        let first = lifecycle.take_place(HERE).unwrap();
        let second = lifecycle.take_place(HERE).unwrap();
        assert_eq!(lifecycle.take_place(HERE).err(), Some(NoPlace::Connections));
        drop(first);
        let third = lifecycle.take_place(HERE).unwrap();
        assert!(!lifecycle.emptied_within(Duration::from_secs(1)).await);
        drop((second, third));
        assert!(lifecycle.emptied_within(Duration::from_secs(1)).await);
        assert_eq!(lifecycle.memory().used(), 0);
    }

    #[test]
    fn one_part_of_the_network_has_so_many_places_and_no_more() {
        let lifecycle = lifecycle(100, 2, u64::MAX);
        let from = |text: &str| lifecycle.take_place(text.parse().unwrap());
        let places = [from("192.0.2.1").unwrap(), from("192.0.2.200").unwrap()];
        assert_eq!(from("192.0.2.3").err(), Some(NoPlace::Address));
        let others = [from("192.0.3.3").unwrap(), from("2001:db8::1").unwrap()];
        drop(places);
        assert!(from("192.0.2.3").is_ok());
        drop(others);
        assert!(lifecycle.bands().is_empty());
    }

    #[test]
    fn without_memory_there_is_no_place() {
        let lifecycle = lifecycle(100, 100, 2 * CONNECTION);
        let places = [(); 2].map(|()| lifecycle.take_place(HERE).unwrap());
        assert_eq!(lifecycle.take_place(HERE).err(), Some(NoPlace::Memory));
        drop(places);
        assert!(lifecycle.take_place(HERE).is_ok());
    }

    #[tokio::test]
    async fn phases_only_go_forward_and_everybody_is_told() {
        struct Told(Mutex<Vec<Phase>>);
        impl PhaseListener for Told {
            fn phase(&self, phase: Phase) {
                self.0.lock().unwrap().push(phase);
            }
        }
        let lifecycle = lifecycle(2, 2, u64::MAX);
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
