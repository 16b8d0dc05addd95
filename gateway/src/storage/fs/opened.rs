//! Files of content that are read: few stay open, and none goes that a stream still takes pieces of.
//!
//! A pull takes many pieces, and the content that is pulled is often the same. There are few open files, whoever reads: a stream that nobody
//! takes from holds none.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fs::File,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::files::Files;
use crate::{oci::Location, storage::StorageError};

/// How many files stay open. As many pulls at once take their pieces without opening a file for each.
pub(super) const FILES_MAX: usize = 32;

/// The files, by the time of their last use.
#[derive(Default)]
pub(super) struct Opened(Mutex<State>);

#[derive(Default)]
struct State {
    files: VecDeque<(Location, Arc<File>)>,
    /// How many streams there are of some content.
    streams: HashMap<Location, usize>,
    /// What is being removed. No stream of it begins.
    deleting: HashSet<Location>,
}

/// A stream of some content, which stays as long as this is there.
pub(super) struct Reading {
    files: Arc<Files>,
    location: Location,
}

/// Content that is being removed.
pub(super) struct Deleting<'a> {
    opened: &'a Opened,
    location: &'a Location,
}

impl Opened {
    /// Returns the file of some content, which is opened where it is not.
    pub(super) fn get(
        &self,
        location: &Location,
        open: impl FnOnce() -> Result<File, StorageError>,
    ) -> Result<Arc<File>, StorageError> {
        {
            let mut state = self.state();
            // The last one is the most likely one.
            let place = state.files.iter().rposition(|(of, _)| of == location);
            if let Some((of, file)) = place.and_then(|place| state.files.remove(place)) {
                state.files.push_back((of, file.clone()));
                return Ok(file);
            }
        }
        let file = Arc::new(open()?);
        let mut state = self.state();
        // A file that stays open keeps its bytes on the disk.
        if !state.deleting.contains(location) {
            state.files.push_back((location.clone(), file.clone()));
            if state.files.len() > FILES_MAX {
                state.files.pop_front();
            }
        }
        Ok(file)
    }

    /// Begins to remove some content, unless somebody reads it.
    pub(super) fn delete<'a>(&'a self, location: &'a Location) -> Option<Deleting<'a>> {
        let mut state = self.state();
        if state.streams.contains_key(location) {
            return None;
        }
        state.deleting.insert(location.clone());
        state.files.retain(|(of, _)| of != location);
        Some(Deleting { opened: self, location })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// Begins a stream.
    pub(super) fn begin(files: Arc<Files>, location: &Location) -> Result<Self, StorageError> {
        let mut state = files.opened.state();
        if state.deleting.contains(location) {
            return Err(StorageError::Absent(location.clone()));
        }
        *state.streams.entry(location.clone()).or_default() += 1;
        drop(state);
        let location = location.clone();
        Ok(Self { files, location })
    }

    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    pub(super) fn open(&self) -> Result<Arc<File>, StorageError> {
        self.files.open_content(&self.location)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut state = self.files.opened.state();
        if let Some(count) = state.streams.get_mut(&self.location) {
            *count -= 1;
            if *count == 0 {
                state.streams.remove(&self.location);
            }
        }
    }
}

impl Drop for Deleting<'_> {
    fn drop(&mut self) {
        let mut state = self.opened.state();
        state.deleting.remove(self.location);
        // Who opened it just before may have kept it meanwhile.
        state.files.retain(|(of, _)| of != self.location);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn files_stay_open_until_there_are_many_or_they_are_removed() {
        let (opened, opens) = (Opened::default(), Cell::new(0));
        let open = || {
            opens.set(opens.get() + 1);
            Ok(tempfile::tempfile().unwrap())
        };
        let locations: Vec<Location> = (0..=FILES_MAX).map(|n| n.to_string().into()).collect();
        let [first, second, ..] = locations.as_slice() else {
            panic!("there are more than two")
        };
        for location in [first, first, second, first] {
            opened.get(location, open).unwrap();
        }
        assert_eq!(opens.get(), 2);
        // The second one was not used for longest.
        locations.iter().skip(2).for_each(|location| drop(opened.get(location, open)));
        assert_eq!(opens.get(), FILES_MAX + 1);
        opened.get(first, open).unwrap();
        assert_eq!(opens.get(), FILES_MAX + 1);
        opened.get(second, open).unwrap();
        assert_eq!(opens.get(), FILES_MAX + 2);
        drop(opened.delete(second).unwrap());
        opened.get(second, open).unwrap();
        assert_eq!(opens.get(), FILES_MAX + 3);
        assert_eq!(opened.state().files.len(), FILES_MAX);
        // What is opened while it is removed does not stay open.
        let deleting = opened.delete(first).unwrap();
        opened.get(first, open).unwrap();
        assert!(opened.state().files.iter().all(|(of, _)| of != first));
        drop(deleting);
        assert!(opened.state().deleting.is_empty());
    }
}
