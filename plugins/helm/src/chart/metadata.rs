//! What Chart.yaml says, as Helm understands it.
//!
//! Helm reads Chart.yaml by way of JSON and converts scalars where a string is expected. The same reader serves the config blob of a
//! chart, which is that JSON. Reading is lenient: what has the wrong type is left out and reported, so that a chart with several
//! faults is told of all of them.

mod reader;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::keys;
use reader::Reader;

/// The metadata of a chart. Serialised it is what `helm push` writes as config: the same keys in the same order, without empty ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The name of the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The address of the project's page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// Addresses of source code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The version of the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// What the chart is, in one sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Words to find the chart by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Who looks after the chart; an empty item is kept as such.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Option<Maintainer>>,
    /// The address of an icon.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon: String,
    /// The version of the chart format.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// The value that enables the chart as a dependency.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// The tags that enable the chart as a dependency.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
    /// The version of the application in the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// Whether the chart should no longer be used.
    #[serde(skip_serializing_if = "is_false")]
    pub deprecated: bool,
    /// What others note about the chart.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The versions of Kubernetes that the chart is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// The charts that this one needs; an empty item is kept as such.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Option<Dependency>>,
    /// `application`, `library` or empty.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

/// One who looks after a chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Maintainer {
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The address for mail.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// The address of a page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// A chart that another needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dependency {
    /// The name of the needed chart.
    pub name: String,
    /// The version, or the range of versions.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The repository that holds it; empty for a chart inside of the package.
    pub repository: String,
    /// The value that enables it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// The tags that enable it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether it is enabled without condition.
    #[serde(skip_serializing_if = "is_false")]
    pub enabled: bool,
    /// What is taken over from its values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub import_values: Vec<Value>,
    /// The name under which it is used.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

impl Dependency {
    /// The name under which the chart uses this dependency: two of one name cannot be told apart.
    pub fn key(&self) -> &str {
        if self.alias.is_empty() { &self.name } else { &self.alias }
    }
}

/// A value that has another type than Helm expects.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// Where the value is, as a JSON pointer.
    pub pointer: String,
    /// What was expected.
    pub expected: &'static str,
    /// What was found.
    pub found: &'static str,
}

/// Where the JSON comes from, which decides whether scalars become strings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Source {
    /// YAML: a number or a boolean counts as the string that it is written as.
    Yaml,
    /// JSON: a string is a string.
    Json,
}

/// The keys of Chart.yaml that Helm knows.
pub const METADATA_KEYS: [&str; 17] = [
    "name",
    "home",
    "sources",
    "version",
    "description",
    "keywords",
    "maintainers",
    "icon",
    "apiVersion",
    "condition",
    "tags",
    "appVersion",
    "deprecated",
    "annotations",
    "kubeVersion",
    "dependencies",
    "type",
];

/// The keys of a maintainer that Helm knows.
pub const MAINTAINER_KEYS: [&str; 3] = ["name", "email", "url"];

/// The keys of a dependency that Helm knows.
pub const DEPENDENCY_KEYS: [&str; 8] = [
    "name",
    "version",
    "repository",
    "condition",
    "tags",
    "enabled",
    "import-values",
    "alias",
];

impl Metadata {
    /// Reads metadata and returns it with the values that had to be left out.
    pub fn read(value: &Value, source: Source) -> (Metadata, Vec<Mismatch>) {
        let mut reader = Reader::new(source);
        let metadata = reader.metadata(value);
        (metadata, reader.mismatches())
    }

    /// The dependencies that are not empty items.
    pub fn dependencies(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().flatten()
    }

    /// The maintainers that are not empty items.
    pub fn maintainers(&self) -> impl Iterator<Item = &Maintainer> {
        self.maintainers.iter().flatten()
    }

    /// Whether name or version are missing, so that nobody could ask for the chart.
    pub fn package_is_unnamed(&self) -> bool {
        self.name.is_empty() || self.version.is_empty()
    }

    /// The file name under which Helm packages this chart.
    pub fn package(&self) -> String {
        format!("{}-{}.tgz", self.name, self.version)
    }
}

/// Finds a member by name, in any case where no name matches exactly, as Go's JSON reader does. An object in which two members have
/// one name for that reader is refused before.
pub fn member<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object.get(key).or_else(|| {
        object
            .iter()
            .find(|(name, _)| keys::folds_to(name, key))
            .map(|(_, found)| found)
    })
}

/// Escapes a key for a JSON pointer.
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_of_yaml_become_strings() {
        let value =
            json!({ "name": "web", "version": 1.1, "appVersion": 20_210_101, "keywords": ["a", true], "deprecated": true });
        let (metadata, mismatches) = Metadata::read(&value, Source::Yaml);
        assert_eq!(mismatches, []);
        assert_eq!(
            (metadata.version.as_str(), metadata.app_version.as_str()),
            ("1.1", "20210101")
        );
        assert_eq!(metadata.keywords, ["a", "true"]);
        assert!(metadata.deprecated);
    }

    #[test]
    fn scalars_of_json_do_not() {
        let (_, mismatches) = Metadata::read(&json!({ "version": 1.1 }), Source::Json);
        assert_eq!(
            mismatches,
            [Mismatch {
                pointer: "/version".into(),
                expected: "a string",
                found: "a number"
            }]
        );
    }

    #[test]
    fn every_wrong_type_is_reported_with_its_pointer() {
        let value = json!({
            "name": ["web"], "sources": "x", "deprecated": "true", "annotations": { "a/b": {} },
            "maintainers": [null, 1], "dependencies": [{ "tags": "x" }]
        });
        let (metadata, mismatches) = Metadata::read(&value, Source::Yaml);
        let pointers: Vec<_> = mismatches.iter().map(|mismatch| mismatch.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/name",
                "/sources",
                "/maintainers/1",
                "/deprecated",
                "/annotations/a~1b",
                "/dependencies/0/tags"
            ]
        );
        assert_eq!(metadata.maintainers, [None]);
    }

    #[test]
    fn serialised_metadata_is_what_helm_pushes() {
        let value = json!({
            "apiVersion": "v2", "name": "web", "version": "1.0.0", "type": "application", "nonsense": 1,
            "dependencies": [{ "name": "db", "repository": "", "import-values": ["data"] }]
        });
        let (metadata, _) = Metadata::read(&value, Source::Yaml);
        assert_eq!(
            serde_json::to_string(&metadata).unwrap(),
            r#"{"name":"web","version":"1.0.0","apiVersion":"v2","dependencies":[{"name":"db","repository":"","import-values":["data"]}],"type":"application"}"#
        );
    }

    #[test]
    fn keys_match_in_any_case_and_text_is_cleaned() {
        let (metadata, _) = Metadata::read(&json!({ "Name": "we\u{7}b", "description": "a\n\u{200b}b" }), Source::Yaml);
        assert_eq!((metadata.name.as_str(), metadata.description.as_str()), ("web", "a b"));
    }

    #[test]
    fn annotations_keep_their_lines() {
        let (metadata, _) = Metadata::read(&json!({ "annotations": { "changes": "- a\n- b\n" } }), Source::Yaml);
        assert_eq!(metadata.annotations["changes"], "- a\n- b\n");
    }
}
