-- Where content lies. `location` is the storage's and is never used twice; what gateways before this one stored lies at a path that
-- follows from its digest. `state`: 0 whole, 1 spoilt: its bytes are gone or others, and nobody sees it until it is pushed again.
CREATE TABLE blobs (
    digest TEXT PRIMARY KEY,
    location TEXT NOT NULL,
    size INTEGER NOT NULL,
    state INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO blobs (digest, location, size, state)
    SELECT digest, substr(digest, 1, colon - 1) || '/' || substr(digest, colon + 1, 2) || '/' || substr(digest, colon + 1), size, 0
    FROM (SELECT digest, instr(digest, ':') AS colon, max(size) AS size FROM links GROUP BY digest);
ALTER TABLE links DROP COLUMN size;

-- Links that no manifest may name yet, or any more, and until when they stay nevertheless, in seconds since 1970.
DROP TABLE leases;
CREATE TABLE leases (
    digest TEXT NOT NULL,
    repository_id INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (digest, repository_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_by_time ON leases (until);
CREATE INDEX edges_to_blobs ON edges (digest, repository_id) WHERE kind < 2;
INSERT INTO leases (digest, repository_id, until)
    SELECT l.digest, l.repository_id, unixepoch() + 86400 FROM links l
    WHERE NOT EXISTS (SELECT 1 FROM edges e WHERE e.digest = l.digest AND e.repository_id = l.repository_id AND e.kind < 2);

-- Content that nothing leads to any more and whose bytes are to be removed. `since` is a time in seconds since 1970.
CREATE TABLE garbage (
    location TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX garbage_by_time ON garbage (since, location, size);

-- Whether all leases were written when the gateway stopped. One row.
CREATE TABLE collection (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    clean INTEGER NOT NULL
) STRICT;
INSERT INTO collection (id, clean) VALUES (1, 0);
