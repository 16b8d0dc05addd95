//! What is acknowledged survives a crash: the order of the operations, and what every crash leaves.

use std::{collections::HashMap, os::unix::fs::FileExt, path::Path, sync::Arc};

use bytes::Bytes;

use super::{
    disk::Kernel,
    files::Files,
    recorder::{Crash, Operation, Recorder, Tree, after, build, crashes},
};
use crate::{
    oci::{Algorithm, Digest, Location},
    storage::StorageError,
};

/// Something that was acknowledged, when so many operations were done.
struct Promise {
    /// The number of operations that were done.
    at: usize,
    what: What,
}

enum What {
    /// Content is there.
    Content(Location, Bytes),
    /// An upload can be continued behind these bytes, or has become content.
    Upload(String, Bytes),
    /// Nothing is promised of an upload any more.
    Ended(String),
}

/// A storage on a disk that remembers, and what it has acknowledged.
struct Run {
    root: tempfile::TempDir,
    recorder: Recorder,
    files: Files,
    promises: Vec<Promise>,
}

impl Run {
    fn begin() -> Self {
        let (root, recorder) = (tempfile::tempdir().unwrap(), Recorder::default());
        let files = Files::open(&root.path().join("new/data"), Arc::new(recorder.clone())).unwrap();
        Self {
            root,
            recorder,
            files,
            promises: Vec::new(),
        }
    }

    fn promise(&mut self, what: What) {
        let at = self.recorder.operations().len();
        self.promises.push(Promise { at, what });
    }

    fn put(&mut self, content: &'static [u8]) -> Location {
        let location = self
            .files
            .put(&Digest::sha256(content), &[Bytes::from_static(content)])
            .unwrap();
        self.promise(What::Content(location.clone(), Bytes::from_static(content)));
        location
    }

    fn write(&mut self, upload: &str, offset: u64, part: &'static [u8]) {
        self.files.write_part(upload, offset, &[Bytes::from_static(part)]).unwrap();
    }

    fn sync(&mut self, upload: &str, so_far: &'static [u8]) {
        self.files.sync(upload).unwrap();
        self.promise(What::Upload(upload.to_owned(), Bytes::from_static(so_far)));
    }

    fn complete(&mut self, upload: &str, content: &'static [u8], algorithm: Algorithm) {
        let location = self
            .files
            .complete(upload, content.len() as u64, &Digest::of(algorithm, content))
            .unwrap();
        self.promise(What::Ended(upload.to_owned()));
        self.promise(What::Content(location, Bytes::from_static(content)));
    }

    fn abort(&mut self, upload: &str) {
        self.promise(What::Ended(upload.to_owned()));
        self.files.abort(upload).unwrap();
    }

