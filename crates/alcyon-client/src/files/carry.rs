use std::{cell::RefCell, collections::BTreeSet, time::Duration};

use alcyon_store::{TransferState, TransferWay};
use alcyon_wire::MessageId;
use futures::FutureExt;

use crate::{
    Client, ClientError, Clock, Event, Transport,
    files::{FileRoom, TransferView, attachment, transfer, tus::Held},
    random::random,
    retry::Retry,
};

/// When to give up for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// When everything is over, or a server stays away: for commands.
    Short,
    /// Never: for as long as the future lives, and with whatever is added meanwhile.
    Endless,
}

/// What [`Client::carry_files`] came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// Transfers that are over, and well.
    pub complete: usize,
    /// Those that wait for a server.
    pub waiting: usize,
    /// Those that have failed.
    pub failed: usize,
}

/// A transfer that waits is looked at again after this time.
const ANEW_MS: u64 = 60_000;
/// Tries without a single byte of progress before a command gives up: some fifteen seconds.
const TRIES: u32 = 6;
/// What a server may ask a command to wait; above that it comes back another time.
const WAIT_MS: u64 = 5_000;
/// How large a piece is: what the way takes in about a second.
const PIECE_FIRST: u64 = 256 * 1024;
const PIECE_LEAST: u64 = 64 * 1024;
const PIECE_MOST: u64 = 2 * 1024 * 1024;
const PIECE_MS: u64 = 1_000;

/// The size of the next piece.
pub(crate) struct Pace(u64);

impl Default for Pace {
    fn default() -> Self {
        Self(PIECE_FIRST)
    }
}

impl Pace {
    pub(crate) fn piece(&self) -> u64 {
        self.0
    }

    pub(crate) fn took(&mut self, ms: u64) {
        self.0 = if ms < PIECE_MS { self.0 * 2 } else { self.0 / 2 }.clamp(PIECE_LEAST, PIECE_MOST);
    }

    pub(crate) fn failed(&mut self) {
        self.0 = (self.0 / 2).max(PIECE_LEAST);
    }
}

/// While it lives, no other call carries the same file.
struct Carrying<'a>(&'a RefCell<BTreeSet<MessageId>>, MessageId);

impl<'a> Carrying<'a> {
    fn begin(all: &'a RefCell<BTreeSet<MessageId>>, id: MessageId) -> Self {
        all.borrow_mut().insert(id);
        Self(all, id)
    }
}

impl Drop for Carrying<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().remove(&self.1);
    }
}

/// How a try ended that was not held up.
pub(crate) enum Ended {
    /// The file is over.
    Complete,
    /// It was paused or cancelled meanwhile.
    Stopped,
}

/// Why one ended that was.
pub(crate) enum Stuck {
    Held(Held),
    Failed(ClientError),
}

impl From<ClientError> for Stuck {
    fn from(error: ClientError) -> Self {
        Self::Failed(error)
    }
}

impl From<Held> for Stuck {
    fn from(held: Held) -> Self {
        Self::Held(held)
    }
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Carries files, one after the other, both ways. `on_progress` hears of each piece; so does a running [`Client::listen`].
    pub async fn carry_files(
        &self,
        room: &impl FileRoom,
        patience: Patience,
        mut on_progress: impl FnMut(&TransferView),
    ) -> Result<Carried, ClientError> {
        self.core.local()?;
        self.tidy(room)?;
        let mut carried = Carried::default();
        // Those that wait for a server, and those that are done with for this call.
        let mut aside: BTreeSet<MessageId> = BTreeSet::new();
        loop {
            let seen = self.core.work.count();
            let all = self.core.store.transaction(|tx| tx.transfers())?;
            let next = all.into_iter().find(|record| {
                let taken = aside.contains(&record.message) || self.core.carrying.borrow().contains(&record.message);
                record.state == TransferState::Going && !taken
            });
            let Some(record) = next else {
                if patience == Patience::Short {
                    return Ok(carried);
                }
                // Whoever waits is tried again when there is something new, or after the longest wait.
                let mut work = std::pin::pin!(self.core.work.after(seen).fuse());
                let mut sleep = std::pin::pin!(self.clock.sleep(Duration::from_millis(ANEW_MS)).fuse());
                futures::select_biased! { () = work => {}, () = sleep => {} }
                aside.clear();
                continue;
            };
            let id = record.message;
            let carrying = Carrying::begin(&self.core.carrying, id);
            let ended = self.carry_one(id, record.way, room, patience, &mut on_progress).await;
            drop(carrying);
            match ended? {
                Some(Ok(())) => carried.complete += 1,
                Some(Err(reason)) => {
                    carried.failed += 1;
                    self.core.store.transaction(|tx| tx.set_transfer_state(id, TransferState::Failed, &reason))?;
                    self.told(id, &mut on_progress)?;
                }
                None => {
                    if self.core.going(id)?.is_some() {
                        carried.waiting += 1;
                        aside.insert(id);
                    }
                }
            }
            // Whoever waits for it looks again.
            self.core.work.poke();
        }
    }

