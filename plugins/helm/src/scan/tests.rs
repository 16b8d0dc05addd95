//! Findings in whole charts.

use super::*;
use crate::testing::Package;

const BASE: &str = "apiVersion: v2\nname: web\nversion: \"1.0.0\"\nicon: https://example.com/icon.svg\n";

/// Rule, path and line of each finding.
fn scanned(package: &Package) -> Vec<String> {
    let chart = Chart::read(package.bytes().as_slice());
    let findings = super::chart(chart.as_ref(), "sha256:1", &["allowed.password".to_owned()]);
    let word = |finding: Finding| {
        let location = finding.location.unwrap_or_default();
        let line = location.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!(
            "{} {}{line}",
            finding.rule.trim_start_matches("helm/"),
            location.path.unwrap_or_default()
        )
    };
    findings.into_iter().map(word).collect()
}

fn check(cases: &[(&Package, &[&str])]) {
    for (package, expected) in cases {
        assert_eq!(scanned(package), *expected);
    }
}

fn manifest(rest: &str) -> Package {
    Package::good().file("web/Chart.yaml", format!("{BASE}{rest}"))
}

#[test]
fn a_good_chart_has_no_findings() {
    check(&[(&Package::good(), &[])]);
}

#[test]
fn chart_yaml_is_linted() {
    let yaml = |text: &str| Package::good().file("web/Chart.yaml", text);
    check(&[
        (
            &Package::good().without("web/Chart.yaml").file("web/Chart.yaml/x", ""),
            &["lint/hl01 Chart.yaml", "lint/hl02 Chart.yaml"],
        ),
        (&yaml("name: ["), &["lint/hl02 Chart.yaml:1", "scan-incomplete Chart.yaml"]),
        (
            &manifest("nonsense: 1\nmaintainers: [{name: a, phone: b}]\n"),
            &["lint/hl03 Chart.yaml:5", "lint/hl03 Chart.yaml:6"],
        ),
        (&manifest("name: web\n"), &["lint/hl03 Chart.yaml:5"]),
        (&yaml(&BASE.replace("v2", "v3")), &[]),
        (&yaml(&BASE.replace("name: web\n", "")), &["lint/hl04 Chart.yaml"]),
        (&yaml(&BASE.replace("v2", "v9")), &["lint/hl05 Chart.yaml:1"]),
        (&yaml(&BASE.replace("apiVersion: v2\n", "")), &["lint/hl05 Chart.yaml"]),
        (
            &yaml(&BASE.replace("\"1.0.0\"", "1.0")),
            &["lint/hl06 Chart.yaml:3", "lint/hl15 Chart.yaml:3"],
        ),
        (&yaml(&BASE.replace("1.0.0", "0.0.0-0")), &["lint/hl07 Chart.yaml:3"]),
        (&yaml(&BASE.replace("1.0.0", "v1.0.0")), &["lint/hl15 Chart.yaml:3"]),
        (
            &yaml(&BASE.replace("1.0.0", "x")),
            &["lint/hl07 Chart.yaml:3", "lint/hl15 Chart.yaml:3"],
        ),
        (&manifest("appVersion: 2.10\n"), &["lint/hl08 Chart.yaml:5"]),
        (&manifest("appVersion:\n"), &["lint/hl08 Chart.yaml:5"]),
        (
            &manifest("maintainers:\n- email: a@b.de\n- name: x\n  email: x\n- name: y\n  url: no url\n"),
            &["lint/hl09 Chart.yaml:6", "lint/hl09 Chart.yaml:8", "lint/hl09 Chart.yaml:10"],
        ),
        (&manifest("sources: [example.com]\n"), &["lint/hl10 Chart.yaml:5"]),
        (
            &yaml(&BASE.replace("icon: https://example.com/icon.svg\n", "")),
            &["lint/hl11 Chart.yaml"],
        ),
        (
            &yaml(&BASE.replace("https://example.com/icon.svg", "icon.svg")),
            &["lint/hl12 Chart.yaml:4"],
        ),
        (
            &yaml(&format!("{}type: library\n", BASE.replace("v2", "v1"))),
            &["lint/hl13 Chart.yaml:5"],
        ),
        (
            &yaml(&format!("{}dependencies: [{{name: db}}]\n", BASE.replace("v2", "v1"))),
            &["lint/hl14 Chart.yaml:5", "lint/hl28 Chart.yaml:5"],
        ),
    ]);
}

#[test]
fn values_and_templates_are_linted() {
    let schema = r#"{ "type": "object", "required": ["name"], "properties": { "replicas": { "type": "string" } } }"#;
    let good = Package::good;
    check(&[
        (&good().without("web/values.yaml"), &["lint/hl16 values.yaml"]),
        (
            &good().file("web/values.yaml", "a: ["),
            &["lint/hl17 values.yaml:1", "scan-incomplete values.yaml"],
        ),
        (
            &good().file("web/values.yaml", format!("a: {}{}", "[".repeat(200), "]".repeat(200))),
            &["scan-incomplete values.yaml"],
        ),
        (
            &good().file(
                "web/values.schema.json",
                r##"{ "allOf": [{ "$ref": "#" }, { "$ref": "#" }] }"##,
            ),
            &["scan-incomplete values.schema.json"],
        ),
        (
            &good().file("web/values.schema.json", schema),
            &["lint/hl17 values.yaml:1", "lint/hl17 values.yaml:1"],
        ),
        (
            &good().file("web/values.yaml", "").file("web/values.schema.json", schema),
            &["lint/hl17 values.yaml:1"],
        ),
        (
            &good().file("web/values.schema.json", "{"),
            &["lint/hl17 values.schema.json:1"],
        ),
        (&good().without("web/templates/deployment.yaml"), &["lint/hl18 templates"]),
        (
            &good().without("web/templates/deployment.yaml").file("web/templates", ""),
            &["lint/hl18 templates"],
        ),
    ]);
}

