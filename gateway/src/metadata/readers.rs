//! Connections that read, and on which thread they do. Readers never wait for the writer, nor it for them.
//!
//! What finds rows by their keys takes some ten microseconds, less than a hop to another thread, and is read where it is asked for. A
//! disk that answers slowly is noticed at the first such read: for a while they all go to threads then. What may read much always does.

#[cfg(test)]
pub(super) mod gate;
pub(super) mod threads;

#[cfg(test)]
use std::sync::atomic::AtomicI32;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

#[cfg(test)]
use rusqlite::StatementStatus;
use rusqlite::{CachedStatement, Connection, Params, Row};

use self::threads::{Kind, Threads};
use super::{MetadataError, schema::Location};

/// The fewest and the most connections that are used where something is asked for. Each serves one thread at a time; there are about as many
/// as threads that can run.
const CONNECTIONS: (usize, usize) = (4, 16);
/// The most connections that read.
pub(super) const CONNECTIONS_MAX: usize = CONNECTIONS.1 + threads::THREADS;
/// How long a read may take on a thread, with the time for which it waits.
const TIME_MAX: Duration = Duration::from_secs(10);
/// From how long on a look-up tells of a disk that is slow: a hundred times as long as one takes that needs no disk.
const SLOW: Duration = Duration::from_millis(5);
/// How long look-ups are left to threads after one that was slow.
const SLOW_FOR: Duration = Duration::from_secs(10);

/// The connections. They read what was committed when a statement began.
pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    threads: Threads,
    pace: Arc<Pace>,
    /// How many steps the database took for what was read.
    #[cfg(test)]
    pub(super) steps: Arc<AtomicI32>,
    #[cfg(test)]
    pub(super) gate: gate::Gate,
}

/// Whether the disk is slow.
struct Pace {
    begin: Instant,
    /// Until when look-ups are left to threads, in milliseconds from the beginning.
    slow_until: AtomicU64,
}

/// What reads with one connection.
pub(super) struct Read<'a> {
    connection: &'a Connection,
    #[cfg(test)]
    steps: &'a AtomicI32,
}

