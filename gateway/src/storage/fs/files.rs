//! Where content lies, and how it gets there so that what is acknowledged survives: the order of the operations is the point of every
//! function here.

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{
    disk::Disk,
    failed,
    folders::{Folders, parent},
};
use crate::{oci::Digest, storage::StorageError};

/// The length of the token of an upload.
const TOKEN_LENGTH: usize = 32;

/// The files of a storage.
pub(super) struct Files<D> {
    root: PathBuf,
    folders: Folders,
    disk: D,
}

/// Returns a new name for an upload.
pub(super) fn token() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

impl<D: Disk> Files<D> {
    /// Opens a folder, which is created where it does not exist, and forgets what was not acknowledged.
    pub(super) fn open(root: &Path, disk: D) -> Result<Self, StorageError> {
        let files = Self {
            root: root.to_owned(),
            folders: Folders::default(),
            disk,
        };
        for path in [
            root.to_owned(),
            root.join("blobs"),
            root.join("uploads"),
            root.join("incoming"),
        ] {
            files
                .folders
                .create(&files.disk, &path)
                .map_err(|error| failed(format!("creating {}", path.display()), error))?;
        }
        files.clear(&root.join("incoming"))?;
        Ok(files)
    }

    fn clear(&self, folder: &Path) -> Result<(), StorageError> {
        let clear = || -> io::Result<()> {
            for entry in std::fs::read_dir(folder)? {
                self.disk.remove(&entry?.path())?;
            }
            Ok(())
        };
        clear().map_err(|error| failed(format!("clearing {}", folder.display()), error))
    }

    /// Writes a part of an upload: bytes that were there from `offset` on are forgotten.
    pub(super) fn write_part(&self, upload: &str, offset: u64, part: &[Bytes]) -> Result<(), StorageError> {
        let doing = |error| failed(format!("writing upload {upload}"), error);
        let file = match self.open_upload(upload) {
            Ok((_, file)) => file,
            Err(StorageError::UploadAbsent(_)) if offset == 0 => {
                self.disk.create(&self.path("incoming", upload)?).map_err(doing)?
            }
            Err(error) => return Err(error),
        };
        let length = file.metadata().map_err(doing)?.len();
        if length < offset {
            return Err(StorageError::Offset {
                offset,
                expected: length,
            });
        }
        if length > offset {
            self.disk.cut(&file, offset).map_err(doing)?;
        }
        self.disk.write(&file, offset, part).map_err(doing)
    }

    /// Makes an upload durable: its bytes, then, once, its name.
    pub(super) fn sync(&self, upload: &str) -> Result<(), StorageError> {
        let doing = |error| failed(format!("syncing upload {upload}"), error);
        let (path, file) = self.open_upload(upload)?;
        self.disk.sync(&file).map_err(doing)?;
        let kept = self.path("uploads", upload)?;
        if path == kept {
            return Ok(());
        }
        self.disk.rename(&path, &kept).map_err(doing)?;
        self.disk.sync_folder(parent(&kept)).map_err(|error| {
            // A repeated sync has to sync the name again. Where this fails as well, the upload cannot go on, and nothing was promised.
            let _ = self.disk.rename(&kept, &path);
            doing(error)
        })
    }

    /// Forgets what follows the first `size` bytes of an upload: after the last acknowledgement it may be anything.
    pub(super) fn cut(&self, upload: &str, size: u64) -> Result<(), StorageError> {
        let (_, file) = self.open_upload(upload)?;
        self.cut_file(&file, size)
            .map_err(|error| failed(format!("resuming upload {upload}"), error))
    }

