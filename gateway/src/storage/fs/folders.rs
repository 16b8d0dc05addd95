//! Folders that survive a crash.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::disk::Disk;

/// The folders that are known to exist durably, so that each is created and synced once. Bounded by the layout: 256 for each algorithm.
#[derive(Default)]
pub(super) struct Folders(Mutex<HashSet<PathBuf>>);

impl Folders {
    /// Creates a folder and its missing parents, each durably: its own parent is synced before it is relied on.
    pub(super) fn create(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(path) {
            return Ok(());
        }
        let parent = parent(path);
        let created = match disk.create_folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && parent != path => {
                self.create(disk, parent)?;
                disk.create_folder(path)
            }
            other => other,
        };
        match (created, disk.sync_folder(parent)) {
            // It was there, but another thread, or an earlier run that crashed, may not have synced its parent yet. In a parent that may
            // not be looked into, neither of them created anything.
            (Err(error), Err(denied)) if exists(&error, path) && denied.kind() == io::ErrorKind::PermissionDenied => {}
            (Err(error), synced) if exists(&error, path) => synced?,
            (created, synced) => created.and(synced)?,
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        Ok(())
    }
}

fn exists(error: &io::Error, path: &Path) -> bool {
    error.kind() == io::ErrorKind::AlreadyExists && path.is_dir()
}

/// Returns the folder that a name is in: that of a relative path without a slash is the current one, that of the root is the root.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}
