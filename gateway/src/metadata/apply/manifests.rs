//! Storing manifests and what they name.

use rusqlite::params;

use super::{Abort, Writing};
use crate::{
    metadata::{
        Applied, EdgeKind, JobKind, PutManifest, Refused,
        columns::signed,
        dialect::{listed, text},
        held::{self, ADD_EDGES, HELD},
    },
    oci::{Digest, Repository, Tag},
};

/// How many digests a refusal names.
const MISSING_MAX: usize = 10;

const ARTIFACT: &str = "SELECT id, media_type, made FROM artifacts WHERE digest = ?1 AND repository_id = ?2";
const CONTENT: &str = "SELECT content_id FROM artifacts WHERE digest = ?1 LIMIT 1";
const ADD_CONTENT: &str = "INSERT INTO contents (bytes) VALUES (?1)";
const ADD: &str = "INSERT INTO artifacts (digest, repository_id, content_id, size, media_type, made, pushed, candidates)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const DESCRIBE: &str = "UPDATE artifacts SET media_type = ?2, made = 0, candidates = ?3 WHERE id = ?1";
const ADD_CANDIDATES: &str = concat!(
    "INSERT INTO candidates (type, artifact_id) SELECT ",
    text!(),
    ", ?1 FROM ",
    listed!("?2"),
    " WHERE TRUE ON CONFLICT DO NOTHING"
);
const ADD_REFERRER: &str = "INSERT INTO referrers (artifact_id, repository_id, subject, digest, artifact_type, annotations)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const SET_TAGS: &str = concat!(
    "INSERT INTO tags (repository_id, tag, artifact_id) SELECT ?1, ",
    text!(),
    ", ?3 FROM ",
    listed!("?2"),
    " WHERE TRUE ON CONFLICT (repository_id, tag) DO UPDATE SET artifact_id = excluded.artifact_id
    WHERE tags.artifact_id <> excluded.artifact_id"
);
const TAGGED_OTHERWISE: &str = concat!(
    "SELECT DISTINCT t.artifact_id FROM ",
    listed!("?2"),
    " CROSS JOIN tags t WHERE t.repository_id = ?1 AND t.tag = ",
    text!(),
    " AND t.artifact_id <> ?3"
);

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    ARTIFACT,
    HELD,
    CONTENT,
    ADD_CONTENT,
    ADD,
    DESCRIBE,
    ADD_EDGES,
    ADD_CANDIDATES,
    ADD_REFERRER,
    SET_TAGS,
    TAGGED_OTHERWISE,
];

/// A manifest that a repository holds.
pub(super) struct Artifact {
    pub(super) id: i64,
    pub(super) media_type: String,
    /// Whether the gateway attached it itself.
    pub(super) made: bool,
}

