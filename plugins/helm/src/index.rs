//! What search, the catalogue and the chart repository know about a chart.

pub mod image;
pub mod references;

use portolan_plugin_sdk::{Descriptor, Entry};
use serde_json::{Map, Value, json};

use crate::chart::{Chart, Metadata};
use crate::rule::cut;
use crate::serve::instant;

/// The annotation that says when the chart was made.
const CREATED: &str = "org.opencontainers.image.created";

const TITLE_BYTES_MAX: usize = 256;
const VERSION_BYTES_MAX: usize = 128;
const SUMMARY_BYTES_MAX: usize = 1024;
const KEYWORDS_MAX: usize = 64;
const KEYWORD_BYTES_MAX: usize = 64;
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// What the entry tells beside the chart itself.
pub struct Source<'a> {
    /// The chart layer.
    pub chart: &'a Descriptor,
    /// The SHA-256 of the chart layer in hexadecimal digits.
    pub chart_hash: &'a str,
    /// The provenance layer, where there is one.
    pub provenance: Option<&'a Descriptor>,
    /// The annotations of the manifest.
    pub annotations: &'a [(String, String)],
}

/// Makes the entry of a chart.
pub fn entry(chart: &Chart, source: &Source) -> Entry {
    let metadata = &chart.metadata;
    let mut entry = Entry::new(cut(&metadata.name, TITLE_BYTES_MAX)).keywords(keywords(metadata));
    if !metadata.version.is_empty() && metadata.version.len() <= VERSION_BYTES_MAX {
        entry = entry.version(&metadata.version);
    }
    if !metadata.description.is_empty() {
        entry = entry.summary(cut(&metadata.description, SUMMARY_BYTES_MAX));
    }
    entry.references = references::of(chart);
    entry.document(document(metadata, source))
}

fn keywords(metadata: &Metadata) -> Vec<String> {
    let mut keywords: Vec<String> = Vec::new();
    for word in &metadata.keywords {
        let word = cut(word.trim(), KEYWORD_BYTES_MAX);
        if !word.is_empty() && keywords.len() < KEYWORDS_MAX && !keywords.contains(&word) {
            keywords.push(word);
        }
    }
    keywords
}

/// Makes the document, leaving out what matters least until it fits: annotations from the largest on, then lists and long texts.
fn document(metadata: &Metadata, source: &Source) -> Value {
    const ANNOTATION_BYTES_MAX: [usize; 5] = [16 * 1024, 4 * 1024, 1024, 256, 0];
    let fits = |document: &Value| document.to_string().len() <= DOCUMENT_BYTES_MAX;
    let mut metadata = metadata.clone();
    let whole = complete(&metadata, source);
    if fits(&whole) {
        return whole;
    }
    for bytes_max in ANNOTATION_BYTES_MAX {
        metadata
            .annotations
            .retain(|_, value| value.len() <= bytes_max && bytes_max > 0);
        let document = complete(&metadata, source);
        if fits(&document) {
            return document;
        }
    }
    complete(&essential(&metadata), source)
}

/// What of metadata cannot be left out.
fn essential(metadata: &Metadata) -> Metadata {
    Metadata {
        name: cut(&metadata.name, SUMMARY_BYTES_MAX),
        version: cut(&metadata.version, SUMMARY_BYTES_MAX),
        api_version: cut(&metadata.api_version, SUMMARY_BYTES_MAX),
        app_version: cut(&metadata.app_version, SUMMARY_BYTES_MAX),
        description: cut(&metadata.description, SUMMARY_BYTES_MAX),
        kube_version: cut(&metadata.kube_version, SUMMARY_BYTES_MAX),
        kind: metadata.kind.clone(),
        deprecated: metadata.deprecated,
        ..Metadata::default()
    }
}

fn complete(metadata: &Metadata, source: &Source) -> Value {
    let created = source
        .annotations
        .iter()
        .find(|(name, _)| name == CREATED)
        .map(|(_, value)| value.as_str());
    let created = created.and_then(time);
    let mut document = Map::new();
    document.insert("metadata".to_owned(), serde_json::to_value(metadata).unwrap_or_default());
    for (key, value) in [
        ("appVersion", &metadata.app_version),
        ("kubeVersion", &metadata.kube_version),
        ("type", &metadata.kind),
        ("icon", &metadata.icon),
    ] {
        if !value.is_empty() {
            document.insert(key.to_owned(), json!(value));
        }
    }
    document.insert("deprecated".to_owned(), json!(metadata.deprecated));
    document.insert("chartDigest".to_owned(), json!(source.chart_hash));
    document.insert("chartLayer".to_owned(), layer(source.chart));
    if let Some(provenance) = source.provenance {
        document.insert("provLayer".to_owned(), layer(provenance));
    }
    if let Some(created) = &created {
        document.insert("created".to_owned(), json!(created));
    }
    document.insert("annotations".to_owned(), annotations(source.annotations, metadata));
    document.insert(
        "fragment".to_owned(),
        json!(fragment(metadata, created.as_deref(), source.chart_hash)),
    );
    Value::Object(document)
}

fn layer(layer: &Descriptor) -> Value {
    json!({ "digest": layer.digest, "size": layer.size })
}

/// The annotations of the manifest that do not repeat those of Chart.yaml, as long as they are short.
fn annotations(annotations: &[(String, String)], metadata: &Metadata) -> Value {
    const ANNOTATIONS_MAX: usize = 32;
    const VALUE_BYTES_MAX: usize = 1024;
    let own = annotations
        .iter()
        .filter(|(name, value)| metadata.annotations.get(name) != Some(value));
    let short = own.filter(|(name, value)| name.len() <= KEYWORD_BYTES_MAX * 4 && value.len() <= VALUE_BYTES_MAX);
    short
        .take(ANNOTATIONS_MAX)
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// The text of this version in the index of a chart repository, without the closing brace: whoever writes an index appends the URLs.
///
/// It holds only keys that Helm knows, because older clients reject an index with any other.
pub fn fragment(metadata: &Metadata, created: Option<&str>, chart_hash: &str) -> String {
    let mut text = serde_json::to_string(metadata).unwrap_or_default();
    text.pop();
    let mut append = |key: &str, value: &str| {
        let comma = if text.ends_with('{') { "" } else { "," };
        text.push_str(&format!("{comma}\"{key}\":{}", Value::from(value)));
    };
    if let Some(created) = created {
        append("created", created);
    }
    append("digest", chart_hash);
    text
}

/// Writes a time anew, because a client would reject the whole index for one that is not by RFC 3339.
fn time(text: &str) -> Option<String> {
    const WRITTEN_BYTES: usize = "2026-01-02T03:04:05Z".len();
    let seconds = instant::parse(text).filter(|seconds| *seconds >= 0)?;
    Some(instant::format(seconds)).filter(|written| written.len() == WRITTEN_BYTES)
}

#[cfg(test)]
mod tests;
