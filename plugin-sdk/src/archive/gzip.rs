//! gzip, as Go reads it: members one after the other, with their checksums, and nothing else.

use std::io::{self, BufRead, BufReader, Read};

use flate2::Crc;

use super::{
    ArchiveError, Limits, ambiguous,
    inflate::Inflate,
    meter::{Counted, Metered},
};

/// The longest name or comment of a member: Go refuses longer ones, others skip them.
const TEXT_BYTES_MAX: usize = 511;
/// The flags of a member's header.
const HEADER_SUM: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// Decompresses gzip of one or more members, behind which there may be nothing.
///
/// Of the bounds, those on the total and the ratio apply.
pub fn gunzip<R: Read>(reader: R, limits: &Limits) -> Result<Vec<u8>, ArchiveError> {
    let mut members = Members::metered(reader, limits);
    let failure = members.failure();
    let mut bytes = Vec::new();
    members.read_to_end(&mut bytes).map_err(|error| failure.explain(error))?;
    Ok(bytes)
}

/// A decompressing reader.
pub(super) struct Members<R> {
    content: Inflate<BufReader<Counted<R>>>,
    place: Place,
    /// The checksum of the member so far.
    sum: Crc,
}

/// Where in the stream a reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the header of the first member.
    Start,
    /// In the content of a member.
    Content,
    /// Behind a member, where there can be another one.
    Between,
    /// At the end, or behind an error.
    End,
}

impl<R: Read> Members<R> {
    /// Returns a reader within the bounds.
    pub(super) fn metered(reader: R, limits: &Limits) -> Metered<Self> {
        let (counted, count) = Counted::new(reader);
        let members = Self {
            content: Inflate::new(BufReader::new(counted)),
            place: Place::Start,
            sum: Crc::new(),
        };
        Metered::new(members, limits, Some(count))
    }

    /// Reads what there is to be read, and returns where that leads.
    fn step(&mut self, target: &mut [u8]) -> io::Result<(Place, usize)> {
        match self.place {
            Place::Content => {
                let count = self.content.read(target)?;
                self.sum.update(target.get(..count).unwrap_or_default());
                if count > 0 {
                    return Ok((Place::Content, count));
                }
                trailer(self.content.stream(), &self.sum)?;
                Ok((Place::Between, 0))
            }
            Place::Between if self.content.stream().fill_buf()?.is_empty() => Ok((Place::End, 0)),
            Place::Start | Place::Between => {
                header(self.content.stream(), self.place == Place::Start)?;
                self.content.restart();
                self.sum.reset();
                Ok((Place::Content, 0))
            }
            Place::End => Ok((Place::End, 0)),
        }
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        while count == 0 && self.place != Place::End && !target.is_empty() {
            let stepped = self.step(target);
            // Behind an error there is nothing that could be trusted.
            self.place = stepped.as_ref().map_or(Place::End, |(place, _)| *place);
            count = stepped?.1;
        }
        Ok(count)
    }
}

fn take<const N: usize>(stream: &mut impl Read, sum: &mut Crc) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    sum.update(&bytes);
    Ok(bytes)
}

/// Reads the header of a member.
fn header(stream: &mut impl BufRead, is_first: bool) -> io::Result<()> {
    // What is no gzip at all is told by its first bytes, however few there are.
    let begins = stream.fill_buf()?;
    if !begins.starts_with(&[0x1f]) {
        return Err(match is_first {
            true => malformed("it is no gzip"),
            false => refuse(
                "gzip-end",
                "something that is no gzip follows the last member; some readers refuse it, others ignore it",
            ),
        });
    }
    let mut sum = Crc::new();
    let [first, second, method, flags, ..] = take::<10>(stream, &mut sum)?;
    if (first, second, method) != (0x1f, 0x8b, 8) {
        return Err(malformed("a member is no gzip"));
    }
    if flags & RESERVED != 0 {
        return Err(refuse("gzip-flags", "a member has flags that nobody has given a meaning"));
    }
    if flags & EXTRA != 0 {
        let length = u64::from(u16::from_le_bytes(take(stream, &mut sum)?));
        let mut extra = Vec::new();
        if (&mut *stream).take(length).read_to_end(&mut extra)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sum.update(&extra);
    }
    for _ in [NAME, COMMENT].iter().filter(|flag| flags & **flag != 0) {
        text(stream, &mut sum)?;
    }
    if flags & HEADER_SUM != 0 {
        let expected = sum.sum() & 0xffff;
        if u32::from(u16::from_le_bytes(take(stream, &mut sum)?)) != expected {
            return Err(malformed("the header of a member has a wrong checksum"));
        }
    }
    Ok(())
}

/// Skips a name or a comment.
fn text(stream: &mut impl BufRead, sum: &mut Crc) -> io::Result<()> {
    let mut text = Vec::new();
    (&mut *stream).take(TEXT_BYTES_MAX as u64 + 1).read_until(0, &mut text)?;
    sum.update(&text);
    match text.last() {
        Some(0) => Ok(()),
        _ if text.len() > TEXT_BYTES_MAX => {
            let problem = format!("the name or comment of a member has more than {TEXT_BYTES_MAX} bytes, which Go refuses");
            Err(refuse("gzip-name", &problem))
        }
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Compares the checksum and the length behind the content.
fn trailer(stream: &mut impl Read, sum: &Crc) -> io::Result<()> {
    let expected = u32::from_le_bytes(take(stream, &mut Crc::new())?);
    let length = u32::from_le_bytes(take(stream, &mut Crc::new())?);
    if (expected, length) == (sum.sum(), sum.amount()) {
        return Ok(());
    }
    Err(malformed("the checksum or the length of a member is wrong"))
}

fn malformed(problem: &str) -> io::Error {
    ArchiveError::Malformed(problem.to_owned()).into()
}

fn refuse(rule: &'static str, problem: &str) -> io::Error {
    ambiguous(rule, "", problem).into()
}

#[cfg(test)]
mod tests;
