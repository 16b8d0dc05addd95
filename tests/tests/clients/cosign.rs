//! `cosign` with a key and without the network: a signature that refers to what it signs.

use portolan_tests::chart::Chart;

use super::{assert_holds, scene, word_after};

/// A signing configuration that names no service, so that nothing outside of the test is asked.
const NO_SERVICES: &str = r#"{"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"}"#;

#[test]
fn a_chart_is_signed_and_verified_by_referrer() -> anyhow::Result<()> {
    let (gateway, desk) = scene()?;
    desk.write("chart.tgz", Chart::new("web", "1.0.0").archive()?)?;
    let pushed = desk.run(&format!("helm4 push --plain-http chart.tgz oci://{}/team", gateway.address()))?;
    let chart = format!("{}/team/web@{}", gateway.address(), word_after(&pushed, "Digest: ")?);
    desk.write("signing.json", NO_SERVICES)?;
    let cosign =
        |line: &str| -> anyhow::Result<_> { Ok(desk.tool("cosign")?.env("COSIGN_PASSWORD", "").args(line.split_whitespace())) };
    cosign("generate-key-pair")?.ok()?;

    let verify = format!("verify --key cosign.pub --insecure-ignore-tlog --allow-http-registry {chart}");
    cosign(&verify)?.fails()?;
    cosign(&format!(
        "sign --yes --key cosign.key --signing-config signing.json --allow-http-registry {chart}"
    ))?
    .ok()?;
    assert_holds(
        &cosign(&verify)?.ok()?,
        &["The signatures were verified against the specified public key"],
    );
    // By a referrer, and not by a tag made up from the digest.
    assert_holds(
        &desk.run(&format!("oras discover --plain-http {chart}"))?,
        &["application/vnd.dev.sigstore.bundle"],
    );
    let tags = desk.run(&format!("oras repo tags --plain-http {}/team/web", gateway.address()))?;
    assert_eq!(tags, "1.0.0\n");
    gateway.stop()
}
