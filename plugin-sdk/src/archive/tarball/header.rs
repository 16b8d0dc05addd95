//! One header of a tar archive: a block of fields at fixed places.

use super::number::{self, Number};
use crate::archive::{ArchiveError, ambiguous};

/// The bytes of a block.
pub(super) const BLOCK_BYTES: usize = 512;

/// One block.
pub(super) type Block = [u8; BLOCK_BYTES];

/// The bits of a mode that say what an entry is. Some writers leave them out.
const TYPE_BITS: i64 = 0o170_000;
const TYPE_FILE: i64 = 0o100_000;

/// What a header says, as far as anybody needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// The name, with its prefix.
    pub(super) name: Vec<u8>,
    /// The target of a link.
    pub(super) link: Vec<u8>,
    /// The letter that says what the entry is.
    pub(super) kind: u8,
    /// The bytes of content that follow.
    pub(super) size: u64,
    /// The permission bits.
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) modified: i64,
}

impl Header {
    /// Reads a header that every reader reads in the same way.
    pub(super) fn read(block: &Block) -> Result<Self, ArchiveError> {
        let fields = Fields {
            block,
            name: text(cut(block, 0, 100)).to_vec(),
        };
        fields.check_sum()?;
        let kind = cut(block, 156, 1).first().copied().unwrap_or_default();
        // Nobody needs these, but Go refuses the header where it cannot read them.
        for (what, at, length) in [("owner", 108, 8), ("group", 116, 8)] {
            fields.number(what, at, length)?;
        }
        if fields.is_ustar() || fields.is_gnu() {
            fields.number("device number", 329, 8)?;
            fields.number("device number", 337, 8)?;
        }
        Ok(Self {
            name: fields.full_name()?,
            link: text(cut(block, 157, 100)).to_vec(),
            kind,
            size: fields.size()?,
            mode: fields.mode(kind)?,
            modified: fields.number("time", 136, 12)?,
        })
    }
}

/// A block that is being read.
struct Fields<'a> {
    block: &'a Block,
    /// The name without its prefix, for errors.
    name: Vec<u8>,
}

impl Fields<'_> {
    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    fn check_sum(&self) -> Result<(), ArchiveError> {
        let all: u32 = self.block.iter().map(|byte| u32::from(*byte)).sum();
        let own: u32 = cut(self.block, 148, 8).iter().map(|byte| u32::from(*byte)).sum();
        // The field counts as if it was blank.
        let expected = i64::from(all - own + 8 * u32::from(b' '));
        if number::read(cut(self.block, 148, 8)) == Some(Number::Value(expected)) {
            return Ok(());
        }
        Err(ArchiveError::Malformed("a header has a wrong checksum".to_owned()))
    }

    fn read_number(&self, what: &str, at: usize, length: usize) -> Result<Number, ArchiveError> {
        number::read(cut(self.block, at, length)).ok_or_else(|| {
            let problem = format!("its {what} is no number, or is written in a way that readers understand differently");
            ambiguous("tar-number", &self.shown(), &problem)
        })
    }

    /// Returns a number that is zero where it is blank, as some writers leave what they do not know.
    fn number(&self, what: &str, at: usize, length: usize) -> Result<i64, ArchiveError> {
        match self.read_number(what, at, length)? {
            Number::Blank => Ok(0),
            Number::Value(value) => Ok(value),
        }
    }

    fn size(&self) -> Result<u64, ArchiveError> {
        match self.read_number("size", 124, 12)? {
            Number::Value(value) if value >= 0 => Ok(value.unsigned_abs()),
            _ => Err(ambiguous("tar-number", &self.shown(), "it has no size, or one below zero")),
        }
    }

    /// Checks that the mode does not say that the entry is something else than its type does: Go asks the mode for folders first.
    fn mode(&self, kind: u8) -> Result<u32, ArchiveError> {
        let mode = self.number("mode", 100, 8)?;
        let expected = match kind {
            b'2' => 0o120_000,
            b'3' => 0o020_000,
            b'4' => 0o060_000,
            b'5' => 0o040_000,
            b'6' => 0o010_000,
            _ => TYPE_FILE,
        };
        let given = mode & !0o7_777;
        // A folder that calls itself a file is one to Go too, as is a link, and writers in Java do that.
        if [0, TYPE_FILE, expected].contains(&given) {
            return Ok(u32::try_from(mode & 0o7_777).unwrap_or_default());
        }
        let problem = match given & !TYPE_BITS {
            0 => "its mode says that it is something else than its type says",
            _ => "its mode has bits that no mode has",
        };
        Err(ambiguous("tar-mode", &self.shown(), problem))
    }

    fn is_ustar(&self) -> bool {
        cut(self.block, 257, 6) == b"ustar\0"
    }

    fn is_gnu(&self) -> bool {
        cut(self.block, 257, 8) == b"ustar  \0"
    }

    /// Returns the name behind its prefix.
    ///
    /// The prefix belongs to POSIX; GNU tar has times and more in its place, and before both there was nothing. Some readers take it
    /// for a prefix in all of them, some look at the version as well, and one dialect has a shorter one.
    fn full_name(&self) -> Result<Vec<u8>, ArchiveError> {
        let place = cut(self.block, 345, 155);
        if place.iter().all(|byte| *byte == 0) {
            return Ok(self.name.clone());
        }
        let is_posix = cut(self.block, 257, 8) == b"ustar\x0000" && cut(self.block, 508, 4) != b"tar\0";
        match text(place) {
            prefix if is_posix && prefix.is_empty() => Ok(self.name.clone()),
            _ if is_posix && self.name.is_empty() => Err(ambiguous("tar-name", "", "it has a prefix and no name")),
            prefix if is_posix => Ok([prefix, b"/", &self.name].concat()),
            _ => Err(ambiguous(
                "tar-prefix",
                &self.shown(),
                "it has something in the place of the prefix of a name, and is of a dialect that has none there",
            )),
        }
    }
}

fn cut(block: &Block, at: usize, length: usize) -> &[u8] {
    block.get(at..at + length).unwrap_or_default()
}

/// Returns what stands before the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}
