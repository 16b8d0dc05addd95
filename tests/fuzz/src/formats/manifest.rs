//! Manifests and indexes, as a registry reads them and as a client does that knows the structures of the image specification.

use portolan::oci::{Descriptor, Manifest, media_types};
use serde_json::{Map, Value, json};

use super::json::plain;
use crate::{bytes::damage, choices::Choices, oracle::Reading};

/// Returns what our reader sees.
///
/// # Errors
/// Why it refuses, as an image manifest and as an index.
pub fn read(input: &[u8]) -> Reading {
    let parse = |kind| Manifest::parse(Some(kind), input).map_err(|error| error.to_string());
    let manifest = parse(media_types::OCI_MANIFEST)
        .or_else(|image| parse(media_types::OCI_INDEX).map_err(|index| format!("{image}; {index}")))?;
    Ok(json!({
        "artifactType": manifest.artifact_type.unwrap_or_default(),
        "config": manifest.config.as_ref().map(descriptor),
        "layers": manifest.layers.iter().map(descriptor).collect::<Vec<_>>(),
        "manifests": manifest.manifests.iter().map(descriptor).collect::<Vec<_>>(),
        "subject": manifest.subject.as_ref().map(descriptor),
        "annotations": manifest.annotations,
    }))
}

fn descriptor(descriptor: &Descriptor) -> Value {
    let other: Value = serde_json::from_str(&descriptor.other).unwrap_or_default();
    let member = |value: &Value, name: &str| plain(value.get(name).unwrap_or(&Value::Null));
    let platform = match other.get("platform") {
        Some(Value::Object(members)) => {
            let members = Value::Object(members.clone());
            let known = PLATFORM.map(|name| (name.to_owned(), member(&members, name)));
            Value::Object(known.into_iter().collect::<Map<_, _>>())
        }
        Some(other) => plain(other),
        None => Value::Null,
    };
    json!({
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size.to_string(),
        "artifactType": descriptor.artifact_type.as_deref().unwrap_or_default(),
        "annotations": descriptor.annotations,
        "urls": member(&other, "urls"),
        "data": member(&other, "data"),
        "platform": platform,
    })
}

const PLATFORM: [&str; 5] = ["architecture", "os", "variant", "os.version", "os.features"];

/// Makes a manifest, or something like one.
pub fn generate(choices: &mut Choices) -> Vec<u8> {
    let mut text = b"{\"schemaVersion\":2".to_vec();
    let index = choices.percent(40);
    if !index {
        text.extend(b",\"config\":");
        descriptor_text(choices, &mut text);
    }
    for _ in 0..choices.below(5) {
        text.push(b',');
        let name = *choices
            .pick::<[u8]>(if index { INDEX } else { IMAGE })
            .first()
            .unwrap_or(&b'x');
        member(choices, name, &mut text);
    }
    text.push(b'}');
    if choices.percent(10) {
        damage(&mut text, choices);
    }
    text
}

/// Each byte stands for a member: layers, manifests, subject, annotations, artifactType, mediaType, config, something else.
const IMAGE: &[&[u8]] = &[b"l", b"l", b"l", b"s", b"a", b"t", b"k", b"x", b"x", b"m"];
const INDEX: &[&[u8]] = &[b"m", b"m", b"m", b"s", b"a", b"t", b"i", b"x", b"x", b"c"];

fn member(choices: &mut Choices, name: u8, text: &mut Vec<u8>) {
    let key: &[u8] = match name {
        b'l' => b"layers",
        b'm' => b"manifests",
        b's' => b"subject",
        b'a' => b"annotations",
        b't' => b"artifactType",
        b'k' | b'i' => b"mediaType",
        b'c' => b"config",
        _ => choices.pick::<[u8]>(OTHER_KEYS),
    };
    key_text(choices, key, text);
    text.push(b':');
    if choices.percent(8) {
        return text.extend(choices.pick::<[u8]>(ODD_VALUES));
    }
    match name {
        b'l' | b'm' => {
            text.push(b'[');
            for n in 0..choices.below(3) {
                text.extend(if n > 0 { b",".as_slice() } else { b"" });
                descriptor_text(choices, text);
            }
            text.push(b']');
        }
        b's' | b'c' => descriptor_text(choices, text),
        b'a' => annotations_text(choices, text),
        b'k' => text.extend(b"\"application/vnd.oci.image.manifest.v1+json\""),
        b'i' => text.extend(b"\"application/vnd.oci.image.index.v1+json\""),
        _ => text.extend(choices.pick::<[u8]>(VALUES)),
    }
}