    /// Waits until a transfer does not go on any more, with whatever end. `None`: it is gone.
    pub async fn settled(&self, id: MessageId) -> Result<Option<TransferView>, ClientError> {
        loop {
            let seen = self.core.work.count();
            let record = self.core.store.transaction(|tx| tx.transfer(id))?;
            match record {
                Some(record) if record.state == TransferState::Going => self.core.work.after(seen).await,
                record => return Ok(record.as_ref().map(transfer::view)),
            }
        }
    }

    /// Carries one until it is over, can't go on (with the reason), or waits (`None`).
    async fn carry_one(
        &self,
        id: MessageId,
        way: TransferWay,
        room: &impl FileRoom,
        patience: Patience,
        on_progress: &mut impl FnMut(&TransferView),
    ) -> Result<Option<Result<(), String>>, ClientError> {
        let longest = if patience == Patience::Short { WAIT_MS } else { ANEW_MS };
        let (mut tries, mut retry, mut pace) = (0, Retry::default(), Pace::default());
        loop {
            let before = self.core.store.transaction(|tx| tx.transfer(id))?.map_or(0, |record| record.done);
            let tried = match way {
                TransferWay::Up => self.upload(id, room, &mut pace, on_progress).await,
                TransferWay::Down => self.download(id, room, &mut pace, on_progress).await,
            };
            let after_ms = match tried {
                Ok(Ended::Complete) => return Ok(Some(Ok(()))),
                Ok(Ended::Stopped) => return Ok(None),
                // A full disk here holds up this file and no other, and nothing else that the program does.
                Err(Stuck::Failed(error @ ClientError::Room(_))) => return Ok(Some(Err(error.to_string()))),
                Err(Stuck::Failed(error)) => return Err(error),
                Err(Stuck::Held(Held::Never(reason))) => return Ok(Some(Err(reason))),
                // What the server has will be asked for again.
                Err(Stuck::Held(Held::Gone | Held::Offset)) => 0,
                Err(Stuck::Held(Held::Later { after_ms, said })) => {
                    if said && after_ms > longest {
                        return Ok(None);
                    }
                    pace.failed();
                    after_ms
                }
            };
            let now = self.core.store.transaction(|tx| tx.transfer(id))?.map_or(0, |record| record.done);
            if now > before {
                tries = 0;
                retry.succeeded();
            }
            tries += 1;
            if tries > TRIES {
                return Ok(None);
            }
            self.clock.sleep(Duration::from_millis(retry.failed(after_ms, u64::from_le_bytes(random())))).await;
        }
    }

    /// What nobody will ask for any more leaves the room: what was given up before it was whole, and files of deleted messages.
    fn tidy(&self, room: &impl FileRoom) -> Result<(), ClientError> {
        let known: BTreeSet<String> = self.core.store.transaction(|tx| {
            let mut known = BTreeSet::new();
            for record in tx.transfers()? {
                if record.way == TransferWay::Down && attachment::of_message(tx, record.message)?.is_none() {
                    tx.remove_transfer(record.message)?;
                } else {
                    known.insert(record.room);
                }
            }
            Ok::<_, ClientError>(known)
        })?;
        for name in room.names().map_err(ClientError::Room)? {
            if !known.contains(&name) && !self.core.sealing.borrow().contains(&name) {
                room.remove(&name).map_err(ClientError::Room)?;
            }
        }
        Ok(())
    }

    /// Tells how a transfer stands.
    pub(crate) fn told(&self, id: MessageId, on_progress: &mut impl FnMut(&TransferView)) -> Result<(), ClientError> {
        if let Some(record) = self.core.store.transaction(|tx| tx.transfer(id))? {
            let view = transfer::view(&record);
            on_progress(&view);
            self.core.emit([Event::Transfer(view)]);
        }
        Ok(())
    }
}
