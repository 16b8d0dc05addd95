//! Lists of the distribution API: repositories, tags, referrers.

use axum::http::{HeaderName, HeaderValue, header};
use serde::Serialize;
use serde_json::{json, value::RawValue};

use super::{
    Answer,
    error::HttpError,
    request::{Call, PAGE_MAX, document, json},
};
use crate::{
    oci::{Digest, Repository, Tag, media_types},
    registry::{ReferrerRecord, beside},
};

/// The most tags of one page: 1.3 MB of them, where each is as long as it may be.
const TAGS_MAX: usize = 10_000;

/// What a referrer takes in a page beside its annotations, in bytes, roughly.
const REFERRER_BYTES: usize = 256;

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// `GET /v2/_catalog`
pub(super) async fn catalog(call: Call) -> Answer {
    let n = call.page(PAGE_MAX)?;
    let mut repositories = call
        .reader()
        .repositories("", call.parameter("last").as_deref(), n + 1)
        .await?;
    let more = repositories.len() > n;
    repositories.truncate(n);
    let names: Vec<&str> = repositories.iter().map(Repository::as_str).collect();
    let mut response = json(&json!({ "repositories": names }));
    if let (true, Some(last)) = (more, names.last()) {
        response.headers_mut().insert(
            header::LINK,
            call.gateway
                .next_link("/v2/_catalog", &[("n", &n.to_string()), ("last", last)]),
        );
    }
    Ok(response)
}

/// `GET /v2/{repository}/tags/list`
pub(super) async fn tags(call: &Call, repository: &Repository) -> Answer {
    let n = call.page(TAGS_MAX)?;
    let last = call.parameter("last");
    let mut tags = call.reader().tags(repository, last.as_deref(), n + 1).await?;
    let more = tags.len() > n;
    tags.truncate(n);
    let names: Vec<&str> = tags.iter().map(Tag::as_str).collect();
    let mut response = json(&json!({ "name": repository.as_str(), "tags": names }));
    if let (true, Some(last)) = (more, names.last()) {
        let path = format!("/v2/{repository}/tags/list");
        response.headers_mut().insert(
            header::LINK,
            call.gateway.next_link(path, &[("n", &n.to_string()), ("last", last)]),
        );
    }
    Ok(response)
}

/// `GET /v2/{repository}/referrers/{digest}`
pub(super) async fn referrers(call: &Call, repository: &Repository, subject: &Digest) -> Answer {
    let n = call.page(PAGE_MAX)?.max(1);
    let wanted = call.parameter("artifactType").filter(|wanted| !wanted.is_empty());
    let after = call
        .parameter("last")
        .filter(|last| !last.is_empty())
        .map(|last| last.parse::<Digest>())
        .transpose()
        .map_err(HttpError::from)?;
    let page = call
        .reader()
        .referrers(repository, subject, wanted.as_deref(), after.as_ref(), n)
        .await?;
    let bytes = page
        .referrers
        .iter()
        .map(|referrer| REFERRER_BYTES + referrer.annotations.len())
        .sum();
    let index = beside(bytes, move || index(&page.referrers)).await;
    // Some clients compare this type to the letter.
    let mut response = document(media_types::OCI_INDEX, index);
    if wanted.is_some() {
        response
            .headers_mut()
            .insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let Some(last) = page.next {
        let n = n.to_string();
        let mut parameters = vec![("n", n.as_str()), ("last", last.as_str())];
        parameters.extend(wanted.as_deref().map(|wanted| ("artifactType", wanted)));
        let link = call
            .gateway
            .next_link(format!("/v2/{repository}/referrers/{subject}"), &parameters);
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Writes a page of referrers.
fn index(referrers: &[ReferrerRecord]) -> Vec<u8> {
    let index = Index {
        schema_version: 2,
        media_type: media_types::OCI_INDEX,
        manifests: referrers.iter().map(Listed::of).collect(),
    };
    serde_json::to_vec(&index).expect("its keys are strings, and its raw parts are JSON")
}

/// A page of referrers, as the index that the specification asks for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u32,
    media_type: &'a str,
    manifests: Vec<Listed<'a>>,
}

/// A referrer. Its annotations are megabytes at times and are written as the text that they are kept as.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    media_type: &'a str,
    digest: &'a Digest,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<&'a RawValue>,
}

impl<'a> Listed<'a> {
    fn of(referrer: &'a ReferrerRecord) -> Self {
        let annotations = Some(referrer.annotations.as_str()).filter(|annotations| *annotations != "{}");
        Self {
            media_type: referrer.media_type.as_str(),
            digest: &referrer.digest,
            size: referrer.size,
            artifact_type: referrer.artifact_type.as_deref(),
            annotations: annotations.and_then(|annotations| serde_json::from_str(annotations).ok()),
        }
    }
}
