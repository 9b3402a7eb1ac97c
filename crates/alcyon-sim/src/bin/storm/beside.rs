//! Those who disturb, on a thread of their own: what they do must not make late those who are measured.

use std::thread;

use alcyon_sim::machine;
use anyhow::{Context, Result};
use tokio::{sync::oneshot, task::LocalSet};

/// Something that goes on beside the measuring and has an end.
pub struct Beside<T> {
    result: oneshot::Receiver<T>,
    thread: thread::JoinHandle<Result<()>>,
}

impl<T: Send + 'static> Beside<T> {
    pub fn start<F: Future<Output = T>>(name: &str, act: impl FnOnce() -> F + Send + 'static) -> Result<Self> {
        let (sender, result) = oneshot::channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            machine::give_way()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let ended = LocalSet::new().block_on(&runtime, act());
            // Whoever has gone asks for nothing.
            let _gone = sender.send(ended);
            Ok(())
        })?;
        Ok(Self { result, thread })
    }

    /// Waits for the end.
    pub async fn end(self) -> Result<T> {
        let Self { result, thread } = self;
        let ended = result.await;
        match thread.join() {
            Ok(run) => run.context("a thread beside the measuring")?,
            Err(_) => anyhow::bail!("a thread beside the measuring has panicked"),
        }
        Ok(ended?)
    }
}
