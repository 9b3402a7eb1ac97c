//! Reports: what people choose to show the operator of something that was sent to them.
//!
//! Everything else here is sealed; a report is not, and is there because somebody has decided so. It holds what its reporter has ticked, and
//! not who that is unless they have ticked that too. How many there are, how large they are, how many an account may send in a day and
//! how long they are kept is bounded. **What a report says is claimed and not proven**: the server has never seen the messages.

mod records;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alcyon_wire::{AccountId, RefusalCode};

use crate::{
    Refusal,
    directory::{Directory, DirectoryError},
    logs::{DAY_MS, Logs, ServerClock, records::decode},
    observe::event,
    store::{RowKey, Store, StoreError, Table},
};

pub(crate) use records::{About, Report, ReportId, ReportRecord, ReportedMessage};

/// What the operator decides about reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSettings {
    /// How many are kept at once; while there are as many, no more are taken. 0: none ever.
    pub kept: u32,
    /// How many an account may send in a day, by UTC.
    pub per_day: u32,
    /// How long one is kept.
    pub retention: Duration,
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self { kept: 1_000, per_day: 5, retention: Duration::from_secs(30 * 24 * 60 * 60) }
    }
}

/// While all places are taken: come back so much later.
const FULL_MS: u64 = 60 * 60 * 1_000;

/// The box that reports lie in.
pub(crate) struct Reports<S> {
    logs: Logs<S>,
    settings: ReportSettings,
    clock: Arc<dyn ServerClock>,
    state: Mutex<State>,
}

/// In memory: the ids are those of the store, the counts are forgotten with the process.
#[derive(Default)]
struct State {
    /// When each was taken, Unix milliseconds.
    kept: HashMap<ReportId, u64>,
    /// Counted from the Unix epoch.
    day: u64,
    /// How many an account has sent on that day.
    sent: HashMap<AccountId, u32>,
}

impl<S: Store> Reports<S> {
    /// Opens the box.
    pub fn open(logs: Logs<S>, settings: ReportSettings, clock: Arc<dyn ServerClock>) -> Result<Self, StoreError> {
        let mut state = State::default();
        for report in stored(&logs)? {
            let (id, record) = report?;
            state.kept.insert(id, record.received_ms);
        }
        Ok(Self { logs, settings, clock, state: Mutex::new(state) })
    }

    /// Takes a report of an account whose device has signed it. The same id again is one report, and counts once.
    pub async fn take(&self, directory: &Directory<S>, by: AccountId, id: ReportId, report: &Report) -> Result<(), DirectoryError> {
        let now_ms = self.clock.now_ms();
        let received_ms = self.reserve(by, id, now_ms)?;
        let put = directory.put_report(id.key(), Some(ReportRecord::of(report, received_ms.unwrap_or(now_ms)))).await;
        match (&put, received_ms) {
            (Ok(()), None) => event!(INFO, "a report waits for the operator: alcyon-server admin reports list"),
            // It is not there; what it has used of the day's is gone.
            (Err(_), None) => drop(self.state().kept.remove(&id)),
            (_, Some(_)) => {}
        }
        put
    }

    /// A place for a report, taken before it is written: who goes away meanwhile has used it all the same. If it is known, when it came.
    fn reserve(&self, by: AccountId, id: ReportId, now_ms: u64) -> Result<Option<u64>, Refusal> {
        let mut state = self.state();
        if let Some(received_ms) = state.kept.get(&id) {
            return Ok(Some(*received_ms));
        }
        let today = now_ms / DAY_MS;
        if state.day != today {
            (state.day, state.sent) = (today, HashMap::new());
        }
        if state.sent.get(&by).is_some_and(|sent| *sent >= self.settings.per_day) || self.settings.per_day == 0 {
            let message = "this account has sent as many reports as it may in a day";
            return Err(Refusal::later(RefusalCode::Quota, message, (today + 1) * DAY_MS - now_ms));
        }
        if state.kept.len() >= self.settings.kept as usize {
            return Err(Refusal::later(RefusalCode::Quota, "the operator has as many reports as there is room for", FULL_MS));
        }
        *state.sent.entry(by).or_default() += 1;
        state.kept.insert(id, now_ms);
        Ok(None)
    }

    /// Those that are kept, the oldest first. Reads all of them.
    pub fn list(&self) -> Result<Vec<(ReportId, ReportRecord)>, StoreError> {
        let now_ms = self.clock.now_ms();
        let mut reports = Vec::new();
        for report in stored(&self.logs)? {
            let (id, record) = report?;
            if !self.is_over(record.received_ms, now_ms) {
                reports.push((id, record));
            }
        }
        reports.sort_by_key(|(id, record)| (record.received_ms, *id));
        Ok(reports)
    }

    /// Removes one, or all if none is named. How many there were.
    pub async fn clear(&self, directory: &Directory<S>, id: Option<ReportId>) -> Result<usize, DirectoryError> {
        let ids: Vec<ReportId> = self.state().kept.keys().filter(|known| id.is_none_or(|id| **known == id)).copied().collect();
        for id in &ids {
            directory.put_report(id.key(), None).await?;
            self.state().kept.remove(id);
        }
        Ok(ids.len())
    }

    /// Removes those whose time is over.
    pub async fn sweep(&self, directory: &Directory<S>) -> Result<(), DirectoryError> {
        let now_ms = self.clock.now_ms();
        let over: Vec<ReportId> = {
            let state = self.state();
            state.kept.iter().filter(|(_, received_ms)| self.is_over(**received_ms, now_ms)).map(|(id, _)| *id).collect()
        };
        for id in over {
            self.clear(directory, Some(id)).await?;
        }
        Ok(())
    }

    /// Until when a report is kept, Unix milliseconds.
    pub fn until_ms(&self, received_ms: u64) -> u64 {
        received_ms.saturating_add(u64::try_from(self.settings.retention.as_millis()).unwrap_or(u64::MAX))
    }

    fn is_over(&self, received_ms: u64, now_ms: u64) -> bool {
        self.until_ms(received_ms) <= now_ms
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Ids and counts: there is nothing that a panic could leave half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that are kept, by their ids.
fn stored<S: Store>(logs: &Logs<S>) -> Result<impl Iterator<Item = Result<(ReportId, ReportRecord), StoreError>>, StoreError> {
    Ok(logs.store().range(Table::Reports, &[], &RowKey::after_prefix(&[0xFF]))?.map(|row| {
        let (key, value) = row?;
        let id = ReportId::of_key(&key).ok_or(StoreError::Corrupt { table: Table::Reports.kind() })?;
        Ok((id, decode(Table::Reports, value)?))
    }))
}