impl Readers {
    pub(super) fn open(location: &Location) -> Result<Self, MetadataError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let count = (2 * threads).clamp(CONNECTIONS.0, CONNECTIONS.1);
        let connections: Result<_, MetadataError> = (0..count).map(|_| Ok(Mutex::new(location.reader()?))).collect();
        let others: Result<Vec<_>, MetadataError> = (0..threads::THREADS).map(|_| location.reader()).collect();
        #[cfg(test)]
        let gate = gate::Gate::default();
        let threads = Threads::start(
            others?,
            #[cfg(test)]
            gate.clone(),
        );
        Ok(Self {
            connections: connections?,
            threads: threads.map_err(|error| location.unusable(error))?,
            pace: Arc::new(Pace::new()),
            #[cfg(test)]
            steps: Arc::default(),
            #[cfg(test)]
            gate,
        })
    }

    /// Finds rows by their keys.
    pub(super) async fn look_up<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Read<'_>) -> Result<T, MetadataError> + Send + 'static,
    ) -> Result<T, MetadataError> {
        if self.pace.is_slow() {
            let pace = self.pace.clone();
            return self
                .on_thread(Kind::Lookup, TIME_MAX, move |read| pace.watch(|| work(read)))
                .await;
        }
        // Who looks up one row after the other lets others in between.
        tokio::task::consume_budget().await;
        let connection = self.take();
        self.pace.watch(|| {
            work(&Read {
                connection: &connection,
                #[cfg(test)]
                steps: &self.steps,
            })
        })
    }

    /// Reads what may be much.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Read<'_>) -> Result<T, MetadataError> + Send + 'static,
    ) -> Result<T, MetadataError> {
        self.read_within(TIME_MAX, work).await
    }

    /// Reads what may be much, in a time.
    pub(super) async fn read_within<T: Send + 'static>(
        &self,
        time_max: Duration,
        work: impl FnOnce(&Read<'_>) -> Result<T, MetadataError> + Send + 'static,
    ) -> Result<T, MetadataError> {
        self.on_thread(Kind::Long, time_max, work).await
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        kind: Kind,
        time_max: Duration,
        work: impl FnOnce(&Read<'_>) -> Result<T, MetadataError> + Send + 'static,
    ) -> Result<T, MetadataError> {
        #[cfg(test)]
        let steps = self.steps.clone();
        let work = move |connection: &Connection| {
            work(&Read {
                connection,
                #[cfg(test)]
                steps: &steps,
            })
        };
        self.threads.read(kind, time_max, work).await
    }

    /// Returns the first connection that is free: one that was used a moment ago, whose pages and statements are warm.
    fn take(&self) -> MutexGuard<'_, Connection> {
        for connection in &self.connections {
            match connection.try_lock() {
                Ok(guard) => return guard,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let last = self.connections.last().expect("there are at least four connections");
        last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace {
    fn new() -> Self {
        Self {
            begin: Instant::now(),
            slow_until: AtomicU64::new(0),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_slow(&self) -> bool {
        let until = self.slow_until.load(Ordering::Relaxed);
        until > 0 && self.now() < until
    }

    /// Does a look-up, and notes where it was slow.
    fn watch<T>(&self, work: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let done = work();
        if begin.elapsed() >= SLOW {
            let until = self
                .now()
                .saturating_add(u64::try_from(SLOW_FOR.as_millis()).unwrap_or(u64::MAX));
            self.slow_until.store(until, Ordering::Relaxed);
        }
        done
    }
}

impl<'a> Read<'a> {
    /// Reads with a connection that nobody else uses, on a thread that may wait.
    pub(super) fn of(connection: &'a Connection) -> Self {
        #[cfg(test)]
        static UNCOUNTED: AtomicI32 = AtomicI32::new(0);
        Self {
            connection,
            #[cfg(test)]
            steps: &UNCOUNTED,
        }
    }

    /// Returns the first row, where there is one.
    pub(super) fn row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, MetadataError> {
        self.with(sql, |statement| {
            let mut rows = statement.query(params)?;
            rows.next()?.map(read).transpose()
        })
    }

    /// Returns all rows. The statement bounds them.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, MetadataError> {
        self.with(sql, |statement| statement.query_map(params, read)?.collect())
    }

    /// Returns the first `n` things that `read` makes of rows. Rows behind them are not looked at.
    pub(super) fn some<T>(
        &self,
        sql: &str,
        params: impl Params,
        n: usize,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<Option<T>>,
    ) -> Result<Vec<T>, MetadataError> {
        self.with(sql, |statement| {
            let mut rows = statement.query(params)?;
            let mut found = Vec::new();
            while found.len() < n
                && let Some(row) = rows.next()?
            {
                found.extend(read(row)?);
            }
            Ok(found)
        })
    }

    /// Returns rows until `read` has nothing to return for one: there are enough. The statement bounds them as well.
    pub(super) fn rows_while<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<Option<T>>,
    ) -> Result<Vec<T>, MetadataError> {
        self.with(sql, |statement| {
            let mut rows = statement.query(params)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let Some(one) = read(row)? else { break };
                found.push(one);
            }
            Ok(found)
        })
    }

    fn with<T>(&self, sql: &str, work: impl FnOnce(&mut CachedStatement<'_>) -> rusqlite::Result<T>) -> Result<T, MetadataError> {
        let done = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let done = work(&mut statement);
            #[cfg(test)]
            self.steps
                .fetch_add(statement.reset_status(StatementStatus::VmStep), Ordering::Relaxed);
            done
        };
        done().map_err(|error| MetadataError::database("reading", error))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn look_ups_leave_the_thread_after_one_that_was_slow_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = super::super::Metadata::open(folder.path()).unwrap();
        let readers = metadata.readers();
        let place = || readers.look_up(|_| Ok(thread::current().id()));
        let here = thread::current().id();
        readers.pace.watch(|| ());
        readers.pace.slow_until.store(0, Ordering::Relaxed);
        assert_eq!(place().await.unwrap(), here);
        readers.pace.watch(|| {
            let begin = Instant::now();
            while begin.elapsed() < SLOW {
                std::hint::spin_loop();
            }
        });
        assert_ne!(place().await.unwrap(), here);
        readers.pace.slow_until.store(0, Ordering::Relaxed);
        assert_eq!(place().await.unwrap(), here);
    }
}
