-- How often something changed in a repository that services can see. `type_id` 0 counts what happens to its manifests and tags, that of a type
-- what happens to entries of that type. A revision is the sum over a range of names, so that no row is everybody's. A number begins
-- with one that follows from the name, so that sums over other repositories differ, and only grows; its row outlives what it counts.
CREATE TABLE changes (
    type_id INTEGER NOT NULL,
    repository TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (type_id, repository)
) STRICT, WITHOUT ROWID;

-- The numbers from before counted repositories below as well. Without these they add up to what they were. What they begin with now is a
-- hash of 32 bits: `(a | b) - (a & b)` is the exclusive or.
INSERT INTO changes (type_id, repository, number)
WITH RECURSIVE steps (name, at, x) AS (
    SELECT name, 0, 0 FROM repositories
    UNION ALL
    SELECT name, at + 1, (x * 16777619 + unicode(substr(name, at + 1, 1))) & 4294967295 FROM steps WHERE at < length(name)
), first (name, x) AS (
    SELECT name, (((x | (x >> 16)) - (x & (x >> 16))) * 569420461) & 4294967295 FROM steps WHERE at = length(name)
), second (name, x) AS (
    SELECT name, (((x | (x >> 15)) - (x & (x >> 15))) * 1935289751) & 4294967295 FROM first
), beginnings (name, x) AS (
    SELECT name, (x | (x >> 15)) - (x & (x >> 15)) FROM second
)
SELECT 0, s.name, s.x + r.revision - coalesce((SELECT sum(b.revision) FROM revisions b
    WHERE b.prefix >= s.name || '/' AND b.prefix < s.name || '0' AND instr(substr(b.prefix, length(s.name) + 2), '/') = 0), 0)
FROM beginnings s JOIN revisions r ON r.prefix = s.name;

DROP TABLE revisions;
