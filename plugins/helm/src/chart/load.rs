//! Turns the files of an archive into a chart the way Helm does: Chart.yaml first, then values and locks, then the charts below
//! charts/, each of which has to load as well.

use std::collections::BTreeMap;
use std::io::Read;

use portolan_plugin_sdk::yaml::{Node, Value};

use super::fault::Fault;
use super::metadata::{Metadata, Source, member};
use super::package::{self, Member};
use super::{API_V1, Chart, File, MANIFEST, REQUIREMENTS, SCHEMA, Subchart, VALUES, check, source};

/// How deep packaged charts may hold packaged charts.
const PACKAGES_DEPTH_MAX: usize = 4;
/// The most bytes that all packaged subcharts may unpack to together.
const SUBCHARTS_BYTES_MAX: u64 = 200 * 1024 * 1024;
/// The most content that is kept in memory; the largest public charts keep about 3 MiB.
const KEPT_BYTES_MAX: u64 = 48 * 1024 * 1024;
/// The most faults that are stated; who has more will come again.
const FAULTS_MAX: usize = 200;

/// A file with the chart that it is, where it is a packaged subchart.
struct Loaded {
    file: File,
    packaged: Option<Result<Chart, Fault>>,
}

/// What reading a chart and everything inside of it may still use.
struct Budget {
    subchart_bytes: u64,
    kept_bytes: u64,
}

/// Reads a packaged chart and everything inside of it.
pub(super) fn read<R: Read>(package: R) -> Result<Chart, Fault> {
    let mut budget = Budget {
        subchart_bytes: SUBCHARTS_BYTES_MAX,
        kept_bytes: KEPT_BYTES_MAX,
    };
    read_at(package, 0, &mut budget)
}

fn read_at<R: Read>(package: R, depth: usize, budget: &mut Budget) -> Result<Chart, Fault> {
    let mut roots: Vec<String> = Vec::new();
    let mut files = Vec::new();
    package::walk(package, |member, reader| {
        if !roots.contains(&member.root) && roots.len() < 10 {
            roots.push(member.root.clone());
        }
        if depth > 0 {
            budget.subchart_bytes = budget.subchart_bytes.checked_sub(member.size).ok_or_else(too_much_inside)?;
        }
        files.push(load(member, reader, depth, budget)?);
        Ok(())
    })?;
    let mut chart = assemble(files);
    let mut roots = roots.into_iter();
    chart.root = roots.next().unwrap_or_default();
    chart.other_roots = roots.collect();
    Ok(chart)
}

fn too_much_inside() -> Fault {
    Fault::new(
        "helm/archive-limit",
        format!("The packaged subcharts unpack to more than {SUBCHARTS_BYTES_MAX} bytes. Split the chart."),
    )
}

fn load(member: &Member, reader: &mut dyn Read, depth: usize, budget: &mut Budget) -> Result<Loaded, Fault> {
    let mut file = File {
        path: member.path.clone(),
        size: member.size,
        content: None,
    };
    if is_packaged_subchart(&member.path) {
        let packaged = if depth < PACKAGES_DEPTH_MAX {
            let content = package::content(reader, &member.path)?;
            Some(read_at(content.as_slice(), depth + 1, budget))
        } else {
            let message =
                format!("Charts may be packaged inside of charts only {PACKAGES_DEPTH_MAX} levels deep. Flatten the chart.");
            Some(Err(Fault::new("helm/archive-limit", message)))
        };
        return Ok(Loaded { file, packaged });
    }
    if is_kept(&member.path, depth) {
        if member.size > budget.kept_bytes {
            let message = format!(
                "The templates, values and definitions of the chart have more than {KEPT_BYTES_MAX} bytes together. Split the chart."
            );
            return Err(Fault::new("helm/archive-limit", message).in_file(&member.path));
        }
        budget.kept_bytes -= member.size;
        file.content = Some(package::content(reader, &member.path)?);
    }
    Ok(Loaded { file, packaged: None })
}

