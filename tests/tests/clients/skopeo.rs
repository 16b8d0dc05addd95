//! `skopeo`: copies between a folder in the OCI image layout and the registry.

use super::{assert_holds, scene};

#[test]
fn images_are_copied_from_a_layout_and_back() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    let image = format!("docker://{}/images/web", gateway.address());
    desk.write("hello", "hello")?;
    desk.system("tar").args(["-cf", "layer.tar", "hello"]).ok()?;
    desk.run(&format!("crane append -f layer.tar -t {}/images/source:1", gateway.address()))?;

    desk.run(&format!(
        "skopeo copy --src-tls-verify=false docker://{}/images/source:1 oci:layout:1",
        gateway.address()
    ))?;
    desk.run(&format!("skopeo copy --dest-tls-verify=false oci:layout:1 {image}:1"))?;
    assert_holds(
        &desk.run(&format!("skopeo list-tags --tls-verify=false {image}"))?,
        &["\"1\""],
    );
    desk.run(&format!("skopeo copy --src-tls-verify=false {image}:1 oci:back:1"))?;
    assert_eq!(
        desk.read("back/index.json")?,
        desk.read("layout/index.json")?,
        "the same manifest came back"
    );

    // Re-compressed and in Docker's own media types.
    desk.run(&format!(
        "skopeo copy --dest-tls-verify=false --format v2s2 oci:layout:1 {image}:docker"
    ))?;
    let raw = desk.run(&format!("skopeo inspect --raw --tls-verify=false {image}:docker"))?;
    assert_holds(&raw, &["application/vnd.docker.distribution.manifest.v2+json"]);
    desk.run(&format!("skopeo delete --tls-verify=false {image}:docker"))?;
    desk.refused(&format!("skopeo inspect --tls-verify=false {image}:docker"))?;
    gateway.stop()
}
