use alcyon_wire::{AccountId, ConversationId, Handle};
use rusqlite::{OptionalExtension, Row, params};

use crate::{
    StoreError, Tx,
    column::{id, number, parsed, stored_enum, to_sql},
};

stored_enum! {
    /// What became of a request.
    RequestState {
        /// Waits for the person.
        Open = 1,
        /// Accepted.
        Accepted = 2,
        /// Declined.
        Declined = 3,
        /// Another conversation with the same account stays instead, or the account is blocked.
        Superseded = 4,
    }
}

stored_enum! {
    /// What is asked.
    RequestKind {
        /// A conversation of two.
        Knock = 1,
        /// To come into a group. The person is asked.
        Invite = 2,
        /// Somebody asks, by a link, to be let into a group of which this account is an admin.
        AskIn = 3,
        /// Nothing: a member of a group reports something to this account, an admin.
        Report = 4,
    }
}

/// Somebody asked for a conversation.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// The conversation offered.
    pub conversation: ConversationId,
    /// Order of arrival.
    pub number: u64,
    /// Who.
    pub account: AccountId,
    /// By which handle.
    pub handle: Handle,
    /// The handle's directory names this account.
    pub confirmed: bool,
    /// The Offer.
    pub offer: Vec<u8>,
    /// First words.
    pub introduction: String,
    /// The sender's clock.
    pub sent_at_ms: u64,
    /// What became of it.
    pub state: RequestState,
    /// Needs no showing as new.
    pub shown: bool,
    /// What is asked.
    pub kind: RequestKind,
}

const COLUMNS: &str = "conversation, number, account, handle, confirmed, offer, introduction, sent_at_ms, state, shown, kind";

fn request(row: &Row<'_>) -> rusqlite::Result<RequestRecord> {
    Ok(RequestRecord {
        conversation: id(row, 0)?,
        number: number(row, 1)?,
        account: id(row, 2)?,
        handle: parsed(row, 3)?,
        confirmed: row.get(4)?,
        offer: row.get(5)?,
        introduction: row.get(6)?,
        sent_at_ms: number(row, 7)?,
        state: RequestState::column(row, 8)?,
        shown: row.get(9)?,
        kind: RequestKind::column(row, 10)?,
    })
}

impl Tx<'_> {
    /// A request, whatever became of it.
    pub fn request(&self, conversation: ConversationId) -> Result<Option<RequestRecord>, StoreError> {
        self.sql
            .prepare_cached(&format!("SELECT {COLUMNS} FROM requests WHERE conversation = ?1"))?
            .query_row([conversation.as_bytes()], request)
            .optional()
            .map_err(Into::into)
    }

    /// Open requests in the order in which they came.
    pub fn open_requests(&self) -> Result<Vec<RequestRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM requests WHERE state = 1 ORDER BY number"))?;
        let rows = statement.query_map([], request)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// The newest open request of an account.
    pub fn open_request_of(&self, account: AccountId) -> Result<Option<RequestRecord>, StoreError> {
        self.sql
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM requests WHERE state = 1 AND kind = 1 AND account = ?1 ORDER BY number DESC LIMIT 1"
            ))?
            .query_row([account.as_bytes()], request)
            .optional()
            .map_err(Into::into)
    }

    /// Writes a request, over the one that is there.
    pub fn put_request(&self, record: &RequestRecord) -> Result<(), StoreError> {
        let RequestRecord { conversation, number, account, handle, confirmed, offer, introduction, sent_at_ms, state, shown, kind } =
            record;
        self.sql
            .prepare_cached(&format!("INSERT OR REPLACE INTO requests ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"))?
            .execute(params![
                conversation.as_bytes(),
                to_sql(*number),
                account.as_bytes(),
                handle.to_text(),
                confirmed,
                offer,
                introduction,
                to_sql(*sent_at_ms),
                state.number(),
                shown,
                kind.number()
            ])?;
        Ok(())
    }
}
