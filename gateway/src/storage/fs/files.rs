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
    kept,
    opened::Opened,
    tokens::Tokens,
};
use crate::{
    oci::{Algorithm, Digest, Location},
    storage::StorageError,
};

/// The length of the token of an upload.
const TOKEN_LENGTH: usize = 32;

/// The files of a storage.
pub(super) struct Files {
    root: PathBuf,
    folders: Folders,
    tokens: Tokens,
    pub(super) opened: Opened,
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
    pub(super) fn complete(&self, upload: &str, size: u64, digest: &Digest) -> Result<Location, StorageError> {
        let _held = self.tokens.hold(upload);
        let (path, file) = self.open_upload(upload)?;
        let location = location(upload, digest);
        let completed = self
            .cut_file(&file, size)
            .and_then(|()| self.disk.sync(&file))
            .and_then(|()| self.publish(&path, &location));
        completed.map_err(|error| failed(format!("completing upload {upload}"), error))?;
        Ok(location)
    }

    /// Returns where the content of an upload lies that was completed, which is synced once more: whoever completed it may not have come to
    /// that. Gateways of schema 1 completed an upload to its digest alone.
    pub(super) fn completed(&self, upload: &str, digest: &Digest) -> Result<Option<(Location, u64)>, StorageError> {
        for location in [location(upload, digest), location_of_schema_1(digest)] {
            if let Some(size) = self.size(&location)? {
                let synced = self.disk.sync_folder(parent(&self.content(&location)?));
                synced.map_err(|error| failed(format!("syncing {location}"), error))?;
                return Ok(Some((location, size)));
            }
        }
        Ok(None)
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
    pub(super) fn put(&self, digest: &Digest, content: &[Bytes]) -> Result<Location, StorageError> {
        let token = token();
        let (incoming, location) = (self.path("incoming", &token)?, location(&token, digest));
        let published = self.content(&location)?;
        let stored = self
            .write_new(&incoming, content)
            .and_then(|()| self.publish(&incoming, &location));
        if let Err(error) = stored {
            // Nobody knows the names.
            let _ = self.disk.remove(&incoming).and(self.disk.remove(&published));
            return Err(failed(format!("storing {digest}"), error));
        }
        Ok(location)
    }

    fn write_new(&self, path: &Path, content: &[Bytes]) -> io::Result<()> {
        let file = self.disk.create(path)?;
        self.disk.write(&file, 0, content)?;
        self.disk.sync(&file)
    }

    /// Gives a synced file the name under which content is found, and syncs the folder.
    fn publish(&self, from: &Path, location: &Location) -> io::Result<()> {
        let to = self.content(location).map_err(io::Error::other)?;
        self.folders.create(&*self.disk, parent(&to))?;
        self.disk.rename(from, &to)?;
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
    pub(super) fn size(&self, location: &Location) -> Result<Option<u64>, StorageError> {
        match std::fs::metadata(self.content(location)?) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(format!("looking at {location}"), error)),
        }
    }

    /// Opens some content for reading.
    pub(super) fn open_content(&self, location: &Location) -> Result<Arc<File>, StorageError> {
        let open = || {
            File::open(self.content(location)?).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => StorageError::Absent(location.clone()),
                _ => failed(format!("opening {location}"), error),
            })
        };
        self.opened.get(location, open)
    }

    /// Removes some content that nobody reads. That need not be durable: what comes back after a crash is removed again.
    pub(super) fn delete(&self, location: &Location) -> Result<bool, StorageError> {
        let Some(_removing) = kept::removing(&self.root)? else {
            return Ok(false);
        };
        let Some(_deleting) = self.opened.delete(location) else {
            return Ok(false);
        };
        self.remove(&self.content(location)?)
            .map_err(|error| failed(format!("deleting {location}"), error))?;
        Ok(true)
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

    pub(super) fn content_root(&self) -> PathBuf {
        content_root(&self.root)
    }

    /// Returns the path of some content. Only what [`location`] or gateways of schema 1 made is one.
    fn content(&self, location: &Location) -> Result<PathBuf, StorageError> {
        path_of(&self.root, location)
    }
}

/// Returns the path of some content in a storage.
pub(super) fn path_of(root: &Path, location: &Location) -> Result<PathBuf, StorageError> {
    if is_location(location.as_str()) {
        Ok(content_root(root).join(location.as_str()))
    } else {
        Err(StorageError::Absent(location.clone()))
    }
}

fn content_root(root: &Path) -> PathBuf {
    root.join("blobs")
}

/// Returns where the content of an upload will lie. Its name tells the digest, for people and for who lost the metadata.
fn location(upload: &str, digest: &Digest) -> Location {
    format!("{}.{upload}", location_of_schema_1(digest)).into()
}

fn location_of_schema_1(digest: &Digest) -> Location {
    let (algorithm, hex) = (digest.algorithm().as_str(), digest.hex());
    let folder = hex.get(..2).unwrap_or(hex);
    format!("{algorithm}/{folder}/{hex}").into()
}

pub(super) fn is_location(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let [algorithm, folder, name] = parts.as_slice() else {
        return false;
    };
    let (hex, token) = name.split_once('.').unzip();
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hex = hex.unwrap_or(name);
    let Ok(algorithm) = algorithm.parse::<Algorithm>() else {
        return false;
    };
    hex.len() == algorithm.hex_length()
        && is_hex(hex)
        && hex.get(..2) == Some(*folder)
        && token.is_none_or(|token| token.len() == TOKEN_LENGTH && is_hex(token))
}
