//! Writing so that what is acknowledged survives: the order of the system calls is the point of every function here.

use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    io::{self, IoSlice, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

/// The folders that are known to exist durably, so that each is created and synced once. Bounded by the layout: 256 for each algorithm.
#[derive(Default)]
pub(super) struct Folders(Mutex<HashSet<PathBuf>>);

impl Folders {
    /// Creates a folder and its parents, each durably: its own parent is synced before it is relied on.
    pub(super) fn create(&self, path: &Path) -> io::Result<()> {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(path) {
            return Ok(());
        }
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(parent) = path.parent() {
                    self.create(parent)?;
                }
                std::fs::create_dir(path)?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            other => other?,
        }
        // Another thread, or an earlier run that crashed, may have created it without syncing its parent yet.
        if let Some(parent) = path.parent() {
            sync_folder(parent)?;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        Ok(())
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// Writes the pieces of a part without copying them together.
pub(super) fn write_part(path: &Path, offset: u64, part: &[Bytes]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(offset == 0).truncate(false).open(path)?;
    let length = file.metadata()?.len();
    if length < offset {
        let message = format!("the part begins at {offset}, but only {length} bytes are there");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    if length > offset {
        file.set_len(offset)?;
    }
    let mut at = offset;
    let mut slices: Vec<IoSlice<'_>> = part.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = slices.as_mut_slice();
    while rest.iter().any(|slice| !slice.is_empty()) {
        let written = rustix::io::pwritev(&file, rest, at)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        at += written as u64;
        IoSlice::advance_slices(&mut rest, written);
    }
    Ok(())
}

/// Makes an upload durable: its bytes, then its name.
pub(super) fn sync_upload(path: &Path, folders: &Folders) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    // The name has to be made durable once; the set of folders remembers files that were, too, until they are completed.
    let mut known = folders.0.lock().unwrap_or_else(PoisonError::into_inner);
    if !known.contains(path) {
        drop(known);
        sync_parent(path)?;
        known = folders.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path.to_owned());
    }
    Ok(())
}

/// Forgets what follows the first `size` bytes.
pub(super) fn cut(path: &Path, size: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    if file.metadata()?.len() < size {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("fewer than the {size} bytes that were acknowledged are there")));
    }
    file.set_len(size)
}

/// Moves an upload to its digest: bytes, rename, folder.
pub(super) fn complete(from: &Path, size: u64, to: &Path, folders: &Folders) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(from)?;
    if file.metadata()?.len() != size {
        drop(file);
        cut(from, size)?;
        File::open(from)?.sync_all()?;
    } else {
        file.sync_all()?;
    }
    publish(from, to, folders)?;
    folders.0.lock().unwrap_or_else(PoisonError::into_inner).remove(from);
    Ok(())
}

/// Stores content at one go.
pub(super) fn put(incoming: &Path, content: &[Bytes], to: &Path, folders: &Folders) -> io::Result<()> {
    let written = write_new(incoming, content).and_then(|()| publish(incoming, to, folders));
    if written.is_err() {
        // The name is nobody's; what cannot be removed now is removed when the storage is opened again.
        let _ = std::fs::remove_file(incoming);
    }
    written
}

fn write_new(path: &Path, content: &[Bytes]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    for piece in content {
        file.write_all(piece)?;
    }
    file.sync_all()
}

/// Renames a synced file to where content is found, and syncs the folder. Content that is there already is the same by its digest, and its
/// folder may not be synced yet if another writer is just about to.
fn publish(from: &Path, to: &Path, folders: &Folders) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        folders.create(parent)?;
    }
    if to.try_exists()? {
        std::fs::remove_file(from)?;
    } else {
        std::fs::rename(from, to)?;
    }
    sync_parent(to)
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Reads up to `length` bytes, waiting for the disk.
pub(super) fn read_waiting(file: &File, offset: u64, length: usize) -> io::Result<Bytes> {
    let mut buffer = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    buffer.truncate(filled);
    Ok(buffer.into())
}
