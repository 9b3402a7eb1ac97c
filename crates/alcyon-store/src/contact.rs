use alcyon_wire::{AccountId, Handle, Pass};
use rusqlite::{OptionalExtension, Row, params};

use crate::{
    StoreError, Tx,
    column::{id, maybe_id, number, parsed, to_sql},
};

/// Another account, as known here.
#[derive(Debug, Clone)]
pub struct ContactRecord {
    /// The account.
    pub account: AccountId,
    /// Its handle.
    pub handle: Handle,
    /// The highest manifest seen, signed.
    pub manifest: Vec<u8>,
    /// When the handle's directory last named this account.
    pub handle_checked_ms: u64,
    /// The handle names another account now.
    pub handle_changed: bool,
    /// Blocked by the person.
    pub blocked: bool,
    /// Lets them knock here.
    pub pass_given: Option<Pass>,
    /// Lets me knock there.
    pub pass_held: Option<Pass>,
}

const COLUMNS: &str = "account, handle, manifest, handle_checked_ms, handle_changed, blocked, pass_given, pass_held";

fn contact(row: &Row<'_>) -> rusqlite::Result<ContactRecord> {
    Ok(ContactRecord {
        account: id(row, 0)?,
        handle: parsed(row, 1)?,
        manifest: row.get(2)?,
        handle_checked_ms: number(row, 3)?,
        handle_changed: row.get(4)?,
        blocked: row.get(5)?,
        pass_given: maybe_id(row, 6)?,
        pass_held: maybe_id(row, 7)?,
    })
}

impl Tx<'_> {
    /// A contact by account.
    pub fn contact(&self, account: AccountId) -> Result<Option<ContactRecord>, StoreError> {
        self.sql
            .prepare_cached(&format!("SELECT {COLUMNS} FROM contacts WHERE account = ?1"))?
            .query_row([account.as_bytes()], contact)
            .optional()
            .map_err(Into::into)
    }

    /// All contacts, by handle.
    pub fn contacts(&self) -> Result<Vec<ContactRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM contacts ORDER BY handle"))?;
        let rows = statement.query_map([], contact)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Those that go by a handle.
    pub fn contacts_by_handle(&self, handle: &Handle) -> Result<Vec<ContactRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM contacts WHERE handle = ?1"))?;
        let rows = statement.query_map([handle.to_text()], contact)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Writes a contact, over the one that is there.
    pub fn put_contact(&self, record: &ContactRecord) -> Result<(), StoreError> {
        let ContactRecord { account, handle, manifest, handle_checked_ms, handle_changed, blocked, pass_given, pass_held } = record;
        self.sql.prepare_cached(&format!("INSERT OR REPLACE INTO contacts ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"))?.execute(
            params![
                account.as_bytes(),
                handle.to_text(),
                manifest,
                to_sql(*handle_checked_ms),
                handle_changed,
                blocked,
                pass_given.as_ref().map(|pass| pass.as_bytes().as_slice()),
                pass_held.as_ref().map(|pass| pass.as_bytes().as_slice())
            ],
        )?;
        Ok(())
    }
}
