//! zip, as Go reads it.
//!
//! A zip archive tells everything twice: before each entry, for who reads it as a stream, and in the directory at its end, for
//! everybody else. Archives in which the two differ are refused, and so is whatever lies between the entries, before or behind them:
//! this reader judges what somebody else's reader will unpack.

mod directory;
mod fields;
mod local;

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::Crc;

use super::{
    ArchiveError, Limits, ambiguous, check_entry,
    inflate::Inflate,
    malformed,
    meter::{Count, Exact, Metered},
};
use directory::Listed;

/// Reads the entries of a zip archive in the order in which they are stored. They are stored or deflated; any other method is
/// refused, and so are encryption, archives in parts and what only the 64-bit form of the format can say.
///
/// For each entry `each` is given a reader of its content. An error that it returns ends the reading. The checksum of an entry is
/// compared where its content is read to the end. All headers are compared before the first entry is handed on.
pub fn zip<R: Read + Seek>(
    mut reader: R,
    limits: &Limits,
    mut each: impl FnMut(&super::Entry, &mut dyn Read) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let entries = directory::read(&mut reader, limits)?;
    let starts = local::compare(&mut reader, &entries)?;
    let (total, compressed) = (Count::default(), Count::default());
    for (number, (listed, start)) in entries.list.iter().zip(starts).enumerate() {
        check_entry(&listed.entry, number + 1, limits)?;
        reader.seek(SeekFrom::Start(start))?;
        compressed.add(listed.packed);
        content(&mut reader, listed, limits, (&total, &compressed), &mut each)?;
    }
    Ok(())
}

/// Hands the content of an entry on, and compares its checksum if all of it was read.
fn content<R: Read>(
    reader: &mut R,
    listed: &Listed,
    limits: &Limits,
    (total, compressed): (&Count, &Count),
    each: &mut impl FnMut(&super::Entry, &mut dyn Read) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let mut unpacked = Unpacked::new(reader, listed);
    let mut metered = Metered::new(&mut unpacked, limits, Some(compressed.clone())).with_total(total);
    let failure = metered.failure();
    let mut content = Exact {
        inner: &mut metered,
        left: listed.entry.size,
        path: &listed.entry.path,
        failure: &failure,
    };
    each(&listed.entry, &mut content)?;
    if content.left > 0 {
        return Ok(());
    }
    let longer = metered.read(&mut [0]).map_err(|error| failure.explain(error))? > 0;
    unpacked.check(longer, &listed.entry.path, listed.sum)
}

/// The content of an entry, with what is needed to say at its end whether it was sound.
struct Unpacked<'a, R> {
    content: Content<'a, R>,
    sum: Crc,
}

enum Content<'a, R> {
    Stored(io::Take<&'a mut R>),
    Deflated(Inflate<BufReader<io::Take<&'a mut R>>>),
}

impl<'a, R: Read> Unpacked<'a, R> {
    fn new(reader: &'a mut R, listed: &Listed) -> Self {
        let packed = reader.take(listed.packed);
        let content = match listed.is_deflated {
            true => Content::Deflated(Inflate::new(BufReader::new(packed))),
            false => Content::Stored(packed),
        };
        Self {
            content,
            sum: Crc::new(),
        }
    }

    fn check(mut self, longer: bool, path: &str, sum: u32) -> Result<(), ArchiveError> {
        if longer {
            return Err(malformed(path, "is longer than its header says"));
        }
        let left = match &mut self.content {
            Content::Stored(packed) => packed.limit() > 0,
            Content::Deflated(content) => content.stream().read(&mut [0])? > 0,
        };
        if left {
            return Err(ambiguous(
                "zip-gap",
                path,
                "something follows its content inside of it, which is read by nobody",
            ));
        }
        if self.sum.sum() != sum {
            return Err(malformed(path, "has a wrong checksum"));
        }
        Ok(())
    }
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.content {
            Content::Stored(packed) => packed.read(target)?,
            Content::Deflated(content) => content.read(target)?,
        };
        self.sum.update(target.get(..count).unwrap_or_default());
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
