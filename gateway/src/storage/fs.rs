//! Content in files.
//!
//! `blobs/{algorithm}/{first two hexadecimal digits}/{hex}` holds content, `uploads/{token}` what is on its way. Content appears at its
//! path only by a rename after its bytes were synced, and is acknowledged only after the folder was synced: a crash at any instruction
//! leaves a whole file or none.

mod disk;
mod read;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use self::disk::Folders;
use super::{Pieces, Storage, StorageError};
use crate::oci::Digest;

use std::ops::Range;

/// Content in files below one folder. Cheap to clone.
#[derive(Clone)]
pub struct FsStorage(Arc<Shared>);

struct Shared {
    root: PathBuf,
    folders: Folders,
}

impl FsStorage {
    /// Opens a folder, which is created where it does not exist, and forgets what a crash left half written.
    ///
    /// # Errors
    /// Names the path that cannot be used.
    pub fn open(root: &Path) -> Result<Self, StorageError> {
        let folders = Folders::default();
        for folder in ["blobs", "uploads", "incoming"] {
            let path = root.join(folder);
            folders.create(&path).map_err(|source| failed(format!("creating {}", path.display()), source))?;
        }
        // What was put at one go and not renamed was never acknowledged, and nobody knows its name.
        let incoming = root.join("incoming");
        let clear = || -> io::Result<()> {
            for entry in std::fs::read_dir(&incoming)? {
                std::fs::remove_file(entry?.path())?;
            }
            Ok(())
        };
        clear().map_err(|source| failed(format!("clearing {}", incoming.display()), source))?;
        Ok(Self(Arc::new(Shared { root: root.to_owned(), folders })))
    }

    /// Runs file operations on a thread where waiting for the disk hurts nobody.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let shared = self.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.unwrap_or_else(|error| Err(failed("working on a file".into(), io::Error::other(error))))
    }
}

impl Shared {
    fn blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let folder = hex.get(..2).unwrap_or(hex);
        self.root.join("blobs").join(digest.algorithm().as_str()).join(folder).join(hex)
    }

    /// Returns the path of an upload. Tokens are what [`Storage::begin`] made, and nothing else names a file.
    fn upload(&self, token: &str) -> Result<PathBuf, StorageError> {
        let good = token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        if good { Ok(self.root.join("uploads").join(token)) } else { Err(StorageError::UploadAbsent(token.chars().take(64).collect())) }
    }
}

/// Folds an error of the file system into those of the storage.
fn failed(doing: String, source: io::Error) -> StorageError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageError::Full { doing },
        _ => StorageError::Failed { doing, source },
    }
}

/// Like [`failed`], for an upload that may not be there.
fn upload_failed(upload: &str, doing: &str, source: io::Error) -> StorageError {
    match source.kind() {
        io::ErrorKind::NotFound => StorageError::UploadAbsent(upload.to_owned()),
        _ => failed(format!("{doing} upload {upload}"), source),
    }
}

#[async_trait::async_trait]
impl Storage for FsStorage {
    fn part_bytes_min(&self) -> usize {
        0
    }

    async fn begin(&self) -> Result<String, StorageError> {
        // The file comes with the first part.
        Ok(uuid::Uuid::new_v4().simple().to_string())
    }

    async fn write_part(&self, upload: &str, offset: u64, part: Vec<Bytes>) -> Result<(), StorageError> {
        let upload = upload.to_owned();
        self.blocking(move |shared| {
            let path = shared.upload(&upload)?;
            disk::write_part(&path, offset, &part).map_err(|error| upload_failed(&upload, "writing", error))
        })
        .await
    }

    async fn sync(&self, upload: &str) -> Result<(), StorageError> {
        let upload = upload.to_owned();
        self.blocking(move |shared| {
            let path = shared.upload(&upload)?;
            disk::sync_upload(&path, &shared.folders).map_err(|error| upload_failed(&upload, "syncing", error))
        })
        .await
    }

    async fn tail(&self, upload: &str, size: u64) -> Result<(u64, Bytes), StorageError> {
        let upload = upload.to_owned();
        self.blocking(move |shared| {
            let path = shared.upload(&upload)?;
            // What was written after the last acknowledgement may be anything.
            disk::cut(&path, size).map_err(|error| upload_failed(&upload, "resuming", error))?;
            Ok((size, Bytes::new()))
        })
        .await
    }

    async fn complete(&self, upload: &str, size: u64, digest: &Digest) -> Result<(), StorageError> {
        let (upload, digest) = (upload.to_owned(), digest.clone());
        self.blocking(move |shared| {
            let (from, to) = (shared.upload(&upload)?, shared.blob(&digest));
            disk::complete(&from, size, &to, &shared.folders).map_err(|error| upload_failed(&upload, "completing", error))
        })
        .await
    }

    async fn abort(&self, upload: &str) -> Result<(), StorageError> {
        let upload = upload.to_owned();
        self.blocking(move |shared| {
            let path = shared.upload(&upload)?;
            disk::remove(&path).map_err(|error| upload_failed(&upload, "removing", error))
        })
        .await
    }

    async fn put(&self, digest: &Digest, content: Vec<Bytes>) -> Result<(), StorageError> {
        let digest = digest.clone();
        self.blocking(move |shared| {
            let incoming = shared.root.join("incoming").join(uuid::Uuid::new_v4().simple().to_string());
            let stored = disk::put(&incoming, &content, &shared.blob(&digest), &shared.folders);
            stored.map_err(|error| failed(format!("storing {digest}"), error))
        })
        .await
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, StorageError> {
        let digest = digest.clone();
        self.blocking(move |shared| match std::fs::metadata(shared.blob(&digest)) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(format!("looking at {digest}"), error)),
        })
        .await
    }

    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<Pieces, StorageError> {
        read::stream(digest.clone(), self.0.blob(digest), range)
    }

    async fn read_at(&self, digest: &Digest, range: Range<u64>) -> Result<Bytes, StorageError> {
        read::at(digest, &self.0.blob(digest), range)
    }

    async fn delete(&self, digest: &Digest) -> Result<(), StorageError> {
        let digest = digest.clone();
        self.blocking(move |shared| disk::remove(&shared.blob(&digest)).map_err(|error| failed(format!("deleting {digest}"), error)))
            .await
    }
}
