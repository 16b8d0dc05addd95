//! Lists of the distribution API: repositories, tags, referrers.

use axum::http::{HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use super::{
    Answer,
    error::HttpError,
    request::{Call, answer, json, next_link},
};
use crate::{
    oci::{Digest, Repository, Tag, media_types},
    registry::ReferrerRecord,
};

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// `GET /v2/_catalog`
pub(super) fn catalog(call: &Call<'_>) -> Answer {
    let n = call.page()?;
    let mut repositories = call.reader().repositories("", call.parameter("last").as_deref(), n + 1)?;
    let more = repositories.len() > n;
    repositories.truncate(n);
    let names: Vec<&str> = repositories.iter().map(Repository::as_str).collect();
    let mut response = json(&json!({ "repositories": names }));
    if let (true, Some(last)) = (more, names.last()) {
        response.headers_mut().insert(
            header::LINK,
            next_link("/v2/_catalog", &[("n", &n.to_string()), ("last", last)]),
        );
    }
    Ok(response)
}

/// `GET /v2/{repository}/tags/list`
pub(super) fn tags(call: &Call<'_>, repository: &Repository) -> Answer {
    let n = call.page()?;
    let mut tags = call.reader().tags(repository, call.parameter("last").as_deref(), n + 1)?;
    let more = tags.len() > n;
    tags.truncate(n);
    let names: Vec<&str> = tags.iter().map(Tag::as_str).collect();
    let mut response = json(&json!({ "name": repository.as_str(), "tags": names }));
    if let (true, Some(last)) = (more, names.last()) {
        let path = format!("/v2/{repository}/tags/list");
        response
            .headers_mut()
            .insert(header::LINK, next_link(&path, &[("n", &n.to_string()), ("last", last)]));
    }
    Ok(response)
}

/// `GET /v2/{repository}/referrers/{digest}`
pub(super) fn referrers(call: &Call<'_>, repository: &Repository, subject: &Digest) -> Answer {
    let n = call.page()?.max(1);
    let wanted = call.parameter("artifactType").filter(|wanted| !wanted.is_empty());
    let after = call
        .parameter("last")
        .map(|last| last.parse::<Digest>())
        .transpose()
        .map_err(HttpError::from)?;
    let mut found = call
        .reader()
        .referrers(repository, subject, wanted.as_deref(), after.as_ref(), n + 1)?;
    let more = found.len() > n;
    found.truncate(n);
    let manifests: Vec<Value> = found.iter().map(descriptor).collect();
    let index = json!({ "schemaVersion": 2, "mediaType": media_types::OCI_INDEX, "manifests": manifests });
    // Some clients compare this type to the letter.
    let mut response = answer(200, media_types::OCI_INDEX, index.to_string());
    if wanted.is_some() {
        response
            .headers_mut()
            .insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let (true, Some(last)) = (more, found.last()) {
        let n = n.to_string();
        let mut parameters = vec![("n", n.as_str()), ("last", last.digest.as_str())];
        parameters.extend(wanted.as_deref().map(|wanted| ("artifactType", wanted)));
        let link = next_link(&format!("/v2/{repository}/referrers/{subject}"), &parameters);
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn descriptor(referrer: &ReferrerRecord) -> Value {
    let mut descriptor = json!({
        "mediaType": referrer.media_type.as_str(),
        "digest": referrer.digest,
        "size": referrer.size,
    });
    if let Some(descriptor) = descriptor.as_object_mut() {
        descriptor.extend(
            referrer
                .artifact_type
                .as_ref()
                .map(|kind| ("artifactType".to_owned(), kind.as_str().into())),
        );
        let annotations: serde_json::Map<String, Value> = serde_json::from_str(&referrer.annotations).unwrap_or_default();
        if !annotations.is_empty() {
            descriptor.insert("annotations".into(), annotations.into());
        }
    }
    descriptor
}
