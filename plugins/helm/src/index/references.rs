//! What a chart needs: other charts, and the container images that can be read without rendering.

use std::collections::HashSet;

use portolan_plugin_sdk::Reference;
use portolan_plugin_sdk::yaml::{Node, Value};

use super::image::{self, Image};
use crate::chart::{Chart, Dependency, VALUES, source};
use crate::rule::cut;

const REFERENCES_MAX: usize = 1000;
const TARGET_BYTES_MAX: usize = 1024;
const PROPERTY_BYTES_MAX: usize = 512;

/// Lists the references of a chart: dependencies in their order, then images from values and templates, each once.
pub fn of(chart: &Chart) -> Vec<Reference> {
    let dependencies = chart.metadata.dependencies().map(dependency);
    let mut seen = HashSet::new();
    let mut images = Vec::new();
    if let Some(values) = &chart.values {
        in_values(values, &mut Vec::new(), &mut images);
    }
    for template in chart.templates() {
        images.extend(template.text().into_iter().flat_map(|text| in_template(text, &template.path)));
    }
    let images = images
        .into_iter()
        .filter(|(image, _)| seen.insert((image.target.clone(), image.digest.clone())));
    dependencies
        .chain(images.map(|(image, place)| reference(image, &place)))
        .take(REFERENCES_MAX)
        .collect()
}

fn dependency(dependency: &Dependency) -> Reference {
    let Dependency {
        name,
        version,
        repository,
        condition,
        alias,
        ..
    } = dependency;
    let target = if repository.is_empty() {
        name.clone()
    } else {
        format!("{}/{name}", repository.trim_end_matches('/'))
    };
    let mut reference = Reference::new("dependency", cut(&target, TARGET_BYTES_MAX));
    for (key, value) in [
        ("name", name),
        ("version", version),
        ("condition", condition),
        ("alias", alias),
    ] {
        if !value.is_empty() {
            reference = reference.property(key, cut(value, PROPERTY_BYTES_MAX));
        }
    }
    reference
}

fn reference(image: Image, place: &str) -> Reference {
    let reference =
        Reference::new("image", cut(&image.target, TARGET_BYTES_MAX)).property("source", cut(place, PROPERTY_BYTES_MAX));
    match image.digest {
        Some(digest) => reference.digest(digest),
        None => reference,
    }
}

/// Collects images from values at any depth, with the path of the value.
fn in_values(node: &Node, path: &mut Vec<String>, images: &mut Vec<(Image, String)>) {
    if images.len() >= REFERENCES_MAX {
        return;
    }
    match &node.value {
        Value::Map(members) => {
            let is_image = path.last().is_some_and(|key| is_image_key(key));
            images.extend(in_parts(node, is_image).map(|image| (image, place(path))));
            for (key, value) in members {
                path.push(source::text(key));
                in_values(value, path, images);
                path.pop();
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                in_values(item, path, images);
                path.pop();
            }
        }
        Value::String(text) if path.last().is_some_and(|key| is_image_key(key)) => {
            images.extend(image::parse(text).map(|image| (image, place(path))));
        }
        _ => {}
    }
}

fn place(path: &[String]) -> String {
    format!("{VALUES}: {}", path.join("."))
}

fn is_image_key(key: &str) -> bool {
    key == "image" || key.ends_with("Image") || key.ends_with("_image")
}

/// Reads an image that is given in parts: below a key that says so, or with a tag or digest beside the repository.
fn in_parts(node: &Node, is_image: bool) -> Option<Image> {
    let part = |key: &str| node.get(key).map(source::text).unwrap_or_default();
    let (registry, tag, digest) = (part("registry"), part("tag"), part("digest"));
    let mut repository = part("repository");
    if repository.is_empty() && is_image {
        repository = part("name");
    }
    let speaks_of_images = is_image || !tag.is_empty() || !digest.is_empty();
    if repository.is_empty() || !speaks_of_images {
        return None;
    }
    image::join(&registry, &repository, &tag, &digest)
}

/// Collects images from lines such as `image: "nginx:1.27"` without anything that is rendered.
fn in_template<'a>(text: &'a str, path: &'a str) -> impl Iterator<Item = (Image, String)> + 'a {
    text.lines().enumerate().filter_map(move |(index, line)| {
        let line = line.trim_start().trim_start_matches("- ").trim_start();
        let value = line.strip_prefix("image:")?.split(" #").next()?.trim();
        let image = image::parse(value.trim_matches(['"', '\'']))?;
        Some((image, format!("{path}:{}", index + 1)))
    })
}
