//! Upload sessions: a blob on its way in.
//!
//! A session lives in memory until bytes of it have been acknowledged; from then on a metadata row tells how many bytes are durable and
//! carries the state of the hasher, so that a session survives the gateway. One request writes to a session at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::{
    Blob, Body, Chunk, Registry, RegistryError,
    incoming::{Incoming, Limit, expect_digest, hash_stored, take_small},
    now_seconds,
};
use crate::{
    auth::{Action, Caller},
    metadata::{Command, SaveUpload, UploadRecord},
    oci::{Algorithm, Digest, Hasher, Repository},
    storage::StorageError,
};

/// The most sessions that one sweep ends.
const EXPIRED_AT_ONCE_MAX: usize = 100;

/// What is known of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadState {
    /// The session.
    pub id: String,
    /// The number of bytes it holds.
    pub offset: u64,
}

/// The sessions that this gateway has in memory.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Arc<AsyncMutex<Session>>>>);

/// One session.
struct Session {
    id: String,
    repository: Repository,
    incoming: Incoming,
    /// Whether a metadata row exists.
    saved: bool,
    used: Instant,
}

impl Session {
    fn new(id: String, repository: Repository, incoming: Incoming, saved: bool) -> Self {
        Self {
            id,
            repository,
            incoming,
            saved,
            used: Instant::now(),
        }
    }

    fn expect_start(&self, start: Option<u64>) -> Result<(), RegistryError> {
        match start.filter(|start| *start != self.incoming.offset) {
            Some(got) => Err(RegistryError::UploadRange {
                id: self.id.clone(),
                offset: self.incoming.offset,
                got,
            }),
            None => Ok(()),
        }
    }
}

impl Sessions {
    fn get(&self, id: &str) -> Option<Arc<AsyncMutex<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Adds a session, unless it came in between or there are too many.
    fn add(&self, session: Session, sessions_max: usize) -> Result<Arc<AsyncMutex<Session>>, RegistryError> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= sessions_max && !sessions.contains_key(&session.id) {
            return Err(RegistryError::UploadsFull);
        }
        Ok(sessions
            .entry(session.id.clone())
            .or_insert_with(|| Arc::new(AsyncMutex::new(session)))
            .clone())
    }

    fn remove(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Returns the sessions that nobody writes to and nobody has used for so long.
    fn idle(&self, idle: Duration) -> Vec<OwnedMutexGuard<Session>> {
        let sessions: Vec<_> = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect();
        let free = sessions.into_iter().filter_map(|session| session.try_lock_owned().ok());
        free.filter(|session| session.used.elapsed() >= idle).collect()
    }
}

