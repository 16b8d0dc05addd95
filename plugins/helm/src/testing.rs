//! Charts for tests, packed in memory.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use tar::{Builder, EntryType, Header};

use crate::chart::Chart;

/// A packaged chart in the making. Paths are stored as they are given, so that charts can be as bad as a test needs them.
#[derive(Default)]
pub(crate) struct Package {
    entries: Vec<(String, EntryType, Vec<u8>)>,
}

impl Package {
    /// Starts with nothing.
    pub(crate) fn empty() -> Package {
        Package::default()
    }

    /// Starts with a chart that nobody has anything to say about: `web` 1.0.0.
    pub(crate) fn good() -> Package {
        Package::empty()
            .file(
                "web/Chart.yaml",
                "apiVersion: v2\nname: web\nversion: \"1.0.0\"\nappVersion: \"2.1\"\ndescription: Serves pages.\nicon: https://example.com/icon.svg\n",
            )
            .file("web/values.yaml", "replicas: 1\n")
            .file("web/templates/deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\n")
    }

    /// Adds a file, or replaces the one that is there.
    pub(crate) fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Package {
        self.entries.retain(|(known, ..)| known != path);
        self.again(path, content)
    }

    /// Adds a file even where one of the same path is there.
    pub(crate) fn again(self, path: &str, content: impl Into<Vec<u8>>) -> Package {
        self.entry(path, EntryType::Regular, content)
    }

    /// Adds an entry of any type; the content of a link is where it leads.
    pub(crate) fn entry(mut self, path: &str, kind: EntryType, content: impl Into<Vec<u8>>) -> Package {
        self.entries.push((path.to_owned(), kind, content.into()));
        self
    }

    /// Leaves out a file.
    pub(crate) fn without(mut self, path: &str) -> Package {
        self.entries.retain(|(known, ..)| known != path);
        self
    }

    /// Packs everything.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, kind, content) in &self.entries {
            let mut header = Header::new_gnu();
            // The name is written byte for byte: the setter refuses what tests are about.
            let name = &mut header.as_old_mut().name;
            name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            let is_link = kind.is_symlink() || kind.is_hard_link();
            if is_link {
                header.set_link_name_literal(content).unwrap();
            }
            let content: &[u8] = if is_link { &[] } else { content };
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content).unwrap();
        }
        let mut encoder = builder.into_inner().unwrap();
        encoder.flush().unwrap();
        encoder.finish().unwrap()
    }

    /// Packs everything and reads it as a chart.
    pub(crate) fn chart(&self) -> Chart {
        Chart::read(self.bytes().as_slice()).unwrap()
    }
}
