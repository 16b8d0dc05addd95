//! Holds up reads in tests, as a disk does that does not answer.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

/// A gate that is open unless somebody closed it.
#[derive(Clone, Default)]
pub(in crate::metadata) struct Gate(Arc<Inner>);

#[derive(Default)]
struct Inner {
    closed: Mutex<()>,
    /// How many stand before it.
    standing: AtomicUsize,
}

/// As long as this lives, nobody passes.
pub(in crate::metadata) struct Closed<'a> {
    _guard: MutexGuard<'a, ()>,
}

impl Gate {
    /// Closes the gate until the answer is dropped.
    pub(in crate::metadata) fn close(&self) -> Closed<'_> {
        let _guard = self.0.closed.lock().unwrap_or_else(PoisonError::into_inner);
        Closed { _guard }
    }

    /// Returns how many reads are held up.
    pub(in crate::metadata) fn standing(&self) -> usize {
        self.0.standing.load(Ordering::SeqCst)
    }

    pub(super) fn pass(&self) {
        self.0.standing.fetch_add(1, Ordering::SeqCst);
        drop(self.close());
        self.0.standing.fetch_sub(1, Ordering::SeqCst);
    }
}
