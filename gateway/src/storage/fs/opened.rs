//! Files of content that were opened a moment ago: a pull takes many pieces, and the content that is pulled is often the same.
//!
//! There are few of them, whoever reads: a stream that nobody takes from holds none.

use std::{
    collections::VecDeque,
    fs::File,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{oci::Digest, storage::StorageError};

/// How many files stay open. As many pulls at once take their pieces without opening a file for each.
pub(super) const FILES_MAX: usize = 32;

/// The files, by the time of their last use.
#[derive(Default)]
pub(super) struct Opened(Mutex<State>);

#[derive(Default)]
struct State {
    files: VecDeque<(Digest, Arc<File>)>,
    /// How many names were taken away or given to another file.
    forgotten: u64,
}

impl Opened {
    /// Returns the file of some content, which is opened where it is not.
    pub(super) fn get(
        &self,
        digest: &Digest,
        open: impl FnOnce() -> Result<File, StorageError>,
    ) -> Result<Arc<File>, StorageError> {
        let forgotten = {
            let mut state = self.state();
            // The last one is the most likely one.
            let place = state.files.iter().rposition(|(of, _)| of == digest);
            if let Some((of, file)) = place.and_then(|place| state.files.remove(place)) {
                state.files.push_back((of, file.clone()));
                return Ok(file);
            }
            state.forgotten
        };
        let file = Arc::new(open()?);
        let mut state = self.state();
        // What was opened while a name changed may be the file that had it before.
        if state.forgotten == forgotten {
            state.files.push_back((digest.clone(), file.clone()));
            if state.files.len() > FILES_MAX {
                state.files.pop_front();
            }
        }
        Ok(file)
    }

    /// Says that the name of some content was taken away or given to another file.
    pub(super) fn forget(&self, digest: &Digest) {
        let mut state = self.state();
        state.forgotten += 1;
        state.files.retain(|(of, _)| of != digest);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn files_stay_open_until_there_are_many_or_their_names_change() {
        let (opened, opens) = (Opened::default(), Cell::new(0));
        let open = || {
            opens.set(opens.get() + 1);
            Ok(tempfile::tempfile().unwrap())
        };
        let digests: Vec<_> = (0..=FILES_MAX).map(|n| Digest::sha256(&n.to_be_bytes())).collect();
        let [first, second, ..] = digests.as_slice() else {
            panic!("there are more than two")
        };
        for digest in [first, first, second, first] {
            opened.get(digest, open).unwrap();
        }
        assert_eq!(opens.get(), 2);
        // The second one was not used for longest.
        digests.iter().skip(2).for_each(|digest| drop(opened.get(digest, open)));
        assert_eq!(opens.get(), FILES_MAX + 1);
        opened.get(first, open).unwrap();
        assert_eq!(opens.get(), FILES_MAX + 1);
        opened.get(second, open).unwrap();
        assert_eq!(opens.get(), FILES_MAX + 2);
        opened.forget(second);
        opened.get(second, open).unwrap();
        assert_eq!(opens.get(), FILES_MAX + 3);
        assert!(opened.state().files.len() <= FILES_MAX);
        // A file that was opened before its name was given to another.
        let late = || {
            opened.forget(first);
            open()
        };
        opened.forget(first);
        opened.get(first, late).unwrap();
        assert!(opened.state().files.iter().all(|(of, _)| of != first));
    }
}
