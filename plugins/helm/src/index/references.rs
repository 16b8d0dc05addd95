//! What a chart needs: other charts, and the container images that can be read without rendering.

use std::collections::HashSet;

use portolan_plugin_sdk::Reference;
use portolan_plugin_sdk::yaml::{Node, Value};

use super::image::{self, Image};
use crate::chart::{Chart, Dependency, VALUES, source};
use crate::place::Place;
use crate::rule::cut;

const REFERENCES_MAX: usize = 1000;
const TARGET_BYTES_MAX: usize = 1024;
const PROPERTY_BYTES_MAX: usize = 512;

/// Lists the references of a chart: dependencies in their order, then images from values and templates, each once.
pub fn of(chart: &Chart) -> Vec<Reference> {
    let mut references: Vec<Reference> = chart.metadata.dependencies().take(REFERENCES_MAX).map(dependency).collect();
    let mut images = Images {
        seen: HashSet::new(),
        references: &mut references,
    };
    if let Some(values) = &chart.values {
        images.in_values(values, &Place::ROOT);
    }
    for template in chart.templates() {
        images.in_template(template.text().unwrap_or_default(), &template.path);
    }
    references
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

/// Images that are being collected, as long as there is room.
struct Images<'a> {
    seen: HashSet<(String, Option<String>)>,
    references: &'a mut Vec<Reference>,
}

impl Images<'_> {
    fn is_full(&self) -> bool {
        self.references.len() >= REFERENCES_MAX
    }

    fn add(&mut self, image: Image, place: impl FnOnce() -> String) {
        if !self.is_full() && self.seen.insert((image.target.clone(), image.digest.clone())) {
            self.references.push(reference(image, &place()));
        }
    }

    /// Collects images from values at any depth, with the path of the value.
    fn in_values(&mut self, node: &Node, place: &Place) {
        if self.is_full() {
            return;
        }
        let is_image = place.last_key().is_some_and(is_image_key);
        let named = || {
            let path = place.dotted(PROPERTY_BYTES_MAX);
            format!("{VALUES}: {}", path.as_deref().unwrap_or("…"))
        };
        match &node.value {
            Value::Map(members) => {
                if let Some(image) = in_parts(node, is_image) {
                    self.add(image, named);
                }
                for (key, value) in members {
                    self.in_values(value, &place.key(key.as_str().unwrap_or_default()));
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.in_values(item, &place.item(index));
                }
            }
            Value::String(text) if is_image => {
                if let Some(image) = image::parse(text) {
                    self.add(image, named);
                }
            }
            _ => {}
        }
    }

    /// Collects images from lines such as `image: "nginx:1.27"` without anything that is rendered.
    fn in_template(&mut self, text: &str, path: &str) {
        for (index, line) in text.lines().enumerate() {
            if self.is_full() {
                return;
            }
            if let Some(image) = in_line(line) {
                self.add(image, || format!("{path}:{}", index + 1));
            }
        }
    }
}

fn in_line(line: &str) -> Option<Image> {
    let line = line.trim_start().trim_start_matches("- ").trim_start();
    let value = line.strip_prefix("image:")?.split(" #").next()?.trim();
    image::parse(value.trim_matches(['"', '\'']))
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