impl Writing<'_> {
    pub(super) fn put_manifest(&mut self, put: &PutManifest) -> Result<Applied, Abort> {
        let repository = self.ensure_repository(&put.repository)?;
        let edges = held::list(put.edges.iter());
        self.expect_held(put, &edges)?;
        let (artifact, existed) = self.store_artifact(repository, put, &edges, false)?;
        let tagged = self.set_tags(repository, artifact, &put.tags)?;
        // A push that nobody judges does not contradict what was said of the same content before.
        if let Some(judged) = &put.judged {
            self.judge(artifact, &put.repository, &put.digest, judged)?;
            self.put_opinions(artifact, &put.opinions)?;
            for (wanted, kind) in [(judged.index, JobKind::Index), (judged.scan, JobKind::Scan)] {
                if wanted {
                    self.plan(artifact, kind, &judged.stamp, false, put.now)?;
                }
            }
        }
        if tagged {
            self.tags_changed(artifact)?;
        }
        self.changed(&put.repository);
        Ok(if existed { Applied::Existed } else { Applied::Done })
    }

    pub(super) fn artifact(&self, repository_id: i64, digest: &Digest) -> rusqlite::Result<Option<Artifact>> {
        self.row(ARTIFACT, params![digest.as_str(), repository_id], |row| {
            Ok(Artifact {
                id: row.get(0)?,
                media_type: row.get(1)?,
                made: row.get(2)?,
            })
        })
    }

    /// Returns a manifest by the name of its repository, where both exist.
    pub(super) fn artifact_in(&self, repository: &Repository, digest: &Digest) -> rusqlite::Result<Option<Artifact>> {
        match self.repository(repository)? {
            Some(id) => self.artifact(id, digest),
            None => Ok(None),
        }
    }

    /// Refuses a manifest that names what the repository has to hold and does not, or gives another size than a blob has. What it names is also
    /// given as a list.
    pub(super) fn expect_held(&self, put: &PutManifest, edges: &str) -> Result<(), Abort> {
        if put.edges.is_empty() {
            return Ok(());
        }
        let params = params![put.repository.as_str(), edges];
        let sizes = held::in_order(self.rows(HELD, params, held::read)?, put.edges.len());
        let mut missing = Vec::new();
        for (edge, size) in put.edges.iter().zip(sizes) {
            match size {
                Some(has) if has != edge.size && edge.kind != EdgeKind::Manifest => {
                    return Err(Abort::Refused(Refused::Size {
                        repository: put.repository.clone(),
                        digest: edge.digest.clone(),
                        said: edge.size,
                        has,
                    }));
                }
                None if edge.required && missing.len() < MISSING_MAX => missing.push(edge.digest.clone()),
                _ => {}
            }
        }
        if missing.is_empty() {
            Ok(())
        } else {
            let repository = put.repository.clone();
            Err(Refused::Missing { repository, missing }.into())
        }
    }

    /// Stores a manifest with what it names, unless it is there already. Returns its row and whether it was there.
    pub(super) fn store_artifact(
        &mut self,
        repository: i64,
        put: &PutManifest,
        edges: &str,
        made: bool,
    ) -> Result<(i64, bool), Abort> {
        let Some(known) = self.artifact(repository, &put.digest)? else {
            return Ok((self.add_artifact(repository, put, edges, made)?, false));
        };
        // The edges of the same bytes are the same as long as they are read as the same type.
        let same = known.media_type == put.media_type.as_str();
        if same && !known.made || made {
            return Ok((known.id, true));
        }
        self.remove_description(known.id, put.now)?;
        if !same {
            self.remove_judgement(known.id)?;
            self.remove_opinions(known.id)?;
            self.remove_scan(repository, known.id, put.now)?;
        }
        let candidates = serde_json::to_string(&put.candidates)?;
        self.execute(DESCRIBE, params![known.id, put.media_type.as_str(), candidates])?;
        self.describe((repository, known.id), put, edges, &candidates)?;
        Ok((known.id, true))
    }

    fn add_artifact(&mut self, repository: i64, put: &PutManifest, edges: &str, made: bool) -> Result<i64, Abort> {
        let content = match self.row(CONTENT, [put.digest.as_str()], |row| row.get(0))? {
            Some(content) => content,
            None => self.insert(ADD_CONTENT, [put.bytes.as_ref()])?,
        };
        // No plugin looks at what the gateway attached itself, so nobody has to find it by its type.
        let candidates: &[String] = if made { &[] } else { &put.candidates };
        let candidates = serde_json::to_string(candidates)?;
        let row = params![
            put.digest.as_str(),
            repository,
            content,
            signed(put.bytes.len() as u64),
            put.media_type.as_str(),
            made,
            signed(put.now),
            candidates,
        ];
        let artifact = self.insert(ADD, row)?;
        self.describe((repository, artifact), put, edges, &candidates)?;
        Ok(artifact)
    }

    /// Stores what a manifest names and refers to, and its candidates. Edges and candidates are lists.
    fn describe(
        &self,
        (repository, artifact): (i64, i64),
        put: &PutManifest,
        edges: &str,
        candidates: &str,
    ) -> rusqlite::Result<()> {
        if !put.edges.is_empty() {
            self.execute(ADD_EDGES, params![artifact, repository, edges])?;
        }
        self.execute(ADD_CANDIDATES, params![artifact, candidates])?;
        if let Some(subject) = &put.subject {
            let (digest, kind) = (put.digest.as_str(), put.referrer_type.as_deref());
            self.execute(
                ADD_REFERRER,
                params![artifact, repository, subject.as_str(), digest, kind, put.annotations],
            )?;
        }
        Ok(())
    }

    /// Sets tags, and notes whose they were. Returns whether any was set to something else before, or to nothing.
    fn set_tags(&mut self, repository: i64, artifact: i64, tags: &[Tag]) -> Result<bool, Abort> {
        if tags.is_empty() {
            return Ok(false);
        }
        let names = serde_json::to_string(&tags.iter().map(Tag::as_str).collect::<Vec<_>>())?;
        for other in self.rows(TAGGED_OTHERWISE, params![repository, names, artifact], |row| row.get(0))? {
            self.tags_changed(other)?;
        }
        Ok(self.execute(SET_TAGS, params![repository, names, artifact])? > 0)
    }
}
