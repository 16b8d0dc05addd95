//! Bytes on their way into the storage: hashed as they pass, written in parts.

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};

use super::RegistryError;
use crate::{
    oci::{Algorithm, Digest, Hasher},
    storage::{PIECE_BYTES_MAX, Storage, StorageError},
};

/// The body of an upload, as it arrives.
pub type Body = BoxStream<'static, Result<Bytes, BodyError>>;

/// Why a body ended before its end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BodyError {
    /// The connection broke, or what came is not what the protocol asks for.
    #[error("{0}")]
    Broken(String),
    /// The client paused for too long, or was too slow over the whole body.
    #[error("{0}")]
    TooSlow(String),
    /// Others wait for the memory that this body holds, and it came slower than theirs would.
    #[error("the gateway needs the memory for clients that send faster; repeat the request")]
    Pressed,
    /// Another request goes on with the upload that this body belongs to.
    #[error("another request goes on with this upload")]
    TakenOver,
}

/// How many bytes are gathered before they are written, and the largest content that is written at one go. Two pieces of the storage
/// make few hops to the writing threads while an upload holds little memory.
pub const PART_BYTES: usize = 2 * PIECE_BYTES_MAX;

/// Pieces up to this size are put together. To copy a longer one costs more than to remember it.
const SHORT_BYTES_MAX: usize = 16 << 10;

/// What a request sends.
pub struct Chunk {
    /// Where it begins, where the request says so.
    pub start: Option<u64>,
    /// How many bytes it has, where the request says so.
    pub length: Option<u64>,
    /// The bytes.
    pub body: Body,
}

impl Chunk {
    /// Says whether the whole content is known to fit into one part.
    pub(super) fn is_small(&self) -> bool {
        self.length.is_some_and(|length| length <= PART_BYTES as u64)
    }
}

/// A limit on content, and what it is called when it is exceeded.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) what: &'static str,
    pub(super) bytes_max: u64,
}

impl Limit {
    pub(super) fn check(self, size: u64) -> Result<(), RegistryError> {
        let Self { what, bytes_max: max } = self;
        if size > max {
            Err(RegistryError::TooLarge { what, size, max })
        } else {
            Ok(())
        }
    }
}

/// Bytes that have come so far.
#[derive(Clone)]
pub(super) struct Incoming {
    /// The storage driver's token.
    pub(super) token: String,
    pub(super) hasher: Hasher,
    /// The number of bytes that were taken in.
    pub(super) offset: u64,
    /// The end of what was taken in: bytes that are not written, or that are too few for a part of their own on this storage.
    pub(super) tail: Vec<Bytes>,
}

impl Incoming {
    pub(super) async fn begin(storage: &dyn Storage, algorithm: Algorithm) -> Result<Self, StorageError> {
        Ok(Self {
            token: storage.begin().await?,
            hasher: Hasher::new(algorithm),
            offset: 0,
            tail: Vec::new(),
        })
    }

