//! What there is to collect.

use rusqlite::{Row, params};

use crate::{
    metadata::{
        BlobRecord, BlobRow, Garbage, GarbageCount, LeaseCursor, Metadata, MetadataError,
        columns::{limit, parsed, signed, unsigned},
        dialect::by_index,
        readers::Read,
    },
    oci::{Digest, Location, Repository},
};

const DUE: &str = concat!(
    "SELECT l.until, l.repository_id, r.name, l.digest FROM leases l",
    by_index!("leases_by_time"),
    " JOIN repositories r ON r.id = l.repository_id
    WHERE l.until <= ?1 AND (l.until, l.digest, l.repository_id) > (?2, ?3, ?4) ORDER BY l.until, l.digest, l.repository_id LIMIT ?5"
);
const UNNAMED: &str = "SELECT count(*), CAST(coalesce(sum(b.size), 0) AS BIGINT) FROM leases l JOIN blobs b ON b.digest = l.digest
    WHERE l.until <= ?1 AND NOT EXISTS (SELECT 1 FROM edges e WHERE e.digest = l.digest AND e.repository_id = l.repository_id AND e.kind < 2)";
const GARBAGE: &str = concat!(
    "SELECT since, location, size FROM garbage",
    by_index!("garbage_by_time"),
    " WHERE (since, location) > (?1, ?2) ORDER BY since, location LIMIT ?3"
);
const GARBAGE_COUNT: &str = concat!(
    "SELECT count(*), CAST(coalesce(sum(size), 0) AS BIGINT), coalesce(min(since), 0) FROM garbage",
    by_index!("garbage_by_time"),
    "
    WHERE since >= 0"
);
const WRITTEN: &str = "SELECT clean FROM collection WHERE id = 1";
const LED_TO: &str = "SELECT 1 FROM blobs WHERE digest = ?1 AND location = ?2";
const WHOLE: &str = "SELECT size, location FROM blobs WHERE digest = ?1 AND state = 0";

const BLOBS: &str = "SELECT digest, location, size, state FROM blobs WHERE digest > ?1 ORDER BY digest LIMIT ?2";
const KNOWN: &str = concat!(
    "SELECT 1 FROM blobs WHERE digest = ?1 AND location = ?2
    UNION ALL SELECT 1 FROM garbage WHERE location = ?2
    UNION ALL SELECT 1 FROM uploads",
    by_index!("uploads_by_digest"),
    " WHERE state = 1 AND digest = ?1 LIMIT 1"
);

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[DUE, UNNAMED, GARBAGE, GARBAGE_COUNT, WRITTEN, LED_TO, WHOLE, BLOBS, KNOWN];

