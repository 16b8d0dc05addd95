-- Upload sessions say what they are at. `state`: 0 open, 1 completing, 2 done. `digest` is what a session is becoming or became. What
-- the hasher saved has a version, so that another version of it is never misread.
ALTER TABLE uploads ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
ALTER TABLE uploads ADD COLUMN digest TEXT;
ALTER TABLE uploads ADD COLUMN hash_version INTEGER NOT NULL DEFAULT 1;
DROP INDEX uploads_by_time;
CREATE INDEX uploads_unfinished ON uploads (used, id) WHERE state < 2;
CREATE INDEX uploads_done ON uploads (used) WHERE state = 2;
CREATE INDEX uploads_completing ON uploads (state, id) WHERE state = 1;
CREATE INDEX uploads_by_digest ON uploads (digest) WHERE state = 1;
CREATE INDEX uploads_by_token ON uploads (token) WHERE state < 2;

-- What the names of sessions are signed with, so that a session without bytes needs no row. One row.
CREATE TABLE upload_key (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    key BLOB NOT NULL
) STRICT;
INSERT INTO upload_key (id, key) VALUES (1, randomblob(32));

-- The last time it was tried whether something can be written, in seconds since 1970. One row.
CREATE TABLE probe (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
) STRICT;