    /// Takes in a chunk. Where it breaks off, what arrived stays.
    pub(super) async fn take(&mut self, storage: &dyn Storage, mut chunk: Chunk, limit: Limit) -> Result<(), RegistryError> {
        let begin = self.offset;
        limit.check(begin.saturating_add(chunk.length.unwrap_or_default()))?;
        while let Some(piece) = chunk.body.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                // Who goes away after the last byte has said everything.
                Err(_) if chunk.length == Some(self.offset - begin) => break,
                Err(how) => return Err(RegistryError::BodyBroken(how)),
            };
            let size = self.offset + piece.len() as u64;
            limit.check(size)?;
            if let Some(said) = chunk.length.filter(|said| size - begin > *said) {
                return Err(RegistryError::UploadLength { said, got: size - begin });
            }
            self.hasher.update(&piece);
            self.offset = size;
            gather(&mut self.tail, piece);
            if self.tail_bytes() >= PART_BYTES.max(storage.part_bytes_min()) {
                self.flush(storage).await?;
            }
        }
        let got = self.offset - begin;
        chunk
            .length
            .filter(|said| *said != got)
            .map_or(Ok(()), |said| Err(RegistryError::UploadLength { said, got }))
    }

    /// Writes what was gathered. Too little for a part stays in the tail as well: more may follow and make it one.
    pub(super) async fn flush(&mut self, storage: &dyn Storage) -> Result<(), StorageError> {
        let bytes = self.tail_bytes();
        if bytes > 0 {
            storage
                .write_part(&self.token, self.offset - bytes as u64, self.tail.clone())
                .await?;
        }
        if bytes >= storage.part_bytes_min() {
            self.tail.clear();
        }
        Ok(())
    }

    /// Checks that everything that was taken in, and flushed, has a digest. Where a session was begun for another algorithm, the bytes are
    /// read once more.
    pub(super) async fn expect_digest(&self, storage: &dyn Storage, digest: &Digest) -> Result<(), RegistryError> {
        if self.hasher.algorithm() == digest.algorithm() {
            return expect_digest(digest, self.hasher.clone());
        }
        let (mut hasher, mut at) = (Hasher::new(digest.algorithm()), 0);
        while at < self.offset {
            let end = self.offset.min(at + PIECE_BYTES_MAX as u64);
            let piece = storage.read_upload_at(&self.token, at..end).await?;
            if piece.is_empty() {
                return Err(StorageError::UploadAbsent(self.token.clone()).into());
            }
            hasher.update(&piece);
            at += piece.len() as u64;
        }
        expect_digest(digest, hasher)
    }

    fn tail_bytes(&self) -> usize {
        self.tail.iter().map(Bytes::len).sum()
    }
}

/// Adds a piece to others. Short ones are put together, each time into one at least twice as long: however few bytes come at once, there are
/// few pieces, and each byte is copied a few times at most.
fn gather(pieces: &mut Vec<Bytes>, piece: Bytes) {
    let mut last = piece;
    while last.len() < SHORT_BYTES_MAX
        && let Some(before) = pieces.pop_if(|before| before.len() <= last.len())
    {
        last = [before, last].concat().into();
    }
    pieces.push(last);
}

/// Reads content that is known to fit into one part, and checks its length and digest.
pub(super) async fn take_small(digest: &Digest, mut chunk: Chunk) -> Result<Vec<Bytes>, RegistryError> {
    let said = chunk.length.unwrap_or_default();
    let (mut content, mut got, mut hasher) = (Vec::new(), 0, Hasher::new(digest.algorithm()));
    while let Some(piece) = chunk.body.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(_) if got == said => break,
            Err(how) => return Err(RegistryError::BodyBroken(how)),
        };
        got += piece.len() as u64;
        if got > said {
            break;
        }
        hasher.update(&piece);
        gather(&mut content, piece);
    }
    if got != said {
        return Err(RegistryError::UploadLength { said, got });
    }
    expect_digest(digest, hasher)?;
    Ok(content)
}

fn expect_digest(expected: &Digest, hasher: Hasher) -> Result<(), RegistryError> {
    let actual = hasher.finish();
    if actual == *expected {
        Ok(())
    } else {
        Err(RegistryError::DigestMismatch {
            expected: expected.clone(),
            actual,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_pieces_remain_of_many_short_ones() {
        let content: Vec<u8> = (0..200_000_usize).map(|at| (at % 251) as u8).collect();
        for length in [1, 3, 1_000, 100_000] {
            let mut pieces = Vec::new();
            for piece in content.chunks(length) {
                gather(&mut pieces, Bytes::copy_from_slice(piece));
            }
            assert!(pieces.len() <= 40, "{length}: {}", pieces.len());
            assert!(pieces.concat() == content, "{length}");
        }
    }

    #[test]
    fn long_pieces_are_left_alone() {
        let mut pieces = Vec::new();
        let long = Bytes::from(vec![1; SHORT_BYTES_MAX]);
        (0..3).for_each(|_| gather(&mut pieces, long.clone()));
        assert!(pieces.iter().all(|piece| piece.as_ptr() == long.as_ptr()));
    }
}
