//! Applying commands inside a transaction. Every precondition is checked here, whatever was checked before.

mod blobs;
mod changes;
mod collection;
mod deletions;
mod expectations;
mod jobs;
mod judgements;
mod manifests;
mod others;
mod scans;
mod uploads;

#[cfg(test)]
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use rusqlite::{CachedStatement, Connection, Params, Row};

pub(super) use self::changes::ALL_TYPES;
use self::changes::Changes;
use super::{Applied, Command, MetadataError, Refused};
use crate::oci::Repository;

const SAVEPOINT: &str = "SAVEPOINT command";
const RELEASE: &str = "RELEASE command";
const ROLLBACK_TO: &str = "ROLLBACK TO command";

const REPOSITORY: &str = "SELECT id FROM repositories WHERE name = ?1";
const ADD_REPOSITORY: &str = "INSERT INTO repositories (name) VALUES (?1)";

/// The statements of the commands, for a test that looks at their plans.
#[cfg(test)]
pub(super) fn statements() -> Vec<&'static str> {
    let own = [REPOSITORY, ADD_REPOSITORY];
    let all = [
        own.as_slice(),
        blobs::STATEMENTS,
        changes::STATEMENTS,
        collection::STATEMENTS,
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
    changes: Changes,
    /// The repositories that were there when the transaction began, and that its commands need.
    repositories: HashMap<Repository, i64>,
    /// The statements that were run.
    #[cfg(test)]
    pub(super) run: RefCell<Vec<String>>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self {
            connection,
            changes: Changes::default(),
            repositories: HashMap::new(),
            #[cfg(test)]
            run: RefCell::default(),
        }
    }

    /// Takes the rows of repositories that commands need, before the first of them is applied and in the order of names: transactions
    /// that wait for each other's rows never do so in a circle.
    pub(super) fn take_repositories(&mut self, commands: &[Command]) -> rusqlite::Result<()> {
        let mut all = BTreeSet::new();
        commands.iter().for_each(|command| command.repositories(&mut all));
        for repository in all {
            if let Some(id) = self.row(REPOSITORY, [repository.as_str()], |row| row.get(0))? {
                self.repositories.insert(repository.clone(), id);
            }
        }
        Ok(())
    }

    /// Applies a command in a savepoint of its own: where it is refused, nothing of it remains, and the others of the transaction stay.
    ///
    /// # Errors
    /// The outer error means that the transaction cannot be committed any more.
    pub(super) fn apply(&mut self, command: Command) -> rusqlite::Result<Result<Applied, Abort>> {
        self.execute(SAVEPOINT, [])?;
        let before = self.changes.mark();
        let applied = match self.run(command) {
            // Some failures, a full disk among them, end the whole transaction.
            Err(Abort::Database(error)) if self.connection.is_autocommit() => return Err(error),
            applied => applied,
        };
        if applied.is_err() {
            self.changes.forget(before);
            self.execute(ROLLBACK_TO, [])?;
        }
        self.execute(RELEASE, [])?;
        Ok(applied)
    }

    fn run(&mut self, command: Command) -> Result<Applied, Abort> {
        match command {
            Command::LinkBlob(link) => self.link_blob(&link),
            Command::MountBlob {
                repository,
                digest,
                from,
                lease,
            } => self.mount_blob(&repository, &digest, &from, lease),
            Command::UnlinkBlob { repository, digest, now } => self.unlink_blob(&repository, &digest, now),
            Command::RenewLeases { blobs, lease } => self.renew_leases(&blobs, lease),
            Command::Collect { blobs, now } => self.collect(&blobs, now),
            Command::MarkBlob {
                digest,
                location,
                is_whole,
            } => self.mark_blob(&digest, &location, is_whole),
            Command::ForgetGarbage { locations } => self.forget_garbage(&locations),
            Command::LeasesAreWritten(written) => self.leases_are_written(written),
            Command::SaveUpload(upload) => self.save_upload(&upload),
            Command::DropUpload { id } => self.drop_upload(&id),
            Command::ForgetEndedUploads { before, n } => self.forget_ended_uploads(before, n),
            Command::Probe { now } => self.probe(now),
            Command::PutManifest(put) => self.put_manifest(&put),
            Command::DeleteManifest { repository, digest, now } => self.delete_manifest(&repository, &digest, now),
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
        if let Some(id) = self.repositories.get(repository) {
            return Ok(Some(*id));
        }
        self.row(REPOSITORY, [repository.as_str()], |row| row.get(0))
    }

    /// Returns a repository, which begins to exist with the first thing that is put there and does not end.
    fn ensure_repository(&mut self, repository: &Repository) -> rusqlite::Result<i64> {
        if let Some(id) = self.repository(repository)? {
            return Ok(id);
        }
        self.changed(repository);
        self.insert(ADD_REPOSITORY, [repository.as_str()])
    }

    fn execute(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.prepare(sql)?.execute(params)
    }

    fn insert(&self, sql: &str, params: impl Params) -> rusqlite::Result<i64> {
        self.prepare(sql)?.insert(params)
    }

    fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(read).transpose()
    }

    fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.prepare(sql)?.query_map(params, read)?.collect()
    }

    fn exists(&self, sql: &str, params: impl Params) -> rusqlite::Result<bool> {
        self.prepare(sql)?.exists(params)
    }

    fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        #[cfg(test)]
        self.run.borrow_mut().push(sql.to_owned());
        self.connection.prepare_cached(sql)
    }
}
