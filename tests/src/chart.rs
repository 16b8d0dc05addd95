//! Charts, built in memory: good ones, and such as no `helm` would ever write.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

/// The media type of a chart's config.
pub const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// The media type of a chart's archive.
pub const CONTENT: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// The media type of a provenance file.
pub const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// A chart that is being built.
#[derive(Debug, Clone)]
pub struct Chart {
    name: String,
    version: String,
    files: Vec<(String, Vec<u8>)>,
}

impl Chart {
    /// A small chart that `helm` finds nothing wrong with.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        let chart = Self {
            name: name.into(),
            version: version.into(),
            files: Vec::new(),
        };
        chart
            .file(
                "Chart.yaml",
                format!(
                    "apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: \"1.0\"\ntype: application\ndescription: Serves {name}\n\
                     icon: https://example.com/icon.svg\n"
                ),
            )
            .file("values.yaml", "replicas: 1\nimage:\n  repository: example.com/web\n  tag: \"1.27\"\n")
            .file("README.md", format!("# {name}\n\nHow to use it.\n"))
            .file(
                "templates/service.yaml",
                "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  ports:\n    - port: 80\n",
            )
    }

    /// Adds or replaces a file, by its path inside of the chart.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.retain(|(other, _)| other != path);
        self.files.push((path.into(), content.into()));
        self
    }

    /// Leaves a file out.
    #[must_use]
    pub fn without(mut self, path: &str) -> Self {
        self.files.retain(|(other, _)| other != path);
        self
    }

    /// Returns the config that `helm push` would write for a chart whose Chart.yaml is the one of [`Chart::new`].
    #[must_use]
    pub fn config(&self) -> String {
        let (name, version) = (&self.name, &self.version);
        serde_json::json!({
            "name": name, "version": version, "description": format!("Serves {name}"), "apiVersion": "v2", "appVersion": "1.0",
            "type": "application", "icon": "https://example.com/icon.svg",
        })
        .to_string()
    }

    /// Returns the archive.
    ///
    /// # Errors
    /// When a path does not fit into an archive.
    pub fn archive(&self) -> anyhow::Result<Vec<u8>> {
        let entries = self
            .files
            .iter()
            .map(|(path, content)| Raw::file(&format!("{}/{path}", self.name), content.as_slice()));
        archive(&entries.collect::<Vec<_>>())
    }
}

/// One entry of an archive, with nothing of it checked.
#[derive(Debug, Clone)]
pub struct Raw {
    path: Vec<u8>,
    kind: tar::EntryType,
    link: Option<String>,
    content: Vec<u8>,
}

impl Raw {
    /// A file.
    #[must_use]
    pub fn file(path: &str, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            kind: tar::EntryType::Regular,
            link: None,
            content: content.into(),
        }
    }

    /// A link.
    #[must_use]
    pub fn link(path: &str, target: &str, kind: tar::EntryType) -> Self {
        Self {
            path: path.into(),
            kind,
            link: Some(target.into()),
            content: Vec::new(),
        }
    }
}

/// Returns a compressed archive of the entries.
///
/// # Errors
/// When a path does not fit into an archive.
pub fn archive(entries: &[Raw]) -> anyhow::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        // Written as it is: the library would refuse the paths that the tests are about.
        let name = header
            .as_old_mut()
            .name
            .get_mut(..entry.path.len())
            .ok_or_else(|| anyhow::anyhow!("a path is too long"))?;
        name.copy_from_slice(&entry.path);
        header.set_entry_type(entry.kind);
        if let Some(link) = &entry.link {
            header.set_link_name(link)?;
        }
        header.set_size(entry.content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, entry.content.as_slice())?;
    }
    let mut encoder = builder.into_inner()?;
    encoder.flush()?;
    Ok(encoder.finish()?)
}
