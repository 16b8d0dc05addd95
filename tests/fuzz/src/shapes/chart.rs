//! Packaged charts.

use super::Shape;
use crate::formats::{chart::packed, tar::file};

const MANIFEST: (&str, &str) = ("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n");

fn chart(files: &[(&str, &str)]) -> Vec<u8> {
    let files = files
        .iter()
        .flat_map(|(path, content)| file(path.as_bytes(), content.as_bytes()));
    packed(&files.chain([0; 1_024]).collect::<Vec<u8>>())
}

pub(super) fn all() -> Vec<Shape> {
    let beside = |path: &'static str, content: &'static str| chart(&[MANIFEST, (path, content)]);
    let read = |path: &'static str, content: &'static str| Shape::read(format!("{path}: {content}"), beside(path, content));
    let refused = |error: &'static str, path: &'static str, content: &'static str| {
        Shape::refused(format!("{path}: {content}"), error, beside(path, content))
    };
    vec![
        read("web/values.yaml", "a: yes\n0X1F: 0X1F\nc: !t 1\nd: !!binary d2Vi\n"),
        read("web/values.yaml", "\u{feff}a: 1\n--- # two\na: ~\n"),
        read("web\\templates\\a.yaml", "x"),
        read("web/charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 2.0.0\n"),
        read("web/charts/_db/x", "x"),
        read("web/requirements.yaml", "dependencies: [{name: db, version: 1.x}]\n"),
        read("other/notes.txt", "x"),
        refused("helm/archive-duplicate", "web/Chart.yaml", "name: other\n"),
        refused("helm/archive-duplicate", "other/Chart.yaml", "name: other\n"),
        refused("helm/archive-duplicate", "web/a/../Chart.yaml", "name: other\n"),
        refused("helm/requirements-metadata", "web/requirements.yaml", "name: other\n"),
        refused("helm/requirements-metadata", "web/requirements.yaml", "verSion: 6.6.6\n"),
        refused("helm/values-unreadable", "web/values.yaml", "a: 1\n\t\nb: 2\n"),
        refused("helm/lock-unreadable", "web/Chart.lock", "generated: yesterday\n"),
        refused("helm/lock-unreadable", "web/Chart.lock", "digest: [1]\n"),
        refused("helm/subchart-unreadable", "web/charts/notes.txt", "x"),
        refused("helm/archive-path", "web/../../x", "x"),
        Shape::refused(
            "no Chart.yaml",
            "helm/chart-yaml-missing",
            chart(&[("web/values.yaml", "a: 1\n")]),
        ),
    ]
}
