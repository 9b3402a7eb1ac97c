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

use alcyon_wire::RefusalCode;

use super::{
    WriterMode,
    engine::{Engine, Shared},
    requests::{Answer, Job, Reply},
    results::Teller,
};
use crate::{
    Refusal,
    admission::{
        Waiting,
        queue::{Lane, Queue, Queued},
    },
    priority,
    store::{Store, StoreError},
};

/// The longest wait for a group to gather.
const GATHER: Duration = Duration::from_micros(500);

/// So many times as large a group may be while clearly less is asked than can be done: what a moment has left behind in which the disk
/// hung goes quickly, because what a flush costs is shared by more. Where more is asked, all wait for the whole of a group.
const CALM_GROUP: usize = 4;

pub(crate) enum Writer<S> {
    Thread {
        /// None only while this is dropped.
        sender: Option<mpsc::Sender<Queued<Job>>>,
        thread: Option<JoinHandle<()>>,
    },
    Inline(Box<Mutex<Engine<S>>>),
}

impl<S: Store> Writer<S> {
    pub fn start(shared: &Arc<Shared<S>>) -> Result<Self, StoreError> {
        match shared.settings.writer {
            WriterMode::Inline => Ok(Self::Inline(Box::new(Mutex::new(Engine::new(shared.clone(), Teller::Here))))),
            WriterMode::Thread => {
                let engine = Engine::new(shared.clone(), Teller::on_the_runtime());
                let (sender, receiver) = mpsc::channel(shared.settings.queue.max(1));
                let thread = std::thread::Builder::new().name("alcyon-writer".to_owned()).spawn(move || {
                    priority::yield_to_those_who_answer();
                    work(engine, receiver);
                })?;
                Ok(Self::Thread { sender: Some(sender), thread: Some(thread) })
            }
        }
    }

    /// Asks the writer. The request has its place in the queue when this returns, if there is one. Requests of one lane are
    /// carried out in their order.
    pub fn ask<T: Send + 'static, E: From<Refusal> + Send + 'static>(
        &self,
        lane: Lane,
        job: impl FnOnce(Reply<T, E>) -> Job,
    ) -> Answer<T, E> {
        let (reply, receiver) = oneshot::channel();
        let job = job(reply);
        match self {
            Self::Inline(engine) => {
                engine.lock().unwrap_or_else(PoisonError::into_inner).run(std::iter::once(job));
                Answer::waiting(receiver)
            }
            Self::Thread { sender: None, .. } => Answer::known(Err(Refusal::internal().into())),
            Self::Thread { sender: Some(sender), .. } => {
                match sender.try_send(Queued { class: job.class(), bytes: job.bytes(), item: job, lane, since: Instant::now() }) {
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
                }
            }
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

fn work<S: Store>(mut engine: Engine<S>, mut receiver: mpsc::Receiver<Queued<Job>>) {
    let shared = engine.shared.clone();
    let settings = &shared.settings;
    let mut queue = Queue::default();
    let (mut last_took, mut last_size) = (Duration::ZERO, 0);
    loop {
        if queue.is_empty() {
            let Some(first) = receiver.blocking_recv() else {
                return;
            };
            queue.push(first);
        }
        if last_size > 1 && receiver.len() + queue.len() < last_size {
            // Those who were just answered ask again in a moment: a short wait, against what a flush takes, puts them into
            // one group instead of two.
            std::thread::sleep((last_took / 8).min(GATHER));
        }
        while queue.len() < settings.queue.max(1)
            && let Ok(job) = receiver.try_recv()
        {
            queue.push(job);
        }
        let started = Instant::now();
        let calm = shared.gate.as_ref().is_none_or(|gate| gate.is_calm());
        let standing = queue.begin(started, last_took, calm);
        if let Some(gate) = &shared.gate {
            gate.waited(Waiting::Store, standing);
        }
        let past = queue.past(started, last_took, Job::is_given_up);
        if !past.is_empty() {
            // Nothing of it was done. Whoever has gone does not hear it; others come back, each at another time.
            let refusal = || match &shared.gate {
                Some(gate) => gate.refusal(),
                None => Refusal::later(RefusalCode::Overloaded, "it waited too long", 1_000),
            };
            engine.refuse(past.into_iter().map(|past| (past.item, refusal())));
        }
        let most = if calm { settings.group_requests * CALM_GROUP } else { settings.group_requests };
        let group = queue.take(most, settings.group_bytes);
        last_size = group.len();
        engine.run(group.into_iter());
        last_took = started.elapsed();
        if let Some(gate) = &shared.gate {
            gate.group_took(last_took);
        }
    }
}
