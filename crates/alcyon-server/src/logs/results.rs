//! What came of a group of requests, on its way to those who asked and those who listen.
//!
//! The writer is a thread of its own, and each answer that it gives by itself wakes whoever asked: on few cores that one goes first, sends
//! one answer and sleeps again, before the writer can give the next. So the whole group goes over at once, and all are woken where they run:
//! of 64 answers for one connection one packet is made, and not 64. What the operator and the server itself ask for ([`Class::Live`]) is answered
//! by the writer all the same: it does not share the fate of a runtime that has no time.

use std::sync::Arc;

use alcyon_wire::SeatId;
use tokio::{
    runtime::Handle,
    sync::mpsc::{UnboundedSender, unbounded_channel},
};

use super::{
    Receipt,
    cells::Cell,
    requests::{Job, Reply},
    sweep::SweepStep,
};
use crate::{Refusal, admission::Class};

/// What came of one group. If it is dropped instead of told, whoever asked hears that the server failed.
#[derive(Default)]
pub(crate) struct Results {
    pub receipts: Vec<(Reply<Receipt>, Result<Receipt, Refusal>)>,
    settled: Vec<Box<dyn Settle>>,
    /// The same for those who have no time to wait for the runtime.
    here: Vec<Box<dyn Settle>>,
    refused: Vec<(Job, Refusal)>,
    /// Logs that have moved, and who hears it for the last time.
    pub moved: Vec<(Arc<Cell>, Vec<SeatId>)>,
    /// The group's commit failed: nothing of what was settled is true.
    pub failure: Option<Refusal>,
}

/// An answer that waits for the commit of its group.
trait Settle: Send {
    fn settle(self: Box<Self>, failure: Option<&Refusal>);
}

impl<T: Send, E: From<Refusal> + Send> Settle for (Reply<T, E>, Result<T, E>) {
    fn settle(self: Box<Self>, failure: Option<&Refusal>) {
        let (reply, result) = *self;
        // Who asked may be gone; then nobody wants to know.
        let _ = reply.send(failure.map_or(result, |refusal| Err(refusal.clone().into())));
    }
}

impl Results {
    /// An answer, if the commit succeeds, to a request of this class.
    pub fn settle<T: Send + 'static, E: From<Refusal> + Send + 'static>(&mut self, class: Class, reply: Reply<T, E>, result: Result<T, E>) {
        let place = if class == Class::Live { &mut self.here } else { &mut self.settled };
        place.push(Box::new((reply, result)));
    }

    /// An answer, whatever comes of the commit: nothing of it was done.
    pub fn refuse(&mut self, job: Job, refusal: Refusal) {
        if job.class() == Class::Live {
            refuse(job, &refusal);
        } else {
            self.refused.push((job, refusal));
        }
    }

    fn tell_here(&mut self) {
        for settle in self.here.drain(..) {
            settle.settle(self.failure.as_ref());
        }
    }

    fn tell(mut self) {
        self.tell_here();
        let Self { receipts, settled, here: _, refused, moved, failure } = self;
        for (cell, dropped) in moved {
            cell.followers.moved(cell.log, &dropped);
        }
        for (reply, result) in receipts {
            let _ = reply.send(failure.clone().map_or(result, Err));
        }
        for settle in settled {
            settle.settle(failure.as_ref());
        }
        for (job, refusal) in refused {
            refuse(job, &refusal);
        }
    }
}

/// Where results are told.
pub(crate) enum Teller {
    /// By whoever has them.
    Here,
    /// By a task of the runtime, in their order. What waits there is no more than what was asked.
    Task(UnboundedSender<Results>),
}

impl Teller {
    /// A task of the runtime that this is called on, if there is one.
    pub fn on_the_runtime() -> Self {
        let Ok(runtime) = Handle::try_current() else {
            return Self::Here;
        };
        let (sender, mut receiver) = unbounded_channel::<Results>();
        runtime.spawn(async move {
            while let Some(results) = receiver.recv().await {
                results.tell();
            }
        });
        Self::Task(sender)
    }

    pub fn tell(&self, mut results: Results) {
        match self {
            Self::Here => results.tell(),
            Self::Task(task) => {
                results.tell_here();
                // The runtime is gone, and everybody who asked with it.
                let _ = task.send(results);
            }
        }
    }
}

