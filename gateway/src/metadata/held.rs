//! What of the things that manifests name a repository holds, asked for all of them at once.

use rusqlite::Row;

use super::{
    Edge,
    columns::{edge_kind, signed, unsigned},
    dialect::{listed, number, position, text},
};

/// The position of each edge in a list and the size of what it names, where a repository holds it.
pub(super) const HELD: &str = concat!(
    "SELECT ",
    position!(),
    ", CASE ",
    number!(0),
    " WHEN 2 THEN (SELECT a.size FROM artifacts a WHERE a.digest = ",
    text!(1),
    " AND a.repository_id = r.id) ELSE (SELECT b.size FROM links l JOIN blobs b ON b.digest = l.digest AND b.state = 0 WHERE l.digest = ",
    text!(1),
    " AND l.repository_id = r.id) END FROM repositories r CROSS JOIN ",
    listed!("?2"),
    " WHERE r.name = ?1"
);

/// Writes edges as a list of kind, digest and size.
pub(super) fn list<'a>(edges: impl IntoIterator<Item = &'a Edge>) -> String {
    let rows = edges
        .into_iter()
        .map(|edge| (edge_kind(edge.kind), edge.digest.as_str(), signed(edge.size)));
    serde_json::to_string(&rows.collect::<Vec<_>>()).expect("numbers and texts are JSON")
}

/// Reads a row of [`HELD`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<(usize, Option<u64>)> {
    let position: i64 = row.get(0)?;
    let size = row.get::<_, Option<i64>>(1)?.map(|_| unsigned(row, 1)).transpose()?;
    Ok((usize::try_from(position).unwrap_or(usize::MAX), size))
}

/// Returns the sizes in the order of the list.
pub(super) fn in_order(rows: Vec<(usize, Option<u64>)>, n: usize) -> Vec<Option<u64>> {
    let mut sizes = vec![None; n];
    for (position, size) in rows {
        if let Some(slot) = sizes.get_mut(position) {
            *slot = size;
        }
    }
    sizes
}
