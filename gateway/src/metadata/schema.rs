//! The database file: opening it, and bringing it to the newest schema.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::MetadataError;

/// The file inside the data folder.
pub(super) const FILE: &str = "metadata.sqlite";
/// One script for each step from a schema version to the next. Scripts that were released are never changed.
pub(super) const MIGRATIONS: [&str; 9] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
    include_str!("schema/8.sql"),
    include_str!("schema/9.sql"),
];
/// How long to wait for another process that writes to the same database.
const BUSY: Duration = Duration::from_secs(10);
/// Prepared statements that a connection keeps: more than there are.
const STATEMENTS: usize = 128;

/// How the connection that writes is set up. WAL with `FULL` syncs at each commit. The log is usually written back by another thread; where
/// that never reaches its end, the writer does the rest at 8 192 pages (32 MiB) and begins the log anew.
const WRITING: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 8192;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -16384;
    PRAGMA temp_store = MEMORY;";

/// How the connection that writes the log back is set up.
const CHECKPOINTING: &str = "PRAGMA synchronous = FULL;";

/// How connections that read are set up. Mapping the file instead of caching pages was measured: it is no faster, and each connection's
/// mapping counts as memory of the process.
const READING: &str = "
    PRAGMA query_only = TRUE;
    PRAGMA cache_size = -8192;
    PRAGMA temp_store = MEMORY;";

/// Where a database is.
#[derive(Debug, Clone)]
pub(super) struct Location(PathBuf);

impl Location {
    /// Returns where the database of a folder is.
    pub(super) fn of(folder: &Path) -> Self {
        Self(folder.join(FILE))
    }

    /// Creates the folder where it does not exist, durably.
    pub(super) fn prepare(folder: &Path) -> Result<Self, MetadataError> {
        let location = Self::of(folder);
        create_folder(folder).map_err(|error| location.unusable(error))?;
        Ok(location)
    }

    /// Opens the connection that writes and brings the schema up to date.
    pub(super) fn writer(&self) -> Result<Connection, MetadataError> {
        let open = || -> rusqlite::Result<(Connection, i64)> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&self.0, flags)?;
            let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            Ok((connection, found))
        };
        let (connection, found) = open().map_err(|error| self.unusable(error))?;
        let known = MIGRATIONS.len().try_into().unwrap_or(i64::MAX);
        if found > known {
            return Err(MetadataError::Newer {
                path: self.0.display().to_string(),
                found,
                known,
            });
        }
        let ready = || {
            set_up(&connection, WRITING)?;
            migrate(&connection, found)?;
            connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))
        };
        let mode: String = ready().map_err(|error| self.unusable(error))?;
        if mode == "wal" {
            Ok(connection)
        } else {
            Err(self.unusable("the file system offers no shared memory for a write-ahead log"))
        }
    }

    /// Opens a connection that reads.
    pub(super) fn reader(&self) -> Result<Connection, MetadataError> {
        self.another(OpenFlags::SQLITE_OPEN_READ_ONLY, READING)
    }

    /// Opens a connection that writes the log back.
    pub(super) fn checkpointer(&self) -> Result<Connection, MetadataError> {
        self.another(OpenFlags::SQLITE_OPEN_READ_WRITE, CHECKPOINTING)
    }

    fn another(&self, access: OpenFlags, pragmas: &str) -> Result<Connection, MetadataError> {
        let open = || {
            let connection = Connection::open_with_flags(&self.0, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            set_up(&connection, pragmas)?;
            Ok(connection)
        };
        open().map_err(|error: rusqlite::Error| self.unusable(error))
    }

    pub(super) fn unusable(&self, why: impl std::fmt::Display) -> MetadataError {
        MetadataError::Open {
            path: self.0.display().to_string(),
            reason: format!(
                "{why}; check that the folder can be written to and that the file is the database of a gateway, or choose another \
                 data folder"
            ),
        }
    }
}

/// Sets up a connection.
fn set_up(connection: &Connection, pragmas: &str) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    // Otherwise statements are planned again for other parameters, which costs twice what it takes to run them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch(pragmas)
}

/// Runs the scripts that the database has not seen yet, each with its version in one transaction.
pub(super) fn migrate(connection: &Connection, found: i64) -> rusqlite::Result<()> {
    for (version, script) in (1_i64..).zip(MIGRATIONS).skip_while(|(version, _)| *version <= found) {
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Creates a folder and its parents. Each new one is synced into its parent: what the database acknowledges must not hang below a folder
/// that a crash forgets.
fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(Path::new("/"));
    create_folder(parent)?;
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        other => other?,
    }
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    File::open(parent)?.sync_all()
}
