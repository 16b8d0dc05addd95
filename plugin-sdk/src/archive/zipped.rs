//! zip.

use std::{
    cell::Cell,
    io::{self, Read, Seek, SeekFrom},
    rc::Rc,
};

use ::zip::{
    ZipArchive,
    read::{HasZipMetadata, ZipFile},
    result::ZipError,
};

use super::{
    ArchiveError, Entry, Kind, Limits, bounded_path, check_entry,
    meter::{Count, Exact, Metered},
};

/// The bytes of an entry in the directory of an archive, apart from its name.
const DIRECTORY_ENTRY_BYTES: u64 = 128;

/// Reads the entries of a zip archive in the order of its directory. They are stored or deflated; any other method is refused.
///
/// For each entry `each` is given a reader of its content. An error that it returns ends the reading. The checksum of an entry is
/// checked where its content is read to the end.
pub fn zip<R: Read + Seek>(
    reader: R,
    limits: &Limits,
    mut each: impl FnMut(&Entry, &mut dyn Read) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let mut archive = open(reader, limits)?;
    let (total, compressed) = (Count::default(), Count::default());
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(explain)?;
        let entry = entry(&file, limits)?;
        check_entry(&entry, index + 1, limits)?;
        compressed.add(file.compressed_size());
        let mut metered = Metered::new(&mut file, limits, Some(compressed.clone())).with_total(&total);
        let failure = metered.failure();
        let mut content = Exact {
            inner: &mut metered,
            left: entry.size,
            path: &entry.path,
            failure: &failure,
        };
        each(&entry, &mut content)?;
        // The end of the content is where the checksum is compared, and where content that is longer than announced shows.
        if content.left == 0 && metered.read(&mut [0]).map_err(|error| failure.explain(error))? > 0 {
            return Err(ArchiveError::Malformed(format!(
                "{:?} is longer than its header says",
                entry.path
            )));
        }
    }
    Ok(())
}

/// Reads the directory. It is kept in memory as a whole, so that its bytes are what is bounded.
fn open<R: Read + Seek>(reader: R, limits: &Limits) -> Result<ZipArchive<Allowance<R>>, ArchiveError> {
    let entry_bytes = DIRECTORY_ENTRY_BYTES + limits.path_bytes_max.min(512) as u64;
    // The search for the directory reads up to 64 KiB of a comment, in steps.
    let allowed = (limits.entries_max as u64)
        .saturating_mul(entry_bytes)
        .saturating_add(256 * 1024);
    let left = Rc::new(Cell::new(allowed));
    let beyond = || ArchiveError::Limit {
        what: "entries",
        max: limits.entries_max as u64,
        path: String::new(),
    };
    let archive = ZipArchive::new(Allowance {
        inner: reader,
        left: left.clone(),
    });
    let archive = archive.map_err(|error| if left.get() == 0 { beyond() } else { explain(error) })?;
    if archive.len() > limits.entries_max {
        return Err(beyond());
    }
    left.set(u64::MAX);
    Ok(archive)
}

fn entry<R: Read>(file: &ZipFile<'_, R>, limits: &Limits) -> Result<Entry, ArchiveError> {
    let path = bounded_path(file.name_raw(), limits)?;
    if file.encrypted() {
        return Err(ArchiveError::Malformed(format!("{path:?} is encrypted")));
    }
    let mode = file.unix_mode();
    let kind = match mode.map(|mode| mode & 0o170_000) {
        Some(0o120_000) => Kind::Symlink,
        Some(0o040_000) => Kind::Directory,
        _ if path.ends_with('/') || path.ends_with('\\') => Kind::Directory,
        Some(0 | 0o100_000) | None => Kind::File,
        Some(_) => Kind::Other,
    };
    Ok(Entry {
        path,
        kind,
        size: file.get_metadata().uncompressed_size,
        link: None,
        mode: mode.unwrap_or(0o644) & 0o7777,
        modified: None,
    })
}

fn explain(error: ZipError) -> ArchiveError {
    match error {
        ZipError::Io(error) => error.into(),
        other => ArchiveError::Malformed(other.to_string()),
    }
}

/// A reader that gives no more than is left, and fails then.
struct Allowance<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Allowance<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.left.get()).unwrap_or(usize::MAX);
        if left == 0 && !target.is_empty() {
            return Err(io::Error::other("the directory is too large"));
        }
        let wanted = left.min(target.len());
        let bytes = target.get_mut(..wanted).map_or(Ok(0), |target| self.inner.read(target))?;
        if self.left.get() < u64::MAX {
            self.left.set(self.left.get().saturating_sub(bytes as u64));
        }
        Ok(bytes)
    }
}

