//! Values by key that exist as long as somebody works with them.

use std::{
    collections::HashMap,
    hash::Hash,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The values, each with how many work with it. Bounded by the work that is under way.
pub(super) struct InUse<K, V>(Arc<Mutex<Table<K, V>>>);

type Table<K, V> = HashMap<K, (usize, Arc<V>)>;

/// A value that is worked with. The last one of a key takes it out.
pub(super) struct Use<K: Eq + Hash, V> {
    table: Arc<Mutex<Table<K, V>>>,
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
        let mut table = lock(&self.0);
        let (users, value) = table.entry(key.clone()).or_default();
        *users += 1;
        Use {
            table: self.0.clone(),
            key: key.clone(),
            value: value.clone(),
        }
    }

    /// Returns how many work with the value of a key.
    #[cfg(test)]
    pub(super) fn users(&self, key: &K) -> usize {
        lock(&self.0).get(key).map_or(0, |(users, _)| *users)
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
        // Counted under the lock: the value itself is only dropped behind it, when another one may have looked already.
        if let Some((users, _)) = table.get_mut(&self.key) {
            *users -= 1;
            if *users == 0 {
                table.remove(&self.key);
            }
        }
    }
}

fn lock<K, V>(table: &Mutex<Table<K, V>>) -> MutexGuard<'_, Table<K, V>> {
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

    #[test]
    fn a_value_that_lives_on_for_a_moment_keeps_no_entry() {
        let table = InUse::<u8, Mutex<u8>>::default();
        let one = table.take(&1);
        // As where another use has ended, whose value is not dropped yet.
        let lingers = one.value.clone();
        drop(one);
        assert_eq!(lock(&table.0).len(), 0);
        drop(lingers);
    }
}
