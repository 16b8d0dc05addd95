//! Turns the files of an archive into a chart the way Helm does: Chart.yaml first, then values and locks, then the charts below
//! charts/, each of which has to load as well.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;

use portolan_plugin_sdk::yaml::{Node, Value};

use super::fault::Fault;
use super::metadata::{METADATA_KEYS, Metadata, Source, member};
use super::package::{self, Member};
use super::{API_V1, Chart, File, MANIFEST, REQUIREMENTS, SCHEMA, Subchart, VALUES, check, keys, source};
use crate::serve::instant;

/// How deep packaged charts may hold packaged charts. Helm has no such limit; each level is in memory while the next is read.
const PACKAGES_DEPTH_MAX: usize = 8;
/// The most bytes that all packaged subcharts may unpack to together.
const SUBCHARTS_BYTES_MAX: u64 = 200 * 1024 * 1024;
/// The most content that is kept in memory; the largest public charts keep about 3 MiB.
const KEPT_BYTES_MAX: u64 = 48 * 1024 * 1024;
/// The most faults that are stated; who has more will come again.
const FAULTS_MAX: usize = 200;

/// A file with the chart that it is, where it is a packaged subchart.
struct Loaded {
    file: File,
    /// Where in the path the part begins that lies below the chart at hand: a path is never copied for every chart around it.
    below: usize,
    packaged: Option<Result<Chart, Fault>>,
}

impl Loaded {
    fn new(file: File, packaged: Option<Result<Chart, Fault>>) -> Loaded {
        Loaded {
            file,
            below: 0,
            packaged,
        }
    }

    fn path(&self) -> &str {
        self.file.path.get(self.below..).unwrap_or_default()
    }
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
    let repeated = repeated(&files);
    let mut chart = assemble(files, true);
    // What the archive holds twice explains what else is wrong, so it is told first.
    chart.faults.splice(0..0, repeated);
    let mut roots = roots.into_iter();
    chart.root = roots.next().unwrap_or_default();
    chart.other_roots = roots.collect();
    Ok(chart)
}

/// States the paths that an archive holds more than once. Of two such files Helm reads one after the other into the same chart: of
/// two Chart.yaml the fields mix.
fn repeated(files: &[Loaded]) -> Vec<Fault> {
    const STATED_MAX: usize = 20;
    let mut seen = HashSet::new();
    let again = files.iter().map(Loaded::path).filter(|path| !seen.insert(*path));
    let fault = |path: &str| {
        let message = format!(
            "The archive holds {path} twice, and which one counts depends on the reader. Remove one of them and package the chart again."
        );
        Fault::new("helm/archive-duplicate", message).in_file(path)
    };
    again.take(STATED_MAX).map(fault).collect()
}

fn too_much_inside() -> Fault {
    Fault::new(
        "helm/archive-limit",
        format!(
            "The packaged subcharts unpack to more than {SUBCHARTS_BYTES_MAX} bytes, which is more than this registry reads. Split the chart."
        ),
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
            let message = format!(
                "Packages lie inside of packages more than {PACKAGES_DEPTH_MAX} levels deep, which this registry does not read, though \
                 Helm may. Flatten the chart."
            );
            Some(Err(Fault::new("helm/archive-limit", message)))
        };
        return Ok(Loaded::new(file, packaged));
    }
    if is_kept(&member.path, depth) {
        if member.size > budget.kept_bytes {
            let message = format!(
                "The templates, values and definitions of the chart have more than {KEPT_BYTES_MAX} bytes together, which is more than this \
                 registry reads. Split the chart."
            );
            return Err(Fault::new("helm/archive-limit", message).in_file(&member.path));
        }
        budget.kept_bytes -= member.size;
        file.content = Some(package::content(reader, &member.path)?);
    }
    Ok(Loaded::new(file, None))
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

