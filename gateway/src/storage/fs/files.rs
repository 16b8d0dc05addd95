//! Where content lies, and how it gets there so that what is acknowledged survives: the order of the operations is the point of every
//! function here.

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    disk::Disk,
    failed,
    folders::{Folders, parent},
    opened::Opened,
    tokens::Tokens,
};
use crate::{oci::Digest, storage::StorageError};

/// The length of the token of an upload.
const TOKEN_LENGTH: usize = 32;

/// The files of a storage.
pub(super) struct Files {
    root: PathBuf,
    folders: Folders,
    tokens: Tokens,
    opened: Opened,
    disk: Arc<dyn Disk>,
}

/// Returns a new name for an upload.
fn token() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

impl Files {
    /// Opens a folder, which is created where it does not exist, and forgets what was not acknowledged.
    pub(super) fn open(root: &Path, disk: Arc<dyn Disk>) -> Result<Self, StorageError> {
        let files = Self {
            root: root.to_owned(),
            folders: Folders::default(),
            tokens: Tokens::default(),
            opened: Opened::default(),
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
                .create(&*files.disk, &path)
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

    /// Begins an upload. Only here does one get its file: a part that comes late must find nothing.
    pub(super) fn begin(&self) -> Result<String, StorageError> {
        let upload = token();
        self.disk
            .create(&self.path("incoming", &upload)?)
            .map_err(|error| failed(format!("beginning upload {upload}"), error))?;
        Ok(upload)
    }

    /// Writes a part of an upload: bytes that were there from `offset` on are forgotten.
    pub(super) fn write_part(&self, upload: &str, offset: u64, part: &[Bytes]) -> Result<(), StorageError> {
        let doing = |error| failed(format!("writing upload {upload}"), error);
        let _held = self.tokens.hold(upload);
        let (_, file) = self.open_upload(upload)?;
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
        let _held = self.tokens.hold(upload);
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
        let _held = self.tokens.hold(upload);
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
        let _held = self.tokens.hold(upload);
        let (path, file) = self.open_upload(upload)?;
        let completed = self
            .cut_file(&file, size)
            .and_then(|()| self.disk.sync(&file))
            .and_then(|()| self.publish(&path, digest));
        completed.map_err(|error| failed(format!("completing upload {upload}"), error))
    }

    /// Forgets an upload.
    pub(super) fn abort(&self, upload: &str) -> Result<(), StorageError> {
        let _held = self.tokens.hold(upload);
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
        self.folders.create(&*self.disk, parent(&to))?;
        self.disk.rename(from, &to)?;
        self.opened.forget(digest);
        self.disk.sync_folder(parent(&to))
    }

    /// Returns the uploads that were synced. What has another name than ours is none.
    pub(super) fn uploads(&self) -> Result<Vec<String>, StorageError> {
        let list = || -> io::Result<Vec<String>> {
            let names = std::fs::read_dir(self.root.join("uploads"))?.map(|entry| Ok(entry?.file_name().into_string()));
            names
                .filter_map(|name: io::Result<_>| name.map(Result::ok).transpose())
                .collect()
        };
        let mut uploads = list().map_err(|error| failed("listing the uploads".into(), error))?;
        uploads.retain(|upload| self.path("uploads", upload).is_ok());
        Ok(uploads)
    }

    /// Opens what was written of an upload.
    pub(super) fn open_for_reading(&self, upload: &str) -> Result<File, StorageError> {
        let (path, _) = self.open_upload(upload)?;
        File::open(path).map_err(|error| failed(format!("opening upload {upload}"), error))
    }

    /// Syncs content that is there: whoever brought it may not have come to that.
    pub(super) fn confirm(&self, digest: &Digest) -> Result<Option<u64>, StorageError> {
        let Some(size) = self.size(digest)? else { return Ok(None) };
        let synced = self.disk.sync_folder(parent(&self.blob(digest)));
        synced.map_err(|error| failed(format!("syncing {digest}"), error))?;
        Ok(Some(size))
    }

    /// Writes, syncs and removes a file.
    pub(super) fn probe(&self) -> Result<(), StorageError> {
        let path = self.root.join("incoming").join("probe");
        let tried = self.write_new(&path, &[Bytes::from_static(b"probe")]);
        let removed = self.remove(&path);
        tried
            .and(removed)
            .map_err(|error| failed("trying to write a file".into(), error))
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
    pub(super) fn open_blob(&self, digest: &Digest) -> Result<Arc<File>, StorageError> {
        let open = || {
            File::open(self.blob(digest)).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => StorageError::Absent(digest.clone()),
                _ => failed(format!("opening {digest}"), error),
            })
        };
        self.opened.get(digest, open)
    }

    /// Removes some content. That need not be durable: what comes back after a crash is content without links.
    pub(super) fn delete(&self, digest: &Digest) -> Result<(), StorageError> {
        let removed = self.remove(&self.blob(digest));
        self.opened.forget(digest);
        removed.map_err(|error| failed(format!("deleting {digest}"), error))
    }

    /// Returns how many operations wait for another one on the same upload.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.tokens.waiting()
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
