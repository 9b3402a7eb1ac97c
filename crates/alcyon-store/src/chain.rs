use alcyon_wire::{EntryId, LogId, RunningHash};
use rusqlite::{OptionalExtension, params};

use crate::{
    StoreError, Tx,
    column::{number, to_sql, wrong},
};

/// A processed entry of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainLink {
    /// Its sequence.
    pub sequence: u64,
    /// The running hash with it.
    pub running_hash: RunningHash,
}

/// Header and payload of an entry, as the bytes they came as.
pub type RawEntry = (Vec<u8>, Vec<u8>);

impl Tx<'_> {
    /// An entry was processed.
    pub fn add_chain(&self, log: LogId, link: ChainLink, entry_id: EntryId) -> Result<(), StoreError> {
        self.sql.prepare_cached("INSERT INTO chain (log, sequence, running_hash, entry_id) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            log.as_bytes(),
            to_sql(link.sequence),
            link.running_hash.as_bytes(),
            entry_id.as_bytes()
        ])?;
        Ok(())
    }

    /// The running hash this device computed at a sequence, if it was there.
    pub fn chain_at(&self, log: LogId, sequence: u64) -> Result<Option<RunningHash>, StoreError> {
        self.sql
            .prepare_cached("SELECT running_hash FROM chain WHERE log = ?1 AND sequence = ?2")?
            .query_row(params![log.as_bytes(), to_sql(sequence)], |row| {
                RunningHash::parse(row.get_ref(0)?.as_blob()?, "running_hash").map_err(|_| wrong(0))
            })
            .optional()
            .map_err(Into::into)
    }

    /// Where an entry id stands in a log, as far as processed.
    pub fn chain_of_entry(&self, log: LogId, entry_id: EntryId) -> Result<Option<u64>, StoreError> {
        self.sql
            .prepare_cached("SELECT sequence FROM chain WHERE log = ?1 AND entry_id = ?2")?
            .query_row(params![log.as_bytes(), entry_id.as_bytes()], |row| number(row, 0))
            .optional()
            .map_err(Into::into)
    }

    /// Forgets what was read of a log: who comes in anew begins anew.
    pub fn forget_log(&self, log: LogId) -> Result<(), StoreError> {
        for table in ["chain", "set_aside", "own_entries"] {
            self.sql.execute(&format!("DELETE FROM {table} WHERE log = ?1"), [log.as_bytes()])?;
        }
        Ok(())
    }

    /// Sets an entry aside that could not be processed.
    pub fn set_aside(&self, log: LogId, sequence: u64, header: &[u8], payload: &[u8], reason: &str) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("INSERT OR REPLACE INTO set_aside (log, sequence, header, payload, reason) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![log.as_bytes(), to_sql(sequence), header, payload, reason])?;
        Ok(())
    }

    /// What was set aside for one reason, of all logs: log, header and payload.
    pub fn all_set_aside_for(&self, reason: &str) -> Result<Vec<(LogId, RawEntry)>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT log, header, payload FROM set_aside WHERE reason = ?1 ORDER BY log")?;
        let rows = statement.query_map([reason], |row| Ok((crate::column::id(row, 0)?, (row.get(1)?, row.get(2)?))))?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Entries set aside for one reason, in order: header and payload.
    pub fn set_aside_for(&self, log: LogId, reason: &str) -> Result<Vec<RawEntry>, StoreError> {
        let mut statement =
            self.sql.prepare_cached("SELECT header, payload FROM set_aside WHERE log = ?1 AND reason = ?2 ORDER BY sequence")?;
        let rows = statement.query_map(params![log.as_bytes(), reason], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Entries set aside for this reason are not needed any more.
    pub fn forget_set_aside(&self, log: LogId, reason: &str) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM set_aside WHERE log = ?1 AND reason = ?2")?.execute(params![log.as_bytes(), reason])?;
        Ok(())
    }
}