impl Metadata {
    /// Returns up to `n` links whose lease ended by a time, in seconds since 1970, those that ended first in front, behind a cursor; and
    /// the cursor of the last one.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn ended_leases(
        &self,
        now: u64,
        after: Option<&LeaseCursor>,
        n: usize,
    ) -> Result<Vec<(LeaseCursor, Repository, Digest)>, MetadataError> {
        let (until, digest, repository) = after.cloned().unwrap_or((-1, String::new(), 0));
        let link = |row: &Row<'_>| {
            let digest: String = row.get(3)?;
            Ok(((row.get(0)?, digest, row.get(1)?), parsed(row, 2)?, parsed(row, 3)?))
        };
        let work = move |read: &Read<'_>| {
            let params = params![signed(now), until, digest, repository, limit(n)];
            read.rows(DUE, params, link)
        };
        self.readers().read(work).await
    }

    /// Returns how many links nothing names whose lease ended by a time, and how many bytes their blobs have: what a collection would hide.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn unnamed_links(&self, now: u64) -> Result<(u64, u64), MetadataError> {
        self.readers().read(move |read| unnamed_links(read, now)).await
    }

    /// Returns up to `n` pieces of garbage, the oldest first, behind one of them.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn garbage(&self, after: Option<&Garbage>, n: usize) -> Result<Vec<Garbage>, MetadataError> {
        let (since, location) = after.map_or((-1, String::new()), |after| (signed(after.since), after.location.to_string()));
        let garbage = |row: &Row<'_>| {
            Ok(Garbage {
                since: unsigned(row, 0)?,
                location: parsed(row, 1)?,
                size: unsigned(row, 2)?,
            })
        };
        let work = move |read: &Read<'_>| read.rows(GARBAGE, params![since, location, limit(n)], garbage);
        self.readers().read(work).await
    }

    /// Counts the garbage.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn garbage_count(&self) -> Result<GarbageCount, MetadataError> {
        self.readers().read(garbage_count).await
    }

    /// Says whether all leases were written when the gateway stopped.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn leases_were_written(&self) -> Result<bool, MetadataError> {
        let written = self.readers().look_up(|read| read.row(WRITTEN, [], |row| row.get(0))).await;
        Ok(written?.unwrap_or(false))
    }

    /// Says whether a digest leads to a location.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn leads_to(&self, digest: &Digest, location: &Location) -> Result<bool, MetadataError> {
        let (digest, location) = (digest.clone(), location.clone());
        self.readers().look_up(move |read| leads_to(read, &digest, &location)).await
    }

    /// Returns a blob that any repository sees and that is not known to be spoilt.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn whole_blob(&self, digest: &Digest) -> Result<Option<BlobRecord>, MetadataError> {
        let blob = |row: &Row<'_>| {
            Ok(BlobRecord {
                size: unsigned(row, 0)?,
                location: parsed(row, 1)?,
            })
        };
        let digest = digest.clone();
        self.readers()
            .look_up(move |read| read.row(WHOLE, [digest.as_str()], blob))
            .await
    }

    /// Returns up to `n` blobs, sorted by digest, behind one of them.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn blobs(&self, after: Option<&Digest>, n: usize) -> Result<Vec<BlobRow>, MetadataError> {
        let after = after.cloned();
        self.readers().read(move |read| blobs(read, after.as_ref(), n)).await
    }

    /// Says whether anything knows of content: a blob lies there, it is garbage, or an upload is becoming content of its digest.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn is_location_known(&self, digest: &Digest, location: &Location) -> Result<bool, MetadataError> {
        let (digest, location) = (digest.clone(), location.clone());
        let work = move |read: &Read<'_>| Ok(read.row(KNOWN, [digest.as_str(), location.as_str()], |_| Ok(()))?.is_some());
        self.readers().look_up(work).await
    }
}

pub(in crate::metadata) fn unnamed_links(read: &Read<'_>, now: u64) -> Result<(u64, u64), MetadataError> {
    let counted = read.row(UNNAMED, [signed(now)], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))?;
    Ok(counted.unwrap_or_default())
}

pub(in crate::metadata) fn garbage_count(read: &Read<'_>) -> Result<GarbageCount, MetadataError> {
    let made = |row: &Row<'_>| {
        Ok(GarbageCount {
            count: unsigned(row, 0)?,
            bytes: unsigned(row, 1)?,
            oldest: Some(unsigned(row, 2)?).filter(|since| *since > 0),
        })
    };
    Ok(read.row(GARBAGE_COUNT, [], made)?.unwrap_or_default())
}

pub(in crate::metadata) fn leads_to(read: &Read<'_>, digest: &Digest, location: &Location) -> Result<bool, MetadataError> {
    let found = read.row(LED_TO, [digest.as_str(), location.as_str()], |_| Ok(()))?;
    Ok(found.is_some())
}

pub(in crate::metadata) fn blobs(read: &Read<'_>, after: Option<&Digest>, n: usize) -> Result<Vec<BlobRow>, MetadataError> {
    let made = |row: &Row<'_>| {
        Ok(BlobRow {
            digest: parsed(row, 0)?,
            location: parsed(row, 1)?,
            size: unsigned(row, 2)?,
            is_whole: row.get::<_, i64>(3)? == 0,
        })
    };
    read.rows(BLOBS, params![after.map_or("", Digest::as_str), limit(n)], made)
}
