//! Content in memory: for tests, and to prove that callers can live with a least size of parts as object stores have it.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

use super::{PIECE_BYTES_MAX, Pieces, Storage, StorageError};
use crate::oci::Digest;

/// Content in memory. Nothing is durable. Cheap to clone.
#[derive(Clone)]
pub struct MemoryStorage {
    part_bytes_min: usize,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    content: HashMap<Digest, Bytes>,
    uploads: HashMap<String, Vec<Bytes>>,
}

impl MemoryStorage {
    /// Returns an empty storage that wants parts of at least this size, but for the last one of an upload.
    #[must_use]
    pub fn new(part_bytes_min: usize) -> Self {
        Self { part_bytes_min, shared: Arc::default() }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn content(&self, digest: &Digest) -> Result<Bytes, StorageError> {
        self.shared().content.get(digest).cloned().ok_or_else(|| StorageError::Absent(digest.clone()))
    }
}

impl Shared {
    fn upload(&mut self, upload: &str) -> Result<&mut Vec<Bytes>, StorageError> {
        self.uploads.get_mut(upload).ok_or_else(|| StorageError::UploadAbsent(upload.to_owned()))
    }
}

fn joined(pieces: &[Bytes]) -> Bytes {
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in pieces {
        whole.extend_from_slice(piece);
    }
    whole.freeze()
}

/// Returns a range of some content, cut at its end.
fn cut(content: &Bytes, range: Range<u64>) -> Bytes {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
    let (start, end) = (at(range.start), at(range.end));
    content.slice(start..end.max(start))
}

#[async_trait::async_trait]
impl Storage for MemoryStorage {
    fn part_bytes_min(&self) -> usize {
        self.part_bytes_min
    }

    async fn begin(&self) -> Result<String, StorageError> {
        let token = uuid::Uuid::new_v4().simple().to_string();
        self.shared().uploads.insert(token.clone(), Vec::new());
        Ok(token)
    }

    async fn write_part(&self, upload: &str, offset: u64, part: Vec<Bytes>) -> Result<(), StorageError> {
        let least = self.part_bytes_min;
        let mut shared = self.shared();
        let parts = shared.upload(upload)?;
        let (mut kept, mut end) = (0, 0_u64);
        while end < offset && let Some(next) = parts.get(kept) {
            (kept, end) = (kept + 1, end + next.len() as u64);
        }
        if end != offset {
            return Err(StorageError::Offset { offset, expected: end });
        }
        // What came before has to stand on its own as a part of an object.
        if let Some(short) = kept.checked_sub(1).and_then(|last| parts.get(last)).filter(|last| last.len() < least) {
            return Err(StorageError::Offset { offset, expected: end - short.len() as u64 });
        }
        parts.truncate(kept);
        parts.push(joined(&part));
        Ok(())
    }

    async fn sync(&self, upload: &str) -> Result<(), StorageError> {
        self.shared().upload(upload).map(|_| ())
    }

    async fn tail(&self, upload: &str, size: u64) -> Result<(u64, Bytes), StorageError> {
        let least = self.part_bytes_min;
        let mut shared = self.shared();
        let parts = shared.upload(upload)?;
        let whole = cut(&joined(parts), 0..size);
        let (mut start, mut kept) = (0_u64, 0);
        while let Some(part) = parts.get(kept).filter(|part| part.len() >= least.max(1) && start + part.len() as u64 <= size) {
            (start, kept) = (start + part.len() as u64, kept + 1);
        }
        parts.truncate(kept);
        let tail = cut(&whole, start..size);
        if !tail.is_empty() {
            parts.push(tail.clone());
        }
        Ok((start, tail))
    }

    async fn complete(&self, upload: &str, size: u64, digest: &Digest) -> Result<(), StorageError> {
        let mut shared = self.shared();
        let content = cut(&joined(shared.upload(upload)?), 0..size);
        shared.uploads.remove(upload);
        shared.content.entry(digest.clone()).or_insert(content);
        Ok(())
    }

    async fn abort(&self, upload: &str) -> Result<(), StorageError> {
        self.shared().uploads.remove(upload);
        Ok(())
    }

    async fn put(&self, digest: &Digest, content: Vec<Bytes>) -> Result<(), StorageError> {
        self.shared().content.entry(digest.clone()).or_insert_with(|| joined(&content));
        Ok(())
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, StorageError> {
        Ok(self.shared().content.get(digest).map(|content| content.len() as u64))
    }

    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<Pieces, StorageError> {
        let content = self.content(digest)?;
        if range.end > content.len() as u64 {
            let source = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the content ends before the range does");
            return Err(StorageError::Failed { doing: format!("reading {digest}"), source });
        }
        let content = cut(&content, range);
        let offsets = (0..content.len()).step_by(PIECE_BYTES_MAX);
        let pieces: Vec<_> = offsets.map(|at| Ok(content.slice(at..content.len().min(at + PIECE_BYTES_MAX)))).collect();
        Ok(stream::iter(pieces).boxed())
    }

    async fn read_at(&self, digest: &Digest, range: Range<u64>) -> Result<Bytes, StorageError> {
        Ok(cut(&self.content(digest)?, range))
    }

    async fn delete(&self, digest: &Digest) -> Result<(), StorageError> {
        self.shared().content.remove(digest);
        Ok(())
    }
}
