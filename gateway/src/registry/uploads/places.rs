//! Which sessions may have bytes, and for how long.

use std::sync::{Mutex, PoisonError};

use super::sessions::Held;
use crate::{
    metadata::{Applied, Command, UnfinishedUpload},
    oci::Repository,
    registry::{Registry, RegistryError, now_seconds},
};

/// How many rows are read or forgotten at once.
const PAGE: usize = 1_000;
/// How many sessions are asked to make room when a place is wanted: some may be in use again.
const CANDIDATES: usize = 100;

/// How many places may be taken: what was counted last, and what was taken since. What was given back since is found by counting again,
/// which is only done where this says that no place is left.
#[derive(Default)]
pub(super) struct Places(Mutex<Option<usize>>);

impl Places {
    /// Takes a place, where one is free.
    fn take<E>(&self, max: usize, count: impl FnOnce() -> Result<usize, E>) -> Result<bool, E> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match *taken {
            Some(taken) if taken < max => taken,
            _ => count()?,
        };
        let free = before < max;
        *taken = Some(before + usize::from(free));
        Ok(free)
    }
}

impl Registry {
    /// Sees to it that one more session of a peer may have bytes. Where all places are taken, the one makes room that nobody has continued
    /// for the longest time. Where that is too short a time for anybody's pause, whoever holds most places gives one up at once, as long
    /// as that is more than an equal share.
    pub(super) async fn make_place(&self, peer: &str) -> Result<(), RegistryError> {
        if self.sessions.places.take(self.config.uploads_max, || self.count_taken())? {
            return Ok(());
        }
        let before = now_seconds().saturating_sub(self.config.upload_empty_max.as_secs());
        for idle in self.metadata().idle_uploads(before, None, CANDIDATES)? {
            if self.expire(&idle, before).await? {
                return Ok(());
            }
        }
        for beyond in self.metadata().uploads_beyond_share(peer, CANDIDATES)? {
            if self.expire(&beyond, u64::MAX).await? {
                return Ok(());
            }
        }
        let oldest = self.metadata().unfinished_uploads(1)?.oldest;
        let free_at = oldest
            .saturating_add(self.config.upload_empty_max.as_secs())
            .saturating_add(1);
        let retry_after_seconds = free_at.saturating_sub(now_seconds()).max(1);
        Err(RegistryError::UploadsFull { retry_after_seconds })
    }

    fn count_taken(&self) -> Result<usize, RegistryError> {
        Ok(self.metadata().unfinished_uploads(self.config.uploads_max)?.count)
    }

    /// Ends the sessions that nobody has used for the configured time, and forgets those that ended as long ago.
    ///
    /// # Errors
    /// Fails where the metadata does. A session that cannot be ended is named in the log, and the others go on.
    pub async fn expire_uploads(&self) -> Result<(), RegistryError> {
        let before = now_seconds().saturating_sub(self.config.upload_idle_max.as_secs());
        loop {
            let forget = Command::ForgetEndedUploads { before, n: PAGE };
            match self.metadata().apply(forget).await? {
                Applied::Forgotten(forgotten) if forgotten >= PAGE as u64 => {}
                _ => break,
            }
        }
        let mut last: Option<UnfinishedUpload> = None;
        loop {
            let page = self.metadata().idle_uploads(before, last.as_ref(), PAGE)?;
            for upload in &page {
                if let Err(error) = self.expire(upload, before).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        id = upload.id,
                        "an upload that nobody continues could not be ended; it will be tried again"
                    );
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
            last = page.into_iter().next_back();
        }
    }

    /// Ends a session that looked idle, unless somebody works with it or has used it meanwhile. Returns whether it has ended.
    pub(super) async fn expire(&self, upload: &UnfinishedUpload, before: u64) -> Result<bool, RegistryError> {
        let Some(held) = self.sessions.try_hold(&upload.id) else {
            return Ok(false);
        };
        self.own(self.clone().expire_held(held, before)).await
    }

    async fn expire_held(self, held: Held, before: u64) -> Result<bool, RegistryError> {
        let Some(upload) = self.metadata().unfinished_upload(held.id())? else {
            return Ok(false);
        };
        if upload.used >= before {
            return Ok(false);
        }
        self.forget(&held, &upload.token).await?;
        // It may have become content that nobody was told of.
        if let Some(Ok(digest)) = upload.becoming.map(|digest| digest.parse()) {
            let pin = self.pin(&digest).await;
            self.give_back(pin).await;
        }
        Ok(true)
    }

    /// Mends what the last run of the gateway left half done, before anybody can come to a session: sessions that were becoming content
    /// end or go on, and bytes that no session speaks of go.
    ///
    /// # Errors
    /// Fails where storage or metadata do.
    pub async fn recover_uploads(&self) -> Result<(), RegistryError> {
        let mut after = String::new();
        loop {
            let page = self.metadata().completing_uploads(&after, PAGE)?;
            for (id, repository) in &page {
                if let Err(error) = self.recover_upload(id, repository).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        id,
                        "an upload could not be brought to its end"
                    );
                }
            }
            match page.into_iter().next_back() {
                Some((last, _)) => after = last,
                None => break,
            }
        }
        let mut strays = 0_usize;
        for token in self.storage().uploads().await? {
            if !self.metadata().has_upload_token(&token)? {
                self.forget_bytes(&token).await;
                strays += 1;
            }
        }
        if strays > 0 {
            tracing::info!(strays, "the bytes of uploads were removed that no session speaks of");
        }
        Ok(())
    }

    async fn recover_upload(&self, id: &str, repository: &str) -> Result<(), RegistryError> {
        let Some(held) = self.sessions.try_hold(id) else {
            return Ok(());
        };
        match repository.parse::<Repository>() {
            Ok(repository) => self.find(&held, &repository).await.map(|_| ()),
            Err(_) => Ok(()),
        }
    }
}
