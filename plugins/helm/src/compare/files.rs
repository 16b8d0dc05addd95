//! Which files a chart has before and after, told apart by what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use portolan_plugin_sdk::{Error, Severity};
use sha2::{Digest, Sha256};

use crate::chart::Fault;
use crate::chart::package;

use super::collect::{Changes, Group};

/// The size and hash of every file by its path.
pub type Inventory = BTreeMap<String, Print>;

/// What tells a file from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Print {
    size: u64,
    sha256: [u8; 32],
}

impl Print {
    /// Says it in words.
    fn text(&self) -> String {
        let hash: String = self.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} bytes, sha256:{hash}", self.size)
    }
}

/// Reads every file of a package once.
pub fn inventory<R: Read>(package: R) -> Result<Inventory, Error> {
    let mut inventory = Inventory::new();
    let mut buffer = vec![0; 64 * 1024];
    package::walk(package, |member, reader| {
        let sha256 = hash(reader, &mut buffer).map_err(|error| Fault::new("helm/archive-unreadable", error))?;
        let size = member.size;
        inventory.insert(member.path.clone(), Print { size, sha256 });
        Ok(())
    })
    .map_err(|fault| Error::new(Error::INVALID, fault.message))?;
    Ok(inventory)
}

fn hash(reader: &mut dyn Read, buffer: &mut [u8]) -> Result<[u8; 32], String> {
    let mut hasher = Sha256::new();
    loop {
        match reader
            .read(buffer)
            .map_err(|error| format!("A file of the chart cannot be read: {error}."))?
        {
            0 => return Ok(hasher.finalize().into()),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// Notes files that came, went or changed.
pub(super) fn compare(old: &Inventory, new: &Inventory, changes: &mut Changes) {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for path in paths {
        let (before, after) = (old.get(path), new.get(path));
        if before == after {
            continue;
        }
        let text = |print: Option<&Print>| print.map(Print::text);
        let (before, after) = (text(before), text(after));
        let severity = severity(path, after.is_none());
        changes.note(Group::Files, path, before.as_deref(), after.as_deref(), severity);
    }
}

/// Definitions that go take what was made by them along; templates change what is installed; the rest is for readers.
fn severity(path: &str, is_removed: bool) -> Severity {
    match path.split_once('/') {
        Some(("crds", _)) if is_removed => Severity::High,
        Some(("crds", _)) => Severity::Medium,
        Some(("templates", _)) => Severity::Low,
        None if path == "values.schema.json" => Severity::Low,
        _ => Severity::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_compared() {
        let inventory = |files: &[(&str, u64)]| {
            files
                .iter()
                .map(|(path, size)| {
                    let print = Print {
                        size: *size,
                        sha256: [0; 32],
                    };
                    ((*path).into(), print)
                })
                .collect::<Inventory>()
        };
        let old = inventory(&[("README.md", 1), ("crds/a.yaml", 2), ("templates/a.yaml", 3), ("same", 4)]);
        let new = inventory(&[
            ("README.md", 9),
            ("templates/b.yaml", 3),
            ("same", 4),
            ("values.schema.json", 5),
        ]);
        let mut changes = Changes::default();
        compare(&old, &new, &mut changes);
        let lines: Vec<String> = changes
            .finish()
            .iter()
            .map(|change| format!("{} {} {:?}", change.kind, change.path, change.severity))
            .collect();
        assert_eq!(
            lines,
            [
                "changed files/README.md Info",
                "removed files/crds/a.yaml High",
                "removed files/templates/a.yaml Low",
                "added files/templates/b.yaml Low",
                "added files/values.schema.json Low",
            ]
        );
    }
}