/// Splits a path into the number of charts/ folders in front and what lies below the innermost chart; paths below a folder that Helm
/// skips have none.
fn split_subcharts(path: &str) -> Option<(usize, &str)> {
    let (mut level, mut rest) = (0, path);
    while let Some((name, below)) = rest.strip_prefix("charts/").and_then(|rest| rest.split_once('/')) {
        if name.starts_with(['_', '.']) {
            return None;
        }
        level += 1;
        rest = below;
    }
    Some((level, rest))
}

fn is_packaged_subchart(path: &str) -> bool {
    let name = split_subcharts(path).and_then(|(_, rest)| rest.strip_prefix("charts/"));
    name.is_some_and(|name| name.ends_with(".tgz") && !name.starts_with(['_', '.']))
}

fn is_kept(path: &str, depth: usize) -> bool {
    let Some((level, rest)) = split_subcharts(path) else {
        return false;
    };
    if matches!(rest, MANIFEST | VALUES | REQUIREMENTS | "Chart.lock" | "requirements.lock") {
        return true;
    }
    let in_root = !rest.contains('/');
    let lower = rest.to_ascii_lowercase();
    depth + level == 0
        && (rest == SCHEMA
            || rest.starts_with("templates/")
            || rest.starts_with("crds/")
            || in_root && (lower.starts_with("values") || lower.starts_with("readme")))
}

/// Makes a chart of its files, whatever is wrong with them.
fn assemble(loaded: Vec<Loaded>) -> Chart {
    let mut chart = Chart::default();
    let mut below: BTreeMap<String, Vec<Loaded>> = BTreeMap::new();
    for Loaded { file, packaged } in loaded {
        chart.files.push(File {
            path: file.path.clone(),
            size: file.size,
            content: None,
        });
        match subchart_of(&file.path) {
            Some((entry, rest)) => {
                let (entry, rest) = (entry.to_owned(), rest.to_owned());
                below.entry(entry).or_default().push(Loaded {
                    file: File { path: rest, ..file },
                    packaged,
                });
            }
            None => {
                if let Some(last) = chart.files.last_mut() {
                    last.content = file.content;
                }
            }
        }
    }
    read_manifest(&mut chart);
    read_requirements(&mut chart);
    read_values(&mut chart);
    for lock in ["Chart.lock", "requirements.lock"] {
        read_lock(&mut chart, lock);
    }
    if chart.manifest.is_some() {
        let faults = check::metadata(&chart.metadata, chart.manifest.as_ref(), chart.dependencies_source());
        chart.faults.extend(faults);
    }
    for (entry, files) in below {
        read_subchart(&mut chart, &entry, files);
    }
    chart.faults.truncate(FAULTS_MAX);
    chart
}

/// The item of charts/ that a path belongs to, and the rest; provenance files and what Helm skips belong to none.
fn subchart_of(path: &str) -> Option<(&str, &str)> {
    let below = path.strip_prefix("charts/").filter(|below| !below.ends_with(".prov"))?;
    let (entry, rest) = below.split_once('/').unwrap_or((below, ""));
    (!entry.starts_with(['_', '.'])).then_some((entry, rest))
}

fn read_manifest(chart: &mut Chart) {
    const RULE: &str = "helm/chart-yaml-unreadable";
    let mut notes = Vec::new();
    let Some(content) = chart.file(MANIFEST).and_then(|file| file.content.as_deref()) else {
        let message = "The chart has no Chart.yaml in its folder. Add one with apiVersion, name and version.";
        chart
            .faults
            .push(Fault::new("helm/chart-yaml-missing", message).in_file(MANIFEST));
        return;
    };
    match source::documents(content, MANIFEST, RULE, &mut notes) {
        Ok(documents) => {
            // Helm reads the first document only; an empty file has none and lacks a name then.
            let node = documents.into_iter().next().unwrap_or_else(source::nothing);
            let (mut metadata, mismatches) = Metadata::read(&node.to_json(), Source::Yaml);
            chart.faults.extend(
                mismatches
                    .iter()
                    .map(|mismatch| check::mismatch(mismatch, MANIFEST, &node, "helm/chart-yaml-type")),
            );
            if metadata.api_version.is_empty() {
                API_V1.clone_into(&mut metadata.api_version);
            }
            chart.metadata = metadata;
            chart.manifest = Some(node);
        }
        Err(fault) => chart.faults.push(fault),
    }
    chart.notes.extend(notes);
}

