//! HTTP: the only place that knows statuses and headers.
//!
//! [`route`] turns a raw path into what is meant, [`dispatch`] below is the router on one page, and each handler extracts, makes one call
//! into the registry or the plugin host, and answers.

mod artifacts;
mod blobs;
mod error;
mod extensions;
mod lists;
mod manifests;
mod metrics;
mod openapi;
mod operate;
mod range;
mod request;
mod route;
mod server;
mod service;
mod uploads;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    http::{Method, Request, Response, Uri},
};
use serde::Deserialize;

use self::{error::HttpError, metrics::Metrics, request::Call, route::Route};
use crate::{
    auth::Grants,
    log::Lines,
    plugin_host::PluginHost,
    registry::Registry,
    services::Services,
    settings::{self, Problems},
};

use self::server::{Exhausted, Traffic};
pub use server::{CONNECTION_BYTES_MAX, Server, ServerError};

/// Where and how to serve: table `[http]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen. Port 0 chooses a free one.
    pub listen: SocketAddr,
    /// Whether to listen beyond this machine although everybody may then read and write.
    pub allow_anonymous: bool,
    /// The most connections that are open at once. Where they are all taken, those that have been idle for longest make room.
    pub connections_max: usize,
    /// The most connections from one peer: an IPv4 address, or the first 64 bits of an IPv6 address. Without it, half of all: no one
    /// address takes every place, and a proxy in front has plenty.
    pub connections_per_peer_max: Option<usize>,
    /// How long a client may take for the head of a request, from its first byte on, and for the first bytes of a connection.
    #[serde(deserialize_with = "settings::time")]
    pub head_max: Duration,
    /// How long a connection is kept on which nothing is asked. Proxies keep theirs for 60 or 75 seconds: who outlasts them never ends
    /// a connection in the moment in which it is used.
    #[serde(deserialize_with = "settings::time")]
    pub keep_alive_max: Duration,
    /// How long a client may pause while it sends a body or takes an answer. Clients that pack what they send as they go pause for minutes.
    #[serde(deserialize_with = "settings::time")]
    pub pause_max: Duration,
    /// The least average rate of a whole transfer in bytes a second, beside one pause of `pause_max`. Zero asks for none.
    #[serde(deserialize_with = "settings::size")]
    pub rate_min: u64,
    /// The most memory for bytes on their way: half for bodies that come in, half for answers that go out.
    #[serde(deserialize_with = "settings::size")]
    pub in_flight_bytes_max: u64,
    /// How long a request waits for its part of that memory before its client is told to come back.
    #[serde(deserialize_with = "settings::time")]
    pub in_flight_wait_max: Duration,
    /// How long the gateway goes on as before after it was told to stop, but for `/readyz`, which says no.
    #[serde(deserialize_with = "settings::time")]
    pub drain: Duration,
    /// How long running requests may take to finish when the gateway stops, after `drain`.
    #[serde(deserialize_with = "settings::time")]
    pub shutdown_max: Duration,
    /// The origin that clients use, where a proxy stands in front: `https://registry.example`. Without it, what the request says.
    pub origin: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 5000)),
            allow_anonymous: false,
            connections_max: 4_096,
            connections_per_peer_max: None,
            head_max: seconds(60),
            keep_alive_max: seconds(120),
            pause_max: seconds(600),
            rate_min: 1 << 10,
            in_flight_bytes_max: 1 << 30,
            in_flight_wait_max: seconds(30),
            drain: Duration::ZERO,
            shutdown_max: seconds(30),
            origin: None,
        }
    }
}

impl Config {
    /// Says what is wrong with these settings.
    pub fn problems(&self, problems: &mut Problems) {
        let hour = Duration::from_secs(3_600);
        if !self.listen.ip().is_loopback() && !self.allow_anonymous {
            let reason = format!(
                "{} is not a loopback address, and this gateway lets everybody read and write: to allow that, set allow_anonymous = \
                 true in [http]",
                self.listen
            );
            problems.refuse("listen", reason);
        }
        problems.count("connections_max", self.connections_max, 16..=1_000_000);
        if let Some(max) = self.connections_per_peer_max {
            problems.count("connections_per_peer_max", max, 1..=1_000_000);
        }
        let times = [
            ("head_max", self.head_max),
            ("keep_alive_max", self.keep_alive_max),
            ("pause_max", self.pause_max),
            ("in_flight_wait_max", self.in_flight_wait_max),
        ];
        for (key, time) in times {
            problems.time(key, time, Duration::from_millis(100)..=hour);
        }
        problems.size("rate_min", self.rate_min, 0..=1 << 30);
        problems.size("in_flight_bytes_max", self.in_flight_bytes_max, 2 << 20..=1 << 40);
        problems.time("drain", self.drain, Duration::ZERO..=hour);
        problems.time("shutdown_max", self.shutdown_max, Duration::ZERO..=hour);
        if let Some(reason) = self.origin.as_deref().and_then(bad_origin) {
            problems.refuse("origin", reason);
        }
    }
}

impl Config {
    /// Returns the most connections from one peer.
    #[must_use]
    pub fn connections_per_peer(&self) -> usize {
        let half = self.connections_max.div_ceil(2);
        self.connections_per_peer_max.unwrap_or(half).min(self.connections_max)
    }
}

/// Says why a text is not where clients reach a gateway: scheme, authority and, where a proxy mounts it below one, a path.
fn bad_origin(origin: &str) -> Option<String> {
    let good = origin.parse::<Uri>().is_ok_and(|uri| {
        let authority = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        authority && matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none()
    });
    let good = good && !origin.ends_with('/') && !origin.contains('#');
    let expected =
        "an address such as \"https://registry.example\" or \"https://example.com/registry\", without a slash at its end";
    (!good).then(|| format!("{origin:?} is not {expected}"))
}

