//! What becomes of good charts and of bad ones.

use tar::EntryType;

use super::*;
use crate::testing::Package;

/// The rules of what keeps Helm from loading a chart, with the file.
fn faults(package: &Package) -> Vec<String> {
    let word = |fault: &Fault| format!("{} {}", fault.rule, fault.path.as_deref().unwrap_or("-"));
    match Chart::read(package.bytes().as_slice()) {
        Ok(chart) => chart.faults.iter().map(word).collect(),
        Err(fault) => vec![word(&fault)],
    }
}

fn manifest(text: &str) -> Package {
    Package::good().file("web/Chart.yaml", text)
}

#[test]
fn a_good_chart_is_read() {
    let chart = Package::good()
        .file("web/README.md", "# Web")
        .file("web/files/data.bin", vec![0xFF; 10])
        .file("web/crds/a.yaml", "kind: X")
        .file("web/crds/notes.txt", "")
        .chart();
    assert_eq!(chart.faults, []);
    assert_eq!(
        (
            chart.root.as_str(),
            chart.metadata.name.as_str(),
            chart.metadata.version.as_str()
        ),
        ("web", "web", "1.0.0")
    );
    assert_eq!(
        chart.text("templates/deployment.yaml"),
        Some("apiVersion: apps/v1\nkind: Deployment\n")
    );
    assert_eq!(chart.readme().and_then(File::text), Some("# Web"));
    assert_eq!(
        chart.crds().map(|file| file.path.as_str()).collect::<Vec<_>>(),
        ["crds/a.yaml"]
    );
    let data = chart.file("files/data.bin").unwrap();
    assert_eq!((data.size, &data.content), (10, &None));
}

#[test]
fn archives_that_helm_refuses_are_refused() {
    let large = |bytes: usize| Package::good().file("web/files/large", vec![0; bytes]);
    let many = (0..21).fold(Package::good(), |package, at| {
        package.file(&format!("web/files/{at}"), vec![0; 5 << 20])
    });
    for (package, expected) in [
        (Package::empty(), "helm/archive-empty -"),
        (
            Package::empty().entry("web/", EntryType::Directory, ""),
            "helm/archive-empty -",
        ),
        (Package::empty().file("Chart.yaml", "name: web"), "helm/archive-path -"),
        (Package::good().file("web/../../etc/passwd", ""), "helm/archive-path -"),
        (Package::good().file("/etc/passwd", ""), "helm/archive-path -"),
        (Package::good().file("web/c:/a", ""), "helm/archive-path -"),
        (
            Package::good().entry("web/link", EntryType::Symlink, "/etc/passwd"),
            "helm/archive-link -",
        ),
        (
            Package::good().entry("web/link", EntryType::Link, "web/Chart.yaml"),
            "helm/archive-link -",
        ),
        (Package::good().entry("web/pipe", EntryType::Fifo, ""), "helm/archive-link -"),
        (large((5 << 20) + 1), "helm/archive-limit files/large"),
        (many, "helm/archive-limit files/19"),
    ] {
        assert_eq!(faults(&package), [expected]);
    }
    assert_eq!(faults(&large(5 << 20)), [""; 0]);
}

#[test]
fn what_is_no_archive_is_refused() {
    let good = Package::good().bytes();
    for bytes in [&b""[..], b"hello", &good[..good.len() / 2]] {
        assert_eq!(Chart::read(bytes).unwrap_err().rule, "helm/archive-unreadable");
    }
}

#[test]
fn headers_without_content_are_skipped() {
    let package = Package::empty().entry(
        "pax_global_header",
        EntryType::XGlobalHeader,
        "52 comment=0123456789012345678901234567890123456789\n",
    );
    let package = package.file("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0");
    assert_eq!(faults(&package), [""; 0]);
}

#[test]
fn windows_paths_and_byte_order_marks_are_forgiven() {
    let package = Package::empty().file("web\\Chart.yaml", "\u{feff}apiVersion: v2\nname: web\nversion: 1.0.0");
    assert_eq!(package.chart().metadata.name, "web");
    assert_eq!(faults(&package), [""; 0]);
}

