//! Upload sessions, monolithic pushes and mounts.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};

use super::{
    Answer, Gateway,
    error::HttpError,
    manifests::CONTENT_DIGEST,
    range::{self, ChunkRange},
    request::{Call, answer, value},
};
use crate::{
    oci::{Algorithm, Digest, ErrorCode, Repository},
    registry::{RegistryError, UploadState},
};

const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// `POST /v2/{repository}/blobs/uploads/`, with `?digest=`, `?mount=` (and `&from=`) or `?digest-algorithm=`
pub(super) async fn post(call: Call, repository: &Repository) -> Answer {
    let (gateway, caller) = (call.gateway.clone(), call.caller.clone());
    if let Some(digest) = call.parameter("digest") {
        let digest: Digest = digest.parse()?;
        let chunk = call.into_chunk(None);
        gateway.registry.put_blob(&caller, repository, &digest, chunk).await?;
        return Ok(created(&gateway, repository, &digest));
    }
    if let Some(digest) = call.parameter("mount").filter(|digest| !digest.is_empty()) {
        let digest: Digest = digest.parse()?;
        // A source that is no name holds nothing, and the client falls back to pushing, as with any other source that cannot serve.
        let from = call.parameter("from").map(|from| from.parse::<Repository>());
        let mounted = match from {
            Some(Ok(from)) => gateway.registry.mount(&caller, repository, &digest, Some(&from)).await?,
            Some(Err(_)) => false,
            None => gateway.registry.mount(&caller, repository, &digest, None).await?,
        };
        if mounted {
            return Ok(created(&gateway, repository, &digest));
        }
    }
    let algorithm = call
        .parameter("digest-algorithm")
        .filter(|algorithm| !algorithm.is_empty())
        .map_or(Ok(Algorithm::Sha256), |algorithm| algorithm.parse())?;
    let state = gateway.registry.begin_upload(&caller, repository, algorithm).await?;
    Ok(progress(&gateway, StatusCode::ACCEPTED, repository, &state))
}

/// `GET /v2/{repository}/blobs/uploads/{session}`
pub(super) async fn get(call: &Call, repository: &Repository, id: &str) -> Answer {
    let state = call.gateway.registry.upload_state(&call.caller, repository, id).await?;
    Ok(progress(&call.gateway, StatusCode::NO_CONTENT, repository, &state))
}

/// `PATCH /v2/{repository}/blobs/uploads/{session}`
pub(super) async fn patch(call: Call, repository: &Repository, id: &str) -> Answer {
    // A session has no entity tag.
    call.conditions().check_change(None)?;
    let (gateway, caller) = (call.gateway.clone(), call.caller.clone());
    let range = known_first(&call, repository, id, chunk_range(&call)).await?;
    let appended = gateway.registry.append(&caller, repository, id, call.into_chunk(range)).await;
    let state = appended.map_err(|error| out_of_order(&gateway, repository, error))?;
    Ok(progress(&gateway, StatusCode::ACCEPTED, repository, &state))
}

/// `PUT /v2/{repository}/blobs/uploads/{session}?digest=`
pub(super) async fn put(call: Call, repository: &Repository, id: &str) -> Answer {
    // A session has no entity tag.
    call.conditions().check_change(None)?;
    let (gateway, caller) = (call.gateway.clone(), call.caller.clone());
    let asked = whole_digest(&call).and_then(|digest| Ok((digest, chunk_range(&call)?)));
    let (digest, range) = known_first(&call, repository, id, asked).await?;
    let finished = gateway
        .registry
        .finish(&caller, repository, id, &digest, call.into_chunk(range))
        .await;
    finished.map_err(|error| out_of_order(&gateway, repository, error))?;
    Ok(created(&gateway, repository, &digest))
}

/// `DELETE /v2/{repository}/blobs/uploads/{session}`
pub(super) async fn delete(call: &Call, repository: &Repository, id: &str) -> Answer {
    call.conditions().check_change(None)?;
    call.gateway.registry.cancel_upload(&call.caller, repository, id).await?;
    Ok(answer(204, "", Body::empty()))
}

/// Returns what was asked of a session. Where that cannot be read, a session that does not exist is told all the same: what it was asked
/// does not matter then.
async fn known_first<T>(call: &Call, repository: &Repository, id: &str, asked: Result<T, HttpError>) -> Result<T, HttpError> {
    if asked.is_err() {
        call.gateway.registry.upload_state(&call.caller, repository, id).await?;
    }
    asked
}

/// Returns the digest that a whole upload is said to have.
fn whole_digest(call: &Call) -> Result<Digest, HttpError> {
    let digest = call.parameter("digest").ok_or_else(|| {
        HttpError::bad_request(
            ErrorCode::DigestInvalid,
            "parameter digest is missing: it names the digest of the whole blob",
        )
    })?;
    Ok(digest.parse()?)
}

/// Returns where a chunk lies, where the request says so, and checks that its body is said to be as long.
fn chunk_range(call: &Call) -> Result<Option<ChunkRange>, HttpError> {
    let Some(header) = call.header(header::CONTENT_RANGE) else {
        return Ok(None);
    };
    let refuse = |message: String| HttpError::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::BlobUploadInvalid, message);
    let range = range::chunk(header).ok_or_else(|| {
        refuse(format!(
            "Content-Range {header:?} is not of the form first-last, for example 0-1023"
        ))
    })?;
    match call.body_length().filter(|said| *said != range.length) {
        Some(said) => Err(refuse(format!(
            "Content-Range {header:?} spans {} bytes, but Content-Length is {said}",
            range.length
        ))),
        None => Ok(Some(range)),
    }
}

/// Tells a client whose chunk was out of order where the session is, so that it can go on from there.
fn out_of_order(gateway: &Gateway, repository: &Repository, error: RegistryError) -> HttpError {
    let state = match &error {
        RegistryError::UploadRange { id, offset, .. } => Some(UploadState {
            id: id.clone(),
            offset: *offset,
        }),
        _ => None,
    };
    let error = HttpError::from(error);
    match state {
        Some(state) => error
            .with(header::LOCATION, location(gateway, repository, &state.id))
            .with(header::RANGE, held(&state)),
        None => error,
    }
}

fn location(gateway: &Gateway, repository: &Repository, id: &str) -> HeaderValue {
    value(gateway.url(format!("/v2/{repository}/blobs/uploads/{id}")))
}

/// Words how much a session holds. Clients expect `0-0` of an empty one.
fn held(state: &UploadState) -> HeaderValue {
    value(format!("0-{}", state.offset.saturating_sub(1)))
}

fn progress(gateway: &Gateway, status: StatusCode, repository: &Repository, state: &UploadState) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location(gateway, repository, &state.id));
    headers.insert(header::RANGE, held(state));
    headers.insert(UPLOAD_UUID, value(&state.id));
    response
}

fn created(gateway: &Gateway, repository: &Repository, digest: &Digest) -> Response<Body> {
    let mut response = answer(201, "", Body::empty());
    let headers = response.headers_mut();
    headers.insert(
        header::LOCATION,
        value(gateway.url(format!("/v2/{repository}/blobs/{digest}"))),
    );
    headers.insert(CONTENT_DIGEST, value(digest.as_str()));
    response
}
