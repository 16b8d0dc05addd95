//! One artifact: what plugins know of it, its views, its findings, how it differs from another.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use serde_json::{Value, json};

use super::{
    Answer,
    error::HttpError,
    request::{Call, answer, json, value},
    urls,
};
use crate::{
    oci::{Digest, ErrorCode, Manifest, Reference, Repository, Tag},
    plugin_host::{CallError, KnownType, ViewSpec},
    registry::{Artifact, ArtifactRecord, Finding, Opinion, Reader, ReferrerRecord, RegistryError, Run, SARIF_MEDIA_TYPE, sarif},
};

/// The most related manifests that are listed with an artifact. `/referrers/` pages through all.
const RELATED_MAX: usize = 100;
/// The most pages of referrers that are read for them: a page may be empty although more follow.
const RELATED_PAGES_MAX: usize = 8;
/// The most options of one view.
const OPTIONS_MAX: usize = 64;

/// `GET /v2/{repository}/_portolan/artifacts/{reference}`
pub(super) async fn artifact(call: &Call, repository: &Repository, reference: &Reference) -> Answer {
    let reader = call.reader();
    let digest = reader.manifest_head(repository, reference).await?.digest;
    let record = reader.artifact(repository, &digest).await?;
    // What was stored under laxer rules is shown as far as that goes without reading it.
    let (manifest, unreadable) = match reader.open(repository, &Reference::Digest(digest.clone())).await {
        Ok(artifact) => (Some(artifact.manifest), None),
        Err(error @ RegistryError::Unreadable { .. }) => (None, Some(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let known = call.gateway.plugins.known(&record.candidates);
    let base = call.gateway.url(format!("/v2/{repository}/_portolan/artifacts/{digest}"));
    let shown = known.as_ref().filter(|_| manifest.is_some());
    let views = shown.map_or_else(Vec::new, |known| views(known, &base));
    let commands = known
        .as_ref()
        .map_or_else(Vec::new, |known| commands(known, call, repository, reference, &record));
    Ok(json(&json!({
        "repository": repository.as_str(),
        "digest": digest,
        "mediaType": record.head.media_type.as_str(),
        "size": record.head.size,
        "tags": record.tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
        "type": known.as_ref().map(|known| known.artifact_type.as_str()).or(record.judged.as_ref().map(|(kind, _)| kind.as_str())),
        "candidates": record.candidates,
        "plugin": known.as_ref().map(|known| json!({ "name": known.plugin, "version": known.version, "title": known.title })),
        "entry": entry(&record),
        "failure": unreadable.as_ref().or(record.failure.as_ref()),
        "opinions": record.opinions.iter().map(opinion).collect::<Vec<_>>(),
        "views": views,
        "findings": {
            "validate": by_severity(&record.validated),
            "scan": record.scanned.as_ref().map(|(_, findings)| by_severity(findings)),
            "url": format!("{base}/findings"),
        },
        "commands": commands,
        "references": references(call, &reader, repository, manifest.as_deref(), &record).await?,
    })))
}

/// `GET /v2/{repository}/_portolan/artifacts/{reference}/views/{view}`
pub(super) async fn view(call: &Call, repository: &Repository, reference: &Reference, view: &str) -> Answer {
    let reader = call.reader();
    let artifact = reader.open(repository, reference).await?;
    let options = call.form();
    if options.len() > OPTIONS_MAX {
        return Err(HttpError::bad_request(
            ErrorCode::Unsupported,
            format!("a view takes at most {OPTIONS_MAX} options"),
        ));
    }
    let rendered = call.gateway.plugins.render(artifact, reader, view, options).await?;
    let etag = format!("\"{}\"", Digest::sha256(&rendered.body).hex());
    let unchanged = call.conditions().client_has(&etag)?;
    let (length, body) = (
        rendered.body.len(),
        if call.is_head() {
            Body::empty()
        } else {
            Body::from(rendered.body)
        },
    );
    let mut response = if unchanged {
        answer(304, "", Body::empty())
    } else {
        Response::new(body)
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, value(etag));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if !unchanged {
        headers.insert(header::CONTENT_LENGTH, length.into());
        headers.insert(header::CONTENT_TYPE, value(rendered.media_type));
    }
    // What a plugin renders comes from whoever pushed the artifact: a browser must not run it in the name of this registry.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"),
    );
    Ok(response)
}

/// `GET /v2/{repository}/_portolan/artifacts/{reference}/findings`
pub(super) async fn findings(call: &Call, repository: &Repository, reference: &Reference) -> Answer {
    let reader = call.reader();
    let head = reader.manifest_head(repository, reference).await?;
    let record = reader.artifact(repository, &head.digest).await?;
    let known = call.gateway.plugins.known(&record.candidates);
    let judged = record.judged.as_ref().map(|(_, stamp)| stamp);
    let stamp = judged.or(record.scanned.as_ref().map(|(stamp, _)| stamp));
    let mut findings = record.validated.clone();
    findings.extend(record.scanned.iter().flat_map(|(_, findings)| findings.iter().cloned()));
    let name = stamp.map_or("portolan", |stamp| stamp.plugin.as_str());
    let version = known.as_ref().map_or("", |known| known.version.as_str());
    let versions: Vec<String> = record
        .opinions
        .iter()
        .map(|opinion| call.gateway.plugins.version(&opinion.stamp))
        .collect();
    let mut runs = vec![Run {
        plugin: name,
        version,
        findings: &findings,
    }];
    runs.extend(record.opinions.iter().zip(&versions).map(|(opinion, version)| Run {
        plugin: &opinion.stamp.plugin,
        version,
        findings: &opinion.findings,
    }));
    let mut response = Response::new(Body::from(sarif(&runs)));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(SARIF_MEDIA_TYPE));
    response.headers_mut().insert(
        HeaderName::from_static("portolan-scanned"),
        value(if record.scanned.is_some() { "yes" } else { "no" }),
    );
    Ok(response)
}

/// `GET /v2/{repository}/_portolan/artifacts/{reference}/compare/{reference}?repository=`
pub(super) async fn compare(call: &Call, repository: &Repository, before: &Reference, after: &Reference) -> Answer {
    let reader = call.reader();
    let other = call
        .parameter("repository")
        .map(|other| other.parse::<Repository>())
        .transpose()?;
    let before = reader.open(repository, before).await?;
    let after = reader.open(other.as_ref().unwrap_or(repository), after).await?;
    let side = |artifact: &Artifact| json!({ "repository": artifact.repository.as_str(), "digest": artifact.digest });
    let sides = (side(&before), side(&after));
    let changes = call.gateway.plugins.compare(before, after, reader).await?;
    Ok(json(&json!({ "before": sides.0, "after": sides.1, "changes": changes })))
}

impl From<CallError> for HttpError {
    fn from(error: CallError) -> Self {
        let message = error.to_string();
        match &error {
            CallError::NoPlugin | CallError::NoCapability { .. } | CallError::NoView { .. } => {
                Self::new(StatusCode::NOT_FOUND, ErrorCode::Unsupported, message)
            }
            CallError::Guest { code, .. } if code == "not-found" => {
                Self::new(StatusCode::NOT_FOUND, ErrorCode::Unsupported, message)
            }
            CallError::Guest { .. } => Self::bad_request(ErrorCode::Unsupported, message),
            CallError::Failed { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::ManifestInvalid, message),
            CallError::Unavailable { retry_after_seconds, .. } => Self::unavailable(message, *retry_after_seconds),
        }
    }
}

fn entry(record: &ArtifactRecord) -> Value {
    let Some(entry) = &record.entry else { return Value::Null };
    let document: Value = serde_json::from_str(&entry.document).unwrap_or_default();
    with(json!(entry), "document", document)
}

/// Shows what a plugin said that claims the artifact as well, but is not asked about it.
fn opinion(opinion: &Opinion) -> Value {
    json!({
        "plugin": opinion.stamp.plugin,
        "type": opinion.artifact_type,
        "failure": opinion.failure,
        "findings": by_severity(&opinion.findings),
    })
}

fn views(known: &KnownType, base: &str) -> Vec<Value> {
    let url = |view: &ViewSpec| format!("{base}/views/{}", view.name).into();
    known.views.iter().map(|view| with(json!(view), "url", url(view))).collect()
}

/// Sets a member of an object.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
    object
}

