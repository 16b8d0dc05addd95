//! The classic repository, which the Helm plugin answers out of what was pushed: `helm repo add` and what follows.

use anyhow::Context;
use portolan_tests::{chart::Chart, tool::Desk};

use super::{HELMS, assert_holds, helm::package_signed, scene};

#[test]
fn a_repository_is_added_searched_and_pulled_from() -> anyhow::Result<()> {
    let (gateway, setup) = scene()?;
    for (repository, name, version) in [
        ("team", "web", "1.0.0"),
        ("team", "web", "1.1.0+b.1"),
        ("team/deep", "web", "9.0.0"),
        ("other", "api", "0.3.0"),
    ] {
        setup.write("chart.tgz", Chart::new(name, version).archive()?)?;
        setup.run(&format!(
            "helm4 push --plain-http chart.tgz oci://{}/{repository}",
            gateway.address()
        ))?;
    }
    for helm in HELMS {
        let desk = Desk::new()?;
        search_and_pull(&desk, helm, &gateway.url("/helm")).with_context(|| format!("with {helm}"))?;
    }
    gateway.stop()
}

fn search_and_pull(desk: &Desk, helm: &str, url: &str) -> anyhow::Result<()> {
    desk.run(&format!("{helm} repo add other {url}/other"))?;
    desk.run(&format!("{helm} repo add team {url}/team"))?;
    desk.run(&format!("{helm} repo add all {url}"))?;
    assert_holds(&desk.run(&format!("{helm} repo update"))?, &["Update Complete"]);

    let found = desk.run(&format!("{helm} search repo other/"))?;
    assert_holds(&found, &["other/api", "0.3.0", "Serves api"]);
    assert!(!found.contains("web"), "{found}");
    let versions = desk.run(&format!("{helm} search repo team/web --versions"))?;
    assert_holds(&versions, &["9.0.0", "1.1.0+b.1", "1.0.0"]);
    assert_holds(&desk.run(&format!("{helm} search repo all/"))?, &["all/web", "all/api"]);

    desk.run(&format!("{helm} pull team/web --version 1.0.0"))?;
    assert_eq!(desk.read("web-1.0.0.tgz")?, Chart::new("web", "1.0.0").archive()?);
    desk.run(&format!("{helm} pull team/web --version 1.1.0+b.1"))?;
    assert_eq!(desk.read("web-1.1.0+b.1.tgz")?, Chart::new("web", "1.1.0+b.1").archive()?);
    // Newest where nothing is asked for; it lies in a repository further down.
    desk.run(&format!("{helm} pull all/web"))?;
    assert_eq!(desk.read("web-9.0.0.tgz")?, Chart::new("web", "9.0.0").archive()?);
    assert_holds(&desk.run(&format!("{helm} show chart other/api"))?, &["name: api"]);
    assert_holds(&desk.run(&format!("{helm} template release other/api"))?, &["kind: Service"]);

    let dependency = format!("dependencies:\n  - name: api\n    version: \">=0.1\"\n    repository: {url}/other\n");
    desk.write(
        "app/Chart.yaml",
        format!("apiVersion: v2\nname: app\nversion: 1.0.0\n{dependency}"),
    )?;
    desk.run(&format!("{helm} dependency update app"))?;
    assert_eq!(desk.read("app/charts/api-0.3.0.tgz")?, Chart::new("api", "0.3.0").archive()?);
    Ok(())
}

#[test]
fn an_update_sees_what_was_pushed_and_deleted_meanwhile() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    let push = |version: &str| -> anyhow::Result<()> {
        desk.write("chart.tgz", Chart::new("web", version).archive()?)?;
        desk.run(&format!("helm4 push --plain-http chart.tgz oci://{}/team", gateway.address()))?;
        Ok(())
    };
    push("1.0.0")?;
    desk.run(&format!("helm4 repo add team {}", gateway.url("/helm/team")))?;
    assert_holds(&desk.run("helm4 search repo team/")?, &["1.0.0"]);
    push("1.1.0")?;
    desk.run("helm4 repo update")?;
    assert_holds(&desk.run("helm4 search repo team/")?, &["1.1.0"]);
    desk.run(&format!(
        "oras manifest delete --plain-http --force {}/team/web:1.1.0",
        gateway.address()
    ))?;
    desk.run("helm4 repo update")?;
    let found = desk.run("helm4 search repo team/ --versions")?;
    assert!(found.contains("1.0.0") && !found.contains("1.1.0"), "{found}");
    gateway.stop()
}

#[test]
fn provenance_is_served_beside_the_chart() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    package_signed(&desk, "helm4")?;
    desk.run(&format!(
        "helm4 push --plain-http web-0.1.0.tgz oci://{}/team",
        gateway.address()
    ))?;
    for helm in HELMS {
        let other = Desk::new()?;
        other.write("public.gpg", desk.read("public.gpg")?)?;
        other.run(&format!("{helm} repo add team {}", gateway.url("/helm/team")))?;
        let pulled = other.run(&format!("{helm} pull team/web --verify --keyring public.gpg"))?;
        assert_holds(&pulled, &["Chart Hash Verified"]);
        assert_eq!(other.read("web-0.1.0.tgz.prov")?, desk.read("web-0.1.0.tgz.prov")?);
    }
    gateway.stop()
}
