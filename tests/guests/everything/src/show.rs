//! Renders and compares.

use std::collections::BTreeMap;

use portolan_plugin_sdk::{Artifact, Change, Comparer, Content, Context, Error, Options, Renderer, Severity};
use serde_json::{Value, json};

use crate::Everything;

/// The most of a layer that is shown.
const TEXT_BYTES_MAX: u64 = 1 << 20;

impl Renderer for Everything {
    fn render(_: &Context, artifact: &Artifact, view: &str, options: &Options) -> Result<Content, Error> {
        match view {
            "manifest" => Ok(Content::new("application/json", artifact.manifest_bytes())),
            "text" => {
                let layers = artifact.layers();
                let layer = layers
                    .first()
                    .ok_or_else(|| Error::new(Error::NOT_FOUND, "There is no layer with a text."))?;
                let text = artifact.open(&layer.digest)?.read_all(TEXT_BYTES_MAX)?;
                Ok(Content::new("text/plain; charset=utf-8", text))
            }
            "children" => Ok(Content::json(&children(artifact)?)),
            "echo" => {
                let word = options.get("word").unwrap_or_default();
                let times = options.get("times").unwrap_or("1").parse();
                let times = times.map_err(|_| Error::new(Error::INVALID, "The option times is not a number."))?;
                Ok(Content::text(vec![word; times].join(" ")))
            }
            other => Err(Error::new(Error::NOT_FOUND, format!("There is no view {other}."))),
        }
    }
}

/// Returns what the index holds, as deep as it goes.
fn children(artifact: &Artifact) -> Result<Value, Error> {
    let mut children = Vec::new();
    for descriptor in artifact.children() {
        children.push(match artifact.open_child(&descriptor.digest) {
            Ok(child) => json!({ "digest": child.digest(), "type": child.artifact_type(), "children": children_of(&child)? }),
            Err(error) => json!({ "digest": descriptor.digest, "error": error.code }),
        });
    }
    Ok(children.into())
}

fn children_of(child: &Artifact) -> Result<Value, Error> {
    if child.children().is_empty() {
        Ok(json!([]))
    } else {
        children(child)
    }
}

impl Comparer for Everything {
    fn compare(_: &Context, before: &Artifact, after: &Artifact) -> Result<Vec<Change>, Error> {
        let (old, new) = (values(before), values(after));
        let mut names = old.keys().chain(new.keys()).collect::<Vec<_>>();
        names.sort_unstable();
        names.dedup();
        let changes = names.into_iter().filter_map(|name| match (old.get(name), new.get(name)) {
            (Some(old), None) => Some(Change::removed(name, old).severity(Severity::High)),
            (None, Some(new)) => Some(Change::added(name, new)),
            (Some(old), Some(new)) if old != new => Some(Change::changed(name, old, new).severity(Severity::Medium)),
            _ => None,
        });
        Ok(changes.collect())
    }
}

/// Returns the annotations, and the layers by their place.
fn values(artifact: &Artifact) -> BTreeMap<String, String> {
    let layers = artifact
        .layers()
        .into_iter()
        .enumerate()
        .map(|(index, layer)| (format!("layers/{index}"), layer.digest));
    let annotations = artifact
        .annotations()
        .into_iter()
        .map(|(name, value)| (format!("annotations/{name}"), value));
    annotations.chain(layers).collect()
}
