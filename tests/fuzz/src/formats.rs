//! The formats that are compared, one file each: how inputs are made, and what our reader sees in them.
//!
//! A new format is a line in [`ALL`], a file here, and a reader of the same name in the oracle.

pub mod chart;
mod entries;
pub mod gzip;
pub mod json;
pub mod manifest;
pub mod tar;
pub mod yaml;
pub mod zip;

use crate::{choices::Choices, oracle::Reading};

/// One format.
#[derive(Debug)]
pub struct Format {
    /// Its name, here and in the oracle.
    pub name: &'static str,
    /// Makes an input.
    pub generate: fn(&mut Choices) -> Vec<u8>,
    /// Says what our reader sees in an input, in the form in which the oracle says it for the stock reader.
    pub read: fn(&[u8]) -> Reading,
}

/// All formats.
pub const ALL: &[Format] = &[
    Format {
        name: "tar",
        generate: tar::generate,
        read: tar::read,
    },
    Format {
        name: "zip",
        generate: zip::generate,
        read: zip::read,
    },
    Format {
        name: "gzip",
        generate: gzip::generate,
        read: gzip::read,
    },
    Format {
        name: "json",
        generate: json::generate,
        read: json::read,
    },
    Format {
        name: "manifest",
        generate: manifest::generate,
        read: manifest::read,
    },
    Format {
        name: "yaml",
        generate: yaml::generate,
        read: yaml::read,
    },
    Format {
        name: "values",
        generate: yaml::generate,
        read: yaml::read_values,
    },
    Format {
        name: "metadata",
        generate: yaml::generate_metadata,
        read: yaml::read_metadata,
    },
    Format {
        name: "chart",
        generate: chart::generate,
        read: chart::read,
    },
];

/// Returns the format of a name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Format> {
    ALL.iter().find(|format| format.name == name)
}
