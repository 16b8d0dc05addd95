//! Packaged charts: the files that Helm looks at and some that only look like them, with sound and odd content.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use portolan_helm::chart::Chart;
use serde_json::json;

use super::json::plain;
use super::tar::file;
use super::yaml::written;
use crate::{bytes::damage, choices::Choices, oracle::Reading};

/// Returns what the Helm plugin sees.
///
/// # Errors
/// Why it refuses.
pub fn read(input: &[u8]) -> Reading {
    let reason = |fault: &portolan_helm::chart::Fault| format!("{}: {}", fault.rule, fault.message);
    let chart = Chart::read(input).map_err(|fault| reason(&fault))?;
    if let Some(fault) = chart.faults.first() {
        return Err(reason(fault));
    }
    let mut paths: Vec<&str> = chart.files.iter().map(|file| file.path.as_str()).collect();
    let mut charts: Vec<String> = chart
        .subcharts
        .iter()
        .map(|inner| format!("{} {}", inner.metadata.name, inner.metadata.version))
        .collect();
    paths.sort_unstable();
    charts.sort_unstable();
    let values = chart.values.as_ref().filter(|values| !values.is_null());
    let values = values.map_or_else(|| json!({}), portolan_plugin_sdk::yaml::Node::to_json);
    Ok(json!({ "files": paths, "metadata": written(&chart.metadata)?, "values": plain(&values), "charts": charts }))
}

/// Makes a package.
pub fn generate(choices: &mut Choices) -> Vec<u8> {
    let mut content = Vec::new();
    if choices.percent(90) {
        content.extend(file(b"web/Chart.yaml", choices.pick::<[u8]>(MANIFESTS)));
    }
    for _ in 0..choices.below(5) {
        let path = choices.pick::<str>(PATHS);
        content.extend(file(path.as_bytes(), &file_content(choices, path)));
    }
    content.extend([0; 1_024]);
    if choices.percent(3) {
        damage(&mut content, choices);
    }
    packed(&content)
}

fn file_content(choices: &mut Choices, path: &str) -> Vec<u8> {
    let among = match path {
        _ if path.ends_with(".tgz") && choices.percent(80) => {
            let inner = file(b"inner/Chart.yaml", choices.pick::<[u8]>(MANIFESTS));
            return packed(&[inner, vec![0; 1_024]].concat());
        }
        _ if path.ends_with(".lock") => LOCKS,
        _ if path.ends_with("requirements.yaml") => REQUIREMENTS,
        _ if path.ends_with("Chart.yaml") => MANIFESTS,
        _ => VALUES,
    };
    choices.pick::<[u8]>(among).to_vec()
}

/// Compresses an archive. The same content gives the same bytes.
#[must_use]
pub fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(content).and_then(|()| encoder.finish());
    written.expect("memory takes everything")
}

const MANIFESTS: &[&[u8]] = &[
    b"apiVersion: v2\nname: web\nversion: 1.0.0\n",
    b"apiVersion: v1\nname: web\nversion: 1.0.0\n",
    b"name: web\nversion: v1\ntype: library\n",
    b"apiVersion: v2\nname: sub\nversion: 0.1.0\ndependencies:\n- name: a\n  version: \"1\"\n",
    b"apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: a, alias: b}, {name: b}]\n",
    b"apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: a, tags: [x], enabled: yes, import-values: [a]}]\n",
    b"apiVersion: v2\nname: ../x\nversion: 1.0.0\n",
    b"apiVersion: v2\nname: web\nversion: 01.0\nmaintainers: [{name: a}]\nannotations: {a: yes, b: 010}\n",
    b"apiVersion: v2\nname: yes\nversion: 1.10\nkeywords: [on, 1]\n",
    b"apiVersion: v2\nname: web\nVersion: 6.6.6\nVERSION: 1.0.0\n",
    b"apiVersion: v2\nname: web\nversion: 1.0.0 # x\xe2\x80\xa8description: y\n",
    b"apiVersion: v2\nName: web\nversion: 1.0.0\n...\nname: other\n",
    b"x: &x {name: other}\napiVersion: v2\nname: web\nversion: 1.0.0\n<<: *x\n",
    b"apiVersion: v9\nname: web\nversion: 1.0.0\n",
    b"apiVersion: v2\nname: web\n",
    b"name: [",
    b"",
];

const REQUIREMENTS: &[&[u8]] = &[
    b"dependencies: [{name: q, version: \"1\"}]\n",
    b"dependencies: []\n",
    b"dependencies: ~\n",
    b"dependencies:\n- name: a\n  version: \"1\"\n",
    b"name: other\n",
    b"NAME: ~\nother: 1\n",
    b"Dependencies: [{Name: a}]\n",
    b"dependencies: 1\n",
    b"# nothing\n",
];

const LOCKS: &[&[u8]] = &[
    b"dependencies:\n- name: a\n  version: 1.0.0\n  repository: x\ndigest: sha256:1\ngenerated: \"2026-01-01T00:00:00Z\"\n",
    b"generated: 2020-01-01T00:00:00.5+01:00\n",
    b"generated: yesterday\n",
    b"digest: [1]\n",
    b"digest: 1\n",
    b"dependencies: x\n",
    b"{}",
];

const VALUES: &[&[u8]] = &[
    b"a: 1\n",
    b"a: {b: 1, c: yes}\n---\na: {b: ~, d: 010}\n",
    b"a: {b: 1}\n--- # two\na: ~\n",
    b"a: 1\n\t\nb: 2\n",
    b"1: a\n---\n0x1: b\n",
    b"[1]",
    b"x",
    b"\xef\xbb\xbfa: 1\n",
    b"{}",
    b"a: [",
    b"",
];

const PATHS: &[&str] = &[
    "web/values.yaml",
    "web/templates/a.yaml",
    "web/requirements.yaml",
    "web/Chart.lock",
    "web/requirements.lock",
    "web/charts/a/Chart.yaml",
    "web/charts/a/values.yaml",
    "web/charts/a/charts/b/Chart.yaml",
    "web/charts/a/requirements.yaml",
    "web/charts/a.tgz",
    "web/charts/b.tgz",
    "web/charts/a/charts/c.tgz",
    "web/charts/a.tgz/Chart.yaml",
    "web/charts/README.md",
    "web/charts/_x/Chart.yaml",
    "web/charts/.x/Chart.yaml",
    "web/charts/_x.tgz",
    "web/charts/a.prov",
    "web/charts/c.prov/Chart.yaml",
    "web/charts/x.yaml",
    "web/charts",
    "web/chart.yaml",
    "web/Chart.yaml",
    "web/./Chart.yaml",
    "web//Chart.yaml",
    "web/a/../Chart.yaml",
    "web/Chart.yaml/x",
    "web/README.md",
    "web/crds/a.yaml",
    "other/Chart.yaml",
    "other/x",
    "Chart.yaml",
    "./Chart.yaml",
    "web\\templates\\b.yaml",
    "web/c:/x",
    "c:/x",
    "web/..x",
    "web/a/..",
    "web/.helmignore",
];
