//! Every operation against every other one on the same upload, the first of them paused at each of its steps.

use std::{path::Path, sync::Arc};

use bytes::Bytes;

use super::{Slow, files::Files};
use crate::{
    oci::{Algorithm, Digest},
    storage::StorageError,
};

/// What the upload holds, and what every part that is written again holds as well: in whatever order two operations happen, one after
/// the other, the bytes are these or fewer.
const CONTENT: &[u8] = b"0123456789";

#[derive(Clone, Copy, Debug)]
enum Operation {
    WriteAgain(usize),
    Sync,
    Cut(usize),
    Read,
    Complete(Algorithm),
    Abort,
    Put,
    Completed,
}

const OPERATIONS: [Operation; 10] = [
    Operation::WriteAgain(0),
    Operation::WriteAgain(4),
    Operation::Sync,
    Operation::Cut(3),
    Operation::Read,
    Operation::Complete(Algorithm::Sha256),
    Operation::Complete(Algorithm::Sha512),
    Operation::Abort,
    Operation::Put,
    Operation::Completed,
];

fn run(operation: Operation, files: &Files, upload: &str) -> Result<(), StorageError> {
    let (size, digest) = (CONTENT.len() as u64, Digest::sha256(CONTENT));
    match operation {
        Operation::WriteAgain(from) => files.write_part(upload, from as u64, &[Bytes::from_static(&CONTENT[from..])]),
        Operation::Sync => files.sync(upload),
        Operation::Cut(to) => files.cut(upload, to as u64),
        Operation::Read => files.open_for_reading(upload).map(drop),
        Operation::Complete(algorithm) => files.complete(upload, size, &Digest::of(algorithm, CONTENT)).map(drop),
        Operation::Abort => files.abort(upload),
        Operation::Put => files.put(&digest, &[Bytes::from_static(CONTENT)]).map(drop),
        Operation::Completed => files.completed(upload, &digest).map(drop),
    }
}

/// Runs two operations, of which the first pauses after so many steps. Returns whether it came to pause.
fn overlap(first: Operation, second: Operation, steps: usize, synced: bool) -> bool {
    let (folder, slow) = (Slow::folder(), Slow::new());
    let files = Files::open(folder.path(), Arc::new(slow.clone())).unwrap();
    let upload = files.begin().unwrap();
    files.write_part(&upload, 0, &[Bytes::from_static(CONTENT)]).unwrap();
    if synced {
        files.sync(&upload).unwrap();
    }
    slow.pause_after(steps);
    let paused = std::thread::scope(|scope| {
        let one = scope.spawn(|| run(first, &files, &upload));
        while !one.is_finished() && !slow.is_paused() {
            std::thread::yield_now();
        }
        let paused = slow.is_paused();
        let two = scope.spawn(|| run(second, &files, &upload));
        while paused && !two.is_finished() && files.waiting() == 0 {
            std::thread::yield_now();
        }
        slow.release();
        for done in [one, two] {
            // Which of them is refused depends on who was first, and that is all that it may depend on.
            let done = done.join().unwrap();
            let fair = matches!(
                &done,
                Ok(()) | Err(StorageError::UploadAbsent(_) | StorageError::Offset { .. } | StorageError::Failed { .. })
            );
            assert!(fair, "{first:?} after {steps} steps, {second:?}: {done:?}");
        }
        paused
    });
    assert_whole(
        &folder.path().join("blobs"),
        &format!("{first:?} after {steps} steps, {second:?}"),
    );
    paused
}

/// Checks that every file is what its name says.
fn assert_whole(folder: &Path, what: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_whole(&path, what);
        } else {
            let found = std::fs::read(&path).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap();
            let (name, _) = name.split_once('.').unwrap();
            let algorithm = if name.len() == 64 {
                Algorithm::Sha256
            } else {
                Algorithm::Sha512
            };
            assert_eq!(Digest::of(algorithm, &found).hex(), name, "{what}: {found:?}");
        }
    }
}

#[test]
fn no_two_operations_on_an_upload_spoil_what_is_published() {
    let mut overlaps = 0;
    for first in OPERATIONS {
        for second in OPERATIONS {
            for synced in [false, true] {
                let mut steps = 0;
                while overlap(first, second, steps, synced) {
                    steps += 1;
                    overlaps += 1;
                }
            }
        }
    }
    assert!(overlaps > 400, "only {overlaps} overlaps were tried");
}
