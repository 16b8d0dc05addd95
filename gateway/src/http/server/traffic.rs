//! What all connections share: their places, and the memory for bytes on their way.

use std::{fmt::Write as _, sync::Arc};

use super::{budget::Half, places::Places};
use crate::http::Config;

/// What all connections share.
pub(in crate::http) struct Traffic {
    pub(super) places: Arc<Places>,
    pub(super) coming: Arc<Half>,
    pub(super) going: Arc<Half>,
}

impl Traffic {
    pub(in crate::http) fn new(config: &Config) -> Self {
        let half = || Half::new(config.in_flight_bytes_max / 2, config.in_flight_wait_max, config.rate_min);
        Self {
            places: Places::new(config.connections_max, config.connections_per_peer()),
            coming: half(),
            going: half(),
        }
    }

    /// Returns the counters as text for Prometheus.
    pub(in crate::http) fn metrics_text(&self) -> String {
        let (open, refused) = self.places.counts();
        let mut out = String::new();
        let mut write = |name: &str, kind: &str, help: &str, values: &[(&str, u64)]| {
            let written = writeln!(out, "# HELP portolan_http_{name} {help}.\n# TYPE portolan_http_{name} {kind}");
            let suffix = if kind == "counter" { "_total" } else { "" };
            let written = values.iter().try_fold(written, |_, (labels, value)| {
                Ok(writeln!(out, "portolan_http_{name}{suffix}{labels} {value}"))
            });
            written.and_then(|last| last).expect("writing to a string cannot fail");
        };
        let directions = |coming, going| [("{direction=\"in\"}", coming), ("{direction=\"out\"}", going)];
        write("connections", "gauge", "Connections that are open", &[("", open as u64)]);
        write(
            "connections_refused",
            "counter",
            "Connections that were refused because their peer had its share",
            &[("", refused)],
        );
        write(
            "in_flight_bytes",
            "gauge",
            "Memory that is reserved for bytes on their way",
            &directions(self.coming.reserved(), self.going.reserved()),
        );
        write(
            "pressed",
            "counter",
            "Slow transfers that were ended because others waited for their memory",
            &directions(self.coming.pressed(), self.going.pressed()),
        );
        out
    }
}
