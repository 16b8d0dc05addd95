//! What is counted of calls: for the status of each plugin, and for Prometheus.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use serde::Serialize;

use super::contract::Capability;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// With an answer.
    Ok,
    /// With a verdict that refuses.
    Refused,
    /// With an error value of the guest.
    Error,
    /// With a trap, at a limit, or with an answer that breaks the contract.
    Failed,
    /// The gateway could not do its part.
    Unavailable,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Error => "error",
            Self::Failed => "failed",
            Self::Unavailable => "unavailable",
        }
    }
}

/// How calls of one capability ended.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct CallCounts {
    /// With an answer.
    pub ok: u64,
    /// With a verdict that refuses.
    pub refused: u64,
    /// With an error value of the plugin.
    pub error: u64,
    /// With a trap, at a limit, or with an answer that breaks the contract.
    pub failed: u64,
    /// The gateway could not do its part.
    pub unavailable: u64,
    /// How many calls there were.
    pub count: u64,
    /// How long they took together.
    pub seconds: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    plugin: String,
    capability: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CapabilityLabels {
    plugin: String,
    capability: &'static str,
}

/// The counters of all plugins.
pub(super) struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    seconds: Family<CapabilityLabels, Histogram, fn() -> Histogram>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("portolan");
        let calls = Family::default();
        registry.register("plugin_calls", "Calls of plugins, by how they ended", calls.clone());
        // From 20 microseconds to about 10 seconds.
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_02, 2.0, 20));
        let seconds = Family::new_with_constructor(histogram);
        registry.register("plugin_call_seconds", "How long calls of plugins took", seconds.clone());
        Self {
            registry,
            calls,
            seconds,
        }
    }

    /// Returns the counters as text, without the line that ends an exposition.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        text::encode_registry(&mut out, &self.registry).expect("writing to a string cannot fail");
        out
    }
}

/// The counters of one plugin.
pub(super) struct Meter {
    plugin: String,
    counts: Mutex<BTreeMap<Capability, CallCounts>>,
    metrics: Arc<Metrics>,
}

impl Meter {
    pub(super) fn new(plugin: String, metrics: Arc<Metrics>) -> Self {
        Self {
            plugin,
            counts: Mutex::default(),
            metrics,
        }
    }

    pub(super) fn count(&self, capability: Capability, outcome: Outcome, took: Duration) {
        let (plugin, capability_name) = (self.plugin.clone(), capability.as_str());
        let labels = CallLabels {
            plugin: plugin.clone(),
            capability: capability_name,
            outcome: outcome.as_str(),
        };
        self.metrics.calls.get_or_create(&labels).inc();
        self.metrics
            .seconds
            .get_or_create(&CapabilityLabels {
                plugin,
                capability: capability_name,
            })
            .observe(took.as_secs_f64());
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = counts.entry(capability).or_default();
        let ended = match outcome {
            Outcome::Ok => &mut counts.ok,
            Outcome::Refused => &mut counts.refused,
            Outcome::Error => &mut counts.error,
            Outcome::Failed => &mut counts.failed,
            Outcome::Unavailable => &mut counts.unavailable,
        };
        *ended += 1;
        counts.count += 1;
        counts.seconds += took.as_secs_f64();
    }

    pub(super) fn counts(&self) -> BTreeMap<Capability, CallCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_how_they_ended() {
        let metrics = Arc::new(Metrics::new());
        let meter = Meter::new("note".into(), metrics.clone());
        meter.count(Capability::Validate, Outcome::Ok, Duration::from_millis(1));
        meter.count(Capability::Validate, Outcome::Refused, Duration::from_millis(2));
        let counts = meter.counts()[&Capability::Validate];
        assert_eq!((counts.ok, counts.refused, counts.count), (1, 1, 2));
        let text = metrics.text();
        assert!(
            text.contains(r#"portolan_plugin_calls_total{plugin="note",capability="validate",outcome="refused"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(r#"portolan_plugin_call_seconds_count{plugin="note",capability="validate"} 2"#),
            "{text}"
        );
        assert!(!text.contains("EOF"));
    }
}
