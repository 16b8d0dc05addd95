//! Manifests: what a pushed document says about itself, read once and without trusting it.
//!
//! The bytes stay what they were; nothing here is ever written back. Unknown members are allowed everywhere, as the image
//! specification demands, and are handed to plugins as the text that they came as. What is kept of a manifest takes a few times its
//! size: its texts once, below 400 bytes for each of its descriptors and below 200 for each of its annotations, both of which are limited
//! in number.

mod read;
mod strict;

use std::collections::BTreeMap;

use self::{read::Document, strict::Counts};
use super::{Digest, MediaType, media_types as types};

/// The longest list of candidates for dispatch that is kept of one manifest. Real artifacts have fewer than ten.
pub const MANIFEST_CANDIDATES_MAX: usize = 64;
/// The most descriptors one manifest may name. At 4 MiB a manifest has room for about 20 000 of the shortest.
const DESCRIPTORS_MAX: usize = 20_000;
/// The most annotations of a manifest and all its descriptors together. 20 000 descriptors leave room for three each at 4 MiB.
const ANNOTATIONS_MAX: usize = 60_000;
/// The manifest types that are stored.
const KNOWN_TYPES: [&str; 4] = [
    types::OCI_MANIFEST,
    types::OCI_INDEX,
    types::DOCKER_MANIFEST,
    types::DOCKER_LIST,
];
/// The annotation in which tools from before `artifactType` give the type.
const ARTIFACT_TYPE_ANNOTATION: &str = "org.opencontainers.artifactType";

/// Why a document is no manifest that the registry stores.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The document is not JSON of the expected form.
    #[error("the manifest cannot be read: {0}")]
    Json(String),
    /// Neither the request nor the document says what it is.
    #[error("the manifest has no media type: send it as Content-Type")]
    MediaTypeMissing,
    /// The request and the document disagree.
    #[error("Content-Type is {header} but the manifest's mediaType is {body}; they must be the same")]
    MediaTypeDiffers {
        /// What the request says.
        header: String,
        /// What the document says.
        body: String,
    },
    /// The type is obsolete.
    #[error(
        "Docker schema 1 manifests are obsolete and not accepted; push the image as {}",
        types::OCI_MANIFEST
    )]
    Schema1,
    /// The type is not that of a manifest.
    #[error("{0} is not a manifest type; use {known}", known = KNOWN_TYPES.join(" or "))]
    MediaType(String),
    /// The document is an image manifest and an index at once.
    #[error("the manifest has both \"layers\" and \"manifests\"; it can be an image manifest or an index, not both")]
    Confused,
    /// The document has the members of the other kind.
    #[error("a manifest of type {0} must not have {1:?}")]
    WrongKind(String, &'static str),
    /// The schema version is not 2.
    #[error("schemaVersion must be 2")]
    SchemaVersion,
    /// An image manifest names no config.
    #[error(
        "an image manifest must have a config; use {} with 2 bytes {{}} where there is none",
        types::EMPTY
    )]
    ConfigMissing,
    /// There are too many descriptors.
    #[error("the manifest names {0} descriptors; at most {DESCRIPTORS_MAX} are allowed")]
    Descriptors(usize),
    /// There are too many annotations.
    #[error("the manifest and its descriptors have {0} annotations; at most {ANNOTATIONS_MAX} are allowed")]
    Annotations(usize),
}

/// Content that a manifest names.
#[derive(Debug, Clone, PartialEq)]
pub struct Descriptor {
    /// The media type of the content.
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes.
    pub size: u64,
    /// The artifact type, where the descriptor gives one.
    pub artifact_type: Option<String>,
    /// The annotations.
    pub annotations: BTreeMap<String, String>,
    /// Every other member: `platform`, `urls`, `data` and whatever the specification will add, as the text of a JSON object. Empty where
    /// there is none.
    pub other: String,
}

/// The two kinds of manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestKind {
    /// Names a config and layers.
    Image,
    /// Names other manifests, and sometimes blobs.
    Index,
}

