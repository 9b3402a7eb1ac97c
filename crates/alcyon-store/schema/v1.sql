-- Format 1 of a profile. Tables are STRICT; columns never change their meaning; what goes is not used again.
-- Times are Unix milliseconds. Ids and hashes are raw bytes. "log" is a log's id everywhere.

CREATE TABLE account (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  account BLOB NOT NULL,
  handle TEXT NOT NULL,
  server TEXT NOT NULL,
  words TEXT,                      -- recovery words until they have been shown, then NULL
  era_key BLOB NOT NULL,
  device_key BLOB NOT NULL,
  manifest BLOB NOT NULL,          -- SignedManifest as published; holds the era certificate
  inbox_log BLOB NOT NULL,
  inbox_seat BLOB NOT NULL,        -- seat secret
  inbox_drop BLOB NOT NULL,        -- drop secret, shared by the account's devices
  inbox_secret BLOB NOT NULL,      -- X-Wing private key
  inbox_cursor INTEGER NOT NULL,
  inbox_hash BLOB NOT NULL,        -- running hash at the cursor
  registered INTEGER NOT NULL,     -- 1 once the server has confirmed
  key_packages_ms INTEGER NOT NULL -- when the last resort was last uploaded, 0 never
) STRICT;

CREATE TABLE contacts (
  account BLOB PRIMARY KEY NOT NULL,
  handle TEXT NOT NULL,
  manifest BLOB NOT NULL,          -- the highest seen
  handle_checked_ms INTEGER NOT NULL,
  handle_changed INTEGER NOT NULL, -- 1: the handle names another account now
  blocked INTEGER NOT NULL,
  pass_given BLOB,                 -- lets them knock here
  pass_held BLOB                   -- lets me knock there
) STRICT, WITHOUT ROWID;

CREATE TABLE conversations (
  conversation BLOB PRIMARY KEY NOT NULL,
  peer BLOB,                       -- account; NULL until a queued start has found it
  start_handle TEXT,               -- of a start that has not found its account yet
  start_account BLOB,              -- and the account it insists on
  standing INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  read_number INTEGER NOT NULL     -- messages up to this number are read
) STRICT, WITHOUT ROWID;

-- A conversation that went on as another one (both sides had knocked).
CREATE TABLE aliases (
  old BLOB PRIMARY KEY NOT NULL,
  conversation BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE terms (
  log BLOB PRIMARY KEY NOT NULL,
  conversation BLOB NOT NULL,
  term INTEGER NOT NULL,
  server TEXT NOT NULL,
  state INTEGER NOT NULL,
  group_id BLOB,                   -- NULL until this device is in the group
  welcome BLOB,                    -- until used
  seat BLOB NOT NULL,              -- seat secret
  next_seat BLOB,                  -- the secret that a commit under way puts in its place
  drop_secret BLOB NOT NULL,
  join_secret BLOB NOT NULL,
  cursor INTEGER NOT NULL,         -- last sequence processed
  running_hash BLOB NOT NULL,      -- at the cursor
  commit_count INTEGER NOT NULL,   -- at the cursor
  rejoin INTEGER NOT NULL,         -- 0, or the reason to come in anew
  UNIQUE (conversation, term)
) STRICT, WITHOUT ROWID;

-- Running hashes of processed entries, to compare with what others have seen; entry ids, to notice a replay.
CREATE TABLE chain (
  log BLOB NOT NULL,
  sequence INTEGER NOT NULL,
  running_hash BLOB NOT NULL,
  entry_id BLOB NOT NULL,
  PRIMARY KEY (log, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX chain_by_entry ON chain (log, entry_id);

CREATE TABLE messages (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation BLOB NOT NULL,
  message BLOB NOT NULL,
  sender BLOB NOT NULL,
  own INTEGER NOT NULL,
  text TEXT NOT NULL,
  term INTEGER,                    -- NULL until the log has it
  sequence INTEGER,
  sent_at_ms INTEGER NOT NULL,
  delivery INTEGER NOT NULL,
  shown INTEGER NOT NULL,          -- 0: still to be shown as new
  UNIQUE (conversation, message)
) STRICT;
CREATE INDEX messages_by_position ON messages (conversation, term, sequence);
CREATE INDEX messages_unshown ON messages (number) WHERE shown = 0;

-- What has to reach a server, in the order of its number. A frame goes out as the bytes that are here.
CREATE TABLE outbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kind INTEGER NOT NULL,
  conversation BLOB,
  server TEXT NOT NULL,
  log BLOB NOT NULL,
  entry_id BLOB NOT NULL,
  after INTEGER NOT NULL,          -- 0, or the number of an item that has to be gone first
  content BLOB,                    -- plaintext Content of an application entry
  frame BLOB,                      -- body of the ClientFrame; NULL: still to be made
  not_before_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_by_log ON outbox (log, number);
CREATE INDEX outbox_by_entry ON outbox (entry_id);

-- Hashes of payloads this device has made, until their echo was processed. An own entry that is not here shows that
-- the profile is an old copy.
CREATE TABLE own_entries (
  log BLOB NOT NULL,
  entry_id BLOB NOT NULL,
  payload_hash BLOB NOT NULL,
  PRIMARY KEY (log, entry_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE requests (
  conversation BLOB PRIMARY KEY NOT NULL,
  number INTEGER NOT NULL,         -- order of arrival
  account BLOB NOT NULL,
  handle TEXT NOT NULL,
  confirmed INTEGER NOT NULL,      -- 1: the handle's directory names this account
  offer BLOB NOT NULL,             -- Offer
  introduction TEXT NOT NULL,
  sent_at_ms INTEGER NOT NULL,
  state INTEGER NOT NULL,
  shown INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE alarms (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation BLOB,
  log BLOB NOT NULL,
  kind INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  mine BLOB NOT NULL,              -- evidence: what this device computed
  theirs BLOB NOT NULL,            -- and what it was told
  at_ms INTEGER NOT NULL,
  shown INTEGER NOT NULL,
  UNIQUE (log, kind, sequence)
) STRICT;

-- Entries that could not be processed.
CREATE TABLE set_aside (
  log BLOB NOT NULL,
  sequence INTEGER NOT NULL,
  header BLOB NOT NULL,
  payload BLOB NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (log, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_packages (
  reference BLOB PRIMARY KEY NOT NULL,
  last_resort INTEGER NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- MLS state, opaque here: the kinds are those of alcyon-mls.
CREATE TABLE mls_rows (
  kind INTEGER NOT NULL,
  key BLOB NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
