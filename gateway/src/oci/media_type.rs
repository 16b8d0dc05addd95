//! Media types (RFC 6838), and those that the distribution protocol itself gives a meaning.

use std::{fmt, str::FromStr, sync::Arc};

/// The media types that the core knows: manifests, indexes and the configs that say nothing about an artifact's type.
pub mod media_types {
    /// An OCI image manifest.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI image index.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// A Docker image manifest, version 2 schema 2.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// A Docker manifest list.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// A Docker manifest, version 2 schema 1: obsolete, and refused.
    pub const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+json";
    /// The signed form of a Docker manifest, version 2 schema 1: obsolete, and refused.
    pub const DOCKER_SCHEMA1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    /// The config of a container image.
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// The config of a container image, in Docker's words.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// The empty JSON object, the config of artifacts that need none.
    pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

    /// Says whether content of this type is a manifest: pushed, fetched and listed as one, though obsolete ones are refused.
    #[must_use]
    pub fn is_manifest(media_type: &str) -> bool {
        matches!(
            media_type,
            OCI_MANIFEST | OCI_INDEX | DOCKER_MANIFEST | DOCKER_LIST | DOCKER_SCHEMA1 | DOCKER_SCHEMA1_SIGNED
        )
    }

    /// Says whether content of this type may be missing because registries are not meant to distribute it (image specification,
    /// "Non-Distributable Layers", and Docker's foreign layers).
    #[must_use]
    pub fn non_distributable(media_type: &str) -> bool {
        media_type.starts_with("application/vnd.oci.image.layer.nondistributable.")
            || media_type.starts_with("application/vnd.docker.image.rootfs.foreign.")
    }
}

/// The longest media type that is accepted: RFC 6838 limits each of the two names to 127 characters.
const MEDIA_TYPE_BYTES_MAX: usize = 255;

/// A media type without parameters, in the case in which it was pushed. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaType(Arc<str>);

impl MediaType {
    /// Returns the type.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MediaType {
    type Err = String;

    /// Reads a type; parameters (`; charset=utf-8`) are cut off.
    fn from_str(text: &str) -> Result<Self, String> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        // RFC 6838, section 4.2; `*` and the like never occur in a type that names content.
        let good = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'!' | b'#' | b'$' | b'&' | b'-' | b'^' | b'_' | b'.' | b'+')
        };
        let name = |part: &str| !part.is_empty() && part.bytes().all(good);
        let good =
            essence.len() <= MEDIA_TYPE_BYTES_MAX && essence.split_once('/').is_some_and(|(kind, rest)| name(kind) && name(rest));
        if good {
            Ok(Self(essence.into()))
        } else {
            Err(format!(
                "{:?} is not a media type such as application/json",
                text.chars().take(80).collect::<String>()
            ))
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_types_without_their_parameters() {
        assert_eq!(
            "application/json; charset=utf-8".parse::<MediaType>().unwrap().as_str(),
            "application/json"
        );
        for bad in ["", "json", "a/", "/b", "a/b/c", "a b/c", "a/*"] {
            assert!(bad.parse::<MediaType>().is_err(), "{bad}");
        }
    }
}
