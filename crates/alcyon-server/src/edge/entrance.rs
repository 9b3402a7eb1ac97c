//! Where connections come in: accepting, TLS, HTTP and all that it asks for, on threads of their own.
//!
//! Whoever already talks here does so on the server's other threads, and those here leave them the processor: a night on which
//! millions want in costs those who are in nothing that the system can help. Once a connection has become a WebSocket it is carried on
//! there; its socket belongs to their reactor from the beginning.

use std::io;

use tokio::runtime::{Handle, Runtime};

use crate::priority;

/// The runtime that connections come in by.
pub(crate) struct Entrance {
    handle: Handle,
    /// None: it is that of its maker.
    own: Option<Runtime>,
}

impl Entrance {
    /// On threads of its own, nicer than the one that asks.
    pub(crate) fn of_its_own() -> io::Result<Self> {
        let mut threads = tokio::runtime::Builder::new_multi_thread();
        threads.enable_all().thread_name("alcyon-entrance").on_thread_start(priority::yield_to_those_inside);
        let own = threads.build()?;
        Ok(Self { handle: own.handle().clone(), own: Some(own) })
    }

    /// On the runtime of whoever asks: where time is simulated there is one.
    pub(crate) fn here() -> Self {
        Self { handle: Handle::current(), own: None }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            // A read of the store may hang: it must not hold up the end.
            own.shutdown_background();
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn who_comes_in_leaves_the_processor_to_those_inside() {
        let nice = async || rustix::process::getpriority_process(None).unwrap();
        let inside = nice().await;
        let entrance = Entrance::of_its_own().unwrap();
        assert!(entrance.handle().spawn(async move { nice().await }).await.unwrap() > inside);
        let here = Entrance::here();
        assert_eq!(here.handle().spawn(async move { nice().await }).await.unwrap(), inside);
    }
}
