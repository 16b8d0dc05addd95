//! `regctl` and `regsync`: images, indexes and artifacts, copied within a registry and mirrored as whole repositories.

use portolan_tests::{process::GatewayProcess, tool::Desk};

use super::{assert_holds, scene};

/// Starts a gateway and a desk that knows it, with an image at `images/web:1`.
fn prepared() -> anyhow::Result<(GatewayProcess, Desk)> {
    let (gateway, desk) = scene()?;
    let address = gateway.address();
    desk.run(&format!("regctl registry set --tls disabled {address}"))?;
    desk.write("hello", "hello")?;
    desk.system("tar").args(["-cf", "layer.tar", "hello"]).ok()?;
    desk.run(&format!("crane append -f layer.tar -t {address}/images/web:1"))?;
    Ok((gateway, desk))
}

#[test]
fn images_and_artifacts_are_copied_listed_and_deleted() -> anyhow::Result<()> {
    let (gateway, desk) = prepared()?;
    let at = |name: &str| format!("{}/images/{name}", gateway.address());
    let digest = desk.run(&format!("regctl image digest {}", at("web:1")))?;
    desk.run(&format!("regctl image copy {} {}", at("web:1"), at("copy:1")))?;
    assert_eq!(desk.run(&format!("regctl image digest {}", at("copy:1")))?, digest);
    desk.run(&format!("regctl image export {} image.tar", at("web:1")))?;
    desk.run(&format!("regctl image import {} image.tar", at("imported:1")))?;
    assert_eq!(desk.run(&format!("regctl image digest {}", at("imported:1")))?, digest);
    assert_eq!(
        desk.run(&format!("regctl repo ls {}", gateway.address()))?,
        "images/copy\nimages/imported\nimages/web\n"
    );

    desk.run(&format!(
        "regctl index create {} --ref {} --ref {}",
        at("web:all"),
        at("web:1"),
        at("copy:1")
    ))?;
    assert_holds(
        &desk.run(&format!("regctl manifest get --format raw-body {}", at("web:all")))?,
        &[digest.trim()],
    );
    assert_eq!(desk.run(&format!("regctl tag ls {}", at("web")))?, "1\nall\n");

    desk.run(&format!(
        "regctl artifact put --artifact-type application/vnd.example.sbom+json --subject {} --file hello",
        at("web:1")
    ))?;
    // The type has a plus in it, and the registry filters by it.
    let listed = desk.run(&format!(
        "regctl artifact list --filter-artifact-type application/vnd.example.sbom+json {}",
        at("web:1")
    ))?;
    assert_holds(&listed, &["application/vnd.example.sbom+json"]);
    assert_eq!(
        desk.run(&format!("regctl tag ls {}", at("web")))?,
        "1\nall\n",
        "no tag stands in for the list"
    );

    desk.run(&format!("regctl tag delete {}", at("copy:1")))?;
    assert_eq!(desk.run(&format!("regctl tag ls {}", at("copy")))?.trim(), "");
    desk.run(&format!("regctl manifest delete {}@{}", at("imported"), digest.trim()))?;
    desk.refused(&format!("regctl image digest {}", at("imported:1")))?;
    assert_eq!(desk.run(&format!("regctl image digest {}", at("web:1")))?, digest);
    gateway.stop()
}

#[test]
fn a_repository_is_mirrored_with_what_refers_to_its_images() -> anyhow::Result<()> {
    let (gateway, desk) = prepared()?;
    let address = gateway.address();
    for tag in ["2", "3"] {
        desk.run(&format!(
            "regctl image copy {address}/images/web:1 {address}/images/web:{tag}"
        ))?;
    }
    desk.run(&format!(
        "regctl artifact put --artifact-type application/vnd.example.sbom --subject {address}/images/web:1 --file hello"
    ))?;
    desk.write(
        "sync.yml",
        format!(
            "version: 1\ncreds:\n  - registry: {address}\n    tls: disabled\nsync:\n  - source: {address}/images/web\n    target: \
             {address}/mirror/web\n    type: repository\n    referrers: true\n    digestTags: true\n"
        ),
    )?;
    assert_holds(&desk.run("regsync check -c sync.yml")?, &["Image sync needed"]);
    desk.run("regsync once -c sync.yml")?;
    for what in ["tag ls", "artifact list --format body"] {
        let name = |repository: &str| match what {
            "tag ls" => format!("{address}/{repository}"),
            _ => format!("{address}/{repository}:1"),
        };
        let (source, mirror) = (name("images/web"), name("mirror/web"));
        let said = desk.run(&format!("regctl {what} {mirror}"))?;
        assert_eq!(said, desk.run(&format!("regctl {what} {source}"))?);
        assert_holds(
            &said,
            &[if what == "tag ls" {
                "1\n2\n3\n"
            } else {
                "application/vnd.example.sbom"
            }],
        );
    }
    let again = desk.run("regsync check -c sync.yml")?;
    assert!(!again.contains("sync needed"), "{again}");
    gateway.stop()
}
