//! Who holds which session.
//!
//! A session is entered here before anything of it is looked at or touched, and the task that works on it owns the hold until the storage
//! is done, however early the client goes away. Others wait for the disk but not for a client: while the one who holds a session waits for
//! bytes, they are told so, or take the session over.

use futures_util::{StreamExt, stream};
use quick_cache::sync::Cache;
use std::{sync::Arc, time::Duration};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};

use super::{ids::Ids, places::Places};
use crate::{
    auth::Peer,
    oci::Digest,
    registry::{
        Body, BodyError, Chunk, RegistryError,
        in_use::{InUse, Use},
    },
};

/// How many sessions are remembered that ended without a row. One that is forgotten before its name is too old looks as if it had no
/// bytes yet, which does no harm: what was sent to it is stored or gone either way.
const ENDED_MAX: usize = 10_000;

/// How long a request waits for another one's client. One that lost its connection may be back before the gateway has heard of the loss.
const GOING_MAX: Duration = Duration::from_secs(1);

/// The sessions.
pub(in crate::registry) struct Sessions {
    pub(super) ids: Ids,
    pub(super) places: Places,
    in_use: InUse<String, Slot>,
    ended: Cache<String, Option<Digest>>,
}

/// A session that somebody works with.
struct Slot {
    lock: Arc<AsyncMutex<()>>,
    phase: watch::Sender<Phase>,
}

/// What the one who holds a session is at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// The storage or the metadata, which come to an end by themselves.
    Working,
    /// Waiting for bytes of its client.
    Receiving,
    /// Another request wants to go on with the session.
    Cut,
}

/// How a request comes to a session that another one is receiving for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Claim {
    /// It only looks, and is told at once that the session is busy.
    Look,
    /// It is told that the session is busy, unless the other one ends in a moment.
    Ask,
    /// It cuts the other one off: it says where it goes on, or ends the session, so it knows of no request that it waits for.
    TakeOver,
}

/// A session that is held.
pub(super) struct Held {
    _guard: OwnedMutexGuard<()>,
    slot: Use<String, Slot>,
    /// Who sends to it.
    peer: Option<Peer>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            ids: Ids::default(),
            places: Places::default(),
            in_use: InUse::default(),
            ended: Cache::new(ENDED_MAX),
        }
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            lock: Arc::default(),
            phase: watch::Sender::new(Phase::Working),
        }
    }
}

impl Sessions {
    /// Takes hold of a session, as soon as whoever holds it is done with the disk.
    pub(super) async fn hold(&self, id: &str, claim: Claim, peer: Option<Peer>) -> Result<Held, RegistryError> {
        let slot = self.in_use.take(&id.to_owned());
        let mut phase = slot.phase.subscribe();
        loop {
            tokio::select! {
                biased;
                guard = slot.lock.clone().lock_owned() => return Ok(Held { _guard: guard, slot, peer }),
                _ = phase.wait_for(|phase| *phase == Phase::Receiving) => {}
            }
            if claim == Claim::Look {
                return Err(RegistryError::UploadBusy(id.to_owned()));
            }
            if claim == Claim::Ask {
                let lock = slot.lock.clone().lock_owned();
                let Ok(guard) = tokio::time::timeout(GOING_MAX, lock).await else {
                    return Err(RegistryError::UploadBusy(id.to_owned()));
                };
                return Ok(Held {
                    _guard: guard,
                    slot,
                    peer,
                });
            }
            slot.phase.send_if_modified(|phase| {
                let cut = *phase == Phase::Receiving;
                if cut {
                    *phase = Phase::Cut;
                }
                cut
            });
        }
    }

    /// Takes hold of a session that nobody holds.
    pub(super) fn try_hold(&self, id: &str) -> Option<Held> {
        let slot = self.in_use.take(&id.to_owned());
        let guard = slot.lock.clone().try_lock_owned().ok()?;
        Some(Held {
            _guard: guard,
            slot,
            peer: None,
        })
    }

    /// Remembers what became of a session that has no row.
    pub(super) fn end(&self, held: &Held, digest: Option<&Digest>) {
        self.ended.insert(held.id().to_owned(), digest.cloned());
    }

    /// Returns what became of a session that has no row, where it has ended: a blob, or nothing.
    pub(super) fn ended(&self, id: &str) -> Option<Option<Digest>> {
        self.ended.get(id)
    }

    /// Returns how many requests work with a session or wait for it.
    #[cfg(test)]
    pub(super) fn users(&self, id: &str) -> usize {
        self.in_use.users(&id.to_owned())
    }
}

impl Held {
    pub(super) fn id(&self) -> &str {
        self.slot.key()
    }

    /// Returns who sends to it, in a word; an empty one where that is not known.
    pub(super) fn peer(&self) -> String {
        self.peer.map(|peer| peer.to_string()).unwrap_or_default()
    }

    /// Returns a chunk whose body ends early where another request takes the session over. From now on others need not wait.
    pub(super) fn receiving(&self, chunk: Chunk) -> Chunk {
        self.slot.phase.send_replace(Phase::Receiving);
        let Chunk { start, length, body } = chunk;
        let next = |(mut body, mut phase): (Body, watch::Receiver<Phase>)| async move {
            let next = tokio::select! {
                biased;
                _ = phase.wait_for(|phase| *phase == Phase::Cut) => Some(Err(BodyError::TakenOver)),
                next = body.next() => next,
            };
            next.map(|piece| (piece, (body, phase)))
        };
        let body = stream::unfold((body, self.slot.phase.subscribe()), next).boxed();
        Chunk { start, length, body }
    }

    /// Says that nothing more is wanted of the client. From now on others wait.
    pub(super) fn received(&self) {
        self.slot.phase.send_replace(Phase::Working);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Whatever ended the work, the next one begins afresh.
        self.slot.phase.send_replace(Phase::Working);
    }
}
