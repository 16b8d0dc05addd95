//! The rules and limits that an operator can set: table `[registry]`.

use std::time::Duration;

use serde::Deserialize;

use super::{CollectionConfig, ScrubConfig};
use crate::settings::{self, Problems};

/// What happens to a manifest that names what its repository does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingReferences {
    /// It is refused with `MANIFEST_BLOB_UNKNOWN`.
    #[default]
    Reject,
    /// It is stored ("sparse").
    Accept,
}

/// The rules and limits of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What happens to a manifest that names what its repository does not hold.
    pub missing_references: MissingReferences,
    /// The largest manifest in bytes. The specification asks for at least 4 MB.
    #[serde(deserialize_with = "settings::size")]
    pub manifest_bytes_max: u64,
    /// The largest blob in bytes.
    #[serde(deserialize_with = "settings::size")]
    pub blob_bytes_max: u64,
    /// The most tags that one push may set. The specification asks for at least 10.
    pub push_tags_max: usize,
    /// The most upload sessions that hold bytes at once.
    pub uploads_max: usize,
    /// How long a session that holds bytes is kept that nobody continues, and how long is known what became of one that has ended.
    #[serde(deserialize_with = "settings::time")]
    pub upload_idle_max: Duration,
    /// How long a session may wait for its first bytes, and how long one that holds bytes may pause at least, although others want its
    /// place.
    #[serde(deserialize_with = "settings::time")]
    pub upload_empty_max: Duration,
    /// Whether the result of a scan is also attached to the artifact as a referrer, for any OCI client to list.
    pub scan_referrers: bool,
    /// When what nobody needs goes: a table of its own.
    #[serde(skip)]
    pub collection: CollectionConfig,
    /// When what is stored is read and compared: a table of its own.
    #[serde(skip)]
    pub scrub: ScrubConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            missing_references: MissingReferences::Reject,
            manifest_bytes_max: 4 << 20,
            blob_bytes_max: 100 << 30,
            push_tags_max: 64,
            uploads_max: 10_000,
            upload_idle_max: Duration::from_secs(24 * 3600),
            upload_empty_max: Duration::from_secs(10 * 60),
            scan_referrers: true,
            collection: CollectionConfig::default(),
            scrub: ScrubConfig::default(),
        }
    }
}

impl Config {
    /// Says what is wrong with these settings.
    pub fn problems(&self, problems: &mut Problems) {
        let day = Duration::from_secs(24 * 3600);
        // A manifest is held in memory as a whole.
        problems.size("manifest_bytes_max", self.manifest_bytes_max, 64 << 10..=64 << 20);
        problems.size("blob_bytes_max", self.blob_bytes_max, 1 << 10..=16 << 40);
        problems.count("push_tags_max", self.push_tags_max, 1..=1_000);
        problems.count("uploads_max", self.uploads_max, 1..=1_000_000);
        problems.time("upload_empty_max", self.upload_empty_max, Duration::from_secs(1)..=day);
        problems.time("upload_idle_max", self.upload_idle_max, Duration::from_secs(1)..=day * 365);
    }
}
