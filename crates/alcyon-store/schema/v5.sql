-- Format 5: who somebody is, in their own words. Runs on format 4, also where that was made just now.

-- What accounts have said of themselves, the own one too: of each what counts.
CREATE TABLE introductions (
  account BLOB PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,              -- made safe; empty for none
  folded TEXT NOT NULL,            -- the same, to find those who share it
  picture BLOB NOT NULL,           -- a JPEG of at most 4 KiB; empty for none
  revision INTEGER NOT NULL
) STRICT;
CREATE INDEX introductions_by_name ON introductions (folded) WHERE folded <> '';

-- The revision of the own introduction that was last sent there; 0: none, or somebody has come in since.
ALTER TABLE conversations ADD COLUMN introduced INTEGER NOT NULL DEFAULT 0;
