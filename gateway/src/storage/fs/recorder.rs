//! A disk that remembers every operation, and tells what a crash after any of them would leave.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    fs::File,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use bytes::Bytes;

use super::{
    disk::{Disk, Kernel},
    folders::parent,
};

/// One operation. Files are told apart by their inode, since they change their names.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operation {
    CreateFolder(PathBuf),
    SyncFolder(PathBuf),
    Create(PathBuf, u64),
    Write(u64, u64, Bytes),
    Cut(u64, u64),
    Sync(u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// Does what the real disk does, and remembers it.
#[derive(Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Vec<Operation>>>);

impl Recorder {
    /// Returns what was done so far.
    pub(super) fn operations(&self) -> Vec<Operation> {
        self.0.lock().unwrap().clone()
    }

    /// Does something and remembers it, in the order in which it was done. What fails leaves nothing.
    fn record<T>(&self, work: impl FnOnce() -> io::Result<(T, Operation)>) -> io::Result<T> {
        let mut operations = self.0.lock().unwrap();
        let (done, operation) = work()?;
        operations.push(operation);
        Ok(done)
    }
}

fn inode(file: &File) -> u64 {
    file.metadata().unwrap().ino()
}

impl Disk for Recorder {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.record(|| Ok((Kernel.create_folder(path)?, Operation::CreateFolder(path.into()))))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.record(|| Ok((Kernel.sync_folder(path)?, Operation::SyncFolder(path.into()))))
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.record(|| {
            let file = Kernel.create(path)?;
            let inode = inode(&file);
            Ok((file, Operation::Create(path.into(), inode)))
        })
    }

    fn write(&self, file: &File, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        self.record(|| {
            Ok((
                Kernel.write(file, offset, pieces)?,
                Operation::Write(inode(file), offset, pieces.concat().into()),
            ))
        })
    }

    fn cut(&self, file: &File, size: u64) -> io::Result<()> {
        self.record(|| Ok((Kernel.cut(file, size)?, Operation::Cut(inode(file), size))))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.record(|| Ok((Kernel.sync(file)?, Operation::Sync(inode(file)))))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.record(|| Ok((Kernel.rename(from, to)?, Operation::Rename(from.into(), to.into()))))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.record(|| Ok((Kernel.remove(path)?, Operation::Remove(path.into()))))
    }
}

/// How much of what was not synced a crash takes away. A disk may write anything early, and names and bytes independently.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Crash {
    pub(super) names: Names,
    pub(super) bytes: Written,
}

/// Which names survive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Names {
    /// Only those in folders that were synced.
    Synced,
    /// All.
    All,
}

/// Which bytes survive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Written {
    /// Only those of files that were synced.
    Synced,
    /// The length of every file, but zeros for what was not synced.
    Zeros,
    /// All.
    All,
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "names: {:?}, bytes: {:?}", self.names, self.bytes)
    }
}

/// Every kind of crash.
pub(super) fn crashes() -> impl Iterator<Item = Crash> {
    let of = |names| [Written::Synced, Written::Zeros, Written::All].map(|bytes| Crash { names, bytes });
    [Names::Synced, Names::All].into_iter().flat_map(of)
}

#[derive(Clone, Copy, PartialEq)]
enum Entry {
    Folder,
    File(u64),
}

/// What a crash leaves: folders, and files with their content.
pub(super) type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

type Entries = BTreeMap<PathBuf, Entry>;

/// Names that come and go in one step: a rename is two, that survive together.
type Change = Vec<(PathBuf, Option<Entry>)>;

#[derive(Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
}

/// What is on a disk and what of it is durable, below a folder that is.
#[derive(Default)]
struct Image {
    names: Entries,
    durable: Entries,
    pending: Vec<Change>,
    content: HashMap<u64, Content>,
}

impl Image {
    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::CreateFolder(path) => self.change(vec![(path.clone(), Some(Entry::Folder))]),
            Operation::SyncFolder(path) => self.sync_folder(path),
            Operation::Create(path, inode) => {
                // A file that exists is only opened. One that does not may get the inode of one that is gone.
                if !self.names.contains_key(path) {
                    self.content.insert(*inode, Content::default());
                    self.change(vec![(path.clone(), Some(Entry::File(*inode)))]);
                }
            }
            Operation::Write(inode, offset, bytes) => {
                let (now, offset) = (
                    &mut self.content.get_mut(inode).unwrap().now,
                    usize::try_from(*offset).unwrap(),
                );
                now.resize(now.len().max(offset + bytes.len()), 0);
                now[offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Operation::Cut(inode, size) => self
                .content
                .get_mut(inode)
                .unwrap()
                .now
                .truncate(usize::try_from(*size).unwrap()),
            Operation::Sync(inode) => {
                let content = self.content.get_mut(inode).unwrap();
                content.synced.clone_from(&content.now);
            }
            Operation::Rename(from, to) => self.change(vec![(from.clone(), None), (to.clone(), self.names.get(from).copied())]),
            Operation::Remove(path) => self.change(vec![(path.clone(), None)]),
        }
    }

    fn change(&mut self, change: Change) {
        commit(&mut self.names, &change);
        self.pending.push(change);
    }

    /// Makes durable what touches a folder, and nothing else. What came before it at the same names can no longer come after it.
    fn sync_folder(&mut self, folder: &Path) {
        let touches = |change: &Change| change.iter().any(|(path, _)| parent(path) == folder);
        let (synced, mut pending): (Vec<_>, Vec<_>) = self.pending.drain(..).partition(touches);
        for change in &synced {
            commit(&mut self.durable, change);
        }
        pending.retain(|change| {
            !synced
                .iter()
                .flatten()
                .any(|(path, _)| change.iter().any(|(other, _)| other == path))
        });
        self.pending = pending;
    }

    /// Returns what a crash leaves.
    fn after(&self, crash: Crash) -> Tree {
        let names = if crash.names == Names::All {
            &self.names
        } else {
            &self.durable
        };
        let content = |entry: &Entry| match entry {
            Entry::Folder => None,
            Entry::File(inode) => Some(self.content[inode].after(crash.bytes)),
        };
        names.iter().map(|(path, entry)| (path.clone(), content(entry))).collect()
    }
}

impl Content {
    fn after(&self, bytes: Written) -> Vec<u8> {
        match bytes {
            Written::Synced => self.synced.clone(),
            Written::All => self.now.clone(),
            Written::Zeros => {
                let mut left: Vec<u8> = self.synced.iter().copied().take(self.now.len()).collect();
                left.resize(self.now.len(), 0);
                left
            }
        }
    }
}

fn commit(entries: &mut Entries, change: &Change) {
    for (path, entry) in change {
        match entry {
            Some(entry) => entries.insert(path.clone(), *entry),
            None => entries.remove(path),
        };
    }
}

/// Returns what a crash after these operations leaves.
pub(super) fn after(operations: &[Operation], crash: Crash) -> Tree {
    let mut image = Image::default();
    for operation in operations {
        image.apply(operation);
    }
    image.after(crash)
}

/// Builds what a crash leaves of operations below `root` in another folder.
pub(super) fn build(tree: &Tree, root: &Path, into: &Path) {
    for (path, content) in tree {
        let target = into.join(path.strip_prefix(root).unwrap());
        // Paths are sorted, so folders come before what is in them, and what is in a folder that is lost is lost with it.
        match content {
            _ if !target.parent().unwrap().is_dir() => {}
            None => std::fs::create_dir(target).unwrap(),
            Some(content) => std::fs::write(target, content).unwrap(),
        }
    }
}
