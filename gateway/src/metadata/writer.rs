//! The one thread that writes.
//!
//! It takes what has arrived, applies it in one transaction, and answers after the commit: one sync for all. Nothing waits for company;
//! while one batch is synced, the next gathers.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{
    Applied, Command, MetadataError,
    apply::{Abort, Writing},
    checkpoints::Checkpoints,
    recent::Recent,
    reserve::Reserve,
};

/// The most commands of one transaction.
const BATCH_MAX: usize = 256;
/// The most commands that wait; who brings another waits to hand it over.
const WAITING_MAX: usize = 1_024;

const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
/// Writes the whole log back and cuts it.
const EMPTY_LOG: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

type Answer = Result<Applied, MetadataError>;

struct Request {
    command: Command,
    answer: oneshot::Sender<Answer>,
}

/// Hands commands to the thread. When it is dropped, the thread ends what it was given and closes the database.
pub(super) struct Writer {
    requests: Option<mpsc::Sender<Request>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        checkpoints: Checkpoints,
        reserve: Arc<Reserve>,
        recent: Arc<Recent>,
    ) -> std::io::Result<Self> {
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let database = Database {
            connection,
            reserve,
            recent,
        };
        let thread = std::thread::Builder::new()
            .name("metadata".into())
            .spawn(move || run(&database, waiting, checkpoints))?;
        Ok(Self {
            requests: Some(requests),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Applies a command. A caller that does not wait for the answer does not take the command back.
    pub(super) async fn apply(&self, command: Command) -> Answer {
        let (answer, answered) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or(MetadataError::Stopping)?;
        requests
            .send(Request { command, answer })
            .await
            .map_err(|_| MetadataError::Stopping)?;
        answered.await.map_err(|_| MetadataError::Stopping)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes metadata panicked; what it acknowledged is stored");
        }
    }
}

/// What the thread writes to, and who has to know of it.
struct Database {
    connection: Connection,
    reserve: Arc<Reserve>,
    recent: Arc<Recent>,
}

fn run(database: &Database, mut waiting: mpsc::Receiver<Request>, mut checkpoints: Checkpoints) {
    let mut requests = Vec::with_capacity(BATCH_MAX);
    while waiting.blocking_recv_many(&mut requests, BATCH_MAX) > 0 {
        let count = requests.len();
        let (commands, callers): (Vec<_>, Vec<_>) = requests.drain(..).map(|request| (request.command, request.answer)).unzip();
        for (caller, answer) in callers.into_iter().zip(database.apply_in_space(commands)) {
            // Who went away is not told; the command is done nevertheless.
            drop(caller.send(answer));
        }
        checkpoints.written(count);
    }
}

impl Database {
    /// Applies commands as far as there is space for them: those that make nothing larger also where the disk is full.
    fn apply_in_space(&self, commands: Vec<Command>) -> Vec<Answer> {
        let grows = self.reserve.restore();
        let freeing: Vec<_> = commands
            .iter()
            .map(|command| command.frees().then(|| command.clone()))
            .collect();
        let mut answers = match grows {
            true => self.apply_batch(commands),
            false => commands.iter().map(|_| Err(MetadataError::Full)).collect(),
        };
        let full = |answer: &Answer| matches!(answer, Err(MetadataError::Full));
        let (places, commands): (Vec<_>, Vec<_>) = freeing
            .into_iter()
            .enumerate()
            .filter(|(place, _)| answers.get(*place).is_some_and(full))
            .filter_map(|(place, command)| Some((place, command?)))
            .unzip();
        if commands.is_empty() {
            return answers;
        }
        self.reserve.give_up();
        let mut again = self.apply_batch(commands.clone());
        if again.iter().any(full) {
            // What the log holds may have its place in the database, and the log can begin anew.
            empty_log(&self.connection);
            again = self.apply_batch(commands);
        }
        for (place, answer) in places.into_iter().zip(again) {
            if let Some(waiting) = answers.get_mut(place) {
                *waiting = answer;
            }
        }
        answers
    }

    /// Applies commands in one transaction and returns the answer to each, in their order.
    fn apply_batch(&self, commands: Vec<Command>) -> Vec<Answer> {
        let count = commands.len();
        match self.try_batch(commands) {
            Ok(applied) => applied
                .into_iter()
                .map(|answer| answer.map_err(MetadataError::from))
                .collect(),
            Err(error) => {
                if !self.connection.is_autocommit()
                    && let Err(error) = execute(&self.connection, ROLLBACK)
                {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a transaction could not be rolled back"
                    );
                }
                // All of them failed for one reason.
                let error = Arc::new(error);
                (0..count)
                    .map(|_| Err(MetadataError::database("committing", error.clone())))
                    .collect()
            }
        }
    }

    /// Applies commands in one transaction, refused ones without effect. An error means that nothing was committed.
    fn try_batch(&self, commands: Vec<Command>) -> rusqlite::Result<Vec<Result<Applied, Abort>>> {
        execute(&self.connection, BEGIN)?;
        let mut writing = Writing::new(&self.connection);
        writing.take_repositories(&commands)?;
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            answers.push(writing.apply(command)?);
        }
        let changed = writing.count_changes()?;
        let _changing = self.recent.changing(&changed.repositories, changed.revisions);
        execute(&self.connection, COMMIT)?;
        Ok(answers)
    }
}

