//! The operations that change a disk: what becomes durable, and in which order, is decided by who calls them.

use std::{
    fs::{File, OpenOptions},
    io::{self, IoSlice},
    path::Path,
};

use bytes::Bytes;

/// The operations that change a disk. Tests record them, so that they can say what a crash would leave.
pub(super) trait Disk: Send + Sync + 'static {
    /// Creates a folder. Its name is durable after its parent was synced.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Opens a file for writing, and creates it where it does not exist.
    fn create(&self, path: &Path) -> io::Result<File>;

    /// Writes pieces one behind the other, without copying them together.
    fn write(&self, file: &File, offset: u64, pieces: &[Bytes]) -> io::Result<()>;

    /// Cuts a file to a size.
    fn cut(&self, file: &File, size: u64) -> io::Result<()>;

    /// Makes the bytes of a file durable.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Gives a file another name, in place of what has that name. File systems do it in one step, after a crash as well: the journal of
    /// either folder takes both along.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The real disk.
pub(super) struct Kernel;

impl Disk for Kernel {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(false).open(path)
    }

    fn write(&self, file: &File, mut offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = pieces
            .iter()
            .filter(|piece| !piece.is_empty())
            .map(|piece| IoSlice::new(piece))
            .collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            let written = rustix::io::retry_on_intr(|| rustix::io::pwritev(file, rest, offset))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            offset += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    fn cut(&self, file: &File, size: u64) -> io::Result<()> {
        file.set_len(size)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}
