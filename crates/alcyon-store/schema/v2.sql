-- Format 2: groups. Runs on format 1, also where that was made just now.

ALTER TABLE conversations ADD COLUMN kind INTEGER NOT NULL DEFAULT 1; -- 1 two people, 2 group
ALTER TABLE conversations ADD COLUMN title TEXT NOT NULL DEFAULT '';   -- a group's, as last seen

-- 1 a knock, 2 an invite, 3 somebody asks to come into a group. The offer is of that kind.
ALTER TABLE requests ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;

-- Set where the row is no message but a line about what happened in a group: a GroupLine.
ALTER TABLE messages ADD COLUMN line BLOB;

-- Invite secrets: the one this device comes in by, until it has.
ALTER TABLE terms ADD COLUMN door BLOB;
-- 1: since the join secret changed this device has not stored a tree; the one at the log may be sealed under the old secret.
ALTER TABLE terms ADD COLUMN tree_stale INTEGER NOT NULL DEFAULT 0;

-- Links of groups, as this device knows them: to be shown again, and answered for.
CREATE TABLE links (
  log BLOB NOT NULL,
  door BLOB NOT NULL,              -- door id
  secret BLOB NOT NULL,            -- the invite secret it derives from
  approval INTEGER NOT NULL,
  PRIMARY KEY (log, door)
) STRICT, WITHOUT ROWID;

-- Signed words of members that leave, until a commit has taken their leaves out.
CREATE TABLE leaving (
  log BLOB NOT NULL,
  account BLOB NOT NULL,
  proof BLOB NOT NULL,             -- LeaveProof
  PRIMARY KEY (log, account)
) STRICT, WITHOUT ROWID;
