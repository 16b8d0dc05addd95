//! Content in files.
//!
//! `blobs/{algorithm}/{first two hexadecimal digits}/{hex}.{token}` holds content, `uploads/{token}` what was acknowledged of content on its way,
//! and `incoming/{token}` what was not: it is forgotten when the storage is opened. Content of schema 1 lies at `{hex}` without a token. Content appears at its path only by a rename after its
//! bytes were synced, and is acknowledged only after the folder was synced: a crash at any instruction leaves a whole file or none.
//!
//! Every operation is one closure on a thread that may wait for the disk. Nobody can stop it once it runs, so it holds its upload until it
//! is done.

#[cfg(test)]
mod crash;
mod disk;
mod files;
mod folders;
mod kept;
mod list;
mod opened;
#[cfg(test)]
mod pairs;
mod read;
#[cfg(test)]
mod recorder;
#[cfg(test)]
mod slow;
mod tokens;

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use self::{
    disk::{Disk, Kernel},
    files::Files,
    folders::Folders,
    opened::Reading,
    read::Buffers,
};
use super::{Listed, Listing, Pieces, Storage, StorageError};
use crate::oci::{Digest, Location};

#[cfg(test)]
pub(crate) use slow::Slow;

/// How much memory the storage keeps for later reads, in bytes.
pub const MEMORY_BYTES_MAX: u64 = read::BUFFERS_BYTES_MAX;

/// Content in files below one folder. Cheap to clone.
#[derive(Clone)]
pub struct FsStorage {
    files: Arc<Files>,
    buffers: Buffers,
}

impl FsStorage {
    /// Opens a folder, which is created where it does not exist, and forgets what a crash left half written.
    ///
    /// # Errors
    /// Names the path that cannot be used.
    pub fn open(root: &Path) -> Result<Self, StorageError> {
        Self::on(root, Arc::new(Kernel))
    }

    fn on(root: &Path, disk: Arc<dyn Disk>) -> Result<Self, StorageError> {
        let files = Arc::new(Files::open(root, disk)?);
        Ok(Self {
            files,
            buffers: Buffers::default(),
        })
    }

    /// Returns the file of some content in a folder, whose gateway may run.
    ///
    /// # Errors
    /// [`StorageError::Absent`] where this is no location of this driver.
    pub fn file(root: &Path, location: &Location) -> Result<PathBuf, StorageError> {
        files::path_of(root, location)
    }

    /// Lets nothing be removed from a folder, whose gateway may run, as long as the answer is kept.
    ///
    /// # Errors
    /// Fails where the file system does.
    pub fn keep_everything(root: &Path) -> Result<impl Send + use<>, StorageError> {
        kept::keep(root)
    }

    /// Lists content that lies below a folder as in a storage.
    ///
    /// # Errors
    /// Fails where the file system does.
    pub fn listed(content: &Path) -> Result<Vec<Listed>, StorageError> {
        list::all(content)
    }

    /// Runs file operations on a thread where waiting for the disk hurts nobody.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let files = self.files.clone();
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        done.unwrap_or_else(|error| Err(failed("working on a file".into(), io::Error::other(error))))
    }
}

/// Creates a folder and its parents where they are missing, so that they survive a crash.
///
/// # Errors
/// Fails where the file system does.
pub fn create_folder_durably(path: &Path) -> io::Result<()> {
    Folders::default().create(&Kernel, path)
}

/// Folds an error of the file system into those of the storage.
fn failed(doing: String, source: io::Error) -> StorageError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageError::Full { doing },
        _ => StorageError::Failed { doing, source },
    }
}

#[async_trait::async_trait]
impl Storage for FsStorage {
    fn part_bytes_min(&self) -> usize {
        0
    }

    async fn begin(&self) -> Result<String, StorageError> {
        self.blocking(Files::begin).await
    }

    async fn write_part(&self, upload: &str, offset: u64, part: Vec<Bytes>) -> Result<(), StorageError> {
        let upload = upload.to_owned();
        self.blocking(move |files| files.write_part(&upload, offset, &part)).await
    }

    async fn sync(&self, upload: &str) -> Result<(), StorageError> {
        let upload = upload.to_owned();
        self.blocking(move |files| files.sync(&upload)).await
    }

    async fn tail(&self, upload: &str, size: u64) -> Result<(u64, Bytes), StorageError> {
        let upload = upload.to_owned();
        // A file can be continued at any byte, so nothing has to be written again.
        self.blocking(move |files| files.cut(&upload, size).map(|()| (size, Bytes::new())))
            .await
    }

    async fn read_upload_at(&self, upload: &str, range: Range<u64>) -> Result<Bytes, StorageError> {
        let upload = upload.to_owned();
        self.blocking(move |files| read::at(&upload, &files.open_for_reading(&upload)?, range))
            .await
    }

    async fn uploads(&self) -> Result<Vec<String>, StorageError> {
        self.blocking(Files::uploads).await
    }

    async fn complete(&self, upload: &str, size: u64, digest: &Digest) -> Result<Location, StorageError> {
        let (upload, digest) = (upload.to_owned(), digest.clone());
        self.blocking(move |files| files.complete(&upload, size, &digest)).await
    }

    async fn completed(&self, upload: &str, digest: &Digest) -> Result<Option<(Location, u64)>, StorageError> {
        let (upload, digest) = (upload.to_owned(), digest.clone());
        self.blocking(move |files| files.completed(&upload, &digest)).await
    }

