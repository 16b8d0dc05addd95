//! What was written when, and what a reader may see of it.
//!
//! A logical clock ticks at every beginning and end. A write without an end was given up: it may still happen. A value can be seen at a
//! time unless a write that began after it had ended was acknowledged before that time.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::ensure;

/// One thing that can be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A blob in a repository.
    Blob { repository: usize, content: usize },
    /// A manifest in a repository, by its digest.
    Manifest { repository: usize, content: usize },
    /// A tag of a repository.
    Tag { repository: usize, tag: usize },
}

/// What a key shows: a content by its number, or nothing.
pub(super) type Value = Option<usize>;

/// What a write does to a key.
#[derive(Debug, Clone)]
pub(super) struct Effect {
    pub(super) key: Key,
    pub(super) value: Value,
    /// Where given, it happens only if the key shows this.
    pub(super) only_if: Option<Value>,
}

impl Effect {
    pub(super) fn new(key: Key, value: Value) -> Self {
        Self {
            key,
            value,
            only_if: None,
        }
    }
}

#[derive(Debug, Clone)]
struct Write {
    id: u64,
    begin: u64,
    end: Option<u64>,
    acknowledged: bool,
    value: Value,
    only_if: Option<Value>,
}

impl Write {
    /// Says whether a write was certainly there no more at a time, because others came after it.
    fn is_overwritten(&self, others: &[Self], at: u64) -> bool {
        let Some(end) = self.end else { return false };
        others.iter().any(|other| {
            other.acknowledged
                && other.begin > end
                && other.end.is_some_and(|end| end < at)
                && other.only_if.is_none_or(|only_if| only_if == self.value)
        })
    }

    /// Says whether what the write depends on can have been so while it ran.
    fn can_have_happened(&self, others: &[Self]) -> bool {
        let Some(only_if) = self.only_if else { return true };
        let until = self.end.unwrap_or(u64::MAX);
        others.iter().any(|other| {
            other.only_if.is_none() && other.value == only_if && other.begin <= until && !other.is_overwritten(others, self.begin)
        })
    }
}

/// A write that was begun.
#[derive(Debug)]
#[must_use]
pub(super) struct Begun {
    id: u64,
    keys: Vec<Key>,
}

/// The history of all keys.
#[derive(Default)]
pub(super) struct History {
    clock: AtomicU64,
    writes: Mutex<BTreeMap<Key, Vec<Write>>>,
}

impl History {
    /// Returns the time, which passes by being asked for.
    pub(super) fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Vec<Write>>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a write. Until it ends it may have happened or not.
    pub(super) fn begin(&self, effects: &[Effect]) -> Begun {
        let mut writes = self.lock();
        let id = self.now();
        for effect in effects {
            writes
                .entry(effect.key.clone())
                .or_insert_with(|| vec![initial()])
                .push(Write {
                    id,
                    begin: id,
                    end: None,
                    acknowledged: false,
                    value: effect.value,
                    only_if: effect.only_if,
                });
        }
        Begun {
            id,
            keys: effects.iter().map(|effect| effect.key.clone()).collect(),
        }
    }

    /// Ends a write that was acknowledged.
    pub(super) fn acknowledge(&self, begun: &Begun) {
        let mut writes = self.lock();
        let now = self.now();
        for key in &begun.keys {
            for write in writes.get_mut(key).into_iter().flatten().filter(|write| write.id == begun.id) {
                (write.end, write.acknowledged) = (Some(now), true);
            }
        }
    }

    /// Takes back a write that was refused: it had no effect.
    pub(super) fn take_back(&self, begun: &Begun) {
        let mut writes = self.lock();
        for key in &begun.keys {
            if let Some(writes) = writes.get_mut(key) {
                writes.retain(|write| write.id != begun.id);
            }
        }
    }

    /// Says whether a key can have shown something at some moment since a time, and before now.
    pub(super) fn can_show(&self, key: &Key, value: Value, since: u64) -> bool {
        let mut writes = self.lock();
        let writes = writes.entry(key.clone()).or_insert_with(|| vec![initial()]);
        writes
            .iter()
            .any(|write| write.value == value && !write.is_overwritten(writes, since) && write.can_have_happened(writes))
    }

    /// Checks what was read.
    pub(super) fn check(&self, key: &Key, value: Value, since: u64) -> anyhow::Result<()> {
        let can = self.can_show(key, value, since);
        ensure!(
            can,
            "{key:?} shows {value:?}, read from time {since} on, after these writes:\n{}",
            self.lock()
                .get(key)
                .into_iter()
                .flatten()
                .map(|write| format!("  {write:?}\n"))
                .collect::<String>()
        );
        Ok(())
    }

    /// Says that nothing that was begun will happen any more: the gateway is gone.
    pub(super) fn settle(&self) {
        let mut writes = self.lock();
        let now = self.now();
        for write in writes.values_mut().flatten() {
            write.end.get_or_insert(now);
        }
    }

    /// Forgets what led to what a key shows.
    pub(super) fn begin_anew(&self, key: &Key, value: Value) {
        let shown = Write { value, ..initial() };
        self.lock().insert(key.clone(), vec![shown]);
    }
}

/// Nothing is there at first.
fn initial() -> Write {
    Write {
        id: 0,
        begin: 0,
        end: Some(0),
        acknowledged: true,
        value: None,
        only_if: None,
    }
}

#[test]
fn the_history_tells_what_can_be_seen() {
    let history = History::default();
    let key = Key::Tag { repository: 0, tag: 0 };
    let can = |value, since| history.can_show(&key, value, since);
    let write = |value, only_if| {
        let key = key.clone();
        history.begin(&[Effect { key, value, only_if }])
    };
    let before = history.now();
    assert!(can(None, before) && !can(Some(1), before));
    let first = write(Some(1), None);
    assert!(can(None, before) && can(Some(1), before), "under way: both");
    history.acknowledge(&first);
    let after = history.now();
    assert!(can(None, before) && !can(None, after) && can(Some(1), after));
    // A deletion of another manifest takes no tag along, one of this manifest does.
    history.acknowledge(&write(None, Some(Some(2))));
    assert!(!can(None, history.now()) && can(Some(1), history.now()));
    history.acknowledge(&write(None, Some(Some(1))));
    assert!(can(None, history.now()) && !can(Some(1), history.now()));
    // What was given up may happen at any time, until the gateway is gone.
    let _given_up = write(Some(3), None);
    history.acknowledge(&write(Some(4), None));
    assert!(can(Some(3), history.now()) && can(Some(4), history.now()));
    history.settle();
    history.acknowledge(&write(None, None));
    assert!(can(None, history.now()) && !can(Some(3), history.now()));
    history.take_back(&write(Some(5), None));
    assert!(!can(Some(5), history.now()));
}
