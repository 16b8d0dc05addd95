//! `helm` 4 and 3 with `oci://`: push, pull, show, template, ranges of versions, dependencies, provenance.

use anyhow::Context;
use portolan_tests::{chart::Chart, tool::Desk};

use super::{HELMS, assert_holds, scene, word_after};

/// Runs a check with each `helm`, with its own namespace in one gateway.
fn with_each_helm(check: impl Fn(&str, &Desk, &str) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let (gateway, _) = scene()?;
    for helm in HELMS {
        let registry = format!("{}/{helm}", gateway.address());
        check(helm, &Desk::new()?, &registry).with_context(|| format!("with {helm}"))?;
    }
    gateway.stop()
}

/// Packages a chart and pushes it.
fn push(helm: &str, desk: &Desk, registry: &str, chart: &Chart, file: &str) -> anyhow::Result<String> {
    desk.write(file, chart.archive()?)?;
    desk.run(&format!("{helm} push --plain-http {file} oci://{registry}"))
}

#[test]
fn a_created_chart_is_pushed_pulled_shown_and_templated() -> anyhow::Result<()> {
    with_each_helm(|helm, desk, registry| {
        desk.run(&format!("{helm} create web"))?;
        desk.run(&format!("{helm} package web"))?;
        let pushed = desk.run(&format!("{helm} push --plain-http web-0.1.0.tgz oci://{registry}"))?;
        let digest = word_after(&pushed, "Digest: ")?;

        desk.run(&format!(
            "{helm} pull --plain-http oci://{registry}/web --version 0.1.0 -d home"
        ))?;
        assert_eq!(desk.read("home/web-0.1.0.tgz")?, desk.read("web-0.1.0.tgz")?);

        let shown = desk.run(&format!("{helm} show all --plain-http oci://{registry}/web --version 0.1.0"))?;
        assert_holds(&shown, &["name: web", "replicaCount: 1"]);
        let rendered = desk.run(&format!(
            "{helm} template release --plain-http oci://{registry}/web --version 0.1.0"
        ))?;
        assert_holds(&rendered, &["kind: Deployment", "kind: Service"]);

        let by_digest = desk.run(&format!("{helm} pull --plain-http oci://{registry}/web@{digest} -d home/tmp"))?;
        assert_holds(&by_digest, &[digest]);
        // Pushing what is there changes nothing.
        let again = desk.run(&format!("{helm} push --plain-http web-0.1.0.tgz oci://{registry}"))?;
        assert_eq!(word_after(&again, "Digest: ")?, digest);
        Ok(())
    })
}

#[test]
fn ranges_of_versions_are_resolved() -> anyhow::Result<()> {
    with_each_helm(|helm, desk, registry| {
        for version in ["1.0.0", "1.1.0", "1.2.0+build.7", "2.0.0-rc.1", "1.10.0"] {
            push(helm, desk, registry, &Chart::new("web", version), "chart.tgz")?;
        }
        let shows = |range: &[&str], expected: &str| -> anyhow::Result<()> {
            let tool = desk
                .tool(helm)?
                .args(["show", "chart", "--plain-http"])
                .arg(format!("oci://{registry}/web"));
            assert_holds(&tool.args(range).ok()?, &[&format!("version: {expected}\n")]);
            Ok(())
        };
        shows(&[], "1.10.0")?;
        shows(&["--version", "~1.1"], "1.1.0")?;
        shows(&["--version", ">=1.0 <1.1"], "1.0.0")?;
        shows(&["--version", "1.2.0+build.7"], "1.2.0+build.7")?;
        shows(&["--version", "~1.2"], "1.2.0+build.7")?;
        shows(&["--version", "^2.0.0-0"], "2.0.0-rc.1")?;
        let none = desk.refused(&format!("{helm} pull --plain-http oci://{registry}/web --version ^3"))?;
        assert_holds(&none, &["^3"]);
        Ok(())
    })
}

#[test]
fn dependencies_are_updated_from_the_registry() -> anyhow::Result<()> {
    with_each_helm(|helm, desk, registry| {
        for version in ["0.1.0", "0.2.0", "1.0.0"] {
            push(helm, desk, registry, &Chart::new("lib", version), "lib.tgz")?;
        }
        let dependency = format!("dependencies:\n  - name: lib\n    version: \"<1.0.0\"\n    repository: oci://{registry}\n");
        desk.write(
            "app/Chart.yaml",
            format!("apiVersion: v2\nname: app\nversion: 1.0.0\n{dependency}"),
        )?;
        desk.run(&format!("{helm} dependency update app --plain-http"))?;
        assert_eq!(desk.read("app/charts/lib-0.2.0.tgz")?, Chart::new("lib", "0.2.0").archive()?);
        assert_holds(&desk.run(&format!("{helm} dependency list app"))?, &["lib", "ok"]);

        desk.run(&format!("{helm} package app"))?;
        desk.run(&format!("{helm} push --plain-http app-1.0.0.tgz oci://{registry}"))?;
        Ok(())
    })
}

#[test]
fn provenance_travels_with_a_chart_and_is_verified() -> anyhow::Result<()> {
    with_each_helm(|helm, desk, registry| {
        package_signed(desk, helm)?;
        desk.run(&format!("{helm} push --plain-http web-0.1.0.tgz oci://{registry}"))?;

        let pull = format!("{helm} pull --plain-http oci://{registry}/web --version 0.1.0");
        assert_holds(
            &desk.run(&format!("{pull} --verify --keyring public.gpg -d home"))?,
            &["Chart Hash Verified"],
        );
        assert_eq!(desk.read("home/web-0.1.0.tgz.prov")?, desk.read("web-0.1.0.tgz.prov")?);
        desk.run(&format!("{pull} --prov -d home/tmp"))?;
        assert_eq!(desk.read("home/tmp/web-0.1.0.tgz.prov")?, desk.read("web-0.1.0.tgz.prov")?);

        // A chart without provenance does not verify.
        push(helm, desk, registry, &Chart::new("plain", "1.0.0"), "plain.tgz")?;
        desk.refused(&format!(
            "{helm} pull --plain-http oci://{registry}/plain --version 1.0.0 --verify --keyring public.gpg"
        ))?;
        Ok(())
    })
}

/// Packages a new chart `web` with a provenance file that a new key signed.
pub(super) fn package_signed(desk: &Desk, helm: &str) -> anyhow::Result<()> {
    generate_key(desk)?;
    desk.run(&format!("{helm} create web"))?;
    let sign = ["--sign", "--keyring", "secret.gpg", "--key", "Portolan Test"];
    desk.tool(helm)?.args(["package", "web"]).args(sign).ok()?;
    Ok(())
}

/// Makes a key that signs, and exports it as `helm` reads it.
fn generate_key(desk: &Desk) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(desk.path("home/.gnupg"))?;
    let key = [
        "--quick-gen-key",
        "Portolan Test <test@example.com>",
        "rsa2048",
        "sign",
        "never",
    ];
    desk.tool("gpg")?.args(["--batch", "--passphrase", ""]).args(key).ok()?;
    desk.run("gpg --batch --output public.gpg --export")?;
    desk.run("gpg --batch --output secret.gpg --export-secret-keys")?;
    // The agent would outlive the test.
    desk.system("gpgconf").args(["--kill", "gpg-agent"]).ok()?;
    Ok(())
}
