//! HTTP: the only place that knows statuses and headers.
//!
//! The router is on this page: fixed paths, and [`route`], which finds what a path with names in it means. Each handler extracts, makes one
//! call into the registry or the plugin host, and answers. What concerns every request is a layer in [`layers`].

mod artifacts;
mod blobs;
mod conditions;
mod error;
mod extensions;
mod layers;
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
mod urls;

use std::{
    future::{Ready, ready},
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
    routing::{MethodRouter, any, get},
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Either},
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

use self::server::Traffic;
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
    /// The origin that clients use, where a proxy stands in front, with the path that it serves the gateway under, if any:
    /// `https://registry.example`, `https://example.com/registry`. Without it, what the request says.
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
            // One peer never has more than there are.
            problems.count("connections_per_peer_max", max, 1..=self.connections_max as u64);
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
        if let Some(reason) = self.origin.as_deref().and_then(urls::bad_origin) {
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
type Answer = Result<Response, HttpError>;

/// What tells clients that this is a registry.
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// The routes outside of `/v2/`.
const NOT_API: [&str; 6] = ["root", "healthz", "readyz", "metrics", "well-known", "service"];

/// Every path and who answers it, without the layers around.
fn router(gateway: &Arc<Gateway>) -> Router {
    Router::new()
        // The distribution API.
        .route("/v2", fixed("base", operate::base))
        .route("/v2/", fixed("base", operate::base))
        .route("/v2/_catalog", read("catalog", lists::catalog))
        .route("/v2/_oci/ext/discover", fixed("discover", extensions::discover))
        // What plugins add to the registry.
        .route("/v2/_portolan/types", fixed("types", extensions::types))
        .route("/v2/_portolan/plugins", fixed("plugins", extensions::plugins))
        .route("/v2/_portolan/search", read("search", extensions::search))
        .route("/v2/_portolan/openapi.json", fixed("openapi", openapi::document))
        // Both, where the path has names in it.
        .route("/v2/{*path}", any(named))
        // Operating the gateway.
        .route("/", fixed("root", operate::root))
        .route("/healthz", fixed("healthz", operate::health))
        .route("/readyz", read("readyz", operate::ready))
        .route("/metrics", read("metrics", operate::metrics))
        // Native client protocols.
        .route("/{mount}", any(named))
        .route("/{mount}/", any(named))
        .route("/{mount}/{*path}", any(named))
        .fallback(named)
        .with_state(gateway.clone())
}

/// Answers a path without names in it with what is at hand.
fn fixed(name: &'static str, handler: fn(&Call) -> Answer) -> MethodRouter<Arc<Gateway>> {
    read(name, move |call| ready(handler(&call)))
}

/// Answers a path without names in it, which can only be read.
fn read<H, F>(name: &'static str, handler: H) -> MethodRouter<Arc<Gateway>>
where
    H: Fn(Call) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let refuse = move || async move { Named::new(name, Err(HttpError::method(READ_ONLY))) };
    get(move |call: Call| async move { Named::new(name, handler(call).await) }).fallback(refuse)
}

/// Answers a path with names in it.
///
/// What can be answered at once is, and what has to wait is put aside: the future of this function is moved through every layer of every
/// request. With all handlers in it, it had 6 KB and cost a manifest a quarter of its time.
fn named(State(gateway): State<Arc<Gateway>>, request: Request) -> Either<Ready<Named>, BoxFuture<'static, Named>> {
    match route::parse(request.uri().path()) {
        Ok(route) => {
            let name = route.name();
            match answer(route, Call::new(gateway, request)) {
                Either::Left(answer) => Either::Left(ready(Named::new(name, answer))),
                Either::Right(answer) => Either::Right(answer.map(move |answer| Named::new(name, answer)).boxed()),
            }
        }
        Err(error) => Either::Left(ready(Named {
            route: "unknown",
            is_api: request.uri().path().starts_with("/v2/"),
            answer: Err(error.into()),
        })),
    }
}

/// An answer that is at hand, or one that has to be waited for.
type Soon = Either<Answer, BoxFuture<'static, Answer>>;

fn later(answer: impl Future<Output = Answer> + Send + 'static) -> Soon {
    Either::Right(answer.boxed())
}

