-- The words of entries get those of their scope: each prefix that covers the repository as one word, with characters for private use in
-- the place of separators. A search leaves out inside of the index what its caller may not see.
CREATE VIRTUAL TABLE scoped_words USING fts5 (
    title, summary, keywords, repository, scope,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);

INSERT INTO scoped_words (rowid, title, summary, keywords, repository, scope)
WITH RECURSIVE cut (name, rest, prefix) AS (
    SELECT name, name || '/', NULL FROM repositories
    UNION ALL
    SELECT name, substr(rest, instr(rest, '/') + 1), coalesce(prefix || '/', '') || substr(rest, 1, instr(rest, '/') - 1)
    FROM cut WHERE rest <> ''
), scopes (name, words) AS (
    SELECT name, group_concat(replace(replace(replace(replace(prefix,
        '/', char(0xE000)), '.', char(0xE001)), '_', char(0xE002)), '-', char(0xE003)), ' ')
    FROM cut WHERE prefix IS NOT NULL GROUP BY name
)
SELECT j.artifact_id, j.entry ->> '$.title', j.entry ->> '$.summary',
    (SELECT group_concat(value, ' ') FROM json_each(j.entry, '$.keywords')), j.repository, s.words
FROM judgements j JOIN scopes s ON s.name = j.repository
WHERE j.entry IS NOT NULL;

DROP TABLE words;
ALTER TABLE scoped_words RENAME TO words;
