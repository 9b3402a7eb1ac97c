use alcyon_wire::{AccountId, ConversationId, DropSecret, Handle, JoinSecret, LogId, RunningHash, SeatSecret, ServerUrl};
use rusqlite::{OptionalExtension, Row, params};

use crate::{
    StoreError, Tx,
    column::{id, maybe_id, number, stored_enum, to_sql, wrong},
};

stored_enum! {
    /// Where a conversation stands with its other side.
    Standing {
        /// Knocked, not yet accepted.
        Asked = 1,
        /// Both are in.
        Open = 2,
        /// The other side has declined or left.
        Left = 3,
        /// Accepted here, still coming in.
        Joining = 4,
    }
}

stored_enum! {
    /// What a conversation is.
    ConversationKind {
        /// Two accounts, for ever.
        Pair = 1,
        /// A group, with roles and doors.
        Group = 2,
        /// The account's own devices: "note to self". A group of one account, by the rules of groups.
        Own = 3,
    }
}

stored_enum! {
    /// How far a term has come on this device.
    TermState {
        /// Accepted: the Welcome waits for the tree.
        Joining = 1,
        /// In the group.
        Live = 2,
        /// Closed, or left towards another term: read no more.
        Closed = 3,
    }
}

/// A conversation.
#[derive(Debug, Clone)]
pub struct ConversationRecord {
    /// Its id.
    pub conversation: ConversationId,
    /// The other account, once known.
    pub peer: Option<AccountId>,
    /// Of a start that has not found its account yet.
    pub start_handle: Option<Handle>,
    /// The account that start insists on.
    pub start_account: Option<AccountId>,
    /// How things stand.
    pub standing: Standing,
    /// When it came to be here.
    pub created_ms: u64,
    /// Messages up to this number are read.
    pub read_number: u64,
    /// Two people or a group.
    pub kind: ConversationKind,
    /// A group's title as last seen; empty for two people.
    pub title: String,
}

/// A term of a conversation: its log and this device's place there.
#[derive(Debug, Clone)]
pub struct TermRecord {
    /// The log.
    pub log: LogId,
    /// The conversation.
    pub conversation: ConversationId,
    /// 0, 1, ...
    pub term: u32,
    /// The hub.
    pub server: ServerUrl,
    /// How far it has come.
    pub state: TermState,
    /// The MLS group, once this device is in.
    pub group_id: Option<Vec<u8>>,
    /// The Welcome, until used.
    pub welcome: Option<Vec<u8>>,
    /// The seat.
    pub seat: SeatSecret,
    /// The seat that a commit under way puts in its place.
    pub next_seat: Option<SeatSecret>,
    /// Drops this account's seats.
    pub drop_secret: DropSecret,
    /// The handshake key derives from it.
    pub join_secret: JoinSecret,
    /// Last sequence processed.
    pub cursor: u64,
    /// Running hash there.
    pub running_hash: RunningHash,
    /// Commits so far there.
    pub commit_count: u64,
    /// 0, or the reason to come in anew.
    pub rejoin: u32,
    /// The invite secret by which this device comes in, until it has.
    pub door: Option<[u8; 32]>,
    /// The tree at the log may be sealed under an older join secret.
    pub tree_stale: bool,
    /// Why the conversation went on here: numbers of the client; 0 in term 0.
    pub reason: u32,
}

/// What a term is made of when it comes to be here.
#[derive(Debug, Clone)]
pub struct NewTerm {
    /// The log.
    pub log: LogId,
    /// The conversation.
    pub conversation: ConversationId,
    /// 0, 1, ...
    pub term: u32,
    /// The hub.
    pub server: ServerUrl,
    /// The seat.
    pub seat: SeatSecret,
    /// Drops this account's seats.
    pub drop_secret: DropSecret,
    /// The handshake key derives from it.
    pub join_secret: JoinSecret,
}

impl TermRecord {
    /// A term of which nothing was read, and that this device has yet to come into.
    #[must_use]
    pub fn joining(new: NewTerm) -> Self {
        let NewTerm { log, conversation, term, server, seat, drop_secret, join_secret } = new;
        Self {
            log,
            conversation,
            term,
            server,
            state: TermState::Joining,
            group_id: None,
            welcome: None,
            seat,
            next_seat: None,
            drop_secret,
            join_secret,
            cursor: 0,
            running_hash: RunningHash::start(log),
            commit_count: 0,
            rejoin: 0,
            door: None,
            tree_stale: false,
            reason: 0,
        }
    }

    /// A term that this device has made, with its group.
    #[must_use]
    pub fn begun(new: NewTerm, group_id: &[u8]) -> Self {
        Self { state: TermState::Live, group_id: Some(group_id.to_vec()), ..Self::joining(new) }
    }
}

const CONVERSATION: &str = "conversation, peer, start_handle, start_account, standing, created_ms, read_number, kind, title";
const TERM: &str = "log, conversation, term, server, state, group_id, welcome, seat, next_seat, drop_secret, join_secret, cursor,
  running_hash, commit_count, rejoin, door, tree_stale, reason";