fn descriptor_text(choices: &mut Choices, text: &mut Vec<u8>) {
    text.extend(b"{\"mediaType\":\"a/b\",\"digest\":\"sha256:");
    text.extend([choices.pick::<[u8]>(&[b"0", b"a", b"f"]); 64].concat());
    text.extend(b"\",\"size\":");
    text.extend(choices.pick::<[u8]>(SIZES));
    for _ in 0..choices.below(3) {
        text.push(b',');
        let key = choices.pick::<[u8]>(DESCRIPTOR_KEYS);
        key_text(choices, key, text);
        text.push(b':');
        match key {
            b"annotations" => annotations_text(choices, text),
            b"platform" => platform_text(choices, text),
            _ => text.extend(choices.pick::<[u8]>(VALUES)),
        }
    }
    text.push(b'}');
}

fn annotations_text(choices: &mut Choices, text: &mut Vec<u8>) {
    text.push(b'{');
    for n in 0..choices.below(3) {
        text.extend(if n > 0 { b",".as_slice() } else { b"" });
        let key = choices.pick::<[u8]>(OTHER_KEYS);
        key_text(choices, key, text);
        text.push(b':');
        text.extend(choices.pick::<[u8]>(&[b"\"x\"", b"\"\"", b"null", b"\"\\u00e9\"", b"1"]));
    }
    text.push(b'}');
}

fn platform_text(choices: &mut Choices, text: &mut Vec<u8>) {
    text.push(b'{');
    for n in 0..choices.below(3) {
        text.extend(if n > 0 { b",".as_slice() } else { b"" });
        let key = choices.pick::<[u8]>(&[b"os", b"architecture", b"variant", b"os.version", b"os.features", b"x"]);
        key_text(choices, key, text);
        text.push(b':');
        text.extend(choices.pick::<[u8]>(VALUES));
    }
    text.push(b'}');
}

/// Writes a key, at times in another case or with escapes in it.
fn key_text(choices: &mut Choices, key: &[u8], text: &mut Vec<u8>) {
    let key = String::from_utf8_lossy(key).into_owned();
    let key = match choices.below(40) {
        0 => key.to_uppercase(),
        1 => key.replacen('s', "\u{17f}", 1),
        2 => key.replacen('k', "\u{212a}", 1),
        3 => key.replacen('a', "A", 1),
        4 => key.replacen('e', "\\u0065", 1),
        5 => key.replacen('i', "\u{131}", 1),
        6 => format!("{key} "),
        _ => key,
    };
    text.push(b'"');
    text.extend(key.as_bytes());
    text.push(b'"');
}

const OTHER_KEYS: &[&[u8]] = &[
    b"x", b"y", b"layer", b"Layers", b"blobs", b"size", b"k", b"", b"os", b"digests",
];
const DESCRIPTOR_KEYS: &[&[u8]] = &[
    b"annotations",
    b"platform",
    b"artifactType",
    b"urls",
    b"data",
    b"x",
    b"y",
    b"digest",
];
const SIZES: &[&[u8]] = &[
    b"0",
    b"1",
    b"2",
    b"3",
    b"17",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"-1",
    b"-0",
    b"1.0",
    b"1e2",
    b"null",
];
const VALUES: &[&[u8]] = &[
    b"\"x\"",
    b"\"x/y\"",
    b"\"\"",
    b"null",
    b"1",
    b"[]",
    b"[\"x\"]",
    b"{\"Layers\":1,\"layers\":2}",
    b"[{\"Digest\":1}]",
    b"1e400",
    b"\"\\ud800\"",
];
const ODD_VALUES: &[&[u8]] = &[b"null", b"1", b"{}", b"[]", b"[[]]", b"[null]", b"\"x\"", b"[{}]", b"true"];
