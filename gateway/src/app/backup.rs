//! Backup and restore of a data folder, while its gateway runs or not.
//!
//! A backup is a snapshot of the metadata and the content that it leads to. Content lies at its location for as long as it exists and never
//! changes, so a file that is there is right, and a backup that is made again copies what is new. As long as a backup runs, nothing is removed
//! from the storage: what the snapshot leads to is there until it was copied. The snapshot takes its name last, and only then goes what nothing
//! leads to any more: a backup that is cut off leaves the one before.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{AppError, lock_data};
use crate::{
    metadata::{BlobRow, Snapshot},
    oci::{Digest, Hasher},
    storage::{FsStorage, StorageError, create_folder_durably},
};

/// How many blobs are asked for at once.
const PAGE: usize = 1_000;
/// How many bytes are copied at once.
const BUFFER_BYTES: usize = 1 << 20;
/// Where a backup keeps its content.
const CONTENT: &str = "content";
/// What tells of a backup, written last.
const ABOUT: &str = "backup.json";
/// What a data folder holds while it is restored into.
const RESTORING: &str = "restoring";
/// Where the snapshot of the metadata is before everything that it leads to was copied.
const UNFINISHED: &str = "unfinished";

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// How many blobs there are.
    pub blobs: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many of the blobs were copied now; the others were there.
    pub copied: u64,
    /// How many of the blobs could not be copied, because they were spoilt before: a push heals each.
    pub spoilt: u64,
}