#[test]
fn metadata_that_helm_refuses_is_refused() {
    let base = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
    for (text, expected) in [
        (
            String::new(),
            &["helm/name-missing Chart.yaml", "helm/version-missing Chart.yaml"][..],
        ),
        ("name: [web\n".into(), &["helm/chart-yaml-unreadable Chart.yaml"]),
        (
            "just text".into(),
            &[
                "helm/chart-yaml-type Chart.yaml",
                "helm/name-missing Chart.yaml",
                "helm/version-missing Chart.yaml",
            ],
        ),
        ("name: web\nversion: 1.10\n".into(), &[]),
        ("name: web\nversion: latest\n".into(), &["helm/version-invalid Chart.yaml"]),
        ("name: a/b\nversion: 1\n".into(), &["helm/name-invalid Chart.yaml"]),
        ("name: ..\nversion: 1\n".into(), &["helm/name-invalid Chart.yaml"]),
        (
            "apiVersion: v9\nname: web\nversion: 1\n".into(),
            &["helm/api-version-invalid Chart.yaml"],
        ),
        (format!("{base}type: plugin\n"), &["helm/type-invalid Chart.yaml"]),
        (format!("{base}keywords: web\n"), &["helm/chart-yaml-type Chart.yaml"]),
        (format!("{base}maintainers: [null]\n"), &["helm/maintainer-empty Chart.yaml"]),
        (format!("{base}dependencies: [null]\n"), &["helm/dependency-empty Chart.yaml"]),
        (
            format!("{base}dependencies: [{{name: a, alias: b.c}}]\n"),
            &["helm/dependency-alias Chart.yaml"],
        ),
        (
            format!("{base}dependencies: [{{name: a}}, {{name: b, alias: a}}]\n"),
            &["helm/dependency-duplicate Chart.yaml"],
        ),
        (format!("{base}dependencies: [{{name: a}}, {{name: a, alias: b}}]\n"), &[]),
        (format!("{base}unknown: 1\ndeprecated: yes\n"), &[]),
        (format!("{base}deprecated: \"yes\"\n"), &["helm/chart-yaml-type Chart.yaml"]),
        (format!("{base}Version: 6.6.6\n"), &["helm/key-ambiguous Chart.yaml"]),
        (format!("{base}ver\u{17f}ion: 6.6.6\n"), &["helm/key-ambiguous Chart.yaml"]),
        (
            "apiVersion: v2\nname: web\nVersion: 6.6.6\nVERSION: 1.0.0\n".into(),
            &["helm/key-ambiguous Chart.yaml"],
        ),
        (
            format!("{base}Maintainers: [{{name: a, Name: b}}]\n"),
            &["helm/key-ambiguous Chart.yaml"],
        ),
        (format!("{base}Description: a\n"), &[]),
        (format!("{base}1: a\n\"1\": b\n"), &["helm/chart-yaml-unreadable Chart.yaml"]),
        (format!("{base}...\nname: [\n"), &[]),
        (format!("{base}---\nname: other\n"), &[]),
    ] {
        assert_eq!(faults(&manifest(&text)), expected, "{text}");
    }
    assert_eq!(
        faults(&Package::good().without("web/Chart.yaml")),
        ["helm/chart-yaml-missing Chart.yaml"]
    );
}

#[test]
fn faults_name_the_place() {
    let chart = manifest("apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n  - name: a\n    alias: b.c\n").chart();
    let fault = &chart.faults[0];
    assert_eq!(
        (fault.position, fault.pointer.as_deref()),
        (Some((5, 5)), Some("/dependencies/0"))
    );
    let chart = manifest("name: web\nversion: 1.0.0\n  x: [\n").chart();
    assert_eq!(chart.faults[0].position.map(|(line, _)| line), Some(3));
}