fn conversation(row: &Row<'_>) -> rusqlite::Result<ConversationRecord> {
    Ok(ConversationRecord {
        conversation: id(row, 0)?,
        peer: maybe_id(row, 1)?,
        start_handle: row.get::<_, Option<String>>(2)?.map(|text| text.parse().map_err(|_| wrong(2))).transpose()?,
        start_account: maybe_id(row, 3)?,
        standing: Standing::column(row, 4)?,
        created_ms: number(row, 5)?,
        read_number: number(row, 6)?,
        kind: ConversationKind::column(row, 7)?,
        title: row.get(8)?,
    })
}

fn term(row: &Row<'_>) -> rusqlite::Result<TermRecord> {
    Ok(TermRecord {
        log: id(row, 0)?,
        conversation: id(row, 1)?,
        term: row.get(2)?,
        server: crate::column::parsed(row, 3)?,
        state: TermState::column(row, 4)?,
        group_id: row.get(5)?,
        welcome: row.get(6)?,
        seat: id(row, 7)?,
        next_seat: maybe_id(row, 8)?,
        drop_secret: id(row, 9)?,
        join_secret: id(row, 10)?,
        cursor: number(row, 11)?,
        running_hash: RunningHash::parse(row.get_ref(12)?.as_blob()?, "running_hash").map_err(|_| wrong(12))?,
        commit_count: number(row, 13)?,
        rejoin: row.get(14)?,
        door: row.get(15)?,
        tree_stale: row.get(16)?,
        reason: row.get(17)?,
    })
}

