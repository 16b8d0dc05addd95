//! How many connections there may be, in all and from one peer, and which of them make room for others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::link::Link;
use crate::auth::Peer;

/// How long nothing has to run on a connection before it makes room: a client that sends one request after another is never cut off
/// between them.
const IDLE_MIN: Duration = Duration::from_secs(1);
/// How often somebody who waits for a place looks whether a connection has become idle.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// All places.
pub(super) struct Places {
    free: Arc<Semaphore>,
    per_peer_max: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    links: HashMap<u64, (Peer, Arc<Link>)>,
    per_peer: HashMap<Peer, usize>,
    refused: u64,
}

/// A place for one connection that nobody has taken yet.
pub(super) struct Free {
    _permit: OwnedSemaphorePermit,
}

/// A place that a connection has, until this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    peer: Peer,
    _free: Free,
}

impl Places {
    pub(super) fn new(connections_max: usize, per_peer_max: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(connections_max.clamp(1, Semaphore::MAX_PERMITS))),
            per_peer_max: per_peer_max.max(1),
            open: Mutex::default(),
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many connections are open, and how many were refused because their peer had too many.
    pub(super) fn counts(&self) -> (usize, u64) {
        let open = self.open();
        (open.links.len(), open.refused)
    }

    /// Waits for a place. Whoever has been idle for longest makes room.
    pub(super) async fn free(&self) -> Option<Free> {
        let acquire = self.free.clone().acquire_owned();
        let mut acquire = std::pin::pin!(acquire);
        loop {
            if let Some(permit) = acquire.as_mut().now_or_never() {
                return permit.ok().map(|permit| Free { _permit: permit });
            }
            // Whoever was asked gets a moment before somebody else is.
            let look_again = if self.open().make_room(|_| true) {
                IDLE_MIN
            } else {
                LOOK_INTERVAL
            };
            tokio::select! {
                permit = acquire.as_mut() => return permit.ok().map(|permit| Free { _permit: permit }),
                () = tokio::time::sleep(look_again) => {}
            }
        }
    }

    /// Takes a place for a connection, unless its peer has its share already and uses all of it.
    pub(super) fn take(self: &Arc<Self>, free: Free, peer: Peer, link: &Arc<Link>) -> Option<Place> {
        let mut open = self.open();
        let of_peer = open.per_peer.get(&peer).copied().unwrap_or_default();
        if of_peer >= self.per_peer_max && !open.make_room(|other| *other == peer) {
            open.refused += 1;
            return None;
        }
        open.per_peer.insert(peer, of_peer + 1);
        let id = open.next;
        open.next += 1;
        open.links.insert(id, (peer, link.clone()));
        drop(open);
        Some(Place {
            places: self.clone(),
            id,
            peer,
            _free: free,
        })
    }
}

impl Open {
    /// Asks the connection to leave that has been idle for longest. Returns whether there is one.
    fn make_room(&self, of: impl Fn(&Peer) -> bool) -> bool {
        let now = Instant::now();
        let idle = self.links.values().filter(|(peer, _)| of(peer)).filter_map(|(_, link)| {
            let idle = link.idle_for(now).filter(|idle| *idle >= IDLE_MIN)?;
            Some((idle, link))
        });
        let longest = idle.max_by_key(|(idle, _)| *idle);
        longest.is_some_and(|(_, link)| {
            link.ask_to_leave();
            true
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.open();
        open.links.remove(&self.id);
        if let Some(count) = open.per_peer.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.per_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn peer(text: &str) -> Peer {
        Peer::from(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn a_peer_is_an_address_or_a_network_of_64_bits() {
        assert_eq!(peer("192.0.2.1"), peer("::ffff:192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
        assert_eq!(peer("2001:db8:0:1::1"), peer("2001:db8:0:1:ffff::"));
        assert_ne!(peer("2001:db8:0:1::1"), peer("2001:db8:0:2::1"));
    }

    #[tokio::test]
    async fn a_peer_has_its_share_and_others_theirs() {
        let places = Places::new(3, 2);
        let link = Link::new();
        let mut taken = Vec::new();
        for _ in 0..2 {
            let free = places.free().await.unwrap();
            taken.push(places.take(free, peer("192.0.2.1"), &link).unwrap());
        }
        let free = places.free().await.unwrap();
        assert!(places.take(free, peer("192.0.2.1"), &link).is_none());
        assert_eq!(places.counts(), (2, 1));
        let free = places.free().await.unwrap();
        let other = places.take(free, peer("192.0.2.2"), &link).unwrap();
        drop((taken.pop(), other));
        let free = places.free().await.unwrap();
        taken.extend(places.take(free, peer("192.0.2.1"), &link));
        assert_eq!(places.counts(), (2, 1));
        drop(taken);
        assert_eq!(places.counts(), (0, 1));
        assert!(places.open().per_peer.is_empty());
    }

    #[tokio::test]
    async fn a_peer_with_all_its_share_gives_up_what_it_does_not_use() {
        let places = Places::new(9, 1);
        let (idle, new) = (Link::idle_since(3), Link::new());
        let free = places.free().await.unwrap();
        let _idle = places.take(free, peer("192.0.2.1"), &idle).unwrap();
        let free = places.free().await.unwrap();
        let _new = places.take(free, peer("192.0.2.1"), &new).unwrap();
        idle.asked_to_leave().await;
        // Nobody leaves twice.
        let free = places.free().await.unwrap();
        assert!(places.take(free, peer("192.0.2.1"), &Link::new()).is_none());
    }

    #[tokio::test]
    async fn who_has_been_idle_for_longest_makes_room_and_nobody_at_work() {
        let places = Places::new(3, 3);
        let (older, newer, at_work) = (Link::idle_since(5), Link::idle_since(3), Link::idle_since(9));
        let _running = at_work.run();
        let mut taken = Vec::new();
        for link in [&newer, &older, &at_work] {
            let free = places.free().await.unwrap();
            taken.push(places.take(free, peer("192.0.2.1"), link).unwrap());
        }
        let (free, ()) = tokio::join!(places.free(), async {
            older.asked_to_leave().await;
            drop(taken.remove(1));
        });
        assert!(free.is_some());
        let unasked = std::pin::pin!(newer.asked_to_leave());
        assert!(futures_util::poll!(unasked).is_pending());
    }
}
