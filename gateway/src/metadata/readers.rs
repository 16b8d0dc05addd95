//! A few connections that read. Readers never wait for the writer, nor it for them.

#[cfg(test)]
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

#[cfg(test)]
use rusqlite::StatementStatus;
use rusqlite::{CachedStatement, Connection, Params, Row};

use super::{MetadataError, schema::Location};

/// The fewest and the most connections. Each serves one thread at a time; there are about as many as threads that can run.
const CONNECTIONS: (usize, usize) = (4, 16);

/// The connections. They read what was committed when a statement began.
pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    /// How many steps the database took for what was read.
    #[cfg(test)]
    pub(super) steps: AtomicI32,
}

impl Readers {
    pub(super) fn open(location: &Location) -> Result<Self, MetadataError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let count = (2 * threads).clamp(CONNECTIONS.0, CONNECTIONS.1);
        let connections: Result<_, MetadataError> = (0..count).map(|_| Ok(Mutex::new(location.reader()?))).collect();
        Ok(Self {
            connections: connections?,
            #[cfg(test)]
            steps: AtomicI32::default(),
        })
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

    fn with<T>(&self, sql: &str, work: impl FnOnce(&mut CachedStatement<'_>) -> rusqlite::Result<T>) -> Result<T, MetadataError> {
        let connection = self.take();
        let done = || {
            let mut statement = connection.prepare_cached(sql)?;
            let done = work(&mut statement);
            #[cfg(test)]
            self.steps
                .fetch_add(statement.reset_status(StatementStatus::VmStep), Ordering::Relaxed);
            done
        };
        done().map_err(|error| MetadataError::database("reading", error))
    }

    /// Returns rows until `read` has nothing to return for one: there are enough. The statement bounds them as well.
    pub(super) fn rows_while<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<Option<T>>,
    ) -> Result<Vec<T>, MetadataError> {
        let connection = self.take();
        let found = || -> rusqlite::Result<Vec<T>> {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let Some(one) = read(row)? else { break };
                found.push(one);
            }
            Ok(found)
        };
        found().map_err(|error| MetadataError::database("reading", error))
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
