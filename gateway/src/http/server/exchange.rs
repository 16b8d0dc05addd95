//! One request and its answer, with the memory that both need.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::{Body, HttpBody},
    http::{Method, Request, Response, request::Parts},
    response::IntoResponse,
};
use futures_util::{FutureExt, future::BoxFuture};
use hyper::{body::Incoming, service::Service};
use tower::ServiceExt;

use super::{
    bodies::{Coming, Going, SMALL_BYTES_MAX},
    budget::{Exhausted, Half, Reserved},
    link::{Link, Running},
    pace::Patience,
    transfer::Transfer,
};
use crate::{
    auth::Peer,
    http::{Gateway, error::HttpError, layers::Answering},
    registry::PART_BYTES,
};

/// When a client may come back that found no memory, in seconds: most requests are done in less.
const RETRY_SECONDS: u32 = 5;

/// Answers the requests of one connection.
pub(super) struct Exchange<S> {
    gateway: Arc<Gateway>,
    service: S,
    link: Arc<Link>,
    peer: Option<Peer>,
}

impl<S> Exchange<S> {
    pub(super) fn new(gateway: Arc<Gateway>, service: S, link: Arc<Link>, peer: Option<Peer>) -> Self {
        Self {
            gateway,
            service,
            link,
            peer,
        }
    }
}

impl<S: Answering> Service<Request<Incoming>> for Exchange<S> {
    type Response = Response<Going>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Going>, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        exchange(self.gateway.clone(), self.service.clone(), self.link.run(), request)
            .map(Ok)
            .boxed()
    }
}

async fn exchange<S: Answering>(
    gateway: Arc<Gateway>,
    service: S,
    running: Running,
    request: Request<Incoming>,
) -> Response<Going> {
    let (coming_memory, going_memory) = (gateway.traffic.coming.clone(), gateway.traffic.going.clone());
    let patience = Patience::of(&gateway.config);
    let (sending, coming) = (Transfer::current(patience), Transfer::new(patience));
    let (mut head, body) = request.into_parts();
    // A large head is there already: without room for it there is none to answer it.
    let large_head = Some(head_bytes(&head)).filter(|bytes| *bytes > SMALL_BYTES_MAX);
    let held = large_head.map(|bytes| coming_memory.try_reserve(bytes));
    if let Some(None) = held {
        head.extensions.insert(Exhausted);
    }
    // Nothing of a body is read before there is room for what its handler holds of it.
    let reserved = match needs(&head.method, &body, gateway.registry.config().manifest_bytes_max) {
        Some(bytes) => match coming_memory.reserve(bytes).await {
            Ok(reserved) => Some((reserved, coming_memory.hold(coming.clone()))),
            Err(Exhausted) => {
                head.extensions.insert(Exhausted);
                None
            }
        },
        None => None,
    };
    let again = (head.method == Method::GET && body.is_end_stream()).then(|| head.clone());
    let request = Request::from_parts(head, Body::new(Coming::new(body, coming)));
    let Ok(response) = service.clone().oneshot(request).await;
    let response = response.map(Body::new);
    drop(reserved);
    let fitted = fitted(&going_memory, response, again, service).await;
    drop(held);
    match fitted {
        Ok((response, reserved)) => response.map(|body| Going::new(body, &going_memory, reserved, &sending, running)),
        Err(Exhausted) => {
            tracing::warn!("an answer was given up: no memory for it became free in time");
            exhausted()
                .into_response()
                .map(|body| Going::new(body, &going_memory, None, &sending, running))
        }
    }
}

/// Reserves memory for an answer that is at hand. Nobody waits with one in hand: where there is no memory now, a read gives its answer up
/// and makes it anew once there is, and anything else is given up for good.
async fn fitted<S: Answering>(
    half: &Arc<Half>,
    response: Response<Body>,
    again: Option<Parts>,
    service: S,
) -> Result<(Response<Body>, Option<Reserved>), Exhausted> {
    let Some(bytes) = Going::needs(&response) else {
        return Ok((response, None));
    };
    if let Some(reserved) = half.try_reserve(bytes) {
        return Ok((response, Some(reserved)));
    }
    drop(response);
    let head = again.ok_or(Exhausted)?;
    let mut reserved = half.reserve(bytes).await?;
    let Ok(response) = service.oneshot(Request::from_parts(head, Body::empty())).await;
    let response = response.map(Body::new);
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

/// Returns how much memory a request may need for its body: manifests are held as a whole, blobs in parts.
fn needs(method: &Method, body: &Incoming, manifest_bytes_max: u64) -> Option<u64> {
    if body.is_end_stream() {
        return None;
    }
    let part = PART_BYTES as u64;
    match body.size_hint().exact() {
        Some(bytes) if bytes <= SMALL_BYTES_MAX => None,
        Some(bytes) if bytes <= manifest_bytes_max.max(part) => Some(bytes),
        None if method == Method::PUT => Some(manifest_bytes_max.max(part)),
        _ => Some(part),
    }
}

/// Words that there is no memory for a request.
pub(in crate::http) fn exhausted() -> HttpError {
    HttpError::unavailable(
        "the gateway has no memory for this request now; repeat it later",
        RETRY_SECONDS,
    )
}
