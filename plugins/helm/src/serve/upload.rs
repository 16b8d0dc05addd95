//! What a chart becomes in the registry: the same config, manifest and tag that `helm push` writes.

use std::collections::BTreeMap;
use std::io::Read;

use portolan_plugin_sdk::Descriptor;
use portolan_plugin_sdk::archive::{self, ArchiveError, Limits};
use serde::Serialize;
use serde_json::Value;

use crate::chart::{Chart, Metadata, keys, source, version};

use super::instant;
use super::route::join;

/// The media type of the manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The most bytes of a repository's name.
const REPOSITORY_BYTES_MAX: usize = 255;
/// The most bytes of a tag.
const TAG_BYTES_MAX: usize = 128;
/// The last second of the year 9999: what comes later cannot be written as a time.
const SECONDS_MAX: u64 = 253_402_300_799;

/// Where a chart belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The full name of the repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
}

/// Finds the place of a chart, or says why there can be none.
pub fn place(prefix: &str, name: &str, chart_version: &str) -> Result<Place, String> {
    if !is_repository_part(name) {
        return Err(format!(
            "A chart called {name:?} cannot be stored: the name of its repository would not be valid. Use lower case letters and digits, \
             with single `.`, `_` or any number of `-` between them."
        ));
    }
    let repository = join(prefix, name);
    if repository.len() > REPOSITORY_BYTES_MAX {
        return Err(format!(
            "The repository {repository:?} would have more than {REPOSITORY_BYTES_MAX} bytes. Use a shorter name or prefix."
        ));
    }
    if version::lenient(chart_version).is_none() {
        return Err(format!(
            "The version {chart_version:?} is not a semantic version. Use one such as \"1.0.0\"."
        ));
    }
    let tag = version::tag(chart_version);
    if tag.len() > TAG_BYTES_MAX {
        return Err(format!(
            "The version {chart_version:?} has more than {TAG_BYTES_MAX} bytes, too many for a tag. Use a shorter one."
        ));
    }
    Ok(Place { repository, tag })
}

/// Whether a name is one segment of a repository's name.
fn is_repository_part(name: &str) -> bool {
    let is_alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let is_framed = bytes.first().is_some_and(is_alphanumeric) && bytes.last().is_some_and(is_alphanumeric);
    let separators = name.split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    is_framed
        && separators
            .into_iter()
            .all(|mark| matches!(mark, "" | "." | "_" | "__") || mark.bytes().all(|byte| byte == b'-'))
}

/// Reads what is needed of an uploaded chart: one that Helm could not load is refused with the first reason and their number.
pub fn sound(read: Result<Chart, crate::chart::Fault>) -> Result<Chart, String> {
    let chart = read.map_err(|fault| fault.message)?;
    match chart.faults.as_slice() {
        [] => Ok(chart),
        [only] => Err(only.message.clone()),
        [first, others @ ..] => Err(format!("{} This is 1 of {} faults.", first.message, others.len() + 1)),
    }
}

/// Returns when the first file of a package was made: the registry knows no other time of an upload that stays the same.
pub fn created<R: Read>(package: R) -> Option<String> {
    let mut modified = None;
    // Reading ends at the first entry on purpose; whether the rest is sound has been judged before.
    let _ended = archive::tar_gz(package, &Limits::default(), |entry, _| {
        modified = entry.modified;
        Err(ArchiveError::Read("nothing else is wanted".to_owned()))
    });
    let seconds = modified.filter(|seconds| (1..=SECONDS_MAX).contains(seconds))?;
    Some(instant::format(i64::try_from(seconds).ok()?))
}

/// Writes the config.
pub fn config(metadata: &Metadata) -> Vec<u8> {
    serde_json::to_string(metadata)
        .map(|text| escaped(&text).into_bytes())
        .unwrap_or_default()
}

/// Writes characters as Go's JSON does that a browser could take for markup. In JSON they occur in strings only.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escaped.push_str(&format!("\\u{:04x}", u32::from(letter))),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    config: Content<'a>,
    layers: Vec<Content<'a>>,
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content<'a> {
    media_type: &'a str,
    digest: &'a str,
    size: u64,
}

