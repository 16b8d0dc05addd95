//! The directory of a zip archive, and the record at the end that says where it is.

use std::{
    collections::BTreeSet,
    io::{BufReader, Read, Seek, SeekFrom},
};

use super::fields::{Common, Fields, extra, name};
use crate::archive::{ArchiveError, Entry, Kind, Limits, ambiguous, bounded_path, malformed};

/// What is allowed for an entry in the directory apart from its name. The directory is kept in memory in part, so that its bytes
/// are bounded.
const DIRECTORY_ENTRY_BYTES: u64 = 128;
/// The bytes of the record at the end, without the comment, which has two bytes for its length.
const END_BYTES: usize = 22;
/// The bytes of what says where the record of the 64-bit form is, and of that record.
const LOCATOR_BYTES: usize = 20;
const WIDE_END_BYTES: usize = 56;
/// The bytes of a header in the directory, without name, extra fields and comment.
const HEADER_BYTES: usize = 46;

/// All entries, in the order in which they are stored.
pub(super) struct Entries {
    pub(super) list: Vec<Listed>,
    /// Where the directory begins, and so where the last entry ends.
    pub(super) end: u64,
}

/// An entry of the directory.
pub(super) struct Listed {
    pub(super) entry: Entry,
    pub(super) common: Common,
    pub(super) name: Vec<u8>,
    pub(super) offset: u64,
    pub(super) packed: u64,
    pub(super) sum: u32,
    pub(super) is_deflated: bool,
}

/// Where the directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    count: u64,
    size: u64,
    offset: u64,
}

/// Reads the directory.
pub(super) fn read<R: Read + Seek>(reader: &mut R, limits: &Limits) -> Result<Entries, ArchiveError> {
    let place = find(reader)?;
    let beyond = |what| ArchiveError::Limit {
        what,
        max: limits.entries_max as u64,
        path: String::new(),
    };
    if place.count > limits.entries_max as u64 {
        return Err(beyond("entries"));
    }
    let entry_bytes = DIRECTORY_ENTRY_BYTES + limits.path_bytes_max.min(512) as u64;
    if place.size
        > (limits.entries_max as u64)
            .saturating_mul(entry_bytes)
            .saturating_add(256 * 1024)
    {
        return Err(beyond("entries in a directory of this size"));
    }
    reader.seek(SeekFrom::Start(place.offset))?;
    let mut directory = BufReader::new(reader.take(place.size));
    let mut list = Vec::new();
    for _ in 0..place.count {
        list.push(listed(&mut directory, limits)?);
    }
    if directory.read(&mut [0])? > 0 {
        return Err(ambiguous("zip-end", "", "its directory holds more than it says"));
    }
    list.sort_by_key(|listed| listed.offset);
    once(&list)?;
    Ok(Entries { list, end: place.offset })
}

/// Finds the record at the end, which has to be where every reader looks first.
fn find<R: Read + Seek>(reader: &mut R) -> Result<Place, ArchiveError> {
    let size = reader.seek(SeekFrom::End(0))?;
    let searched = size.min(u64::from(u16::MAX) + (END_BYTES + LOCATOR_BYTES + WIDE_END_BYTES) as u64);
    reader.seek(SeekFrom::Start(size - searched))?;
    let mut tail = Vec::new();
    reader.take(searched).read_to_end(&mut tail)?;
    let at = tail.windows(4).rposition(|window| window == b"PK\x05\x06");
    let at = at.ok_or_else(|| ArchiveError::Malformed("it is no zip archive: it has no directory".to_owned()))?;
    let (before, end) = tail.split_at(at);
    let mut fields = Fields(end.get(4..).unwrap_or_default());
    let parts = (fields.u16(), fields.u16(), fields.u16());
    let place = Place {
        count: u64::from(fields.u16()),
        size: u64::from(fields.u32()),
        offset: u64::from(fields.u32()),
    };
    let comment_bytes = usize::from(fields.u16());
    if end.len() != END_BYTES + comment_bytes {
        return Err(ambiguous(
            "zip-end",
            "",
            "what follows its end is no comment of the length that is given, or its comment holds an end itself",
        ));
    }
    if parts.0 != 0 || parts.1 != 0 || u64::from(parts.2) != place.count {
        return Err(ArchiveError::Malformed("it is one part of several".to_owned()));
    }
    let begins = size - searched + at as u64 - wide_bytes(before, place)?;
    if place.offset.checked_add(place.size) != Some(begins) {
        return Err(ambiguous(
            "zip-end",
            "",
            "its directory is not right before its end, so that some readers look for it elsewhere",
        ));
    }
    Ok(place)
}

