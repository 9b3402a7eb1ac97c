use alcyon_wire::{AccountId, DropSecret, Handle, LogId, RunningHash, SeatSecret, ServerUrl};
use rusqlite::{OptionalExtension, params};
use zeroize::Zeroizing;

use crate::{
    StoreError, Tx,
    column::{id, number, parsed, to_sql},
};

/// This profile's account and device, with their private keys.
pub struct AccountRecord {
    /// The account.
    pub account: AccountId,
    /// Its handle.
    pub handle: Handle,
    /// Its home server.
    pub server: ServerUrl,
    /// The recovery words until they have been shown.
    pub words: Option<Zeroizing<String>>,
    /// Private era key.
    pub era_key: Zeroizing<[u8; 32]>,
    /// Private device key.
    pub device_key: Zeroizing<[u8; 32]>,
    /// The signed manifest as published.
    pub manifest: Vec<u8>,
    /// The inbox.
    pub inbox_log: LogId,
    /// This device's seat there.
    pub inbox_seat: SeatSecret,
    /// Drops this account's seats at the inbox.
    pub inbox_drop: DropSecret,
    /// Private X-Wing key that opens knocks.
    pub inbox_secret: Zeroizing<Vec<u8>>,
    /// Last sequence of the inbox that was processed.
    pub inbox_cursor: u64,
    /// Running hash there.
    pub inbox_hash: RunningHash,
    /// The server has confirmed the account.
    pub registered: bool,
    /// When the last-resort KeyPackage was last uploaded, 0 for never.
    pub key_packages_ms: u64,
}

impl Tx<'_> {
    /// The account, if there is one.
    pub fn account(&self) -> Result<Option<AccountRecord>, StoreError> {
        self.sql
            .prepare_cached(
                "SELECT account, handle, server, words, era_key, device_key, manifest, inbox_log, inbox_seat, inbox_drop,
                   inbox_secret, inbox_cursor, inbox_hash, registered, key_packages_ms FROM account",
            )?
            .query_row([], |row| {
                Ok(AccountRecord {
                    account: id(row, 0)?,
                    handle: parsed(row, 1)?,
                    server: parsed(row, 2)?,
                    words: row.get::<_, Option<String>>(3)?.map(Zeroizing::new),
                    era_key: Zeroizing::new(id(row, 4)?),
                    device_key: Zeroizing::new(id(row, 5)?),
                    manifest: row.get(6)?,
                    inbox_log: id(row, 7)?,
                    inbox_seat: id(row, 8)?,
                    inbox_drop: id(row, 9)?,
                    inbox_secret: Zeroizing::new(row.get(10)?),
                    inbox_cursor: number(row, 11)?,
                    inbox_hash: RunningHash::parse(row.get_ref(12)?.as_blob()?, "inbox_hash").map_err(|_| crate::column::wrong(12))?,
                    registered: row.get(13)?,
                    key_packages_ms: number(row, 14)?,
                })
            })
            .optional()
            .map_err(Into::into)
    }

    /// Writes the account, over the one that is there.
    pub fn put_account(&self, record: &AccountRecord) -> Result<(), StoreError> {
        let AccountRecord {
            account,
            handle,
            server,
            words,
            era_key,
            device_key,
            manifest,
            inbox_log,
            inbox_seat,
            inbox_drop,
            inbox_secret,
            inbox_cursor,
            inbox_hash,
            registered,
            key_packages_ms,
        } = record;
        self.sql
            .prepare_cached(
                "INSERT OR REPLACE INTO account (one, account, handle, server, words, era_key, device_key, manifest, inbox_log,
                   inbox_seat, inbox_drop, inbox_secret, inbox_cursor, inbox_hash, registered, key_packages_ms)
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute(params![
                account.as_bytes(),
                handle.to_text(),
                server.to_text(),
                words.as_ref().map(|words| words.as_str()),
                era_key.as_slice(),
                device_key.as_slice(),
                manifest,
                inbox_log.as_bytes(),
                inbox_seat.as_bytes(),
                inbox_drop.as_bytes(),
                inbox_secret.as_slice(),
                to_sql(*inbox_cursor),
                inbox_hash.as_bytes(),
                registered,
                to_sql(*key_packages_ms)
            ])?;
        Ok(())
    }

    /// Removes an account that never came to be.
    pub fn remove_account(&self) -> Result<(), StoreError> {
        self.sql.execute("DELETE FROM account WHERE registered = 0", [])?;
        Ok(())
    }

    /// The inbox was processed up to here.
    pub fn set_inbox_cursor(&self, cursor: u64, hash: &RunningHash) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE account SET inbox_cursor = ?1, inbox_hash = ?2")?
            .execute(params![to_sql(cursor), hash.as_bytes()])?;
        Ok(())
    }

    /// Remembers a KeyPackage of this device, so that its private keys can be deleted one day.
    pub fn put_key_package(&self, reference: &[u8], last_resort: bool, created_ms: u64) -> Result<(), StoreError> {
        self.sql.prepare_cached("INSERT INTO key_packages (reference, last_resort, created_ms) VALUES (?1, ?2, ?3)")?.execute(params![
            reference,
            last_resort,
            to_sql(created_ms)
        ])?;
        Ok(())
    }

    /// References of KeyPackages made before a time, of one kind.
    pub fn key_packages_before(&self, last_resort: bool, before_ms: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT reference FROM key_packages WHERE last_resort = ?1 AND created_ms < ?2")?;
        let rows = statement.query_map(params![last_resort, to_sql(before_ms)], |row| row.get(0))?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Forgets a KeyPackage.
    pub fn remove_key_package(&self, reference: &[u8]) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM key_packages WHERE reference = ?1")?.execute([reference])?;
        Ok(())
    }
}
