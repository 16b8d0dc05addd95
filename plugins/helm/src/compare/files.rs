//! Which files a chart has before and after, told apart by what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use portolan_plugin_sdk::{Error, Severity};
use sha2::{Digest, Sha256};

use crate::chart::Fault;
use crate::chart::package;

use super::collect::{Changes, Group};

/// The size and hash of every file by its path, in words.
pub(super) type Inventory = BTreeMap<String, String>;

/// Reads every file of a package once.
pub(super) fn inventory<R: Read>(package: R) -> Result<Inventory, Error> {
    let mut inventory = Inventory::new();
    let mut buffer = vec![0; 64 * 1024];
    package::walk(package, |member, reader| {
        let hash = hash(reader, &mut buffer).map_err(|error| Fault::new("helm/archive-unreadable", error))?;
        inventory.insert(member.path.clone(), format!("{} bytes, sha256:{hash}", member.size));
        Ok(())
    })
    .map_err(|fault| Error::new(Error::INVALID, fault.message))?;
    Ok(inventory)
}

fn hash(reader: &mut dyn Read, buffer: &mut [u8]) -> Result<String, String> {
    let mut hasher = Sha256::new();
    loop {
        match reader
            .read(buffer)
            .map_err(|error| format!("A file of the chart cannot be read: {error}."))?
        {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// Notes files that came, went or changed.
pub(super) fn compare(old: &Inventory, new: &Inventory, changes: &mut Changes) {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for path in paths {
        let (before, after) = (old.get(path).map(String::as_str), new.get(path).map(String::as_str));
        changes.note(Group::Files, path, before, after, severity(path, after.is_none()));
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
        let inventory = |files: &[(&str, &str)]| {
            files
                .iter()
                .map(|(path, word)| ((*path).into(), (*word).into()))
                .collect::<Inventory>()
        };
        let old = inventory(&[
            ("README.md", "1"),
            ("crds/a.yaml", "2"),
            ("templates/a.yaml", "3"),
            ("same", "4"),
        ]);
        let new = inventory(&[
            ("README.md", "9"),
            ("templates/b.yaml", "3"),
            ("same", "4"),
            ("values.schema.json", "5"),
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