/// Who answers what a path with names in it means.
fn answer(route: Route, call: Call) -> Soon {
    use Either::Left;
    let method = call.method().to_owned();
    match (route, method.as_str()) {
        // The distribution API.
        (Route::Discover, "GET" | "HEAD") => Left(extensions::discover(&call)),
        (Route::Tags(repository), "GET" | "HEAD") => later(async move { lists::tags(&call, &repository).await }),
        (Route::Referrers(repository, digest), "GET" | "HEAD") => {
            later(async move { lists::referrers(&call, &repository, &digest).await })
        }
        (Route::Manifest(repository, reference), "GET") => {
            later(async move { manifests::get(&call, &repository, &reference).await })
        }
        (Route::Manifest(repository, reference), "HEAD") => {
            later(async move { manifests::head(&call, &repository, &reference).await })
        }
        (Route::Manifest(repository, reference), "PUT") => {
            later(async move { manifests::put(call, &repository, reference).await })
        }
        (Route::Manifest(repository, reference), "DELETE") => {
            later(async move { manifests::delete(&call, &repository, &reference).await })
        }
        (Route::Blob(repository, digest), "GET" | "HEAD") => later(async move { blobs::get(&call, &repository, &digest).await }),
        (Route::Blob(repository, digest), "DELETE") => later(async move { blobs::delete(&call, &repository, &digest).await }),
        (Route::Uploads(repository), "POST") => later(async move { uploads::post(call, &repository).await }),
        (Route::Upload(repository, id), "GET" | "HEAD") => later(async move { uploads::get(&call, &repository, &id).await }),
        (Route::Upload(repository, id), "PATCH") => later(async move { uploads::patch(call, &repository, &id).await }),
        (Route::Upload(repository, id), "PUT") => later(async move { uploads::put(call, &repository, &id).await }),
        (Route::Upload(repository, id), "DELETE") => later(async move { uploads::delete(&call, &repository, &id).await }),

        // What plugins add to the registry.
        (Route::Plugin(name), "GET" | "HEAD") => later(async move { extensions::plugin(&call, &name).await }),
        (Route::Artifact(repository, reference), "GET" | "HEAD") => {
            later(async move { artifacts::artifact(&call, &repository, &reference).await })
        }
        (Route::View(repository, reference, view), "GET" | "HEAD") => {
            later(async move { artifacts::view(&call, &repository, &reference, &view).await })
        }
        (Route::Findings(repository, reference), "GET" | "HEAD") => {
            later(async move { artifacts::findings(&call, &repository, &reference).await })
        }
        (Route::Compare(repository, before, after), "GET" | "HEAD") => {
            later(async move { artifacts::compare(&call, &repository, &before, &after).await })
        }

        // Native client protocols.
        (Route::WellKnown(document), _) => later(service::well_known(call, document)),
        (Route::Service(mount, path), _) => later(service::mounted(call, mount, path)),

        (route, _) => Left(Err(HttpError::method(allowed(&route)))),
    }
}

/// The methods of what can only be read.
const READ_ONLY: &str = "GET, HEAD";

/// The methods that a route answers, for an answer to any other.
fn allowed(route: &Route) -> &'static str {
    match route {
        Route::Manifest(..) => "GET, HEAD, PUT, DELETE",
        Route::Blob(..) => "GET, HEAD, DELETE",
        Route::Uploads(_) => "POST",
        Route::Upload(..) => "GET, HEAD, PATCH, PUT, DELETE",
        _ => READ_ONLY,
    }
}

/// An answer and the name under which its route is counted.
struct Named {
    route: &'static str,
    /// Whether it belongs to the distribution API and what extends that.
    is_api: bool,
    answer: Answer,
}

impl Named {
    fn new(route: &'static str, answer: Answer) -> Self {
        Self {
            route,
            is_api: !NOT_API.contains(&route),
            answer,
        }
    }
}

/// The name of a route, beside its answer.
#[derive(Clone, Copy)]
struct RouteName(&'static str);

impl IntoResponse for Named {
    fn into_response(self) -> Response {
        let mut response = self.answer.into_response();
        if self.is_api {
            response
                .headers_mut()
                .insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
        }
        response.extensions_mut().insert(RouteName(self.route));
        response
    }
}