impl<R: Seek> Seek for Allowance<R> {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        self.inner.seek(target)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use ::zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn packed(entries: &[(&str, &[u8])]) -> Vec<u8> {
        writer(entries).finish().unwrap().into_inner()
    }

    fn writer(entries: &[(&str, &[u8])]) -> ZipWriter<Cursor<Vec<u8>>> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, content) in entries {
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
            if path.ends_with('/') {
                writer.add_directory(*path, options).unwrap();
            } else {
                writer.start_file(*path, options).unwrap();
                writer.write_all(content).unwrap();
            }
        }
        writer
    }

    fn list(archive: &[u8], limits: &Limits) -> Result<Vec<(Entry, Vec<u8>)>, ArchiveError> {
        let mut entries = Vec::new();
        zip(Cursor::new(archive), limits, |entry, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            entries.push((entry.clone(), bytes));
            Ok(())
        })?;
        Ok(entries)
    }

    fn fails(archive: &[u8], limits: Limits) -> String {
        list(archive, &limits).unwrap_err().to_string()
    }

    #[test]
    fn entries_are_given_as_they_are_stored() {
        let mut writer = writer(&[("d/", b""), ("d/f", b"text"), ("../up", b"x")]);
        writer.add_symlink("link", "../../etc", SimpleFileOptions::default()).unwrap();
        let archive = writer.finish().unwrap().into_inner();
        let seen = list(&archive, &Limits::default()).unwrap();
        let seen = seen
            .iter()
            .map(|(entry, content)| (entry.path.as_str(), entry.kind, content.as_slice()));
        let expected: [(&str, Kind, &[u8]); 4] = [
            ("d/", Kind::Directory, b""),
            ("d/f", Kind::File, b"text"),
            ("../up", Kind::File, b"x"),
            ("link", Kind::Symlink, b"../../etc"),
        ];
        assert_eq!(seen.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_bound_holds() {
        let limits = Limits::default();
        let many = (0..20_000)
            .map(|index| (format!("{index:0100}"), &b""[..]))
            .collect::<Vec<_>>();
        let many = packed(
            &many
                .iter()
                .map(|(path, content)| (path.as_str(), *content))
                .collect::<Vec<_>>(),
        );
        for entries_max in [100, 19_999] {
            let message = fails(&many, Limits { entries_max, ..limits });
            assert_eq!(
                message,
                format!("The archive is beyond a limit: entries, at most {entries_max}.")
            );
        }

        let two = packed(&[("a", &[1; 900]), ("b", &[2; 900])]);
        let message = fails(
            &two,
            Limits {
                entry_bytes_max: 899,
                ..limits
            },
        );
        assert_eq!(
            message,
            "The archive is beyond a limit at the entry \"a\": bytes of an entry, at most 899."
        );
        let message = fails(
            &two,
            Limits {
                total_bytes_max: 1_000,
                ..limits
            },
        );
        assert_eq!(
            message,
            "The archive is beyond a limit at the entry \"b\": total bytes, at most 1000."
        );
        assert!(
            fails(
                &packed(&[("long", b"")]),
                Limits {
                    path_bytes_max: 3,
                    ..limits
                }
            )
            .contains("bytes of a path")
        );
        let bomb = packed(&[("bomb", &vec![0; 8 << 20])]);
        assert!(fails(&bomb, limits).contains("at the entry \"bomb\": times the compressed size, at most 200"));
    }

    #[test]
    fn broken_archives_are_malformed() {
        let whole = packed(&[("f", b"some text that is long enough")]);
        assert!(matches!(
            list(&whole[..whole.len() / 2], &Limits::default()),
            Err(ArchiveError::Malformed(_))
        ));
        assert!(matches!(
            list(b"no archive", &Limits::default()),
            Err(ArchiveError::Malformed(_))
        ));
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        writer.start_file("f", stored).unwrap();
        writer.write_all(b"checked").unwrap();
        let mut archive = writer.finish().unwrap().into_inner();
        let at = archive.windows(7).position(|bytes| bytes == b"checked").unwrap();
        archive[at] = b'C';
        assert!(matches!(list(&archive, &Limits::default()), Err(ArchiveError::Malformed(_))));
    }
}