/// Charts of the first format declare dependencies in a file of their own, which Helm reads over the metadata.
fn read_requirements(chart: &mut Chart) {
    const RULE: &str = "helm/requirements-unreadable";
    let mut notes = Vec::new();
    let Some(content) = chart.file(REQUIREMENTS).and_then(|file| file.content.as_deref()) else {
        return;
    };
    match source::documents(content, REQUIREMENTS, RULE, &mut notes) {
        Ok(documents) => {
            let node = documents.into_iter().next().unwrap_or_else(source::nothing);
            let json = node.to_json();
            let (metadata, mismatches) = Metadata::read(&json, Source::Yaml);
            chart.faults.extend(
                mismatches
                    .iter()
                    .map(|mismatch| check::mismatch(mismatch, REQUIREMENTS, &node, RULE)),
            );
            if member(&json, "dependencies").is_some() {
                chart.metadata.dependencies = metadata.dependencies;
                chart.requirements = Some(node);
            }
        }
        Err(fault) => chart.faults.push(fault),
    }
    chart.notes.extend(notes);
}

fn read_values(chart: &mut Chart) {
    const RULE: &str = "helm/values-unreadable";
    let mut notes = Vec::new();
    let Some(content) = chart.file(VALUES).and_then(|file| file.content.as_deref()) else {
        return;
    };
    match source::documents(content, VALUES, RULE, &mut notes) {
        Ok(documents) => {
            for document in &documents {
                if !matches!(document.value, Value::Map(_) | Value::Null) {
                    let message = "values.yaml has to hold a mapping of names to values. Put the value under a name.";
                    chart
                        .faults
                        .push(Fault::new(RULE, message).in_file(VALUES).at(document.line, document.column));
                }
            }
            chart.values = source::merged(documents);
        }
        Err(fault) => chart.faults.push(fault),
    }
    chart.notes.extend(notes);
}

fn read_lock(chart: &mut Chart, path: &'static str) {
    const RULE: &str = "helm/lock-unreadable";
    let Some(content) = chart.file(path).and_then(|file| file.content.as_deref()) else {
        return;
    };
    let mut notes = Vec::new();
    let faults = match source::documents(content, path, RULE, &mut notes) {
        Ok(documents) => documents.first().map(|node| lock_faults(node, path)).unwrap_or_default(),
        Err(fault) => vec![fault],
    };
    chart.faults.extend(faults);
    chart.notes.extend(notes);
}

fn lock_faults(node: &Node, path: &'static str) -> Vec<Fault> {
    let json = node.to_json();
    let dependencies = serde_json::json!({ "dependencies": member(&json, "dependencies") });
    let considered = if json.is_object() { &dependencies } else { &json };
    let (_, mismatches) = Metadata::read(considered, Source::Yaml);
    mismatches
        .iter()
        .map(|mismatch| check::mismatch(mismatch, path, node, "helm/lock-unreadable"))
        .collect()
}

fn read_subchart(chart: &mut Chart, entry: &str, mut files: Vec<Loaded>) {
    let place = format!("charts/{entry}");
    let packaged = entry.ends_with(".tgz");
    let read = if packaged {
        match files.pop() {
            Some(Loaded {
                packaged: Some(read), ..
            }) if files.is_empty() => read,
            _ => Err(Fault::new(
                "helm/subchart-unreadable",
                "A folder in charts/ must not be named like a package. Rename it.",
            )),
        }
    } else if files.iter().all(|loaded| loaded.file.path.is_empty()) {
        let message = format!(
            "{entry} in charts/ is neither a chart nor a package of one, so Helm cannot load it. Move it out of charts/."
        );
        Err(Fault::new("helm/subchart-unreadable", message))
    } else {
        files.retain(|loaded| !loaded.file.path.is_empty());
        Ok(assemble(files))
    };
    let faults = match read {
        Ok(subchart) => {
            chart.subcharts.push(Subchart {
                entry: entry.to_owned(),
                packaged,
                metadata: subchart.metadata,
            });
            subchart.faults
        }
        Err(fault) => vec![fault],
    };
    chart
        .faults
        .extend(faults.into_iter().map(|fault| fault.within(&place, packaged)));
}

#[cfg(test)]
mod tests;
