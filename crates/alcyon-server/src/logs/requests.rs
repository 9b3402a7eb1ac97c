//! What is asked of the writer, and how it answers.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use alcyon_wire::{
    DoorId, DoorSecretHash, DropHash, EntryId, EntryKind, LogId, PassHash, PayloadHash, Seat, SeatChanges, SeatId, payload_hash,
};
use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::{AddressBand, Receipt, TreeChunk, sweep::SweepStep};
use crate::{Refusal, admission::Class, directory::DirectoryJob, stamps::Paid};

/// Where an answer goes. If nobody waits for it any more before the work has begun, it is not done.
pub(crate) type Reply<T, E = Refusal> = oneshot::Sender<Result<T, E>>;

/// One request to the writer. Hashing is done by whoever asks, not by the writer.
pub(crate) enum Job {
    Append(Append, Reply<Receipt>),
    Entry(Box<EntryRequest>, Reply<Receipt>),
    Create(Box<CreateRequest>, Reply<Receipt>),
    SetPasses(Box<PassesRequest>, Reply<()>),
    PutTree(Box<TreeRequest>, Reply<()>),
    Directory(Box<DirectoryJob>),
    /// Sets a row of [`Table::Own`](crate::store::Table::Own): its name and value.
    Own(&'static str, Bytes, Reply<()>),
    Sweep(SweepStep, Reply<Option<SweepStep>>),
    /// Answered when all before it is durable.
    Barrier(Reply<()>),
}

impl Job {
    /// Nobody waits for the answer any more: the connection that asked has gone.
    pub fn is_given_up(&self) -> bool {
        match self {
            Self::Append(_, reply) | Self::Entry(_, reply) | Self::Create(_, reply) => reply.is_closed(),
            Self::SetPasses(_, reply) | Self::PutTree(_, reply) | Self::Barrier(reply) => reply.is_closed(),
            Self::Directory(job) => job.is_given_up(),
            Self::Sweep(_, reply) => reply.is_closed(),
            // What the server writes for itself nobody need wait for.
            Self::Own(..) => false,
        }
    }

    /// What goes first when too much is asked.
    pub fn class(&self) -> Class {
        match self {
            Self::Append(..) => Class::Append,
            Self::Entry(..) | Self::Create(..) | Self::SetPasses(..) | Self::PutTree(..) => Class::Commit,
            Self::Directory(job) => job.class(),
            Self::Own(..) | Self::Sweep(..) | Self::Barrier(_) => Class::Live,
        }
    }

    /// Payload bytes, to bound a group.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Append(append, _) => append.payload.len(),
            Self::Entry(entry, _) => entry.payload.len() + entry.group_info.len(),
            Self::PutTree(tree, _) => tree.chunk.payload.len() + tree.chunk.group_info.len(),
            Self::Create(..) | Self::SetPasses(..) | Self::Directory(_) | Self::Own(..) | Self::Sweep(..) | Self::Barrier(_) => 0,
        }
    }
}

/// The commonest request, kept small.
pub(crate) struct Append {
    pub log: LogId,
    pub seat: SeatId,
    pub entry_id: EntryId,
    pub payload: Bytes,
    pub payload_hash: PayloadHash,
    pub commit_count: u64,
}

/// All other requests that append an entry.
pub(crate) struct EntryRequest {
    pub log: LogId,
    pub by: By,
    pub kind: EntryKind,
    pub entry_id: EntryId,
    pub payload: Bytes,
    pub payload_hash: PayloadHash,
    /// Not for knocks; for leaves if they name one.
    pub commit_count: Option<u64>,
    pub changes: SeatChanges,
    /// Hashes of the drop secrets that were shown.
    pub shown: Vec<DropHash>,
    pub group_info: Bytes,
    /// Of leaves: refused if others stay and none of them may keep.
    pub keeper_stays: bool,
    /// Of knocks.
    pub paid: Paid,
}

/// When a leave is to be taken; as a rule always.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeaveOnly {
    /// Only if the log has so many commits.
    pub commit_count: Option<u64>,
    /// Only if nobody stays, or somebody who may keep.
    pub keeper_stays: bool,
}

/// By what right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Seat(SeatId),
    Door(DoorId, DoorSecretHash),
    Pass(PassHash),
    Stranger,
}

pub(crate) struct CreateRequest {
    pub log: LogId,
    pub seats: Vec<Seat>,
    pub band: AddressBand,
    pub paid: Paid,
}

