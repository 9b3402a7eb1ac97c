//! The sealed ratchet tree of a log: uploaded and read in chunks.

use std::sync::Arc;

use alcyon_wire::{LogId, RefusalCode, limits, proto};
use bytes::Bytes;

use super::{
    Logs, TreeChunk,
    engine::{Engine, Staged, put_record, read_failed},
    records::{GroupInfoRecord, chunk_key, decode, entry_key, head_key},
    requests::TreeRequest,
    rules,
    state::{TreeState, Upload},
};
use crate::{
    Refusal,
    store::{Store, Table},
};

/// An upload that has not moved on for this long gives way to another one.
const UPLOAD_STALLED_MS: u64 = 30_000;

impl<S: Store> Engine<S> {
    /// Stores a chunk. The last one makes the tree stand.
    pub fn put_tree(&mut self, request: TreeRequest) -> Result<(), Refusal> {
        let TreeRequest { log, seat, chunk } = request;
        let at = self.at(log)?;
        let state = &self.staged[at].state;
        rules::live(rules::known_seat(state, seat)?)?;
        if state.tree.is_some_and(|tree| tree.upload == chunk.entry_id) {
            // All of it is there already: an answer was lost.
            return Ok(());
        }
        rules::not_closed(state)?;
        self.room_on_disk()?;
        let upload = match self.continue_upload(at, &request_of(seat, &chunk))? {
            Progress::Known => return Ok(()),
            Progress::Next(upload) => upload,
        };
        let TreeChunk { entry_id, commit_count, chunk, chunks, payload, group_info } = chunk;
        let bytes = payload.len() + group_info.len();
        self.staged[at].cell.usage().charge_bytes(&self.shared.settings, self.now_ms, seat, bytes)?;
        self.drop_chunks_of_others(at, &upload);
        self.batch.put(Table::TreeChunks, &chunk_key(log, entry_id, chunk), &payload);
        if chunk + 1 < chunks {
            let next = Upload { next: chunk + 1, touched_ms: self.now_ms, ..upload };
            let staged = &mut self.staged[at];
            staged.state.upload = Some(Arc::new(next));
            staged.touch();
            return Ok(());
        }
        if let Some(old) = self.staged[at].state.tree {
            remove_chunks(&mut self.batch, log, &old);
        }
        put_record(&mut self.batch, Table::Trees, &head_key(log), &upload.tree.to_record());
        let staged = &mut self.staged[at];
        staged.state.tree = Some(upload.tree);
        staged.state.upload = None;
        staged.touch();
        if !group_info.is_empty() {
            self.put_group_info(at, commit_count, group_info);
        }
        Ok(())
    }

    /// Where an upload stands, this chunk being the next one.
    fn continue_upload(&self, at: usize, asked: &Upload) -> Result<Progress, Refusal> {
        let state = &self.staged[at].state;
        let under_way = state.upload.as_deref();
        if let Some(upload) = under_way.filter(|upload| upload.tree.upload == asked.tree.upload) {
            let same =
                upload.by == asked.by && upload.tree.chunks == asked.tree.chunks && upload.tree.commit_count == asked.tree.commit_count;
            if !same {
                return Err(Refusal::never(RefusalCode::EntryIdReused, "another upload has this entry id"));
            }
            if asked.next < upload.next {
                return Ok(Progress::Known);
            }
            if asked.next == upload.next {
                return Ok(Progress::Next(upload.clone()));
            }
        }
        if asked.next != 0 {
            return Err(Refusal::malformed("put_tree.chunk", "an upload begins with chunk 0 and goes on in order"));
        }
        if under_way.is_some_and(|upload| upload.by != asked.by && self.now_ms.abs_diff(upload.touched_ms) < UPLOAD_STALLED_MS) {
            return Err(Refusal::later(RefusalCode::Quota, "another tree is being uploaded", UPLOAD_STALLED_MS));
        }
        rules::same_commit_count(state, asked.tree.commit_count)?;
        let tree = TreeState { sequence: state.head.sequence, ..asked.tree };
        Ok(Progress::Next(Upload { tree, ..asked.clone() }))
    }

    /// The chunks of an upload that gives way to this one.
    fn drop_chunks_of_others(&mut self, at: usize, upload: &Upload) {
        let Staged { cell, state, .. } = &self.staged[at];
        if let Some(other) = state.upload.as_deref().filter(|other| other.tree.upload != upload.tree.upload) {
            remove_chunks(&mut self.batch, cell.log, &other.tree);
        }
    }
}

enum Progress {
    /// This chunk is there.
    Known,
    /// The upload so far, which waits for this chunk.
    Next(Upload),
}

fn request_of(seat: alcyon_wire::SeatId, chunk: &TreeChunk) -> Upload {
    let TreeChunk { entry_id, commit_count, chunk, chunks, payload: _, group_info: _ } = chunk;
    let tree = TreeState { upload: *entry_id, chunks: *chunks, commit_count: *commit_count, sequence: 0 };
    Upload { tree, by: seat, next: *chunk, touched_ms: 0 }
}

fn remove_chunks(batch: &mut crate::store::Batch, log: LogId, tree: &TreeState) {
    for chunk in 0..tree.chunks {
        batch.remove(Table::TreeChunks, &chunk_key(log, tree.upload, chunk));
    }
}

/// Reads the tree that stands, chunk by chunk.
pub struct TreeReader<S> {
    logs: Logs<S>,
    log: LogId,
    tree: TreeState,
    group_infos: u64,
    door_opened: u64,
}

impl<S: Store> TreeReader<S> {
    pub(crate) fn new(logs: Logs<S>, log: LogId, tree: TreeState, group_infos: u64, door_opened: u64) -> Self {
        Self { logs, log, tree, group_infos, door_opened }
    }

    /// How many chunks there are, at least one.
    #[must_use]
    pub fn chunks(&self) -> u32 {
        self.tree.chunks
    }

    /// One chunk, ready to send; the GroupInfos come with the last one. Refused `later` when a newer tree took its place
    /// meanwhile: begin again.
    pub fn chunk(&self, chunk: u32) -> Result<proto::Tree, Refusal> {
        let TreeState { upload, chunks, commit_count, sequence } = self.tree;
        let key = chunk_key(self.log, upload, chunk);
        let payload = self.logs.store().get(Table::TreeChunks, &key).map_err(|error| read_failed(&error))?;
        let payload = payload.ok_or_else(|| Refusal::later(RefusalCode::NoTree, "a newer tree took its place: begin again", 1))?;
        let group_infos = if chunk + 1 == chunks { self.group_infos()? } else { Vec::new() };
        Ok(proto::Tree { chunk, chunks, payload, commit_count, sequence, door_opened: self.door_opened, group_infos })
    }

    fn group_infos(&self) -> Result<Vec<proto::StoredGroupInfo>, Refusal> {
        let from = self.group_infos.saturating_sub(limits::GROUP_INFOS_KEPT as u64);
        // Newer ones than at the beginning are welcome.
        let (from, to) = (entry_key(self.log, from), entry_key(self.log, u64::MAX));
        let rows = self.logs.store().range(Table::GroupInfos, &from, &to).map_err(|error| read_failed(&error))?;
        rows.map(|row| {
            let (_, value): (_, Bytes) = row.map_err(|error| read_failed(&error))?;
            let GroupInfoRecord { commit_count, payload } = decode(Table::GroupInfos, value).map_err(|error| read_failed(&error))?;
            Ok(proto::StoredGroupInfo { commit_count, payload })
        })
        .collect()
    }
}
