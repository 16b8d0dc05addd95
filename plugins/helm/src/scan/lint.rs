//! The rules of `helm lint` for Chart.yaml, values.yaml and templates/ that need no rendering.

use portolan_plugin_sdk::yaml::{Node, Value};

use super::{Report, address, schema};
use crate::chart::metadata::{DEPENDENCY_KEYS, MAINTAINER_KEYS, METADATA_KEYS, escape};
use crate::chart::{API_V1, API_V2, API_V3, Chart, MANIFEST, VALUES, keys, source, version};

/// Judges Chart.yaml.
pub fn chart_file(chart: &Chart, report: &mut Report) {
    if chart.has_folder("Chart.yaml/") {
        report.file("helm/lint/hl01", MANIFEST, "Chart.yaml is a folder. Put a file in its place.");
    }
    let unreadable = chart
        .faults
        .iter()
        .filter(|fault| fault.path.as_deref() == Some(MANIFEST) && fault.rule.starts_with("helm/chart-yaml-"));
    for fault in unreadable {
        match fault.position {
            Some((line, _)) => report.line("helm/lint/hl02", MANIFEST, line as usize, &fault.message),
            None => report.file("helm/lint/hl02", MANIFEST, &fault.message),
        }
    }
    let Some(manifest) = &chart.manifest else { return };
    let file = &mut ChartFile { chart, manifest, report };
    file.unknown_keys();
    file.name();
    file.api_version();
    file.version();
    file.maintainers();
    file.addresses();
    file.second_format();
}

/// Judges values.yaml.
pub fn values(chart: &Chart, report: &mut Report) {
    if chart.file(VALUES).is_none() {
        report.file(
            "helm/lint/hl16",
            VALUES,
            "The chart has no values.yaml. Add one, so that users see what they can set.",
        );
        return;
    }
    let unreadable = chart.faults.iter().filter(|fault| fault.rule == "helm/values-unreadable");
    for fault in unreadable.filter(|fault| fault.path.as_deref() == Some(VALUES)) {
        let line = fault.position.map_or(1, |(line, _)| line);
        report.line("helm/lint/hl17", VALUES, line as usize, &fault.message);
    }
    schema::check(chart, report);
}

/// Judges the folder of templates.
pub fn templates(chart: &Chart, report: &mut Report) {
    const FOLDER: &str = "templates";
    if chart.file(FOLDER).is_some() {
        report.file(
            "helm/lint/hl18",
            FOLDER,
            "templates is a file. Make it a folder with the templates of the chart.",
        );
    } else if !chart.has_folder("templates/") {
        report.file(
            "helm/lint/hl18",
            FOLDER,
            "The chart has no templates/ folder, so it installs nothing of its own.",
        );
    }
}

struct ChartFile<'a, 'r, 'f> {
    chart: &'a Chart,
    manifest: &'a Node,
    report: &'r mut Report<'f>,
}

