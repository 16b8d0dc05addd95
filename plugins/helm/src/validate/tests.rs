//! Verdicts on whole charts.

use portolan_plugin_sdk::Descriptor;
use tar::EntryType;

use super::*;
use crate::chart::{CHART_TYPE, CONFIG_TYPE, LEGACY_CHART_TYPE, PROVENANCE_TYPE};
use crate::testing::Package;

const CONFIG: &str = r#"{"name":"web","version":"1.0.0","description":"Serves pages.","icon":"https://example.com/icon.svg","apiVersion":"v2","appVersion":"2.1"}"#;

/// The verdict in one line: whether it was accepted, and the rules.
fn judged(package: &Package, config: &str, provenance: &[&str], annotations: &[(&str, &str)]) -> (bool, Vec<String>) {
    let provenance: Vec<_> = provenance
        .iter()
        .map(|text| ("sha256:3".to_owned(), Some(text.as_bytes().to_vec())))
        .collect();
    let annotations: Vec<_> = annotations
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let verdict = verdict(content(&Content {
        layer: "sha256:1",
        chart_hash: "abc",
        chart: &Chart::read(package.bytes().as_slice()),
        config: ("sha256:2".to_owned(), Some(config.as_bytes().to_vec())),
        provenance: &provenance,
        annotations: &annotations,
    }));
    (
        verdict.accepted,
        verdict.findings.into_iter().map(|finding| finding.rule).collect(),
    )
}

fn manifest(text: &str) -> Package {
    Package::good().file("web/Chart.yaml", text)
}

#[test]
fn a_good_chart_is_accepted_without_a_word() {
    assert_eq!(
        judged(&Package::good(), CONFIG, &[], &[("org.opencontainers.image.title", "web")]),
        (true, Vec::new())
    );
}

