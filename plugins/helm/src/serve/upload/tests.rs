use serde_json::json;

use crate::chart::metadata::Source;
use crate::chart::{CHART_TYPE, CONFIG_TYPE, PROVENANCE_TYPE};
use crate::testing::Package;

use super::*;

fn metadata(value: &Value) -> Metadata {
    let (metadata, mismatches) = Metadata::read(value, Source::Yaml);
    assert_eq!(mismatches, []);
    metadata
}

#[test]
fn charts_have_a_place() {
    for (prefix, name, version, expected) in [
        ("", "web", "1.0.0", Ok("web:1.0.0")),
        ("team/a", "web-2", "1.0.0+b.1", Ok("team/a/web-2:1.0.0_b.1")),
        ("", "a__b.c--d", "v1.0", Ok("a__b.c--d:v1.0")),
        ("", "Web", "1.0.0", Err("cannot be stored")),
        ("", "a..b", "1.0.0", Err("cannot be stored")),
        ("", "a___b", "1.0.0", Err("cannot be stored")),
        ("", "a-_b", "1.0.0", Err("cannot be stored")),
        ("", "web-", "1.0.0", Err("cannot be stored")),
        ("", "my chart", "1.0.0", Err("cannot be stored")),
        ("", "wéb", "1.0.0", Err("cannot be stored")),
        ("", "", "1.0.0", Err("cannot be stored")),
        ("", "web", "latest", Err("not a semantic version")),
        (&"x".repeat(252), "web", "1.0.0", Err("more than 255 bytes")),
        ("", "web", &format!("1.0.0-{}", "a".repeat(128)), Err("too many for a tag")),
    ] {
        match (place(prefix, name, version), expected) {
            (Ok(place), Ok(expected)) => assert_eq!(format!("{}:{}", place.repository, place.tag), expected),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (outcome, _) => panic!("{name} {version}: {outcome:?}"),
        }
    }
}

#[test]
fn config_and_manifest_are_those_of_helm_push() {
    let metadata = metadata(&json!({
        "name": "web", "version": "1.0.0+b", "apiVersion": "v2", "description": "A <web> & more", "home": "https://example.org",
        "sources": ["https://example.org/src", "https://example.org/other"],
        "maintainers": [{ "name": "Ada", "email": "ada@example.org" }, { "name": "Bob" }],
        "annotations": { "category": "x", "org.opencontainers.image.title": "fake", "org.opencontainers.image.source": "own" },
    }));
    let text = String::from_utf8(config(&metadata)).unwrap();
    assert!(
        text.starts_with(r#"{"name":"web","home":"https://example.org","sources":["#),
        "{text}"
    );
    assert!(text.contains(r"A \u003cweb\u003e \u0026 more"), "{text}");

    let config = Descriptor::new(CONFIG_TYPE, "sha256:c", 3);
    let layers = [
        Descriptor::new(CHART_TYPE, "sha256:f", 2),
        Descriptor::new(PROVENANCE_TYPE, "sha256:a", 1),
    ];
    let bytes = manifest(&metadata, Some("2024-01-01T00:00:00Z".into()), &config, &layers);
    let expected = json!({
        "schemaVersion": 2,
        "config": { "mediaType": CONFIG_TYPE, "digest": "sha256:c", "size": 3 },
        "layers": [
            { "mediaType": PROVENANCE_TYPE, "digest": "sha256:a", "size": 1 },
            { "mediaType": CHART_TYPE, "digest": "sha256:f", "size": 2 },
        ],
        "annotations": {
            "category": "x",
            "org.opencontainers.image.authors": "Ada (ada@example.org), Bob",
            "org.opencontainers.image.created": "2024-01-01T00:00:00Z",
            "org.opencontainers.image.description": "A <web> & more",
            "org.opencontainers.image.source": "own",
            "org.opencontainers.image.title": "web",
            "org.opencontainers.image.url": "https://example.org",
            "org.opencontainers.image.version": "1.0.0+b",
        },
    });
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
}

#[test]
fn a_provenance_layer_is_added_or_replaced() {
    let chart = json!({ "mediaType": CHART_TYPE, "digest": "sha256:f", "size": 2 });
    let mut stored = json!({ "schemaVersion": 2, "layers": [chart], "annotations": { "a": "b" } });
    for digest in ["sha256:a", "sha256:b"] {
        let bytes = with_layer(&mut stored, &Descriptor::new(PROVENANCE_TYPE, digest, 1)).unwrap();
        let expected = json!({
            "schemaVersion": 2, "annotations": { "a": "b" },
            "layers": [{ "mediaType": PROVENANCE_TYPE, "digest": digest, "size": 1 }, chart],
        });
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
    }
    assert!(with_layer(&mut json!({}), &Descriptor::new(PROVENANCE_TYPE, "sha256:a", 1)).is_err());
}

#[test]
fn provenance_names_its_chart() {
    let good = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nname: web\nversion: 1.0.0\n\n...\nfiles:\n  web-1.0.0.tgz: sha256:abc\n";
    for (text, expected) in [
        (good.to_owned(), Ok("web-1.0.0.tgz")),
        (good.replace('\n', "\r\n"), Ok("web-1.0.0.tgz")),
        (good.replace("name: web", "home: x"), Err("does not name a chart")),
        (good.replace("...\n", ""), Err("no `...` line")),
        ("hello".to_owned(), Err("no signed message")),
    ] {
        match (subject(&text), expected) {
            (Ok(metadata), Ok(expected)) => assert_eq!(metadata.package(), expected),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (outcome, _) => panic!("{text}: {outcome:?}"),
        }
    }
}

#[test]
fn uploads_have_the_time_of_their_first_file() {
    let packed = |seconds: u64| {
        let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        for (path, later) in [("web/Chart.yaml", 0), ("web/values.yaml", 60)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(1);
            header.set_mtime(seconds + later);
            builder.append_data(&mut header, path, &b"x"[..]).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    };
    assert_eq!(
        created(packed(1_704_067_200).as_slice()).as_deref(),
        Some("2024-01-01T00:00:00Z")
    );
    assert_eq!(created(packed(0).as_slice()), None);
    assert_eq!(created(packed(SECONDS_MAX + 1).as_slice()), None);
    assert_eq!(created(&b"no archive"[..]), None);
}

#[test]
fn charts_that_helm_could_not_load_are_told() {
    let good = Package::good();
    assert_eq!(
        sound(Chart::read(good.bytes().as_slice())).unwrap().metadata.package(),
        "web-1.0.0.tgz"
    );
    for (bytes, expected) in [
        (b"no archive".to_vec(), "gzipped tar archive"),
        (
            Package::good().file("web/Chart.yaml", "apiVersion: v2\nname: web\n").bytes(),
            "gives no version",
        ),
        (
            Package::good().file("web/Chart.yaml", "apiVersion: v2\n").bytes(),
            "This is 1 of 2 faults.",
        ),
    ] {
        let error = sound(Chart::read(bytes.as_slice())).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