#[test]
fn other_files_that_helm_parses_have_to_be_sound() {
    for (path, text, expected) in [
        ("web/values.yaml", "a: [", &["helm/values-unreadable values.yaml"][..]),
        ("web/values.yaml", "- a", &["helm/values-unreadable values.yaml"]),
        ("web/values.yaml", "", &[]),
        ("web/values.yaml", "a: 1\n---\nb: 2\n", &[]),
        ("web/values.yaml", "a: 1\na: 2\n", &[]),
        (
            "web/values.yaml",
            "a: {{ .Values.b }}\n",
            &["helm/values-unreadable values.yaml"],
        ),
        ("web/values.yaml", "a: \"{{ .Values.b }}\"\n", &[]),
        ("web/values.yaml", "~: 1\n", &["helm/values-unreadable values.yaml"]),
        ("web/values.yaml", "1: a\ntrue: b\n", &[]),
        ("web/values.yaml", "a: yes\n0X1F: 0X1F\nc: !t 1\nd: !!binary d2Vi\n", &[]),
        ("web/values.yaml", "a: 1\n--- # two\nb: 2\n", &[]),
        ("web/values.yaml", "a: 1\n--- b: 2\n", &["helm/values-unreadable values.yaml"]),
        ("web/values.yaml", "a: 1\n\t\nb: 2\n", &["helm/values-unreadable values.yaml"]),
        ("web/values.yaml", "1: a\n\"1\": b\n", &["helm/values-unreadable values.yaml"]),
        ("web/values.yaml", "a: \u{feff}b\n", &["helm/values-unreadable values.yaml"]),
        ("web/values.yaml", "a: [.inf]\n", &["helm/values-unreadable values.yaml"]),
        ("web/values.yaml", "a: \"\u{1}\"\n", &["helm/values-unreadable values.yaml"]),
        ("web/Chart.lock", "a: [", &["helm/lock-unreadable Chart.lock"]),
        ("web/Chart.lock", "dependencies: x", &["helm/lock-unreadable Chart.lock"]),
        ("web/Chart.lock", "generated: yesterday", &["helm/lock-unreadable Chart.lock"]),
        ("web/Chart.lock", "digest: [1]", &["helm/lock-unreadable Chart.lock"]),
        ("web/Chart.lock", "digest: 1", &[]),
        ("web/Chart.lock", "generated: 5", &["helm/lock-unreadable Chart.lock"]),
        ("web/Chart.lock", "Digest: a\ndigest: b", &["helm/key-ambiguous Chart.lock"]),
        (
            "web/requirements.yaml",
            "name: other\ndependencies: []",
            &["helm/requirements-metadata requirements.yaml"],
        ),
        (
            "web/requirements.yaml",
            "VERSION: 2.0.0\n",
            &["helm/requirements-metadata requirements.yaml"],
        ),
        ("web/requirements.yaml", "name: ~\nnonsense: 1\n", &[]),
        (
            "web/Chart.lock",
            "dependencies:\n- name: a\n  version: 1.0.0\n  repository: x\ndigest: sha256:1\ngenerated: \"2026-01-01T00:00:00Z\"\n",
            &[],
        ),
        (
            "web/requirements.yaml",
            "dependencies: x",
            &["helm/requirements-unreadable requirements.yaml"],
        ),
        (
            "web/requirements.yaml",
            "dependencies: [{name: a, alias: b.c}]",
            &["helm/dependency-alias requirements.yaml"],
        ),
        ("web/values.schema.json", "{", &[]),
    ] {
        assert_eq!(faults(&Package::good().file(path, text)), expected, "{path}: {text}");
    }
    assert_eq!(
        faults(&Package::good().file("web/values.yaml", [0xC3, 0x28])),
        ["helm/values-unreadable values.yaml"]
    );
}

