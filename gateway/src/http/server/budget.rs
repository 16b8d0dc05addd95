//! One bound on the memory for bytes on their way, in or out.
//!
//! What is needed is reserved at once, before any of it is held, and in the order of asking: who waits holds nothing of the same half, so
//! nobody waits for each other. While somebody waits, the slowest of those who keep the gateway waiting make room.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::transfer::Transfer;

/// What is reserved is counted in these bytes.
const UNIT_BYTES: u64 = 1 << 10;
/// How many times the least rate a transfer has to be faster than so that it never makes room for others.
const SAFE_FACTOR: u64 = 16;
/// How often somebody who waits looks for transfers that could make room, and after what part of the longest wait a transfer is one: a
/// sixth of 30 seconds is longer than a round trip with losses.
const STEPS: u32 = 6;

/// There is no memory left, and none became free in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Exhausted;

/// Half of the memory: that for one direction.
pub(super) struct Half {
    units: Arc<Semaphore>,
    units_max: u32,
    wait_max: Duration,
    /// Transfers that are slower than this many bytes a second make room.
    safe_rate: u64,
    holders: Mutex<HashMap<u64, Arc<Transfer>>>,
    next: AtomicU64,
    pressed: AtomicU64,
}

/// Memory that was reserved; it is free again when this is dropped.
pub(super) struct Reserved(OwnedSemaphorePermit);

/// A transfer that holds memory, for as long as it does.
pub(super) struct Holding {
    half: Arc<Half>,
    id: u64,
}