    /// Returns the operations since the first `skipped` as lines, with short names for what differs from run to run.
    fn lines(&self, skipped: usize) -> String {
        let mut inodes = HashMap::new();
        let mut number = |inode: u64| {
            let next = inodes.len() + 1;
            format!("file {}", inodes.entry(inode).or_insert(next))
        };
        let name = |path: &Path| {
            let path = path.strip_prefix(self.root.path()).unwrap().display().to_string();
            let shorten = |segment: &str| {
                if segment.len() > 10 {
                    format!("{}..", &segment[..2])
                } else {
                    segment.to_owned()
                }
            };
            match path.rsplit_once('/') {
                Some((folder @ ("new/data/incoming" | "new/data/uploads"), _)) => format!("{folder}/token"),
                _ => path.split('/').map(shorten).collect::<Vec<_>>().join("/"),
            }
        };
        let line = |operation: &Operation| match operation {
            Operation::CreateFolder(path) => format!("create folder {}", name(path)),
            Operation::SyncFolder(path) => format!("sync folder {}", name(path)),
            Operation::Create(path, inode) => format!("create {} {}", number(*inode), name(path)),
            Operation::Write(inode, offset, bytes) => format!("write {} {offset}+{}", number(*inode), bytes.len()),
            Operation::Cut(inode, size) => format!("cut {} {size}", number(*inode)),
            Operation::Sync(inode) => format!("sync {}", number(*inode)),
            Operation::Rename(from, to) => format!("rename {} {}", name(from), name(to)),
            Operation::Remove(path) => format!("remove {}", name(path)),
        };
        self.recorder.operations()[skipped..]
            .iter()
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Opens what a crash after the first `at` operations leaves, and checks what was acknowledged until then.
    fn check(&self, at: usize, crash: Crash, tree: &Tree) {
        let left = tempfile::tempdir().unwrap();
        build(tree, self.root.path(), left.path());
        let data = left.path().join("new/data");
        let files = Files::open(&data, Arc::new(Kernel)).unwrap();
        assert_whole(&data.join("blobs"));
        for what in self.promised(at) {
            match what {
                What::Content(location, content) => {
                    assert_eq!(content_of(&files, location), Some(content.to_vec()), "{crash}, after {at}");
                }
                What::Upload(upload, so_far) => assert_continues(&files, &data, upload, so_far),
                What::Ended(_) => {}
            }
        }
    }

    /// Returns what was acknowledged when `at` operations were done and still holds.
    fn promised(&self, at: usize) -> impl Iterator<Item = &What> {
        let until = self
            .promises
            .iter()
            .filter(move |promise| promise.at <= at)
            .collect::<Vec<_>>();
        let ends = |of: &str, later: &[&Promise]| {
            later
                .iter()
                .any(|later| matches!(&later.what, What::Ended(upload) | What::Upload(upload, _) if upload == of))
        };
        let holds = |n: usize| match &until[n].what {
            What::Upload(upload, _) => !ends(upload, &until[n + 1..]),
            _ => true,
        };
        (0..until.len())
            .filter(|n| holds(*n))
            .map(|n| &until[n].what)
            .collect::<Vec<_>>()
            .into_iter()
    }
}

fn content_of(files: &Files, location: &Location) -> Option<Vec<u8>> {
    let file = files.open_content(location).ok()?;
    let mut found = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut found, 0).unwrap();
    Some(found)
}

/// Checks that everything that can be seen is whole.
fn assert_whole(blobs: &Path) {
    for path in tree(blobs) {
        let algorithm = path
            .strip_prefix(blobs)
            .unwrap()
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let digest = Digest::of(algorithm, &std::fs::read(&path).unwrap());
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(Some(digest.hex()), name.split('.').next(), "half a file is visible");
    }
}

fn tree(folder: &Path) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { tree(&path) } else { vec![path] })
        .collect()
}

