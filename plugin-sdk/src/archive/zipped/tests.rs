//! Archives that are sound, and sound archives of which a few bytes were changed.

use std::io::{Cursor, Write};

use ::zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::archive::{Entry, Kind};

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

fn stored(content: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    writer.start_file("f", stored).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap().into_inner()
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

/// Where the first header of the directory is.
fn central(archive: &[u8]) -> usize {
    archive.windows(4).position(|window| window == b"PK\x01\x02").unwrap()
}

/// Where the record at the end is.
fn end(archive: &[u8]) -> usize {
    archive.windows(4).position(|window| window == b"PK\x05\x06").unwrap()
}

/// Adds to a number of 32 bits.
fn add(archive: &mut [u8], at: usize, by: u32) {
    let number = u32::from_le_bytes(archive[at..at + 4].try_into().unwrap()) + by;
    archive[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

/// Changes a sound archive, which then has to be refused by a rule.
fn refused(rule: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut archive = stored(b"checked");
    change(&mut archive);
    let message = fails(&archive, Limits::default());
    assert!(message.ends_with(&format!("({rule}).")), "{rule}: {message}");
}

/// Puts an extra field into the header of the directory or into the one before the entry.
fn with_extra(archive: &mut Vec<u8>, in_directory: bool, extra: &[u8]) {
    let length = u32::try_from(extra.len()).unwrap();
    let (header, lengths, fixed) = if in_directory {
        (central(archive), 28, 46)
    } else {
        (0, 26, 30)
    };
    archive[header + lengths + 2] += u8::try_from(length).unwrap();
    let at = header + fixed + 1;
    archive.splice(at..at, extra.iter().copied());
    let end = end(archive);
    add(archive, end + if in_directory { 12 } else { 16 }, length);
}

fn unicode_name(name: &[u8]) -> Vec<u8> {
    let length = u16::try_from(name.len() + 5).unwrap().to_le_bytes();
    [&[0x75, 0x70], &length[..], &[1, 0, 0, 0, 0], name].concat()
}

#[test]
fn entries_are_given_as_they_are_stored() {
    let mut writer = writer(&[("d/", b""), ("d/f", b"text"), ("../up", b"x"), ("empty", b"")]);
    writer.add_symlink("link", "../../etc", SimpleFileOptions::default()).unwrap();
    writer.set_comment("a comment").unwrap();
    let archive = writer.finish().unwrap().into_inner();
    let seen = list(&archive, &Limits::default()).unwrap();
    let seen = seen
        .iter()
        .map(|(entry, content)| (entry.path.as_str(), entry.kind, content.as_slice()));
    let expected: [(&str, Kind, &[u8]); 5] = [
        ("d/", Kind::Directory, b""),
        ("d/f", Kind::File, b"text"),
        ("../up", Kind::File, b"x"),
        ("empty", Kind::File, b""),
        ("link", Kind::Symlink, b"../../etc"),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    assert_eq!(list(&packed(&[]), &Limits::default()).unwrap(), []);
}

#[test]
fn content_that_is_left_is_not_looked_at() {
    let archive = packed(&[("a", &[1; 900]), ("b", b"2")]);
    let mut paths = Vec::new();
    zip(Cursor::new(&archive), &Limits::default(), |entry, _| {
        paths.push(entry.path.clone());
        Ok(())
    })
    .unwrap();
    assert_eq!(paths, ["a", "b"]);
}

#[test]
fn sizes_may_follow_the_content() {
    /// Takes the sizes out of the header and puts them behind the content.
    fn stream(descriptor: &[u8]) -> Vec<u8> {
        let mut archive = stored(b"checked");
        let at = central(&archive);
        for flags in [6, at + 8] {
            archive[flags] |= 8;
        }
        archive[14..26].fill(0);
        archive.splice(at..at, descriptor.iter().copied());
        let end = end(&archive);
        add(&mut archive, end + 16, u32::try_from(descriptor.len()).unwrap());
        archive
    }
    let mut sum = Crc::new();
    sum.update(b"checked");
    let sum = sum.sum().to_le_bytes();
    let (signature, size, wide) = (b"PK\x07\x08", [7, 0, 0, 0], [7, 0, 0, 0, 0, 0, 0, 0]);
    for sizes in [[&size[..], &size].concat(), [&wide[..], &wide].concat()] {
        for signature in [&signature[..], b""] {
            let archive = stream(&[signature, &sum, &sizes].concat());
            assert_eq!(list(&archive, &Limits::default()).unwrap()[0].1, b"checked");
        }
    }
    for (descriptor, rule) in [
        ([&signature[..], &sum, &size, &[8, 0, 0, 0]].concat(), "zip-headers"),
        ([&signature[..], b"sum!", &size, &size].concat(), "zip-headers"),
        ([b"PK\x07\x09", &sum[..], &size, &size].concat(), "zip-headers"),
        ([&signature[..], &sum, &size, &size, b"gap!"].concat(), "zip-headers"),
        (Vec::new(), "zip-gap"),
        ([&signature[..], &sum, &size, &size, b"a wider gap"].concat(), "zip-gap"),
    ] {
        let message = fails(&stream(&descriptor), Limits::default());
        assert!(message.contains(rule), "{rule}: {message}");
    }
}

#[test]
fn both_headers_say_the_same() {
    refused("zip-headers", |archive| archive[30] = b'g');
    refused("zip-headers", |archive| archive[7] ^= 8);
    refused("zip-headers", |archive| archive[6] ^= 8);
    refused("zip-headers", |archive| archive[8] = 8);
    refused("zip-headers", |archive| archive[14] ^= 1);
    refused("zip-headers", |archive| archive[22] += 1);
    refused("zip-headers", |archive| {
        archive[18..26].fill(0xff);
        with_extra(archive, false, b"\x01\0\x10\0\x07\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0");
    });
    let mut wide = stored(b"checked");
    wide[18..26].fill(0xff);
    with_extra(&mut wide, false, b"\x01\0\x10\0\x07\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0");
    assert_eq!(list(&wide, &Limits::default()).unwrap()[0].1, b"checked");
}

#[test]
fn an_entry_has_one_name() {
    let twice = [("a", &b"1"[..]), ("b", b"2")];
    let mut archive = packed(&twice);
    let second = archive.windows(4).rposition(|window| window == b"PK\x03\x04").unwrap();
    let listed = archive.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    (archive[second + 30], archive[listed + 46]) = (b'a', b'a');
    let message = fails(&archive, Limits::default());
    assert!(
        message.contains("at the entry \"a\": its name is there twice (zip-twice)"),
        "{message}"
    );
    let message = fails(&packed(&[("a", b""), ("a/", b"")]), Limits::default());
    assert!(message.contains("zip-twice"), "{message}");

    for in_directory in [true, false] {
        refused("zip-name", |archive| {
            with_extra(archive, in_directory, &unicode_name(b"other"));
        });
        refused("zip-extra", |archive| with_extra(archive, in_directory, b"\x01\0\xff\0"));
        refused("zip-extra", |archive| with_extra(archive, in_directory, b"zz"));
        let mut archive = stored(b"checked");
        with_extra(&mut archive, in_directory, &[unicode_name(b"f").as_slice(), &[0; 3]].concat());
        assert_eq!(list(&archive, &Limits::default()).unwrap()[0].0.path, "f");
    }
    for name in [b'\\', 0, 0xff] {
        refused("zip-name", |archive| {
            let at = central(archive);
            (archive[30], archive[at + 46]) = (name, name);
            (archive[7], archive[at + 9]) = (8, 8);
        });
    }
}

#[test]
fn an_entry_is_one_thing() {
    let with = |host: u8, mode: u16, dos: u8| {
        let mut archive = stored(b"");
        let at = central(&archive);
        archive[at + 5] = host;
        archive[at + 38] = dos;
        archive[at + 40..at + 42].copy_from_slice(&mode.to_le_bytes());
        list(&archive, &Limits::default()).map(|entries| entries[0].0.kind)
    };
    assert_eq!(with(3, 0o100_644, 0), Ok(Kind::File));
    assert_eq!(with(0, 0, 0x20), Ok(Kind::File));
    assert_eq!(with(3, 0o120_777, 0), Ok(Kind::Symlink));
    assert_eq!(with(3, 0o010_644, 0), Ok(Kind::Other));
    for (host, mode, dos) in [(3, 0o040_755, 0), (0, 0, 0x10), (3, 0o100_644, 0x10), (0, 0o120_777, 0)] {
        let error = with(host, mode, dos).unwrap_err();
        assert!(matches!(error, ArchiveError::Ambiguous { rule: "zip-kind", .. }), "{error}");
    }
}

#[test]
fn there_is_nothing_but_entries_and_their_directory() {
    refused("zip-gap", |archive| {
        // Everything moves, and the directory says so.
        archive.splice(0..0, *b"#!/bin/sh");
        let (at, end) = (central(archive), end(archive));
        add(archive, at + 42, 9);
        add(archive, end + 16, 9);
    });
    refused("zip-end", |archive| {
        archive.splice(0..0, *b"#!/bin/sh");
    });
    refused("zip-gap", |archive| {
        let at = central(archive);
        archive.splice(at..at, *b"PK\x03\x04 unlisted");
        let end = end(archive);
        add(archive, end + 16, 13);
    });
    refused("zip-end", |archive| archive.push(0));
    refused("zip-end", |archive| {
        // A comment that is the end of an empty archive.
        let comment = packed(&[]);
        let end = end(archive);
        archive[end + 20] = u8::try_from(comment.len()).unwrap();
        archive.extend(comment);
    });
    refused("zip-end", |archive| {
        let end = end(archive);
        (archive[end + 8], archive[end + 10]) = (0, 0);
    });
    refused("zip-end", |archive| {
        let end = end(archive);
        archive.splice(
            end..end,
            [b"PK\x06\x06".as_slice(), &[0; 52], b"PK\x06\x07", &[0; 16]].concat(),
        );
    });
    let mut archive = packed(&[("f", b"some text, some text, some text")]);
    let at = central(&archive);
    // One byte more belongs to the entry, and nobody reads it.
    archive.insert(at, 0);
    let (at, end) = (central(&archive), end(&archive));
    for size in [18, at + 20, end + 16] {
        add(&mut archive, size, 1);
    }
    assert!(fails(&archive, Limits::default()).contains("zip-gap"));
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
    assert!(list(&whole[..whole.len() / 2], &Limits::default()).is_err());
    assert!(matches!(
        list(b"no archive", &Limits::default()),
        Err(ArchiveError::Malformed(_))
    ));
    let mut archive = stored(b"checked");
    let at = archive.windows(7).position(|bytes| bytes == b"checked").unwrap();
    archive[at] = b'C';
    assert!(fails(&archive, Limits::default()).contains("\"f\" has a wrong checksum"));
}

#[test]
fn no_damage_is_worse_than_an_error() {
    let whole = packed(&[("d/", b""), ("d/f", b"some text"), ("g", b"more text")]);
    let sound = list(&whole, &Limits::default()).unwrap();
    for end in 0..whole.len() {
        assert!(list(&whole[..end], &Limits::default()).is_err());
    }
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x80;
        if let Ok(entries) = list(&damaged, &Limits::default()) {
            let contents = |entries: &[(Entry, Vec<u8>)]| entries.iter().map(|(_, content)| content.clone()).collect::<Vec<_>>();
            assert_eq!(contents(&entries), contents(&sound), "{place}");
        }
    }
}

/// A reader that counts what is asked of it.
struct Steps<'a> {
    inner: Cursor<&'a [u8]>,
    bytes: u64,
    calls: u64,
}

impl Read for Steps<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(target)?;
        self.bytes += count as u64;
        self.calls += 1;
        Ok(count)
    }
}

impl Seek for Steps<'_> {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        self.calls += 1;
        self.inner.seek(target)
    }
}

#[test]
fn twice_the_entries_cost_twice_as_much() {
    let steps = |entries: usize| {
        let names: Vec<String> = (0..entries).map(|number| format!("{number:0200}")).collect();
        let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
        let archive = packed(&entries);
        let mut reader = Steps {
            inner: Cursor::new(&archive),
            bytes: 0,
            calls: 0,
        };
        zip(&mut reader, &Limits::default(), |_, content| {
            io::copy(content, &mut io::sink())?;
            Ok(())
        })
        .unwrap();
        (reader.bytes, reader.calls)
    };
    let (once, twice) = (steps(2_000), steps(4_000));
    assert!(
        twice.0 <= 2 * once.0 && twice.1 <= 2 * once.1,
        "{once:?} for a size, {twice:?} for twice that"
    );
}