impl ChartFile<'_, '_, '_> {
    fn report(&mut self, rule: &'static str, pointer: &str, message: impl Into<String>) {
        self.report.pointed(rule, MANIFEST, (Some(self.manifest), pointer), message);
    }

    fn unknown_keys(&mut self) {
        self.unknown_keys_of(self.manifest, "", &METADATA_KEYS);
        for (list, known) in [("maintainers", &MAINTAINER_KEYS[..]), ("dependencies", &DEPENDENCY_KEYS[..])] {
            let items = source::locate(self.manifest, &format!("/{list}")).and_then(Node::as_list);
            let items = items.unwrap_or_default();
            for (index, item) in items.iter().enumerate() {
                self.unknown_keys_of(item, &format!("/{list}/{index}"), known);
            }
        }
        let repeated = self.chart.notes.iter().filter(|note| note.path.as_deref() == Some(MANIFEST));
        for note in repeated {
            let line = note.position.map_or(1, |(line, _)| line);
            self.report.line("helm/lint/hl03", MANIFEST, line as usize, &note.message);
        }
    }

    fn unknown_keys_of(&mut self, node: &Node, base: &str, known: &[&str]) {
        for (key, _) in node.as_map().unwrap_or_default() {
            let name = source::text(key);
            if !known.iter().any(|known| keys::folds_to(&name, known)) {
                let message = format!(
                    "Helm does not know the key {name:?} in Chart.yaml and ignores it. Correct its spelling, or move it to annotations."
                );
                let pointer = format!("{base}/{}", escape(&name));
                self.report.value("helm/lint/hl03", MANIFEST, (Some(key), &pointer), message);
            }
        }
    }

    fn name(&mut self) {
        let name = &self.chart.metadata.name;
        if name.is_empty() {
            self.report("helm/lint/hl04", "/name", "The chart has no name. Add `name:` to Chart.yaml.");
        } else if name == "." || name == ".." || name.contains('/') {
            self.report(
                "helm/lint/hl04",
                "/name",
                format!("The chart name {name:?} is a path. Use a plain name."),
            );
        }
    }

    fn api_version(&mut self) {
        let given = source::locate(self.manifest, "/apiVersion").map(source::text);
        match given.as_deref() {
            // Helm lints the third, experimental format by rules of its own.
            Some(API_V1 | API_V2 | API_V3) => {}
            Some(other) if !other.is_empty() => {
                let message = format!("The apiVersion {other:?} does not exist. Use `v2`, or `v1` for a chart of Helm 2.");
                self.report("helm/lint/hl05", "/apiVersion", message);
            }
            _ => self.report(
                "helm/lint/hl05",
                "/apiVersion",
                "Chart.yaml has no apiVersion. Add `apiVersion: v2`.",
            ),
        }
    }

    fn version(&mut self) {
        for (rule, key) in [("helm/lint/hl06", "version"), ("helm/lint/hl08", "appVersion")] {
            let node = self.manifest.get(key);
            if let Some(node) = node.filter(|node| !matches!(node.value, Value::String(_))) {
                let message = format!("{key} is not a string, so YAML may change it: 1.10 becomes 1.1. Put it in quotes.");
                self.report.value(rule, MANIFEST, (Some(node), &format!("/{key}")), message);
            }
        }
        let text = self.chart.metadata.version.clone();
        let parsed = version::lenient(&text);
        let lowest = semver::Version {
            pre: semver::Prerelease::new("0").unwrap_or_default(),
            ..semver::Version::new(0, 0, 0)
        };
        if text.is_empty() {
            self.report(
                "helm/lint/hl07",
                "/version",
                "The chart has no version. Add `version:` such as \"1.0.0\".",
            );
        } else if parsed.as_ref().is_none_or(|parsed| parsed.cmp_precedence(&lowest).is_le()) {
            let message = format!("The version {text:?} is not a semantic version above 0.0.0-0. Use one such as \"1.0.0\".");
            self.report("helm/lint/hl07", "/version", message);
        }
        if version::strict(&text).is_none() {
            let message = format!("The version {text:?} is not a strict semantic version. Write all three numbers, without `v`.");
            self.report("helm/lint/hl15", "/version", message);
        }
    }

    fn maintainers(&mut self) {
        for (index, maintainer) in self.chart.metadata.maintainers.iter().enumerate() {
            let pointer = format!("/maintainers/{index}");
            let Some(maintainer) = maintainer else {
                self.report(
                    "helm/lint/hl09",
                    &pointer,
                    "A maintainer is empty. Give the name or remove the item.",
                );
                continue;
            };
            if maintainer.name.is_empty() {
                self.report("helm/lint/hl09", &pointer, "A maintainer has no name. Add it.");
            }
            if !maintainer.email.is_empty() && !address::is_email(&maintainer.email) {
                let message = format!("{:?} is not an e-mail address. Correct it or leave it out.", maintainer.email);
                self.report("helm/lint/hl09", &format!("{pointer}/email"), message);
            }
            if !maintainer.url.is_empty() && !address::is_url(&maintainer.url) {
                let message = format!("{:?} is not a URL. Correct it or leave it out.", maintainer.url);
                self.report("helm/lint/hl09", &format!("{pointer}/url"), message);
            }
        }
    }

    fn addresses(&mut self) {
        for (index, text) in self
            .chart
            .metadata
            .sources
            .iter()
            .enumerate()
            .filter(|(_, text)| !address::is_absolute(text))
        {
            let message = format!("The source {text:?} is not an absolute URL. Write it with scheme and host.");
            self.report("helm/lint/hl10", &format!("/sources/{index}"), message);
        }
        let icon = &self.chart.metadata.icon;
        if icon.is_empty() {
            self.report(
                "helm/lint/hl11",
                "/icon",
                "The chart has no icon. Add `icon:` with the URL of an image, so that people recognise it.",
            );
        } else if !address::is_absolute(icon) {
            self.report(
                "helm/lint/hl12",
                "/icon",
                format!("The icon {icon:?} is not an absolute URL. Write it with scheme and host."),
            );
        }
    }

    fn second_format(&mut self) {
        if matches!(self.chart.metadata.api_version.as_str(), API_V2 | API_V3) {
            return;
        }
        if !self.chart.metadata.kind.is_empty() {
            let message =
                "`type` means something only in charts with `apiVersion: v2`. Change the apiVersion or leave the type out.";
            self.report("helm/lint/hl13", "/type", message);
        }
        let dependencies = self.manifest.get("dependencies").and_then(|node| node.as_list());
        if dependencies.is_some_and(|list| !list.is_empty()) {
            let message = "Dependencies in Chart.yaml mean something only with `apiVersion: v2`. Change the apiVersion.";
            self.report("helm/lint/hl14", "/dependencies", message);
        }
    }
}
