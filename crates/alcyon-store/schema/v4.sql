-- Format 4: what a message can be. Runs on format 3, also where that was made just now.

-- Contents: what is done to a message is a row of its own, with the message as its target.
ALTER TABLE messages ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;
ALTER TABLE messages ADD COLUMN target BLOB;                        -- the message that something is done to
-- The Content as it was written or came in. NULL where nothing but the text was kept (formats 1 to 3), and where it is gone.
ALTER TABLE messages ADD COLUMN content BLOB;
ALTER TABLE messages ADD COLUMN at_ms INTEGER NOT NULL DEFAULT 0;   -- time of the entry's header; 0 until the log has it
ALTER TABLE messages ADD COLUMN rights INTEGER NOT NULL DEFAULT 0;  -- of its sender where it stands: 1 admin, 2 may edit
-- The message that an entry of this device carries: another id than the entry's where it is sent again.
ALTER TABLE own_entries ADD COLUMN message BLOB;
-- Until now header times were not kept.
UPDATE messages SET at_ms = sent_at_ms WHERE term IS NOT NULL;
CREATE INDEX messages_by_target ON messages (conversation, target) WHERE target IS NOT NULL;
CREATE INDEX messages_by_kind ON messages (conversation, kind) WHERE kind <> 1;

-- Files on their way. A message that is deleted takes the transfer of its file along by the program, not by the database: the
-- message of an upload is not there yet.
CREATE TABLE transfers (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  message BLOB NOT NULL UNIQUE,
  conversation BLOB NOT NULL,
  way INTEGER NOT NULL,            -- 1 up, 2 down
  state INTEGER NOT NULL,          -- 1 going, 2 paused, 3 failed, 4 here
  room TEXT NOT NULL,              -- the name of the sealed bytes on this device
  attachment BLOB NOT NULL,        -- an Attachment; of an upload without the blob
  server TEXT NOT NULL,
  upload BLOB,                     -- secret of the upload, once the server has drawn it
  done INTEGER NOT NULL,           -- sealed bytes that have gone over
  length INTEGER NOT NULL,
  reason TEXT NOT NULL             -- why it can't go on
) STRICT;

-- MLS state: a value of more than 768 bytes lies in parts of that size, in place of a row of mls_rows.
CREATE TABLE mls_parts (
  kind INTEGER NOT NULL,
  key BLOB NOT NULL,
  part INTEGER NOT NULL,           -- from 0
  value BLOB NOT NULL,
  PRIMARY KEY (kind, key, part)
) STRICT;

-- Messages that go by themselves. Kind 9 sets the timer of a conversation of two; kind 10 is what is left of one that has gone.
ALTER TABLE messages ADD COLUMN timer_s INTEGER NOT NULL DEFAULT 0; -- seconds after it was read, or sent; 0: it stays
ALTER TABLE messages ADD COLUMN goes_ms INTEGER;                    -- when it goes, once the countdown runs
CREATE INDEX messages_by_end ON messages (goes_ms) WHERE goes_ms IS NOT NULL;
CREATE INDEX messages_to_be_read ON messages (conversation) WHERE timer_s > 0 AND goes_ms IS NULL;

-- Ids under which messages came with more than one content: each content, with what its entries say. Which counts is said by the rules.
CREATE TABLE variants (
  conversation BLOB NOT NULL,
  message BLOB NOT NULL,
  digest BLOB NOT NULL,            -- SHA-256 of what does not differ from entry to entry
  content BLOB NOT NULL,
  first_term INTEGER,              -- the first place of that content; NULL until a log has it
  first_sequence INTEGER,
  term INTEGER,                    -- and what counts of its entries
  sequence INTEGER,
  at_ms INTEGER NOT NULL,
  rights INTEGER NOT NULL,
  PRIMARY KEY (conversation, message, digest)
) STRICT, WITHOUT ROWID;
-- The first place of the content that is there.
ALTER TABLE messages ADD COLUMN first_term INTEGER;
ALTER TABLE messages ADD COLUMN first_sequence INTEGER;
UPDATE messages SET first_term = term, first_sequence = sequence;

