//! Inputs that are known to have been, or to be easily, understood differently: one file a format.

mod chart;
mod gzip;
mod json;
mod manifest;
mod tar;
mod yaml;
mod zip;

/// A known input.
#[derive(Debug)]
pub struct Shape {
    /// What it is, in a few words.
    pub name: String,
    /// A part of the error with which our reader refuses it, such as the rule; nothing where it has to be read, and then as the
    /// stock reader reads it.
    pub refused: Option<&'static str>,
    /// The bytes.
    pub input: Vec<u8>,
}

impl Shape {
    fn read(name: impl Into<String>, input: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            refused: None,
            input: input.into(),
        }
    }

    fn refused(name: impl Into<String>, error: &'static str, input: impl Into<Vec<u8>>) -> Self {
        Self {
            refused: Some(error),
            ..Self::read(name, input)
        }
    }
}

/// Returns the known inputs of a format.
#[must_use]
pub fn of(format: &str) -> Vec<Shape> {
    match format {
        "tar" => tar::all(),
        "zip" => zip::all(),
        "gzip" => gzip::all(),
        "json" => json::all(),
        "yaml" => yaml::documents(),
        "values" => yaml::values(),
        "metadata" => yaml::metadata(),
        "chart" => chart::all(),
        "manifest" => manifest::all(),
        _ => Vec::new(),
    }
}
