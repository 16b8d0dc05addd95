//! Reading a blob as a stream.

use std::io::{self, Read, Seek, SeekFrom};

use crate::Blob;

/// Reads a blob piece by piece. One piece is kept, so that small reads and short ways back cost no call of the gateway.
#[derive(Debug)]
pub struct BlobReader<'blob> {
    blob: &'blob Blob,
    window: Window,
}

impl<'blob> BlobReader<'blob> {
    /// The bytes of one piece: in the middle of the range in which calls are fastest.
    pub(crate) const PIECE_BYTES: u32 = 128 * 1024;

    pub(crate) fn new(blob: &'blob Blob) -> Self {
        Self {
            blob,
            window: Window::new(blob.size()),
        }
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.window.read(target, |offset| self.blob.read(offset, Self::PIECE_BYTES))
    }
}

impl Seek for BlobReader<'_> {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        self.window.seek(target)
    }
}

/// A position in something large, and the piece around it.
#[derive(Debug)]
struct Window {
    size: u64,
    position: u64,
    piece: Vec<u8>,
    piece_start: u64,
}

impl Window {
    fn new(size: u64) -> Self {
        Self {
            size,
            position: 0,
            piece: Vec::new(),
            piece_start: 0,
        }
    }

    /// Copies what the piece holds from the position on, after fetching another where that is nothing.
    fn read(&mut self, target: &mut [u8], fetch: impl FnOnce(u64) -> Vec<u8>) -> io::Result<usize> {
        if !target.is_empty() && self.position < self.size && self.rest().is_empty() {
            self.piece = fetch(self.position);
            self.piece_start = self.position;
        }
        let count = self.rest().read(target)?;
        self.position += count as u64;
        Ok(count)
    }

    fn rest(&self) -> &[u8] {
        let offset = self
            .position
            .checked_sub(self.piece_start)
            .and_then(|offset| usize::try_from(offset).ok());
        offset.and_then(|offset| self.piece.get(offset..)).unwrap_or_default()
    }

    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let position = match target {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let before = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the position would be before the first byte of the blob",
            )
        };
        self.position = position.ok_or_else(before)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: &[u8] = b"0123456789";

    /// Reads up to `count` bytes in pieces of four, and notes what was fetched.
    fn read(window: &mut Window, count: usize, fetched: &mut Vec<u64>) -> Vec<u8> {
        let mut target = vec![0; count];
        let count = window.read(&mut target, |offset| {
            fetched.push(offset);
            let start = usize::try_from(offset).unwrap();
            CONTENT[start..CONTENT.len().min(start + 4)].to_vec()
        });
        target.truncate(count.unwrap());
        target
    }

    #[test]
    fn a_piece_serves_every_read_inside_of_it() {
        let (mut window, mut fetched) = (Window::new(10), Vec::new());
        assert_eq!(read(&mut window, 3, &mut fetched), b"012");
        assert_eq!(read(&mut window, 3, &mut fetched), b"3");
        assert_eq!(read(&mut window, 0, &mut fetched), b"");
        assert_eq!(read(&mut window, 9, &mut fetched), b"4567");
        window.seek(SeekFrom::Current(-3)).unwrap();
        assert_eq!(read(&mut window, 1, &mut fetched), b"5");
        assert_eq!(fetched, [0, 4]);
        window.seek(SeekFrom::Start(3)).unwrap();
        assert_eq!(read(&mut window, 2, &mut fetched), b"34");
        window.seek(SeekFrom::End(-1)).unwrap();
        assert_eq!(read(&mut window, 9, &mut fetched), b"9");
        assert_eq!(read(&mut window, 9, &mut fetched), b"");
        assert_eq!(fetched, [0, 4, 3, 9]);
    }

    #[test]
    fn twice_the_blob_is_fetched_in_twice_the_pieces() {
        let pieces = |size: usize| {
            let (mut window, mut fetched) = (Window::new(size as u64), 0);
            let mut fetch = |offset| {
                fetched += 1;
                vec![0; (size - usize::try_from(offset).unwrap()).min(1_000)]
            };
            while window.read(&mut [0; 3], &mut fetch).unwrap() > 0 {}
            fetched
        };
        assert_eq!((pieces(50_000), pieces(100_000)), (50, 100));
    }

    #[test]
    fn no_position_is_before_the_first_byte_and_none_behind_the_last_has_any() {
        let (mut window, mut fetched) = (Window::new(10), Vec::new());
        assert!(window.seek(SeekFrom::End(-11)).is_err());
        assert!(window.seek(SeekFrom::Current(-1)).is_err());
        assert_eq!(window.seek(SeekFrom::End(5)).unwrap(), 15);
        assert_eq!(read(&mut window, 1, &mut fetched), b"");
        assert_eq!(window.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
        assert_eq!(read(&mut window, 1, &mut fetched), b"");
        assert!(fetched.is_empty());
    }
}
