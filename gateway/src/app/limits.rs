//! What the limits of all modules come to together: descriptors of files and memory.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{config::Config, http, metadata, plugin_host, storage};

/// Descriptors that are left for everything that is no connection: one for each thread that may wait for a disk, of which the runtime has at
/// most 512, and some for the database, the log, the listener, plugins, and content that stays open.
const DESCRIPTORS_RESERVED: u64 = 512 + 128;

/// Allows this process as many descriptors as it may have. Returns how many that are.
pub(super) fn raise_descriptors() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // The kernel has a limit of its own, beyond which it refuses: then the limit stays as it was.
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit on file descriptors could not be raised");
            current
        }
    };
    allowed.unwrap_or(u64::MAX)
}

/// Returns how many connections there can be with some descriptors, where so many are wanted.
pub(super) fn connections_that_fit(descriptors: u64, wanted: usize) -> usize {
    let spare = descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(descriptors / 2);
    usize::try_from(spare).unwrap_or(usize::MAX).min(wanted).max(1)
}

/// What a configuration lets the gateway take at most.
#[derive(Debug, Clone)]
pub struct Footprint {
    /// What takes memory, why so much, and how many bytes.
    pub memory: Vec<(String, u64)>,
    /// How many descriptors of files.
    pub descriptors: u64,
}

impl Footprint {
    /// Computes what a configuration lets the gateway take at most.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let (connections, calls) = (config.http.connections_max as u64, config.plugins.calls_max() as u64);
        let (call, per_call) = (config.plugins.call_bytes_max(), plugin_host::CALL_TRANSFERS);
        let one = |what: &str, bytes| (what.to_owned(), bytes);
        let memory = vec![
            (
                format!("connections: {connections} of {}", mib(http::CONNECTION_BYTES_MAX)),
                connections.saturating_mul(http::CONNECTION_BYTES_MAX),
            ),
            one(
                "bytes on their way, [http] in_flight_bytes_max",
                config.http.in_flight_bytes_max,
            ),
            (
                format!(
                    "calls of plugins at once: {calls} of {}, with {per_call} transfers each",
                    mib(call)
                ),
                calls.saturating_mul(call),
            ),
            one("results of plugins that are kept", config.plugins.results_cache_bytes_max),
            one("answers of services that are kept", config.services.cache_bytes_max),
            one("pages of the database that are kept", metadata::MEMORY_BYTES_MAX),
            one("buffers for reading blobs that are kept", storage::MEMORY_BYTES_MAX),
            one("lines of the log that wait", crate::log::MEMORY_BYTES_MAX),
        ];
        Self {
            memory,
            descriptors: connections.saturating_add(DESCRIPTORS_RESERVED),
        }
    }

    /// Returns how much memory that is together, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = mib(self.memory_bytes());
        writeln!(out, "at most {total} of memory and {} file descriptors:", self.descriptors)?;
        for (what, bytes) in &self.memory {
            writeln!(out, "{:>12}  {what}", mib(*bytes))?;
        }
        Ok(())
    }
}

/// Words a size, rounded up to whole mebibytes.
fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_rest() {
        assert_eq!(connections_that_fit(1 << 20, 4_096), 4_096);
        assert_eq!(connections_that_fit(4_096, 4_096), 3_456);
        assert_eq!(connections_that_fit(1_024, 4_096), 512);
        assert_eq!(connections_that_fit(1, 4_096), 1);
    }

    #[test]
    fn every_limit_that_costs_memory_counts() {
        let base = Footprint::of(&Config::default()).memory_bytes();
        let mut config = Config::default();
        config.http.connections_max += 1;
        config.http.in_flight_bytes_max += 10;
        config.plugins.results_cache_bytes_max += 100;
        config.services.cache_bytes_max += 1_000;
        let more = Footprint::of(&config).memory_bytes() - base;
        assert_eq!(more, http::CONNECTION_BYTES_MAX + 1_110);
        config.plugins.threads = Some(config.plugins.calls_max() + 1);
        let one_call = config.plugins.call_bytes_max();
        assert_eq!(Footprint::of(&config).memory_bytes() - base - more, one_call);
        assert!(one_call >= config.plugins.limits.memory_bytes_max);
        let shown = Footprint::of(&config).to_string();
        assert!(
            shown.starts_with("at most ") && shown.contains("[http] in_flight_bytes_max"),
            "{shown}"
        );
    }
}
