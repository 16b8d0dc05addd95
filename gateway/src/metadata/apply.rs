//! Applying commands inside a transaction. Every precondition is checked here, whatever was checked before.

mod blobs;
mod deletions;
mod expectations;
mod jobs;
mod judgements;
mod manifests;
mod others;
mod scans;
mod uploads;

use std::collections::HashMap;

use rusqlite::{Connection, Params, Row, params};

use super::{Applied, Command, MetadataError, Refused};
use crate::oci::Repository;

const SAVEPOINT: &str = "SAVEPOINT command";
const RELEASE: &str = "RELEASE command";
const ROLLBACK_TO: &str = "ROLLBACK TO command";

const REPOSITORY: &str = "SELECT id FROM repositories WHERE name = ?1";
const ADD_REPOSITORY: &str = "INSERT INTO repositories (name) VALUES (?1)";
const MOVE_REVISION: &str = "INSERT INTO revisions (prefix, revision) VALUES (?1, ?2)
    ON CONFLICT (prefix) DO UPDATE SET revision = revision + excluded.revision";

/// The statements of the commands, for a test that looks at their plans.
#[cfg(test)]
pub(super) fn statements() -> Vec<&'static str> {
    let own = [REPOSITORY, ADD_REPOSITORY, MOVE_REVISION];
    let all = [
        own.as_slice(),
        blobs::STATEMENTS,
        deletions::STATEMENTS,
        expectations::STATEMENTS,
        jobs::STATEMENTS,
        judgements::STATEMENTS,
        manifests::STATEMENTS,
        others::STATEMENTS,
        scans::STATEMENTS,
        uploads::STATEMENTS,
    ];
    all.concat()
}

/// Why a command cannot be applied.
#[derive(Debug)]
pub(super) enum Abort {
    /// A precondition does not hold.
    Refused(Refused),
    /// The database failed.
    Database(rusqlite::Error),
    /// The command carries JSON that is none.
    Json(serde_json::Error),
}

impl From<Refused> for Abort {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<rusqlite::Error> for Abort {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<serde_json::Error> for Abort {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl From<Abort> for MetadataError {
    fn from(abort: Abort) -> Self {
        match abort {
            Abort::Refused(refused) => Self::Refused(refused),
            Abort::Database(error) => Self::database("writing", error),
            Abort::Json(error) => Self::Failed {
                doing: "reading the JSON of an entry",
                source: error.into(),
            },
        }
    }
}

/// A transaction that commands are applied in, one after the other.
pub(super) struct Writing<'a> {
    connection: &'a Connection,
    /// The repositories that show something else than before, once for each change.
    changed: Vec<Repository>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self {
            connection,
            changed: Vec::new(),
        }
    }

    /// Applies a command in a savepoint of its own: where it is refused, nothing of it remains, and the others of the transaction stay.
    ///
    /// # Errors
    /// The outer error means that the transaction cannot be committed any more.
    pub(super) fn apply(&mut self, command: Command) -> rusqlite::Result<Result<Applied, Abort>> {
        self.execute(SAVEPOINT, [])?;
        let changed = self.changed.len();
        let applied = match self.run(command) {
            // Some failures, a full disk among them, end the whole transaction.
            Err(Abort::Database(error)) if self.connection.is_autocommit() => return Err(error),
            applied => applied,
        };
        if applied.is_err() {
            self.changed.truncate(changed);
            self.execute(ROLLBACK_TO, [])?;
        }
        self.execute(RELEASE, [])?;
        Ok(applied)
    }

    /// Moves the revisions of everything that changed, by one for each change: how commands share a transaction does not show.
    ///
    /// The revision of a prefix moves by as much as those of the repositories under it together. What somebody may see of a prefix is told
    /// by a difference, which must not move with what they may not. Returns the repositories.
    pub(super) fn move_revisions(&mut self) -> rusqlite::Result<Vec<Repository>> {
        let changed = std::mem::take(&mut self.changed);
        let mut moves = HashMap::<&str, i64>::new();
        for prefix in changed.iter().flat_map(Repository::prefixes) {
            *moves.entry(prefix).or_default() += 1;
        }
        for (prefix, by) in moves {
            self.execute(MOVE_REVISION, params![prefix, by])?;
        }
        Ok(changed)
    }

    fn run(&mut self, command: Command) -> Result<Applied, Abort> {
        match command {
            Command::LinkBlob {
                repository,
                digest,
                size,
                upload,
            } => self.link_blob(&repository, &digest, size, upload.as_ref()),
            Command::MountBlob {
                repository,
                digest,
                from,
            } => self.mount_blob(&repository, &digest, &from),
            Command::UnlinkBlob { repository, digest } => self.unlink_blob(&repository, &digest),
            Command::SaveUpload(upload) => self.save_upload(&upload),
            Command::DropUpload { id } => self.drop_upload(&id),
            Command::ForgetEndedUploads { before, n } => self.forget_ended_uploads(before, n),
            Command::Probe { now } => self.probe(now),
            Command::PutManifest(put) => self.put_manifest(&put),
            Command::DeleteManifest { repository, digest } => self.delete_manifest(&repository, &digest),
            Command::DeleteTag { repository, tag } => self.delete_tag(&repository, &tag),
            Command::Expect {
                repository,
                reference,
                expected,
            } => self.expect(repository, reference, &expected),
            Command::All(commands) => self.all(commands),
            Command::PutEntry(update) => self.put_entry(&update),
            Command::PutScan(update) => self.put_scan(&update),
            Command::ClaimJob { now, after } => self.claim_job(now, after.as_ref()),
            Command::RenewJob { id, now } => self.renew_job(id, now),
            Command::EndJob { id, end } => self.end_job(id, end),
            Command::Plan(plan) => self.plan_page(&plan),
            Command::PutCode { component, engine, code } => self.put_code(&component, &engine, &code),
            Command::PluginsChanged { set } => self.plugins_changed(&set),
        }
    }

    /// Runs commands in the savepoint of the one that holds them.
    fn all(&mut self, commands: Vec<Command>) -> Result<Applied, Abort> {
        for command in commands {
            self.run(command)?;
        }
        Ok(Applied::Done)
    }

    fn repository(&self, repository: &Repository) -> rusqlite::Result<Option<i64>> {
        self.row(REPOSITORY, [repository.as_str()], |row| row.get(0))
    }

    /// Returns a repository, which begins to exist with the first thing that is put there and does not end.
    fn ensure_repository(&self, repository: &Repository) -> rusqlite::Result<i64> {
        if let Some(id) = self.repository(repository)? {
            return Ok(id);
        }
        self.insert(ADD_REPOSITORY, [repository.as_str()])
    }

    fn changed(&mut self, repository: &Repository) {
        self.changed.push(repository.clone());
    }

    fn execute(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(params)
    }

    fn insert(&self, sql: &str, params: impl Params) -> rusqlite::Result<i64> {
        self.connection.prepare_cached(sql)?.insert(params)
    }

    fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(read).transpose()
    }

    fn exists(&self, sql: &str, params: impl Params) -> rusqlite::Result<bool> {
        self.connection.prepare_cached(sql)?.exists(params)
    }
}
