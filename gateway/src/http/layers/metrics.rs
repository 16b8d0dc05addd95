//! Counts every request by its route, method and status.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::{body::HttpBody, extract::Request, http::Response};
use tower::{Layer, Service};

use super::{Waiting, bytes};
use crate::http::{Gateway, RouteName};

/// Counts requests among the metrics of a gateway.
#[derive(Clone)]
pub(super) struct MetricsLayer(pub(super) Arc<Gateway>);

impl<S> Layer<S> for MetricsLayer {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            gateway: self.0.clone(),
        }
    }
}

#[derive(Clone)]
pub(super) struct Counted<S> {
    inner: S,
    gateway: Arc<Gateway>,
}

impl<S, B> Service<Request> for Counted<S>
where
    S: Service<Request, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: HttpBody,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Waiting<B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Waiting<B> {
        let (begin, method, gateway) = (Instant::now(), request.method().clone(), self.gateway.clone());
        let answering = self.inner.call(request);
        Box::pin(async move {
            let response = answering.await?;
            let route = response.extensions().get::<RouteName>().map_or("unknown", |name| name.0);
            let (status, bytes) = (response.status().as_u16(), bytes(&response));
            gateway
                .metrics
                .request(route, method.as_str(), status, bytes, begin.elapsed());
            Ok(response)
        })
    }
}
