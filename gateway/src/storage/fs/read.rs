//! Reading content: without leaving the calling thread while the bytes are in the page cache.
//!
//! A pull of hot content is then one `preadv2` and one write to the socket for each piece. Only where the kernel would have to wait for the
//! disk does a read move to a thread that may wait.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    ops::Range,
    path::Path,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use rustix::io::{Errno, ReadWriteFlags};

use super::{disk, failed};
use crate::{
    oci::Digest,
    storage::{PIECE_BYTES_MAX, Pieces, StorageError},
};

struct Reading {
    digest: Digest,
    file: Arc<File>,
    range: Range<u64>,
}

fn open(digest: &Digest, path: &Path) -> Result<File, StorageError> {
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => StorageError::Absent(digest.clone()),
        _ => failed(format!("opening {digest}"), error),
    })
}

/// Streams a range of a file.
pub(super) fn stream(digest: Digest, path: std::path::PathBuf, range: Range<u64>) -> Result<Pieces, StorageError> {
    let file = Arc::new(open(&digest, &path)?);
    let reading = Reading { digest, file, range };
    Ok(stream::try_unfold(reading, next).boxed())
}

async fn next(mut reading: Reading) -> Result<Option<(Bytes, Reading)>, StorageError> {
    let Range { start, end } = reading.range;
    if start >= end {
        return Ok(None);
    }
    let length = usize::try_from(end - start).unwrap_or(usize::MAX).min(PIECE_BYTES_MAX);
    let read = match read_cached(&reading.file, start, length) {
        Ok(bytes) => Ok(bytes),
        Err(Errno::AGAIN | Errno::OPNOTSUPP) => {
            let file = reading.file.clone();
            let waited = tokio::task::spawn_blocking(move || disk::read_waiting(&file, start, length)).await;
            waited.unwrap_or_else(|error| Err(io::Error::other(error)))
        }
        Err(error) => Err(error.into()),
    };
    let piece = read.map_err(|error| failed(format!("reading {}", reading.digest), error))?;
    if piece.is_empty() {
        let message = format!("the content ends at byte {start}, before byte {end}");
        return Err(failed(format!("reading {}", reading.digest), io::Error::new(io::ErrorKind::UnexpectedEof, message)));
    }
    reading.range.start += piece.len() as u64;
    Ok(Some((piece, reading)))
}

/// Reads what is in the page cache, and fails rather than wait.
fn read_cached(file: &File, offset: u64, length: usize) -> Result<Bytes, Errno> {
    let mut buffer = BytesMut::zeroed(length);
    let read = rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut buffer)], offset, ReadWriteFlags::NOWAIT)?;
    buffer.truncate(read);
    Ok(buffer.freeze())
}

/// Returns a range of a file at once. Called from threads that may wait.
pub(super) fn at(digest: &Digest, path: &Path, range: Range<u64>) -> Result<Bytes, StorageError> {
    let file = open(digest, path)?;
    let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX).min(16 * PIECE_BYTES_MAX);
    disk::read_waiting(&file, range.start, length).map_err(|error| failed(format!("reading {digest}"), error))
}
