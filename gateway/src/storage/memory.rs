//! Content in memory: for tests, and to prove that callers can live with a least size of parts as object stores have it.

use std::{
    collections::HashMap,
    io,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{Listed, Listing, PIECE_BYTES_MAX, Pieces, Storage, StorageError};
use crate::oci::{Digest, Location};

/// Content in memory. Nothing is durable. Cheap to clone.
#[derive(Clone)]
pub struct MemoryStorage {
    part_bytes_min: usize,
    shared: Arc<Mutex<Shared>>,
}

/// Content and parts stay in the pieces in which they came.
#[derive(Default)]
struct Shared {
    content: HashMap<Location, (Digest, Vec<Bytes>)>,
    uploads: HashMap<String, Vec<Vec<Bytes>>>,
}

impl MemoryStorage {
    /// Returns an empty storage that wants parts of at least this size, but for the last one of an upload.
    #[must_use]
    pub fn new(part_bytes_min: usize) -> Self {
        Self {
            part_bytes_min,
            shared: Arc::default(),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn content(&self, location: &Location) -> Result<Vec<Bytes>, StorageError> {
        self.shared()
            .content
            .get(location)
            .map(|(_, content)| content.clone())
            .ok_or_else(|| StorageError::Absent(location.clone()))
    }
}

impl Shared {
    fn upload(&mut self, upload: &str) -> Result<&mut Vec<Vec<Bytes>>, StorageError> {
        self.uploads
            .get_mut(upload)
            .ok_or_else(|| StorageError::UploadAbsent(upload.to_owned()))
    }
}

fn token() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Returns where an upload becomes content.
fn location(upload: &str, digest: &Digest) -> Location {
    format!("{digest}.{upload}").into()
}

fn size_of(pieces: &[Bytes]) -> u64 {
    pieces.iter().map(|piece| piece.len() as u64).sum()
}

/// Returns a range of some pieces, cut at their end, without copying.
fn slice(pieces: &[Bytes], range: Range<u64>) -> Vec<Bytes> {
    let (mut cut, mut begin) = (Vec::new(), 0);
    for piece in pieces {
        let within = |offset: u64| {
            usize::try_from(offset.saturating_sub(begin))
                .unwrap_or(usize::MAX)
                .min(piece.len())
        };
        let (start, end) = (within(range.start), within(range.end));
        if start < end {
            cut.push(piece.slice(start..end));
        }
        begin += piece.len() as u64;
    }
    cut
}

/// Finds the parts that end by `size`, on which others can follow. Returns their number and where they end.
fn whole_parts(parts: &[Vec<Bytes>], size: u64, part_bytes_min: usize) -> (usize, u64) {
    let (mut count, mut end) = (0, 0);
    for part in parts {
        let bytes = size_of(part);
        if bytes < part_bytes_min as u64 || end + bytes > size {
            break;
        }
        (count, end) = (count + 1, end + bytes);
    }
    (count, end)
}

/// Forgets what follows `offset`, or tells where the upload can be continued instead.
fn cut(parts: &mut Vec<Vec<Bytes>>, offset: u64, part_bytes_min: usize) -> Result<(), u64> {
    if part_bytes_min == 0 {
        // Parts have no meaning then: an upload can be continued at any byte.
        let whole = parts.concat();
        if size_of(&whole) < offset {
            return Err(size_of(&whole));
        }
        *parts = vec![slice(&whole, 0..offset)];
        return Ok(());
    }
    let (count, end) = whole_parts(parts, offset, part_bytes_min);
    if end != offset {
        return Err(whole_parts(parts, u64::MAX, part_bytes_min).1);
    }
    parts.truncate(count);
    Ok(())
}

/// What is wrong where fewer bytes are there than the caller knows of.
fn too_few(doing: String) -> StorageError {
    StorageError::Failed {
        doing,
        source: io::Error::new(io::ErrorKind::UnexpectedEof, "fewer bytes are there"),
    }
}

#[async_trait::async_trait]
impl Storage for MemoryStorage {
    fn part_bytes_min(&self) -> usize {
        self.part_bytes_min
    }

    async fn begin(&self) -> Result<String, StorageError> {
        let token = token();
        self.shared().uploads.insert(token.clone(), Vec::new());
        Ok(token)
    }

    async fn write_part(&self, upload: &str, offset: u64, part: Vec<Bytes>) -> Result<(), StorageError> {
        let mut shared = self.shared();
        let parts = shared.upload(upload)?;
        cut(parts, offset, self.part_bytes_min).map_err(|expected| StorageError::Offset { offset, expected })?;
        parts.push(part);
        Ok(())
    }

    async fn sync(&self, upload: &str) -> Result<(), StorageError> {
        self.shared().upload(upload).map(|_| ())
    }

    async fn tail(&self, upload: &str, size: u64) -> Result<(u64, Bytes), StorageError> {
        let mut shared = self.shared();
        let parts = shared.upload(upload)?;
        let (count, start) = whole_parts(parts, size, self.part_bytes_min);
        let tail = parts.get(count).map_or_else(Vec::new, |part| slice(part, 0..size - start));
        if start + size_of(&tail) != size {
            return Err(too_few(format!("resuming upload {upload}")));
        }
        parts.truncate(count);
        parts.push(tail.clone());
        Ok((start, tail.concat().into()))
    }

    async fn read_upload_at(&self, upload: &str, range: Range<u64>) -> Result<Bytes, StorageError> {
        Ok(slice(&self.shared().upload(upload)?.concat(), range).concat().into())
    }

    async fn uploads(&self) -> Result<Vec<String>, StorageError> {
        Ok(self.shared().uploads.keys().cloned().collect())
    }

    async fn complete(&self, upload: &str, size: u64, digest: &Digest) -> Result<Location, StorageError> {
        let mut shared = self.shared();
        let content = slice(&shared.upload(upload)?.concat(), 0..size);
        if size_of(&content) != size {
            return Err(too_few(format!("completing upload {upload}")));
        }
        shared.uploads.remove(upload);
        let location = location(upload, digest);
        shared.content.insert(location.clone(), (digest.clone(), content));
        Ok(location)
    }

    async fn completed(&self, upload: &str, digest: &Digest) -> Result<Option<(Location, u64)>, StorageError> {
        let location = location(upload, digest);
        Ok(self.size(&location).await?.map(|size| (location, size)))
    }

    async fn abort(&self, upload: &str) -> Result<(), StorageError> {
        self.shared().uploads.remove(upload);
        Ok(())
    }

    async fn put(&self, digest: &Digest, content: Vec<Bytes>) -> Result<Location, StorageError> {
        let location = location(&token(), digest);
        self.shared().content.insert(location.clone(), (digest.clone(), content));
        Ok(location)
    }

    async fn probe(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn size(&self, location: &Location) -> Result<Option<u64>, StorageError> {
        Ok(self.shared().content.get(location).map(|(_, content)| size_of(content)))
    }

    async fn read(&self, location: &Location, range: Range<u64>) -> Result<Pieces, StorageError> {
        let content = self.content(location)?;
        let missing = range.end > size_of(&content);
        let pieces = slice(&content, range).into_iter().flat_map(|mut piece| {
            std::iter::from_fn(move || Some(piece.split_to(piece.len().min(PIECE_BYTES_MAX))).filter(|part| !part.is_empty()))
        });
        let end = missing.then(|| Err(too_few(format!("reading {location}"))));
        Ok(stream::iter(pieces.map(Ok).chain(end)).boxed())
    }

    async fn read_at(&self, location: &Location, range: Range<u64>) -> Result<Bytes, StorageError> {
        Ok(slice(&self.content(location)?, range).concat().into())
    }

    fn list(&self) -> Listing {
        let listed: Vec<_> = (self.shared().content.iter())
            .map(|(location, (digest, content))| {
                Ok(Listed {
                    location: location.clone(),
                    digest: digest.clone(),
                    size: size_of(content),
                    written: 0,
                })
            })
            .collect();
        stream::iter(listed).boxed()
    }

    async fn delete(&self, location: &Location) -> Result<bool, StorageError> {
        self.shared().content.remove(location);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::suite;

    #[tokio::test]
    async fn passes_the_suite_without_and_with_a_least_size() {
        for part_bytes_min in [0, 1, 5_000] {
            suite::check(&MemoryStorage::new(part_bytes_min)).await;
        }
    }
}
