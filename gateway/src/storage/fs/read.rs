//! Reading content: without leaving the calling thread while the bytes are in the page cache.
//!
//! A pull of hot content is then one `preadv2` and one write to the socket for each piece. Only where the kernel would have to wait for the
//! disk does a read move to a thread that may wait.
//!
//! A stream holds no descriptor between its pieces: who does not read on holds none, however many they are. Content never changes, so the
//! next piece is found under the same name, mostly in a file that is open still.

use std::{
    fmt::Display,
    fs::File,
    io::{self, IoSliceMut},
    ops::Range,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rustix::io::{Errno, ReadWriteFlags};

use super::{failed, opened::Reading};
use crate::storage::{PIECE_BYTES_MAX, Pieces, StorageError};

/// How many buffers are kept for the next piece: what a few pulls have on their way at once, 8 MiB.
const BUFFERS_MAX: usize = 16;
/// How much memory buffers take in bytes that are kept.
pub(super) const BUFFERS_BYTES_MAX: u64 = (BUFFERS_MAX * PIECE_BYTES_MAX) as u64;

/// Buffers that are used again: to allocate and clear a new one for each piece costs about as much as to read into it.
#[derive(Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer in use, of which the first bytes are content.
struct Filled {
    buffer: Vec<u8>,
    length: usize,
    home: Buffers,
}

impl Buffers {
    fn take(&self) -> Filled {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Filled {
            buffer: kept.unwrap_or_else(|| vec![0; PIECE_BYTES_MAX]),
            length: 0,
            home: self.clone(),
        }
    }
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        let mut kept = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < BUFFERS_MAX {
            kept.push(std::mem::take(&mut self.buffer));
        }
    }
}

/// What is left of a stream.
struct Rest {
    reading: Reading,
    range: Range<u64>,
    buffers: Buffers,
}

/// Streams a range of some content.
pub(super) fn stream(reading: Reading, range: Range<u64>, buffers: Buffers) -> Pieces {
    let rest = Rest { reading, range, buffers };
    stream::try_unfold(rest, next).boxed()
}

async fn next(mut rest: Rest) -> Result<Option<(Bytes, Rest)>, StorageError> {
    let Range { start, end } = rest.range;
    if start >= end {
        return Ok(None);
    }
    let length = usize::try_from(end - start).unwrap_or(usize::MAX).min(PIECE_BYTES_MAX);
    let file = rest.reading.open()?;
    let read = match read_cached(&file, start, length, &rest.buffers) {
        Ok(bytes) => Ok(bytes),
        Err(Errno::AGAIN | Errno::OPNOTSUPP) => {
            let waited = tokio::task::spawn_blocking(move || read_waiting(&file, start, length)).await;
            waited.unwrap_or_else(|error| Err(io::Error::other(error)))
        }
        Err(error) => Err(error.into()),
    };
    let doing = || format!("reading {}", rest.reading.location());
    let piece = read.map_err(|error| failed(doing(), error))?;
    if piece.is_empty() {
        let message = format!("the content ends at byte {start}, before byte {end}");
        return Err(failed(doing(), io::Error::new(io::ErrorKind::UnexpectedEof, message)));
    }
    rest.range.start += piece.len() as u64;
    Ok(Some((piece, rest)))
}

/// Reads what is in the page cache, and fails rather than wait.
fn read_cached(file: &File, offset: u64, length: usize, buffers: &Buffers) -> Result<Bytes, Errno> {
    let mut filled = buffers.take();
    let into = filled.buffer.get_mut(..length).unwrap_or_default();
    filled.length = rustix::io::preadv2(file, &mut [IoSliceMut::new(into)], offset, ReadWriteFlags::NOWAIT)?;
    Ok(Bytes::from_owner(filled))
}

/// Reads up to `length` bytes, waiting for the disk.
fn read_waiting(file: &File, offset: u64, length: usize) -> io::Result<Bytes> {
    let mut buffer = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(buffer.into())
}

/// Returns a range of a file at once. Called from threads that may wait.
pub(super) fn at(name: impl Display, file: &File, range: Range<u64>) -> Result<Bytes, StorageError> {
    let length = usize::try_from(range.end.saturating_sub(range.start))
        .unwrap_or(usize::MAX)
        .min(16 * PIECE_BYTES_MAX);
    read_waiting(file, range.start, length).map_err(|error| failed(format!("reading {name}"), error))
}
