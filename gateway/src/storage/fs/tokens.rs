//! One operation on an upload at a time.
//!
//! Callers come and go, but an operation that was begun holds its upload until it is done: no part is written to a file that another
//! operation has published meanwhile.

use std::{
    collections::HashSet,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// The uploads that operations are at work on. Bounded by the threads that may wait for the disk.
#[derive(Default)]
pub(super) struct Tokens {
    held: Mutex<Held>,
    freed: Condvar,
}

#[derive(Default)]
struct Held {
    tokens: HashSet<String>,
    waiting: usize,
}

/// An upload that is held.
pub(super) struct Token<'a> {
    tokens: &'a Tokens,
    name: &'a str,
}

impl Tokens {
    /// Waits for the operation on the same upload, and takes hold of it.
    pub(super) fn hold<'a>(&'a self, name: &'a str) -> Token<'a> {
        let mut held = self.lock();
        while held.tokens.contains(name) {
            held.waiting += 1;
            held = self.freed.wait(held).unwrap_or_else(PoisonError::into_inner);
            held.waiting -= 1;
        }
        held.tokens.insert(name.to_owned());
        Token { tokens: self, name }
    }

    /// Returns how many operations wait for another one.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Token<'_> {
    fn drop(&mut self) {
        self.tokens.lock().tokens.remove(self.name);
        self.tokens.freed.notify_all();
    }
}