#[test]
fn what_helm_could_not_load_is_refused() {
    for (package, config, rule) in [
        (Package::empty(), CONFIG, "helm/archive-empty"),
        (
            Package::good().entry("web/l", EntryType::Symlink, "x"),
            CONFIG,
            "helm/archive-link",
        ),
        (Package::good().without("web/Chart.yaml"), CONFIG, "helm/chart-yaml-missing"),
        (manifest("name: web\nversion: x"), CONFIG, "helm/version-invalid"),
        (Package::good(), "{", "helm/config-unreadable"),
        (Package::good(), "[]", "helm/config-unreadable"),
        (Package::good(), r#"{"name":1}"#, "helm/config-unreadable"),
        (Package::good(), r#"{"name":"web","name":"web"}"#, "helm/config-unreadable"),
        (Package::good(), r#"{"Name":"web"}"#, "helm/config-unreadable"),
        (
            Package::good(),
            r#"{"name":"web","maintainers":[{"name":"a","NAME":"b"}]}"#,
            "helm/config-unreadable",
        ),
        (Package::good().again("web/values.yaml", ""), CONFIG, "helm/archive-duplicate"),
        (
            Package::good().file("web/./values.yaml", ""),
            CONFIG,
            "helm/archive-duplicate",
        ),
        (
            Package::good().file("other/Chart.yaml", "name: other\nversion: 2.0.0\n"),
            CONFIG,
            "helm/archive-duplicate",
        ),
    ] {
        let (accepted, rules) = judged(&package, config, &[], &[]);
        assert_eq!((accepted, rules.first().map(String::as_str)), (false, Some(rule)));
    }
}

#[test]
fn what_helm_forgives_is_told() {
    let base = "apiVersion: v2\nname: web\nversion: 1.0.0\nappVersion: \"2.1\"\ndescription: Serves pages.\nicon: https://example.com/icon.svg\n";
    let renamed = CONFIG.replace("Serves pages.", "Other.").replace("2.1", "2.2");
    let short = CONFIG.replace("1.0.0", "v1.0");
    let first = CONFIG.replace(r#""apiVersion":"v2""#, r#""apiVersion":"v1""#);
    let third = first.replace("v1", "v3");
    for (package, config, annotations, rules) in [
        (
            Package::good(),
            renamed.as_str(),
            &[][..],
            &["helm/config-differs", "helm/config-differs"][..],
        ),
        (
            Package::good(),
            CONFIG,
            &[("org.opencontainers.image.version", "2.0.0")],
            &["helm/annotation-differs"],
        ),
        (
            Package::good().file("other/notes.txt", ""),
            CONFIG,
            &[],
            &["helm/archive-folder"],
        ),
        (
            Package::good().file("web/values.yaml", "a: 1\na: 2"),
            CONFIG,
            &[],
            &["helm/yaml-duplicate-key"],
        ),
        (
            manifest(&base.replace("1.0.0", "v1.0")),
            &short,
            &[],
            &["helm/version-lenient"],
        ),
        (
            manifest(&base.replace("apiVersion: v2\n", "")),
            &first,
            &[],
            &["helm/api-version-missing"],
        ),
        (
            manifest(&base.replace("v2", "v3")),
            &third,
            &[],
            &["helm/api-version-experimental"],
        ),
    ] {
        let (accepted, found) = judged(&package, config, &[], annotations);
        assert!(accepted);
        assert_eq!(found, rules);
    }
}

#[test]
fn what_other_readers_see_otherwise_is_told() {
    let base = "apiVersion: v2\nname: web\nversion: 1.0.0\nappVersion: \"2.1\"\ndescription: Serves pages.\nicon: https://example.com/icon.svg\n";
    for (package, rule) in [
        (manifest(&base.replace("description:", "Description:")), "helm/key-case"),
        (manifest(&format!("{base}...\nname: other\n")), "helm/yaml-unread"),
        (
            Package::good().file("web/values.yaml", "a: 1\n...\nb: 2\n"),
            "helm/yaml-unread",
        ),
        (
            Package::good().file("web/values.yaml", "a: &a {b: 1}\nc:\n  b: 2\n  <<: *a\n"),
            "helm/yaml-duplicate-key",
        ),
    ] {
        assert_eq!(judged(&package, CONFIG, &[], &[]), (true, vec![rule.to_owned()]));
    }
}

#[test]
fn differences_give_field_and_both_values() {
    let package = Package::good();
    let config = CONFIG.replace("\"2.1\"", "\"2.2\"");
    let findings = content(&Content {
        layer: "sha256:1",
        chart_hash: "abc",
        chart: &Ok(package.chart()),
        config: ("sha256:2".to_owned(), Some(config.into_bytes())),
        provenance: &[],
        annotations: &[],
    });
    assert_eq!(
        findings[0].message,
        "The config gives \"2.2\" for appVersion, Chart.yaml gives \"2.1\". Push the packaged chart with `helm push`, so that both agree."
    );
    let location = findings[0].location.clone().unwrap();
    assert_eq!(
        (location.digest.as_deref(), location.pointer.as_deref()),
        (Some("sha256:2"), Some("/appVersion"))
    );
}

#[test]
fn provenance_has_to_be_that_of_the_chart() {
    let signed = |hash: &str| {
        format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nname: web\n\n...\nfiles:\n  web-1.0.0.tgz: sha256:{hash}\n\
             -----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n"
        )
    };
    let (good, bad) = (signed("abc"), signed("def"));
    for (provenance, expected) in [
        (&[good.as_str()][..], (true, &[][..])),
        (&[bad.as_str()], (false, &["helm/provenance-mismatch"])),
        (&["text"], (false, &["helm/provenance-unreadable"])),
        (&[good.as_str(), good.as_str()], (true, &["helm/provenance-duplicate"])),
        (
            &[good.as_str(), bad.as_str()],
            (false, &["helm/provenance-mismatch", "helm/provenance-duplicate"]),
        ),
    ] {
        let (accepted, rules) = judged(&Package::good(), CONFIG, provenance, &[]);
        assert_eq!(
            (accepted, rules.iter().map(String::as_str).collect::<Vec<_>>().as_slice()),
            expected
        );
    }
}

#[test]
fn findings_that_refuse_come_first_and_have_a_place() {
    let package = manifest("apiVersion: v2\nname: web\nversion: 1.0.0\ntype: x\n").file("web/values.yaml", "a: 1\na: 2\n");
    let verdict = verdict(content(&Content {
        layer: "sha256:1",
        chart_hash: "abc",
        chart: &Ok(package.chart()),
        config: ("sha256:2".to_owned(), Some(CONFIG.as_bytes().to_vec())),
        provenance: &[],
        annotations: &[],
    }));
    let rules: Vec<_> = verdict.findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ["helm/type-invalid", "helm/yaml-duplicate-key"]);
    let location = verdict.findings[0].location.clone().unwrap();
    assert_eq!(
        (location.path.as_deref(), location.line, location.column),
        (Some("Chart.yaml"), Some(4), Some(7))
    );
    assert!(
        verdict.findings[0]
            .help
            .as_deref()
            .is_some_and(|help| help.starts_with("https://helm.sh/docs/"))
    );
}

#[test]
fn layouts() {
    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    let descriptor = |media_type: &str| Descriptor::new(media_type, "sha256:1", 1);
    for (media_type, config, layers, expected) in [
        (IMAGE, Some(CONFIG_TYPE), &[CHART_TYPE][..], Ok(&[][..])),
        (
            IMAGE,
            Some(CONFIG_TYPE),
            &[PROVENANCE_TYPE, CHART_TYPE, "text/plain"],
            Ok(&[]),
        ),
        (
            IMAGE,
            Some(CONFIG_TYPE),
            &[LEGACY_CHART_TYPE],
            Ok(&["helm/chart-layer-legacy"]),
        ),
        (IMAGE, Some(CONFIG_TYPE), &[], Err(&["helm/chart-layer-missing"][..])),
        (
            IMAGE,
            Some(CONFIG_TYPE),
            &[CHART_TYPE, CHART_TYPE],
            Err(&["helm/chart-layer-duplicate"]),
        ),
        (
            IMAGE,
            Some(CONFIG_TYPE),
            &[CHART_TYPE, LEGACY_CHART_TYPE],
            Err(&["helm/chart-layer-duplicate"]),
        ),
        (
            IMAGE,
            Some(CONFIG_TYPE),
            &[CHART_TYPE, CONFIG_TYPE],
            Err(&["helm/config-duplicate"]),
        ),
        (
            IMAGE,
            Some("application/vnd.oci.empty.v1+json"),
            &[CHART_TYPE],
            Err(&["helm/config-missing"]),
        ),
        (IMAGE, None, &[], Err(&["helm/config-missing", "helm/chart-layer-missing"])),
        (INDEX, None, &[], Err(&["helm/manifest-kind"])),
    ] {
        let config = config.map(descriptor);
        let layers: Vec<_> = layers.iter().map(|layer| descriptor(layer)).collect();
        let rules = |findings: &[Finding]| findings.iter().map(|finding| finding.rule.clone()).collect::<Vec<_>>();
        match (layout::judge(media_type, config.as_ref(), &layers), expected) {
            (Ok(layout), Ok(expected)) => assert_eq!(rules(&layout.findings), expected),
            (Err(findings), Err(expected)) => assert_eq!(rules(&findings), expected),
            (outcome, expected) => panic!("{outcome:?} instead of {expected:?}"),
        }
    }
}