/// What handlers work with.
pub struct Gateway {
    /// Limits and habits.
    pub config: Config,
    /// Reads and writes.
    pub registry: Registry,
    /// Who knows artifact types.
    pub plugins: Arc<PluginHost>,
    /// Who answers native client protocols.
    pub services: Services,
    /// What a caller may do who does not say who they are.
    pub anonymous: Grants,
    metrics: Metrics,
    /// Where the log goes, where its lines are counted.
    log: Option<Lines>,
    /// Places of connections, and memory for bytes on their way.
    traffic: Traffic,
    /// Whether the gateway was told to stop.
    stopping: AtomicBool,
}

impl Gateway {
    /// Puts what handlers need together.
    #[must_use]
    pub fn new(
        config: Config,
        log: Option<Lines>,
        registry: Registry,
        plugins: Arc<PluginHost>,
        services: Services,
        anonymous: Grants,
    ) -> Self {
        let (metrics, traffic) = (Metrics::new(), Traffic::new(&config));
        Self {
            config,
            registry,
            plugins,
            services,
            anonymous,
            metrics,
            log,
            traffic,
            stopping: AtomicBool::new(false),
        }
    }

    /// Says that the gateway will stop: `/readyz` says no from now on.
    pub fn announce_stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// Everything a handler can answer.
type Answer = Result<Response<Body>, HttpError>;

/// The router.
async fn dispatch(gateway: &Gateway, route: Route, request: Request<Body>) -> Answer {
    let method = request.method().clone();
    let has_memory = request.extensions().get::<Exhausted>().is_none();
    let call = Call::new(gateway, request);
    if !has_memory {
        return Err(server::exhausted());
    }
    match (route, method.as_str()) {
        // Operating the gateway.
        (Route::Root, "GET" | "HEAD") => operate::root(),
        (Route::Health, "GET" | "HEAD") => operate::health(),
        (Route::Ready, "GET" | "HEAD") => operate::ready(&call).await,
        (Route::Metrics, "GET" | "HEAD") => operate::metrics(&call),

        // The distribution API.
        (Route::Base, "GET" | "HEAD") => operate::base(),
        (Route::Catalog, "GET" | "HEAD") => lists::catalog(&call),
        (Route::Discover, "GET" | "HEAD") => extensions::discover(),
        (Route::Tags(repository), "GET" | "HEAD") => lists::tags(&call, &repository),
        (Route::Referrers(repository, digest), "GET" | "HEAD") => lists::referrers(&call, &repository, &digest),
        (Route::Manifest(repository, reference), "GET") => manifests::get(&call, &repository, &reference),
        (Route::Manifest(repository, reference), "HEAD") => manifests::head(&call, &repository, &reference),
        (Route::Manifest(repository, reference), "PUT") => manifests::put(call, &repository, reference).await,
        (Route::Manifest(repository, reference), "DELETE") => manifests::delete(&call, &repository, &reference).await,
        (Route::Blob(repository, digest), "GET" | "HEAD") => blobs::get(&call, &repository, &digest).await,
        (Route::Blob(repository, digest), "DELETE") => blobs::delete(&call, &repository, &digest).await,
        (Route::Uploads(repository), "POST") => uploads::post(call, &repository).await,
        (Route::Upload(repository, id), "GET" | "HEAD") => uploads::get(&call, &repository, &id).await,
        (Route::Upload(repository, id), "PATCH") => uploads::patch(call, &repository, &id).await,
        (Route::Upload(repository, id), "PUT") => uploads::put(call, &repository, &id).await,
        (Route::Upload(repository, id), "DELETE") => uploads::delete(&call, &repository, &id).await,

        // What plugins add to the registry.
        (Route::Types, "GET" | "HEAD") => extensions::types(&call),
        (Route::Plugins, "GET" | "HEAD") => extensions::plugins(&call),
        (Route::Plugin(name), "GET" | "HEAD") => extensions::plugin(&call, &name),
        (Route::Search, "GET" | "HEAD") => extensions::search(&call),
        (Route::OpenApi, "GET" | "HEAD") => openapi::document(),
        (Route::Artifact(repository, reference), "GET" | "HEAD") => artifacts::artifact(&call, &repository, &reference),
        (Route::View(repository, reference, view), "GET" | "HEAD") => {
            artifacts::view(&call, &repository, &reference, &view).await
        }
        (Route::Findings(repository, reference), "GET" | "HEAD") => artifacts::findings(&call, &repository, &reference),
        (Route::Compare(repository, before, after), "GET" | "HEAD") => {
            artifacts::compare(&call, &repository, &before, &after).await
        }

        // Native client protocols.
        (Route::WellKnown(document), _) => service::well_known(call, document).await,
        (Route::Service(mount, path), _) => service::mounted(call, mount, path).await,

        (route, _) => Err(HttpError::method(allowed(&route))),
    }
}

/// The methods that a route answers, for an answer to any other.
fn allowed(route: &Route) -> &'static str {
    match route {
        Route::Manifest(..) => "GET, HEAD, PUT, DELETE",
        Route::Blob(..) => "GET, HEAD, DELETE",
        Route::Uploads(_) => "POST",
        Route::Upload(..) => "GET, HEAD, PATCH, PUT, DELETE",
        _ => "GET, HEAD",
    }
}

/// Says whether a method asks for the head of an answer only.
fn is_head(method: &Method) -> bool {
    method == Method::HEAD
}
