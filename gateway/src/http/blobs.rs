//! Blobs: pull and delete.

use std::ops::Range;

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use futures_util::TryStreamExt;

use super::{
    Answer,
    error::HttpError,
    manifests::{CONTENT_DIGEST, REVALIDATE, etag},
    range::{self, Wanted},
    request::{Call, answer, value},
};
use crate::{
    oci::{Digest, ErrorCode, Repository},
    registry::Blob,
};

/// `GET` and `HEAD /v2/{repository}/blobs/{digest}`
pub(super) async fn get(call: &Call, repository: &Repository, digest: &Digest) -> Answer {
    let blob = match call.is_head() {
        true => call.gateway.registry.look_for_blob(&call.caller, repository, digest).await?,
        false => call.reader().blob(repository, digest).await?,
    };
    let etag = etag(digest);
    if call.conditions().client_has(&etag)? {
        return Ok(described(answer(304, "", Body::empty()), &blob));
    }
    // A range is a part of what GET transfers; HEAD tells of the whole (RFC 9110, section 14.2).
    let range = call
        .header(header::RANGE)
        .filter(|_| !call.is_head() && call.wants_range(&etag));
    match range::wanted(range, blob.size) {
        Wanted::Whole => content(call, repository, &blob, 0..blob.size, StatusCode::OK).await,
        Wanted::Part(range) => {
            let content_range = value(format!("bytes {}-{}/{}", range.start, range.end - 1, blob.size));
            let mut response = content(call, repository, &blob, range, StatusCode::PARTIAL_CONTENT).await?;
            response.headers_mut().insert(header::CONTENT_RANGE, content_range);
            Ok(response)
        }
        Wanted::Unsatisfiable => {
            let message = format!("the range lies outside of the blob, which has {} bytes", blob.size);
            let error = HttpError::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::SizeInvalid, message);
            Err(error.with(header::CONTENT_RANGE, value(format!("bytes */{}", blob.size))))
        }
    }
}

/// `DELETE /v2/{repository}/blobs/{digest}`
pub(super) async fn delete(call: &Call, repository: &Repository, digest: &Digest) -> Answer {
    // A blob that is there has the entity tag of its digest, so nothing can come between this look and the deletion.
    if call.reader().blob(repository, digest).await.is_ok() {
        call.conditions().check_change(Some(&etag(digest)))?;
    }
    call.gateway.registry.delete_blob(&call.caller, repository, digest).await?;
    Ok(answer(202, "", Body::empty()))
}

async fn content(call: &Call, repository: &Repository, blob: &Blob, range: Range<u64>, status: StatusCode) -> Answer {
    let length = range.end - range.start;
    let body = match call.is_head() || length == 0 {
        true => Body::empty(),
        false => {
            let pieces = call
                .gateway
                .registry
                .stream_blob(&call.caller, repository, blob, range)
                .await?;
            Body::from_stream(pieces.inspect_err(|error| {
                // The status is sent already: all that is left is to break the connection off, which the length makes plain.
                tracing::error!(error = error as &dyn std::error::Error, "a blob could not be read to its end");
            }))
        }
    };
    let mut response = described(Response::new(body), blob);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}

fn described(mut response: Response<Body>, blob: &Blob) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(CONTENT_DIGEST, value(blob.digest.as_str()));
    headers.insert(header::ETAG, value(etag(&blob.digest)));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, REVALIDATE);
    response
}
