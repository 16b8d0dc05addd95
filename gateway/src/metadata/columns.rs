//! Values between rows and the vocabulary.

use std::{error::Error, str::FromStr};

use rusqlite::{Row, types::Type};
use serde::de::DeserializeOwned;

use super::{EdgeKind, JobKind, ManifestHead, Stamp, UploadProgress};
use crate::oci::{Digest, NameError, Tag};

/// Returns the error for a text that is not what only this gateway could have written.
pub(super) fn malformed(column: usize, error: impl Into<Box<dyn Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}

/// Reads a text that has a type of its own.
pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: Into<Box<dyn Error + Send + Sync>>,
{
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|error: T::Err| malformed(column, error))
}

/// Reads JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| malformed(column, error))
}

/// Reads a JSON array of tags.
pub(super) fn tags(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<Tag>> {
    let tags: Vec<&str> = serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| malformed(column, error))?;
    tags.into_iter()
        .map(|tag| tag.parse().map_err(|error: NameError| malformed(column, error)))
        .collect()
}

/// Reads a number that is never negative.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// Makes a number fit for a column. Sizes, times and limits beyond 2^63 - 1 are the same as that.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Makes a limit fit for a statement.
pub(super) fn limit(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Reads digest, media type and size, in this order.
pub(super) fn head(row: &Row<'_>, first: usize) -> rusqlite::Result<ManifestHead> {
    Ok(ManifestHead {
        digest: parsed(row, first)?,
        media_type: parsed(row, first + 1)?,
        size: unsigned(row, first + 2)?,
    })
}

/// Reads plugin, component and settings, in this order.
pub(super) fn stamp(row: &Row<'_>, first: usize) -> rusqlite::Result<Stamp> {
    Ok(Stamp {
        plugin: row.get(first)?,
        component: parsed(row, first + 1)?,
        settings: parsed(row, first + 2)?,
    })
}

/// Returns the number that stands for a kind of edge.
pub(super) fn edge_kind(kind: EdgeKind) -> i64 {
    match kind {
        EdgeKind::Config => 0,
        EdgeKind::Layer => 1,
        EdgeKind::Manifest => 2,
    }
}

/// Returns the number that stands for a kind of job.
pub(super) fn job_kind(kind: JobKind) -> i64 {
    match kind {
        JobKind::Index => 0,
        JobKind::Scan => 1,
    }
}

/// Reads a kind of job.
pub(super) fn read_job_kind(row: &Row<'_>, column: usize) -> rusqlite::Result<JobKind> {
    match row.get(column)? {
        0 => Ok(JobKind::Index),
        1 => Ok(JobKind::Scan),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(column, other)),
    }
}

/// Returns the number that stands for the state of a session that is open or, with a digest, completing.
pub(super) fn upload_state(completing: Option<&Digest>) -> i64 {
    i64::from(completing.is_some())
}

/// Reads the state of a session and its digest, in this order.
pub(super) fn read_upload_state(row: &Row<'_>, first: usize) -> rusqlite::Result<UploadProgress> {
    match row.get(first)? {
        0 => Ok(UploadProgress::Open),
        1 => Ok(UploadProgress::Completing(parsed(row, first + 1)?)),
        2 => Ok(UploadProgress::Done(parsed(row, first + 1)?)),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(first, other)),
    }
}

/// Says whether an error is about what a row holds: reading it again would say the same.
pub(super) fn is_unreadable(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    )
}
