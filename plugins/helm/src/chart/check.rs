//! The demands that Helm makes on metadata before it loads a chart.

use std::collections::HashSet;

use portolan_plugin_sdk::yaml::Node;

use super::fault::Fault;
use super::metadata::{Metadata, Mismatch};
use super::{API_V1, API_V2, API_V3, MANIFEST, source, version};

/// The most faults of one kind that are stated; who has more will come again.
const STATED_MAX: usize = 50;

/// Judges the metadata of a chart; places come from Chart.yaml and, for dependencies, from the file that declares them.
pub fn metadata(metadata: &Metadata, manifest: Option<&Node>, dependencies: (&str, Option<&Node>)) -> Vec<Fault> {
    let mut faults = Vec::new();
    let place = |fault: Fault, pointer: &str| placed(fault, MANIFEST, manifest, pointer);
    faults.extend(api_version(&metadata.api_version).map(|fault| place(fault, "/apiVersion")));
    faults.extend(name(&metadata.name).map(|fault| place(fault, "/name")));
    faults.extend(version(&metadata.version).map(|fault| place(fault, "/version")));
    faults.extend(kind(&metadata.kind).map(|fault| place(fault, "/type")));
    for (index, _) in metadata
        .maintainers
        .iter()
        .enumerate()
        .filter(|(_, maintainer)| maintainer.is_none())
        .take(STATED_MAX)
    {
        let message = format!("Item {index} of maintainers in Chart.yaml is empty. Give it a name or remove it.");
        faults.push(place(
            Fault::new("helm/maintainer-empty", message),
            &format!("/maintainers/{index}"),
        ));
    }
    let (file, node) = dependencies;
    for (index, fault) in self::dependencies(metadata, file).take(STATED_MAX) {
        faults.push(placed(fault, file, node, &format!("/dependencies/{index}")));
    }
    faults
}

/// Words a value of the wrong type.
pub fn mismatch(mismatch: &Mismatch, path: &str, node: &Node, rule: &'static str) -> Fault {
    let Mismatch {
        pointer,
        expected,
        found,
    } = mismatch;
    let what = if pointer.is_empty() {
        format!("{path} has to hold {expected}, but holds {found}.")
    } else {
        format!("{pointer} in {path} has to be {expected}, but is {found}. Change it; Helm cannot load the chart as it is.")
    };
    placed(Fault::new(rule, what), path, Some(node), pointer)
}

fn placed(fault: Fault, file: &str, node: Option<&Node>, pointer: &str) -> Fault {
    let fault = fault.in_file(file).pointing(pointer);
    match node.and_then(|node| source::locate(node, pointer)) {
        Some(found) => fault.at(found.line, found.column),
        None => fault,
    }
}

/// Helm loads what it has a reader for: an empty version counts as the first, the third is experimental.
fn api_version(text: &str) -> Option<Fault> {
    (!matches!(text, "" | API_V1 | API_V2 | API_V3)).then(|| {
        Fault::new(
            "helm/api-version-invalid",
            format!("The apiVersion {text:?} of the chart does not exist. Use `apiVersion: v2`."),
        )
    })
}

fn name(name: &str) -> Option<Fault> {
    if name.is_empty() {
        return Some(Fault::new(
            "helm/name-missing",
            "Chart.yaml names no chart. Add `name:` with the name of the chart.",
        ));
    }
    (name == "." || name == ".." || name.contains(['/', '\\'])).then(|| {
        Fault::new(
            "helm/name-invalid",
            format!("The chart name {name:?} is a path. Use a plain name, such as the last part of it."),
        )
    })
}

fn version(text: &str) -> Option<Fault> {
    if text.is_empty() {
        return Some(Fault::new(
            "helm/version-missing",
            "Chart.yaml gives no version. Add `version:` such as \"1.0.0\".",
        ));
    }
    version::lenient(text).is_none().then(|| {
        Fault::new(
            "helm/version-invalid",
            format!("The chart version {text:?} is not a semantic version. Use one such as \"1.0.0\"."),
        )
    })
}

fn kind(kind: &str) -> Option<Fault> {
    (!matches!(kind, "" | "application" | "library")).then(|| {
        Fault::new(
            "helm/type-invalid",
            format!("The chart type {kind:?} does not exist. Use `application` or `library`."),
        )
    })
}

fn dependencies<'a>(metadata: &'a Metadata, file: &'a str) -> impl Iterator<Item = (usize, Fault)> + 'a {
    let mut keys = HashSet::new();
    metadata
        .dependencies
        .iter()
        .enumerate()
        .filter_map(move |(index, dependency)| {
            let Some(dependency) = dependency else {
                let message =
                    format!("Item {index} of dependencies in {file} is empty. Give it a name and a version or remove it.");
                return Some((index, Fault::new("helm/dependency-empty", message)));
            };
            if !is_alias(&dependency.alias) {
                let message = format!(
                    "The alias {:?} of dependency {:?} may hold only letters, digits, `-` and `_`. Choose another alias.",
                    dependency.alias, dependency.name
                );
                return Some((index, Fault::new("helm/dependency-alias", message)));
            }
            (!keys.insert(dependency.key())).then(|| {
                let message = format!(
                    "Two dependencies in {file} are called {:?}. Give one of them an alias of its own.",
                    dependency.key()
                );
                (index, Fault::new("helm/dependency-duplicate", message))
            })
        })
}

fn is_alias(alias: &str) -> bool {
    alias
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
