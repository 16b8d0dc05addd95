//! The views of a chart: what people want to read of it without pulling it.

mod tree;

use std::io::Read;

use portolan_plugin_sdk::{Artifact, Content, Error, Options, View, ViewOption};
use serde_json::{Value, json};

use crate::chart::package::{self, FILE_BYTES_MAX};
use crate::chart::{Chart, File, VALUES};
use crate::opened;

/// The most bytes of a view.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

const README: &str = "readme";
const VALUES_VIEW: &str = "values";
const CHART: &str = "chart";
const FILES: &str = "files";
const FILE: &str = "file";
const TEMPLATES: &str = "templates";
const PATH: &str = "path";

const MARKDOWN: &str = "text/markdown; charset=utf-8";
const YAML: &str = "application/yaml";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// Returns the views that a chart can have.
pub fn views() -> Vec<View> {
    vec![
        View::new(README, "Readme", MARKDOWN),
        View::new(VALUES_VIEW, "Default values", YAML),
        View::new(CHART, "Metadata", JSON),
        View::new(TEMPLATES, "Templates", JSON),
        View::new(FILES, "Files", JSON),
        View::new(FILE, "File", BYTES)
            .option(ViewOption::new(PATH, "The path of the file below the folder of the chart.").required()),
    ]
}

/// Renders a view.
pub fn render(artifact: &Artifact, view: &str, options: &Options) -> Result<Content, Error> {
    if view == FILE {
        let path = options
            .get(PATH)
            .ok_or_else(|| Error::new(Error::INVALID, "The option path is missing: it names the file."))?;
        let layer = opened::chart_layer(artifact)?;
        return file(artifact.open(&layer.digest)?.reader(), path);
    }
    let chart = opened::sound_chart(artifact)?;
    let content = of_chart(&chart, view)?;
    if content.body.len() > BODY_BYTES_MAX {
        return Err(too_large(view));
    }
    Ok(content)
}

/// Renders a view that needs nothing but what is kept of a chart.
fn of_chart(chart: &Chart, view: &str) -> Result<Content, Error> {
    match view {
        README => of_file(chart.readme(), MARKDOWN, "The chart has no readme."),
        VALUES_VIEW => of_file(
            chart.file(VALUES),
            YAML,
            "The chart has no values.yaml, and so no default values.",
        ),
        CHART => Ok(pretty(&serde_json::to_value(&chart.metadata).unwrap_or_default())),
        FILES => Ok(Content::json(&tree::of(&chart.root, &chart.files))),
        TEMPLATES => templates(chart),
        _ => Err(Error::new(Error::NOT_FOUND, format!("Charts have no view called {view:?}."))),
    }
}

fn of_file(file: Option<&File>, media_type: &str, absent: &str) -> Result<Content, Error> {
    let content = file.and_then(|file| file.content.as_deref());
    let content = content.ok_or_else(|| Error::new(Error::NOT_FOUND, absent))?;
    Ok(Content::new(media_type, String::from_utf8_lossy(content).into_owned()))
}

fn pretty(document: &Value) -> Content {
    Content::new(JSON, format!("{document:#}\n"))
}

/// Lists the templates with their source, in the order of their names.
fn templates(chart: &Chart) -> Result<Content, Error> {
    let mut templates: Vec<&File> = chart.templates().collect();
    if templates.is_empty() {
        return Err(Error::new(Error::NOT_FOUND, "The chart has no templates."));
    }
    let bytes: u64 = templates.iter().map(|template| template.size).sum();
    if bytes > BODY_BYTES_MAX as u64 {
        return Err(too_large(TEMPLATES));
    }
    templates.sort_by(|left, right| left.path.cmp(&right.path));
    let source = |template: &File| String::from_utf8_lossy(template.content.as_deref().unwrap_or_default()).into_owned();
    let listed: Vec<Value> = templates
        .into_iter()
        .map(|template| json!({ "name": template.path, "source": source(template) }))
        .collect();
    Ok(Content::json(&json!(listed)))
}

fn too_large(view: &str) -> Error {
    let message = format!("The view {view:?} of this chart has more than {BODY_BYTES_MAX} bytes. Ask for single files instead.");
    Error::new(Error::LIMIT, message)
}

/// Reads one file out of the package, of whatever kind it is.
fn file<R: Read>(package: R, path: &str) -> Result<Content, Error> {
    let mut found = None;
    package::walk(package, |member, reader| {
        if member.path == path {
            found = Some(package::content(reader, path)?);
        }
        Ok(())
    })
    .map_err(|fault| Error::new(Error::INVALID, fault.message))?;
    let bytes = found.ok_or_else(|| {
        Error::new(
            Error::NOT_FOUND,
            format!("The chart has no file {path:?}. The view files lists all."),
        )
    })?;
    Ok(Content::new(media_type(path, &bytes), bytes))
}

const _: () = assert!(
    FILE_BYTES_MAX <= BODY_BYTES_MAX as u64,
    "every file of a chart fits into a view"
);

