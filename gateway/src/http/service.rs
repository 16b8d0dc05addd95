//! Native client protocols: hands a request to the service of a plugin, and its answer to the client.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    Answer,
    conditions::Conditions,
    error::HttpError,
    request::{Call, value},
};
use crate::services::{Part, ServiceError, ServiceRequest, ServiceResponse, Target};

/// `/{mount}/...`
pub(super) async fn mounted(call: Call, mount: String, path: String) -> Answer {
    serve(call, Target::Mount { mount, path }).await
}

/// `/.well-known/{document}`
pub(super) async fn well_known(call: Call, document: String) -> Answer {
    serve(call, Target::WellKnown(document)).await
}

async fn serve(call: Call, target: Target) -> Answer {
    let text = |header: &HeaderValue| header.to_str().ok().map(str::to_owned);
    let headers = call
        .headers()
        .iter()
        .filter_map(|(name, header)| Some((name.as_str().to_owned(), text(header)?)))
        .collect();
    let conditions = call.conditions();
    let (is_head, gateway, caller) = (call.is_head(), call.gateway.clone(), call.caller.clone());
    let (method, origin, query) = (call.method().to_owned(), call.origin(), call.form());
    let body = call.has_body().then(|| call.into_stream());
    let request = ServiceRequest {
        target,
        method,
        origin,
        query,
        headers,
        body,
    };
    let answered = gateway.services.answer(&caller, request).await?;
    response(answered, is_head, &conditions)
}

fn response(answered: ServiceResponse, is_head: bool, conditions: &Conditions) -> Answer {
    let client_has = answered.etag.as_ref().map(|etag| conditions.client_has(etag)).transpose()?;
    let status = match client_has {
        Some(true) => StatusCode::NOT_MODIFIED,
        _ => StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    for (name, text) in &answered.headers {
        if let (Ok(name), Ok(text)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_str(text)) {
            response.headers_mut().append(name, text);
        }
    }
    let headers = response.headers_mut();
    if let Some(etag) = &answered.etag {
        headers.insert(header::ETAG, value(etag));
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-cache"));
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if matches!(status, StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT) {
        return Ok(response);
    }
    headers.insert(header::CONTENT_LENGTH, answered.length.into());
    if !is_head {
        *response.body_mut() = body(answered.body);
    }
    Ok(response)
}

/// Streams the parts one after another.
fn body(parts: Vec<Part>) -> Body {
    let mut parts = parts.into_iter();
    let (first, rest) = (parts.next(), parts.len());
    match first {
        None => Body::empty(),
        Some(Part::Bytes(bytes)) if rest == 0 => Body::from(bytes),
        first => Body::from_stream(
            stream::iter(first.into_iter().chain(parts))
                .then(|part| async move {
                    match part {
                        Part::Bytes(bytes) => Ok(stream::once(async move { Ok(bytes) }).boxed()),
                        Part::Blob(blob) => blob.stream(0..blob.size).await,
                    }
                })
                .map_ok(|pieces| pieces.map_err(crate::registry::RegistryError::from))
                .try_flatten()
                .inspect_err(|error| {
                    tracing::error!(
                        error = error as &dyn std::error::Error,
                        "an answer could not be sent to its end"
                    );
                }),
        ),
    }
}

impl From<ServiceError> for HttpError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::NoService => Self::not_found("there is nothing at this path"),
            ServiceError::Registry(error) => error.into(),
            ServiceError::Call(error) => error.into(),
        }
    }
}
