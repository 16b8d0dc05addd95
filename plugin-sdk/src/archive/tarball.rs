//! tar, plain or in gzip.
//!
//! The `tar` crate reads headers and checks their sums. Extended headers (PAX, and the long names of GNU tar) are read here, because
//! they are bounded here: whoever lets a crate keep a name of a gigabyte has no bound.

use std::{io::Read, mem};

use super::{
    ArchiveError, Entry, Kind, Limits, bounded_path, check_entry,
    gzip::decoder,
    meter::{Exact, Failure, Metered, at},
};

/// The most bytes of one PAX header. It holds a path, a link target and a few times and numbers.
const PAX_BYTES_MAX: u64 = 64 * 1024;

/// Reads the entries of a tar archive in gzip of one or more members, in their order.
///
/// What follows the end of the tar archive is not read. For each entry `each` is given a reader of its content; content that it
/// leaves is skipped. An error that it returns ends the reading.
pub fn tar_gz<R: Read>(
    reader: R,
    limits: &Limits,
    each: impl FnMut(&Entry, &mut dyn Read) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    read(decoder(reader, limits), limits, each)
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
    let failure = reader.failure();
    let mut archive = ::tar::Archive::new(reader);
    let entries = archive.entries().map_err(|error| failure.explain(error))?.raw(true);
    let mut extended = Extended::default();
    let (mut count, mut headers) = (0_usize, 0_usize);
    for raw in entries {
        let mut raw = raw.map_err(|error| failure.explain(error))?;
        if extended.absorb(&mut raw, limits, &failure)? {
            // A real entry has two or three of them at most; a stream of nothing else has no entries to be counted.
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
        let entry = mem::take(&mut extended).entry(&raw, limits)?;
        count += 1;
        check_entry(&entry, count, limits)?;
        let left = if entry.kind == Kind::File { entry.size } else { 0 };
        let mut content = Exact {
            inner: &mut raw,
            left,
            path: &entry.path,
            failure: &failure,
        };
        each(&entry, &mut content)?;
        std::io::copy(&mut content, &mut std::io::sink())?;
    }
    Ok(())
}

/// What extended headers say of the entry that follows them.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extended {
    /// Takes in an extended header. Returns whether the entry was one.
    fn absorb<R: Read>(
        &mut self,
        raw: &mut ::tar::Entry<'_, R>,
        limits: &Limits,
        failure: &Failure,
    ) -> Result<bool, ArchiveError> {
        let kind = raw.header().entry_type();
        if kind.is_gnu_sparse() {
            return Err(sparse());
        }
        let names_max = (limits.path_bytes_max as u64).saturating_add(1);
        if kind.is_gnu_longname() {
            self.path = Some(text(raw, "bytes of a path", names_max, failure)?);
        } else if kind.is_gnu_longlink() {
            self.link = Some(text(raw, "bytes of a path", names_max, failure)?);
        } else if kind.is_pax_local_extensions() {
            let header = bytes(raw, "bytes of a PAX header", PAX_BYTES_MAX, failure)?;
            self.pax(&header)?;
        } else if !kind.is_pax_global_extensions() {
            return Ok(false);
        }
        Ok(true)
    }

    fn pax(&mut self, header: &[u8]) -> Result<(), ArchiveError> {
        for record in ::tar::PaxExtensions::new(header) {
            let record = record.map_err(|_| ArchiveError::Malformed("a PAX header cannot be read".to_owned()))?;
            let value = record.value_bytes();
            match record.key_bytes() {
                b"path" => self.path = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => {
                    let size = str::from_utf8(value).ok().and_then(|size| size.parse().ok());
                    let size =
                        size.ok_or_else(|| ArchiveError::Malformed("a PAX header has a size that is no number".to_owned()))?;
                    self.size = Some(size);
                }
                key if key.starts_with(b"GNU.sparse") => {
                    return Err(sparse());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the entry that the header and these extensions describe.
    fn entry<R: Read>(self, raw: &::tar::Entry<'_, R>, limits: &Limits) -> Result<Entry, ArchiveError> {
        let header = raw.header();
        let path = bounded_path(&self.path.unwrap_or_else(|| header.path_bytes().into_owned()), limits)?;
        let malformed = |what: &str| ArchiveError::Malformed(format!("the header of {path:?} has no valid {what}"));
        let size = header.entry_size().map_err(|_| malformed("size"))?;
        // Readers disagree on which of two sizes counts. Where they differ, one archive would be two.
        if self.size.is_some_and(|extended| extended != size) {
            return Err(malformed("size: its PAX header gives another"));
        }
        let link = match self
            .link
            .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
        {
            Some(link) if !link.is_empty() => Some(bounded_path(&link, limits)?),
            _ => None,
        };
        let kind = kind(header.entry_type(), &path);
        // Some writers leave the field empty, and nothing depends on it.
        let mode = header.mode().unwrap_or_default();
        let modified = header.mtime().ok();
        Ok(Entry {
            path,
            kind,
            size,
            link,
            mode,
            modified,
        })
    }
}

fn sparse() -> ArchiveError {
    ArchiveError::Malformed("it holds a sparse file, which is not supported".to_owned())
}

fn kind(kind: ::tar::EntryType, path: &str) -> Kind {
    use ::tar::EntryType::{Continuous, Directory, Link, Regular, Symlink};
    match kind {
        // Before there was a type for directories, a slash at the end made one.
        Regular | Continuous if path.ends_with('/') => Kind::Directory,
        Regular | Continuous => Kind::File,
        Directory => Kind::Directory,
        Symlink => Kind::Symlink,
        Link => Kind::HardLink,
        _ => Kind::Other,
    }
}

/// Reads the content of an extended header.
fn bytes<R: Read>(
    raw: &mut ::tar::Entry<'_, R>,
    what: &'static str,
    max: u64,
    failure: &Failure,
) -> Result<Vec<u8>, ArchiveError> {
    let left = raw.header().entry_size().map_err(|error| failure.explain(error))?;
    if left > max {
        return Err(ArchiveError::Limit {
            what,
            max,
            path: String::new(),
        });
    }
    let mut bytes = Vec::new();
    let mut content = Exact {
        inner: raw,
        left,
        path: "an extended header",
        failure,
    };
    content
        .read_to_end(&mut bytes)
        .map_err(|error| at(error.into(), "an extended header"))?;
    Ok(bytes)
}

/// Reads a name of GNU tar, which ends at the first NUL.
fn text<R: Read>(
    raw: &mut ::tar::Entry<'_, R>,
    what: &'static str,
    max: u64,
    failure: &Failure,
) -> Result<Vec<u8>, ArchiveError> {
    let mut name = bytes(raw, what, max, failure)?;
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    Ok(name)
}

#[cfg(test)]
mod tests;
