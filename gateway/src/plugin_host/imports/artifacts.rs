//! Read access to one artifact and to nothing outside of it.
//!
//! A blob is handed out only where the manifest names it and the repository holds it: content is global, and knowing a digest gives no
//! access to it.

use bytes::Bytes;
use wasmtime::component::Resource;

use super::{Answered, error, shown};
use crate::{
    oci::{self, Digest, Reference},
    plugin_host::{
        bindings::portolan::plugin::{
            artifacts,
            types::{Descriptor, Pairs},
        },
        resources::{ArtifactHandle, BlobHandle},
        state::{State, storage_fault},
    },
    registry::RegistryError,
};

/// The most bytes that one read returns.
const READ_BYTES_MAX: u64 = 1 << 20;
/// How much is read ahead of small reads: less costs a call of the storage too often, more is read in vain where a guest seeks.
const AHEAD_BYTES: u64 = 128 << 10;
/// How many levels can be opened below the artifact that was handed in.
const DEPTH_MAX: u8 = 8;

impl artifacts::Host for State {}

impl artifacts::HostBlob for State {
    fn size(&mut self, blob: Resource<BlobHandle>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&blob)?.blob.size)
    }

    fn digest(&mut self, blob: Resource<BlobHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&blob)?.blob.digest.to_string())
    }

    fn read(&mut self, blob: Resource<BlobHandle>, offset: u64, length: u32) -> wasmtime::Result<Vec<u8>> {
        self.clock.check()?;
        let handle = self.table.get(&blob)?;
        let end = offset
            .saturating_add(u64::from(length).min(READ_BYTES_MAX))
            .min(handle.blob.size);
        if offset >= end {
            return Ok(Vec::new());
        }
        if let Some(bytes) = held(&handle.ahead, offset, end) {
            return Ok(bytes);
        }
        let until = end.max(offset.saturating_add(AHEAD_BYTES).min(handle.blob.size));
        let source = handle.blob.clone();
        let bytes = self.wait(source.read_at(offset..until))?;
        let wanted = usize::try_from(end - offset).unwrap_or(usize::MAX);
        let Some(read) = bytes.get(..wanted).map(<[u8]>::to_vec) else {
            tracing::error!(digest = %source.digest, "a blob is shorter than the metadata says");
            return Err(super::super::state::Fault::Storage.into());
        };
        self.table.get_mut(&blob)?.ahead = (offset, bytes);
        Ok(read)
    }

    fn drop(&mut self, blob: Resource<BlobHandle>) -> wasmtime::Result<()> {
        self.table.delete(blob)?;
        Ok(())
    }
}

/// Returns a range from what was read ahead, where all of it is there.
fn held((begin, bytes): &(u64, Bytes), start: u64, end: u64) -> Option<Vec<u8>> {
    let from = usize::try_from(start.checked_sub(*begin)?).ok()?;
    let to = usize::try_from(end.checked_sub(*begin)?).ok()?;
    bytes.get(from..to).map(<[u8]>::to_vec)
}

