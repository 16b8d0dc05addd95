//! Manifests: pull, push, delete.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Response, header},
};

use super::{
    Answer,
    error::{HttpError, worded},
    request::{Call, answer, value},
};
use crate::{
    oci::{Digest, ErrorCode, MediaType, Reference, Repository, Tag},
    registry::{ManifestPush, Remark},
};

/// The most bytes of all `Warning` headers of one answer (distribution specification, "Warnings").
const WARNINGS_BYTES_MAX: usize = 4_096;
/// The most `Warning` headers of one answer: some clients take no more than a hundred headers in all.
const WARNINGS_MAX: usize = 50;

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// Whoever keeps an answer asks before using it again, with the entity tag that it has. What a tag means may change at any time; content
/// under its digest never changes, but it can be deleted, and callers can lose the right to see it: a cache between them and the gateway
/// would go on handing it out.
pub(super) const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// `GET /v2/{repository}/manifests/{reference}`
pub(super) async fn get(call: &Call, repository: &Repository, reference: &Reference) -> Answer {
    let record = call.reader().manifest(repository, reference).await?;
    let conditions = call.conditions();
    if conditions.are_any() && conditions.client_has(&etag(&record.digest))? {
        return Ok(described(answer(304, "", Body::empty()), &record.digest));
    }
    let response = Response::new(Body::from(record.bytes));
    Ok(typed(described(response, &record.digest), &record.media_type))
}

/// `HEAD /v2/{repository}/manifests/{reference}`
pub(super) async fn head(call: &Call, repository: &Repository, reference: &Reference) -> Answer {
    let head = call.reader().manifest_head(repository, reference).await?;
    let conditions = call.conditions();
    if conditions.are_any() && conditions.client_has(&etag(&head.digest))? {
        return Ok(described(answer(304, "", Body::empty()), &head.digest));
    }
    let mut response = typed(described(Response::new(Body::empty()), &head.digest), &head.media_type);
    response.headers_mut().insert(header::CONTENT_LENGTH, head.size.into());
    Ok(response)
}

/// `PUT /v2/{repository}/manifests/{reference}`
pub(super) async fn put(call: Call, repository: &Repository, reference: Reference) -> Answer {
    let gateway = call.gateway.clone();
    let caller = call.caller.clone();
    let tags = extra_tags(&call)?;
    let asked: Vec<Tag> = tags.clone();
    let expected = call.conditions().expected();
    let content_type = call.header(header::CONTENT_TYPE).map(str::to_owned);
    let bytes = call
        .into_bytes("the manifest", gateway.registry.config().manifest_bytes_max)
        .await?;
    let location = gateway.url(format!("/v2/{repository}/manifests/{reference}"));
    let push = ManifestPush {
        reference,
        tags,
        content_type,
        bytes,
    };
    let pushed = gateway.registry.put_manifest(&caller, repository, push, expected).await?;
    let mut response = answer(201, "", Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, value(location));
    headers.insert(CONTENT_DIGEST, value(pushed.digest.as_str()));
    headers.insert(header::ETAG, value(etag(&pushed.digest)));
    if let Some(subject) = pushed.subject {
        headers.insert(OCI_SUBJECT, value(subject.as_str()));
    }
    for tag in asked {
        headers.append(OCI_TAG, value(tag.as_str()));
    }
    append_warnings(headers, &pushed.remarks);
    Ok(response)
}

/// `DELETE /v2/{repository}/manifests/{reference}`
pub(super) async fn delete(call: &Call, repository: &Repository, reference: &Reference) -> Answer {
    call.gateway
        .registry
        .delete_manifest(&call.caller, repository, reference, call.conditions().expected())
        .await?;
    Ok(answer(202, "", Body::empty()))
}

/// Reads the tags of `?tag=a&tag=b`.
fn extra_tags(call: &Call) -> Result<Vec<Tag>, HttpError> {
    call.parameters("tag")
        .map(|tag| {
            tag.parse::<Tag>()
                .map_err(|error| HttpError::bad_request(ErrorCode::ManifestInvalid, error.to_string()))
        })
        .collect()
}

/// Tells what there is to say about a push that was accepted, as far as it fits.
fn append_warnings(headers: &mut HeaderMap, remarks: &[Remark]) {
    let mut room = WARNINGS_BYTES_MAX;
    for Remark { plugin, finding } in remarks.iter().take(WARNINGS_MAX) {
        let who = plugin
            .as_ref()
            .map_or_else(String::new, |plugin| format!("plugin {plugin}: "));
        let text: String = who
            .chars()
            .chain(worded(finding).chars())
            .map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' })
            .collect();
        let warning = format!("299 - \"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        match room.checked_sub(warning.len()) {
            Some(left) => room = left,
            None => break,
        }
        headers.append(header::WARNING, value(warning));
    }
}

/// Returns the entity tag of content.
pub(super) fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

fn described(mut response: Response<Body>, digest: &Digest) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(CONTENT_DIGEST, value(digest.as_str()));
    headers.insert(header::ETAG, value(etag(digest)));
    headers.insert(header::CACHE_CONTROL, REVALIDATE);
    response
}

fn typed(mut response: Response<Body>, media_type: &MediaType) -> Response<Body> {
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, value(media_type.as_str()));
    response
}
