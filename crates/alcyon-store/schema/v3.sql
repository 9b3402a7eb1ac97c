-- Format 3: how a person keeps a conversation in the list, and terms beyond the first. Runs on format 2, also where that was made just now.

ALTER TABLE conversations ADD COLUMN muted_until_ms INTEGER NOT NULL DEFAULT 0; -- 0 not muted; 2^63-1 until unmuted
ALTER TABLE conversations ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;       -- 1: out of the list, until a new message
ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;         -- 0, or its place among those pinned: 1, 2, ...

-- Why the conversation went on in this term. 0 in term 0, 1 moved, 2 forked, 3 the server before has lost entries.
ALTER TABLE terms ADD COLUMN reason INTEGER NOT NULL DEFAULT 0;
