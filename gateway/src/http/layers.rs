//! What concerns every request, whatever it asks for: a tower layer each.

mod close;
mod compression;
mod ids;
mod limits;
mod log;
mod metrics;
mod panics;

use std::{convert::Infallible, pin::Pin, sync::Arc};

use axum::{
    BoxError, Router,
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{Response, StatusCode, header},
};
use tower::{Service, ServiceBuilder};
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};

pub(super) use self::{
    compression::{OwnJson, Whole},
    limits::authority,
};
use super::Gateway;

/// What answers every request of every connection.
pub(super) trait Answering:
    Service<Request, Response = Response<Self::Body>, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
    /// The body of an answer.
    type Body: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> Answering for S
where
    S: Service<Request, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Body = B;
}

/// What a layer returns that still has to look at the answer.
type Waiting<B> = Pin<Box<dyn Future<Output = Result<Response<B>, Infallible>> + Send>>;

/// Puts the layers around the router. The first one sees a request first and its answer last.
pub(super) fn around(router: Router, gateway: &Arc<Gateway>) -> impl Answering {
    let sane_ids: fn(Request) -> Request = ids::without_odd_ids;
    ServiceBuilder::new()
        .map_request(sane_ids)
        .layer(SetRequestIdLayer::new(ids::REQUEST_ID, ids::Ids::new()))
        .layer(PropagateRequestIdLayer::new(ids::REQUEST_ID))
        .layer(log::LogLayer)
        .layer(metrics::MetricsLayer(gateway.clone()))
        .layer(close::CloseLayer)
        .layer(compression::layer())
        .map_response(compression::measured)
        .layer(panics::layer())
        .map_response(without_needless_length)
        .layer(limits::LimitsLayer)
        .service(router)
}

/// Takes the length away that routing announces of answers that never have a body: a cache would take it for that of what it keeps.
fn without_needless_length(mut response: Response<Body>) -> Response<Body> {
    if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}

/// Returns the length of a body as its answer announces it.
fn bytes<B: HttpBody>(response: &Response<B>) -> u64 {
    let announced = response
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    announced.or_else(|| response.body().size_hint().exact()).unwrap_or_default()
}