/// Why a backup cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error("{doing} {path}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no backup, or one that was cut off before it was whole.
    #[error("{0} holds no whole backup; make one with `portolan backup {0}`")]
    NoBackup(String),
    /// A backup is not what it should be.
    #[error("blob {digest} of the backup is not what its digest says; make the backup again, or restore an older one")]
    Spoilt {
        /// The blob.
        digest: Digest,
    },
    /// The folder to restore into holds something.
    #[error("the data folder {0} is not empty; choose a new one with --data, nothing is overwritten")]
    NotEmpty(String),
    /// There is no data to back up.
    #[error("{0} holds no data of a gateway")]
    NoData(String),
    /// The data folder cannot be used.
    #[error(transparent)]
    App(#[from] AppError),
    /// The metadata cannot be read.
    #[error(transparent)]
    Metadata(#[from] crate::metadata::MetadataError),
    /// The storage cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Copies the data of a gateway into a folder, where an earlier backup may be.
///
/// # Errors
/// Says which file cannot be read or written. What was there before is there still.
pub fn backup(data: &Path, to: &Path, mut progress: impl FnMut(Copied)) -> Result<Copied, BackupError> {
    if !Snapshot::file(data).exists() {
        return Err(BackupError::NoData(data.display().to_string()));
    }
    // Before the snapshot: what it leads to must not go before it is copied.
    let _kept = FsStorage::keep_everything(data)?;
    create(to)?;
    let unfinished = to.join(UNFINISHED);
    remove(&unfinished)?;
    create(&unfinished)?;
    Snapshot::take(data, &Snapshot::file(&unfinished))?;
    let metadata = Snapshot::open(&unfinished)?;
    let mut copied = Copied::default();
    for_each_blob(&metadata, |blob| {
        let file = FsStorage::file(data, &blob.location)?;
        match copy(&file, &content(to, blob), blob.size) {
            Ok(new) => copied.copied += u64::from(new),
            Err(error) if !blob.is_whole || error.kind() == io::ErrorKind::NotFound => copied.spoilt += 1,
            Err(error) => return Err(failed("reading", &file, error)),
        }
        copied.blobs += 1;
        copied.bytes += blob.size;
        progress(copied);
        Ok(())
    })?;
    drop(metadata);
    let path = Snapshot::file(to);
    fs::rename(Snapshot::file(&unfinished), &path).map_err(|error| failed("writing", &path, error))?;
    write(&to.join(ABOUT), &serde_json::to_vec_pretty(&copied).unwrap_or_default())?;
    remove(&unfinished)?;
    forget_others(to)?;
    Ok(copied)
}

/// Copies a backup into a data folder, which must be empty, unless it was being restored into before. Every blob is read and compared with its
/// digest.
///
/// # Errors
/// Says what is wrong with the backup, or which file cannot be written.
pub fn restore(from: &Path, data: &Path, mut progress: impl FnMut(Copied)) -> Result<Copied, BackupError> {
    if !from.join(ABOUT).exists() || !Snapshot::file(from).exists() {
        return Err(BackupError::NoBackup(from.display().to_string()));
    }
    let marker = data.join(RESTORING);
    let is_empty = fs::read_dir(data).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty && !marker.exists() {
        return Err(BackupError::NotEmpty(data.display().to_string()));
    }
    create(data)?;
    write(&marker, b"")?;
    let _lock = lock_data(data)?;
    let metadata = Snapshot::open(from)?;
    let mut copied = Copied::default();
    for_each_blob(&metadata, |blob| {
        let (file, to) = (content(from, blob), FsStorage::file(data, &blob.location)?);
        match copy(&file, &to, blob.size) {
            Ok(new) => copied.copied += u64::from(new),
            // It could not be copied when the backup was made.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                copied.spoilt += 1;
                return Ok(());
            }
            Err(error) => return Err(failed("reading", &file, error)),
        }
        if digest(&to, &blob.digest).map_err(|error| failed("reading", &to, error))? != blob.digest {
            let _ = fs::remove_file(&to);
            return Err(BackupError::Spoilt {
                digest: blob.digest.clone(),
            });
        }
        copied.blobs += 1;
        copied.bytes += blob.size;
        progress(copied);
        Ok(())
    })?;
    drop(metadata);
    let (snapshot, path) = (Snapshot::file(from), Snapshot::file(data));
    // Half of it may be there from a restore that was cut off.
    let _ = fs::remove_file(&path);
    let size = fs::metadata(&snapshot)
        .map_err(|error| failed("reading", &snapshot, error))?
        .len();
    copy(&snapshot, &path, size).map_err(|error| failed("writing", &path, error))?;
    fs::remove_file(&marker).map_err(|error| failed("removing", &marker, error))?;
    sync(data)?;
    Ok(copied)
}

/// Says whether a data folder is being restored into, or was and was cut off.
pub(super) fn is_being_restored(data: &Path) -> bool {
    data.join(RESTORING).exists()
}

fn content(backup: &Path, blob: &BlobRow) -> PathBuf {
    backup.join(CONTENT).join(blob.location.as_str())
}

fn for_each_blob(metadata: &Snapshot, mut each: impl FnMut(&BlobRow) -> Result<(), BackupError>) -> Result<(), BackupError> {
    let mut after = None;
    loop {
        let page = metadata.blobs(after.as_ref(), PAGE)?;
        page.iter().try_for_each(&mut each)?;
        match page.into_iter().next_back() {
            Some(last) => after = Some(last.digest),
            None => return Ok(()),
        }
    }
}

/// Copies a file durably, unless it is there. Returns whether it was copied.
fn copy(from: &Path, to: &Path, size: u64) -> io::Result<bool> {
    if fs::metadata(to).is_ok_and(|found| found.len() == size) {
        return Ok(false);
    }
    let mut source = File::open(from)?;
    let folder = to.parent().unwrap_or(Path::new("."));
    create_folder_durably(folder)?;
    let unfinished = to.with_extension("part");
    let mut target = File::create(&unfinished)?;
    let copied = io::copy(&mut source, &mut target)?;
    if copied != size {
        let message = format!("it has {copied} bytes, and should have {size}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    target.sync_all()?;
    fs::rename(&unfinished, to)?;
    File::open(folder)?.sync_all()?;
    Ok(true)
}

fn digest(path: &Path, expected: &Digest) -> io::Result<Digest> {
    let (mut file, mut hasher, mut buffer) = (File::open(path)?, Hasher::new(expected.algorithm()), vec![0; BUFFER_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// Removes content of a backup that its snapshot does not lead to.
fn forget_others(backup: &Path) -> Result<(), BackupError> {
    let metadata = Snapshot::open(backup)?;
    for listed in FsStorage::listed(&backup.join(CONTENT))? {
        if !metadata.leads_to(&listed.digest, &listed.location)? {
            let path = backup.join(CONTENT).join(listed.location.as_str());
            fs::remove_file(&path).map_err(|error| failed("removing", &path, error))?;
        }
    }
    Ok(())
}

fn create(folder: &Path) -> Result<(), BackupError> {
    create_folder_durably(folder).map_err(|error| failed("creating", folder, error))
}

fn remove(folder: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removing", folder, error)),
        _ => Ok(()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error| failed("writing", path, error))
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| failed("writing", folder, error))
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> BackupError {
    BackupError::File {
        doing,
        path: path.to_owned(),
        source,
    }
}