/// A manifest that was read and found sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Which kind it is.
    pub kind: ManifestKind,
    /// The media type under which it was pushed.
    pub media_type: MediaType,
    /// The artifact type that the document gives.
    pub artifact_type: Option<String>,
    /// The config of an image manifest.
    pub config: Option<Descriptor>,
    /// The layers of an image manifest.
    pub layers: Vec<Descriptor>,
    /// What an index names: manifests, and blobs where the media type is none of a manifest.
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one refers to.
    pub subject: Option<Descriptor>,
    /// The annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads a manifest that is pushed.
    ///
    /// `content_type` is the header of the push; where it is absent, the document's own `mediaType` counts.
    ///
    /// # Errors
    /// Says what is wrong with the document, in words for the person who pushed it.
    pub fn parse(content_type: Option<&str>, bytes: &[u8]) -> Result<Self, ManifestError> {
        let header = content_type
            .map(str::parse::<MediaType>)
            .transpose()
            .map_err(ManifestError::Json)?;
        if header
            .as_ref()
            .is_some_and(|header| matches!(header.as_str(), types::DOCKER_SCHEMA1 | types::DOCKER_SCHEMA1_SIGNED))
        {
            return Err(ManifestError::Schema1);
        }
        let text = text_of(bytes)?;
        let Counts {
            descriptors,
            annotations,
        } = strict::look(text).map_err(unreadable)?;
        if descriptors > DESCRIPTORS_MAX {
            return Err(ManifestError::Descriptors(descriptors));
        }
        if annotations > ANNOTATIONS_MAX {
            return Err(ManifestError::Annotations(annotations));
        }
        Self::read(header, text)
    }

    /// Reads a manifest that was stored under its type when the rules of [`Manifest::parse`] may have been laxer: what it says is taken
    /// as it was then, though other readers may take it differently.
    ///
    /// # Errors
    /// Says why the document is no manifest.
    pub fn stored(media_type: &MediaType, bytes: &[u8]) -> Result<Self, ManifestError> {
        Self::read(Some(media_type.clone()), text_of(bytes)?)
    }

    fn read(header: Option<MediaType>, text: &str) -> Result<Self, ManifestError> {
        // An array of the members' values in order would do for the reader, but for no other.
        if !text.trim_start().starts_with('{') {
            serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(unreadable)?;
            return Err(ManifestError::Json("it is not a JSON object".into()));
        }
        let document: Document = serde_json::from_str(text).map_err(unreadable)?;
        let media_type = agree(header, document.media_type.as_deref())?;
        let kind = document.kind(&media_type)?;
        if kind == ManifestKind::Image && document.config.is_none() {
            return Err(ManifestError::ConfigMissing);
        }
        Ok(Self {
            kind,
            media_type,
            artifact_type: document.artifact_type.filter(|kind| !kind.is_empty()),
            config: document.config,
            layers: document.layers.unwrap_or_default(),
            manifests: document.manifests.unwrap_or_default(),
            subject: document.subject,
            annotations: document.annotations.unwrap_or_default().0,
        })
    }

    /// Returns what is fetched as blobs: the config, the layers, and what an index names that is no manifest, as exported build caches do.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let children = self.manifests.iter().filter(|child| !child.is_manifest());
        self.config.iter().chain(&self.layers).chain(children)
    }

    /// Returns the manifests of an index.
    pub fn children(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifests.iter().filter(|child| child.is_manifest())
    }

    /// Returns the type under which referrers are listed and filtered: the artifact type, else the config's media type
    /// (distribution specification, "Listing Referrers").
    #[must_use]
    pub fn referrer_type(&self) -> Option<&str> {
        self.artifact_type.as_deref().or_else(|| self.config_type())
    }

    /// Returns the types that decide which plugin owns the artifact, the strongest first and each once. They are kept with it, for plugins
    /// that come later.
    ///
    /// The order: `artifactType`; the config's media type, unless it is empty or a plain container image's; the annotation
    /// `org.opencontainers.artifactType`; the layers' media types; the keys of annotations, of the manifest and then of its
    /// descriptors, as far as there is room; last, a plain image's config type, and the type of the manifest itself.
    #[must_use]
    pub fn candidates(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for candidate in self.special_types() {
            if found.len() == MANIFEST_CANDIDATES_MAX - 2 {
                break;
            }
            if !found.contains(&candidate) {
                found.push(candidate);
            }
        }
        for candidate in self.plain_types() {
            if !found.contains(&candidate) {
                found.push(candidate);
            }
        }
        found
    }

    /// Returns every type by which a plugin or a client may tell what the artifact is: the candidates, then those for which there was no
    /// room. Some occur several times.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.candidates().into_iter().chain(self.special_types())
    }

    fn special_types(&self) -> impl Iterator<Item = &str> {
        let descriptors = self.config.iter().chain(&self.layers).chain(&self.manifests);
        (self.artifact_type.as_deref().into_iter())
            .chain(self.config_type().filter(|kind| !is_plain(kind)))
            .chain(self.annotations.get(ARTIFACT_TYPE_ANNOTATION).map(String::as_str))
            .chain(self.layers.iter().map(|layer| layer.media_type.as_str()))
            .chain(self.annotations.keys().map(String::as_str))
            .chain(descriptors.flat_map(|descriptor| descriptor.annotations.keys().map(String::as_str)))
            .filter(|kind| !kind.is_empty())
    }

    /// At most two.
    fn plain_types(&self) -> impl Iterator<Item = &str> {
        let config = self.config_type().filter(|kind| is_plain(kind) && *kind != types::EMPTY);
        config.into_iter().chain([self.media_type.as_str()])
    }

    fn config_type(&self) -> Option<&str> {
        self.config.as_ref().map(|config| config.media_type.as_str())
    }
}

