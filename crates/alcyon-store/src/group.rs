use alcyon_wire::{AccountId, DoorId, LogId};
use rusqlite::params;

use crate::{StoreError, Tx, column::id};

/// A link to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRecord {
    /// The group's log.
    pub log: LogId,
    /// The door.
    pub door: DoorId,
    /// The invite secret that the door derives from.
    pub secret: [u8; 32],
    /// Nobody comes in by it alone.
    pub approval: bool,
}

impl Tx<'_> {
    /// Keeps a link, over the one of the same door.
    pub fn put_link(&self, record: &LinkRecord) -> Result<(), StoreError> {
        let LinkRecord { log, door, secret, approval } = record;
        self.sql.prepare_cached("INSERT OR REPLACE INTO links (log, door, secret, approval) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            log.as_bytes(),
            door.as_bytes(),
            secret,
            approval
        ])?;
        Ok(())
    }

    /// Links of a log.
    pub fn links(&self, log: LogId) -> Result<Vec<LinkRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT log, door, secret, approval FROM links WHERE log = ?1 ORDER BY door")?;
        let rows = statement.query_map([log.as_bytes()], |row| {
            Ok(LinkRecord { log: id(row, 0)?, door: id(row, 1)?, secret: row.get(2)?, approval: row.get(3)? })
        })?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// A link was closed.
    pub fn remove_link(&self, log: LogId, door: DoorId) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM links WHERE log = ?1 AND door = ?2")?.execute([log.as_bytes(), door.as_bytes()])?;
        Ok(())
    }

    /// Keeps a member's word that it leaves, until its leaves are out.
    pub fn put_leaving(&self, log: LogId, account: AccountId, proof: &[u8]) -> Result<(), StoreError> {
        self.sql.prepare_cached("INSERT OR REPLACE INTO leaving (log, account, proof) VALUES (?1, ?2, ?3)")?.execute(params![
            log.as_bytes(),
            account.as_bytes(),
            proof
        ])?;
        Ok(())
    }

    /// The words of members whose leaves are still in.
    pub fn leaving(&self, log: LogId) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT proof FROM leaving WHERE log = ?1 ORDER BY account")?;
        let rows = statement.query_map([log.as_bytes()], |row| row.get(0))?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// A member's leaves are out.
    pub fn remove_leaving(&self, log: LogId, account: AccountId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("DELETE FROM leaving WHERE log = ?1 AND account = ?2")?
            .execute(params![log.as_bytes(), account.as_bytes()])?;
        Ok(())
    }
}
