//! What is left of a body once the request is answered.
//!
//! A client that is refused while it still sends would see its connection reset, and not the answer, if the rest were left unread. So what
//! nobody wants any more is read on in the background, within limits, and an HTTP/1 client is told to send nothing more on the connection.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{HeaderValue, Response, Version, header},
};
use futures_util::StreamExt;
use hyper::body::{Frame, SizeHint};
use tower::{Layer, Service};

use super::Waiting;
use crate::http::error::Said;

/// How much of a body that nobody wants is read, and for how long.
const UNWANTED_BYTES_MAX: usize = 16 << 20;
const UNWANTED_TIME_MAX: Duration = Duration::from_secs(5);

/// Ends connections whose requests were refused before their bodies had come.
#[derive(Clone, Copy)]
pub(super) struct CloseLayer;

impl<S> Layer<S> for CloseLayer {
    type Service = Close<S>;

    fn layer(&self, inner: S) -> Close<S> {
        Close(inner)
    }
}

#[derive(Clone)]
pub(super) struct Close<S>(S);

impl<S, B> Service<Request> for Close<S>
where
    S: Service<Request, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: 'static,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Waiting<B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Waiting<B> {
        if request.body().is_end_stream() {
            return Box::pin(self.0.call(request));
        }
        let closes = request.version() < Version::HTTP_2;
        let answering = self.0.call(request.map(|body| Body::new(Unwanted(Some(body)))));
        Box::pin(async move {
            let mut response = answering.await?;
            if closes && response.extensions().get::<Said>().is_some() {
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    }
}

/// A body whose rest is read on when whoever had it lets go of it.
struct Unwanted(Option<Body>);

impl HttpBody for Unwanted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(body) = self.0.as_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            // There is nothing more to come.
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Unwanted {
    fn drop(&mut self) {
        let rest = self.0.take().filter(|body| !body.is_end_stream());
        if let (Some(rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(UNWANTED_TIME_MAX, read(rest)));
        }
    }
}

async fn read(body: Body) {
    let (mut pieces, mut read) = (body.into_data_stream(), 0);
    while read < UNWANTED_BYTES_MAX
        && let Some(Ok(bytes)) = pieces.next().await
    {
        read += bytes.len();
    }
}