pub(crate) struct PassesRequest {
    pub log: LogId,
    pub seat: SeatId,
    pub added: Vec<PassHash>,
    pub dropped: Vec<PassHash>,
}

pub(crate) struct TreeRequest {
    pub log: LogId,
    pub seat: SeatId,
    pub chunk: TreeChunk,
}

/// A hash over what was asked under an entry id; the entry that came of it gives the same.
pub(crate) type Fingerprint = [u8; 32];

/// The fingerprint of an entry, or of the request for it.
pub(crate) fn fingerprint(kind: EntryKind, payload: &PayloadHash, changes: &SeatChanges, door: Option<DoorId>) -> Fingerprint {
    if kind == EntryKind::Application {
        return *payload.as_bytes();
    }
    Sha256::new()
        .chain_update("alcyon entry request v1")
        .chain_update(i32::from(kind).to_be_bytes())
        .chain_update(payload.as_bytes())
        .chain_update(door.as_ref().map_or(&[] as &[u8], |id| id.as_bytes()))
        .chain_update([u8::from(door.is_some())])
        .chain_update(changes.to_field().unwrap_or_default().encode_to_vec())
        .finalize()
        .into()
}

impl Append {
    pub fn new(log: LogId, seat: SeatId, entry_id: EntryId, payload: Bytes, commit_count: u64) -> Self {
        let payload_hash = payload_hash(&payload);
        Self { log, seat, entry_id, payload, payload_hash, commit_count }
    }
}

impl EntryRequest {
    /// The door it comes in by.
    pub fn door(&self) -> Option<DoorId> {
        match self.by {
            By::Door(id, _) => Some(id),
            By::Seat(_) | By::Pass(_) | By::Stranger => None,
        }
    }

    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint(self.kind, &self.payload_hash, &self.changes, self.door())
    }
}

/// Digest of the first seats of a log: the same request again gets the same answer.
pub(crate) fn created_as(seats: &[Seat]) -> Bytes {
    let changes = SeatChanges { seats_added: seats.to_vec(), ..SeatChanges::default() };
    let hash: [u8; 32] = Sha256::digest(changes.to_field().unwrap_or_default().encode_to_vec()).into();
    Bytes::copy_from_slice(&hash[..16])
}

/// The answer to a request, a future. The request took its place in the writer's queue when the method was called, unless
/// that was full; then it does when this is polled and there is room. Dropping it calls the request back if the writer has not
/// come to it yet: keep it until it is answered.
#[must_use = "the answer says whether it was accepted"]
pub struct Answer<T, E = Refusal> {
    /// Set until the request has its place.
    queueing: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    outcome: Outcome<T, E>,
}

enum Outcome<T, E> {
    Known(Option<Result<T, E>>),
    Waiting(oneshot::Receiver<Result<T, E>>),
}

impl<T, E> Answer<T, E> {
    pub(crate) fn known(result: Result<T, E>) -> Self {
        Self { queueing: None, outcome: Outcome::Known(Some(result)) }
    }

    pub(crate) fn waiting(receiver: oneshot::Receiver<Result<T, E>>) -> Self {
        Self { queueing: None, outcome: Outcome::Waiting(receiver) }
    }

    /// The request has no place in the writer's queue yet: another one could overtake it.
    #[must_use]
    pub fn is_queueing(&self) -> bool {
        self.queueing.is_some()
    }

    /// `queueing` ends when the request has its place, or when the writer is gone.
    pub(crate) fn queueing(queueing: Pin<Box<dyn Future<Output = ()> + Send>>, receiver: oneshot::Receiver<Result<T, E>>) -> Self {
        Self { queueing: Some(queueing), outcome: Outcome::Waiting(receiver) }
    }
}

impl<T: Unpin, E: From<Refusal> + Unpin> Future for Answer<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(queueing) = &mut self.queueing {
            ready!(queueing.as_mut().poll(context));
            self.queueing = None;
        }
        Poll::Ready(match &mut self.outcome {
            Outcome::Known(result) => result.take().expect("an answer is given once"),
            // The writer is gone without an answer: it has stopped, or the process is about to.
            Outcome::Waiting(receiver) => ready!(Pin::new(receiver).poll(context)).unwrap_or_else(|_| Err(Refusal::internal().into())),
        })
    }
}
