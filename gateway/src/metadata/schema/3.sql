-- What plugins said of artifacts that they claim as well as the plugin that owns them, in the order of the candidates. `findings` and
-- `entry` are JSON, as in `judgements`.
CREATE TABLE opinions (
    artifact_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    type_id INTEGER NOT NULL,
    stamp_id INTEGER NOT NULL,
    failure TEXT,
    findings TEXT NOT NULL,
    entry TEXT,
    PRIMARY KEY (artifact_id, position)
) STRICT, WITHOUT ROWID;

-- The manifests that an index names, sorted by digest: the index of referrers that clients keep under a tag is read in pages.
CREATE INDEX edges_of_indexes ON edges (artifact_id, digest) WHERE kind = 2;
