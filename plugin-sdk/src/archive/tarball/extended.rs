//! Extended headers: entries of a tar archive that say something about the one that follows.
//!
//! There are those of POSIX ("PAX") for one entry or for all, and long names and link targets of GNU tar. What a chain of them
//! means depends on the reader, so there is none: an entry has one of POSIX, or one or two of GNU.

use std::io::Read;

use super::{
    Tape,
    header::{Header, text},
};
use crate::archive::{ArchiveError, Entry, Kind, Limits, ambiguous, bounded_path};

/// The most bytes of one PAX header. It holds a path, a link target and a few times and numbers.
const PAX_BYTES_MAX: u64 = 64 * 1024;
/// Where errors are shown that concern no entry.
const PAX: &str = "a PAX header";

/// What extended headers say of the entry that follows them.
#[derive(Default)]
pub(super) struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    modified: Option<i64>,
    is_pax: bool,
}

impl Extended {
    /// Takes in an extended header. Returns whether the entry was one.
    pub(super) fn absorb<R: Read>(&mut self, header: &Header, tape: &mut Tape<R>, limits: &Limits) -> Result<bool, ArchiveError> {
        let name_bytes_max = (limits.path_bytes_max as u64).saturating_add(1);
        match header.kind {
            b'L' => {
                self.alone(self.path.is_none() && !self.is_pax)?;
                self.path = Some(long_name(&tape.extended(header, "bytes of a path", name_bytes_max)?)?);
            }
            b'K' => {
                self.alone(self.link.is_none() && !self.is_pax)?;
                self.link = Some(long_name(&tape.extended(header, "bytes of a path", name_bytes_max)?)?);
            }
            b'x' => {
                self.alone(self.is_empty())?;
                let content = tape.extended(header, "bytes of a PAX header", PAX_BYTES_MAX)?;
                self.is_pax = true;
                records(&content, |key, value| self.record(key, value))?;
            }
            b'g' => {
                self.alone(self.is_empty())?;
                let content = tape.extended(header, "bytes of a PAX header", PAX_BYTES_MAX)?;
                records(&content, global)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn is_empty(&self) -> bool {
        !self.is_pax && self.path.is_none() && self.link.is_none()
    }

    fn alone(&self, may_follow: bool) -> Result<(), ArchiveError> {
        if may_follow {
            return Ok(());
        }
        let path = self.path.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let problem = "several extended headers stand before one entry, and which of them count depends on the reader";
        Err(ambiguous("tar-chain", &path, problem))
    }

    /// Checks that there is no extended header without an entry at the end.
    pub(super) fn used(&self) -> Result<(), ArchiveError> {
        if self.is_empty() {
            return Ok(());
        }
        let path = self.path.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        Err(ambiguous("tar-chain", &path, "an extended header is followed by no entry"))
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), ArchiveError> {
        match key {
            b"path" => once(&mut self.path, key, name(key, value)?),
            b"linkpath" => once(&mut self.link, key, name(key, value)?),
            b"size" => once(&mut self.size, key, integer(key, value)?.unsigned_abs()),
            b"mtime" if !value.is_empty() => once(&mut self.modified, key, seconds(key, value)?),
            _ => common(key, value),
        }
    }

    /// Returns the entry that the header and these extensions describe.
    pub(super) fn entry(self, header: &Header, limits: &Limits) -> Result<Entry, ArchiveError> {
        let path = bounded_path(self.path.as_deref().unwrap_or(&header.name), limits)?;
        let refuse = |rule, problem| Err(ambiguous(rule, &path, problem));
        if path.is_empty() {
            return refuse("tar-name", "it has no name");
        }
        if self.size.is_some_and(|size| size != header.size) {
            return refuse("tar-size", "its header and its PAX header give different sizes");
        }
        let kind = match header.kind {
            b'0' | b'7' if path.ends_with('/') => {
                return refuse(
                    "tar-slash",
                    "it is a file whose name ends in a slash, which makes it a folder for some readers",
                );
            }
            0 if path.ends_with('/') != header.name.ends_with(b"/") => {
                return refuse(
                    "tar-slash",
                    "one of its names ends in a slash and the other does not, which makes it a folder or a file",
                );
            }
            // Before there was a type for folders, a slash at the end made one.
            0 if path.ends_with('/') => Kind::Directory,
            0 | b'0' | b'7' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' | b'4' | b'6' => Kind::Other,
            b'5' => Kind::Directory,
            b'S' => return refuse("tar-sparse", "it is a sparse file, which few readers know"),
            _ => {
                return refuse(
                    "tar-type",
                    "it is of a type that some readers skip and others take for a file",
                );
            }
        };
        if kind != Kind::File && header.size > 0 {
            return refuse(
                "tar-content",
                "it is no file and has content, which some readers skip and others take for entries",
            );
        }
        let is_link = matches!(kind, Kind::Symlink | Kind::HardLink);
        let link = self.link.as_deref().unwrap_or(&header.link);
        let link = match link {
            link if is_link && !link.is_empty() => Some(bounded_path(link, limits)?),
            _ => None,
        };
        Ok(Entry {
            path,
            kind,
            size: header.size,
            link,
            mode: header.mode,
            modified: u64::try_from(self.modified.unwrap_or(header.modified)).ok(),
        })
    }
}

/// Reads a name of GNU tar, which ends at the first NUL.
fn long_name(content: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    match text(content) {
        [] => Err(ambiguous("tar-name", "", "a long name is empty, which some readers ignore")),
        name => Ok(name.to_vec()),
    }
}

/// Checks a record of a header for all entries that follow: Go ignores what it says.
fn global(key: &[u8], value: &[u8]) -> Result<(), ArchiveError> {
    match key {
        b"path" | b"linkpath" | b"size" => Err(ambiguous(
            "tar-global",
            PAX,
            &format!(
                "it gives all entries one {}, which some readers ignore",
                String::from_utf8_lossy(key)
            ),
        )),
        b"mtime" if !value.is_empty() => seconds(key, value).map(drop),
        _ => common(key, value),
    }
}

/// Checks a record whose value nobody needs.
fn common(key: &[u8], value: &[u8]) -> Result<(), ArchiveError> {
    match key {
        b"uid" | b"gid" if !value.is_empty() => integer(key, value).map(drop),
        b"atime" | b"ctime" if !value.is_empty() => seconds(key, value).map(drop),
        b"uname" | b"gname" if value.contains(&0) => Err(record_error("a record holds a NUL")),
        b"SCHILY.realsize" | b"SUN.holesdata" => Err(sparse()),
        _ if key.starts_with(b"GNU.sparse") => Err(sparse()),
        _ => Ok(()),
    }
}

fn sparse() -> ArchiveError {
    ambiguous("tar-sparse", PAX, "it describes a sparse file, which few readers know")
}

fn record_error(problem: &str) -> ArchiveError {
    ambiguous("tar-record", PAX, problem)
}

/// Goes through the records: a length that counts all of the record, a blank, a key, `=`, a value, a line feed.
fn records(mut content: &[u8], mut each: impl FnMut(&[u8], &[u8]) -> Result<(), ArchiveError>) -> Result<(), ArchiveError> {
    while !content.is_empty() {
        let (record, rest) = split(content).ok_or_else(|| record_error("its records are not as they should be"))?;
        let equals = record.iter().position(|byte| *byte == b'=').filter(|at| *at > 0);
        let (key, value) = equals
            .and_then(|at| Some((record.get(..at)?, record.get(at + 1..)?)))
            .ok_or_else(|| record_error("a record has no key"))?;
        if key.contains(&0) {
            return Err(record_error("a record holds a NUL"));
        }
        each(key, value)?;
        content = rest;
    }
    Ok(())
}

/// Splits the first record off, without its length and its line feed.
fn split(content: &[u8]) -> Option<(&[u8], &[u8])> {
    // The length of what is read at one go has at most five digits.
    let digits = content.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
    let written = str::from_utf8(content.get(..digits)?).ok()?;
    let length: usize = written.parse().ok().filter(|_| !written.starts_with('0'))?;
    let (record, rest) = content.split_at_checked(length)?;
    let body = record.get(digits..)?.strip_prefix(b" ")?.strip_suffix(b"\n")?;
    Some((body, rest))
}

fn once<T>(place: &mut Option<T>, key: &[u8], value: T) -> Result<(), ArchiveError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(record_error(&format!("it has two records {}", String::from_utf8_lossy(key)))),
    }
}

fn name(key: &[u8], value: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    if value.is_empty() || value.contains(&0) {
        let problem = format!(
            "its {} is empty or holds a NUL, which some readers ignore",
            String::from_utf8_lossy(key)
        );
        return Err(ambiguous("tar-name", PAX, &problem));
    }
    Ok(value.to_vec())
}

fn integer(key: &[u8], value: &[u8]) -> Result<i64, ArchiveError> {
    let digits = value.strip_prefix(b"-").filter(|_| key != b"size").unwrap_or(value);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = str::from_utf8(value).ok().and_then(|value| value.parse().ok());
    number.filter(|_| is_number).ok_or_else(|| no_number(key))
}

/// Reads a time: seconds, and a fraction that nobody needs.
fn seconds(key: &[u8], value: &[u8]) -> Result<i64, ArchiveError> {
    let (whole, fraction) = match value.iter().position(|byte| *byte == b'.') {
        Some(at) => (value.get(..at), value.get(at + 1..)),
        None => (Some(value), None),
    };
    if !fraction.unwrap_or_default().iter().all(u8::is_ascii_digit) {
        return Err(no_number(key));
    }
    integer(key, whole.unwrap_or_default())
}

fn no_number(key: &[u8]) -> ArchiveError {
    ambiguous(
        "tar-number",
        PAX,
        &format!("its {} is no number", String::from_utf8_lossy(key)),
    )
}
