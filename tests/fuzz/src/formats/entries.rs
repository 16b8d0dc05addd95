//! What is seen of an archive: its entries, in the form that the oracle uses as well.

use std::io::Read;

use portolan_plugin_sdk::archive::{ArchiveError, Entry, Kind, Limits};
use serde_json::{Value, json};

use crate::bytes::hex;

/// Bounds that no generated input comes near, so that none is refused for its size.
pub(super) const LIMITS: Limits = Limits {
    entries_max: 5_000,
    entry_bytes_max: 4 << 20,
    total_bytes_max: 32 << 20,
    ratio_max: 2_000,
    path_bytes_max: 4_096,
};

/// Returns what is to be compared of an entry.
pub(super) fn seen(entry: &Entry, content: &mut dyn Read) -> Result<Value, ArchiveError> {
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    let is_link = matches!(entry.kind, Kind::Symlink | Kind::HardLink);
    let link = entry.link.as_deref().filter(|_| is_link).unwrap_or_default();
    Ok(json!({
        "path": one_mark(&entry.path),
        "kind": match entry.kind {
            Kind::File => "file",
            Kind::Directory => "directory",
            Kind::Symlink => "symlink",
            Kind::HardLink => "hardlink",
            Kind::Other => "other",
        },
        "link": one_mark(link),
        "content": hex(&bytes),
    }))
}

/// Readers count the replacement marks of a run of bytes that is no UTF-8 differently; for the comparison one counts.
fn one_mark(text: &str) -> String {
    let mut last = None;
    text.chars()
        .filter(|letter| last.replace(*letter) != Some('\u{fffd}') || *letter != '\u{fffd}')
        .collect()
}
