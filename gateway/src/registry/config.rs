//! The rules and limits that an operator can set: table `[registry]`.

use std::time::Duration;

/// What happens to a manifest that names what its repository does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingReferences {
    /// It is refused with `MANIFEST_BLOB_UNKNOWN`.
    #[default]
    Reject,
    /// It is stored ("sparse").
    Accept,
}

/// The rules and limits of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What happens to a manifest that names what its repository does not hold.
    pub missing_references: MissingReferences,
    /// The largest manifest in bytes. The specification asks for at least 4 MB.
    pub manifest_bytes_max: u64,
    /// The largest blob in bytes.
    pub blob_bytes_max: u64,
    /// The most tags that one push may set. The specification asks for at least 10.
    pub push_tags_max: usize,
    /// The most upload sessions that are open at once.
    pub uploads_max: usize,
    /// How long a session is kept that nobody uses.
    pub upload_idle_max: Duration,
    /// Whether the result of a scan is also attached to the artifact as a referrer, for any OCI client to list.
    pub scan_referrers: bool,
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
            scan_referrers: true,
        }
    }
}