/// Returns the bytes of the records of the 64-bit form, which have to say the same.
fn wide_bytes(before: &[u8], place: Place) -> Result<u64, ArchiveError> {
    let locator = before
        .last_chunk::<LOCATOR_BYTES>()
        .filter(|locator| locator.starts_with(b"PK\x06\x07"));
    if locator.is_none() {
        return Ok(0);
    }
    let wide = (before.len().checked_sub(LOCATOR_BYTES + WIDE_END_BYTES)).and_then(|at| before.get(at..));
    let mut fields = Fields(wide.unwrap_or_default());
    let (signature, length) = (fields.u32(), fields.u64());
    // The versions, the numbers of parts, and the entries in this one.
    fields.bytes(20);
    let wide = Place {
        count: fields.u64(),
        size: fields.u64(),
        offset: fields.u64(),
    };
    if (signature, length) != (0x0606_4b50, WIDE_END_BYTES as u64 - 12) || wide != place {
        return Err(ambiguous(
            "zip-end",
            "",
            "its end in the 64-bit form says something else than its end, and which one counts depends on the reader",
        ));
    }
    Ok((LOCATOR_BYTES + WIDE_END_BYTES) as u64)
}

/// Reads the next header.
fn listed(directory: &mut impl Read, limits: &Limits) -> Result<Listed, ArchiveError> {
    let mut header = [0; HEADER_BYTES];
    directory.read_exact(&mut header)?;
    let mut fields = Fields(&header);
    if fields.u32() != 0x0201_4b50 {
        return Err(ArchiveError::Malformed(
            "its directory holds something else than entries".to_owned(),
        ));
    }
    let (made_by, _needed) = (fields.u16(), fields.u16());
    let common = Common::read(&mut fields);
    let (comment_bytes, part, _) = (fields.u16(), fields.u16(), fields.u16());
    let (attributes, offset) = (fields.u32(), fields.u32());
    let mut rest = vec![0; usize::from(common.name_bytes) + usize::from(common.extra_bytes)];
    directory.read_exact(&mut rest)?;
    let (stored, extras) = rest.split_at(usize::from(common.name_bytes));
    let comment = std::io::copy(&mut directory.take(u64::from(comment_bytes)), &mut std::io::sink())?;
    let path = name(bounded_path(stored, limits).map(|_| stored)?, common.flags)?;
    if comment != u64::from(comment_bytes) || part != 0 {
        return Err(malformed(&path, "is where the directory ends, or is in another part"));
    }
    common.check(&path)?;
    extra(extras, stored, &path)?;
    let entry = Entry {
        kind: kind(made_by, attributes, &path, common.size)?,
        size: u64::from(common.size),
        link: None,
        mode: if is_unix(made_by) { attributes >> 16 & 0o7777 } else { 0o644 },
        modified: None,
        path,
    };
    Ok(Listed {
        entry,
        common,
        name: stored.to_vec(),
        offset: u64::from(offset),
        packed: u64::from(common.packed),
        sum: common.sum,
        is_deflated: common.method == 8,
    })
}

/// Says whether the upper half of the attributes is a mode.
fn is_unix(made_by: u16) -> bool {
    matches!(made_by >> 8, 3 | 19)
}

/// Says what an entry is. Its name, its mode and the attributes of DOS can say so, and readers ask different ones.
fn kind(made_by: u16, attributes: u32, path: &str, size: u32) -> Result<Kind, ArchiveError> {
    const DOS_FOLDER: u32 = 0x10;
    let is_folder = path.ends_with('/');
    let mode = attributes >> 16 & 0o170_000;
    let problem = match mode {
        _ if is_folder && size > 0 => "it is a folder with content",
        _ if !is_folder && attributes & DOS_FOLDER != 0 => "its attributes say that it is a folder, its name does not",
        0 if is_folder => return Ok(Kind::Directory),
        0 | 0o100_000 if !is_folder => return Ok(Kind::File),
        0o040_000 if is_folder => return Ok(Kind::Directory),
        _ if is_folder => "its name says that it is a folder, its mode does not",
        0o040_000 => "its mode says that it is a folder, its name does not",
        _ if !is_unix(made_by) => "it has the mode of something special, made by a system that has no modes",
        0o120_000 => return Ok(Kind::Symlink),
        _ => return Ok(Kind::Other),
    };
    Err(ambiguous("zip-kind", path, problem))
}

/// Checks that no two entries have one name: which of them is unpacked depends on the reader.
fn once(list: &[Listed]) -> Result<(), ArchiveError> {
    let mut names = BTreeSet::new();
    match list
        .iter()
        .find(|listed| !names.insert(listed.entry.path.trim_end_matches('/')))
    {
        Some(twice) => Err(ambiguous("zip-twice", &twice.entry.path, "its name is there twice")),
        None => Ok(()),
    }
}
