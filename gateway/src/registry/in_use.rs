//! Values by key that exist as long as somebody works with them.

use std::{
    collections::HashMap,
    hash::Hash,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The values. Bounded by the work that is under way.
pub(super) struct InUse<K, V>(Arc<Mutex<HashMap<K, Arc<V>>>>);

/// A value that is worked with. The last one of a key takes it out.
pub(super) struct Use<K: Eq + Hash, V> {
    table: Arc<Mutex<HashMap<K, Arc<V>>>>,
    key: K,
    value: Arc<V>,
}

impl<K, V> Default for InUse<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Clone, V: Default> InUse<K, V> {
    /// Begins to work with the value of a key.
    pub(super) fn take(&self, key: &K) -> Use<K, V> {
        let value = lock(&self.0).entry(key.clone()).or_default().clone();
        Use {
            table: self.0.clone(),
            key: key.clone(),
            value,
        }
    }

    /// Returns how many work with the value of a key.
    #[cfg(test)]
    pub(super) fn users(&self, key: &K) -> usize {
        lock(&self.0).get(key).map_or(0, |value| Arc::strong_count(value) - 1)
    }
}

impl<K: Eq + Hash, V> InUse<K, V> {
    /// Says whether several work with the value of any key.
    #[cfg(test)]
    pub(super) fn is_shared(&self) -> bool {
        lock(&self.0).values().any(|value| Arc::strong_count(value) > 2)
    }
}

impl<K: Eq + Hash, V> Use<K, V> {
    pub(super) fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Eq + Hash, V> Deref for Use<K, V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}

impl<K: Eq + Hash, V> Drop for Use<K, V> {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        // One is the table's, one is this.
        if Arc::strong_count(&self.value) <= 2 {
            table.remove(&self.key);
        }
    }
}

fn lock<K, V>(table: &Mutex<HashMap<K, Arc<V>>>) -> MutexGuard<'_, HashMap<K, Arc<V>>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shared_while_it_is_used_and_gone_afterwards() {
        let table = InUse::<u8, Mutex<u8>>::default();
        let (one, two) = (table.take(&1), table.take(&1));
        *one.lock().unwrap() = 7;
        assert_eq!((*two.lock().unwrap(), table.users(&1)), (7, 2));
        drop(one);
        assert_eq!((*two.lock().unwrap(), table.users(&1)), (7, 1));
        drop(two);
        assert_eq!((table.users(&1), *table.take(&1).lock().unwrap()), (0, 0));
    }
}
