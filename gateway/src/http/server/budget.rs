//! One bound on the memory for bytes on their way, in or out, and a share of it for each peer.
//!
//! What is needed is reserved at once, before any of it is held, and in the order of asking: who waits holds nothing of the same half but a
//! part of their peer's share, so nobody waits for each other. No peer gets more than its share, so one that takes all of that keeps nobody else
//! waiting. While somebody waits, the slowest of those who keep the gateway waiting make room: of the same peer where its share is what
//! there is too little of.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::transfer::Transfer;
use crate::auth::Peer;

/// What is reserved is counted in these bytes.
const UNIT_BYTES: u64 = 1 << 10;
/// How many times the least rate a transfer has to be faster than so that it never makes room for others.
const SAFE_FACTOR: u64 = 16;
/// How often somebody who waits looks for transfers that could make room, and after what part of the longest wait a transfer is one: a
/// sixth of 30 seconds is longer than a round trip with losses.
const STEPS: u32 = 6;

/// How many requests of one peer may wait for memory. To wait costs some kilobytes.
const WAITING_MAX: usize = 1_024;

/// There is no memory left, and none became free in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Exhausted;

/// Transfers that hold memory, with whose share that is of.
type Holders = HashMap<u64, (Weak<Share>, Arc<Transfer>)>;

/// Half of the memory: that for one direction.
pub(super) struct Half {
    units: Arc<Semaphore>,
    units_max: u32,
    wait_max: Duration,
    /// Transfers that are slower than this many bytes a second make room.
    safe_rate: u64,
    shares: Mutex<HashMap<Peer, Weak<Share>>>,
    holders: Mutex<Holders>,
    next: AtomicU64,
    pressed: AtomicU64,
}

/// What one peer may reserve of a half: half of that, as it may have half of the connections. Kept by its connections.
pub(super) struct Share {
    half: Arc<Half>,
    peer: Peer,
    units: Arc<Semaphore>,
    units_max: u32,
    waiting: AtomicUsize,
}

/// Memory that was reserved; it is free again when this is dropped.
pub(super) struct Reserved {
    of_share: OwnedSemaphorePermit,
    of_half: OwnedSemaphorePermit,
    /// A peer that comes back finds the share that this is of.
    _share: Arc<Share>,
}

/// A transfer that holds memory, for as long as it does.
pub(super) struct Holding {
    half: Arc<Half>,
    id: u64,
}

/// Somebody who waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Half {
    pub(super) fn new(bytes_max: u64, wait_max: Duration, rate_min: u64) -> Arc<Self> {
        let units_max = u32::try_from(bytes_max / UNIT_BYTES).unwrap_or(u32::MAX).max(2);
        Arc::new(Self {
            units: Arc::new(Semaphore::new(units_max as usize)),
            units_max,
            wait_max,
            safe_rate: rate_min.saturating_mul(SAFE_FACTOR),
            shares: Mutex::default(),
            holders: Mutex::default(),
            next: AtomicU64::new(0),
            pressed: AtomicU64::new(0),
        })
    }

    /// Returns the share of a peer.
    pub(super) fn share(self: &Arc<Self>, peer: Peer) -> Arc<Share> {
        let mut shares = self.shares();
        if let Some(share) = shares.get(&peer).and_then(Weak::upgrade) {
            return share;
        }
        let units_max = self.units_max / 2;
        let share = Arc::new(Share {
            half: self.clone(),
            peer,
            units: Arc::new(Semaphore::new(units_max as usize)),
            units_max,
            waiting: AtomicUsize::new(0),
        });
        shares.insert(peer, Arc::downgrade(&share));
        share
    }

    /// Returns how many bytes are reserved now.
    pub(super) fn reserved(&self) -> u64 {
        let free = u64::try_from(self.units.available_permits()).unwrap_or_default();
        u64::from(self.units_max).saturating_sub(free) * UNIT_BYTES
    }

    /// Returns how many transfers had to make room so far.
    pub(super) fn pressed(&self) -> u64 {
        self.pressed.load(Ordering::Relaxed)
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<Peer, Weak<Share>>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the slowest transfer that holds memory, of one share or of all, if it is slow indeed and no other one is about to end.
    fn press(&self, only: Option<&Share>) {
        let age = self.wait_max / STEPS;
        let holders = self.holders();
        let holders = || {
            let of = |share: &Weak<Share>| only.is_none_or(|only| std::ptr::eq(share.as_ptr(), only));
            holders
                .values()
                .filter(move |(share, _)| of(share))
                .map(|(_, transfer)| transfer)
        };
        if holders().any(|transfer| transfer.is_pressed()) {
            return;
        }
        // One moment for all, so that they can be compared.
        let now = Instant::now();
        let slow = |transfer: &'_ Arc<Transfer>| transfer.slowness(now, age, self.safe_rate);
        let slowest = holders().filter_map(|transfer| Some((slow(transfer)?, transfer)));
        if let Some((_, transfer)) = slowest.max_by_key(|(slowness, _)| *slowness) {
            self.pressed.fetch_add(1, Ordering::Relaxed);
            transfer.press();
        }
    }
}

