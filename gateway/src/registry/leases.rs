//! Blobs that a client was told of: they stay for a while, so that what it does next finds them.
//!
//! An upload and a mount write their lease with the link. Whoever asks whether a blob is there is answered at once, and the lease is
//! remembered here until it is written, a second later, with all others of that second. A collection leaves out what is remembered here, and
//! whoever asks for what is being collected waits until that is done: nobody is told that a blob is there that goes a moment later.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::{Registry, RegistryError, now_seconds};
use crate::{
    metadata::{Command, Lease},
    oci::{Digest, Repository},
};

/// How many blobs are remembered. Who asks for another one waits until its lease is written.
const SEEN_MAX: usize = 100_000;
/// How many leases one command writes.
const WRITTEN_MAX: usize = 500;
/// A lease is written again when a quarter of it has passed.
const PARTS: u64 = 4;

type Key = (Repository, Digest);

/// The leases that are remembered.
#[derive(Default)]
pub(super) struct Leases {
    state: Mutex<State>,
    collected: Notify,
}

#[derive(Default)]
struct State {
    /// When the lease ends, in seconds since 1970.
    seen: HashMap<Key, u64>,
    unwritten: Vec<Key>,
    collecting: HashSet<Key>,
}

/// What becomes of the lease of a blob that is being looked for.
pub(super) enum Seen {
    /// It is known already.
    Before,
    /// It is remembered now, and has to be written where the blob is there.
    Now(Key),
    /// There is no room to remember it.
    Unremembered(Key),
}

/// Blobs that are being collected.
pub(super) struct Collecting<'a> {
    leases: &'a Leases,
    pub(super) blobs: Vec<Key>,
}

impl Leases {
    /// Begins to look for a blob. Waits while it is being collected.
    async fn see(&self, repository: &Repository, digest: &Digest, lease: Lease) -> Seen {
        let key = (repository.clone(), digest.clone());
        loop {
            let collected = self.collected.notified();
            let mut collected = std::pin::pin!(collected);
            collected.as_mut().enable();
            if let Some(seen) = self.try_see(&key, lease) {
                return seen;
            }
            collected.await;
        }
    }

    fn try_see(&self, key: &Key, lease: Lease) -> Option<Seen> {
        let mut state = self.state();
        if state.collecting.contains(key) {
            return None;
        }
        let fresh = lease.until - (lease.until - lease.now) / PARTS;
        if state.seen.get(key).is_some_and(|until| *until >= fresh) {
            return Some(Seen::Before);
        }
        if state.seen.len() >= SEEN_MAX {
            return Some(Seen::Unremembered(key.clone()));
        }
        state.seen.insert(key.clone(), lease.until);
        Some(Seen::Now(key.clone()))
    }

    /// Begins to collect, but for what was seen.
    pub(super) fn collecting(&self, mut blobs: Vec<Key>, now: u64) -> Collecting<'_> {
        let mut state = self.state();
        state.seen.retain(|_, until| *until > now);
        blobs.retain(|key| !state.seen.contains_key(key));
        state.collecting.extend(blobs.iter().cloned());
        Collecting { leases: self, blobs }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Collecting<'_> {
    fn drop(&mut self) {
        let mut state = self.leases.state();
        for key in &self.blobs {
            state.collecting.remove(key);
        }
        drop(state);
        self.leases.collected.notify_waiters();
    }
}

impl Registry {
    /// Returns the lease of what is stored or seen now.
    pub(super) fn lease(&self) -> Lease {
        let now = now_seconds();
        Lease {
            now,
            until: now.saturating_add(self.config.collection.lease.as_secs()),
        }
    }

    /// Looks for a blob, which stays for a while where it is there.
    pub(super) async fn seen<T>(
        &self,
        repository: &Repository,
        digest: &Digest,
        look: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let lease = self.lease();
        let seen = self.leases.see(repository, digest, lease).await;
        let found = look.await;
        match (seen, &found) {
            (Seen::Before, _) | (Seen::Unremembered(_), Err(_)) => {}
            (Seen::Now(key), Ok(_)) => self.leases.state().unwritten.push(key),
            (Seen::Now(key), Err(_)) => drop(self.leases.state().seen.remove(&key)),
            (Seen::Unremembered(key), Ok(_)) => {
                let blobs = vec![key];
                self.metadata().apply(Command::RenewLeases { blobs, lease }).await?;
            }
        }
        found
    }

    /// Writes the leases that are remembered and not written yet.
    pub(super) async fn write_leases(&self) -> Result<(), RegistryError> {
        let unwritten = std::mem::take(&mut self.leases.state().unwritten);
        let lease = self.lease();
        for blobs in unwritten.chunks(WRITTEN_MAX) {
            let blobs = blobs.to_vec();
            if let Err(error) = self
                .metadata()
                .apply(Command::RenewLeases {
                    blobs: blobs.clone(),
                    lease,
                })
                .await
            {
                // They are still remembered; only a crash would forget them.
                self.leases.state().unwritten.extend(blobs);
                return Err(error.into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        ("a/b".parse().unwrap(), Digest::sha256(&n.to_be_bytes()))
    }

    const LEASE: Lease = Lease {
        now: 1_000,
        until: 1_400,
    };

    #[tokio::test]
    async fn what_was_seen_is_not_collected_and_nobody_sees_what_is_collected() {
        let leases = Leases::default();
        let ((repository, one), (_, two)) = (key(1), key(2));
        assert!(matches!(leases.see(&repository, &one, LEASE).await, Seen::Now(_)));
        let collecting = leases.collecting(vec![key(1), key(2)], 1_399);
        assert_eq!(collecting.blobs, [key(2)]);
        let mut seeing = std::pin::pin!(leases.see(&repository, &two, LEASE));
        assert!(futures_util::poll!(seeing.as_mut()).is_pending());
        drop(collecting);
        assert!(matches!(seeing.await, Seen::Now(_)));
        // The lease of the first one has ended.
        assert_eq!(leases.collecting(vec![key(1)], 1_400).blobs, [key(1)]);
    }

    #[tokio::test]
    async fn a_lease_is_renewed_when_a_quarter_has_passed() {
        let leases = Leases::default();
        let (repository, digest) = key(1);
        let see = |now| leases.see(&repository, &digest, Lease { now, until: now + 400 });
        assert!(matches!(see(1_000).await, Seen::Now(_)));
        assert!(matches!(see(1_100).await, Seen::Before));
        assert!(matches!(see(1_101).await, Seen::Now(_)));
    }

    #[tokio::test]
    async fn not_too_much_is_remembered() {
        let leases = Leases::default();
        leases.state().seen.extend((0..SEEN_MAX).map(|n| (key(n), 1_400)));
        let (repository, digest) = key(SEEN_MAX);
        assert!(matches!(leases.see(&repository, &digest, LEASE).await, Seen::Unremembered(_)));
    }
}
