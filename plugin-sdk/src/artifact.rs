//! Read access to one artifact: its manifest, and its blobs in pieces.

use serde_json::Value;

use crate::{
    BlobReader, Error, Properties,
    bindings::{artifacts, types},
    properties,
};

/// Content that a manifest names.
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptor {
    /// The media type of the content.
    pub media_type: String,
    /// The digest of the content, for example `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// The size of the content in bytes.
    pub size: u64,
    /// The artifact type, where the descriptor gives one.
    pub artifact_type: Option<String>,
    /// The annotations of the descriptor, in their order.
    pub annotations: Vec<(String, String)>,
    /// The members that have no field above, `platform`, `urls` and `data` among them.
    pub properties: Properties,
}

impl Descriptor {
    /// Returns a descriptor without annotations.
    pub fn new(media_type: impl Into<String>, digest: impl Into<String>, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest: digest.into(),
            size,
            artifact_type: None,
            annotations: Vec::new(),
            properties: Properties::new(),
        }
    }

    /// Returns the value of an annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the descriptor as a manifest holds it.
    pub fn to_json(&self) -> Value {
        let mut members = Properties::new();
        members.insert("mediaType".into(), self.media_type.clone().into());
        members.insert("digest".into(), self.digest.clone().into());
        members.insert("size".into(), self.size.into());
        if let Some(artifact_type) = &self.artifact_type {
            members.insert("artifactType".into(), artifact_type.clone().into());
        }
        if !self.annotations.is_empty() {
            members.insert("annotations".into(), self.annotations.iter().cloned().collect());
        }
        members.extend(self.properties.clone());
        Value::Object(members)
    }
}

impl From<types::Descriptor> for Descriptor {
    fn from(descriptor: types::Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type,
            digest: descriptor.digest,
            size: descriptor.size,
            artifact_type: descriptor.artifact_type,
            annotations: descriptor.annotations,
            properties: properties::from_text(&descriptor.properties),
        }
    }
}

impl From<Descriptor> for types::Descriptor {
    fn from(descriptor: Descriptor) -> Self {
        let properties = properties::to_text(&descriptor.properties);
        Self {
            media_type: descriptor.media_type,
            digest: descriptor.digest,
            size: descriptor.size,
            artifact_type: descriptor.artifact_type,
            annotations: descriptor.annotations,
            properties,
        }
    }
}

/// One manifest, an image manifest or an index, and what it names. Each method asks the gateway.
#[derive(Debug)]
pub struct Artifact {
    handle: artifacts::Artifact,
}

impl Artifact {
    pub(crate) fn of(handle: artifacts::Artifact) -> Self {
        Self { handle }
    }

    /// Returns the digest of the manifest.
    pub fn digest(&self) -> String {
        self.handle.digest()
    }

    /// Returns the media type of the manifest.
    pub fn media_type(&self) -> String {
        self.handle.media_type()
    }

    /// Returns the artifact type: the claim of this plugin that the artifact met, in full where the claim is a pattern.
    pub fn artifact_type(&self) -> String {
        self.handle.artifact_type()
    }

    /// Returns the manifest byte for byte as it was pushed, at most 4 MiB.
    pub fn manifest_bytes(&self) -> Vec<u8> {
        self.handle.manifest_bytes()
    }

    /// Returns the manifest as a JSON value.
    pub fn manifest_json(&self) -> Result<Value, Error> {
        serde_json::from_slice(&self.manifest_bytes())
            .map_err(|error| Error::new(Error::INVALID, format!("The manifest cannot be read as JSON: {error}.")))
    }

    /// Returns the descriptor of the config. An index has none.
    pub fn config(&self) -> Option<Descriptor> {
        self.handle.config().map(Into::into)
    }

    /// Returns the layers in the order of the manifest. An index has none.
    pub fn layers(&self) -> Vec<Descriptor> {
        self.handle.layers().into_iter().map(Into::into).collect()
    }

    /// Returns what an index names, in its order: manifests, and blobs where the media type is none of a manifest, as in exported build
    /// caches. An image manifest has none.
    pub fn children(&self) -> Vec<Descriptor> {
        self.handle.children().into_iter().map(Into::into).collect()
    }

    /// Returns the annotations of the manifest, in their order.
    pub fn annotations(&self) -> Vec<(String, String)> {
        self.handle.annotations()
    }

    /// Returns the manifest that this one refers to, where it names one. It cannot be opened.
    pub fn subject(&self) -> Option<Descriptor> {
        self.handle.subject().map(Into::into)
    }

    /// Opens the config, a layer, or a blob that an index names, by digest.
    ///
    /// Fails with [`Error::ABSENT`] where the repository does not hold the blob, and with [`Error::NOT_FOUND`] where the manifest
    /// does not name the digest as a blob.
    pub fn open(&self, digest: &str) -> Result<Blob, Error> {
        Ok(Blob::of(self.handle.open(digest)?))
    }

    /// Opens a manifest of an index by digest, at most 8 levels below the artifact that was handed in.
    ///
    /// Fails with [`Error::ABSENT`] where the repository does not hold the child, with [`Error::NOT_FOUND`] where the index does
    /// not name the digest as a manifest, with [`Error::INVALID`] where the child was stored under laxer rules and can be read in more
    /// than one way, and with [`Error::LIMIT`] below the deepest level.
    pub fn open_child(&self, digest: &str) -> Result<Self, Error> {
        Ok(Self::of(self.handle.open_child(digest)?))
    }
}

/// Bytes that the gateway holds. They never change.
#[derive(Debug)]
pub struct Blob {
    handle: artifacts::Blob,
}

impl Blob {
    pub(crate) fn of(handle: artifacts::Blob) -> Self {
        Self { handle }
    }

    pub(crate) fn handle(&self) -> &artifacts::Blob {
        &self.handle
    }

    /// Returns the size in bytes.
    pub fn size(&self) -> u64 {
        self.handle.size()
    }

    /// Returns the digest.
    pub fn digest(&self) -> String {
        self.handle.digest()
    }

    /// Returns at most `length` bytes from `offset` on: fewer where the blob ends or `length` is more than 1 MiB, and none from the
    /// end on.
    pub fn read(&self, offset: u64, length: u32) -> Vec<u8> {
        self.handle.read(offset, length)
    }

    /// Returns a reader that starts at the first byte.
    pub fn reader(&self) -> BlobReader<'_> {
        BlobReader::new(self)
    }

    /// Returns all bytes.
    ///
    /// Fails with [`Error::LIMIT`] where there are more than `bytes_max`, before anything is read.
    pub fn read_all(&self, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let size = self.size();
        let capacity = usize::try_from(size).ok().filter(|_| size <= bytes_max).ok_or_else(|| {
            let message = format!(
                "The blob {} has {size} bytes; at most {bytes_max} can be read here.",
                self.digest()
            );
            Error::new(Error::LIMIT, message)
        })?;
        let mut bytes = Vec::with_capacity(capacity);
        while (bytes.len() as u64) < size {
            let piece = self.read(bytes.len() as u64, BlobReader::PIECE_BYTES);
            if piece.is_empty() {
                break;
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}
