//! `buildah` and `podman`: images are built, pushed, pulled and listed, with a storage of the test's own and without running a container.

use anyhow::Context;
use portolan_tests::tool::Desk;

use super::{assert_holds, scene};

/// Runs `buildah` or `podman` over a storage in the desk that needs nothing of the kernel.
fn run(desk: &Desk, program: &str, line: &str) -> anyhow::Result<String> {
    let folder = |name: &str| desk.path(&format!("{program}-{name}"));
    let mut tool = desk.tool(program)?;
    tool = tool
        .arg("--root")
        .arg(folder("root"))
        .arg("--runroot")
        .arg(folder("run"))
        .args(["--storage-driver", "vfs"]);
    if program == "podman" {
        tool = tool.args(["--cgroup-manager", "cgroupfs", "--events-backend", "none"]);
    }
    tool.args(line.split_whitespace())
        .ok()
        .with_context(|| format!("{program} {line}"))
}

#[test]
fn buildah_pushes_what_it_built_in_both_formats_and_as_a_list() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    let image = format!("docker://{}/images/built", gateway.address());
    let buildah = |line: &str| run(&desk, "buildah", line);
    desk.write("hello", "hello")?;
    buildah("from --name work scratch")?;
    buildah("copy work hello /hello")?;
    buildah("commit work built")?;
    buildah(&format!("push --tls-verify=false --format oci built {image}:oci"))?;
    buildah(&format!("push --tls-verify=false --format v2s2 built {image}:docker"))?;
    for (tag, kind) in [
        ("oci", "application/vnd.oci.image.manifest.v1+json"),
        ("docker", "application/vnd.docker.distribution.manifest.v2+json"),
    ] {
        let raw = desk.run(&format!("skopeo inspect --raw --tls-verify=false {image}:{tag}"))?;
        assert_holds(&raw, &[kind]);
    }
    buildah("manifest create many")?;
    buildah(&format!("manifest add --tls-verify=false many {image}:oci"))?;
    buildah(&format!("manifest push --tls-verify=false --all many {image}:all"))?;
    let raw = desk.run(&format!("skopeo inspect --raw --tls-verify=false {image}:all"))?;
    assert_holds(
        &raw,
        &[
            "application/vnd.oci.image.index.v1+json",
            "application/vnd.oci.image.manifest.v1+json",
        ],
    );
    let pulled = buildah(&format!("pull --tls-verify=false {image}:all"))?;
    assert_holds(&pulled, &["Writing manifest"]);
    gateway.stop()
}

#[test]
fn podman_pushes_pulls_and_searches() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    let at = |name: &str| format!("{}/images/{name}", gateway.address());
    let podman = |line: &str| run(&desk, "podman", line);
    // A layer of its own for each: podman takes one that the registry has in any compression.
    let forms = [
        (
            "zstd",
            "--format oci --compression-format zstd",
            "application/vnd.oci.image.layer.v1.tar+zstd",
        ),
        (
            "docker",
            "--format v2s2",
            "application/vnd.docker.distribution.manifest.v2+json",
        ),
    ];
    let mut images = Vec::new();
    for (tag, form, kind) in forms {
        desk.write("hello", tag)?;
        desk.system("tar").args(["-cf", "layer.tar", "hello"]).ok()?;
        podman(&format!("import layer.tar imported:{tag}"))?;
        let image = at(&format!("web:{tag}"));
        podman(&format!("push --tls-verify=false {form} imported:{tag} {image}"))?;
        let raw = desk.run(&format!("skopeo inspect --raw --tls-verify=false docker://{image}"))?;
        assert_holds(&raw, &[kind]);
        let id = podman(&format!("image inspect --format {{{{.Id}}}} imported:{tag}"))?;
        images.push((image, id));
    }

    assert_holds(&podman(&format!("search --tls-verify=false {}", at("")))?, &["images/web"]);
    let tags = podman(&format!("search --tls-verify=false --list-tags {}", at("web")))?;
    assert_holds(&tags, &[" docker", " zstd"]);

    podman("rmi --all --force")?;
    for (image, id) in &images {
        podman(&format!("pull --tls-verify=false {image}"))?;
        assert_eq!(&podman(&format!("image inspect --format {{{{.Id}}}} {image}"))?, id);
    }
    gateway.stop()
}
