//! While a backup is made nothing is removed.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
};

use super::failed;
use crate::storage::StorageError;

/// The file that a backup holds a lock on. The system lets go of it when the process ends, however it does.
const FILE: &str = "backup.lock";

/// Begins to keep everything.
pub(super) fn keep(root: &Path) -> Result<File, StorageError> {
    let lock = || -> io::Result<File> {
        let file = open(root)?;
        // Waits for what is being removed now, and for another backup.
        file.lock()?;
        Ok(file)
    };
    lock().map_err(failed_to_lock)
}

/// Begins to remove something, unless everything is kept: nobody begins to keep it as long as the answer is there.
pub(super) fn removing(root: &Path) -> Result<Option<File>, StorageError> {
    let file = open(root).map_err(failed_to_lock)?;
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed_to_lock(error)),
    }
}

fn open(root: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(root.join(FILE))
}

fn failed_to_lock(error: io::Error) -> StorageError {
    failed(format!("locking {FILE}"), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let kept = keep(folder.path()).unwrap();
        assert!(removing(folder.path()).unwrap().is_none());
        drop(kept);
        let (one, two) = (removing(folder.path()).unwrap(), removing(folder.path()).unwrap());
        assert!(one.is_some() && two.is_some());
    }
}
