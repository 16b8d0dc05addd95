//! Two gateways that differ in nothing but what is hidden answer every request alike, to the letter: bodies, pages, `Link`, ETags, revisions,
//! refusals. So nothing that a caller can ask tells of what that caller may not read, whether somebody thought of it or not.

use portolan_tests::{Answer, INDEX, TestGateway, digest, index};
use serde_json::json;

use super::fixture::{Artifact, scanned, with_guests};

const OPEN_TO_ALL: &str = "[http]\norigin = \"https://registry.example\"\n";
const HIDDEN: &str = "[http]\norigin = \"https://registry.example\"\n[auth]\nhidden = [\"secret\", \"team/secret\"]\n";

/// The repositories that both hold. Some sort directly before and behind what is hidden.
const OPEN: [&str; 6] = ["a", "secret-a", "secrets/b", "team", "team/open", "z"];

fn titled(title: &str) -> Artifact {
    Artifact::everything()
        .with("org.opencontainers.image.title", title)
        .layer(format!("text of {title}"))
}

/// Starts a gateway with what both hold.
async fn with_open() -> TestGateway {
    let gateway = with_guests(OPEN_TO_ALL, &["everything"]).await;
    for name in OPEN {
        let _ = titled(&format!("open {name}")).push(&gateway, name, "v1").await.expect(201);
        gateway.push_image(name, "image", &[b"shared layer"]).await;
        let _ = scanned(&gateway, name, "v1").await;
    }
    gateway
}

/// Pushes what only one of them holds: beside, before and behind the others, of the same contents and words, about the same manifests.
async fn push_hidden(gateway: &TestGateway, round: usize) {
    for name in ["secret", "secret/a", "secret/z", "team/secret", "team/secret/open"] {
        let open = titled("open team");
        let _ = open.push(gateway, name, "v1").await.expect(201);
        let _ = titled(&format!("launch codes {round} {name}"))
            .push(gateway, name, "codes")
            .await
            .expect(201);
        gateway.push_image(name, "image", &[b"shared layer"]).await;
        let mut about = titled(&format!("about {round}")).manifest();
        about["subject"] =
            json!({ "mediaType": about["mediaType"], "digest": open.digest(), "size": open.manifest().to_string().len() });
        titled(&format!("about {round}")).push_blobs(gateway, name).await;
        let _ = gateway.put_manifest(name, "about", &about).await.expect(201);
        let mut list = index(&[b""]);
        list["manifests"][0]["digest"] = open.digest().into();
        list["manifests"][0]["size"] = open.manifest().to_string().len().into();
        let fallback = open.digest().replace(':', "-");
        for reference in ["list", &fallback] {
            let _ = gateway
                .send(
                    "PUT",
                    &format!("/v2/{name}/manifests/{reference}"),
                    &[("content-type", INDEX)],
                    list.to_string(),
                )
                .await
                .expect(201);
        }
        for reference in ["v1", "codes"] {
            let _ = scanned(gateway, name, reference).await;
        }
    }
    let _ = gateway.delete("/v2/secret/a/manifests/codes").await.expect(202);
}

/// What can be read: paths of every route and of every import of a service.
fn reads() -> Vec<String> {
    let names = ["team", "secret", "secret/a", "secret/absent", "team/secret", "secret-a"];
    let everywhere = EVERYWHERE.map(str::to_owned).into_iter();
    everywhere
        .chain(names.into_iter().flat_map(reads_of))
        .chain(reads_of_services(""))
        .collect()
}

/// Paths that name no repository.
const EVERYWHERE: [&str; 27] = [
    "/",
    "/healthz",
    "/v2/",
    "/v2/_catalog",
    "/v2/_catalog?n=1",
    "/v2/_catalog?n=2",
    "/v2/_catalog?last=secret",
    "/v2/_catalog?n=1&last=secret/a",
    "/v2/_oci/ext/discover",
    "/v2/_portolan/types",
    "/v2/_portolan/plugins",
    "/v2/_portolan/plugins/everything",
    "/v2/_portolan/openapi.json",
    "/v2/_portolan/search",
    "/v2/_portolan/search?n=1",
    "/v2/_portolan/search?n=2&q=open",
    "/v2/_portolan/search?n=1&q=o",
    "/v2/_portolan/search?q=launch",
    "/v2/_portolan/search?q=codes+l",
    "/v2/_portolan/search?q=secret",
    "/v2/_portolan/search?q=text&type=application/*",
    "/v2/_portolan/search?last=secret/a@sha256:00&n=1",
    "/.well-known/everything.json",
    "/everything/",
    "/everything/status?code=418",
    "/everything/blob/team?digest=none",
    "/nothing/x",
];

/// Paths of a repository or prefix for services.
fn reads_of_services(name: &str) -> Vec<String> {
    let (shared, text) = (digest("shared layer"), digest("text of open team"));
    let codes = titled("launch codes 0 secret").digest();
    let mut paths: Vec<String> = ["revision", "repositories", "entries", "page", "tags"]
        .map(|import| format!("/everything/{import}/{name}"))
        .into();
    paths.extend([
        format!("/everything/page/{name}?limit=1"),
        format!("/everything/entries/{name}?type=application/vnd.test.everything.*"),
        format!("/everything/open/{name}?reference=v1"),
        format!("/everything/open/{name}?reference={codes}"),
        format!("/everything/blob/{name}?digest={shared}"),
        format!("/everything/blob/{name}?digest={text}"),
    ]);
    paths
}

