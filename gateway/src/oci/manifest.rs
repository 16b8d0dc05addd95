//! Manifests: what a pushed document says about itself, read once and without trusting it.
//!
//! The bytes stay what they were; nothing here is ever written back. Unknown members are allowed everywhere, as the image
//! specification demands, and are handed to plugins as they came.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::{Digest, MediaType, json::NoDuplicates, media_types as types};

/// The longest list of candidates for dispatch that is kept of one manifest. Real artifacts have fewer than ten.
pub const MANIFEST_CANDIDATES_MAX: usize = 64;
/// The most descriptors one manifest may name. At 4 MiB a manifest has room for about 20 000 of the shortest.
const DESCRIPTORS_MAX: usize = 20_000;
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
}

/// Content that a manifest names.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the content.
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes.
    pub size: u64,
    /// The artifact type, where the descriptor gives one.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// The annotations.
    #[serde(default, deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
    /// Every other member: `platform`, `urls`, `data` and whatever the specification will add.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

/// The two kinds of manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestKind {
    /// Names a config and layers.
    Image,
    /// Names other manifests.
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
    /// The manifests of an index.
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one refers to.
    pub subject: Option<Descriptor>,
    /// The annotations.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u32>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    #[serde(default, deserialize_with = "null_as_default")]
    annotations: BTreeMap<String, String>,
}

/// Reads `null` as the default: some tools write `"annotations": null`.
fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// `content_type` is the header of the push or the stored type; where it is absent, the document's own `mediaType` counts.
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
        let text = std::str::from_utf8(bytes).map_err(|error| ManifestError::Json(format!("it is not UTF-8: {error}")))?;
        serde_json::from_str::<NoDuplicates>(text).map_err(|error| ManifestError::Json(error.to_string()))?;
        let document: Document = serde_json::from_str(text).map_err(|error| ManifestError::Json(error.to_string()))?;
        let media_type = agree(header, document.media_type.as_deref())?;
        let kind = document.kind(&media_type)?;
        if kind == ManifestKind::Image && document.config.is_none() {
            return Err(ManifestError::ConfigMissing);
        }
        let manifest = Self {
            kind,
            media_type,
            artifact_type: document.artifact_type.filter(|kind| !kind.is_empty()),
            config: document.config,
            layers: document.layers.unwrap_or_default(),
            manifests: document.manifests.unwrap_or_default(),
            subject: document.subject,
            annotations: document.annotations,
        };
        match manifest.layers.len() + manifest.manifests.len() {
            count if count > DESCRIPTORS_MAX => Err(ManifestError::Descriptors(count)),
            _ => Ok(manifest),
        }
    }

    /// Returns the config and the layers: what is fetched as blobs.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(&self.layers)
    }

    /// Returns the type under which referrers are listed and filtered: the artifact type, else the config's media type
    /// (distribution specification, "Listing Referrers").
    #[must_use]
    pub fn referrer_type(&self) -> Option<&str> {
        self.artifact_type
            .as_deref()
            .or_else(|| self.config.as_ref().map(|config| config.media_type.as_str()))
    }

    /// Returns the types that may decide which plugin is asked, the strongest first and each once.
    ///
    /// The order: `artifactType`; the config's media type, unless it is empty or a plain container image's; the annotation
    /// `org.opencontainers.artifactType`; the layers' media types; the keys of annotations, of the manifest and then of its
    /// descriptors; last, a plain image's config type, and the type of the manifest itself.
    #[must_use]
    pub fn candidates(&self) -> Vec<&str> {
        let config = self.config.as_ref().map(|config| config.media_type.as_str());
        let plain = |kind: &str| matches!(kind, types::EMPTY | types::OCI_CONFIG | types::DOCKER_CONFIG);
        let descriptors = || self.blobs().chain(&self.manifests);
        let all = (self.artifact_type.as_deref().into_iter())
            .chain(config.filter(|kind| !plain(kind)))
            .chain(self.annotations.get(ARTIFACT_TYPE_ANNOTATION).map(String::as_str))
            .chain(self.layers.iter().map(|layer| layer.media_type.as_str()))
            .chain(self.annotations.keys().map(String::as_str))
            .chain(descriptors().flat_map(|descriptor| descriptor.annotations.keys().map(String::as_str)));
        let last = config
            .filter(|kind| plain(kind) && *kind != types::EMPTY)
            .into_iter()
            .chain([self.media_type.as_str()]);
        let mut found: Vec<&str> = Vec::new();
        for (candidates, room) in [
            (Box::new(all) as Box<dyn Iterator<Item = &str>>, MANIFEST_CANDIDATES_MAX - 2),
            (Box::new(last), MANIFEST_CANDIDATES_MAX),
        ] {
            for candidate in candidates {
                if found.len() < room && !candidate.is_empty() && !found.contains(&candidate) {
                    found.push(candidate);
                }
            }
        }
        found
    }
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
mod tests {
    use super::*;

