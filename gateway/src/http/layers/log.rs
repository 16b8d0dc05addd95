//! The line of the log that every request gets, and the id on each other line that is written while it is answered.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Instant,
};

use axum::{body::HttpBody, extract::Request, http::Response};
use tower::{Layer, Service};
use tracing::Instrument;

use super::{Waiting, bytes, ids};
use crate::http::error::Said;

/// Writes the line of each request.
#[derive(Clone, Copy)]
pub(super) struct LogLayer;

impl<S> Layer<S> for LogLayer {
    type Service = Log<S>;

    fn layer(&self, inner: S) -> Log<S> {
        Log(inner)
    }
}

#[derive(Clone)]
pub(super) struct Log<S>(S);

impl<S, B> Service<Request> for Log<S>
where
    S: Service<Request, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: HttpBody,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Waiting<B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Waiting<B> {
        let begin = Instant::now();
        let (method, uri, id) = (request.method().clone(), request.uri().clone(), ids::id(&request));
        // An id is letters, digits and dashes, whoever chose it.
        let span = tracing::error_span!("answering", id = %id.to_str().unwrap_or_default());
        let answering = span.in_scope(|| self.0.call(request)).instrument(span);
        Box::pin(async move {
            let response = answering.await?;
            let (id, path, status) = (id.to_str().unwrap_or_default(), uri.path(), response.status().as_u16());
            let (bytes, ms) = (bytes(&response), begin.elapsed().as_secs_f64() * 1e3);
            let error = response.extensions().get::<Said>().map(|said| said.0.as_str());
            tracing::info!(target: "request", id, %method, path, status, bytes, ms = format_args!("{ms:.1}"), error);
            Ok(response)
        })
    }
}