    async fn abort(&self, upload: &str) -> Result<(), StorageError> {
        let upload = upload.to_owned();
        self.blocking(move |files| files.abort(&upload)).await
    }

    async fn put(&self, digest: &Digest, content: Vec<Bytes>) -> Result<Location, StorageError> {
        let digest = digest.clone();
        self.blocking(move |files| files.put(&digest, &content)).await
    }

    async fn probe(&self) -> Result<(), StorageError> {
        self.blocking(Files::probe).await
    }

    async fn size(&self, location: &Location) -> Result<Option<u64>, StorageError> {
        let location = location.clone();
        self.blocking(move |files| files.size(&location)).await
    }

    async fn read(&self, location: &Location, range: Range<u64>) -> Result<Pieces, StorageError> {
        let reading = Reading::begin(self.files.clone(), location)?;
        // Whether it is there is told at once, and not in the middle of an answer.
        match self.files.size(location)? {
            Some(_) => Ok(read::stream(reading, range, self.buffers.clone())),
            None => Err(StorageError::Absent(location.clone())),
        }
    }

    async fn read_at(&self, location: &Location, range: Range<u64>) -> Result<Bytes, StorageError> {
        read::at(location, &*self.files.open_content(location)?, range)
    }

    fn list(&self) -> Listing {
        let root = self.files.content_root();
        let listed = stream::iter(list::folders(&root)).then(move |folder| {
            let root = root.clone();
            async move {
                let listed = tokio::task::spawn_blocking(move || list::list(&root, &folder?)).await;
                listed.unwrap_or_else(|error| Err(failed("listing content".into(), io::Error::other(error))))
            }
        });
        listed.map_ok(|listed| stream::iter(listed).map(Ok)).try_flatten().boxed()
    }

    async fn delete(&self, location: &Location) -> Result<bool, StorageError> {
        let location = location.clone();
        self.blocking(move |files| files.delete(&location)).await
    }
}

#[cfg(test)]
mod tests {
    use super::{opened::FILES_MAX, *};
    use crate::storage::{PIECE_BYTES_MAX, suite};

    #[tokio::test]
    async fn passes_the_suite() {
        let folder = tempfile::tempdir().unwrap();
        suite::check(&FsStorage::open(&folder.path().join("new/data")).unwrap()).await;
    }

    #[tokio::test]
    async fn names_of_uploads_are_no_paths() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FsStorage::open(folder.path()).unwrap();
        for upload in ["", "..", "../blobs", "/etc/passwd", "0123456789abcdef0123456789abcde/", "x\0"] {
            let error = storage.write_part(upload, 0, vec![]).await.unwrap_err();
            assert!(matches!(error, StorageError::UploadAbsent(_)), "{upload:?}: {error}");
        }
    }

    /// Returns how many descriptors of this process lead to files in a folder.
    fn descriptors(folder: &Path) -> usize {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        open.filter(|entry| std::fs::read_link(entry.as_ref().unwrap().path()).is_ok_and(|target| target.starts_with(folder)))
            .count()
    }

    #[tokio::test]
    async fn streams_hold_no_descriptors_between_their_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FsStorage::open(folder.path()).unwrap();
        let mut streams = Vec::new();
        for number in 0..3 * FILES_MAX {
            let content: Bytes = (0..PIECE_BYTES_MAX + 1).map(|at| (at >> 3) as u8 ^ number as u8).collect();
            let digest = Digest::sha256(&content);
            let location = storage.put(&digest, vec![content.clone()]).await.unwrap();
            let stream = storage.read(&location, 0..content.len() as u64).await.unwrap();
            streams.push((stream, content));
        }
        assert_eq!(descriptors(folder.path()), 0);
        let mut read = Vec::new();
        for (stream, _) in &mut streams {
            read.push(stream.next().await.unwrap().unwrap().to_vec());
        }
        // What stays open is not the streams'.
        assert_eq!(descriptors(folder.path()), FILES_MAX);
        for ((stream, content), mut read) in streams.iter_mut().zip(read) {
            while let Some(piece) = stream.next().await {
                read.extend_from_slice(&piece.unwrap());
            }
            assert!(read == *content);
        }
    }

    #[tokio::test]
    async fn a_reopened_storage_knows_what_was_synced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FsStorage::open(folder.path()).unwrap();
        let (kept, lost) = (storage.begin().await.unwrap(), storage.begin().await.unwrap());
        for upload in [&kept, &lost] {
            storage
                .write_part(upload, 0, vec![Bytes::from_static(b"0123")])
                .await
                .unwrap();
        }
        storage.sync(&kept).await.unwrap();
        storage
            .write_part(&kept, 4, vec![Bytes::from_static(b"unacknowledged")])
            .await
            .unwrap();
        let storage = FsStorage::open(folder.path()).unwrap();
        assert_eq!(storage.tail(&kept, 4).await.unwrap(), (4, Bytes::new()));
        assert!(matches!(storage.tail(&lost, 0).await, Err(StorageError::UploadAbsent(_))));
        let digest = Digest::sha256(b"01234");
        storage.write_part(&kept, 4, vec![Bytes::from_static(b"4")]).await.unwrap();
        let location = storage.complete(&kept, 5, &digest).await.unwrap();
        assert_eq!(storage.read_at(&location, 0..9).await.unwrap(), "01234");
        assert_eq!(std::fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
    }
}