impl Registry {
    /// Opens an upload session. Nothing of it is durable before bytes of it are acknowledged.
    ///
    /// # Errors
    /// [`RegistryError::Denied`], and [`RegistryError::UploadsFull`] at the limit.
    pub async fn begin_upload(
        &self,
        caller: &Caller,
        repository: &Repository,
        algorithm: Algorithm,
    ) -> Result<UploadState, RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        let incoming = Incoming::begin(self.storage(), algorithm).await?;
        self.sessions.add(
            Session::new(id.clone(), repository.clone(), incoming, false),
            self.config.uploads_max,
        )?;
        Ok(UploadState { id, offset: 0 })
    }

    /// Returns how far a session has come.
    ///
    /// # Errors
    /// [`RegistryError::UploadUnknown`], and [`RegistryError::UploadBusy`] while a request writes to it.
    pub async fn upload_state(&self, caller: &Caller, repository: &Repository, id: &str) -> Result<UploadState, RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        let session = self.session(repository, id).await?;
        Ok(UploadState {
            id: id.to_owned(),
            offset: session.incoming.offset,
        })
    }

    /// Appends a chunk to a session. Afterwards everything up to the returned offset is durable.
    ///
    /// # Errors
    /// [`RegistryError::UploadRange`] where the chunk does not begin at the end of the session; nothing is read then. Where the body
    /// breaks off or is not as long as it said, what arrived is kept.
    pub async fn append(
        &self,
        caller: &Caller,
        repository: &Repository,
        id: &str,
        chunk: Chunk,
    ) -> Result<UploadState, RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        let mut session = self.session(repository, id).await?;
        session.expect_start(chunk.start)?;
        let before = session.incoming.clone();
        let taken = match session.incoming.take(self.storage(), chunk, self.blob_limit()).await {
            Err(error @ RegistryError::Storage(_)) => Err(error),
            // What a broken body brought is kept as well: the client asks for the offset and goes on.
            other => self.save(&mut session).await.and(other),
        };
        if let Err(RegistryError::Storage(_) | RegistryError::Metadata(_)) = taken {
            session.incoming = before;
        }
        taken.map(|()| UploadState {
            id: id.to_owned(),
            offset: session.incoming.offset,
        })
    }

    /// Ends a session with its last chunk, which is often the only one, and links the blob.
    ///
    /// The same request can be repeated after its answer was lost. Where it is refused, the session is as it was before.
    ///
    /// # Errors
    /// [`RegistryError::DigestMismatch`] where the content is another.
    pub async fn finish(
        &self,
        caller: &Caller,
        repository: &Repository,
        id: &str,
        digest: &Digest,
        chunk: Chunk,
    ) -> Result<(), RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        let mut session = match self.session(repository, id).await {
            Err(RegistryError::UploadUnknown(_)) if self.metadata().blob(repository, digest)?.is_some() => {
                return drain(chunk, self.blob_limit()).await;
            }
            other => other?,
        };
        session.expect_start(chunk.start)?;
        if session.incoming.offset == 0 && !session.saved && chunk.is_small() {
            self.put_small(repository, digest, chunk).await?;
        } else {
            self.finish_session(&mut session, digest, chunk).await?;
        }
        self.sessions.remove(id);
        Ok(())
    }

    /// Stores a blob that comes in one request without a session.
    ///
    /// # Errors
    /// [`RegistryError::DigestMismatch`] where the content is another.
    pub async fn put_blob(
        &self,
        caller: &Caller,
        repository: &Repository,
        digest: &Digest,
        chunk: Chunk,
    ) -> Result<(), RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        if chunk.is_small() {
            return self.put_small(repository, digest, chunk).await;
        }
        let size = self.put_content(Some(digest), chunk, self.blob_limit()).await?.1;
        self.link(repository, digest, size, None).await
    }

    /// Keeps a body as content that no repository holds, for a plugin to read.
    ///
    /// # Errors
    /// [`RegistryError::TooLarge`] beyond `bytes_max`.
    pub async fn spool(&self, body: Body, bytes_max: u64) -> Result<Blob, RegistryError> {
        let chunk = Chunk {
            start: None,
            length: None,
            body,
        };
        let (digest, size) = self
            .put_content(
                None,
                chunk,
                Limit {
                    what: "the request",
                    bytes_max,
                },
            )
            .await?;
        Ok(Blob::new(digest, size, self.storage.clone()))
    }

    /// Ends a session without a blob.
    ///
    /// # Errors
    /// [`RegistryError::UploadUnknown`] where there is none.
    pub async fn cancel_upload(&self, caller: &Caller, repository: &Repository, id: &str) -> Result<(), RegistryError> {
        self.authorise(caller, Action::Write, repository)?;
        let session = self.session(repository, id).await?;
        self.forget(session).await
    }

    /// Ends the sessions that nobody has used for the configured time.
    ///
    /// # Errors
    /// Fails where storage or metadata do.
    pub async fn expire_uploads(&self) -> Result<(), RegistryError> {
        let idle = self.config.upload_idle_max;
        for session in self.sessions.idle(idle) {
            self.forget(session).await?;
        }
        let before = now_seconds().saturating_sub(idle.as_secs());
        for record in self.metadata().uploads_before(before, EXPIRED_AT_ONCE_MAX)? {
            if let Ok(session) = self.session(&record.repository, &record.id).await {
                self.forget(session).await?;
            }
        }
        Ok(())
    }

    async fn forget(&self, session: OwnedMutexGuard<Session>) -> Result<(), RegistryError> {
        if session.saved {
            self.metadata().apply(Command::DropUpload { id: session.id.clone() }).await?;
        }
        self.storage().abort(&session.incoming.token).await?;
        self.sessions.remove(&session.id);
        Ok(())
    }

    /// Takes hold of a session, from memory or, after a restart, from its row.
    async fn session(&self, repository: &Repository, id: &str) -> Result<OwnedMutexGuard<Session>, RegistryError> {
        let unknown = || RegistryError::UploadUnknown(id.chars().take(64).collect());
        let session = match self.sessions.get(id) {
            Some(session) => session,
            None => {
                let record = self.metadata().upload(id)?.ok_or_else(unknown)?;
                self.sessions.add(self.revive(record).await?, self.config.uploads_max)?
            }
        };
        let mut session = session
            .try_lock_owned()
            .map_err(|_| RegistryError::UploadBusy(id.to_owned()))?;
        if session.repository != *repository {
            return Err(unknown());
        }
        session.used = Instant::now();
        Ok(session)
    }

    async fn revive(&self, record: UploadRecord) -> Result<Session, RegistryError> {
        let hasher = Hasher::resume(record.algorithm, &record.hash_state)
            .ok_or_else(|| RegistryError::UploadUnknown(record.id.clone()))?;
        let tail = match self.storage().tail(&record.token, record.offset).await {
            // The bytes became a blob before the gateway stopped; `finish` finds them at their digest.
            Err(StorageError::UploadAbsent(_)) => Bytes::new(),
            other => other?.1,
        };
        let tail = if tail.is_empty() { Vec::new() } else { vec![tail] };
        let incoming = Incoming {
            token: record.token,
            hasher,
            offset: record.offset,
            tail,
        };
        Ok(Session::new(record.id, record.repository, incoming, true))
    }

    /// Makes what was taken in durable, bytes first, then the row that says how many.
    async fn save(&self, session: &mut Session) -> Result<(), RegistryError> {
        let incoming = &mut session.incoming;
        incoming.flush(self.storage()).await?;
        self.storage().sync(&incoming.token).await?;
        let save = SaveUpload {
            id: session.id.clone(),
            repository: session.repository.clone(),
            offset: incoming.offset,
            algorithm: incoming.hasher.algorithm(),
            hash_state: incoming.hasher.state(),
            token: incoming.token.clone(),
            now: now_seconds(),
        };
        self.metadata().apply(Command::SaveUpload(save)).await?;
        session.saved = true;
        Ok(())
    }

    /// Stores and links content that fits into one part.
    async fn put_small(&self, repository: &Repository, digest: &Digest, chunk: Chunk) -> Result<(), RegistryError> {
        let size = self.store_small(digest, chunk).await?;
        self.link(repository, digest, size, None).await
    }

    /// Stores content that fits into one part at one go, and returns its size. Nothing is linked.
    pub(super) async fn store_small(&self, digest: &Digest, chunk: Chunk) -> Result<u64, RegistryError> {
        self.blob_limit().check(chunk.length.unwrap_or_default())?;
        let content = take_small(digest, chunk).await?;
        let size = content.iter().map(|piece| piece.len() as u64).sum();
        self.storage().put(digest, content).await?;
        Ok(size)
    }

    /// Stores content of any size under its digest, which has to be the expected one where there is one.
    pub(super) async fn put_content(
        &self,
        digest: Option<&Digest>,
        chunk: Chunk,
        limit: Limit,
    ) -> Result<(Digest, u64), RegistryError> {
        let algorithm = digest.map_or(Algorithm::Sha256, Digest::algorithm);
        let mut incoming = Incoming::begin(self.storage(), algorithm).await?;
        let done = match incoming.take(self.storage(), chunk, limit).await {
            Ok(()) => {
                let digest = digest.cloned().unwrap_or_else(|| incoming.hasher.clone().finish());
                incoming
                    .complete(self.storage(), &digest)
                    .await
                    .map(|()| (digest, incoming.offset))
            }
            Err(error) => Err(error),
        };
        if done.is_err() {
            self.storage().abort(&incoming.token).await?;
        }
        done
    }

    async fn finish_session(&self, session: &mut Session, digest: &Digest, chunk: Chunk) -> Result<(), RegistryError> {
        let before = session.incoming.clone();
        let upload = session.saved.then(|| session.id.clone());
        let done = self.complete_session(&mut session.incoming, digest, chunk).await;
        let absent = |error: &RegistryError| matches!(error, RegistryError::Storage(StorageError::UploadAbsent(_)));
        let size = match done {
            Ok(size) => size,
            Err(error) => {
                session.incoming = before;
                match absent(&error) {
                    true => self.completed_before(session, digest).await?,
                    false => return Err(error),
                }
            }
        };
        self.link(&session.repository, digest, size, upload).await
    }

    /// Takes in the last chunk and moves everything to its digest. Returns the size.
    async fn complete_session(&self, incoming: &mut Incoming, digest: &Digest, chunk: Chunk) -> Result<u64, RegistryError> {
        if incoming.offset == 0 {
            incoming.hasher = Hasher::new(digest.algorithm());
        }
        incoming.take(self.storage(), chunk, self.blob_limit()).await?;
        if incoming.hasher.algorithm() == digest.algorithm() {
            incoming.complete(self.storage(), digest).await?;
            return Ok(incoming.offset);
        }
        // The session was opened without a hint at the algorithm. Storages hand out content and not uploads, so the bytes are completed
        // under the digest that is known of them and copied from there to the one that is wanted.
        let known = incoming.hasher.clone().finish();
        incoming.complete(self.storage(), &known).await?;
        let stored = self.storage().read(&known, 0..incoming.offset).await?;
        let body = stored.map(|piece| piece.map_err(|error| error.to_string())).boxed();
        let chunk = Chunk {
            start: None,
            length: Some(incoming.offset),
            body,
        };
        Ok(self.put_content(Some(digest), chunk, self.blob_limit()).await?.1)
    }

    /// Finds content that an earlier attempt at the same request brought to its digest before the gateway stopped, and returns its size,
    /// after a look at every byte: a session may not turn into content that was never sent to it.
    async fn completed_before(&self, session: &Session, digest: &Digest) -> Result<u64, RegistryError> {
        let unknown = || RegistryError::UploadUnknown(session.id.clone());
        let (storage, incoming) = (self.storage(), &session.incoming);
        let size = storage
            .size(digest)
            .await?
            .filter(|size| *size >= incoming.offset)
            .ok_or_else(unknown)?;
        let begin = hash_stored(storage, digest, incoming.offset, incoming.hasher.algorithm()).await?;
        if begin.finish() != incoming.hasher.clone().finish() {
            return Err(unknown());
        }
        expect_digest(digest, hash_stored(storage, digest, size, digest.algorithm()).await?)?;
        Ok(size)
    }

    fn blob_limit(&self) -> Limit {
        Limit {
            what: "the blob",
            bytes_max: self.config.blob_bytes_max,
        }
    }

    async fn link(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        upload: Option<String>,
    ) -> Result<(), RegistryError> {
        let command = Command::LinkBlob {
            repository: repository.clone(),
            digest: digest.clone(),
            size,
            upload,
        };
        self.metadata().apply(command).await?;
        Ok(())
    }
}

/// Reads a body to its end, so that the client of a repeated request is not cut off while it sends.
async fn drain(mut chunk: Chunk, limit: Limit) -> Result<(), RegistryError> {
    let mut size = 0;
    while let Some(piece) = chunk.body.next().await {
        size += piece.map_err(RegistryError::BodyBroken)?.len() as u64;
        limit.check(size)?;
    }
    Ok(())
}
