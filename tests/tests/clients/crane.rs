//! `crane`: container images, pushed and pulled, copied, listed, deleted.

use super::{assert_holds, scene};

#[test]
fn an_image_is_pushed_pulled_copied_listed_and_deleted() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    let at = |image: &str| format!("{}/images/{image}", gateway.address());
    desk.write("files/etc/hello", "hello")?;
    desk.system("tar").args(["-C", "files", "-cf", "layer.tar", "."]).ok()?;
    desk.run(&format!("crane append -f layer.tar -t {}", at("web:1")))?;
    let digest = desk.run(&format!("crane digest {}", at("web:1")))?;
    let digest = digest.trim();
    assert!(digest.starts_with("sha256:"), "{digest}");

    desk.run(&format!("crane pull {} image.tar", at("web:1")))?;
    desk.run(&format!("crane push image.tar {}", at("web:2")))?;
    desk.run(&format!("crane pull --format=oci {} layout", at("web:1")))?;
    desk.run(&format!("crane push layout {}", at("web:3")))?;
    assert_eq!(desk.run(&format!("crane ls {}", at("web")))?, "1\n2\n3\n");
    for tag in ["2", "3"] {
        assert_eq!(
            desk.run(&format!("crane digest {}", at(&format!("web:{tag}"))))?.trim(),
            digest,
            "tag {tag}"
        );
    }
    assert_eq!(
        desk.run(&format!("crane export {} -", at("web:1")))?.matches("hello").count(),
        2,
        "a name and a content"
    );

    // Into another repository of the same registry, where blobs are mounted.
    assert_holds(
        &desk.run(&format!("crane copy {} {}", at("web:1"), at("copy:1")))?,
        &["mounted blob"],
    );
    assert_eq!(desk.run(&format!("crane digest {}", at("copy:1")))?.trim(), digest);
    assert_holds(
        &desk.run(&format!("crane catalog {}", gateway.address()))?,
        &["images/copy", "images/web"],
    );

    desk.run(&format!("crane delete {}", at(&format!("copy@{digest}"))))?;
    desk.refused(&format!("crane digest {}", at("copy:1")))?;
    assert_eq!(
        desk.run(&format!("crane digest {}", at("web:1")))?.trim(),
        digest,
        "another repository keeps its own"
    );
    gateway.stop()
}

#[test]
fn an_index_of_several_platforms_is_pushed_and_resolved() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    let at = |image: &str| format!("{}/images/{image}", gateway.address());
    desk.write("hello", "hello")?;
    desk.system("tar").args(["-cf", "layer.tar", "hello"]).ok()?;
    desk.run(&format!("crane append -f layer.tar -t {}", at("many:amd")))?;
    desk.run(&format!(
        "crane mutate {} --set-platform linux/arm64 -t {}",
        at("many:amd"),
        at("many:arm")
    ))?;
    desk.run(&format!(
        "crane index append -m {} -m {} -t {}",
        at("many:amd"),
        at("many:arm"),
        at("many:all")
    ))?;
    let all = desk.run(&format!("crane manifest {}", at("many:all")))?;
    assert_holds(
        &all,
        &["manifests", desk.run(&format!("crane digest {}", at("many:arm")))?.trim()],
    );
    assert_eq!(
        desk.run(&format!("crane digest --platform linux/arm64 {}", at("many:all")))?,
        desk.run(&format!("crane digest {}", at("many:arm")))?,
    );
    gateway.stop()
}
