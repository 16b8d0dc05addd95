//! tar, plain or in gzip, as Go reads it.
//!
//! Archives of which other readers see other entries are refused, with a rule that says why: this reader judges what somebody else's
//! reader will unpack. So headers are read here, field by field, and not by a library that makes the best of them.

mod extended;
mod header;
mod number;

use std::io::{self, Read};

use super::{
    ArchiveError, Entry, Kind, Limits, ambiguous, check_entry, ended_in,
    gzip::Members,
    meter::{Exact, Failure, Metered},
};
use extended::Extended;
use header::{BLOCK_BYTES, Block, Header};

/// Reads the entries of a tar archive in gzip of one or more members, in their order.
///
/// For each entry `each` is given a reader of its content; content that it leaves is skipped. An error that it returns ends the
/// reading. A path can come more than once, and what unpacks the archive then keeps the last.
pub fn tar_gz<R: Read>(
    reader: R,
    limits: &Limits,
    each: impl FnMut(&Entry, &mut dyn Read) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    read(Members::metered(reader, limits), limits, each)
}

/// Reads the entries of a tar archive, as [`tar_gz`] does.
pub fn tar<R: Read>(
    reader: R,
    limits: &Limits,
    each: impl FnMut(&Entry, &mut dyn Read) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    read(Metered::new(reader, limits, None), limits, each)
}

fn read<R: Read>(
    reader: Metered<R>,
    limits: &Limits,
    mut each: impl FnMut(&Entry, &mut dyn Read) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let mut tape = Tape::new(reader);
    let mut extended = Extended::default();
    let (mut count, mut headers) = (0_usize, 0_usize);
    while let Some(block) = tape.header()? {
        let header = Header::read(&block)?;
        if extended.absorb(&header, &mut tape, limits)? {
            // A real entry has two of them at most; a stream of nothing else has no entries to be counted.
            headers += 1;
            if headers > limits.entries_max.saturating_mul(3) {
                return Err(ArchiveError::Limit {
                    what: "extended headers",
                    max: limits.entries_max as u64,
                    path: String::new(),
                });
            }
            continue;
        }
        let entry = std::mem::take(&mut extended).entry(&header, limits)?;
        count += 1;
        check_entry(&entry, count, limits)?;
        tape.content(&entry, &mut each)?;
    }
    extended.used()
}

/// An archive as a sequence of blocks.
struct Tape<R> {
    reader: Metered<R>,
    failure: Failure,
}

impl<R: Read> Tape<R> {
    fn new(reader: Metered<R>) -> Self {
        let failure = reader.failure();
        Self { reader, failure }
    }

    /// Returns the next header, or nothing at the end of the archive.
    ///
    /// The archive ends with two blocks of zeros, with one, or just so. Behind one block of zeros Go refuses what other readers
    /// ignore and yet others read, and behind two there is something that is never unpacked and never looked at.
    fn header(&mut self) -> Result<Option<Block>, ArchiveError> {
        let Some(block) = self.block()? else { return Ok(None) };
        if block.iter().any(|byte| *byte != 0) {
            return Ok(Some(block));
        }
        let is_empty = |block: &Block| block.iter().all(|byte| *byte == 0);
        match self.block()? {
            Some(second) if !is_empty(&second) => Err(ambiguous(
                "tar-end",
                "",
                "one block of zeros is followed by more, which some readers take for the end",
            )),
            Some(_) => self.rest(),
            None => Ok(None),
        }
    }

    /// Reads up to the end of the file, where nothing but zeros may be. In gzip this is also what compares its checksum.
    fn rest(&mut self) -> Result<Option<Block>, ArchiveError> {
        let mut piece = [0; 16 * BLOCK_BYTES];
        loop {
            let count = self.reader.read(&mut piece).map_err(|error| self.failure.explain(error))?;
            match piece.get(..count) {
                Some([]) | None => return Ok(None),
                Some(bytes) if bytes.iter().all(|byte| *byte == 0) => {}
                Some(_) => {
                    return Err(ambiguous(
                        "tar-end",
                        "",
                        "there is more behind its end, which most readers never see",
                    ));
                }
            }
        }
    }

    fn block(&mut self) -> Result<Option<Block>, ArchiveError> {
        let mut block = [0; BLOCK_BYTES];
        match self.fill(&mut block)? {
            0 => Ok(None),
            BLOCK_BYTES => Ok(Some(block)),
            _ => Err(ArchiveError::Malformed("it ends in the middle of a header".to_owned())),
        }
    }

    /// Reads as much as there is and fits.
    fn fill(&mut self, target: &mut [u8]) -> Result<usize, ArchiveError> {
        let mut filled = 0;
        while let Some(rest) = target.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure.explain(error)),
            }
        }
        Ok(filled)
    }

    /// Reads the content of an extended header.
    fn extended(&mut self, header: &Header, what: &'static str, max: u64) -> Result<Vec<u8>, ArchiveError> {
        const NAME: &str = "an extended header";
        if header.size > max {
            return Err(ArchiveError::Limit {
                what,
                max,
                path: String::new(),
            });
        }
        let mut bytes = Vec::new();
        let mut content = Exact {
            inner: &mut self.reader,
            left: header.size,
            path: NAME,
            failure: &self.failure,
        };
        content.read_to_end(&mut bytes)?;
        self.padding(header.size, NAME)?;
        Ok(bytes)
    }

    /// Hands the content of an entry on, and goes to the block behind it.
    fn content(
        &mut self,
        entry: &Entry,
        each: &mut impl FnMut(&Entry, &mut dyn Read) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let mut content = Exact {
            inner: &mut self.reader,
            left: if entry.kind == Kind::File { entry.size } else { 0 },
            path: &entry.path,
            failure: &self.failure,
        };
        each(entry, &mut content)?;
        io::copy(&mut content, &mut io::sink())?;
        self.padding(entry.size, &entry.path)
    }

    fn padding(&mut self, size: u64, path: &str) -> Result<(), ArchiveError> {
        let used = usize::try_from(size % BLOCK_BYTES as u64).unwrap_or(0);
        let missing = (BLOCK_BYTES - used) % BLOCK_BYTES;
        let mut padding = [0; BLOCK_BYTES];
        match self.fill(padding.get_mut(..missing).unwrap_or_default())? {
            count if count == missing => Ok(()),
            _ => Err(ended_in(path)),
        }
    }
}

#[cfg(test)]
mod tests;
