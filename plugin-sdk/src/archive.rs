//! Reading archives that strangers packed: tar, gzip and zip, entry by entry, within bounds.
//!
//! Nothing here holds a whole archive, and every bound is enforced while bytes stream, before they are handed on. An archive is read
//! as Go's `archive/tar`, `compress/gzip` and `archive/zip` read it, or refused where common readers see different things in it; the
//! table in the documentation of the crate says what that concerns. Entries are given as they are stored: whether a path that is absolute or leaves the archive is to be refused is for the caller to say, and so is
//! what becomes of links.

mod gzip;
mod inflate;
mod meter;
mod tarball;
mod zipped;

use std::{fmt, io};

pub use gzip::gunzip;
pub use tarball::{tar, tar_gz};
pub use zipped::zip;

/// The bounds of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most entries, directories and links counted.
    pub entries_max: usize,
    /// The most bytes of one entry.
    pub entry_bytes_max: u64,
    /// The most bytes of everything, decompressed; in a tar the headers and the padding count.
    pub total_bytes_max: u64,
    /// How many times larger the content may be than its compressed form. Small archives are exempt: repetition is nothing
    /// unusual in a few hundred kilobytes.
    pub ratio_max: u64,
    /// The longest path or link target.
    pub path_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries_max: 10_000,
            entry_bytes_max: 32 << 20,
            total_bytes_max: 256 << 20,
            ratio_max: 200,
            path_bytes_max: 4_096,
        }
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file with content.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A second name of an earlier entry.
    HardLink,
    /// Anything else, such as a device.
    Other,
}

/// One entry, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path as stored. What is not UTF-8 in it is replaced.
    pub path: String,
    /// What the entry is.
    pub kind: Kind,
    /// The number of bytes of its content.
    pub size: u64,
    /// Where a link leads, as stored. The target of a symbolic link in a zip archive is its content instead.
    pub link: Option<String>,
    /// The permission bits.
    pub mode: u32,
    /// When the content was last changed, in seconds since 1970. Only tar says so.
    pub modified: Option<u64>,
}

/// Why an archive cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveError {
    /// The archive is not what it should be: a sentence without its end that says what is wrong.
    Malformed(String),
    /// Common readers see different things in the archive.
    Ambiguous {
        /// The rule that it breaks, for example `tar-size`; docs/writing-plugins.md lists them.
        rule: &'static str,
        /// The entry, or where there is none what stands in its place; empty for the archive as a whole.
        path: String,
        /// What is wrong with it: a sentence without its beginning `the entry: ` and its end.
        problem: String,
    },
    /// A bound was met.
    Limit {
        /// What is bounded, for example `total bytes`.
        what: &'static str,
        /// The bound.
        max: u64,
        /// The entry at which it was met; empty where it was met between entries.
        path: String,
    },
    /// The bytes of the archive could not be read, or its content could not be handled.
    Read(String),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(problem) => write!(formatter, "The archive is malformed: {problem}."),
            Self::Ambiguous { rule, path, problem } if path.is_empty() => {
                write!(formatter, "Readers understand the archive differently: {problem} ({rule}).")
            }
            Self::Ambiguous { rule, path, problem } => {
                write!(
                    formatter,
                    "Readers understand the archive differently at the entry {path:?}: {problem} ({rule})."
                )
            }
            Self::Limit { what, max, path } if path.is_empty() => {
                write!(formatter, "The archive is beyond a limit: {what}, at most {max}.")
            }
            Self::Limit { what, max, path } => {
                write!(
                    formatter,
                    "The archive is beyond a limit at the entry {path:?}: {what}, at most {max}."
                )
            }
            Self::Read(problem) => write!(formatter, "The archive cannot be read: {problem}."),
        }
    }
}

impl std::error::Error for ArchiveError {}

/// Recovers an error that crossed a reader, so that `?` works on reads inside of the callback.
impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
        if let Some(original) = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            return original.clone();
        }
        match error.kind() {
            UnexpectedEof => Self::Malformed("it ends in the middle".to_owned()),
            InvalidData | InvalidInput | Other => Self::Malformed(error.to_string()),
            _ => Self::Read(error.to_string()),
        }
    }
}

impl From<ArchiveError> for io::Error {
    fn from(error: ArchiveError) -> Self {
        Self::other(error)
    }
}

/// The characters of a path that an error shows.
const PATH_SHOWN_CHARS: usize = 200;

/// Cuts a path that may be as long as its bound, since every finding that quotes it would be.
fn shown(path: &str) -> String {
    match path.char_indices().nth(PATH_SHOWN_CHARS) {
        Some((at, _)) => format!("{}...", path.get(..at).unwrap_or_default()),
        None => path.to_owned(),
    }
}

fn ambiguous(rule: &'static str, path: &str, problem: &str) -> ArchiveError {
    ArchiveError::Ambiguous {
        rule,
        path: shown(path),
        problem: problem.to_owned(),
    }
}

/// Says what is wrong with an entry that no reader could read.
fn malformed(path: &str, problem: &str) -> ArchiveError {
    ArchiveError::Malformed(format!("{:?} {problem}", shown(path)))
}

fn ended_in(path: &str) -> ArchiveError {
    ArchiveError::Malformed(format!("it ends in the middle of {:?}", shown(path)))
}

/// Returns the path or link target, unless it is too long.
fn bounded_path(bytes: &[u8], limits: &Limits) -> Result<String, ArchiveError> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    if bytes.len() > limits.path_bytes_max {
        let shown = text.chars().take(64).chain("...".chars()).collect();
        return Err(ArchiveError::Limit {
            what: "bytes of a path",
            max: limits.path_bytes_max as u64,
            path: shown,
        });
    }
    Ok(text)
}

/// Checks what is known of an entry before its content is touched.
fn check_entry(entry: &Entry, count: usize, limits: &Limits) -> Result<(), ArchiveError> {
    let beyond = |what, max| {
        Err(ArchiveError::Limit {
            what,
            max,
            path: shown(&entry.path),
        })
    };
    if count > limits.entries_max {
        return beyond("entries", limits.entries_max as u64);
    }
    if entry.size > limits.entry_bytes_max {
        return beyond("bytes of an entry", limits.entry_bytes_max);
    }
    Ok(())
}
