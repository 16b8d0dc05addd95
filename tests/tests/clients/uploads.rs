//! The ChartMuseum API that the Helm plugin answers, driven by `curl`.

use portolan_tests::{chart::Chart, process::GatewayProcess, tool::Desk};
use serde_json::{Value, json};

use super::{assert_holds, helm::package_signed, scene};

/// Runs `curl` and returns the status and the body as JSON.
fn curl(gateway: &GatewayProcess, desk: &Desk, path: &str, arguments: &[&str]) -> anyhow::Result<(u16, Value)> {
    let tool = desk
        .tool("curl")?
        .args(["--silent", "--write-out", "\n%{http_code}"])
        .args(arguments);
    let printed = tool.arg(gateway.url(path)).ok()?;
    let (body, status) = printed
        .rsplit_once('\n')
        .ok_or_else(|| anyhow::anyhow!("no status in {printed:?}"))?;
    let body = serde_json::from_str(body).map_err(|error| anyhow::anyhow!("{error} in {body:?} ({status})"))?;
    Ok((status.parse()?, body))
}

#[test]
fn charts_are_uploaded_listed_downloaded_and_deleted() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    let ask = |path: &str, arguments: &[&str]| curl(&gateway, &desk, path, arguments);
    assert_eq!(ask("/helm/team/health", &[])?, (200, json!({ "healthy": true })));
    desk.write("web.tgz", Chart::new("web", "1.0.0").archive()?)?;
    desk.write("newer.tgz", Chart::new("web", "1.1.0+b").archive()?)?;

    let upload = ["--data-binary", "@web.tgz"];
    assert_eq!(ask("/helm/team/api/charts", &upload)?, (201, json!({ "saved": true })));
    assert_eq!(
        ask("/helm/team/api/charts", &["--form", "chart=@newer.tgz"])?,
        (201, json!({ "saved": true }))
    );
    let (status, body) = ask("/helm/team/api/charts", &upload)?;
    assert_eq!(status, 409, "{body}");
    assert!(body["error"].is_string(), "{body}");
    assert_eq!(ask("/helm/team/api/charts?force", &upload)?.0, 201);

    let (status, charts) = ask("/helm/team/api/charts", &[])?;
    assert_eq!((status, charts["web"].as_array().map(Vec::len)), (200, Some(2)), "{charts}");
    let (status, versions) = ask("/helm/team/api/charts/web", &[])?;
    assert_eq!((status, versions.as_array().map(Vec::len)), (200, Some(2)), "{versions}");
    let (status, version) = ask("/helm/team/api/charts/web/1.0.0", &[])?;
    assert_eq!((status, version["version"].as_str()), (200, Some("1.0.0")), "{version}");
    assert_eq!(ask("/helm/team/api/charts/web/7.0.0", &[])?.0, 404);
    // The other place where clients put the name of a repository.
    assert_eq!(ask("/helm/api/team/charts/web/1.0.0", &[])?, (200, version));

    // What was uploaded is an ordinary chart of the registry.
    desk.run(&format!(
        "helm4 pull --plain-http oci://{}/team/web --version 1.1.0+b",
        gateway.address()
    ))?;
    assert_eq!(desk.read("web-1.1.0+b.tgz")?, desk.read("newer.tgz")?);

    assert_eq!(
        ask("/helm/team/api/charts/web/1.0.0", &["--request", "DELETE"])?,
        (200, json!({ "deleted": true }))
    );
    assert_eq!(ask("/helm/team/api/charts/web/1.0.0", &["--request", "DELETE"])?.0, 404);
    assert_holds(
        &desk.run(&format!("oras repo tags --plain-http {}/team/web", gateway.address()))?,
        &["1.1.0_b"],
    );
    gateway.stop()
}

#[test]
fn provenance_is_uploaded_with_the_chart_or_after_it() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    let ask = |path: &str, arguments: &[&str]| curl(&gateway, &desk, path, arguments);
    package_signed(&desk, "helm4")?;

    let both = ["--form", "chart=@web-0.1.0.tgz", "--form", "prov=@web-0.1.0.tgz.prov"];
    assert_eq!(ask("/helm/together/api/charts", &both)?, (201, json!({ "saved": true })));
    assert_eq!(ask("/helm/after/api/charts", &["--data-binary", "@web-0.1.0.tgz"])?.0, 201);
    assert_eq!(
        ask("/helm/after/api/prov", &["--data-binary", "@web-0.1.0.tgz.prov"])?,
        (201, json!({ "saved": true }))
    );
    for prefix in ["together", "after"] {
        let pull = format!(
            "helm4 pull --plain-http oci://{}/{prefix}/web --version 0.1.0",
            gateway.address()
        );
        let pulled = desk.run(&format!("{pull} --verify --keyring public.gpg -d home"))?;
        assert_holds(&pulled, &["Chart Hash Verified"]);
    }
    gateway.stop()
}

#[test]
fn what_is_refused_is_said_in_the_clients_own_form() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    let ask = |path: &str, arguments: &[&str]| curl(&gateway, &desk, path, arguments);
    desk.write("broken.tgz", "no archive")?;
    desk.write(
        "nameless.tgz",
        Chart::new("web", "1.0.0")
            .file("Chart.yaml", "apiVersion: v2\nversion: 1.0.0\n")
            .archive()?,
    )?;
    for file in ["broken.tgz", "nameless.tgz"] {
        let (status, body) = ask("/helm/team/api/charts", &["--data-binary", &format!("@{file}")])?;
        assert_eq!(status, 400, "{file}: {body}");
        assert!(
            body["error"].as_str().is_some_and(|error| !error.is_empty()),
            "{file}: {body}"
        );
    }
    assert_eq!(ask("/helm/team/api/charts", &[])?, (200, json!({})));
    gateway.stop()
}

#[test]
fn of_uploads_at_the_same_time_one_is_first() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    for number in 0..4 {
        let chart = Chart::new("web", "1.0.0").file("values.yaml", format!("number: {number}\n"));
        desk.write(&format!("{number}.tgz"), chart.archive()?)?;
    }
    let upload = |number: usize| {
        let body = format!("@{number}.tgz");
        curl(&gateway, &desk, "/helm/team/api/charts", &["--data-binary", &body])
    };
    let mut statuses = std::thread::scope(|scope| {
        let uploads = [0, 1, 2, 3].map(|number| scope.spawn(move || upload(number)));
        uploads.map(|upload| upload.join().expect("no upload panics").map(|(status, _)| status))
    })
    .into_iter()
    .collect::<anyhow::Result<Vec<_>>>()?;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    let (status, _) = curl(&gateway, &desk, "/helm/team/api/charts?force", &["--data-binary", "@3.tgz"])?;
    assert_eq!(status, 201);
    gateway.stop()
}
