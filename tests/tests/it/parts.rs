//! The registry over a storage that wants parts of a least size, as object stores do.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use portolan::{
    auth::{Caller, Grants},
    metadata::Metadata,
    oci::{Algorithm, Digest, Repository},
    registry::{BodyError, Chunk, Config, NoHooks, Registry, RegistryError},
    storage::MemoryStorage,
};

/// More than the registry gathers by itself before it writes.
const PART_BYTES_MIN: usize = 5 << 20;

fn open(metadata: &Path, storage: &MemoryStorage) -> Registry {
    Registry::new(
        Config::default(),
        Arc::new(storage.clone()),
        Metadata::open(metadata).unwrap(),
        Arc::new(NoHooks),
    )
}

fn caller() -> Caller {
    Caller::anonymous(Grants::all())
}

fn repository() -> Repository {
    "a".parse().unwrap()
}

/// Returns a chunk that comes in pieces, and breaks off where it does not say how long it is.
fn chunk(bytes: &Bytes, breaks_off: bool) -> Chunk {
    let pieces: Vec<_> = bytes.chunks(100_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let end = breaks_off.then(|| Err(BodyError::Broken("the connection was closed".to_owned())));
    Chunk {
        start: None,
        length: None,
        body: stream::iter(pieces.into_iter().chain(end)).boxed(),
    }
}

fn bytes(seed: usize, length: usize) -> Bytes {
    (0..length).map(|at| (at.wrapping_mul(seed + 3) >> 3) as u8).collect()
}

async fn content(registry: &Registry, digest: &Digest) -> Bytes {
    let blob = registry.reader(caller()).blob(&repository(), digest).await.unwrap();
    let pieces: Vec<Bytes> = blob.stream(0..blob.size).await.unwrap().try_collect().await.unwrap();
    pieces.concat().into()
}

/// Chunks of any length become parts of the least size, whatever was acknowledged in between, and the gateway may stop after any of them.
#[tokio::test]
async fn chunks_of_any_length_become_parts_of_the_least_size() {
    for restarts in [false, true] {
        let (folder, storage) = (tempfile::tempdir().unwrap(), MemoryStorage::new(PART_BYTES_MIN));
        let mut registry = open(folder.path(), &storage);
        let upload = registry
            .begin_upload(&caller(), &repository(), Algorithm::Sha256)
            .await
            .unwrap()
            .id;
        let mut whole = Vec::new();
        for (seed, length) in [10, 3_000_000, 1, 2_500_000, 0, 11_000_000, 200_000].into_iter().enumerate() {
            let sent = bytes(seed, length);
            let state = registry
                .append(&caller(), &repository(), &upload, chunk(&sent, false))
                .await
                .unwrap();
            whole.extend_from_slice(&sent);
            assert_eq!(state.offset, whole.len() as u64);
            if restarts {
                drop(registry);
                registry = open(folder.path(), &storage);
                let state = registry.upload_state(&caller(), &repository(), &upload).await.unwrap();
                assert_eq!(state.offset, whole.len() as u64);
            }
        }
        let last = bytes(99, 4_000_000);
        whole.extend_from_slice(&last);
        let digest = Digest::sha256(&whole);
        registry
            .finish(&caller(), &repository(), &upload, &digest, chunk(&last, false))
            .await
            .unwrap();
        assert!(content(&registry, &digest).await == whole);
    }
}

/// What arrived before a connection broke is acknowledged when the client asks, and what is refused leaves the upload as it was.
#[tokio::test]
async fn what_breaks_off_or_is_refused_can_go_on() {
    let (folder, storage) = (tempfile::tempdir().unwrap(), MemoryStorage::new(PART_BYTES_MIN));
    let registry = open(folder.path(), &storage);
    let upload = registry
        .begin_upload(&caller(), &repository(), Algorithm::Sha256)
        .await
        .unwrap()
        .id;
    let (first, wrong, last) = (bytes(1, 6_000_000), bytes(2, 7_000_000), bytes(3, 8_000_000));
    let broken = registry.append(&caller(), &repository(), &upload, chunk(&first, true)).await;
    assert!(matches!(broken, Err(RegistryError::BodyBroken(_))));
    assert_eq!(
        registry.upload_state(&caller(), &repository(), &upload).await.unwrap().offset,
        first.len() as u64
    );
    let digest = Digest::sha256(&[first.as_ref(), &last].concat());
    let refused = registry
        .finish(&caller(), &repository(), &upload, &digest, chunk(&wrong, false))
        .await;
    assert!(matches!(refused, Err(RegistryError::DigestMismatch { .. })));
    registry
        .finish(&caller(), &repository(), &upload, &digest, chunk(&last, false))
        .await
        .unwrap();
    assert!(content(&registry, &digest).await == [first.as_ref(), &last].concat());
}