impl artifacts::HostArtifact for State {
    fn digest(&mut self, artifact: Resource<ArtifactHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&artifact)?.artifact.digest.to_string())
    }

    fn media_type(&mut self, artifact: Resource<ArtifactHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&artifact)?.artifact.manifest.media_type.to_string())
    }

    fn artifact_type(&mut self, artifact: Resource<ArtifactHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&artifact)?.artifact_type.to_string())
    }

    fn manifest_bytes(&mut self, artifact: Resource<ArtifactHandle>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.table.get(&artifact)?.artifact.bytes.to_vec())
    }

    fn config(&mut self, artifact: Resource<ArtifactHandle>) -> wasmtime::Result<Option<Descriptor>> {
        Ok(self.table.get(&artifact)?.artifact.manifest.config.as_ref().map(descriptor))
    }

    fn layers(&mut self, artifact: Resource<ArtifactHandle>) -> wasmtime::Result<Vec<Descriptor>> {
        Ok(self
            .table
            .get(&artifact)?
            .artifact
            .manifest
            .layers
            .iter()
            .map(descriptor)
            .collect())
    }

    fn children(&mut self, artifact: Resource<ArtifactHandle>) -> wasmtime::Result<Vec<Descriptor>> {
        Ok(self
            .table
            .get(&artifact)?
            .artifact
            .manifest
            .manifests
            .iter()
            .map(descriptor)
            .collect())
    }

    fn annotations(&mut self, artifact: Resource<ArtifactHandle>) -> wasmtime::Result<Pairs> {
        let annotations = &self.table.get(&artifact)?.artifact.manifest.annotations;
        Ok(annotations
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect())
    }

    fn subject(&mut self, artifact: Resource<ArtifactHandle>) -> wasmtime::Result<Option<Descriptor>> {
        Ok(self.table.get(&artifact)?.artifact.manifest.subject.as_ref().map(descriptor))
    }

    fn open(&mut self, artifact: Resource<ArtifactHandle>, digest: String) -> Answered<Resource<BlobHandle>> {
        self.clock.check()?;
        let handle = self.table.get(&artifact)?;
        if handle.sealed {
            return Ok(Err(error("denied", "Blobs cannot be opened here.")));
        }
        let artifact = &handle.artifact;
        let named = digest
            .parse::<Digest>()
            .ok()
            .filter(|digest| artifact.manifest.blobs().any(|blob| blob.digest == *digest));
        let Some(digest) = named else {
            return Ok(Err(error(
                "not-found",
                format!("The manifest names no blob {}.", shown(&digest)),
            )));
        };
        match self.wait_for(handle.reader.blob(&artifact.repository, &digest))? {
            Ok(blob) => Ok(Ok(self.table.push(BlobHandle::new(blob))?)),
            Err(RegistryError::BlobUnknown(..)) => {
                self.reads.unsettled = true;
                Ok(Err(error("absent", format!("The repository does not hold {digest}."))))
            }
            Err(error) => Err(storage_fault(&error).into()),
        }
    }

    fn open_child(&mut self, artifact: Resource<ArtifactHandle>, digest: String) -> Answered<Resource<ArtifactHandle>> {
        self.clock.check()?;
        let handle = self.table.get(&artifact)?;
        if handle.sealed {
            return Ok(Err(error("denied", "Manifests cannot be opened here.")));
        }
        let parent = &handle.artifact;
        let named = digest.parse::<Digest>().ok();
        let named = named.filter(|digest| parent.manifest.children().any(|child| child.digest == *digest));
        let Some(digest) = named else {
            return Ok(Err(error(
                "not-found",
                format!("The index names no manifest {}.", shown(&digest)),
            )));
        };
        if handle.depth >= DEPTH_MAX {
            return Ok(Err(error(
                "limit",
                format!("At most {DEPTH_MAX} levels can be opened below an artifact."),
            )));
        }
        let opened = self.wait_for(handle.reader.open(&parent.repository, &Reference::Digest(digest.clone())))?;
        // Whether what a child names is there is not checked when a result is taken from the cache.
        self.reads.unsettled = true;
        match opened {
            Ok(artifact) => {
                let artifact_type = artifact.manifest.types().next().unwrap_or_default().into();
                let child = ArtifactHandle {
                    artifact,
                    artifact_type,
                    depth: handle.depth + 1,
                    ..handle.clone()
                };
                Ok(Ok(self.table.push(child)?))
            }
            Err(RegistryError::ManifestUnknown(..)) => {
                Ok(Err(error("absent", format!("The repository does not hold {digest}."))))
            }
            Err(fault @ RegistryError::Unreadable { .. }) => Ok(Err(error("invalid", fault.to_string()))),
            Err(error) => Err(storage_fault(&error).into()),
        }
    }

    fn drop(&mut self, artifact: Resource<ArtifactHandle>) -> wasmtime::Result<()> {
        self.table.delete(artifact)?;
        Ok(())
    }
}

fn descriptor(descriptor: &oci::Descriptor) -> Descriptor {
    Descriptor {
        media_type: descriptor.media_type.clone(),
        digest: descriptor.digest.to_string(),
        size: descriptor.size,
        artifact_type: descriptor.artifact_type.clone(),
        annotations: descriptor
            .annotations
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        properties: descriptor.other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ahead_are_used_only_where_they_hold_everything() {
        let ahead = (10, Bytes::from_static(b"0123456789"));
        assert_eq!(held(&ahead, 10, 20).unwrap(), b"0123456789");
        assert_eq!(held(&ahead, 12, 14).unwrap(), b"23");
        for (start, end) in [(9, 12), (19, 21), (20, 22), (0, 5)] {
            assert_eq!(held(&ahead, start, end), None, "{start}..{end}");
        }
    }
}
