//! A packaged chart in memory: what Helm would make of it, and why it could not load it where that is so.
//!
//! Reading streams the archive and keeps only what the capabilities look at; of everything else it keeps path and size. It never
//! stops at the first fault of the content: a chart with several is told of all of them.

pub mod check;
pub mod fault;
pub mod keys;
mod load;
pub mod metadata;
pub mod package;
mod scalar;
pub mod source;
pub mod version;

use std::io::Read;

use portolan_plugin_sdk::yaml::Node;

pub use fault::Fault;
pub use metadata::{Dependency, Maintainer, Metadata};

/// The media type of the config: the metadata of the chart as JSON.
pub const CONFIG_TYPE: &str = "application/vnd.cncf.helm.config.v1+json";
/// The media type of the chart layer.
pub const CHART_TYPE: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// The media type of the chart layer in the first charts that were stored in registries.
pub const LEGACY_CHART_TYPE: &str = "application/tar+gzip";
/// The media type of the provenance layer.
pub const PROVENANCE_TYPE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// The chart format of Helm 2, which a chart has that names none.
pub const API_V1: &str = "v1";
/// The chart format of Helm 3 and 4.
pub const API_V2: &str = "v2";
/// A chart format that Helm reads only when told to.
pub const API_V3: &str = "v3";

/// A packaged chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// The folder that holds the chart inside the archive; the first, where the archive has several.
    pub root: String,
    /// Further folders of the archive that Helm takes for the chart too.
    pub other_roots: Vec<String>,
    /// Every file in the order of the archive.
    pub files: Vec<File>,
    /// What Chart.yaml says, with the dependencies of requirements.yaml; values of a wrong type are left out.
    pub metadata: Metadata,
    /// Chart.yaml with its positions, where it could be parsed.
    pub manifest: Option<Node>,
    /// requirements.yaml with its positions, where it exists and could be parsed.
    pub requirements: Option<Node>,
    /// values.yaml with its positions, its documents merged, where it exists and could be parsed.
    pub values: Option<Node>,
    /// The charts below charts/ that could be read.
    pub subcharts: Vec<Subchart>,
    /// Why Helm could not load the chart. A good chart has none.
    pub faults: Vec<Fault>,
    /// What reading the files of the chart itself came across and Helm forgives.
    pub notes: Vec<Fault>,
}

/// A file of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// The path below the folder of the chart.
    pub path: String,
    /// The size in bytes.
    pub size: u64,
    /// The bytes, without a byte order mark, where the file is of a kind that is kept.
    pub content: Option<Vec<u8>>,
}

/// A chart below charts/.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subchart {
    /// The name of the folder or file in charts/.
    pub entry: String,
    /// Whether it is packaged, a `.tgz`.
    pub packaged: bool,
    /// What its Chart.yaml says.
    pub metadata: Metadata,
}

impl Chart {
    /// Reads a packaged chart. Fails where the archive itself is at fault, so that there is no chart to speak of.
    pub fn read<R: Read>(package: R) -> Result<Chart, Fault> {
        load::read(package)
    }

    /// Finds a file by path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().rev().find(|file| file.path == path)
    }

    /// The text of a file by path, where it is kept and text.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.file(path).and_then(File::text)
    }

    /// The files below templates/.
    pub fn templates(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.starts_with("templates/"))
    }

    /// The definitions of custom resources that Helm installs from crds/.
    pub fn crds(&self) -> impl Iterator<Item = &File> {
        self.files
            .iter()
            .filter(|file| file.path.starts_with("crds/") && has_manifest_extension(&file.path))
    }

    /// Whether anything lies below a folder, given with its `/`.
    pub fn has_folder(&self, folder: &str) -> bool {
        self.files.iter().any(|file| file.path.starts_with(folder))
    }

    /// The readme, in whatever case and form its name is written.
    pub fn readme(&self) -> Option<&File> {
        let names = ["readme.md", "readme.txt", "readme"];
        names
            .iter()
            .find_map(|name| self.files.iter().find(|file| file.path.eq_ignore_ascii_case(name)))
    }

    /// The file that declares the dependencies, and its content.
    pub fn dependencies_source(&self) -> (&'static str, Option<&Node>) {
        match &self.requirements {
            Some(node) => (REQUIREMENTS, Some(node)),
            None => (MANIFEST, self.manifest.as_ref()),
        }
    }
}

impl File {
    /// The content as text, where it is kept and text.
    pub fn text(&self) -> Option<&str> {
        self.content.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

/// The file with the metadata.
pub const MANIFEST: &str = "Chart.yaml";
/// The file with the dependencies of charts of the first format.
pub const REQUIREMENTS: &str = "requirements.yaml";
/// The file with the default values.
pub const VALUES: &str = "values.yaml";
/// The file with the schema of the values.
pub const SCHEMA: &str = "values.schema.json";

/// Whether Helm takes a file in crds/ for a manifest.
fn has_manifest_extension(path: &str) -> bool {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    matches!(extension.as_deref(), Some("yaml" | "yml" | "json"))
}