/// Makes a chart of its files, whatever is wrong with them. Only the chart at the top lists the files of its subcharts too.
fn assemble(loaded: Vec<Loaded>, is_top: bool) -> Chart {
    let mut chart = Chart::default();
    let mut below: BTreeMap<String, Vec<Loaded>> = BTreeMap::new();
    for mut loaded in loaded {
        let path = loaded.path();
        let subchart = subchart_of(path).map(|(entry, rest)| (entry.to_owned(), rest.len()));
        if is_top || subchart.is_none() {
            chart.files.push(File {
                path: path.to_owned(),
                size: loaded.file.size,
                content: loaded.file.content.take_if(|_| subchart.is_none()),
            });
        }
        if let Some((entry, rest_bytes)) = subchart {
            loaded.below = loaded.file.path.len() - rest_bytes;
            below.entry(entry).or_default().push(loaded);
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
    match source::document(content, MANIFEST, RULE, &mut notes) {
        Ok(node) => {
            let (mut metadata, mismatches) = Metadata::read(&node.to_json(), Source::Yaml);
            chart.faults.extend(
                mismatches
                    .iter()
                    .map(|mismatch| check::mismatch(mismatch, MANIFEST, &node, "helm/chart-yaml-type")),
            );
            let keys = keys::metadata(&node, MANIFEST);
            chart.faults.extend(keys.faults);
            notes.extend(keys.notes);
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
    match source::document(content, REQUIREMENTS, RULE, &mut notes) {
        Ok(node) => {
            let json = node.to_json();
            let (metadata, mismatches) = Metadata::read(&json, Source::Yaml);
            chart.faults.extend(
                mismatches
                    .iter()
                    .map(|mismatch| check::mismatch(mismatch, REQUIREMENTS, &node, RULE)),
            );
            let keys = keys::metadata(&node, REQUIREMENTS);
            chart.faults.extend(keys.faults);
            notes.extend(keys.notes);
            chart.faults.extend(overridden(&node));
            if member(&json, "dependencies").is_some() {
                chart.faults.extend(mixed(&chart.metadata, &metadata, &node));
                chart.metadata.dependencies = metadata.dependencies;
                chart.requirements = Some(node);
            }
        }
        Err(fault) => chart.faults.push(fault),
    }
    chart.notes.extend(notes);
}

/// Finds a field of Chart.yaml in requirements.yaml. Helm would take it over, so that the chart has a name in one file and another in
/// the next.
fn overridden(requirements: &Node) -> Option<Fault> {
    let members = requirements.as_map().unwrap_or_default();
    let is_field = |key: &&(Node, Node)| {
        let name = key.0.as_str().unwrap_or_default();
        let mut fields = METADATA_KEYS.iter().filter(|field| **field != "dependencies");
        !key.1.is_null() && fields.any(|field| keys::folds_to(name, field))
    };
    let (key, _) = members.iter().find(is_field)?;
    let message = format!(
        "requirements.yaml gives {:?}, with which Helm replaces what Chart.yaml gives. Leave only `dependencies` there.",
        key.as_str().unwrap_or_default()
    );
    Some(
        Fault::new("helm/requirements-metadata", message)
            .in_file(REQUIREMENTS)
            .at(key.line, key.column),
    )
}

/// Judges dependencies that both files declare: Helm reads one list over the other, item by item.
fn mixed(manifest: &Metadata, requirements: &Metadata, node: &Node) -> Option<Fault> {
    let differ = !manifest.dependencies.is_empty() && manifest.dependencies != requirements.dependencies;
    let place = source::locate(node, "/dependencies").unwrap_or(node);
    let message =
        "Chart.yaml and requirements.yaml declare different dependencies, and Helm mixes the two. Leave out one of them.";
    differ.then(|| {
        Fault::new("helm/requirements-metadata", message)
            .in_file(REQUIREMENTS)
            .pointing("/dependencies")
            .at(place.line, place.column)
    })
}

fn read_values(chart: &mut Chart) {
    const RULE: &str = "helm/values-unreadable";
    let mut notes = Vec::new();
    let Some(content) = chart.file(VALUES).and_then(|file| file.content.as_deref()) else {
        return;
    };
    match source::parts(content, VALUES, RULE, &mut notes) {
        Ok(documents) => {
            let fault = |document: &Node| {
                let message = "values.yaml has to hold a mapping of names to values. Put the value under a name.";
                Fault::new(RULE, message).in_file(VALUES).at(document.line, document.column)
            };
            let others = documents
                .iter()
                .filter(|document| !matches!(document.value, Value::Map(_) | Value::Null));
            chart.faults.extend(others.take(FAULTS_MAX).map(fault));
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
    match source::document(content, path, RULE, &mut notes) {
        Ok(node) => {
            let keys = keys::judge(&node, path, &keys::LOCK_KEYS);
            notes.extend(keys.notes);
            chart.faults.extend(lock_faults(&node, path).into_iter().chain(keys.faults));
        }
        Err(fault) => chart.faults.push(fault),
    }
    chart.notes.extend(notes);
}

fn lock_faults(node: &Node, path: &'static str) -> Vec<Fault> {
    const RULE: &str = "helm/lock-unreadable";
    let json = node.to_json();
    let dependencies = serde_json::json!({ "dependencies": member(&json, "dependencies") });
    let considered = if json.is_object() { &dependencies } else { &json };
    let (_, mismatches) = Metadata::read(considered, Source::Yaml);
    let mut faults: Vec<Fault> = mismatches
        .iter()
        .map(|mismatch| check::mismatch(mismatch, path, node, RULE))
        .collect();
    let digest = source::locate(node, "/digest").filter(|digest| matches!(digest.value, Value::List(_) | Value::Map(_)));
    if let Some(digest) = digest {
        let message = format!("`digest` in {path} has to be a string. Run `helm dependency update`, which writes it.");
        let fault = Fault::new(RULE, message).in_file(path).pointing("/digest");
        faults.push(fault.at(digest.line, digest.column));
    }
    let generated = source::locate(node, "/generated").filter(|generated| !generated.is_null());
    if let Some(generated) = generated.filter(|generated| generated.as_str().and_then(instant::parse).is_none()) {
        let message = format!(
            "`generated` in {path} is no time by RFC 3339, so Helm cannot load the chart. Run `helm dependency update`, which writes it."
        );
        let fault = Fault::new(RULE, message).in_file(path).pointing("/generated");
        faults.push(fault.at(generated.line, generated.column));
    }
    faults
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
    } else if files.iter().all(|loaded| loaded.path().is_empty()) {
        let message = format!(
            "{entry} in charts/ is neither a chart nor a package of one, so Helm cannot load it. Move it out of charts/."
        );
        Err(Fault::new("helm/subchart-unreadable", message))
    } else {
        files.retain(|loaded| !loaded.path().is_empty());
        Ok(assemble(files, false))
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
    let room = FAULTS_MAX.saturating_sub(chart.faults.len());
    let faults = faults.into_iter().take(room);
    chart.faults.extend(faults.map(|fault| fault.within(&place, packaged)));
}

#[cfg(test)]
mod tests;