#[test]
fn subcharts_have_to_load_as_well() {
    let database = Package::empty().file("db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 2.0.0");
    let broken = Package::empty().file("db/Chart.yaml", "name: db");
    for (path, content, expected) in [
        (
            "web/charts/db/Chart.yaml",
            b"apiVersion: v2\nname: db\nversion: 2.0.0".to_vec(),
            &[][..],
        ),
        (
            "web/charts/db/Chart.yaml",
            b"name: db".to_vec(),
            &["helm/version-missing charts/db/Chart.yaml"],
        ),
        (
            "web/charts/db/values.yaml",
            Vec::new(),
            &["helm/chart-yaml-missing charts/db/Chart.yaml"],
        ),
        ("web/charts/db-2.0.0.tgz", database.bytes(), &[]),
        (
            "web/charts/db-2.0.0.tgz",
            broken.bytes(),
            &["helm/version-missing charts/db-2.0.0.tgz"],
        ),
        (
            "web/charts/db-2.0.0.tgz",
            b"text".to_vec(),
            &["helm/archive-unreadable charts/db-2.0.0.tgz"],
        ),
        (
            "web/charts/db.tgz/Chart.yaml",
            Vec::new(),
            &["helm/subchart-unreadable charts/db.tgz"],
        ),
        (
            "web/charts/README.md",
            Vec::new(),
            &["helm/subchart-unreadable charts/README.md"],
        ),
        ("web/charts/db-2.0.0.tgz.prov", b"text".to_vec(), &[]),
        ("web/charts/_db/x", Vec::new(), &[]),
        ("web/charts/.db.tgz", b"text".to_vec(), &[]),
        (
            "web/charts/db/charts/x/y",
            Vec::new(),
            &[
                "helm/chart-yaml-missing charts/db/Chart.yaml",
                "helm/chart-yaml-missing charts/db/charts/x/Chart.yaml",
            ],
        ),
    ] {
        assert_eq!(faults(&Package::good().file(path, content)), expected, "{path}");
    }
    let chart = Package::good().file("web/charts/db-2.0.0.tgz", database.bytes()).chart();
    assert_eq!(
        chart
            .subcharts
            .iter()
            .map(|subchart| (subchart.entry.as_str(), subchart.metadata.name.as_str()))
            .collect::<Vec<_>>(),
        [("db-2.0.0.tgz", "db")]
    );
}

#[test]
fn packages_in_packages_end_somewhere() {
    let mut package = Package::empty().file("a/Chart.yaml", "name: a\nversion: 1.0.0");
    for _ in 0..=PACKAGES_DEPTH_MAX {
        package = Package::empty()
            .file("a/Chart.yaml", "name: a\nversion: 1.0.0")
            .file("a/charts/a.tgz", package.bytes());
    }
    assert_eq!(faults(&package), ["helm/archive-limit charts/a.tgz"]);
}

#[test]
fn requirements_stand_in_for_dependencies() {
    let chart = Package::good()
        .file("web/Chart.yaml", "apiVersion: v1\nname: web\nversion: 1.0.0\n")
        .file(
            "web/requirements.yaml",
            "dependencies:\n- name: db\n  version: 1.x\n  repository: https://example.com\n",
        )
        .chart();
    assert_eq!(
        chart
            .metadata
            .dependencies()
            .map(|dependency| dependency.name.as_str())
            .collect::<Vec<_>>(),
        ["db"]
    );
    assert_eq!(chart.dependencies_source().0, REQUIREMENTS);
}

#[test]
fn dependencies_in_two_files_have_to_be_the_same() {
    let list = "dependencies:\n- name: db\n  version: 1.x\n  repository: https://example.com\n";
    let both = |requirements: &str| {
        Package::good()
            .file("web/Chart.yaml", format!("apiVersion: v2\nname: web\nversion: 1.0.0\n{list}"))
            .file("web/requirements.yaml", requirements)
    };
    assert_eq!(faults(&both(list)), [""; 0]);
    assert_eq!(faults(&both("# none\n")), [""; 0]);
    let other = list.replace("1.x", "2.x");
    assert_eq!(faults(&both(&other)), ["helm/requirements-metadata requirements.yaml"]);
}

#[test]
fn metadata_is_what_helm_makes_of_it() {
    for (text, name, version) in [
        ("name: yes\nversion: 1.0.0\n", "true", "1.0.0"),
        ("name: 0X10\nversion: 1.10\n", "16", "1.1"),
        ("name: !x 010\nversion: 1.0.0\n", "010", "1.0.0"),
        ("name: !!binary d2Vi\nversion: 1_0\n", "web", "10"),
        ("name: 18446744073709551615\nversion: 1\n", "18446744073709551615", "1"),
        ("name: web\nversion: 1.0.0 # x\u{2028}description: y\n", "web", "1.0.0"),
        ("x: &x {name: evil}\nname: web\nversion: 1.0.0\n<<: *x\n", "evil", "1.0.0"),
        ("x: &x {name: evil}\n<<: *x\nname: web\nversion: 1.0.0\n", "web", "1.0.0"),
        ("name: web\nversion: 1.0.0\n...\nname: other\n", "web", "1.0.0"),
    ] {
        let metadata = manifest(&format!("apiVersion: v2\n{text}")).chart().metadata;
        assert_eq!((metadata.name.as_str(), metadata.version.as_str()), (name, version), "{text}");
    }
}
