-- Jobs belong to an artifact, a plugin and a capability, and are taken in turns: no plugin, and no backlog, keeps others waiting.
-- `kind`: 0 index, 1 scan. `backlog` marks those that were planned for artifacts from before. `planned` and `due` are times in seconds since
-- 1970; a claimed job is due again when its lease ends. `tries` counts how often it was begun, the lease that runs included, and `waits`
-- how often it had to be put off, which is no try. Identifiers are never used twice: the end of a job that was planned anew must not end the
-- new one.
ALTER TABLE jobs RENAME TO jobs_before;
DROP INDEX jobs_by_time;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL,
    plugin TEXT NOT NULL,
    kind INTEGER NOT NULL,
    stamp_id INTEGER NOT NULL,
    backlog INTEGER NOT NULL,
    planned INTEGER NOT NULL,
    due INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    waits INTEGER NOT NULL,
    error TEXT,
    UNIQUE (artifact_id, plugin, kind)
) STRICT;
CREATE INDEX jobs_in_turn ON jobs (plugin, backlog, due);
CREATE INDEX jobs_by_age ON jobs (plugin, kind, planned);

-- How many jobs there are, so that nobody has to count them.
CREATE TABLE job_counts (
    plugin TEXT NOT NULL,
    kind INTEGER NOT NULL,
    depth INTEGER NOT NULL,
    PRIMARY KEY (plugin, kind)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER jobs_added AFTER INSERT ON jobs BEGIN
    INSERT INTO job_counts (plugin, kind, depth) VALUES (new.plugin, new.kind, 1)
    ON CONFLICT (plugin, kind) DO UPDATE SET depth = depth + 1;
END;
CREATE TRIGGER jobs_removed AFTER DELETE ON jobs BEGIN
    UPDATE job_counts SET depth = depth - 1 WHERE plugin = old.plugin AND kind = old.kind;
END;

-- Tries were counted together with what was no try, so they begin anew. Jobs of a backlog were due at once, at the time 0.
INSERT INTO jobs (id, artifact_id, plugin, kind, stamp_id, backlog, planned, due, tries, waits, error)
    SELECT j.id, j.artifact_id, s.plugin, j.kind, j.stamp_id, j.due = 0, CASE j.due WHEN 0 THEN unixepoch() ELSE min(j.due, unixepoch()) END,
        j.due, 0, 0, j.error
    FROM jobs_before j JOIN stamps s ON s.id = j.stamp_id JOIN artifacts a ON a.id = j.artifact_id;
DROP TABLE jobs_before;

-- How far the artifacts from before have been looked at for the active set of plugins: all candidates up to this one, in the order of the
-- table `candidates`. Another set begins anew.
ALTER TABLE plugin_set ADD COLUMN planned_type TEXT NOT NULL DEFAULT '';
ALTER TABLE plugin_set ADD COLUMN planned_artifact INTEGER NOT NULL DEFAULT 0;
