//! Upload sessions.

use rusqlite::{Row, params};

use crate::metadata::{
    Metadata, MetadataError, UnfinishedUpload, UnfinishedUploads, UploadRecord,
    columns::{limit, parsed, read_upload_state, signed, unsigned},
    dialect::by_index,
    readers::Read,
};

const KEY: &str = "SELECT key FROM upload_key WHERE id = 1";
const UPLOAD: &str = "SELECT id, repository, acknowledged, algorithm, hash_state, token, hash_version, state, digest FROM uploads
    WHERE id = ?1";
const COMPLETING: &str = concat!(
    "SELECT id, repository FROM uploads",
    by_index!("uploads_completing"),
    " WHERE state = 1 AND id > ?1 ORDER BY id LIMIT ?2"
);
const IDLE: &str = "SELECT id, used, token, digest FROM uploads
    WHERE state < 2 AND used < ?1 AND (used, id) > (?2, ?3) ORDER BY used, id LIMIT ?4";
const ONE_UNFINISHED: &str = "SELECT id, used, token, digest FROM uploads WHERE state < 2 AND id = ?1";
const UNFINISHED: &str = "SELECT (SELECT count(*) FROM (SELECT 1 FROM uploads WHERE state < 2 AND used >= 0 LIMIT ?1) counted),
    coalesce((SELECT min(used) FROM uploads WHERE state < 2), 0)";
// A peer is text, so that the condition holds for each: it lets the index be searched.
const PEERS: &str = concat!(
    "SELECT peer, count(*) FROM uploads",
    by_index!("uploads_by_peer"),
    " WHERE state < 2 AND peer >= '' GROUP BY peer"
);
const HELD: &str = concat!(
    "SELECT count(*) FROM uploads",
    by_index!("uploads_by_peer"),
    " WHERE state < 2 AND peer = ?1"
);
const OF_PEER: &str = concat!(
    "SELECT id, used, token, digest FROM uploads",
    by_index!("uploads_by_peer"),
    " WHERE state < 2 AND peer = ?1 ORDER BY used, id LIMIT ?2"
);
const TOKEN: &str = "SELECT 1 FROM uploads WHERE state < 2 AND token = ?1";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    KEY,
    UPLOAD,
    COMPLETING,
    IDLE,
    ONE_UNFINISHED,
    UNFINISHED,
    PEERS,
    HELD,
    OF_PEER,
    TOKEN,
];

impl Metadata {
    /// Returns what the names of sessions are signed with.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn upload_key(&self) -> Result<Vec<u8>, MetadataError> {
        let found = self.readers().look_up(|read| read.row(KEY, [], |row| row.get(0))).await;
        Ok(found?.unwrap_or_default())
    }

    /// Returns an upload session that has a row.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn upload(&self, id: &str) -> Result<Option<UploadRecord>, MetadataError> {
        let id = id.to_owned();
        self.readers().look_up(move |read| read.row(UPLOAD, [id], read_upload)).await
    }

    /// Returns up to `n` sessions that are becoming content and their repositories, from behind a session on.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn completing_uploads(&self, after: &str, n: usize) -> Result<Vec<(String, String)>, MetadataError> {
        let after = after.to_owned();
        let work = move |read: &Read<'_>| read.rows(COMPLETING, params![after, limit(n)], |row| Ok((row.get(0)?, row.get(1)?)));
        self.readers().read(work).await
    }

    /// Returns up to `n` sessions that have not ended and were last written to before a time, in seconds since 1970, the oldest first,
    /// from behind one of them on.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn idle_uploads(
        &self,
        before: u64,
        after: Option<&UnfinishedUpload>,
        n: usize,
    ) -> Result<Vec<UnfinishedUpload>, MetadataError> {
        let (used, id) = after.map_or((-1, String::new()), |after| (signed(after.used), after.id.clone()));
        let work = move |read: &Read<'_>| read.rows(IDLE, params![signed(before), used, id, limit(n)], read_unfinished);
        self.readers().read(work).await
    }

    /// Returns a session that has not ended.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn unfinished_upload(&self, id: &str) -> Result<Option<UnfinishedUpload>, MetadataError> {
        let id = id.to_owned();
        self.readers()
            .look_up(move |read| read.row(ONE_UNFINISHED, [id], read_unfinished))
            .await
    }

    /// Returns how many sessions have not ended, counting no further than `n`.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn unfinished_uploads(&self, n: usize) -> Result<UnfinishedUploads, MetadataError> {
        let count = |row: &Row<'_>| {
            Ok(UnfinishedUploads {
                count: usize::try_from(unsigned(row, 0)?).unwrap_or(usize::MAX),
                oldest: unsigned(row, 1)?,
            })
        };
        let counted = self.readers().read(move |read| read.row(UNFINISHED, [limit(n)], count)).await;
        Ok(counted?.unwrap_or(UnfinishedUploads { count: 0, oldest: 0 }))
    }

    /// Returns up to `n` sessions that have not ended of the peer that has most of them, the oldest first, where that peer still has as
    /// many as another one when it gives one of them to it.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn uploads_beyond_share(&self, peer: &str, n: usize) -> Result<Vec<UnfinishedUpload>, MetadataError> {
        let peer = peer.to_owned();
        let work = move |read: &Read<'_>| {
            let held: i64 = read.row(HELD, [peer], |row| row.get(0))?.unwrap_or(0);
            let peers = read.rows(PEERS, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
            match peers.into_iter().max_by_key(|(_, held)| *held) {
                Some((holder, most)) if most > held + 1 => read.rows(OF_PEER, params![holder, limit(n)], read_unfinished),
                _ => Ok(Vec::new()),
            }
        };
        self.readers().read(work).await
    }

    /// Says whether a session that has not ended writes with a token of the storage.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn has_upload_token(&self, token: &str) -> Result<bool, MetadataError> {
        self.has(TOKEN, token.to_owned()).await
    }

    async fn has(&self, sql: &'static str, key: String) -> Result<bool, MetadataError> {
        let work = move |read: &Read<'_>| Ok(read.row(sql, [key], |_| Ok(()))?.is_some());
        self.readers().look_up(work).await
    }
}

fn read_upload(row: &Row<'_>) -> rusqlite::Result<UploadRecord> {
    Ok(UploadRecord {
        id: row.get(0)?,
        progress: read_upload_state(row, 7)?,
        repository: parsed(row, 1)?,
        offset: unsigned(row, 2)?,
        algorithm: parsed(row, 3)?,
        hash_version: row.get(6)?,
        hash_state: row.get(4)?,
        token: row.get(5)?,
    })
}

fn read_unfinished(row: &Row<'_>) -> rusqlite::Result<UnfinishedUpload> {
    Ok(UnfinishedUpload {
        id: row.get(0)?,
        used: unsigned(row, 1)?,
        token: row.get(2)?,
        becoming: row.get(3)?,
    })
}
