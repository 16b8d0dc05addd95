//! What an operator can set about services: table `[services]`.

/// Limits of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The largest body of a request in bytes. Parts of it that a plugin publishes count once more.
    pub body_bytes_max: u64,
    /// The most bytes that a plugin may write into the body of one answer. Blobs do not count.
    pub response_bytes_max: u64,
    /// The most bytes that a plugin may make for publications of one answer.
    pub staged_bytes_max: u64,
    /// The most bytes of answers that are kept.
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