impl Share {
    /// Says whether less than half of the memory is free, or of the share.
    pub(super) fn is_scarce(&self) -> bool {
        let scarce = |units: &Semaphore, max: u32| units.available_permits() < max as usize / 2;
        scarce(&self.half.units, self.half.units_max) || scarce(&self.units, self.units_max)
    }

    /// Reserves memory if there is some. What is larger than the share takes all of it.
    pub(super) fn try_reserve(self: &Arc<Self>, bytes: u64) -> Option<Reserved> {
        let units = self.units_of(bytes);
        let of_share = self.units.clone().try_acquire_many_owned(units).ok()?;
        let of_half = self.half.units.clone().try_acquire_many_owned(units).ok()?;
        Some(self.reserved(of_share, of_half))
    }

    /// Reserves memory as soon as there is some.
    pub(super) async fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reserved, Exhausted> {
        if let Some(reserved) = self.try_reserve(bytes) {
            return Ok(reserved);
        }
        let _waiting = self.wait()?;
        let units = self.units_of(bytes);
        let acquire = async {
            let of_share = self.units.clone().acquire_many_owned(units).await?;
            let of_half = self.half.units.clone().acquire_many_owned(units).await?;
            Ok::<_, tokio::sync::AcquireError>(self.reserved(of_share, of_half))
        };
        let mut acquire = std::pin::pin!(acquire);
        for _ in 0..STEPS {
            let own = self.units.available_permits() < units as usize;
            self.half.press(own.then_some(self));
            // Nobody closes the semaphores, so an error cannot come; it would mean the same.
            if let Ok(reserved) = tokio::time::timeout(self.half.wait_max / STEPS, acquire.as_mut()).await {
                return reserved.map_err(|_| Exhausted);
            }
        }
        Err(Exhausted)
    }

    fn reserved(self: &Arc<Self>, of_share: OwnedSemaphorePermit, of_half: OwnedSemaphorePermit) -> Reserved {
        Reserved {
            of_share,
            of_half,
            _share: self.clone(),
        }
    }

    /// Begins to wait, where not too many of the peer do so.
    fn wait(&self) -> Result<Waiting<'_>, Exhausted> {
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX {
            Ok(waiting)
        } else {
            Err(Exhausted)
        }
    }

    fn units_of(&self, bytes: u64) -> u32 {
        let units = bytes.div_ceil(UNIT_BYTES).max(1);
        u32::try_from(units).unwrap_or(u32::MAX).min(self.units_max)
    }

    /// Says that a transfer holds memory, so that it can be asked to make room.
    pub(super) fn hold(self: &Arc<Self>, transfer: Arc<Transfer>) -> Holding {
        let half = self.half.clone();
        let id = half.next.fetch_add(1, Ordering::Relaxed);
        half.holders().insert(id, (Arc::downgrade(self), transfer));
        Holding { half, id }
    }
}

impl Reserved {
    pub(super) fn is_enough_for(&self, bytes: usize) -> bool {
        self.of_half.num_permits() as u64 * UNIT_BYTES >= bytes as u64
    }

