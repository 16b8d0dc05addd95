//! The files of a chart as a tree.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::chart::File;

/// A folder that is being filled.
#[derive(Default)]
struct Folder<'a> {
    folders: BTreeMap<&'a str, Folder<'a>>,
    files: BTreeMap<&'a str, u64>,
}

/// How deep folders are told apart. Below that the rest of a path is a name: no chart for people is that deep.
const DEPTH_MAX: usize = 32;

/// Makes the tree of a chart: folders first, each with the size of what is in it, everything by name.
pub(super) fn of(root: &str, files: &[File]) -> Value {
    let mut top = Folder::default();
    for file in files {
        let mut parts = file.path.splitn(DEPTH_MAX, '/').peekable();
        let mut folder = &mut top;
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                folder = folder.folders.entry(part).or_default();
            } else {
                folder.files.insert(part, file.size);
            }
        }
    }
    top.shown(root).0
}

impl Folder<'_> {
    fn shown(&self, name: &str) -> (Value, u64) {
        let mut size = 0;
        let mut children = Vec::with_capacity(self.folders.len() + self.files.len());
        for (name, folder) in &self.folders {
            let (child, bytes) = folder.shown(name);
            children.push(child);
            size += bytes;
        }
        for (name, bytes) in &self.files {
            children.push(json!({ "name": name, "type": "file", "size": bytes }));
            size += bytes;
        }
        (
            json!({ "name": name, "type": "directory", "size": size, "children": children }),
            size,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_hold_files_and_sizes_add_up() {
        let files = [
            ("Chart.yaml", 10),
            ("templates/a.yaml", 5),
            ("templates/tests/b.yaml", 7),
            ("README.md", 1),
        ];
        let files = files.map(|(path, size)| File {
            path: path.into(),
            size,
            content: None,
        });
        let file = |name: &str, size: u64| json!({ "name": name, "type": "file", "size": size });
        let folder = |name: &str, size: u64, children: Value| json!({ "name": name, "type": "directory", "size": size, "children": children });
        let tests = folder("tests", 7, json!([file("b.yaml", 7)]));
        let templates = folder("templates", 12, json!([tests, file("a.yaml", 5)]));
        assert_eq!(
            of("web", &files),
            folder("web", 23, json!([templates, file("Chart.yaml", 10), file("README.md", 1)]))
        );
    }

    #[test]
    fn deep_paths_do_not_nest_without_end() {
        let files = [File {
            path: format!("{}x", "a/".repeat(500)),
            size: 1,
            content: None,
        }];
        let text = of("web", &files).to_string();
        assert_eq!(text.matches("directory").count(), DEPTH_MAX);
    }
}