/// Paths of a repository.
fn reads_of(name: &str) -> Vec<String> {
    let (open, codes) = (titled("open team").digest(), titled("launch codes 0 secret").digest());
    let (shared, text) = (digest("shared layer"), digest("text of open team"));
    let paths = [
        "tags/list".to_owned(),
        "tags/list?n=1".into(),
        "manifests/v1".into(),
        format!("manifests/{open}"),
        format!("manifests/{codes}"),
        format!("blobs/{shared}"),
        format!("blobs/{text}"),
        format!("blobs/uploads/x?digest={shared}"),
        format!("referrers/{open}"),
        format!("referrers/{open}?n=1"),
        format!("referrers/{codes}"),
        "_portolan/artifacts/v1".into(),
        format!("_portolan/artifacts/{codes}"),
        "_portolan/artifacts/v1/findings".into(),
        "_portolan/artifacts/v1/views/text".into(),
        "_portolan/artifacts/v1/views/none".into(),
        "_portolan/artifacts/v1/compare/v1?repository=secret/a".into(),
        "_portolan/artifacts/v1/compare/v1?repository=secret-a".into(),
        format!("_portolan/artifacts/v1/compare/{codes}"),
        "_oci/ext/discover".into(),
    ];
    let paths = paths.iter().map(|path| format!("/v2/{name}/{path}"));
    paths.chain(reads_of_services(name)).collect()
}

/// Returns what a client sees of an answer, without what is new in each: the time, the name of the request, random names of sessions.
fn seen(answer: &Answer) -> String {
    let passing = ["date", "x-request-id", "docker-upload-uuid", "location"];
    let headers = answer.headers.iter().filter(|(name, _)| !passing.contains(&name.as_str()));
    let headers: Vec<String> = headers.map(|(name, value)| format!("{name}: {value:?}")).collect();
    let text = format!(
        "{}\n{}\n{}\n{}",
        answer.asked,
        answer.status,
        headers.join("\n"),
        answer.text()
    );
    text
}

async fn expect_alike(one: &TestGateway, other: &TestGateway, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let answer = one.send(method, path, headers, "{}").await;
    let twin = other.send(method, path, headers, "{}").await;
    assert_eq!(seen(&answer), seen(&twin));
    answer
}

/// Follows the pages of a list to its end.
async fn expect_pages_alike(one: &TestGateway, other: &TestGateway, path: &str) {
    let mut path = path.to_owned();
    for _ in 0..20 {
        let answer = expect_alike(one, other, "GET", &path, &[]).await;
        match answer.header("link").strip_prefix('<').and_then(|link| link.split_once('>')) {
            Some((next, _)) => next.clone_into(&mut path),
            None => return,
        }
    }
    panic!("{path} has no end");
}

async fn expect_twins(one: &TestGateway, other: &TestGateway) {
    for path in reads() {
        let answer = expect_alike(one, other, "HEAD", &path, &[]).await;
        expect_pages_alike(one, other, &path).await;
        // The ETag of one is good for the other.
        let etag = answer.header("etag");
        if !etag.is_empty() {
            let unchanged = expect_alike(one, other, "GET", &path, &[("if-none-match", etag)]).await;
            assert_eq!(unchanged.status, 304, "{path}");
        }
    }
    let shared = digest("shared layer");
    for (method, path) in [
        ("POST", format!("/v2/team/blobs/uploads/?mount={shared}&from=secret/a")),
        (
            "POST",
            format!(
                "/v2/team/blobs/uploads/?mount={}&from=secret/a",
                digest("text of launch codes 0 secret/a")
            ),
        ),
        (
            "POST",
            format!("/v2/team/blobs/uploads/?mount={}", digest("text of launch codes 0 secret/a")),
        ),
        ("POST", format!("/v2/secret/a/blobs/uploads/?mount={shared}&from=team")),
        ("PUT", "/v2/secret/a/manifests/v1".into()),
        ("DELETE", "/v2/secret/a/manifests/v1".into()),
        ("DELETE", "/v2/secret/absent/manifests/v1".into()),
        ("DELETE", format!("/v2/secret/a/blobs/{shared}")),
        ("POST", "/everything/publish/secret/a?tag=v1".into()),
        (
            "POST",
            "/everything/publish-and-remove/team?tag=t&other=secret/a&reference=v1".into(),
        ),
        ("POST", "/everything/remove/secret/a?reference=v1".into()),
    ] {
        let answer = expect_alike(one, other, method, &path, &[]).await;
        assert!([202, 403].contains(&answer.status), "{}: {}", answer.asked, answer.text());
    }
}

#[tokio::test]
async fn what_is_hidden_changes_no_answer() {
    let (mut one, mut other) = (with_open().await, with_open().await);
    push_hidden(&one, 0).await;
    one.reconfigure(HIDDEN).await;
    other.reconfigure(HIDDEN).await;
    expect_twins(&one, &other).await;
    let tags = |revision: &str| ["/everything/entries", "/everything/revision", revision].map(str::to_owned);
    let before = etags(&one, &tags("/everything/revision/team")).await;
    // Later changes of what is hidden move nothing either.
    one.reconfigure(OPEN_TO_ALL).await;
    push_hidden(&one, 1).await;
    one.reconfigure(HIDDEN).await;
    expect_twins(&one, &other).await;
    assert_eq!(etags(&one, &tags("/everything/revision/team")).await, before);
    // And what is open moves what it should.
    for gateway in [&one, &other] {
        let _ = titled("new").push(gateway, "team/open", "new").await.expect(201);
        let _ = scanned(gateway, "team/open", "new").await;
    }
    expect_twins(&one, &other).await;
    let after = etags(&one, &tags("/everything/revision/team")).await;
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "{after:?}");
}

async fn etags(gateway: &TestGateway, paths: &[String]) -> Vec<String> {
    let mut etags = Vec::new();
    for path in paths {
        etags.push(gateway.get(path).await.expect(200).header("etag").to_owned());
    }
    etags
}
