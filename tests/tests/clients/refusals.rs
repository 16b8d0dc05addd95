//! Every refusing rule of the Helm plugin has a fixture here that breaks it; what a client prints names the rule, and nothing of the
//! push is left.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Context;
use portolan_tests::{
    chart::{CONFIG, CONTENT, Chart, PROVENANCE, Raw, archive},
    process::GatewayProcess,
    tool::Desk,
};

use super::{HELMS, assert_holds, scene};

/// What is pushed, and the rule that it breaks.
struct Fixture {
    rule: &'static str,
    config: (Vec<u8>, &'static str),
    layers: Vec<(Vec<u8>, &'static str)>,
}

impl Fixture {
    /// A chart with this archive, and the config that fits to a good one.
    fn archive(rule: &'static str, archive: Vec<u8>) -> Self {
        Self {
            rule,
            config: good_config(),
            layers: vec![(archive, CONTENT)],
        }
    }

    /// A chart with one file replaced.
    fn file(rule: &'static str, path: &str, content: &str) -> anyhow::Result<Self> {
        Ok(Self::archive(rule, good().file(path, content).archive()?))
    }

    /// A chart whose Chart.yaml is a good one with lines added or, where they set what is there, replaced.
    fn metadata(rule: &'static str, lines: &str) -> anyhow::Result<Self> {
        let good = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
        let key = |line: &str| line.split(':').next().map(str::to_owned);
        let set: BTreeSet<_> = lines.lines().filter_map(key).collect();
        let kept = good.lines().filter(|line| key(line).is_none_or(|key| !set.contains(&key)));
        let lines = lines.lines().filter(|line| !line.ends_with(": LEFT OUT"));
        Self::file(
            rule,
            "Chart.yaml",
            &kept.chain(lines).map(|line| format!("{line}\n")).collect::<String>(),
        )
    }
}

fn good() -> Chart {
    Chart::new("web", "1.0.0")
}

fn good_config() -> (Vec<u8>, &'static str) {
    (good().config().into_bytes(), CONFIG)
}

/// Fixtures about the manifest and its layers.
fn manifests() -> anyhow::Result<Vec<Fixture>> {
    let chart = || Ok::<_, anyhow::Error>((good().archive()?, CONTENT));
    let other = || Ok::<_, anyhow::Error>((Chart::new("other", "1.0.0").archive()?, CONTENT));
    let signed = |name: &str| {
        let message = format!(
            "name: web\nversion: 1.0.0\n\n...\nfiles:\n  {name}: sha256:{}",
            "0".repeat(64)
        );
        let frame = (
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n",
            "\n-----BEGIN PGP SIGNATURE-----\n\nwsBc\n-----END PGP SIGNATURE-----\n",
        );
        (format!("{}{message}{}", frame.0, frame.1).into_bytes(), PROVENANCE)
    };
    let good = |rule, layers| Fixture {
        rule,
        config: good_config(),
        layers,
    };
    Ok(vec![
        Fixture {
            rule: "helm/config-missing",
            config: (b"{}".to_vec(), "application/vnd.example.config"),
            layers: vec![chart()?],
        },
        Fixture {
            rule: "helm/config-unreadable",
            config: (b"[1]".to_vec(), CONFIG),
            layers: vec![chart()?],
        },
        good("helm/config-duplicate", vec![chart()?, (b"{}".to_vec(), CONFIG)]),
        good("helm/chart-layer-missing", vec![(b"text".to_vec(), "text/plain")]),
        good("helm/chart-layer-duplicate", vec![chart()?, other()?]),
        good("helm/provenance-unreadable", vec![chart()?, (b"hello".to_vec(), PROVENANCE)]),
        good("helm/provenance-mismatch", vec![chart()?, signed("web-1.0.0.tgz")]),
        good("helm/provenance-mismatch", vec![chart()?, signed("other-1.0.0.tgz")]),
    ])
}

/// Fixtures about the archive.
fn archives() -> anyhow::Result<Vec<Fixture>> {
    let beside = |raw: Raw| {
        archive(&[
            Raw::file("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            raw,
        ])
    };
    let path = |path: &str| Ok::<_, anyhow::Error>(Fixture::archive("helm/archive-path", beside(Raw::file(path, "x"))?));
    let link = |kind| {
        let link = beside(Raw::link("web/values.yaml", "/etc/passwd", kind))?;
        Ok::<_, anyhow::Error>(Fixture::archive("helm/archive-link", link))
    };
    let zeros = vec![0; 6 << 20];
    let many: Vec<Raw> = (0..21)
        .map(|n| Raw::file(&format!("web/files/{n}"), vec![0; 5 << 20]))
        .collect();
    Ok(vec![
        Fixture::archive("helm/archive-unreadable", b"no archive".to_vec()),
        Fixture::archive("helm/archive-unreadable", good().archive()?.into_iter().take(100).collect()),
        Fixture::archive("helm/archive-empty", archive(&[])?),
        Fixture::archive("helm/archive-limit", beside(Raw::file("web/large", zeros))?),
        Fixture::archive("helm/archive-limit", archive(&many)?),
        path("/etc/passwd")?,
        path("web/../../etc/passwd")?,
        path("c:/windows")?,
        path("Chart.yaml")?,
        Fixture::archive(
            "helm/archive-duplicate",
            beside(Raw::file("other/Chart.yaml", "name: other\n"))?,
        ),
        link(tar::EntryType::Symlink)?,
        link(tar::EntryType::Link)?,
    ])
}

/// Fixtures about the files that Helm parses.
fn files() -> anyhow::Result<Vec<Fixture>> {
    let dependency = "dependencies:\n  - name: a\n    version: 1.0.0\n    repository: https://example.com\n";
    let packaged = good().file("charts/lib-1.0.0.tgz", "no archive").archive()?;
    Ok(vec![
        Fixture::archive("helm/chart-yaml-missing", good().without("Chart.yaml").archive()?),
        Fixture::file("helm/chart-yaml-unreadable", "Chart.yaml", "apiVersion: v2\nname: [web\n")?,
        Fixture::metadata("helm/chart-yaml-type", "keywords: 5\n")?,
        Fixture::metadata("helm/api-version-invalid", "apiVersion: v9\n")?,
        Fixture::metadata("helm/name-missing", "name: LEFT OUT\n")?,
        Fixture::metadata("helm/name-invalid", "name: ../web\n")?,
        Fixture::metadata("helm/version-missing", "version: LEFT OUT\n")?,
        Fixture::metadata("helm/version-invalid", "version: newest\n")?,
        Fixture::metadata("helm/type-invalid", "type: thing\n")?,
        Fixture::metadata("helm/maintainer-empty", "maintainers:\n  -\n")?,
        Fixture::metadata("helm/dependency-empty", "dependencies:\n  -\n")?,
        Fixture::metadata("helm/dependency-alias", &format!("{dependency}    alias: \"a b\"\n"))?,
        Fixture::metadata(
            "helm/dependency-duplicate",
            &format!("{dependency}  - name: a\n    version: 2.0.0\n"),
        )?,
        Fixture::file("helm/requirements-unreadable", "requirements.yaml", "dependencies: [")?,
        Fixture::file("helm/lock-unreadable", "Chart.lock", "dependencies: [")?,
        Fixture::file("helm/values-unreadable", "values.yaml", "a: [")?,
        Fixture::file("helm/values-unreadable", "values.yaml", "- a list\n")?,
        Fixture::file("helm/values-unreadable", "values.yaml", "a: 1\n\t\nb: 2\n")?,
        Fixture::file("helm/values-unreadable", "values.yaml", "1: a\n\"1\": b\n")?,
        Fixture::file(
            "helm/yaml-limit",
            "values.yaml",
            &format!("a: {}{}\n", "[".repeat(600), "]".repeat(600)),
        )?,
        Fixture::metadata("helm/key-ambiguous", "Version: 6.6.6\n")?,
        Fixture::metadata("helm/key-ambiguous", "ver\u{17f}ion: 6.6.6\n")?,
        Fixture::file("helm/requirements-metadata", "requirements.yaml", "name: other\n")?,
        Fixture::file("helm/subchart-unreadable", "charts/notes.txt", "no chart")?,
        Fixture::archive("helm/archive-unreadable", packaged),
    ])
}

fn push(gateway: &GatewayProcess, fixture: &Fixture) -> anyhow::Result<()> {
    let desk = Desk::new()?;
    desk.write("config", &fixture.config.0)?;
    let mut tool = desk.tool("oras")?.args(["push", "--plain-http", "--artifact-type", CONFIG]);
    tool = tool
        .arg(format!("--config=config:{}", fixture.config.1))
        .arg(format!("{}/bad/web:1.0.0", gateway.address()));
    for (number, (content, media_type)) in fixture.layers.iter().enumerate() {
        desk.write(&format!("layer{number}"), content)?;
        tool = tool.arg(format!("layer{number}:{media_type}"));
    }
    let printed = tool.fails()?;
    assert_holds(&printed, &["manifest invalid", fixture.rule]);
    let fetched = desk.refused(&format!(
        "oras manifest fetch --plain-http {}/bad/web:1.0.0",
        gateway.address()
    ))?;
    assert_holds(&fetched, &["not found"]);
    Ok(())
}

#[test]
fn what_breaks_a_refusing_rule_is_refused_with_its_name() -> anyhow::Result<()> {
    let (gateway, _) = scene()?;
    let fixtures: Vec<Fixture> = [manifests()?, archives()?, files()?].into_iter().flatten().collect();
    for fixture in &fixtures {
        push(&gateway, fixture).with_context(|| format!("the fixture for {}", fixture.rule))?;
    }
    push_an_index(&gateway)?;
    let covered: BTreeSet<&str> = fixtures.iter().map(|fixture| fixture.rule).chain([KIND]).collect();
    assert_eq!(
        covered,
        refusing_rules()?.iter().map(String::as_str).collect(),
        "each refusing rule has a fixture"
    );
    gateway.stop()
}

/// An index that says it is a chart.
const KIND: &str = "helm/manifest-kind";

fn push_an_index(gateway: &GatewayProcess) -> anyhow::Result<()> {
    let desk = Desk::new()?;
    let index = "application/vnd.oci.image.index.v1+json";
    let body = serde_json::json!({ "schemaVersion": 2, "mediaType": index, "artifactType": CONFIG, "manifests": [] });
    desk.write("index.json", body.to_string())?;
    let push = format!(
        "oras manifest push --plain-http --media-type {index} {}/bad/web:1.0.0 index.json",
        gateway.address()
    );
    assert_holds(&desk.refused(&push)?, &["manifest invalid", KIND]);
    Ok(())
}

/// Returns the refusing rules of the table in the plugin's README.
fn refusing_rules() -> anyhow::Result<BTreeSet<String>> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/helm/README.md");
    let readme = fs::read_to_string(&readme).with_context(|| readme.display().to_string())?;
    let rows = readme.lines().filter(|line| line.contains("| refused |"));
    let rules: BTreeSet<String> = rows.filter_map(|row| row.split('`').nth(1)).map(str::to_owned).collect();
    anyhow::ensure!(!rules.is_empty(), "the README of the plugin lists no refusing rule");
    Ok(rules)
}

#[test]
fn what_helm_itself_does_not_check_is_refused_through_helm() -> anyhow::Result<()> {
    let (gateway, _) = scene()?;
    for helm in HELMS {
        let desk = Desk::new()?;
        let refused = |file: &str, rule: &str| -> anyhow::Result<()> {
            let printed = desk.refused(&format!("{helm} push --plain-http {file} oci://{}/bad", gateway.address()))?;
            assert_holds(&printed, &["400", rule]);
            Ok(())
        };
        // Helm takes a link for an empty file.
        let link = Raw::link("web/values.yaml", "/etc/passwd", tar::EntryType::Symlink);
        let chart = archive(&[
            Raw::file("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            link,
        ])?;
        desk.write("link/web-1.0.0.tgz", chart)?;
        refused("link/web-1.0.0.tgz", "helm/archive-link").with_context(|| helm.to_owned())?;

        // Helm pushes the provenance file beside a chart as it is.
        desk.write("proven/web-1.0.0.tgz", good().archive()?)?;
        desk.write("proven/web-1.0.0.tgz.prov", "hello")?;
        refused("proven/web-1.0.0.tgz", "helm/provenance-unreadable").with_context(|| helm.to_owned())?;
    }
    gateway.stop()
}

#[test]
fn what_helm_checks_itself_never_reaches_the_gateway() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    desk.write(
        "web-1.0.0.tgz",
        good().file("Chart.yaml", "apiVersion: v2\nversion: 1.0.0\n").archive()?,
    )?;
    for helm in HELMS {
        desk.refused(&format!(
            "{helm} push --plain-http web-1.0.0.tgz oci://{}/bad",
            gateway.address()
        ))?;
    }
    assert_eq!(gateway.get_json("/v2/_catalog")?["repositories"], serde_json::json!([]));
    gateway.stop()
}

#[test]
fn what_only_surprises_is_accepted_with_a_warning() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    desk.write("config", good().config())?;
    desk.write("chart", good().archive()?)?;
    let push = |reference: &str| {
        let artifact = format!("{}/{reference}", gateway.address());
        desk.run(&format!(
            "oras push --plain-http --debug --config config:{CONFIG} {artifact} chart:{CONTENT}"
        ))
    };
    assert_holds(&push("odd/shop:1.0.0")?, &["\"Warning\": \"299 - ", "helm/repository-name"]);
    assert_holds(&push("fine/web:2.0.0")?, &["\"Warning\": \"299 - ", "helm/tag-version"]);
    let fine = push("fine/web:stable")?;
    assert!(!fine.contains("helm/tag-version"), "{fine}");
    gateway.stop()
}
