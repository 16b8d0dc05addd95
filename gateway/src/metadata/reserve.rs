//! Space on the disk that is kept for what makes other space free.
//!
//! A deletion writes before anything becomes free: the log of the database grows by some pages. Where the disk is full, this space is given
//! up for it, and as long as it is given up nothing else that grows is accepted, so that nobody but deletions lives on it.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

/// How much is kept, in bytes. A deletion writes some ten pages of 4 KiB, and those that come together share most of them; before the log is
/// written back, at most 128 commands and one batch of 256 write to it.
const BYTES: u64 = 4 << 20;
/// The file inside the data folder.
const FILE: &str = "reserve";

/// The space.
pub(super) struct Reserve {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Kept,
    /// It was given up, or there was no room for it when the gateway started.
    GivenUp,
    /// The file system cannot keep space for anybody. Nothing is refused for that.
    Impossible,
}

impl Reserve {
    /// Keeps the space in a folder, where there is room for it.
    pub(super) fn keep(folder: &Path) -> Self {
        let reserve = Self {
            path: folder.join(FILE),
            state: Mutex::new(State::GivenUp),
        };
        if !reserve.restore() {
            tracing::warn!("the disk is full: until there is some space, deletions are carried out and pushes are refused");
        }
        reserve
    }

    /// Keeps the space again where it was given up. Returns whether something that grows may be written.
    pub(super) fn restore(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state != State::GivenUp {
            return true;
        }
        *state = match allocate(&self.path) {
            Ok(()) => State::Kept,
            Err(Errno::NOSPC | Errno::DQUOT) => {
                let _ = std::fs::remove_file(&self.path);
                State::GivenUp
            }
            Err(error) => {
                tracing::warn!(
                    error = &io::Error::from(error) as &dyn std::error::Error,
                    "no space can be kept for deletions; they may fail where the disk is full"
                );
                State::Impossible
            }
        };
        *state != State::GivenUp
    }

    /// Gives the space up.
    pub(super) fn give_up(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == State::Kept {
            tracing::warn!(
                "the disk is full: the space that is kept for deletions is used, and pushes are refused until it can be kept again"
            );
        }
        // The file of another run may be there although it could not be taken for ours.
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the space for deletions cannot be used"
            );
        }
        if *state != State::Impossible {
            *state = State::GivenUp;
        }
    }
}

/// Takes the space for a file, unless it has it already.
fn allocate(path: &Path) -> Result<(), Errno> {
    let errno = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(errno)?;
    let taken = file.metadata().map_err(errno)?;
    // The kernel counts blocks in units of 512 bytes, whatever the file system does.
    if taken.blocks() * 512 >= BYTES {
        return Ok(());
    }
    match fallocate(&file, FallocateFlags::empty(), 0, BYTES) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(&file).map_err(errno),
        other => other,
    }
}

/// Fills a file where space cannot be taken otherwise.
fn fill(mut file: &File) -> io::Result<()> {
    let filler = [0x5a; 64 << 10];
    for _ in 0..BYTES / filler.len() as u64 {
        io::Write::write_all(&mut file, &filler)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_space_is_taken_given_up_and_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let taken = || std::fs::metadata(folder.path().join(FILE)).map_or(0, |file| file.blocks() * 512);
        let reserve = Reserve::keep(folder.path());
        assert!(taken() >= BYTES);
        reserve.give_up();
        assert_eq!(taken(), 0);
        assert!(reserve.restore() && taken() >= BYTES);
        assert!(Reserve::keep(folder.path()).restore());
    }
}