    /// Gives back what more than `bytes` was reserved.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let needed = usize::try_from((bytes as u64).div_ceil(UNIT_BYTES))
            .unwrap_or(usize::MAX)
            .max(1);
        for permit in [&mut self.of_half, &mut self.of_share] {
            if let Some(rest) = permit.num_permits().checked_sub(needed) {
                drop(permit.split(rest));
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = self.half.shares();
        // The peer may have come back meanwhile.
        if shares.get(&self.peer).is_some_and(|share| share.strong_count() == 0) {
            shares.remove(&self.peer);
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.half.holders().remove(&self.id);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::http::server::{pace::Patience, transfer::Lost};

    const KIB: u64 = 1 << 10;

    fn transfer() -> Arc<Transfer> {
        Transfer::new(Patience {
            pause_max: Duration::from_secs(600),
            rate_min: KIB,
        })
    }

    /// Returns the share of one of many peers: half of `kib`.
    fn share_of(half: &Arc<Half>, peer: u8) -> Arc<Share> {
        half.share(IpAddr::from([127, 0, 0, peer]).into())
    }

    /// Returns the share of the only peer.
    fn share(kib: u64, wait_max: Duration) -> Arc<Share> {
        share_of(&Half::new(2 * kib * KIB, wait_max, KIB), 1)
    }

    #[tokio::test]
    async fn what_is_dropped_is_free_again_and_large_wishes_are_capped() {
        let own = share(10, Duration::from_secs(30));
        let mut all = own.reserve(u64::MAX).await.unwrap();
        assert_eq!(own.half.reserved(), 10 * KIB);
        assert!(own.try_reserve(1).is_none());
        all.shrink(1);
        assert_eq!(own.half.reserved(), KIB);
        let _rest = own.try_reserve(9 * KIB).unwrap();
        drop(all);
        assert_eq!(own.half.reserved(), 9 * KIB);
    }

    #[tokio::test]
    async fn who_waits_in_vain_is_told() {
        let own = share(10, Duration::from_millis(60));
        let _held = own.reserve(10 * KIB).await.unwrap();
        assert!(own.reserve(1).await.is_err());
        assert_eq!(own.half.pressed(), 0);
    }

    #[tokio::test]
    async fn those_who_wait_are_served_in_their_order() {
        let own = share(4, Duration::from_secs(30));
        let first = own.reserve(4 * KIB).await.unwrap();
        let large = own.reserve(4 * KIB);
        let mut large = std::pin::pin!(large);
        assert!(futures_util::poll!(large.as_mut()).is_pending());
        let small = own.reserve(KIB);
        let mut small = std::pin::pin!(small);
        assert!(futures_util::poll!(small.as_mut()).is_pending());
        drop(first);
        assert!(
            futures_util::poll!(small.as_mut()).is_pending(),
            "a small wish does not overtake"
        );
        let large = large.await.unwrap();
        drop(large);
        assert!(small.await.is_ok());
    }

    #[tokio::test]
    async fn the_slowest_makes_room_and_nobody_the_gateway_itself_holds_up() {
        let own = share(10, Duration::from_millis(600));
        let (slow, slower_later, at_work) = (transfer(), transfer(), transfer());
        let _holdings = [&slow, &slower_later, &at_work].map(|one| own.hold(one.clone()));
        slow.waits();
        let since = Instant::now();
        while since.elapsed().is_zero() {}
        slower_later.waits();
        let held = own.reserve(10 * KIB).await.unwrap();
        let (waited, lost) = tokio::join!(own.reserve(KIB), async {
            let lost = slow.lost().await;
            // Nobody else is pressed meanwhile, however long this takes.
            own.half.press(None);
            drop(held);
            lost
        });
        assert!(waited.is_ok());
        assert_eq!((lost, own.half.pressed()), (Lost::Pressed, 1));
        assert!(!slower_later.is_pressed() && !at_work.is_pressed());
    }

    #[tokio::test]
    async fn who_takes_all_of_their_share_keeps_nobody_else_waiting() {
        let half = Half::new(8 * KIB, Duration::from_millis(60), KIB);
        let (greedy, modest) = (share_of(&half, 1), share_of(&half, 2));
        let _held = greedy.reserve(u64::MAX).await.unwrap();
        assert_eq!(half.reserved(), 4 * KIB);
        // A second connection of the same peer has no share of its own.
        assert!(share_of(&half, 1).try_reserve(1).is_none());
        let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(greedy.reserve(KIB))).collect();
        for one in &mut waiting {
            assert!(futures_util::poll!(one).is_pending());
        }
        assert!(modest.try_reserve(4 * KIB).is_some());
    }

    #[tokio::test]
    async fn not_too_many_of_a_peer_wait() {
        let own = share(1, Duration::from_secs(30));
        let held = own.reserve(1).await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING_MAX).map(|_| Box::pin(own.reserve(1))).collect();
        for one in &mut waiting {
            assert!(futures_util::poll!(one).is_pending());
        }
        assert!(own.reserve(1).await.is_err());
        drop(held);
        assert!(waiting.remove(0).await.is_ok());
        drop(waiting);
        assert!(own.reserve(1).await.is_ok());
    }

    #[tokio::test]
    async fn whose_share_is_used_up_makes_room_themselves() {
        let half = Half::new(8 * KIB, Duration::from_millis(600), KIB);
        let (greedy, modest) = (share_of(&half, 1), share_of(&half, 2));
        let (slow, slowest) = (transfer(), transfer());
        let _holdings = [greedy.hold(slow.clone()), modest.hold(slowest.clone())];
        slowest.waits();
        let since = Instant::now();
        while since.elapsed().is_zero() {}
        slow.waits();
        let held = greedy.reserve(u64::MAX).await.unwrap();
        let (waited, lost) = tokio::join!(greedy.reserve(KIB), async {
            let lost = slow.lost().await;
            drop(held);
            lost
        });
        assert!(waited.is_ok() && !slowest.is_pressed());
        assert_eq!((lost, half.pressed()), (Lost::Pressed, 1));
    }

    #[test]
    fn peers_that_are_gone_are_forgotten() {
        let half = Half::new(8 * KIB, Duration::from_secs(30), KIB);
        let reserved = share_of(&half, 1).try_reserve(KIB);
        assert_eq!((half.shares().len(), half.reserved()), (1, KIB));
        drop(reserved);
        assert_eq!((half.shares().len(), half.reserved()), (0, 0));
    }
}
