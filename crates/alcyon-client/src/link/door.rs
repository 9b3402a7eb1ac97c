//! Coming into a group over a connection: what is asked at a door, and what a refusal there means.

use alcyon_mls::MlsError;
use alcyon_store::{OutboxItem, OutboxKind};
use alcyon_wire::{
    LogId, Verdict,
    proto::{self, client_frame},
};

use super::{Ended, Flight, State};
use crate::{Client, ClientError, Clock, Transport, come_in::AtDoor, core::is_again, outbox};

impl<T: Transport, C: Clock> Client<T, C> {
    /// Coming into a group by a door: the tree, what happened since, and then the commit.
    pub(super) fn plan_coming_in(&self, state: &mut State, item: &OutboxItem, now_ms: u64) -> Result<Option<Vec<u8>>, Ended> {
        let Some(term) = self.core.store.transaction(|tx| tx.term(item.log))? else { return Ok(None) };
        // Without a door the log has the commit: its echo comes by the seat.
        let Some(door) = crate::come_in::door_key(&term)? else { return Ok(None) };
        if let Some(frame) = &item.frame {
            let body = outbox::decode(frame)?.body;
            let again = is_again(item);
            if again && !self.core.may_ask_again(now_ms) {
                let due_ms = self.core.due_ms(item).max(now_ms + 1);
                state.next_due_ms = Some(state.next_due_ms.map_or(due_ms, |due| due.min(due_ms)));
                return Ok(None);
            }
            return Ok(body.map(|body| state.request(body, Flight::Outbox { number: item.number, log: item.log, again })));
        }
        if state.is_fetching(item.log) {
            return Ok(None);
        }
        let Some(tree) = state.trees.get(&item.log) else {
            let authority = Some(proto::get_tree::Authority::Door(door.to_field()));
            let flight = Flight::Tree { log: item.log, parts: Vec::new() };
            return Ok(Some(state.request(client_frame::Body::GetTree(proto::GetTree { authority }), flight)));
        };
        let after = match state.histories.get(&item.log) {
            None => Some(tree.sequence.min(tree.door_opened.saturating_sub(1))),
            Some((history, false)) => Some(history.cursor),
            Some((_, true)) => None,
        };
        if let Some(after) = after {
            let body = client_frame::Body::GetEntries(proto::GetEntries { door: Some(door.to_field()), after });
            return Ok(Some(state.request(body, Flight::Entries(item.log))));
        }
        let (tree, history) = (state.trees.remove(&item.log), state.histories.remove(&item.log));
        let (Some(tree), Some((history, _))) = (tree, history) else { return Ok(None) };
        let known = state.commits_known.get(&item.log).copied().unwrap_or(0);
        match self.core.come_in_by_door(item, &tree, &history, known) {
            Ok(AtDoor::Frame(frame)) => {
                Ok(frame.body.map(|body| state.request(body, Flight::Outbox { number: item.number, log: item.log, again: false })))
            }
            Ok(AtDoor::Overtaken(commits)) => {
                state.commits_known.insert(item.log, commits);
                self.plan_coming_in(state, item, now_ms)
            }
            Ok(AtDoor::NotYet) => {
                self.core.store.transaction(|tx| tx.delay_outbox(item.number, now_ms + 1000))?;
                state.next_due_ms = Some(now_ms + 1000);
                Ok(None)
            }
            Err(ClientError::Mls(MlsError::Rows(error))) => Err(ClientError::Mls(MlsError::Rows(error)).into()),
            Err(error @ (ClientError::Mls(_) | ClientError::Unbelievable(_) | ClientError::Wire(_))) => {
                tracing::info!(%error, "this device can't come in");
                let events = self.core.not_coming_in(item)?;
                self.core.emit(events);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The door is closed for good, or for now.
    pub(super) fn door_refused(&self, state: &mut State, log: LogId, refusal: &proto::Refusal, now_ms: u64) -> Result<(), Ended> {
        let item = self.core.store.transaction(|tx| tx.outbox_of_log(log))?.into_iter().find(|item| item.kind == OutboxKind::ComeIn);
        let Some(item) = item else { return Ok(()) };
        if refusal.verdict() == Verdict::Never {
            let events = self.core.not_coming_in(&item)?;
            self.core.emit(events);
        } else {
            let due = now_ms + refusal.retry_after_ms.max(1000);
            self.core.store.transaction(|tx| tx.delay_outbox(item.number, due))?;
            state.next_due_ms = Some(due);
        }
        Ok(())
    }
}
