use super::*;

fn digest() -> Digest {
    Digest::sha256(b"")
}

fn parse(content_type: Option<&str>, json: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(content_type, json.replace("$D", digest().as_str()).as_bytes())
}

#[test]
fn refuses_what_can_be_read_in_two_ways() {
    let config = r#""config":{"mediaType":"a/b","digest":"$D","size":0}"#;
    let oci = Some(types::OCI_MANIFEST);
    let check = |content_type, json: &str, expected: &str| {
        let error = parse(content_type, json).expect_err(json).to_string();
        assert!(error.contains(expected), "{json}: {error}");
    };
    check(
        oci,
        &format!(r#"{{"schemaVersion":2,"mediaType":"{}",{config}}}"#, types::OCI_INDEX),
        "must be the same",
    );
    check(
        oci,
        &format!(r#"{{"schemaVersion":2,{config},"layers":[],"manifests":[]}}"#),
        "both",
    );
    check(
        oci,
        &format!(r#"{{"schemaVersion":2,{config},"manifests":[]}}"#),
        "must not have",
    );
    check(Some(types::OCI_INDEX), r#"{"schemaVersion":2,"layers":[]}"#, "must not have");
    check(oci, &format!(r#"{{"schemaVersion":2,{config},{config}}}"#), "twice");
    check(
        oci,
        &format!(r#"{{"schemaVersion":2,{config},"x":{{"a":1,"a":2}}}}"#),
        "twice",
    );
    check(oci, r#"{"schemaVersion":2}"#, "must have a config");
    check(oci, r#"{"schemaVersion":1}"#, "schemaVersion");
    check(oci, &"[".repeat(1000), "recursion");
    check(None, "{}", "no media type");
    check(Some(types::DOCKER_SCHEMA1_SIGNED), "{}", "obsolete");
    check(Some("text/plain"), r#"{"schemaVersion":2}"#, "not a manifest type");
    assert!(Manifest::parse(oci, b"\xff").unwrap_err().to_string().contains("UTF-8"));
}

#[test]
fn accepts_what_tools_really_write() {
    let config = r#""config":{"mediaType":"application/x+json","digest":"$D","size":0}"#;
    let manifest = parse(
        Some(types::OCI_MANIFEST),
        &format!(r#"{{"schemaVersion":2,{config},"layers":null,"annotations":null,"new":[1]}}"#),
    )
    .unwrap();
    assert_eq!((manifest.layers.len(), manifest.kind), (0, ManifestKind::Image));
    assert!(parse(Some(types::OCI_INDEX), r#"{"schemaVersion":2,"manifests":[]}"#).is_ok());
}

#[test]
fn candidates_come_in_the_order_of_their_strength() {
    let manifest = parse(
        Some(types::OCI_MANIFEST),
        r#"{"schemaVersion":2,"artifactType":"a/1","config":{"mediaType":"a/2","digest":"$D","size":0},
           "layers":[{"mediaType":"a/4","digest":"$D","size":0,"annotations":{"k.layer":""}},{"mediaType":"a/4","digest":"$D","size":0}],
           "annotations":{"org.opencontainers.artifactType":"a/3","k.manifest":""}}"#,
    );
    let manifest = manifest.unwrap();
    let expected = [
        "a/1",
        "a/2",
        "a/3",
        "a/4",
        "k.manifest",
        "org.opencontainers.artifactType",
        "k.layer",
        types::OCI_MANIFEST,
    ];
    assert_eq!(manifest.candidates(), expected);
    let image = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"$D","size":0}},"layers":[]}}"#,
        types::OCI_CONFIG
    );
    assert_eq!(
        parse(Some(types::OCI_MANIFEST), &image).unwrap().candidates(),
        [types::OCI_CONFIG, types::OCI_MANIFEST]
    );
}

/// A descriptor with some members more.
fn descriptor(more: &str) -> String {
    format!(r#"{{"mediaType":"a/b","digest":"$D","size":0{more}}}"#)
}

/// An image manifest with some members more.
fn image(more: &str) -> String {
    format!(r#"{{"schemaVersion":2,"config":{}{more}}}"#, descriptor(""))
}

fn index(children: &str) -> String {
    format!(r#"{{"schemaVersion":2,"manifests":[{children}]}}"#)
}

#[test]
fn keys_that_another_reader_takes_for_known_ones_are_refused() {
    let image_cases = [
        (r#","layers":[],"Layers":[]"#, "Layers", "layers"),
        (r#","LAYERS":[]"#, "LAYERS", "layers"),
        (",\"layer\u{17f}\":[]", "layer\u{17f}", "layers"),
        (r#","layer\u017f":[]"#, "layer\u{17f}", "layers"),
        (r#","Config":{}"#, "Config", "config"),
        (r#","MediaType":"x/y""#, "MediaType", "mediaType"),
        (r#","artifacttype":"x/y""#, "artifacttype", "artifactType"),
        (r#","Subject":{}"#, "Subject", "subject"),
        (r#","Annotations":{}"#, "Annotations", "annotations"),
        (r#","Manifests":[]"#, "Manifests", "manifests"),
        (r#","SchemaVersion":1"#, "SchemaVersion", "schemaVersion"),
    ];
    let in_descriptors = [
        (r#","Digest":"$D""#, "Digest", "digest"),
        (r#","SIZE":0"#, "SIZE", "size"),
        (r#","mediatype":"x/y""#, "mediatype", "mediaType"),
        (r#","Urls":[]"#, "Urls", "urls"),
        (r#","Data":"""#, "Data", "data"),
        (r#","Platform":{}"#, "Platform", "platform"),
        (r#","platform":{"os":"linux","OS":"linux"}"#, "OS", "os"),
        (r#","platform":{"Os.Version":"1"}"#, "Os.Version", "os.version"),
        (",\"platform\":{\"o\u{17f}\":\"linux\"}", "o\u{17f}", "os"),
        (r#","platform":{"Architecture":"x"}"#, "Architecture", "architecture"),
    ];
    let check = |kind, json: &str, key: &str, known: &str| {
        let error = parse(Some(kind), json).expect_err(json).to_string();
        let expected = format!("the key {key:?} can be taken for {known:?}");
        assert!(error.contains(&expected), "{json}: {error}");
    };
    for (more, key, known) in image_cases {
        check(types::OCI_MANIFEST, &image(more), key, known);
    }
    for (more, key, known) in in_descriptors {
        let bad = descriptor(more);
        check(types::OCI_MANIFEST, &image(&format!(r#","layers":[{bad}]"#)), key, known);
        check(types::OCI_MANIFEST, &image(&format!(r#","subject":{bad}"#)), key, known);
        check(
            types::OCI_MANIFEST,
            &format!(r#"{{"schemaVersion":2,"config":{bad}}}"#),
            key,
            known,
        );
        check(types::OCI_INDEX, &index(&bad), key, known);
    }
}

#[test]
fn keys_that_mean_nothing_may_be_anything() {
    let more = r#","annotations":{"Layers":"","layers":"","os":""},"Blobs":1,"x":{"Layers":[],"layers":{"Digest":1,"digest":2}}"#;
    let layer = descriptor(r#","annotations":{"Digest":"","digest":""},"x":{"Size":1,"size":2}"#);
    let manifest = parse(Some(types::OCI_MANIFEST), &image(&format!(r#"{more},"layers":[{layer}]"#))).unwrap();
    assert_eq!((manifest.annotations.len(), manifest.layers[0].annotations.len()), (3, 2));
}

#[test]
fn what_was_stored_under_laxer_rules_is_read_as_it_was() {
    let json = image(r#","layers":[],"Layers":[]"#).replace("$D", digest().as_str());
    let media_type: MediaType = types::OCI_MANIFEST.parse().unwrap();
    assert_eq!(Manifest::stored(&media_type, json.as_bytes()).unwrap().layers, []);
    assert!(Manifest::parse(Some(types::OCI_MANIFEST), json.as_bytes()).is_err());
}

#[test]
fn unknown_members_are_kept_as_the_text_that_they_came_as() {
    let layer = descriptor(r#","platform":{"os":"x"},"z\u0022":[1.50,{"a":null}],"artifactType":"x/y","urls":[ "b" ]"#);
    let manifest = parse(Some(types::OCI_MANIFEST), &image(&format!(r#","layers":[{layer}]"#))).unwrap();
    assert_eq!(
        manifest.layers[0].other,
        r#"{"platform":{"os":"x"},"z\"":[1.50,{"a":null}],"urls":[ "b" ]}"#
    );
    assert_eq!(manifest.layers[0].artifact_type.as_deref(), Some("x/y"));
    assert_eq!(manifest.config.unwrap().other, "");
}

#[test]
fn annotations_without_a_value_are_empty() {
    let json = image(r#","annotations":{"a":null,"b":"x"}"#);
    let manifest = parse(Some(types::OCI_MANIFEST), &json).unwrap();
    assert_eq!(
        (manifest.annotations["a"].as_str(), manifest.annotations["b"].as_str()),
        ("", "x")
    );
    for bad in ["1", "true", "{}", "[]"] {
        assert!(
            parse(Some(types::OCI_MANIFEST), &image(&format!(r#","annotations":{{"a":{bad}}}"#))).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn objects_are_objects() {
    let array = format!(r#"[2,null,null,{}]"#, descriptor(""));
    assert!(
        parse(Some(types::OCI_MANIFEST), &array)
            .unwrap_err()
            .to_string()
            .contains("not a JSON object")
    );
    assert!(parse(Some(types::OCI_MANIFEST), &image(r#","layers":[["a/b","$D",0]]"#)).is_err());
}

#[test]
fn an_index_names_manifests_and_blobs() {
    let child = descriptor("").replace("a/b", types::DOCKER_MANIFEST);
    let manifest = parse(Some(types::OCI_INDEX), &index(&format!("{child},{}", descriptor("")))).unwrap();
    assert_eq!(
        manifest.children().map(|child| child.media_type.as_str()).collect::<Vec<_>>(),
        [types::DOCKER_MANIFEST]
    );
    assert_eq!(
        manifest.blobs().map(|blob| blob.media_type.as_str()).collect::<Vec<_>>(),
        ["a/b"]
    );
}

#[test]
fn no_type_is_hidden_behind_many_others() {
    let layers = (0..100)
        .map(|n| descriptor("").replace("a/b", &format!("x/{n}")))
        .collect::<Vec<_>>()
        .join(",");
    let manifest = parse(Some(types::OCI_MANIFEST), &image(&format!(r#","layers":[{layers}]"#))).unwrap();
    assert_eq!(manifest.candidates().len(), MANIFEST_CANDIDATES_MAX - 1);
    assert!(manifest.types().any(|kind| kind == "x/99"));
    assert_eq!(manifest.candidates().last(), Some(&types::OCI_MANIFEST));
}

#[test]
fn descriptors_and_annotations_are_limited_in_number() {
    let many = |item: &str, count: usize| vec![item; count].join(",");
    let layers = |count| image(&format!(r#","layers":[{}]"#, many(&descriptor(""), count)));
    assert!(parse(Some(types::OCI_MANIFEST), &layers(DESCRIPTORS_MAX - 1)).is_ok());
    let refused = parse(Some(types::OCI_MANIFEST), &layers(DESCRIPTORS_MAX)).unwrap_err();
    assert_eq!(refused, ManifestError::Descriptors(DESCRIPTORS_MAX + 1));
    let annotated = |count: usize| {
        let annotations = (0..count).map(|n| format!(r#""{n}":"""#)).collect::<Vec<_>>().join(",");
        image(&format!(r#","annotations":{{{annotations}}}"#))
    };
    assert!(parse(Some(types::OCI_MANIFEST), &annotated(ANNOTATIONS_MAX)).is_ok());
    let refused = parse(Some(types::OCI_MANIFEST), &annotated(ANNOTATIONS_MAX + 1)).unwrap_err();
    assert_eq!(refused, ManifestError::Annotations(ANNOTATIONS_MAX + 1));
}

/// Repeats what `item` returns until a manifest of about 4 MiB is full.
fn fill(item: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for n in 0.. {
        let next = item(n);
        if text.len() + next.len() > (4 << 20) - 1_000 {
            break;
        }
        if n > 0 {
            text.push(',');
        }
        text.push_str(&next);
    }
    text
}

/// The largest manifest takes a few times its size, whatever is in it.
#[test]
fn memory_follows_size() {
    let shapes: [(&str, String); 8] = [
        (
            "numbers",
            image(&format!(
                r#","layers":[{}]"#,
                descriptor(&format!(r#","x":[{}]"#, fill(|_| "0".into())))
            )),
        ),
        ("objects", image(&format!(r#","x":[{}]"#, fill(|_| r#"{"":0}"#.into())))),
        ("keys", image(&format!(r#","x":{{{}}}"#, fill(|n| format!(r#""{n:x}":0"#))))),
        (
            "escaped keys",
            image(&format!(r#","x":{{{}}}"#, fill(|n| format!(r#""\n{n:x}":0"#)))),
        ),
        (
            "annotations",
            image(&format!(r#","annotations":{{{}}}"#, fill(|n| format!(r#""{n:x}":"""#)))),
        ),
        (
            "one annotation",
            image(&format!(r#","annotations":{{"a":"{}"}}"#, fill(|_| "x".into()))),
        ),
        (
            "layers",
            image(&format!(
                r#","layers":[{}]"#,
                fill(|_| descriptor("").replace("$D", digest().as_str()))
            )),
        ),
        (
            "platforms",
            index(&fill(|n| {
                descriptor(&format!(r#","platform":{{"os":"{n}","x":[{}]}}"#, "0,".repeat(40) + "0"))
                    .replace("$D", digest().as_str())
            })),
        ),
    ];
    for (name, json) in shapes {
        let json = json.replace("$D", digest().as_str());
        assert!(json.len() <= 4 << 20);
        let kind = if json.contains("manifests") {
            types::OCI_INDEX
        } else {
            types::OCI_MANIFEST
        };
        let used = allocation_counter::measure(|| drop(Manifest::parse(Some(kind), json.as_bytes())));
        assert!(used.bytes_max < 24 << 20, "{name}: {} MiB", used.bytes_max >> 20);
        assert_eq!(used.bytes_current, 0, "{name}");
    }
}
