//! Which sessions may have bytes, and for how long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::sessions::Held;
use crate::{
    metadata::{Applied, Command, UnfinishedUpload},
    oci::Repository,
    registry::{Registry, RegistryError, now_seconds},
};

/// How many rows are read or forgotten at once.
const PAGE: usize = 1_000;
/// How often rows are counted anew for a place, because others were given back meanwhile.
const COUNTS_MAX: usize = 8;
/// How many sessions are asked to make room when a place is wanted: some may be in use again.
const CANDIDATES: usize = 100;

/// How many places may be taken.
#[derive(Default)]
pub(super) struct Places(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    /// What was counted last, and what was taken since. What was given back since is found by counting again, which is only done where
    /// this says that no place is left.
    seen: Option<usize>,
    /// The places handed out to sessions that have no row yet: no count of rows finds them.
    handed_out: usize,
    /// How many places were ever given back.
    given_back: u64,
}

/// A place of a session whose row is not written yet. To be dropped when it is, or when there will be none.
pub(super) struct Place(Arc<Mutex<Taken>>);

impl Places {
    /// Takes a place, where one is free. `count` returns how many sessions have a row.
    async fn take<E, F: Future<Output = Result<usize, E>>>(&self, max: usize, count: impl Fn() -> F) -> Result<Option<Place>, E> {
        let (mut given_back, mut counts) = {
            let mut taken = lock(&self.0);
            if let Some(seen) = taken.seen.filter(|seen| *seen < max) {
                return Ok(self.hand_out(&mut taken, seen, max));
            }
            (taken.given_back, 0)
        };
        loop {
            let rows = count().await?;
            counts += 1;
            let mut taken = lock(&self.0);
            // Whose row was written while rows were counted is in neither number. Who gave places back so often is counted twice rather
            // than not at all.
            let missed = taken.given_back - given_back;
            if missed > 0 && counts < COUNTS_MAX {
                given_back = taken.given_back;
                continue;
            }
            let missed = usize::try_from(missed).unwrap_or(usize::MAX);
            let before = rows.saturating_add(taken.handed_out).saturating_add(missed);
            return Ok(self.hand_out(&mut taken, before, max));
        }
    }

    fn hand_out(&self, taken: &mut Taken, before: usize, max: usize) -> Option<Place> {
        let free = before < max;
        taken.seen = Some(before + usize::from(free));
        taken.handed_out += usize::from(free);
        free.then(|| Place(self.0.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.0);
        taken.handed_out = taken.handed_out.saturating_sub(1);
        taken.given_back += 1;
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// Sees to it that one more session of a peer may have bytes. Where all places are taken, the one makes room that nobody has continued
    /// for the longest time. Where that is too short a time for anybody's pause, whoever holds most places gives one up at once, as long
    /// as that is more than an equal share.
    pub(super) async fn make_place(&self, peer: &str) -> Result<Place, RegistryError> {
        if let Some(place) = self.take_place().await? {
            return Ok(place);
        }
        let before = now_seconds().saturating_sub(self.config.upload_empty_max.as_secs());
        for idle in self.metadata().idle_uploads(before, None, CANDIDATES).await? {
            if self.expire(&idle, before).await?
                && let Some(place) = self.take_place().await?
            {
                return Ok(place);
            }
        }
        for beyond in self.metadata().uploads_beyond_share(peer, CANDIDATES).await? {
            if self.expire(&beyond, u64::MAX).await?
                && let Some(place) = self.take_place().await?
            {
                return Ok(place);
            }
        }
        let oldest = self.metadata().unfinished_uploads(1).await?.oldest;
        let free_at = oldest
            .saturating_add(self.config.upload_empty_max.as_secs())
            .saturating_add(1);
        let retry_after_seconds = free_at.saturating_sub(now_seconds()).max(1);
        Err(RegistryError::UploadsFull { retry_after_seconds })
    }

    async fn take_place(&self) -> Result<Option<Place>, RegistryError> {
        self.sessions
            .places
            .take(self.config.uploads_max, || self.count_taken())
            .await
    }

    async fn count_taken(&self) -> Result<usize, RegistryError> {
        Ok(self.metadata().unfinished_uploads(self.config.uploads_max).await?.count)
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
            let page = self.metadata().idle_uploads(before, last.as_ref(), PAGE).await?;
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
        let Some(upload) = self.metadata().unfinished_upload(held.id()).await? else {
            return Ok(false);
        };
        if upload.used >= before {
            return Ok(false);
        }
        self.forget(&held, &upload.token).await?;
        // It may have become content that nobody was told of.
        if let Some(Ok(digest)) = upload.becoming.map(|digest| digest.parse()) {
            self.give_back_completed(&upload.token, &digest).await;
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
            let page = self.metadata().completing_uploads(&after, PAGE).await?;
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
            if !self.metadata().has_upload_token(&token).await? {
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

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::ready};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_place_without_a_row_is_counted_until_it_is_given_back() {
        let places = Places::default();
        let count = |rows| move || ready(Ok::<_, Infallible>(rows));
        let take = |rows| places.take(2, count(rows)).now_or_never().unwrap().unwrap();
        let (one, two) = (take(0).unwrap(), take(0).unwrap());
        assert!(take(0).is_none(), "both are handed out, and neither has a row");
        // The first one is saved, the second one broke off.
        drop(one);
        assert!(take(1).is_none());
        drop(two);
        let three = take(1).unwrap();
        assert!(take(1).is_none());
        drop(three);
        assert!(take(2).is_none());
    }

    #[test]
    fn a_row_that_is_written_while_rows_are_counted_is_counted() {
        let places = Places::default();
        let first = Mutex::new(
            places
                .take(1, || ready(Ok::<_, Infallible>(0)))
                .now_or_never()
                .unwrap()
                .unwrap(),
        );
        let counted = Mutex::new(0);
        // The first count comes too early for the row of the first one, which gives its place back before the count is told.
        let count = || {
            let saved = lock_any(&first).take().is_some();
            *lock_any(&counted) += 1;
            ready(Ok::<_, Infallible>(usize::from(!saved)))
        };
        assert!(places.take(1, count).now_or_never().unwrap().unwrap().is_none());
        assert_eq!(*lock_any(&counted), 2);
    }

    fn lock_any<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
        value.lock().unwrap()
    }
}