impl Half {
    pub(super) fn new(bytes_max: u64, wait_max: Duration, rate_min: u64) -> Arc<Self> {
        let units_max = u32::try_from(bytes_max / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        Arc::new(Self {
            units: Arc::new(Semaphore::new(units_max as usize)),
            units_max,
            wait_max,
            safe_rate: rate_min.saturating_mul(SAFE_FACTOR),
            holders: Mutex::default(),
            next: AtomicU64::new(0),
            pressed: AtomicU64::new(0),
        })
    }

    /// Returns how many bytes are reserved now.
    pub(super) fn reserved(&self) -> u64 {
        let free = u64::try_from(self.units.available_permits()).unwrap_or_default();
        u64::from(self.units_max).saturating_sub(free) * UNIT_BYTES
    }

    /// Says whether less than half of the memory is free.
    pub(super) fn is_scarce(&self) -> bool {
        self.units.available_permits() < self.units_max as usize / 2
    }

    /// Returns how many transfers had to make room so far.
    pub(super) fn pressed(&self) -> u64 {
        self.pressed.load(Ordering::Relaxed)
    }

    /// Reserves memory if there is some. What is larger than all there is takes all there is.
    pub(super) fn try_reserve(&self, bytes: u64) -> Option<Reserved> {
        let permit = self.units.clone().try_acquire_many_owned(self.units_of(bytes));
        permit.ok().map(Reserved)
    }

    /// Reserves memory as soon as there is some.
    pub(super) async fn reserve(&self, bytes: u64) -> Result<Reserved, Exhausted> {
        if let Some(reserved) = self.try_reserve(bytes) {
            return Ok(reserved);
        }
        let acquire = self.units.clone().acquire_many_owned(self.units_of(bytes));
        let mut acquire = std::pin::pin!(acquire);
        for _ in 0..STEPS {
            self.press();
            // Nobody closes the semaphore, so an error cannot come; it would mean the same.
            if let Ok(permit) = tokio::time::timeout(self.wait_max / STEPS, acquire.as_mut()).await {
                return permit.map(Reserved).map_err(|_| Exhausted);
            }
        }
        Err(Exhausted)
    }

    fn units_of(&self, bytes: u64) -> u32 {
        let units = bytes.div_ceil(UNIT_BYTES).max(1);
        u32::try_from(units).unwrap_or(u32::MAX).min(self.units_max)
    }

    /// Says that a transfer holds memory, so that it can be asked to make room.
    pub(super) fn hold(self: &Arc<Self>, transfer: Arc<Transfer>) -> Holding {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.holders().insert(id, transfer);
        Holding { half: self.clone(), id }
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<u64, Arc<Transfer>>> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the slowest transfer that holds memory, if it is slow indeed and no other one is about to end.
    fn press(&self) {
        let age = self.wait_max / STEPS;
        let holders = self.holders();
        if holders.values().any(|transfer| transfer.is_pressed()) {
            return;
        }
        // One moment for all, so that they can be compared.
        let now = Instant::now();
        let slow = |transfer: &'_ Arc<Transfer>| transfer.slowness(now, age, self.safe_rate);
        let slowest = holders.values().filter_map(|transfer| Some((slow(transfer)?, transfer)));
        if let Some((_, transfer)) = slowest.max_by_key(|(slowness, _)| *slowness) {
            self.pressed.fetch_add(1, Ordering::Relaxed);
            transfer.press();
        }
    }
}

impl Reserved {
    pub(super) fn is_enough_for(&self, bytes: usize) -> bool {
        self.0.num_permits() as u64 * UNIT_BYTES >= bytes as u64
    }

    /// Gives back what more than `bytes` was reserved.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let needed = usize::try_from((bytes as u64).div_ceil(UNIT_BYTES))
            .unwrap_or(usize::MAX)
            .max(1);
        if let Some(rest) = self.0.num_permits().checked_sub(needed) {
            drop(self.0.split(rest));
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.half.holders().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::server::{pace::Patience, transfer::Lost};

    const KIB: u64 = 1 << 10;

    fn transfer() -> Arc<Transfer> {
        Transfer::new(Patience {
            pause_max: Duration::from_secs(600),
            rate_min: KIB,
        })
    }

    #[tokio::test]
    async fn what_is_dropped_is_free_again_and_large_wishes_are_capped() {
        let half = Half::new(10 * KIB, Duration::from_secs(30), KIB);
        let mut all = half.reserve(u64::MAX).await.unwrap();
        assert_eq!(half.reserved(), 10 * KIB);
        assert!(half.try_reserve(1).is_none());
        all.shrink(1);
        assert_eq!(half.reserved(), KIB);
        let _rest = half.try_reserve(9 * KIB).unwrap();
        drop(all);
        assert_eq!(half.reserved(), 9 * KIB);
    }

    #[tokio::test]
    async fn who_waits_in_vain_is_told() {
        let half = Half::new(10 * KIB, Duration::from_millis(60), KIB);
        let _held = half.reserve(10 * KIB).await.unwrap();
        assert!(half.reserve(1).await.is_err());
        assert_eq!(half.pressed(), 0);
    }

    #[tokio::test]
    async fn those_who_wait_are_served_in_their_order() {
        let half = Half::new(4 * KIB, Duration::from_secs(30), KIB);
        let first = half.reserve(4 * KIB).await.unwrap();
        let large = half.reserve(4 * KIB);
        let mut large = std::pin::pin!(large);
        assert!(futures_util::poll!(large.as_mut()).is_pending());
        let small = half.reserve(KIB);
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
        let half = Half::new(10 * KIB, Duration::from_millis(600), KIB);
        let (slow, slower_later, at_work) = (transfer(), transfer(), transfer());
        let _holdings = [&slow, &slower_later, &at_work].map(|one| half.hold(one.clone()));
        slow.waits();
        let since = Instant::now();
        while since.elapsed().is_zero() {}
        slower_later.waits();
        let held = half.reserve(10 * KIB).await.unwrap();
        let (waited, lost) = tokio::join!(half.reserve(KIB), async {
            let lost = slow.lost().await;
            // Nobody else is pressed meanwhile, however long this takes.
            half.press();
            drop(held);
            lost
        });
        assert!(waited.is_ok());
        assert_eq!((lost, half.pressed()), (Lost::Pressed, 1));
        assert!(!slower_later.is_pressed() && !at_work.is_pressed());
    }
}
