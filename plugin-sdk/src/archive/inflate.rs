//! Decompressing up to the end that the compressed data itself marks, and not a byte beyond.

use std::io::{self, BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// A decompressing reader that fails where its data ends before it says so: a library that reports that as the end would take half
/// of a stream for a whole one.
pub(super) struct Inflate<B> {
    stream: B,
    state: Decompress,
    is_ended: bool,
}

impl<B: BufRead> Inflate<B> {
    pub(super) fn new(stream: B) -> Self {
        Self {
            stream,
            state: Decompress::new(false),
            is_ended: false,
        }
    }

    /// Returns what the data is read from; it is right behind the data once this is at its end.
    pub(super) fn stream(&mut self) -> &mut B {
        &mut self.stream
    }

    /// Goes on with other data at the place where the stream is.
    pub(super) fn restart(&mut self) {
        self.state.reset(false);
        self.is_ended = false;
    }
}

impl<B: BufRead> Read for Inflate<B> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while !self.is_ended && !target.is_empty() {
            let input = self.stream.fill_buf()?;
            let is_over = input.is_empty();
            let (read, written) = (self.state.total_in(), self.state.total_out());
            let status = self.state.decompress(input, target, FlushDecompress::None);
            let read = usize::try_from(self.state.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(self.state.total_out() - written).unwrap_or(usize::MAX);
            self.stream.consume(read);
            self.is_ended = status.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "its compressed data is damaged"))?
                == Status::StreamEnd;
            if written > 0 {
                return Ok(written);
            }
            if is_over && !self.is_ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}