/// Says whether a config of this type says nothing about what the artifact is for.
fn is_plain(kind: &str) -> bool {
    matches!(kind, types::EMPTY | types::OCI_CONFIG | types::DOCKER_CONFIG)
}

impl Descriptor {
    /// Says whether it names a manifest, which is pushed and fetched as one, and not a blob.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        types::is_manifest(&self.media_type)
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, ManifestError> {
    std::str::from_utf8(bytes).map_err(|error| ManifestError::Json(format!("it is not UTF-8: {error}")))
}

#[expect(clippy::needless_pass_by_value, reason = "it stands behind `map_err`")]
fn unreadable(error: serde_json::Error) -> ManifestError {
    ManifestError::Json(error.to_string())
}

/// Settles the media type between the request and the document.
fn agree(header: Option<MediaType>, body: Option<&str>) -> Result<MediaType, ManifestError> {
    match (header, body.filter(|body| !body.is_empty())) {
        (Some(header), Some(body)) if header.as_str() != body => Err(ManifestError::MediaTypeDiffers {
            header: header.to_string(),
            body: body.chars().take(200).collect(),
        }),
        (Some(header), _) => Ok(header),
        (None, Some(body)) => body.parse().map_err(ManifestError::Json),
        (None, None) => Err(ManifestError::MediaTypeMissing),
    }
}

impl Document {
    fn kind(&self, media_type: &MediaType) -> Result<ManifestKind, ManifestError> {
        let kind = match media_type.as_str() {
            types::OCI_MANIFEST | types::DOCKER_MANIFEST => ManifestKind::Image,
            types::OCI_INDEX | types::DOCKER_LIST => ManifestKind::Index,
            types::DOCKER_SCHEMA1 | types::DOCKER_SCHEMA1_SIGNED => return Err(ManifestError::Schema1),
            other => return Err(ManifestError::MediaType(other.into())),
        };
        if self.schema_version != Some(2) {
            return Err(ManifestError::SchemaVersion);
        }
        match (kind, &self.layers, &self.manifests) {
            (_, Some(_), Some(_)) => Err(ManifestError::Confused),
            (ManifestKind::Image, _, Some(_)) => Err(ManifestError::WrongKind(media_type.to_string(), "manifests")),
            (ManifestKind::Index, Some(_), _) => Err(ManifestError::WrongKind(media_type.to_string(), "layers")),
            _ => Ok(kind),
        }
    }
}

/// Returns the tag under which clients without the referrers API list what refers to a digest (distribution specification,
/// "Referrers Tag Schema").
#[must_use]
pub fn referrers_tag(digest: &Digest) -> String {
    let encoded: String = digest.hex().chars().take(64).collect();
    format!("{}-{encoded}", digest.algorithm().as_str())
}

#[cfg(test)]
mod tests;
