//! What the gateway adds to the distribution API for the registry as a whole: extensions, types, plugins, search.

use axum::http::header;
use serde_json::{Value, json};

use super::{
    Answer,
    error::HttpError,
    request::{Call, PAGE_MAX, document, json},
};
use crate::{
    auth::Action,
    oci::{ErrorCode, Tag},
    registry::{EntryCursor, EntryItem, beside},
};

/// The longest query that is searched for, in bytes.
const QUERY_BYTES_MAX: usize = 512;

/// The members of a plugin's status that say how it is used.
const USE: [&str; 3] = ["calls", "jobs", "memoryBytesPeak"];

/// `GET /v2/_oci/ext/discover`
pub(super) fn discover(call: &Call) -> Answer {
    Ok(json(&json!({
        "extensions": [
            {
                "name": "_oci",
                "description": "Discovery of extensions.",
                "url": "https://github.com/opencontainers/distribution-spec/blob/main/extensions/_oci.md",
                "endpoints": ["_oci/ext/discover"],
            },
            {
                "name": "_portolan",
                "description": "What plugins know about artifacts: types, entries, views, findings, differences.",
                "url": call.gateway.url("/v2/_portolan/openapi.json"),
                "endpoints": [
                    "_portolan/types",
                    "_portolan/plugins",
                    "_portolan/search",
                    "_portolan/openapi.json",
                    "_portolan/artifacts",
                ],
            },
        ],
    })))
}

/// `GET /v2/_portolan/types`
pub(super) fn types(call: &Call) -> Answer {
    paged(call, "types", call.gateway.plugins.types(), "type")
}

/// `GET /v2/_portolan/plugins`
pub(super) fn plugins(call: &Call) -> Answer {
    let plugins = call.gateway.plugins.plugins();
    let plugins = plugins.iter().map(|plugin| shown(call, json!(plugin))).collect();
    paged(call, "plugins", plugins, "name")
}

/// `GET /v2/_portolan/plugins/{name}`
pub(super) async fn plugin(call: &Call, name: &str) -> Answer {
    let Some(plugin) = call.gateway.plugins.plugin(name) else {
        return Err(HttpError::not_found(
            "there is no plugin of this name; /v2/_portolan/plugins lists all",
        ));
    };
    let mut status = json!(plugin);
    if let Some(members) = status.as_object_mut() {
        members.insert("jobs".to_owned(), json!(call.gateway.registry.jobs_of(name).await?));
    }
    Ok(json(&shown(call, status)))
}

/// Returns what the caller may know of the status of a plugin. How it is used tells of every repository.
fn shown(call: &Call, mut status: Value) -> Value {
    if let Some(members) = status.as_object_mut().filter(|_| !call.caller.scope(Action::Read).is_all()) {
        for member in USE {
            members.remove(member);
        }
    }
    status
}

/// `GET /v2/_portolan/search?q=&type=`
pub(super) async fn search(call: Call) -> Answer {
    let refuse = |message: &str| HttpError::bad_request(ErrorCode::Unsupported, message);
    let n = call.page(PAGE_MAX)?.max(1);
    let typed = call.form().into_iter().find(|(name, _)| name == "q");
    let query = typed.map(|(_, query)| query).unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        return Err(refuse(&format!(
            "parameter q has {} bytes; at most {QUERY_BYTES_MAX} are allowed",
            query.len()
        )));
    }
    let kind = call.parameter("type").filter(|kind| !kind.is_empty());
    let after = match call.parameter("last") {
        Some(last) => Some(cursor(&last).ok_or_else(|| refuse("parameter last has to come from the Link of an earlier page"))?),
        None => None,
    };
    let (found, next) = call.reader().search(&query, kind.as_deref(), after.as_ref(), n).await?;
    let bytes = found.iter().map(|item| item.entry.len()).sum();
    let results = move || json!({ "results": found.iter().map(result).collect::<Vec<_>>() }).to_string();
    let mut response = document("application/json", beside(bytes, results).await);
    if let Some((repository, digest)) = next {
        let (n, last) = (n.to_string(), format!("{repository}@{digest}"));
        let mut parameters = vec![("n", n.as_str()), ("last", last.as_str()), ("q", query.as_str())];
        parameters.extend(kind.as_deref().map(|kind| ("type", kind)));
        response
            .headers_mut()
            .insert(header::LINK, call.gateway.next_link("/v2/_portolan/search", &parameters));
    }
    Ok(response)
}

fn cursor(last: &str) -> Option<EntryCursor> {
    let (repository, digest) = last.split_once('@')?;
    Some((repository.to_owned(), digest.to_owned()))
}

fn result(item: &EntryItem) -> Value {
    let entry: Value = serde_json::from_str(&item.entry).unwrap_or_default();
    json!({
        "repository": item.repository.as_str(),
        "digest": item.digest,
        "type": item.artifact_type,
        "tags": item.tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
        "title": entry.get("title"),
        "version": entry.get("version"),
        "summary": entry.get("summary"),
        "keywords": entry.get("keywords"),
    })
}

/// Answers a page of a list that is at hand, sorted by one member.
fn paged(call: &Call, name: &str, mut items: Vec<Value>, key: &str) -> Answer {
    let n = call.page(PAGE_MAX)?;
    let key_of = |item: &Value| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    items.sort_by_key(key_of);
    if let Some(last) = call.parameter("last") {
        items.retain(|item| key_of(item) > last);
    }
    let more = items.len() > n;
    items.truncate(n);
    let last = items.last().map(key_of);
    let mut response = json(&json!({ name: items }));
    if let (true, Some(last)) = (more, last) {
        let link = call
            .gateway
            .next_link(format!("/v2/_portolan/{name}"), &[("n", &n.to_string()), ("last", &last)]);
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}
