//! What of the things that manifests name a repository holds, asked for all of them at once.
//!
//! A list of edges has one text for each: a digit for its kind, its size in nineteen digits, and its digest. The database takes such texts
//! apart with less work than arrays.

use std::fmt::Write as _;

use rusqlite::Row;

use super::{
    Edge,
    columns::{edge_kind, signed, unsigned},
    dialect::{listed, position, text},
};

/// The position of each edge in a list and the size of what it names, where a repository holds it.
pub(super) const HELD: &str = concat!(
    "SELECT ",
    position!(),
    ", CASE substr(",
    text!(),
    ", 1, 1) WHEN '2' THEN (SELECT a.size FROM artifacts a WHERE a.digest = substr(",
    text!(),
    ", 21) AND a.repository_id = r.id)
    ELSE (SELECT b.size FROM links l JOIN blobs b ON b.digest = l.digest AND b.state = 0
        WHERE l.digest = substr(",
    text!(),
    ", 21) AND l.repository_id = r.id) END FROM repositories r CROSS JOIN ",
    listed!("?2"),
    " WHERE r.name = ?1"
);

/// Stores a list of edges of an artifact.
pub(super) const ADD_EDGES: &str = concat!(
    "INSERT INTO edges (artifact_id, position, repository_id, kind, digest, size) SELECT ?1, ",
    position!(),
    ", ?2, CAST(substr(",
    text!(),
    ", 1, 1) AS BIGINT), substr(",
    text!(),
    ", 21), CAST(substr(",
    text!(),
    ", 2, 19) AS BIGINT) FROM ",
    listed!("?3")
);

/// How long an element of a list usually is, in bytes.
const ELEMENT: usize = 95;

/// Writes a list of edges. Nothing in a digest means something to JSON.
pub(super) fn list<'a>(edges: impl ExactSizeIterator<Item = &'a Edge>) -> String {
    let mut list = String::with_capacity(2 + ELEMENT * edges.len());
    for edge in edges {
        list.push(if list.is_empty() { '[' } else { ',' });
        let (kind, size) = (edge_kind(edge.kind), signed(edge.size));
        write!(list, "\"{kind}{size:019}{}\"", edge.digest.as_str()).expect("a text takes everything");
    }
    list.push_str(if list.is_empty() { "[]" } else { "]" });
    list
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