/// The media type of a file. Text is shown; what a browser could run is text as well, because it comes from strangers.
fn media_type(path: &str, bytes: &[u8]) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let is_text = std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("tgz" | "gz") => "application/gzip",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ if !is_text => BYTES,
        Some("yaml" | "yml") if !path.starts_with("templates/") => YAML,
        Some("json") => JSON,
        Some("md") => MARKDOWN,
        _ => TEXT,
    }
}

#[cfg(test)]
mod tests {
    use crate::chart::Metadata;
    use crate::testing::Package;

    use super::*;

    fn file_of(path: &str, content: &str) -> File {
        File {
            path: path.into(),
            size: content.len() as u64,
            content: Some(content.into()),
        }
    }

    fn chart() -> Chart {
        Chart {
            root: "web".into(),
            files: vec![
                file_of("Chart.yaml", "name: web\n"),
                file_of("values.yaml", "# how many\nreplicas: 1\n"),
                file_of("README.md", "# Web"),
                file_of("templates/b.yaml", "kind: B"),
                file_of("templates/a.yaml", "kind: {{ .Values.a }}"),
            ],
            metadata: Metadata {
                name: "web".into(),
                version: "1.0.0".into(),
                ..Metadata::default()
            },
            ..Chart::default()
        }
    }

    fn rendered(chart: &Chart, view: &str) -> (String, String) {
        let content = of_chart(chart, view).unwrap();
        (content.media_type, String::from_utf8(content.body).unwrap())
    }

    #[test]
    fn views_show_the_chart() {
        let chart = chart();
        for (view, media_type, body) in [
            ("readme", MARKDOWN, "# Web"),
            ("values", YAML, "# how many\nreplicas: 1\n"),
            ("chart", JSON, "{\n  \"name\": \"web\",\n  \"version\": \"1.0.0\"\n}\n"),
            (
                "templates",
                JSON,
                r#"[{"name":"templates/a.yaml","source":"kind: {{ .Values.a }}"},{"name":"templates/b.yaml","source":"kind: B"}]"#,
            ),
        ] {
            assert_eq!(rendered(&chart, view), (media_type.to_owned(), body.to_owned()));
        }
    }

    #[test]
    fn what_a_chart_lacks_is_not_found() {
        for view in ["readme", "values", "templates", "other"] {
            let error = of_chart(&Chart::default(), view).unwrap_err();
            assert!(error.is(Error::NOT_FOUND), "{view}: {error}");
        }
        assert_eq!(rendered(&Chart::default(), "chart").1, "{}\n");
    }

    #[test]
    fn templates_beyond_the_bound_are_told() {
        let mut chart = chart();
        chart.files.push(File {
            path: "templates/c.yaml".into(),
            size: BODY_BYTES_MAX as u64,
            content: None,
        });
        assert!(of_chart(&chart, "templates").unwrap_err().is(Error::LIMIT));
    }

    #[test]
    fn views_are_declared_as_they_are_rendered() {
        let chart = chart();
        for view in views().iter().filter(|view| view.name != FILE) {
            assert_eq!(rendered(&chart, &view.name).0, view.media_type, "{}", view.name);
        }
    }

    #[test]
    fn single_files_are_read_out_of_the_package() {
        let package = Package::good().file("web/data.bin", b"a\0b").bytes();
        let content = file(package.as_slice(), "data.bin").unwrap();
        assert_eq!((content.media_type.as_str(), content.body.as_slice()), (BYTES, &b"a\0b"[..]));
        assert_eq!(file(package.as_slice(), "values.yaml").unwrap().body, b"replicas: 1\n");
        for path in ["web/values.yaml", "/values.yaml", "../web/values.yaml", "templates", ""] {
            assert!(file(package.as_slice(), path).unwrap_err().is(Error::NOT_FOUND), "{path}");
        }
        assert!(file(&b"no archive"[..], "values.yaml").unwrap_err().is(Error::INVALID));
    }

    #[test]
    fn files_have_a_media_type() {
        for (path, bytes, expected) in [
            ("values.yaml", &b"a: 1"[..], YAML),
            ("templates/a.yaml", b"{{ x }}", TEXT),
            ("templates/NOTES.txt", b"Hello", TEXT),
            ("values.schema.json", b"{}", JSON),
            ("docs/README.MD", b"# Hi", MARKDOWN),
            ("page.html", b"<script>", TEXT),
            ("icon.svg", b"<svg/>", TEXT),
            ("icon.png", b"\x89PNG", "image/png"),
            ("charts/a-1.tgz", b"\x1f\x8b\x08", "application/gzip"),
            ("values.yaml", b"\xff\xfe", BYTES),
            ("LICENSE", b"Text", TEXT),
            ("data", b"a\0b", BYTES),
        ] {
            assert_eq!(media_type(path, bytes), expected, "{path}");
        }
    }
}
