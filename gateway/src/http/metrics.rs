//! What is counted of requests, and the text that Prometheus reads.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// What tells requests apart. Methods outside of the protocol count as `other`, so that clients cannot invent series.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

/// The counters of the HTTP server.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    bytes: Family<RouteLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("portolan");
        let requests = Family::default();
        registry.register("http_requests", "Requests that were answered", requests.clone());
        let bytes = Family::default();
        registry.register(
            "http_response_bytes",
            "Bytes of the bodies of answers, by their announced length",
            bytes.clone(),
        );
        // From half a millisecond to about 65 seconds.
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.0005, 2.0, 18));
        let seconds = Family::new_with_constructor(histogram);
        registry.register("http_request_seconds", "Time until the answer began", seconds.clone());
        Self {
            registry,
            requests,
            bytes,
            seconds,
        }
    }

    pub(super) fn request(&self, route: &'static str, method: &str, status: u16, bytes: u64, took: Duration) {
        let known = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"];
        let method = known.into_iter().find(|known| *known == method).unwrap_or("other");
        self.requests.get_or_create(&RequestLabels { route, method, status }).inc();
        self.bytes.get_or_create(&RouteLabels { route }).inc_by(bytes);
        self.seconds.get_or_create(&RouteLabels { route }).observe(took.as_secs_f64());
    }

    /// Returns the counters as text, without the line that ends an exposition.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        text::encode_registry(&mut out, &self.registry).expect("writing to a string cannot fail");
        out
    }
}