/// Fills in the plugin's command templates. One that names a tag is left out where the artifact has none.
fn commands(
    known: &KnownType,
    call: &Call,
    repository: &Repository,
    reference: &Reference,
    record: &ArtifactRecord,
) -> Vec<Value> {
    let origin = call.origin();
    let registry = urls::registry(&origin);
    let name = repository.as_str().rsplit('/').next().unwrap_or_default();
    let tag = match reference {
        Reference::Tag(tag) => Some(tag),
        Reference::Digest(_) => record.tags.first(),
    };
    let fill = |template: &str| {
        // A reference of an OCI client has a host and no path before the repository.
        if registry.contains('/') && template.contains("{registry}") {
            return None;
        }
        let filled = template
            .replace("{registry}", registry)
            .replace("{origin}", &origin)
            .replace("{repository}", repository.as_str())
            .replace("{name}", name)
            .replace("{digest}", record.head.digest.as_str());
        match tag {
            Some(tag) => Some(filled.replace("{tag}", tag.as_str())),
            None if template.contains("{tag}") => None,
            None => Some(filled),
        }
    };
    let commands = known.commands.iter();
    commands
        .filter_map(|command| Some(json!({ "title": command.title, "command": fill(&command.command)? })))
        .collect()
}

fn by_severity(findings: &[Finding]) -> Value {
    let mut counts: BTreeMap<&str, usize> = ["critical", "high", "medium", "low", "info"]
        .map(|severity| (severity, 0))
        .into();
    for finding in findings {
        *counts.entry(finding.severity.as_str()).or_default() += 1;
    }
    json!(counts)
}

