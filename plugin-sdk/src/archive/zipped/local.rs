//! The headers before the entries, compared with the directory.

use std::io::{Read, Seek, SeekFrom};

use super::{
    directory::{Entries, Listed},
    fields::{Common, Fields, SIZES_FOLLOW, extra},
};
use crate::archive::{ArchiveError, ambiguous, malformed};

/// The bytes of a header, without name and extra fields.
const HEADER_BYTES: usize = 30;
/// The signature that can stand before sizes that follow the content.
const DESCRIPTOR: u32 = 0x0807_4b50;

/// Compares all headers with the directory, and returns where the content of each entry begins.
///
/// The entries have to follow each other without a gap up to the directory, so that whoever reads the archive from its beginning
/// on finds the same ones.
pub(super) fn compare<R: Read + Seek>(reader: &mut R, entries: &Entries) -> Result<Vec<u64>, ArchiveError> {
    let ends = entries.list.iter().skip(1).map(|next| next.offset).chain([entries.end]);
    let mut starts = Vec::with_capacity(entries.list.len());
    let gap = |path: &str| {
        Err(ambiguous(
            "zip-gap",
            path,
            "there is something before it, between it and the next entry, or they overlap",
        ))
    };
    match entries.list.first() {
        Some(first) if first.offset != 0 => return gap(&first.entry.path),
        None if entries.end != 0 => return gap(""),
        _ => {}
    }
    for (listed, end) in entries.list.iter().zip(ends) {
        reader.seek(SeekFrom::Start(listed.offset))?;
        let start = listed.offset + header(reader, listed)?;
        starts.push(start);
        let behind = start
            .checked_add(listed.packed)
            .and_then(|content_end| end.checked_sub(content_end));
        match behind {
            Some(0) if !listed.common.sizes_follow() => {}
            Some(length @ (12 | 16 | 20 | 24)) if listed.common.sizes_follow() => {
                reader.seek(SeekFrom::Start(end - length))?;
                sizes(reader, length, listed)?;
            }
            _ => return gap(&listed.entry.path),
        }
    }
    Ok(starts)
}

/// Compares one header, and returns how many bytes it has.
fn header<R: Read>(reader: &mut R, listed: &Listed) -> Result<u64, ArchiveError> {
    let path = &listed.entry.path;
    let mut bytes = [0; HEADER_BYTES];
    reader.read_exact(&mut bytes)?;
    let mut fields = Fields(&bytes);
    if fields.u32() != 0x0403_4b50 {
        return Err(malformed(path, "is not where the directory says"));
    }
    fields.u16();
    let local = Common::read(&mut fields);
    let mut rest = vec![0; usize::from(local.name_bytes) + usize::from(local.extra_bytes)];
    reader.read_exact(&mut rest)?;
    let (name, extras) = rest.split_at(usize::from(local.name_bytes));
    let wide = extra(extras, &listed.name, path)?;
    let differs = |what: &str| {
        let problem = format!("the header before it gives another {what} than the directory");
        Err(ambiguous("zip-headers", path, &problem))
    };
    match listed.common {
        _ if name != listed.name => differs("name"),
        central if local.method != central.method => differs("method"),
        // How hard it was compressed is of no use to a reader.
        central if (local.flags ^ central.flags) & (1 | SIZES_FOLLOW | 0x800) != 0 || local.flags & 1 != 0 => {
            differs("set of flags")
        }
        central if !is_same(local, central, wide) => differs("size or checksum"),
        _ => Ok((HEADER_BYTES + rest.len()) as u64),
    }
}

/// Compares checksum and sizes. Where these follow the content, they may be left out here, and are compared there.
fn is_same(local: Common, central: Common, wide: Option<&[u8]>) -> bool {
    let given = match wide {
        Some(wide) if local.size == u32::MAX && local.packed == u32::MAX => {
            let mut fields = Fields(wide);
            (fields.u64(), fields.u64())
        }
        _ => (u64::from(local.size), u64::from(local.packed)),
    };
    let known = (u64::from(central.size), u64::from(central.packed));
    let is_left_out = central.sizes_follow() && given == (0, 0);
    let sum_is_left_out = central.sizes_follow() && local.sum == 0;
    (given == known || is_left_out) && (local.sum == central.sum || sum_is_left_out)
}

/// Compares checksum and sizes behind the content, of which there are four forms.
fn sizes<R: Read>(reader: &mut R, length: u64, listed: &Listed) -> Result<(), ArchiveError> {
    let mut bytes = [0; 24];
    let bytes = bytes.get_mut(..usize::try_from(length).unwrap_or(0)).unwrap_or_default();
    reader.read_exact(bytes)?;
    let mut fields = Fields(bytes);
    let signed = matches!(length, 16 | 24) && fields.u32() == DESCRIPTOR || matches!(length, 12 | 20);
    let sum = fields.u32();
    let (packed, size) = match length {
        12 | 16 => (u64::from(fields.u32()), u64::from(fields.u32())),
        _ => (fields.u64(), fields.u64()),
    };
    if signed && (sum, packed, size) == (listed.sum, listed.packed, listed.entry.size) {
        return Ok(());
    }
    let problem = "what follows its content gives another size or checksum than the directory";
    Err(ambiguous("zip-headers", &listed.entry.path, problem))
}