    fn digest() -> Digest {
        Digest::sha256(b"")
    }

    fn parse(content_type: Option<&str>, json: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse(content_type, json.replace("$D", digest().as_str()).as_bytes())
    }

    #[test]
    fn refuses_what_can_be_read_in_two_ways() {
        let config = r#""config":{"mediaType":"a/b","digest":"$D","size":0}"#;
        let oci = Some(types::OCI_MANIFEST);
        let check = |content_type, json: &str, expected: &str| {
            let error = parse(content_type, json).expect_err(json).to_string();
            assert!(error.contains(expected), "{json}: {error}");
        };
        check(
            oci,
            &format!(r#"{{"schemaVersion":2,"mediaType":"{}",{config}}}"#, types::OCI_INDEX),
            "must be the same",
        );
        check(
            oci,
            &format!(r#"{{"schemaVersion":2,{config},"layers":[],"manifests":[]}}"#),
            "both",
        );
        check(
            oci,
            &format!(r#"{{"schemaVersion":2,{config},"manifests":[]}}"#),
            "must not have",
        );
        check(Some(types::OCI_INDEX), r#"{"schemaVersion":2,"layers":[]}"#, "must not have");
        check(oci, &format!(r#"{{"schemaVersion":2,{config},{config}}}"#), "twice");
        check(
            oci,
            &format!(r#"{{"schemaVersion":2,{config},"x":{{"a":1,"a":2}}}}"#),
            "twice",
        );
        check(oci, r#"{"schemaVersion":2}"#, "must have a config");
        check(oci, r#"{"schemaVersion":1}"#, "schemaVersion");
        check(oci, &"[".repeat(1000), "recursion");
        check(None, "{}", "no media type");
        check(Some(types::DOCKER_SCHEMA1_SIGNED), "{}", "obsolete");
        check(Some("text/plain"), r#"{"schemaVersion":2}"#, "not a manifest type");
        assert!(Manifest::parse(oci, b"\xff").unwrap_err().to_string().contains("UTF-8"));
    }

    #[test]
    fn accepts_what_tools_really_write() {
        let config = r#""config":{"mediaType":"application/x+json","digest":"$D","size":0}"#;
        let manifest = parse(
            Some(types::OCI_MANIFEST),
            &format!(r#"{{"schemaVersion":2,{config},"layers":null,"annotations":null,"new":[1]}}"#),
        )
        .unwrap();
        assert_eq!((manifest.layers.len(), manifest.kind), (0, ManifestKind::Image));
        assert!(parse(Some(types::OCI_INDEX), r#"{"schemaVersion":2,"manifests":[]}"#).is_ok());
    }

    #[test]
    fn candidates_come_in_the_order_of_their_strength() {
        let manifest = parse(
            Some(types::OCI_MANIFEST),
            r#"{"schemaVersion":2,"artifactType":"a/1","config":{"mediaType":"a/2","digest":"$D","size":0},
               "layers":[{"mediaType":"a/4","digest":"$D","size":0,"annotations":{"k.layer":""}},{"mediaType":"a/4","digest":"$D","size":0}],
               "annotations":{"org.opencontainers.artifactType":"a/3","k.manifest":""}}"#,
        );
        let manifest = manifest.unwrap();
        let expected = [
            "a/1",
            "a/2",
            "a/3",
            "a/4",
            "k.manifest",
            "org.opencontainers.artifactType",
            "k.layer",
            types::OCI_MANIFEST,
        ];
        assert_eq!(manifest.candidates(), expected);
        let image = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"$D","size":0}},"layers":[]}}"#,
            types::OCI_CONFIG
        );
        assert_eq!(
            parse(Some(types::OCI_MANIFEST), &image).unwrap().candidates(),
            [types::OCI_CONFIG, types::OCI_MANIFEST]
        );
    }
}