/// Checks that an upload goes on behind what was acknowledged, unless it was just becoming content.
fn assert_continues(files: &Files, data: &Path, upload: &str, so_far: &Bytes) {
    match files.cut(upload, so_far.len() as u64) {
        Ok(()) => {
            let location = files.complete(upload, so_far.len() as u64, &Digest::sha256(so_far)).unwrap();
            assert_eq!(content_of(files, &location), Some(so_far.to_vec()));
        }
        Err(StorageError::UploadAbsent(_)) => {
            let begins = |path: &std::path::PathBuf| std::fs::read(path).unwrap().starts_with(so_far);
            assert!(
                tree(&data.join("blobs")).iter().any(begins),
                "the bytes of an upload are gone"
            );
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_crash_after_any_operation_loses_nothing_that_was_acknowledged() {
    let mut run = Run::begin();
    run.put(b"first");
    run.put(b"second");
    run.put(b"first");
    // An upload that was acknowledged twice, and written to in between and afterwards.
    let [kept, other, aborted] = [(); 3].map(|()| run.files.begin().unwrap());
    run.write(&kept, 0, b"0123");
    run.write(&kept, 4, b"45");
    run.sync(&kept, b"012345");
    run.write(&kept, 6, b"wrong");
    run.write(&kept, 6, b"6");
    run.sync(&kept, b"0123456");
    // Others at the same time, one of them never acknowledged before it is content.
    run.write(&other, 0, b"other");
    run.write(&aborted, 0, b"abc");
    run.sync(&aborted, b"abc");
    run.write(&kept, 7, b"789");
    run.complete(&other, b"other", Algorithm::Sha512);
    run.abort(&aborted);
    run.complete(&kept, b"0123456789", Algorithm::Sha256);
    run.put(b"last");
    let operations = run.recorder.operations();
    assert!(operations.len() > 60, "{} operations", operations.len());
    for crash in crashes() {
        let mut checked = None;
        for at in 0..=operations.len() {
            // Nothing is to be learnt from the same state with the same promises.
            let state = (
                after(&operations[..at], crash),
                run.promises.iter().filter(|promise| promise.at <= at).count(),
            );
            if checked.as_ref() != Some(&state) {
                run.check(at, crash, &state.0);
                checked = Some(state);
            }
        }
    }
}

#[test]
fn content_is_written_synced_renamed_and_its_folders_are_synced() {
    let mut run = Run::begin();
    let opened = run.recorder.operations().len();
    assert_eq!(
        run.lines(0),
        "create folder new\nsync folder \ncreate folder new/data\nsync folder new\ncreate folder new/data/blobs\n\
         sync folder new/data\ncreate folder new/data/uploads\nsync folder new/data\ncreate folder new/data/incoming\nsync folder new/data"
    );
    run.put(b"first");
    assert_eq!(
        run.lines(opened),
        "create file 1 new/data/incoming/token\nwrite file 1 0+5\nsync file 1\n\
         create folder new/data/blobs/sha256\nsync folder new/data/blobs\n\
         create folder new/data/blobs/sha256/a7\nsync folder new/data/blobs/sha256\n\
         rename new/data/incoming/token new/data/blobs/sha256/a7/a7..\nsync folder new/data/blobs/sha256/a7"
    );
}

#[test]
fn a_session_is_synced_before_it_is_acknowledged_and_moved_when_it_ends() {
    let mut run = Run::begin();
    run.put(b"first");
    let opened = run.recorder.operations().len();
    let upload = run.files.begin().unwrap();
    run.write(&upload, 0, b"fi");
    run.sync(&upload, b"fi");
    run.write(&upload, 2, b"rst");
    run.sync(&upload, b"first");
    run.complete(&upload, b"first", Algorithm::Sha256);
    assert_eq!(
        run.lines(opened),
        "create file 1 new/data/incoming/token\nwrite file 1 0+2\nsync file 1\n\
         rename new/data/incoming/token new/data/uploads/token\nsync folder new/data/uploads\n\
         write file 1 2+3\nsync file 1\nsync file 1\n\
         rename new/data/uploads/token new/data/blobs/sha256/a7/a7..\nsync folder new/data/blobs/sha256/a7"
    );
}

/// The proof itself has to notice what it is there for.
#[test]
fn a_missing_sync_would_be_found() {
    let mut run = Run::begin();
    let location = run.put(b"first");
    let operations = run.recorder.operations();
    let lost = |without: &dyn Fn(&Operation) -> bool| {
        let kept: Vec<Operation> = operations.iter().filter(|operation| !without(operation)).cloned().collect();
        crashes().any(|crash| {
            let left = tempfile::tempdir().unwrap();
            build(&after(&kept, crash), run.root.path(), left.path());
            let data = left.path().join("new/data");
            Files::open(&data, Arc::new(Kernel)).is_ok_and(|files| content_of(&files, &location).as_deref() != Some(b"first"))
        })
    };
    assert!(!lost(&|_| false));
    assert!(lost(&|operation| matches!(operation, Operation::Sync(_))));
    for folder in [
        "",
        "new",
        "new/data",
        "new/data/blobs",
        "new/data/blobs/sha256",
        "new/data/blobs/sha256/a7",
    ] {
        let folder = run.root.path().join(folder);
        assert!(
            lost(&|operation| matches!(operation, Operation::SyncFolder(path) if *path == folder)),
            "{}",
            folder.display()
        );
    }
}
