//! The one writer: a thread that commits in groups, or the caller's own task.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use super::{
    LogSettings, WriterMode,
    engine::{Engine, Shared},
    requests::{Answer, Job, Reply},
};
use crate::{
    Refusal,
    store::{Store, StoreError},
};

/// The longest wait for a group to gather.
const GATHER: Duration = Duration::from_micros(500);

pub(crate) enum Writer<S> {
    Thread {
        /// None only while this is dropped.
        sender: Option<mpsc::Sender<Job>>,
        thread: Option<JoinHandle<()>>,
    },
    Inline(Box<Mutex<Engine<S>>>),
}

impl<S: Store> Writer<S> {
    pub fn start(shared: &Arc<Shared<S>>) -> Result<Self, StoreError> {
        let engine = Engine::new(shared.clone());
        match shared.settings.writer {
            WriterMode::Inline => Ok(Self::Inline(Box::new(Mutex::new(engine)))),
            WriterMode::Thread => {
                let (sender, receiver) = mpsc::channel(shared.settings.queue.max(1));
                let settings = shared.settings.clone();
                let thread =
                    std::thread::Builder::new().name("alcyon-writer".to_owned()).spawn(move || work(engine, receiver, &settings))?;
                Ok(Self::Thread { sender: Some(sender), thread: Some(thread) })
            }
        }
    }

    /// Asks the writer. The request has its place in the queue when this returns, if there is one.
    pub fn ask<T: Send + 'static, E: From<Refusal> + Send + 'static>(&self, job: impl FnOnce(Reply<T, E>) -> Job) -> Answer<T, E> {
        let (reply, receiver) = oneshot::channel();
        let job = job(reply);
        match self {
            Self::Inline(engine) => {
                engine.lock().unwrap_or_else(PoisonError::into_inner).run(std::iter::once(job));
                Answer::waiting(receiver)
            }
            Self::Thread { sender: None, .. } => Answer::known(Err(Refusal::internal().into())),
            Self::Thread { sender: Some(sender), .. } => match sender.try_send(job) {
                Ok(()) => Answer::waiting(receiver),
                Err(TrySendError::Full(job)) => {
                    let sender = sender.clone();
                    let queueing = async move {
                        // If the writer is gone, the answer's other end is dropped with the job, which says so.
                        let _ = sender.send(job).await;
                    };
                    Answer::queueing(Box::pin(queueing), receiver)
                }
                Err(TrySendError::Closed(_)) => Answer::known(Err(Refusal::internal().into())),
            },
        }
    }
}

impl<S> Drop for Writer<S> {
    fn drop(&mut self) {
        if let Self::Thread { sender, thread } = self {
            *sender = None;
            if let Some(thread) = thread.take()
                && thread.thread().id() != std::thread::current().id()
            {
                // It ends after the group it is at; then the store is free to be opened again.
                let _ = thread.join();
            }
        }
    }
}

fn work<S: Store>(mut engine: Engine<S>, mut receiver: mpsc::Receiver<Job>, settings: &LogSettings) {
    let mut group = Vec::new();
    let (mut last_took, mut last_size) = (Duration::ZERO, 0);
    while let Some(first) = receiver.blocking_recv() {
        if last_size > 1 && receiver.len() + 1 < last_size {
            // Those who were just answered ask again in a moment: a short wait, against what a flush takes, puts them into
            // one group instead of two.
            std::thread::sleep((last_took / 8).min(GATHER));
        }
        let mut bytes = first.bytes();
        group.push(first);
        while group.len() < settings.group_requests && bytes < settings.group_bytes {
            let Ok(job) = receiver.try_recv() else {
                break;
            };
            bytes += job.bytes();
            group.push(job);
        }
        last_size = group.len();
        let started = Instant::now();
        engine.run(group.drain(..));
        last_took = started.elapsed();
    }
}
