//! Manifests and indexes.

use super::Shape;

fn descriptor(more: &str) -> String {
    format!(r#"{{"mediaType":"a/b","digest":"sha256:{}","size":2{more}}}"#, "0".repeat(64))
}

fn image(more: &str) -> String {
    format!(r#"{{"schemaVersion":2,"config":{}{more}}}"#, descriptor(""))
}

fn index(child: &str) -> String {
    format!(r#"{{"schemaVersion":2,"manifests":[{child}]}}"#)
}

pub(super) fn all() -> Vec<Shape> {
    let annotations = descriptor(r#","annotations":{"Layers":"a","layers":null,"size":""}"#);
    let read = [
        image(&format!(
            r#","layers":[{annotations}],"annotations":{{"Config":"x","config":"y"}}"#
        )),
        image(r#","layers":null,"annotations":null,"subject":null,"artifactType":"x/y""#),
        image(r#","x":{"Layers":[],"layers":[{"Digest":1,"digest":2}]},"\u006cayer":1"#),
        image("").replace("\"config\"", "\"\\u0063onfig\""),
        index(&descriptor(
            r#","platform":{"os":"linux","os.features":["a"],"x":1},"urls":["b"],"data":"e30=""#,
        )),
        index(&descriptor(r#","platform":null,"size ":1"#)),
    ];
    let child = descriptor("");
    let refused = [
        (image(&format!(r#","layers":[],"Layers":[{child}]"#)), "can be taken for"),
        (image(&format!(",\"layer\u{17f}\":[{child}]")), "can be taken for"),
        (image(r#","MEDIATYPE":"x/y""#), "can be taken for"),
        (image(&format!(r#","layers":[],"layers":[{child}]"#)), "twice"),
        (image(&format!(r#","layers":[],"\u006cayers":[{child}]"#)), "twice"),
        (index(&descriptor(r#","Digest":"x""#)), "can be taken for"),
        (
            index(&descriptor(",\"\u{212a}\":1,\"platform\":{\"o\u{17f}\":\"x\"}")),
            "can be taken for",
        ),
        (index(&child).replace("\"size\":2", "\"size\":9223372036854775808"), "size"),
        (format!("[2,null,null,{child}]"), "not a JSON object"),
        (format!("{} {{}}", image("")), "trailing"),
    ];
    let shown = |text: &str| text.chars().take(120).collect::<String>();
    let read = read.into_iter().map(|text| Shape::read(shown(&text), text));
    let refused = refused
        .into_iter()
        .map(|(text, error)| Shape::refused(shown(&text), error, text));
    read.chain(refused).collect()
}
