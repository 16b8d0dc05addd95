//! The files of the repository.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

/// One text file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path from the top of the repository.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    /// Returns the text before the module of unit tests, which ends a file.
    pub(crate) fn production(&self) -> &str {
        let end = self.text.find("\n#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        self.text.get(..end).unwrap_or_default()
    }

    /// Says whether the whole file is a module of unit tests, or one of the files below it.
    pub(crate) fn is_test(&self) -> bool {
        let names = ["tests", "suite"];
        let is_below = |part: &OsStr| names.iter().any(|name| part == *name);
        let inside = self.path.iter().skip_while(|part| *part != "src").any(is_below);
        inside || self.path.file_stem().is_some_and(is_below)
    }
}

/// Returns the top of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder of the repository")
}

/// Returns the text files under a folder whose names end in one of the extensions.
pub(crate) fn sources(folder: &str, extensions: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![repository().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let known = path
                .extension()
                .is_some_and(|extension| extensions.iter().any(|known| extension == *known));
            if path.is_dir() && name != "target" && name != ".git" {
                folders.push(path);
            } else if known {
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                sources.push(Source {
                    path: path.strip_prefix(repository()).unwrap().to_path_buf(),
                    text,
                });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!sources.is_empty(), "no file under {folder}");
    sources
}

/// Returns all Rust files.
pub(crate) fn rust() -> Vec<Source> {
    let folders = ["gateway", "plugin-sdk", "plugins", "tests", "examples", "xtask"];
    folders.iter().flat_map(|folder| sources(folder, &["rs"])).collect()
}

/// Fails with all complaints at once.
pub(crate) fn assert_none(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}:\n{}", complaints.join("\n"));
}
