//! Manifests that tests push.

use serde_json::{Value, json};
use sha2::Digest as _;

/// An OCI image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The config of a container image.
pub const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The empty JSON object.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Returns the sha256 digest of some content.
#[must_use]
pub fn digest(content: impl AsRef<[u8]>) -> String {
    format!("sha256:{}", hex(&sha2::Sha256::digest(content.as_ref())))
}

/// Returns the sha512 digest of some content.
#[must_use]
pub fn digest512(content: impl AsRef<[u8]>) -> String {
    format!("sha512:{}", hex(&sha2::Sha512::digest(content.as_ref())))
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(content), "size": content.len() })
}

/// Returns an image manifest with a config and layers, as JSON to be changed further.
#[must_use]
pub fn manifest(config: &[u8], layers: &[&[u8]]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(IMAGE_CONFIG, config),
        "layers": layers.iter().map(|layer| descriptor("application/vnd.oci.image.layer.v1.tar", layer)).collect::<Vec<_>>(),
    })
}

/// Returns an index of manifests, as JSON to be changed further.
#[must_use]
pub fn index(manifests: &[&[u8]]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": manifests.iter().map(|manifest| descriptor(MANIFEST, manifest)).collect::<Vec<_>>(),
    })
}
