//! A panic ends one request with an answer, and neither its connection nor the requests beside it.

use std::any::Any;

use axum::{body::Body, http::Response, response::IntoResponse};
use tower_http::catch_panic::CatchPanicLayer;

use crate::http::error::HttpError;

type Answer = fn(Box<dyn Any + Send>) -> Response<Body>;

pub(super) fn layer() -> CatchPanicLayer<Answer> {
    CatchPanicLayer::custom(answer as Answer)
}

#[expect(clippy::needless_pass_by_value, reason = "a panic is handed over as it was caught")]
fn answer(panic: Box<dyn Any + Send>) -> Response<Body> {
    let text = panic.downcast_ref::<&str>().copied();
    let said = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(
        panic = said.unwrap_or("without a message"),
        "a request ended in a panic, which is a fault of the gateway"
    );
    HttpError::fault().into_response()
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered() {
        let fails = || async { Response::new(Body::from([""; 0][std::hint::black_box(1)])) };
        let router = Router::new().route("/", get(fails)).layer(layer());
        let request = axum::extract::Request::new(Body::empty());
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["errors"][0]["code"], "UNKNOWN");
    }
}
