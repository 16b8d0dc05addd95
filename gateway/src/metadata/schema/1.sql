-- Text compares bytewise (the default collation): paging relies on it. Digests are text as everywhere else, so that a database can be
-- read by people. Rows that belong together are removed together by the commands; there are no foreign keys to check on each write.

CREATE TABLE repositories (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Which repository sees which blob. `made` marks links that the gateway made for its own content.
CREATE TABLE links (
    digest TEXT NOT NULL,
    repository_id INTEGER NOT NULL,
    size INTEGER NOT NULL,
    made INTEGER NOT NULL,
    PRIMARY KEY (digest, repository_id)
) STRICT, WITHOUT ROWID;

-- The bytes of manifests, once for all repositories. A row exists as long as an artifact names it.
CREATE TABLE contents (
    id INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

-- The manifests of a repository. `made` marks those that the gateway attached itself. `candidates` is a JSON array. Identifiers are
-- never used twice, so that nothing that outlives an artifact can point to another one.
CREATE TABLE artifacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL,
    repository_id INTEGER NOT NULL,
    content_id INTEGER NOT NULL,
    size INTEGER NOT NULL,
    media_type TEXT NOT NULL,
    made INTEGER NOT NULL,
    pushed INTEGER NOT NULL,
    candidates TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX artifacts_by_digest ON artifacts (digest, repository_id);

CREATE TABLE tags (
    repository_id INTEGER NOT NULL,
    tag TEXT NOT NULL,
    artifact_id INTEGER NOT NULL,
    PRIMARY KEY (repository_id, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_artifact ON tags (artifact_id, tag);

-- What manifests name, in their order. `kind`: 0 config, 1 layer, 2 manifest.
CREATE TABLE edges (
    artifact_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    repository_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (artifact_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX edges_to_manifests ON edges (digest, repository_id, artifact_id) WHERE kind = 2;

-- What refers to what. `annotations` is a JSON object.
CREATE TABLE referrers (
    artifact_id INTEGER PRIMARY KEY,
    repository_id INTEGER NOT NULL,
    subject TEXT NOT NULL,
    digest TEXT NOT NULL,
    artifact_type TEXT,
    annotations TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX referrers_by_subject ON referrers (repository_id, subject, digest);

-- The candidates of artifacts, for a plugin that comes later to find its artifacts by.
CREATE TABLE candidates (
    type TEXT NOT NULL,
    artifact_id INTEGER NOT NULL,
    PRIMARY KEY (type, artifact_id)
) STRICT, WITHOUT ROWID;

-- Versions of plugins with their settings.
CREATE TABLE stamps (
    id INTEGER PRIMARY KEY,
    plugin TEXT NOT NULL,
    component TEXT NOT NULL,
    settings TEXT NOT NULL,
    UNIQUE (plugin, component, settings)
) STRICT;

-- Artifact types that plugins claimed.
CREATE TABLE types (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- What a plugin said of an artifact when it was pushed or indexed. `findings` and `entry` are JSON, ready to be shown. The name of the
-- repository is repeated so that lists of entries are ranges of one index.
CREATE TABLE judgements (
    artifact_id INTEGER PRIMARY KEY,
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    type_id INTEGER NOT NULL,
    stamp_id INTEGER NOT NULL,
    failure TEXT,
    findings TEXT NOT NULL,
    entry TEXT
) STRICT;
CREATE INDEX entries_in_order ON judgements (repository, digest, type_id) WHERE entry IS NOT NULL;

-- The words of entries. Row identifiers are those of artifacts.
CREATE VIRTUAL TABLE words USING fts5 (
    title, summary, keywords, repository,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);

-- What the last scan of an artifact found. `document` is the digest of `sarif`, `referrer` that of the manifest that shows it to clients.
CREATE TABLE scans (
    artifact_id INTEGER PRIMARY KEY,
    repository_id INTEGER NOT NULL,
    stamp_id INTEGER NOT NULL,
    document TEXT,
    referrer TEXT,
    findings TEXT NOT NULL,
    sarif BLOB NOT NULL
) STRICT;
CREATE INDEX scans_by_document ON scans (document, repository_id) WHERE document IS NOT NULL;

-- What is to be done for artifacts. `kind`: 0 index, 1 scan. `due` is a time in seconds since 1970; a claimed job is due again when its
-- lease ends. Identifiers are never used twice: the end of a job that was planned anew must not end the new one.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    stamp_id INTEGER NOT NULL,
    due INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT,
    UNIQUE (artifact_id, kind)
) STRICT;
CREATE INDEX jobs_by_time ON jobs (due);

CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    repository TEXT NOT NULL,
    offset INTEGER NOT NULL,
    algorithm TEXT NOT NULL,
    hash_state BLOB NOT NULL,
    token TEXT NOT NULL,
    used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_by_time ON uploads (used);

-- Content that must not be collected before a time, in seconds since 1970, although no repository sees it yet.
CREATE TABLE leases (
    digest TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The machine code that was compiled from components.
CREATE TABLE codes (
    component TEXT NOT NULL,
    engine TEXT NOT NULL,
    code TEXT NOT NULL,
    PRIMARY KEY (component, engine)
) STRICT, WITHOUT ROWID;

-- How often something under a prefix of repository names changed.
CREATE TABLE revisions (
    prefix TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The active set of plugins, one row, and how often it changed. The number is a part of every revision.
CREATE TABLE plugin_set (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    word TEXT NOT NULL,
    generation INTEGER NOT NULL
) STRICT;
