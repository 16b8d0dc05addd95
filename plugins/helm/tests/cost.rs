//! What a chart costs: twice the chart may cost twice as much, whatever is in it.
//!
//! Cost is counted in bytes that were allocated. The shapes are those that made a reader or a rule write the same text over and over:
//! a key of a megabyte above ten thousand values, ten thousand faults that are looked up one by one, documents that are merged.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use portolan_helm::chart::Chart;
use portolan_helm::compare;
use portolan_helm::{index, scan, validate};
use portolan_plugin_sdk::Descriptor;

const MANIFEST: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

/// Packs a chart whose Chart.yaml goes on with `manifest`, with further files.
fn package(manifest: &str, files: &[(String, String)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let chart = ("Chart.yaml".to_owned(), format!("{MANIFEST}{manifest}"));
    for (path, content) in std::iter::once(&chart).chain(files) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, format!("web/{path}"), content.as_bytes())
            .expect("memory takes everything");
    }
    let mut encoder = builder.into_inner().expect("memory takes everything");
    encoder.flush().expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn manifest(text: &str) -> Vec<u8> {
    package(text, &[])
}

fn values(text: String) -> Vec<u8> {
    package("", &[("values.yaml".to_owned(), text)])
}

fn files(count: usize, path: impl Fn(usize) -> String, content: &str) -> Vec<u8> {
    let files: Vec<_> = (0..count).map(|at| (path(at), content.to_owned())).collect();
    package("", &files)
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

/// Does everything that the plugin does with a chart.
fn judge(package: &[u8]) {
    let chart = Chart::read(package);
    let _ = validate::verdict(validate::content(&validate::Content {
        layer: "sha256:1",
        chart_hash: "abc",
        chart: &chart,
        config: ("sha256:2".to_owned(), Some(b"{}".to_vec())),
        provenance: &[],
        annotations: &[],
    }));
    let _ = scan::chart(chart.as_ref(), "sha256:1", &["allowed.password".to_owned()]);
    let Ok(chart) = chart else { return };
    let layer = Descriptor {
        media_type: String::new(),
        digest: "sha256:1".to_owned(),
        size: 1,
        artifact_type: None,
        annotations: Vec::new(),
        properties: Default::default(),
    };
    let _ = index::entry(
        &chart,
        &index::Source {
            chart: &layer,
            chart_hash: "abc",
            provenance: None,
            annotations: &[],
        },
    );
    let nothing = Chart::default();
    let inventory = compare::files::inventory(package).unwrap_or_default();
    let _ = compare::charts(&chart, &nothing, &inventory, &compare::files::Inventory::new());
}

fn cost(package: &[u8]) -> u64 {
    allocation_counter::measure(|| judge(package)).bytes_total
}

/// The name of a shape, and a package of it that grows with a number.
type Shape = (&'static str, Box<dyn Fn(usize) -> Vec<u8>>);

/// Shapes of values.yaml.
fn of_values() -> Vec<Shape> {
    let long = |count: usize, value: &'static str| {
        let key = "k".repeat(count * 50);
        values(format!("? {key}\n:\n{}", lines(count, |at| format!("  a{at}{value}\n"))))
    };
    vec![
        ("values below a long key", Box::new(move |n| long(n, ": 1"))),
        ("secrets below a long key", Box::new(move |n| long(n, "Password: hunter2"))),
        ("images below a long key", Box::new(move |n| long(n, "Image: nginx"))),
        (
            "long keys that are there twice",
            Box::new(|n| values(format!("{0}: 1\n", format_args!("? {}\n", "k".repeat(1_000))).repeat(n))),
        ),
        (
            "documents",
            Box::new(|n| values(lines(n, |at| format!("a{at}: {{b{at}: 1}}\nc: {{d{at}: 1}}\n---\n")))),
        ),
        (
            "two documents",
            Box::new(|n| {
                let (one, two) = (lines(n, |at| format!("a{at}: 1\n")), lines(n, |at| format!("b{at}: 1\n")));
                values(format!("{one}---\n{two}"))
            }),
        ),
    ]
}

/// Shapes of Chart.yaml.
fn of_manifest() -> Vec<Shape> {
    vec![
        (
            "annotations of a wrong type",
            Box::new(|n| manifest(&format!("annotations:\n{}", lines(n, |at| format!("  a{at}: []\n"))))),
        ),
        (
            "keys of another case",
            Box::new(|n| {
                manifest(&format!(
                    "maintainers:\n{}",
                    lines(n, |_| "- {NAME: a, name: b}\n".to_owned())
                ))
            }),
        ),
        (
            "maintainers that are empty",
            Box::new(|n| manifest(&format!("maintainers:\n{}", "-\n".repeat(n)))),
        ),
        (
            "sources that are no addresses",
            Box::new(|n| {
                manifest(&format!(
                    "{}sources:\n{}",
                    lines(n, |at| format!("k{at}: 1\n")),
                    "- x\n".repeat(n)
                ))
            }),
        ),
        (
            "dependencies of one name",
            Box::new(|n| {
                manifest(&format!(
                    "dependencies:\n{}",
                    "- {name: a, repository: 'http://x'}\n".repeat(n)
                ))
            }),
        ),
    ]
}

/// Shapes of packages.
fn of_packages() -> Vec<Shape> {
    vec![
        (
            "broken subcharts",
            Box::new(|n| files(n, |at| format!("charts/c{at}/Chart.yaml"), "name: [")),
        ),
        (
            "subcharts in subcharts",
            Box::new(|n| files(n, |at| format!("{}f{at}", "charts/a/".repeat(40)), "x")),
        ),
        (
            "templates with images",
            Box::new(|n| files(n, |at| format!("templates/{at}.yaml"), &"image: nginx\n".repeat(50))),
        ),
        (
            "a schema that lists much",
            Box::new(|n| {
                let listed = lines(n, |at| format!("\"v{at}\","));
                let schema = format!("{{\"properties\":{{\"a\":{{\"items\":{{\"enum\":[{listed}\"\"]}}}}}}}}");
                let schema = ("values.schema.json".to_owned(), schema);
                package(
                    "",
                    &[("values.yaml".to_owned(), format!("a: [{}]\n", "v,".repeat(n))), schema],
                )
            }),
        ),
    ]
}

#[test]
fn twice_the_chart_costs_twice_as_much() {
    let shapes = [of_values(), of_manifest(), of_packages()];
    for (name, shape) in shapes.into_iter().flatten() {
        let (one, two) = (cost(&shape(600)), cost(&shape(1_200)));
        assert!(
            two <= one * 2 + one / 2 + 500_000,
            "{name}: {one} bytes for a chart, {two} for one twice as large"
        );
        assert!(two < 300_000_000, "{name}: {two} bytes");
    }
}
