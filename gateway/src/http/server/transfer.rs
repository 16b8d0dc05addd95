//! One transfer: the body of a request on its way in, or answers on their way out; and when it has to end.
//!
//! A transfer ends where patience with the other side does, and where others need the memory that a much slower one holds.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::pace::{Pace, Patience};

tokio::task_local! {
    /// Where answers are paced: the connection for HTTP/1, which sends one at a time, the stream for HTTP/2.
    static SENDING: Arc<Transfer>;
}

/// Why a transfer ends before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lost {
    /// The other side was too slow, in words.
    TooSlow(String),
    /// Others need the memory.
    Pressed,
}

/// One transfer.
#[derive(Debug)]
pub(super) struct Transfer {
    pace: Mutex<Pace>,
    pressed: AtomicBool,
    changed: Notify,
}

impl Transfer {
    pub(super) fn new(patience: Patience) -> Arc<Self> {
        Arc::new(Self {
            pace: Mutex::new(Pace::new(patience)),
            pressed: AtomicBool::new(false),
            changed: Notify::new(),
        })
    }

    /// Runs what sends answers, until it is done or the answers cannot be sent.
    pub(super) async fn sending<T>(self: Arc<Self>, work: impl Future<Output = T>) -> Result<T, Lost> {
        let transfer = self.clone();
        SENDING
            .scope(self, async move {
                tokio::select! {
                    biased;
                    done = work => Ok(done),
                    lost = transfer.lost() => Err(lost),
                }
            })
            .await
    }

    /// Returns the transfer that the current task sends answers on.
    pub(super) fn current(patience: Patience) -> Arc<Self> {
        SENDING.try_with(Arc::clone).unwrap_or_else(|_| Self::new(patience))
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is the other side's turn.
    pub(super) fn waits(&self) {
        self.pace().waits(Instant::now());
    }

    /// The other side did its part.
    pub(super) fn passed(&self, bytes: usize) {
        self.pace().passed(Instant::now(), bytes as u64);
    }

    /// The other side did its part, and it is its turn again.
    pub(super) fn took(&self, bytes: usize) {
        let (now, mut pace) = (Instant::now(), self.pace());
        pace.passed(now, bytes as u64);
        pace.waits(now);
    }

    /// Returns how slow the transfer is, where it is: see [`Pace::slowness`].
    pub(super) fn slowness(&self, now: Instant, age: Duration, rate: u64) -> Option<Duration> {
        self.pace().slowness(now, age, rate)
    }

    /// Ends the transfer, so that others get its memory.
    pub(super) fn press(&self) {
        self.pressed.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    pub(super) fn is_pressed(&self) -> bool {
        self.pressed.load(Ordering::Acquire)
    }

    /// Returns for how much longer the other side may be waited for, or what is wrong with it.
    fn left(&self) -> Result<Duration, String> {
        let (now, pace) = (Instant::now(), self.pace());
        match pace.left(now) {
            Duration::ZERO => Err(pace.fault(now)),
            left => Ok(left),
        }
    }

    /// Waits until the transfer has to end. What passes meanwhile only moves that away, so nobody needs to tell.
    pub(super) async fn lost(&self) -> Lost {
        loop {
            if self.is_pressed() {
                return Lost::Pressed;
            }
            let left = match self.left() {
                Ok(left) => left,
                Err(fault) => return Lost::TooSlow(fault),
            };
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                () = self.changed.notified() => {}
            }
        }
    }
}
