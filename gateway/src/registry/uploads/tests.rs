//! Sessions whose clients go away, come twice, or come after a crash, over a disk that pauses where the test wants it.

mod bodies;
mod faults;
mod going;
mod pairs;

use std::{collections::BTreeSet, path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tempfile::TempDir;

use super::*;
use crate::{
    auth::Grants,
    metadata::Metadata,
    registry::{Config, NoHooks},
    storage::Slow,
};

/// What every session here is on its way to.
const WHOLE: &[u8] = b"What a client sends, first and last.";

/// How many bytes of it an open session holds.
const HELD: usize = 11;

fn rest() -> &'static [u8] {
    &WHOLE[HELD..]
}

/// A registry over a slow disk.
struct World {
    folder: TempDir,
    disk: Slow,
    registry: Registry,
}

impl World {
    async fn begin(config: Config) -> Self {
        let folder = Slow::folder();
        let disk = Slow::new();
        let registry = open(folder.path(), &disk, config).await;
        Self { folder, disk, registry }
    }

    /// Ends the registry and opens it again, as after a restart.
    async fn restart(&mut self) {
        let config = self.registry.config().clone();
        self.registry.end().await;
        self.registry = open(self.folder.path(), &self.disk, config).await;
    }

    /// Opens a session that holds so many bytes of the whole.
    async fn session(&self, bytes: usize) -> String {
        let id = self
            .registry
            .begin_upload(&caller(), &repository(), Algorithm::Sha256)
            .await
            .unwrap()
            .id;
        if bytes > 0 {
            let state = self.append(&id, Some(0), &WHOLE[..bytes]).await.unwrap();
            assert_eq!(state.offset, bytes as u64);
        }
        id
    }

    async fn append(&self, id: &str, start: Option<u64>, bytes: &'static [u8]) -> Result<UploadState, RegistryError> {
        self.registry.append(&caller(), &repository(), id, chunk(start, bytes)).await
    }

    async fn finish(&self, id: &str, digest: &Digest, start: Option<u64>, bytes: &'static [u8]) -> Result<(), RegistryError> {
        self.registry
            .finish(&caller(), &repository(), id, digest, chunk(start, bytes))
            .await
    }

    async fn state(&self, id: &str) -> Result<u64, RegistryError> {
        let state = self.registry.upload_state(&caller(), &repository(), id).await;
        state.map(|state| state.offset)
    }

    async fn holds(&self, digest: &Digest) -> bool {
        self.registry.metadata().blob(&repository(), digest).await.unwrap().is_some()
    }

    /// Returns the uploads that take space.
    fn uploads(&self) -> BTreeSet<String> {
        let names = |folder: &str| names(&self.folder.path().join("data").join(folder));
        names("uploads").chain(names("incoming")).collect()
    }

    /// Returns the content that is there, and checks that each file is what its name says.
    fn content(&self) -> BTreeSet<Digest> {
        self.contents().into_iter().collect()
    }

    /// Returns how many files hold content.
    fn files(&self) -> usize {
        self.contents().len()
    }

    fn contents(&self) -> Vec<Digest> {
        let blobs = self.folder.path().join("data/blobs");
        let mut found = Vec::new();
        for algorithm in names(&blobs) {
            for folder in names(&blobs.join(&algorithm)) {
                for name in names(&blobs.join(&algorithm).join(&folder)) {
                    let bytes = std::fs::read(blobs.join(&algorithm).join(&folder).join(&name)).unwrap();
                    let digest = Digest::of(algorithm.parse().unwrap(), &bytes);
                    let (hex, _) = name.split_once('.').unwrap();
                    assert_eq!(digest.hex(), hex, "content is not what its name says: {bytes:?}");
                    found.push(digest);
                }
            }
        }
        found
    }
}

async fn open(folder: &Path, disk: &Slow, config: Config) -> Registry {
    let storage = disk.open(&folder.join("data")).unwrap();
    let metadata = Metadata::open(&folder.join("metadata")).unwrap();
    let registry = Registry::new(config, Arc::new(storage), metadata, Arc::new(NoHooks));
    registry.recover_uploads().await.unwrap();
    registry
}

fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let names = std::fs::read_dir(folder).into_iter().flatten();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap())
}

fn caller() -> Caller {
    Caller::anonymous(Grants::all())
}

fn repository() -> Repository {
    "team/a".parse().unwrap()
}

/// A chunk that does not say how long it is, so that it is written in parts.
fn chunk(start: Option<u64>, bytes: &'static [u8]) -> Chunk {
    let pieces = bytes.chunks(7).map(|piece| Ok(Bytes::from_static(piece)));
    Chunk {
        start,
        length: None,
        body: stream::iter(pieces.collect::<Vec<_>>()).boxed(),
    }
}

fn whole() -> Digest {
    Digest::sha256(WHOLE)
}

fn is_unknown<T>(result: &Result<T, RegistryError>) -> bool {
    matches!(result, Err(RegistryError::UploadUnknown(_)))
}