-- How far others have read, and how far they were told that this account has.
CREATE TABLE receipts (
  conversation BLOB NOT NULL,
  account BLOB NOT NULL,
  term INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,          -- header time of the entry that said so
  PRIMARY KEY (conversation, account)
) STRICT, WITHOUT ROWID;
ALTER TABLE conversations ADD COLUMN told_term INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN told_sequence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN tell_ms INTEGER;               -- when they are to be told further
ALTER TABLE conversations ADD COLUMN tells_read INTEGER;            -- 0 never, 1 always; NULL as the profile has it
ALTER TABLE conversations ADD COLUMN tells_typing INTEGER;

ALTER TABLE conversations ADD COLUMN draft TEXT NOT NULL DEFAULT '';       -- written and not sent
ALTER TABLE conversations ADD COLUMN marked_unread INTEGER NOT NULL DEFAULT 0; -- 1: by the person, until it is read again

-- Of the profile; a name that is not here has its default.
CREATE TABLE settings (
  name TEXT PRIMARY KEY NOT NULL,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Search. Of each text its words, and no second copy of it: `alcyon_words` is the program's (search.rs), and what it says of a text
-- never changes within a format, because that is how words leave the index again.
ALTER TABLE messages ADD COLUMN has INTEGER NOT NULL DEFAULT 0;     -- 1 a file, 2 a link, 4 a place, 8 a contact
UPDATE messages SET has = 2 WHERE text LIKE '%https://%' OR text LIKE '%http://%';
CREATE INDEX messages_by_sender ON messages (sender);
CREATE INDEX messages_by_time ON messages (sent_at_ms);
CREATE INDEX messages_by_has ON messages (number) WHERE has <> 0;
CREATE VIRTUAL TABLE message_words USING fts5 (
  words, content = '', columnsize = 0, prefix = '1 2', tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO message_words (message_words, rank) VALUES ('secure-delete', 1);
INSERT INTO message_words (rowid, words) SELECT number, alcyon_words(text) FROM messages WHERE text <> '';
CREATE TRIGGER message_words_come AFTER INSERT ON messages WHEN new.text <> '' BEGIN
  INSERT INTO message_words (rowid, words) VALUES (new.number, alcyon_words(new.text));
END;
CREATE TRIGGER message_words_go AFTER DELETE ON messages WHEN old.text <> '' BEGIN
  INSERT INTO message_words (message_words, rowid, words) VALUES ('delete', old.number, alcyon_words(old.text));
END;
CREATE TRIGGER message_words_are_old BEFORE UPDATE OF text ON messages WHEN old.text <> '' AND old.text <> new.text BEGIN
  INSERT INTO message_words (message_words, rowid, words) VALUES ('delete', old.number, alcyon_words(old.text));
END;
CREATE TRIGGER message_words_are_new AFTER UPDATE OF text ON messages WHEN new.text <> '' AND old.text <> new.text BEGIN
  INSERT INTO message_words (rowid, words) VALUES (new.number, alcyon_words(new.text));
END;

-- Devices of this account, as far as this one knows them, itself included.
CREATE TABLE devices (
  device BLOB PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  added_ms INTEGER NOT NULL,
  inbox_seat BLOB,                 -- id of its seat at the inbox; NULL unknown
  added_here INTEGER NOT NULL      -- 1: added by this device, which tells it what there is
) STRICT, WITHOUT ROWID;

-- What a device notes about itself and its siblings. Kinds and values are the client's.
CREATE TABLE device_notes (
  kind INTEGER NOT NULL,
  about BLOB NOT NULL,             -- a log, a conversation, or nothing
  value BLOB NOT NULL,
  PRIMARY KEY (kind, about)
) STRICT, WITHOUT ROWID;

-- 1: came from a sibling's history and was read there; it does not count as unread, whatever its number.
ALTER TABLE messages ADD COLUMN read_elsewhere INTEGER NOT NULL DEFAULT 0;

-- Header time of the entry by which the other side came in; 0 until then, or it was the other side that had asked.
ALTER TABLE conversations ADD COLUMN accepted_ms INTEGER NOT NULL DEFAULT 0;
