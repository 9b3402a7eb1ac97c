use alcyon_wire::{ConversationId, LogId};
use rusqlite::{Row, params};

use crate::{
    StoreError, Tx,
    column::{id, maybe_id, number, to_sql},
};

/// Something found about a server or a conversation, with the evidence.
#[derive(Debug, Clone)]
pub struct AlarmRecord {
    /// Order; 0 before it is stored.
    pub number: u64,
    /// Where; `None` for the inbox.
    pub conversation: Option<ConversationId>,
    /// The log.
    pub log: LogId,
    /// What was found: numbers of the client.
    pub kind: u32,
    /// At which sequence.
    pub sequence: u64,
    /// What this device computed.
    pub mine: Vec<u8>,
    /// What it was told.
    pub theirs: Vec<u8>,
    /// When.
    pub at_ms: u64,
}

const COLUMNS: &str = "number, conversation, log, kind, sequence, mine, theirs, at_ms";

fn alarm(row: &Row<'_>) -> rusqlite::Result<AlarmRecord> {
    Ok(AlarmRecord {
        number: number(row, 0)?,
        conversation: maybe_id(row, 1)?,
        log: id(row, 2)?,
        kind: row.get(3)?,
        sequence: number(row, 4)?,
        mine: row.get(5)?,
        theirs: row.get(6)?,
        at_ms: number(row, 7)?,
    })
}

impl Tx<'_> {
    /// Stores an alarm; `false` if the same was found before.
    pub fn add_alarm(&self, record: &AlarmRecord) -> Result<bool, StoreError> {
        let AlarmRecord { number: _, conversation, log, kind, sequence, mine, theirs, at_ms } = record;
        let added = self
            .sql
            .prepare_cached(
                "INSERT OR IGNORE INTO alarms (conversation, log, kind, sequence, mine, theirs, at_ms, shown) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
            )?
            .execute(params![
                conversation.as_ref().map(|conversation| conversation.as_bytes().as_slice()),
                log.as_bytes(),
                kind,
                to_sql(*sequence),
                mine,
                theirs,
                to_sql(*at_ms)
            ])?;
        Ok(added == 1)
    }

    /// Alarms of a conversation, oldest first.
    pub fn alarms(&self, conversation: ConversationId) -> Result<Vec<AlarmRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM alarms WHERE conversation = ?1 ORDER BY number"))?;
        let rows = statement.query_map([conversation.as_bytes()], alarm)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Takes the alarms that were not shown yet; they count as shown from here on.
    pub fn take_unshown_alarms(&self) -> Result<Vec<AlarmRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("UPDATE alarms SET shown = 1 WHERE shown = 0 RETURNING {COLUMNS}"))?;
        let rows = statement.query_map([], alarm)?;
        let mut alarms = rows.collect::<Result<Vec<_>, _>>()?;
        alarms.sort_by_key(|alarm| alarm.number);
        Ok(alarms)
    }
}
