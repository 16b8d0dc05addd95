//! One request and its answer, with the memory that both need.

use std::{convert::Infallible, future::poll_fn, sync::Arc};

use axum::{
    body::{Body, HttpBody},
    http::{Method, Request, Response, request::Parts},
    response::IntoResponse,
};
use futures_util::{FutureExt, future::BoxFuture};
use hyper::{body::Incoming, service::Service};

use super::{
    bodies::{Coming, Going, SMALL_BYTES_MAX},
    budget::{Exhausted, Holding, Reserved, Share},
    link::{Link, Running},
    pace::Patience,
    transfer::Transfer,
};
use crate::{
    auth::Peer,
    http::{
        Gateway,
        error::HttpError,
        layers::Answering,
        route::{self, Route},
    },
    registry::PART_BYTES,
};

/// When a client may come back that found no memory, in seconds: most requests are done in less.
const RETRY_SECONDS: u32 = 5;

/// How many times its size a manifest takes at most while it is stored: its bytes, what is read of them, and what is written. Measured with
/// 19 000 layers of three annotations each.
const MANIFEST_TIMES: u64 = 5;

/// Answers the requests of one connection.
pub(super) struct Exchange<S> {
    gateway: Arc<Gateway>,
    service: S,
    link: Arc<Link>,
    peer: Peer,
    memory: Memory,
}

/// What the peer of a connection may have of the memory for bytes on their way.
#[derive(Clone)]
struct Memory {
    coming: Arc<Share>,
    going: Arc<Share>,
}

impl<S> Exchange<S> {
    pub(super) fn new(gateway: Arc<Gateway>, service: S, link: Arc<Link>, peer: Peer) -> Self {
        let (coming, going) = (gateway.traffic.coming.share(peer), gateway.traffic.going.share(peer));
        Self {
            gateway,
            service,
            link,
            peer,
            memory: Memory { coming, going },
        }
    }
}

impl<S: Answering> Service<Request<Incoming>> for Exchange<S> {
    type Response = Response<Going>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Going>, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        let (gateway, service) = (self.gateway.clone(), self.service.clone());
        exchange(gateway, service, self.memory.clone(), self.link.run(), request).boxed()
    }
}

async fn exchange<S: Answering>(
    gateway: Arc<Gateway>,
    mut service: S,
    memory: Memory,
    running: Running,
    request: Request<Incoming>,
) -> Result<Response<Going>, Infallible> {
    let sending = Transfer::current(Patience::of(&gateway.config));
    let (head, body) = request.into_parts();
    // Where there is much room it does not run out while one answer is made.
    let repeatable = memory.going.is_scarce() && head.method == Method::GET && body.is_end_stream();
    let again = repeatable.then(|| head.clone());
    // Most requests have no body and a small head: nothing is reserved for them, and what that takes is put aside.
    let (request, admitted) = if body.is_end_stream() && head_bytes(&head) <= SMALL_BYTES_MAX {
        (Request::from_parts(head, Body::empty()), None)
    } else {
        let (request, admitted) = admit(&gateway, &memory.coming, head, body).boxed().await;
        (request, Some(admitted))
    };
    let mut response = answered(&mut service, request).await;
    let held = admitted.and_then(|admitted| admitted.head);
    let mut reserved = None;
    if let Some(bytes) = Going::needs(&response) {
        reserved = memory.going.try_reserve(bytes);
        if reserved.is_none() {
            drop(response);
            match anew(&memory.going, bytes, again, service).boxed().await {
                Ok(made) => (response, reserved) = made,
                Err(Exhausted) => {
                    tracing::warn!("an answer was given up: no memory for it became free in time");
                    response = exhausted().into_response();
                }
            }
        }
    }
    drop(held);
    Ok(response.map(|body| Going::new(body, &memory.going, reserved, &sending, running)))
}

/// What a request holds of the memory for what comes in: for its body until it is answered, for a large head until there is room for its
/// answer.
struct Admitted {
    head: Option<Reserved>,
    _body: Option<(Reserved, Holding)>,
}

/// Reserves what a request needs before anything of its body is read. One that finds no room is marked, and refused by a layer.
async fn admit(gateway: &Gateway, memory: &Arc<Share>, mut head: Parts, body: Incoming) -> (Request<Body>, Admitted) {
    let coming = Transfer::new(Patience::of(&gateway.config));
    // A large head is there already: without room for it there is none to answer it.
    let large_head = Some(head_bytes(&head)).filter(|bytes| *bytes > SMALL_BYTES_MAX);
    let for_head = large_head.map(|bytes| memory.try_reserve(bytes));
    if let Some(None) = for_head {
        head.extensions.insert(Exhausted);
    }
    let for_body = match needs(&head, &body, gateway.registry.config().manifest_bytes_max) {
        Some(bytes) => match memory.reserve(bytes).await {
            Ok(reserved) => Some((reserved, memory.hold(coming.clone()))),
            Err(Exhausted) => {
                head.extensions.insert(Exhausted);
                None
            }
        },
        None => None,
    };
    let admitted = Admitted {
        head: for_head.flatten(),
        _body: for_body,
    };
    (Request::from_parts(head, Body::new(Coming::new(body, coming))), admitted)
}

async fn answered<S: Answering>(service: &mut S, request: Request<Body>) -> Response<Body> {
    let Ok(()) = poll_fn(|context| service.poll_ready(context)).await;
    let Ok(response) = service.call(request).await;
    response.map(Body::new)
}

/// Makes an answer anew once there is memory for it. Nobody waits for memory with an answer in hand: where there is none at once, a read
/// gives its answer up, and anything else is given up for good.
async fn anew<S: Answering>(
    memory: &Arc<Share>,
    bytes: u64,
    again: Option<Parts>,
    mut service: S,
) -> Result<(Response<Body>, Option<Reserved>), Exhausted> {
    let head = again.ok_or(Exhausted)?;
    let mut reserved = memory.reserve(bytes).await?;
    let response = answered(&mut service, Request::from_parts(head, Body::empty())).await;
    match Going::needs(&response) {
        None => Ok((response, None)),
        Some(now) if now > bytes => Err(Exhausted),
        Some(now) => {
            reserved.shrink(usize::try_from(now).unwrap_or(usize::MAX));
            Ok((response, Some(reserved)))
        }
    }
}

/// Returns how many bytes the names and values of a head have, and what it asks for.
fn head_bytes(head: &Parts) -> u64 {
    let lines = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    (target + lines.sum::<usize>()) as u64
}

/// Returns how much memory a request may need for its body: manifests are held as a whole, and read, blobs in parts.
fn needs(head: &Parts, body: &Incoming, manifest_bytes_max: u64) -> Option<u64> {
    if body.is_end_stream() {
        return None;
    }
    let bytes = body.size_hint().exact();
    if bytes.is_some_and(|bytes| bytes <= SMALL_BYTES_MAX) {
        return None;
    }
    let is_manifest = head.method == Method::PUT && matches!(route::parse(head.uri.path()), Ok(Route::Manifest(..)));
    let (times, max) = if is_manifest {
        (MANIFEST_TIMES, manifest_bytes_max)
    } else {
        (1, PART_BYTES as u64)
    };
    Some(bytes.unwrap_or(max).min(max).saturating_mul(times))
}

/// Words that there is no memory for a request.
pub(in crate::http) fn exhausted() -> HttpError {
    HttpError::unavailable(
        "the gateway has no memory for this request now; repeat it later",
        RETRY_SECONDS,
    )
}