impl<'a> Content<'a> {
    fn of(descriptor: &'a Descriptor) -> Content<'a> {
        Content {
            media_type: &descriptor.media_type,
            digest: &descriptor.digest,
            size: descriptor.size,
        }
    }
}

/// Writes the manifest. The layers are in the order of their digests.
pub fn manifest(metadata: &Metadata, created: Option<String>, config: &Descriptor, layers: &[Descriptor]) -> Vec<u8> {
    let mut layers: Vec<Content> = layers.iter().map(Content::of).collect();
    layers.sort_by_key(|layer| layer.digest);
    let manifest = Manifest {
        schema_version: 2,
        config: Content::of(config),
        layers,
        annotations: annotations(metadata, created),
    };
    serde_json::to_string(&manifest)
        .map(|text| escaped(&text).into_bytes())
        .unwrap_or_default()
}

/// The annotations of a chart: what registries show, then what the author notes. Name and version are not for the author to replace.
fn annotations(metadata: &Metadata, created: Option<String>) -> BTreeMap<String, String> {
    let source = metadata.sources.first().cloned().unwrap_or_default();
    let stated = [
        ("title", metadata.name.clone()),
        ("version", metadata.version.clone()),
        ("description", metadata.description.clone()),
        ("url", metadata.home.clone()),
        ("created", created.unwrap_or_default()),
        ("source", source),
        ("authors", authors(metadata)),
    ];
    let key = |name: &str| format!("org.opencontainers.image.{name}");
    let mut annotations: BTreeMap<String, String> = stated
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (key(name), value))
        .collect();
    let own = metadata
        .annotations
        .iter()
        .filter(|(name, _)| **name != key("title") && **name != key("version"));
    annotations.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    annotations
}

fn authors(metadata: &Metadata) -> String {
    let author = |maintainer: &crate::chart::Maintainer| match maintainer.email.as_str() {
        "" => maintainer.name.clone(),
        email => format!("{} ({email})", maintainer.name),
    };
    metadata.maintainers().map(author).collect::<Vec<_>>().join(", ")
}

/// Adds a layer to a manifest and leaves everything else as it is; a layer of the same type is replaced.
pub fn with_layer(manifest: &mut Value, layer: &Descriptor) -> Result<Vec<u8>, String> {
    let layers = manifest
        .get_mut("layers")
        .and_then(Value::as_array_mut)
        .ok_or("The manifest of the chart has no layers.")?;
    let text = |layer: &Value, key: &str| layer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    layers.retain(|known| text(known, "mediaType") != layer.media_type);
    layers.push(layer.to_json());
    layers.sort_by_key(|layer| text(layer, "digest"));
    Ok(manifest.to_string().into_bytes())
}

/// Reads from a provenance file which chart it is for: its signed text begins with Chart.yaml.
pub fn subject(text: &str) -> Result<Metadata, String> {
    const RULE: &str = "The provenance file cannot be read";
    let text = text.replace("\r\n", "\n");
    let start = text
        .find("-----BEGIN PGP SIGNED MESSAGE-----")
        .ok_or(format!("{RULE}: it has no signed message."))?;
    let framed = text.get(start..).unwrap_or_default();
    let (_, body) = framed
        .split_once("\n\n")
        .ok_or(format!("{RULE}: its signed message has no text."))?;
    let (manifest, _) = body
        .split_once("\n...\n")
        .ok_or(format!("{RULE}: it has no `...` line below the metadata."))?;
    let lines: Vec<&str> = manifest
        .lines()
        .map(|line| line.strip_prefix("- ").filter(|rest| rest.starts_with('-')).unwrap_or(line))
        .collect();
    let node = source::first(&lines.join("\n"))
        .map_err(|error| format!("{RULE}: its metadata is not valid YAML: {}.", error.message))?;
    if let Some(fault) = keys::metadata(&node, "its metadata").faults.first() {
        return Err(format!("{RULE}: {}", fault.message));
    }
    let (metadata, _) = Metadata::read(&node.to_json(), crate::chart::metadata::Source::Yaml);
    if metadata.name.is_empty() || metadata.version.is_empty() {
        return Err(format!("{RULE}: it does not name a chart and a version."));
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests;
