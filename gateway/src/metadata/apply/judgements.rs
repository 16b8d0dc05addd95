//! What plugins say of artifacts: entries and the findings of validation.

use rusqlite::params;

use super::{Abort, Writing};
use crate::{
    metadata::{
        Applied, Entry, EntryUpdate, Judged, Opinion, Stamp,
        dialect::{ADD_WORDS, DELETE_WORDS},
        entry,
    },
    oci::{Digest, Repository},
};

const STAMP: &str = "SELECT id FROM stamps WHERE plugin = ?1 AND component = ?2 AND settings = ?3";
const ADD_STAMP: &str = "INSERT INTO stamps (plugin, component, settings) VALUES (?1, ?2, ?3)";
const TYPE: &str = "SELECT id FROM types WHERE name = ?1";
const ADD_TYPE: &str = "INSERT INTO types (name) VALUES (?1)";
const SAME: &str =
    "SELECT 1 FROM judgements WHERE artifact_id = ?1 AND type_id = ?2 AND stamp_id = ?3 AND failure IS NOT DISTINCT FROM ?4
    AND findings = ?5 AND entry IS NOT DISTINCT FROM ?6";
const PUT: &str = "INSERT INTO judgements (artifact_id, repository, digest, type_id, stamp_id, failure, findings, entry)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const DELETE: &str = "DELETE FROM judgements WHERE artifact_id = ?1 RETURNING type_id, repository, entry";

const PUT_OPINION: &str = "INSERT INTO opinions (artifact_id, position, type_id, stamp_id, failure, findings, entry)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const DELETE_OPINIONS: &str = "DELETE FROM opinions WHERE artifact_id = ?1";
const DELETE_OPINION: &str =
    "DELETE FROM opinions WHERE artifact_id = ?1 AND (SELECT plugin FROM stamps WHERE id = stamp_id) = ?2";

/// All but the deletion of words, whose plan does not show that row identifiers are looked up.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    STAMP,
    ADD_STAMP,
    TYPE,
    ADD_TYPE,
    SAME,
    PUT,
    DELETE,
    ADD_WORDS,
    PUT_OPINION,
    DELETE_OPINIONS,
    DELETE_OPINION,
];

impl Writing<'_> {
    pub(super) fn put_entry(&mut self, update: &EntryUpdate) -> Result<Applied, Abort> {
        let EntryUpdate {
            repository,
            digest,
            judged,
        } = update;
        if let Some(artifact) = self.artifact_in(repository, digest)? {
            if self.judge(artifact.id, repository, digest, judged)? {
                self.changed(repository);
            }
            // Who owns an artifact by now has no other opinion of it.
            self.execute(DELETE_OPINION, params![artifact.id, judged.stamp.plugin])?;
        }
        Ok(Applied::Done)
    }

    /// Stores what plugins said that claim an artifact and do not own it, in place of what was said before.
    pub(super) fn put_opinions(&mut self, artifact: i64, opinions: &[Opinion]) -> Result<(), Abort> {
        self.remove_opinions(artifact)?;
        for (position, opinion) in (0_i64..).zip(opinions) {
            let (kind, stamp) = (self.type_id(&opinion.artifact_type)?, self.stamp(&opinion.stamp)?);
            let findings = serde_json::to_string(&opinion.findings)?;
            let entry = opinion.entry.as_ref().map(entry::to_json).transpose()?;
            let row = params![artifact, position, kind, stamp, opinion.failure, findings, entry];
            self.execute(PUT_OPINION, row)?;
        }
        Ok(())
    }

    pub(super) fn remove_opinions(&self, artifact: i64) -> rusqlite::Result<()> {
        self.execute(DELETE_OPINIONS, [artifact]).map(|_| ())
    }

    /// Stores what a plugin said, in place of what was said before. Returns whether the entry is another one.
    pub(super) fn judge(
        &mut self,
        artifact: i64,
        repository: &Repository,
        digest: &Digest,
        judged: &Judged,
    ) -> Result<bool, Abort> {
        let kind = self.type_id(&judged.artifact_type)?;
        let stamp = self.stamp(&judged.stamp)?;
        let findings = serde_json::to_string(&judged.findings)?;
        let entry = judged.entry.as_ref().map(entry::to_json).transpose()?;
        let failure = &judged.failure;
        if self.exists(SAME, params![artifact, kind, stamp, failure, findings, entry])? {
            return Ok(false);
        }
        let before = self.take_entry(artifact)?;
        let (name, digest) = (repository.as_str(), digest.as_str());
        self.execute(PUT, params![artifact, name, digest, kind, stamp, failure, findings, entry])?;
        if let Some(entry) = &judged.entry {
            self.add_words(artifact, entry, repository)?;
        }
        let now = entry.map(|entry| (kind, name.to_owned(), entry));
        let differs = before != now;
        if differs {
            for (kind, repository, _) in before.into_iter().chain(now) {
                self.entry_changed(kind, repository);
            }
        }
        Ok(differs)
    }

    pub(super) fn remove_judgement(&mut self, artifact: i64) -> rusqlite::Result<()> {
        if let Some((kind, repository, _)) = self.take_entry(artifact)? {
            self.entry_changed(kind, repository);
        }
        Ok(())
    }

    /// Removes what was said of an artifact. Returns type, repository and text of its entry, where there was one.
    fn take_entry(&self, artifact: i64) -> rusqlite::Result<Option<(i64, String, String)>> {
        let entry = self.row(DELETE, [artifact], |row| {
            let (kind, repository) = (row.get(0)?, row.get(1)?);
            let entry: Option<String> = row.get(2)?;
            Ok(entry.map(|entry| (kind, repository, entry)))
        })?;
        let entry = entry.flatten();
        if entry.is_some() {
            self.execute(DELETE_WORDS, [artifact])?;
        }
        Ok(entry)
    }

    /// Returns the row of a plugin's version and settings.
    pub(super) fn stamp(&self, stamp: &Stamp) -> rusqlite::Result<i64> {
        let row = params![stamp.plugin, stamp.component.as_str(), stamp.settings.as_str()];
        match self.row(STAMP, row, |row| row.get(0))? {
            Some(id) => Ok(id),
            None => self.insert(ADD_STAMP, row),
        }
    }

    fn type_id(&self, name: &str) -> rusqlite::Result<i64> {
        match self.row(TYPE, [name], |row| row.get(0))? {
            Some(id) => Ok(id),
            None => self.insert(ADD_TYPE, [name]),
        }
    }

    fn add_words(&self, artifact: i64, said: &Entry, repository: &Repository) -> rusqlite::Result<()> {
        let (title, summary, keywords) = (&said.title, &said.summary, said.keywords.join(" "));
        let (name, scope) = (repository.as_str(), entry::scope_words(repository));
        self.execute(ADD_WORDS, params![artifact, title, summary, keywords, name, scope])?;
        Ok(())
    }
}
