//! A disk that pauses at one operation until it is told to go on, so that tests decide what happens meanwhile.

use std::{
    fs::File,
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex},
};

use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::watch;

use super::{
    FsStorage,
    disk::{Disk, Kernel},
};
use crate::storage::StorageError;

/// Does what the real disk does, and pauses where it is told to. Clones are the same disk.
#[derive(Clone)]
pub(crate) struct Slow(Arc<Gate>);

struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    paused: watch::Sender<bool>,
}

enum State {
    Running,
    /// So many operations are done before one pauses.
    PausesAfter(usize),
    /// One operation pauses; others go on.
    Paused,
    /// Operations of this name fail.
    Fails(&'static str, io::ErrorKind),
}

impl Slow {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Gate {
            state: Mutex::new(State::Running),
            changed: Condvar::new(),
            paused: watch::Sender::new(false),
        }))
    }

    /// Returns a folder that costs no syncs where there is one: what is tried there is order, and not what a disk keeps.
    pub(crate) fn folder() -> TempDir {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        folder.unwrap()
    }

    /// Opens a storage on this disk.
    pub(crate) fn open(&self, root: &Path) -> Result<FsStorage, StorageError> {
        FsStorage::on(root, Arc::new(self.clone()))
    }

    /// Lets `operations` pass; the one after them pauses.
    pub(crate) fn pause_after(&self, operations: usize) {
        self.set(State::PausesAfter(operations));
    }

    /// Lets operations of a name fail from now on.
    pub(crate) fn fail(&self, operation: &'static str, kind: io::ErrorKind) {
        self.set(State::Fails(operation, kind));
    }

    /// Lets everything go on.
    pub(crate) fn release(&self) {
        self.set(State::Running);
        self.0.changed.notify_all();
    }

    /// Waits until an operation pauses.
    pub(crate) async fn paused(&self) {
        let paused = self.0.paused.subscribe().wait_for(|paused| *paused).await.map(|_| ());
        paused.expect("the disk holds the sender");
    }

    /// Says whether an operation pauses now.
    pub(crate) fn is_paused(&self) -> bool {
        *self.0.paused.borrow()
    }

    fn set(&self, state: State) {
        *self.0.state.lock().unwrap() = state;
    }

    /// Counts an operation, and pauses where it is its turn.
    fn pass(&self, operation: &str) -> io::Result<()> {
        let mut state = self.0.state.lock().unwrap();
        match &mut *state {
            State::PausesAfter(0) => {
                *state = State::Paused;
                self.0.paused.send_replace(true);
                while matches!(*state, State::Paused) {
                    state = self.0.changed.wait(state).unwrap();
                }
                self.0.paused.send_replace(false);
            }
            State::PausesAfter(left) => *left -= 1,
            State::Fails(name, kind) if *name == operation => return Err((*kind).into()),
            _ => {}
        }
        Ok(())
    }
}

impl Disk for Slow {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.pass("create_folder")?;
        Kernel.create_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.pass("sync_folder")?;
        Kernel.sync_folder(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.pass("create")?;
        Kernel.create(path)
    }

    fn write(&self, file: &File, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        self.pass("write")?;
        Kernel.write(file, offset, pieces)
    }

    fn cut(&self, file: &File, size: u64) -> io::Result<()> {
        self.pass("cut")?;
        Kernel.cut(file, size)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.pass("sync")?;
        Kernel.sync(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass("rename")?;
        Kernel.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.pass("remove")?;
        Kernel.remove(path)
    }
}