fn empty_log(connection: &Connection) {
    let emptied = connection
        .prepare_cached(EMPTY_LOG)
        .and_then(|mut statement| statement.query_row([], |_| Ok(())));
    if let Err(error) = emptied {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the log of the metadata could not be written back on a full disk"
        );
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        metadata::{Lease, LinkBlob, schema::Location},
        oci::{Digest, Repository},
    };

    fn link(content: &[u8]) -> Command {
        let repository: Repository = "a".parse().unwrap();
        let (digest, size) = (Digest::sha256(content), content.len() as u64);
        let lease = Lease { now: 1, until: 2 };
        Command::LinkBlob(LinkBlob {
            repository,
            location: Some(digest.to_string().into()),
            digest,
            size,
            is_new: true,
            upload: None,
            lease,
        })
    }

    fn database(folder: &Path) -> Database {
        Database {
            connection: Location::prepare(folder).unwrap().writer().unwrap(),
            reserve: Arc::new(Reserve::keep(folder)),
            recent: Arc::new(Recent::new()),
        }
    }

    #[test]
    fn a_full_disk_fails_the_batch_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(folder.path());
        let connection = &database.connection;
        let links = || (0..2_000_u32).map(|n| link(&n.to_be_bytes())).collect::<Vec<_>>();
        // SQLite answers alike to a full disk and to a database that may not grow.
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        connection.pragma_update(None, "max_page_count", pages).unwrap();
        let answers = database.apply_batch(links());
        let full = answers
            .iter()
            .filter(|answer| matches!(answer, Err(MetadataError::Full)))
            .count();
        assert!(answers.len() == 2_000 && full > 0);
        // What was acknowledged is stored, and nothing else.
        let stored: i64 = connection
            .query_row("SELECT count(*) FROM links", [], |row| row.get(0))
            .unwrap();
        assert_eq!(usize::try_from(stored).unwrap(), 2_000 - full);
        connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
        assert!(database.apply_batch(links()).iter().all(Result::is_ok));
    }

    #[test]
    fn a_failed_commit_fails_all() {
        let folder = tempfile::tempdir().unwrap();
        let database = database(folder.path());
        let connection = &database.connection;
        // A reference that is checked at the end of the transaction and leads nowhere.
        let broken = "CREATE TABLE broken (name TEXT REFERENCES repositories (name) DEFERRABLE INITIALLY DEFERRED);
            CREATE TRIGGER break_commit AFTER INSERT ON links BEGIN INSERT INTO broken VALUES ('nobody'); END;";
        connection.execute_batch(broken).unwrap();
        let answers = database.apply_batch(vec![link(b"x"), link(b"y")]);
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Err(MetadataError::Failed { doing: "committing", .. })))
        );
        connection.execute_batch("DROP TRIGGER break_commit").unwrap();
        assert_eq!(database.apply_batch(vec![link(b"x")]).remove(0).unwrap(), Applied::Done);
    }
}