/// Returns what the artifact points to and what points to it, as far as the caller may see it.
async fn references(
    call: &Call,
    reader: &Reader,
    repository: &Repository,
    manifest: Option<&Manifest>,
    record: &ArtifactRecord,
) -> Result<Value, HttpError> {
    let digest = &record.head.digest;
    let mut to: Vec<Value> = record
        .entry
        .iter()
        .flat_map(|entry| entry.references.iter().map(|reference| json!(reference)))
        .collect();
    let named = manifest.into_iter().flat_map(|manifest| {
        let children = manifest.children().map(|child| ("manifest", child));
        manifest.subject.iter().map(|subject| ("subject", subject)).chain(children)
    });
    to.extend(named.take(RELATED_MAX).map(|(kind, descriptor)| {
        json!({ "kind": kind, "target": format!("{repository}@{}", descriptor.digest), "digest": descriptor.digest, "mediaType": descriptor.media_type })
    }));
    let from_index = reader.parents(repository, digest, RELATED_MAX).await?.into_iter().map(|related| {
        json!({ "kind": related.kind, "target": format!("{repository}@{}", related.head.digest), "digest": related.head.digest, "mediaType": related.head.media_type.as_str() })
    });
    let (referrers, more) = related(reader, repository, digest).await?;
    let referrers = referrers.into_iter().map(|referrer| {
        json!({ "kind": "referrer", "target": format!("{repository}@{}", referrer.digest), "digest": referrer.digest, "type": referrer.artifact_type })
    });
    let more = more.map(|last| {
        let list = call.gateway.url(format!("/v2/{repository}/referrers/{digest}"));
        format!("{list}?last={last}")
    });
    Ok(json!({ "to": to, "from": from_index.chain(referrers).collect::<Vec<_>>(), "more": more }))
}

/// Returns the first referrers of a manifest, and the digest behind which the list goes on, where it does.
async fn related(
    reader: &Reader,
    repository: &Repository,
    subject: &Digest,
) -> Result<(Vec<ReferrerRecord>, Option<Digest>), HttpError> {
    let (mut found, mut last) = (Vec::new(), None);
    for _ in 0..RELATED_PAGES_MAX {
        let page = reader
            .referrers(repository, subject, None, last.as_ref(), RELATED_MAX - found.len())
            .await?;
        found.extend(page.referrers);
        last = page.next;
        if last.is_none() || found.len() >= RELATED_MAX {
            break;
        }
    }
    Ok((found, last))
}
