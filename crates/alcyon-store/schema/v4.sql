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