impl Tx<'_> {
    /// A conversation by its id, or by one it had before.
    pub fn conversation(&self, conversation_id: ConversationId) -> Result<Option<ConversationRecord>, StoreError> {
        self.sql
            .prepare_cached(&format!(
                "SELECT {CONVERSATION} FROM conversations
                 WHERE conversation = coalesce((SELECT conversation FROM aliases WHERE old = ?1), ?1)"
            ))?
            .query_row([conversation_id.as_bytes()], conversation)
            .optional()
            .map_err(Into::into)
    }

    /// The newest conversation with an account.
    pub fn conversation_with(&self, peer: AccountId) -> Result<Option<ConversationRecord>, StoreError> {
        self.sql
            .prepare_cached(&format!(
                "SELECT {CONVERSATION} FROM conversations WHERE peer = ?1 AND kind = 1 ORDER BY created_ms DESC, conversation LIMIT 1"
            ))?
            .query_row([peer.as_bytes()], conversation)
            .optional()
            .map_err(Into::into)
    }

    /// All conversations.
    pub fn conversations(&self) -> Result<Vec<ConversationRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {CONVERSATION} FROM conversations ORDER BY created_ms"))?;
        let rows = statement.query_map([], conversation)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Writes a conversation, over the one that is there; its [`crate::Shelf`] stays as it is.
    pub fn put_conversation(&self, record: &ConversationRecord) -> Result<(), StoreError> {
        let ConversationRecord { conversation, peer, start_handle, start_account, standing, created_ms, read_number, kind, title } = record;
        self.sql
            .prepare_cached(&format!(
                "INSERT INTO conversations ({CONVERSATION}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (conversation) DO UPDATE SET ({CONVERSATION}) = (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
            ))?
            .execute(params![
                conversation.as_bytes(),
                peer.as_ref().map(|peer| peer.as_bytes().as_slice()),
                start_handle.as_ref().map(Handle::to_text),
                start_account.as_ref().map(|account| account.as_bytes().as_slice()),
                standing.number(),
                to_sql(*created_ms),
                to_sql(*read_number),
                kind.number(),
                title
            ])?;
        Ok(())
    }

    /// The other side came in by an entry of this header time: it has accepted.
    pub fn set_accepted(&self, conversation: ConversationId, at_ms: u64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE conversations SET accepted_ms = ?2 WHERE conversation = ?1")?
            .execute(params![conversation.as_bytes(), to_sql(at_ms)])?;
        Ok(())
    }

    /// When the other side came in, if it was this one that had asked.
    pub fn accepted_ms(&self, conversation: ConversationId) -> Result<Option<u64>, StoreError> {
        self.sql
            .prepare_cached("SELECT accepted_ms FROM conversations WHERE conversation = ?1 AND accepted_ms > 0")?
            .query_row([conversation.as_bytes()], |row| number(row, 0))
            .optional()
            .map_err(Into::into)
    }

    /// Removes a conversation that never began.
    pub fn remove_conversation(&self, conversation: ConversationId) -> Result<(), StoreError> {
        for table in ["conversations", "messages", "outbox", "terms", "receipts", "variants"] {
            self.sql.execute(&format!("DELETE FROM {table} WHERE conversation = ?1"), [conversation.as_bytes()])?;
        }
        Ok(())
    }

    /// `old` goes on as `new`: its messages move there, its id stays good for finding it, and it is kept in the list as before.
    pub fn merge_conversation(&self, old: ConversationId, new: ConversationId) -> Result<(), StoreError> {
        let kept = self.shelf(old)?;
        if kept != crate::Shelf::default() {
            self.put_shelf(new, kept)?;
        }
        let (old, new) = (old.as_bytes(), new.as_bytes());
        self.sql
            .execute("UPDATE OR IGNORE messages SET conversation = ?2, term = NULL, sequence = NULL WHERE conversation = ?1", [old, new])?;
        self.sql.execute("DELETE FROM messages WHERE conversation = ?1", [old])?;
        self.sql.execute(
            "UPDATE conversations SET (draft, marked_unread, tells_read, tells_typing) =
               (SELECT draft, marked_unread, tells_read, tells_typing FROM conversations WHERE conversation = ?1)
             WHERE conversation = ?2 AND draft = ''",
            [old, new],
        )?;
        self.sql.execute("DELETE FROM receipts WHERE conversation = ?1", [old])?;
        self.sql.execute("DELETE FROM variants WHERE conversation = ?1", [old])?;
        self.sql.execute("DELETE FROM conversations WHERE conversation = ?1", [old])?;
        self.sql.execute("UPDATE aliases SET conversation = ?2 WHERE conversation = ?1", [old, new])?;
        self.sql.execute("INSERT OR REPLACE INTO aliases (old, conversation) VALUES (?1, ?2)", [old, new])?;
        self.sql.execute("UPDATE alarms SET conversation = ?2 WHERE conversation = ?1", [old, new])?;
        Ok(())
    }

    /// The newest term of a conversation.
    pub fn term_of(&self, conversation: ConversationId) -> Result<Option<TermRecord>, StoreError> {
        self.sql
            .prepare_cached(&format!("SELECT {TERM} FROM terms WHERE conversation = ?1 ORDER BY term DESC LIMIT 1"))?
            .query_row([conversation.as_bytes()], term)
            .optional()
            .map_err(Into::into)
    }

    /// A term by its log.
    pub fn term(&self, log: LogId) -> Result<Option<TermRecord>, StoreError> {
        self.sql
            .prepare_cached(&format!("SELECT {TERM} FROM terms WHERE log = ?1"))?
            .query_row([log.as_bytes()], term)
            .optional()
            .map_err(Into::into)
    }

    /// The terms of a conversation, the newest first.
    pub fn terms_of(&self, conversation: ConversationId) -> Result<Vec<TermRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {TERM} FROM terms WHERE conversation = ?1 ORDER BY term DESC"))?;
        let rows = statement.query_map([conversation.as_bytes()], term)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Forgets a term that the conversation does not go on in, with what was read of its log.
    pub fn remove_term(&self, log: LogId) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM terms WHERE log = ?1")?.execute([log.as_bytes()])?;
        self.forget_log(log)
    }

    /// Terms that are still read, of one server or of all.
    pub fn open_terms(&self, server: Option<&ServerUrl>) -> Result<Vec<TermRecord>, StoreError> {
        let mut statement =
            self.sql.prepare_cached(&format!("SELECT {TERM} FROM terms WHERE state <> ?1 AND (?2 IS NULL OR server = ?2) ORDER BY log"))?;
        let rows = statement.query_map(params![TermState::Closed.number(), server.map(ServerUrl::to_text)], term)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Writes a term, over the one that is there.
    pub fn put_term(&self, record: &TermRecord) -> Result<(), StoreError> {
        let TermRecord {
            log,
            conversation,
            term,
            server,
            state,
            group_id,
            welcome,
            seat,
            next_seat,
            drop_secret,
            join_secret,
            cursor,
            running_hash,
            commit_count,
            rejoin,
            door,
            tree_stale,
            reason,
        } = record;
        let values = params![
            log.as_bytes(),
            conversation.as_bytes(),
            term,
            server.to_text(),
            state.number(),
            group_id,
            welcome,
            seat.as_bytes(),
            next_seat.as_ref().map(|seat| seat.as_bytes().as_slice()),
            drop_secret.as_bytes(),
            join_secret.as_bytes(),
            to_sql(*cursor),
            running_hash.as_bytes(),
            to_sql(*commit_count),
            rejoin,
            door,
            tree_stale,
            reason
        ];
        // With every entry; where conversation and term stay, so does the index over them.
        let updated = self
            .sql
            .prepare_cached(
                "UPDATE terms SET server = ?4, state = ?5, group_id = ?6, welcome = ?7, seat = ?8, next_seat = ?9, drop_secret = ?10,
                   join_secret = ?11, cursor = ?12, running_hash = ?13, commit_count = ?14, rejoin = ?15, door = ?16, tree_stale = ?17,
                   reason = ?18
                 WHERE log = ?1 AND conversation = ?2 AND term = ?3",
            )?
            .execute(values)?;
        if updated == 0 {
            self.sql
                .prepare_cached(&format!(
                    "INSERT OR REPLACE INTO terms ({TERM})
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)"
                ))?
                .execute(values)?;
        }
        Ok(())
    }
}