#[test]
fn dependencies_are_linted() {
    let db = "apiVersion: v2\nname: db\nversion: 1.0.0\n";
    check(&[
        (
            &Package::good().file("web/charts/db/Chart.yaml", db),
            &["lint/hl27 charts/db"],
        ),
        (&manifest("dependencies:\n- name: db\n"), &["lint/hl28 Chart.yaml:6"]),
        (
            &manifest("dependencies:\n- name: db\n").file("web/charts/db/Chart.yaml", db),
            &[],
        ),
        (
            &manifest("dependencies:\n- name: db\n- name: db\n").file("web/charts/db/Chart.yaml", db),
            &["lint/hl29 Chart.yaml:7"],
        ),
        (
            &manifest("dependencies:\n- name: db\n  repository: http://example.com\n").file("web/charts/db/Chart.yaml", db),
            &["dependency-http Chart.yaml:7"],
        ),
    ]);
}

#[test]
fn definitions_are_linted() {
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n";
    let crd = |text: &str| Package::good().file("web/crds/a.yaml", text);
    check(&[
        (&crd(definition), &[]),
        (&crd(&format!("{definition}---\n{definition}---\n")), &[]),
        (
            &crd("apiVersion: v1\nkind: ConfigMap\n"),
            &["lint/hl30 crds/a.yaml:1", "lint/hl30 crds/a.yaml:2"],
        ),
        (&crd("a: [{{ .Values.x }\n"), &["lint/hl30 crds/a.yaml:1"]),
        (&Package::good().file("web/crds", ""), &["lint/hl30 crds"]),
        (
            &crd("apiVersion: apiextensions.k8s.io/v1beta1\nkind: CustomResourceDefinition\n"),
            &["api-removed crds/a.yaml:1"],
        ),
    ]);
}

#[test]
fn secrets_are_found_and_not_repeated() {
    let key = ["-----BEGIN ", "PRIVATE KEY-----"].concat();
    let values = format!(
        "auth:\n  password: hunter2\n  existingSecret: name\nallowed:\n  password: fine\nlist:\n  - token: \"\"\n  - apiKey: a8f5f167\npin: 1\n\
         user:\n  passwd: 1234\ntls:\n  key: |\n    {key}\n    MIIEpAIBAAKCAQEA\n"
    );
    let package = Package::good().file("web/values.yaml", values);
    check(&[(
        &package,
        &[
            "secret/private-key values.yaml:14",
            "secret/value values.yaml:2",
            "secret/value values.yaml:8",
            "secret/value values.yaml:11",
        ],
    )]);
    let findings = chart(Ok(&package.chart()), "sha256:1", &[]);
    assert!(
        findings
            .iter()
            .all(|finding| !finding.message.contains("hunter2") && !finding.message.contains("a8f5"))
    );
}

#[test]
fn no_byte_and_no_name_hides_what_is_behind_it() {
    let token = ["glpat-", "aB3dE5gH7jK9mN1pQ2rS4tU6"].concat();
    let package = Package::good()
        .file("web/templates/a.yaml", [b"# \xff\n".as_slice(), token.as_bytes()].concat())
        .file("web/values.yaml", format!("? {}\n: password: hunter2\n", "k".repeat(3000)));
    check(&[(&package, &["secret/token templates/a.yaml:2", "secret/value values.yaml:2"])]);
    let old = [
        b"# \xff\n".as_slice(),
        b"apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\n",
    ]
    .concat();
    check(&[(
        &Package::good().file("web/templates/a.yaml", old),
        &["api-removed templates/a.yaml:2"],
    )]);
}

#[test]
fn what_is_too_much_to_list_is_counted() {
    let keys = |count: usize| (0..count).map(|at| format!("k{at}: 1\n")).collect::<String>();
    let package = manifest(&keys(OF_RULE_MAX + 7)).file("web/values.yaml", "password: hunter2\n");
    let findings = chart(Ok(&package.chart()), "sha256:1", &[]);
    let of = |rule: &str| findings.iter().filter(|finding| finding.rule == rule).count();
    assert_eq!((of("helm/lint/hl03"), of("helm/secret/value")), (OF_RULE_MAX, 1));
    let message = &findings.iter().find(|finding| finding.rule == INCOMPLETE).unwrap().message;
    assert!(message.starts_with("7 more findings of the rule helm/lint/hl03"), "{message}");
    assert_eq!(findings[0].rule, "helm/secret/value", "the most important comes first");
}

#[test]
fn old_apis_are_found() {
    let template = |text: &str| Package::good().file("web/templates/a.yaml", text);
    check(&[
        (
            &template("---\napiVersion: policy/v1beta1\nkind: PodDisruptionBudget\n"),
            &["api-removed templates/a.yaml:2"],
        ),
        (
            &template("apiVersion: v1\nkind: Endpoints\n"),
            &["api-deprecated templates/a.yaml:1"],
        ),
        (&template("apiVersion: batch/v1\nkind: CronJob\n"), &[]),
    ]);
}

#[test]
fn the_most_important_comes_first() {
    let package = Package::good()
        .file("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: \"1\"\n")
        .file("web/values.yaml", "password: hunter2\nkey: \"glpat-aB3dE5gH7jK9mN1pQ2rS\"\n");
    check(&[(
        &package,
        &[
            "secret/token values.yaml:2",
            "secret/value values.yaml:1",
            "lint/hl15 Chart.yaml:3",
            "lint/hl11 Chart.yaml",
        ],
    )]);
}

#[test]
fn an_archive_that_cannot_be_read_is_reported() {
    check(&[(&Package::empty(), &["archive-empty ", "scan-incomplete "])]);
}