    fn cut_file(&self, file: &File, size: u64) -> io::Result<()> {
        let length = file.metadata()?.len();
        if length < size {
            let message = format!("only {length} of {size} bytes are there");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        if length > size { self.disk.cut(file, size) } else { Ok(()) }
    }

    /// Moves an upload to its digest: bytes, rename, folder.
    pub(super) fn complete(&self, upload: &str, size: u64, digest: &Digest) -> Result<(), StorageError> {
        let (path, file) = self.open_upload(upload)?;
        let completed = self
            .cut_file(&file, size)
            .and_then(|()| self.disk.sync(&file))
            .and_then(|()| self.publish(&path, digest));
        completed.map_err(|error| failed(format!("completing upload {upload}"), error))
    }

    /// Forgets an upload.
    pub(super) fn abort(&self, upload: &str) -> Result<(), StorageError> {
        for folder in ["incoming", "uploads"] {
            self.remove(&self.path(folder, upload)?)
                .map_err(|error| failed(format!("removing upload {upload}"), error))?;
        }
        Ok(())
    }

    /// Stores content at one go.
    pub(super) fn put(&self, digest: &Digest, content: &[Bytes]) -> Result<(), StorageError> {
        let doing = |error| failed(format!("storing {digest}"), error);
        let size = content.iter().map(|piece| piece.len() as u64).sum();
        if self.size(digest)? == Some(size) {
            // Whoever brought it may not have synced the folder yet.
            return self.disk.sync_folder(parent(&self.blob(digest))).map_err(doing);
        }
        let incoming = self.path("incoming", &token())?;
        let stored = self
            .write_new(&incoming, content)
            .and_then(|()| self.publish(&incoming, digest));
        if stored.is_err() {
            // Nobody knows the name; what cannot be removed now is removed when the storage is opened again.
            let _ = self.disk.remove(&incoming);
        }
        stored.map_err(doing)
    }

    fn write_new(&self, path: &Path, content: &[Bytes]) -> io::Result<()> {
        let file = self.disk.create(path)?;
        self.disk.write(&file, 0, content)?;
        self.disk.sync(&file)
    }

    /// Gives a synced file the name under which content is found, and syncs the folder. Content that is there already is replaced: it is
    /// the same by its digest, unless the disk has spoilt it.
    fn publish(&self, from: &Path, digest: &Digest) -> io::Result<()> {
        let to = self.blob(digest);
        self.folders.create(&self.disk, parent(&to))?;
        self.disk.rename(from, &to)?;
        self.disk.sync_folder(parent(&to))
    }

    /// Returns the size of some content.
    pub(super) fn size(&self, digest: &Digest) -> Result<Option<u64>, StorageError> {
        match std::fs::metadata(self.blob(digest)) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(format!("looking at {digest}"), error)),
        }
    }

    /// Opens some content for reading.
    pub(super) fn open_blob(&self, digest: &Digest) -> Result<File, StorageError> {
        File::open(self.blob(digest)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StorageError::Absent(digest.clone()),
            _ => failed(format!("opening {digest}"), error),
        })
    }

    /// Removes some content. That need not be durable: what comes back after a crash is content without links.
    pub(super) fn delete(&self, digest: &Digest) -> Result<(), StorageError> {
        self.remove(&self.blob(digest))
            .map_err(|error| failed(format!("deleting {digest}"), error))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match self.disk.remove(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Opens an upload, wherever it is by now.
    fn open_upload(&self, upload: &str) -> Result<(PathBuf, File), StorageError> {
        for folder in ["incoming", "uploads"] {
            let path = self.path(folder, upload)?;
            match OpenOptions::new().write(true).open(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(format!("opening upload {upload}"), error)),
            }
        }
        Err(StorageError::UploadAbsent(upload.to_owned()))
    }

    /// Returns the path of an upload. Tokens are what [`token`] made, and nothing else names a file.
    fn path(&self, folder: &str, upload: &str) -> Result<PathBuf, StorageError> {
        let good = upload.len() == TOKEN_LENGTH && upload.bytes().all(|byte| byte.is_ascii_hexdigit());
        if good {
            Ok(self.root.join(folder).join(upload))
        } else {
            Err(StorageError::UploadAbsent(upload.chars().take(64).collect()))
        }
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let folder = hex.get(..2).unwrap_or(hex);
        self.root
            .join("blobs")
            .join(digest.algorithm().as_str())
            .join(folder)
            .join(hex)
    }
}