/// Answers without having tried.
fn refuse(job: Job, refusal: &Refusal) {
    fn send<T, E: From<Refusal>>(reply: Reply<T, E>, refusal: &Refusal) {
        let _ = reply.send(Err(refusal.clone().into()));
    }
    match job {
        Job::Append(_, reply) | Job::Entry(_, reply) | Job::Create(_, reply) => send(reply, refusal),
        Job::SetPasses(_, reply) | Job::PutTree(_, reply) | Job::Own(_, _, reply) | Job::Barrier(reply) => send(reply, refusal),
        Job::Sweep(_, reply) => send::<Option<SweepStep>, Refusal>(reply, refusal),
        Job::Directory(job) => job.refuse(refusal),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::sync::oneshot::{self, error::TryRecvError};

    use alcyon_wire::LogId;

    use super::*;
    use crate::logs::requests::PassesRequest;

    type Asked = oneshot::Receiver<Result<(), Refusal>>;

    /// What came of a request, of another one that was refused, and both who wait.
    fn group() -> (Results, [Asked; 2]) {
        let mut results = Results::default();
        let (reply, settled) = oneshot::channel();
        results.settle(Class::Commit, reply, Ok(()));
        let (reply, refused) = oneshot::channel();
        let request = PassesRequest { log: LogId::from([1; 16]), seat: SeatId::from([2; 32]), added: Vec::new(), dropped: Vec::new() };
        results.refuse(Job::SetPasses(Box::new(request), reply), Refusal::later(alcyon_wire::RefusalCode::Overloaded, "another time", 1));
        (results, [settled, refused])
    }

    #[tokio::test]
    async fn a_group_is_told_where_those_who_asked_run_and_in_one_go() {
        let teller = Teller::on_the_runtime();
        let (results, mut asked) = group();
        let (later, mut asked_later) = group();
        std::thread::spawn(move || {
            teller.tell(results);
            teller.tell(later);
        })
        .join()
        .unwrap();
        // The other thread is done with it, and nobody was woken yet.
        for asked in asked.iter_mut().chain(&mut asked_later) {
            assert_eq!(asked.try_recv(), Err(TryRecvError::Empty));
        }
        tokio::task::yield_now().await;
        for [settled, refused] in [asked, asked_later] {
            assert_eq!(settled.await, Ok(Ok(())));
            assert_eq!(refused.await.unwrap().unwrap_err().code, alcyon_wire::RefusalCode::Overloaded);
        }
    }

    #[tokio::test]
    async fn what_the_operator_asks_does_not_wait_for_the_runtime() {
        let teller = Teller::on_the_runtime();
        let mut results = Results::default();
        let (reply, mut done) = oneshot::channel::<Result<(), Refusal>>();
        results.settle(Class::Live, reply, Ok(()));
        let (reply, mut refused) = oneshot::channel();
        results.refuse(Job::Barrier(reply), Refusal::internal());
        teller.tell(results);
        // This task has not given way since.
        assert_eq!(done.try_recv(), Ok(Ok(())));
        assert!(refused.try_recv().unwrap().is_err());
    }

    #[test]
    fn where_no_runtime_is_whoever_has_them_tells_them() {
        let teller = Teller::on_the_runtime();
        let (results, [mut settled, mut refused]) = group();
        teller.tell(results);
        assert_eq!(settled.try_recv(), Ok(Ok(())));
        assert!(refused.try_recv().unwrap().is_err());
    }

    #[test]
    fn a_failed_commit_takes_back_what_was_settled_and_a_refusal_stays_what_it_was() {
        let (mut results, [mut settled, mut refused]) = group();
        results.failure = Some(Refusal::internal());
        results.tell();
        assert_eq!(settled.try_recv().unwrap().unwrap_err().code, alcyon_wire::RefusalCode::Internal);
        assert_eq!(refused.try_recv().unwrap().unwrap_err().code, alcyon_wire::RefusalCode::Overloaded);
    }

    #[test]
    fn who_is_told_nothing_hears_that_the_server_failed() {
        let (results, [mut settled, _refused]) = group();
        drop(results);
        assert_eq!(settled.try_recv(), Err(TryRecvError::Closed));
    }
}
