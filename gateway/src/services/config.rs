//! What an operator can set about services: table `[services]`.

use serde::Deserialize;

use crate::settings::{self, Problems};

/// Limits of services.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The largest body of a request in bytes. Parts of it that a plugin publishes count once more.
    #[serde(deserialize_with = "settings::size")]
    pub body_bytes_max: u64,
    /// The most bytes that a plugin may write into the body of one answer. Blobs do not count.
    #[serde(skip)]
    pub response_bytes_max: u64,
    /// The most bytes that a plugin may make for publications of one answer.
    #[serde(skip)]
    pub staged_bytes_max: u64,
    /// The most bytes of answers that are kept.
    #[serde(deserialize_with = "settings::size")]
    pub cache_bytes_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            body_bytes_max: 512 << 20,
            response_bytes_max: 64 << 20,
            staged_bytes_max: 64 << 20,
            cache_bytes_max: 128 << 20,
        }
    }
}

impl Config {
    /// Says what is wrong with these settings.
    pub fn problems(&self, problems: &mut Problems) {
        problems.size("body_bytes_max", self.body_bytes_max, 1 << 10..=1 << 40);
        problems.size("cache_bytes_max", self.cache_bytes_max, 0..=64 << 30);
    }
}
