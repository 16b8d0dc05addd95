//! Archives that are sound, and archives that are not.

use std::io::Write;

use ::tar::{Builder, EntryType, Header};
use flate2::{Compression, write::GzEncoder};

use super::*;

mod fields;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn header(path: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    // The builder refuses paths such as `../x`, which is what these tests are about.
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn packed(entries: &[(Header, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (header, content) in entries {
        builder.append(header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn file(path: &str, content: &[u8]) -> Vec<u8> {
    packed(&[(header(path, EntryType::Regular, content.len() as u64), content)])
}

fn list(archive: &[u8], limits: &Limits) -> Result<Vec<(Entry, Vec<u8>)>, ArchiveError> {
    let mut entries = Vec::new();
    tar(archive, limits, |entry, content| {
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
    let mut link = header("a/link", EntryType::Symlink, 0);
    link.as_old_mut().linkname[..9].copy_from_slice(b"../../etc");
    link.set_cksum();
    let mut hard = header("a/hard", EntryType::Link, 0);
    hard.as_old_mut().linkname[..3].copy_from_slice(b"a/f");
    hard.set_cksum();
    let archive = packed(&[
        (header("a/", EntryType::Directory, 0), b""),
        (header("a/f", EntryType::Regular, 2), b"hi"),
        (link, b""),
        (hard, b""),
        (header("../up", EntryType::Regular, 1), b"x"),
        (header("/root", EntryType::Regular, 0), b""),
        (header("dev", EntryType::Block, 0), b""),
    ]);
    let seen = list(&archive, &Limits::default()).unwrap();
    let seen = seen
        .iter()
        .map(|(entry, content)| (entry.path.as_str(), entry.kind, entry.link.as_deref(), content.as_slice()));
    let expected: [(&str, Kind, Option<&str>, &[u8]); 7] = [
        ("a/", Kind::Directory, None, b""),
        ("a/f", Kind::File, None, b"hi"),
        ("a/link", Kind::Symlink, Some("../../etc"), b""),
        ("a/hard", Kind::HardLink, Some("a/f"), b""),
        ("../up", Kind::File, None, b"x"),
        ("/root", Kind::File, None, b""),
        ("dev", Kind::Other, None, b""),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

#[test]
fn long_names_of_either_kind_are_read() {
    let long = format!("{}/file", "d".repeat(300));
    let mut builder = Builder::new(Vec::new());
    let mut small = Header::new_gnu();
    small.set_size(1);
    builder.append_data(&mut small, &long, &b"1"[..]).unwrap();
    builder
        .append_pax_extensions([("path", long.as_bytes()), ("mtime", b"1.5")])
        .unwrap();
    builder.append(&header("short", EntryType::Regular, 1), &b"2"[..]).unwrap();
    builder.append(&header("plain", EntryType::Regular, 1), &b"3"[..]).unwrap();
    let seen = list(&builder.into_inner().unwrap(), &Limits::default()).unwrap();
    let seen = seen
        .iter()
        .map(|(entry, content)| (entry.path.as_str(), content[0]))
        .collect::<Vec<_>>();
    assert_eq!(seen, [(long.as_str(), b'1'), (long.as_str(), b'2'), ("plain", b'3')]);
}

#[test]
fn content_that_is_left_is_skipped() {
    let archive = packed(&[
        (header("a", EntryType::Regular, 3_000), &[7; 3_000]),
        (header("b", EntryType::Regular, 1), b"b"),
    ]);
    let mut paths = Vec::new();
    tar_gz(&gzip(&archive)[..], &Limits::default(), |entry, content| {
        content.read_exact(&mut [0; 10])?;
        paths.push(entry.path.clone());
        Ok(())
    })
    .unwrap_err();
    assert_eq!(paths, ["a"], "the second entry is shorter than what is read of it");
}

#[test]
fn every_bound_holds() {
    let limits = Limits::default();
    let three = packed(&["a", "b", "c"].map(|path| (header(path, EntryType::Regular, 0), &b""[..])));
    let message = fails(
        &three,
        Limits {
            entries_max: 2,
            ..limits
        },
    );
    assert_eq!(
        message,
        "The archive is beyond a limit at the entry \"c\": entries, at most 2."
    );

    let large = file("large", &[1; 2_000]);
    let message = fails(
        &large,
        Limits {
            entry_bytes_max: 1_999,
            ..limits
        },
    );
    assert_eq!(
        message,
        "The archive is beyond a limit at the entry \"large\": bytes of an entry, at most 1999."
    );
    let message = fails(
        &large,
        Limits {
            total_bytes_max: 1_000,
            ..limits
        },
    );
    assert_eq!(
        message,
        "The archive is beyond a limit at the entry \"large\": total bytes, at most 1000."
    );

    let message = fails(
        &file("much-too-long", b""),
        Limits {
            path_bytes_max: 4,
            ..limits
        },
    );
    assert_eq!(
        message,
        "The archive is beyond a limit at the entry \"much-too-long...\": bytes of a path, at most 4."
    );
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let bomb = gzip(&file("bomb", &vec![0; 30 << 20]));
    let mut handed_on = 0;
    let error = tar_gz(&bomb[..], &Limits::default(), |_, content| {
        handed_on = io::copy(content, &mut io::sink()).inspect_err(|_| handed_on = 1)?;
        Ok(())
    });
    assert_eq!(
        error.unwrap_err().to_string(),
        "The archive is beyond a limit at the entry \"bomb\": times the compressed size, at most 200."
    );
    assert_eq!(handed_on, 1);
}

#[test]
fn an_endless_name_is_not_kept() {
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let claimed = packed(&[(header("x", kind, 8 << 30), b"")]);
        let message = fails(
            &claimed,
            Limits {
                total_bytes_max: u64::MAX,
                ..Limits::default()
            },
        );
        assert!(message.contains("bytes of a"), "{message}");
    }
}

#[test]
fn a_stream_of_extended_headers_ends() {
    let header = header("x", EntryType::XGlobalHeader, 0);
    let entries = (0..50).map(|_| (header.clone(), &b""[..])).collect::<Vec<_>>();
    let message = fails(
        &packed(&entries),
        Limits {
            entries_max: 10,
            ..Limits::default()
        },
    );
    assert!(message.contains("extended headers"), "{message}");
}

#[test]
fn two_sizes_and_sparse_files_are_refused() {
    let with = |key: &str, value: &[u8]| {
        let mut builder = Builder::new(Vec::new());
        builder.append_pax_extensions([(key, value)]).unwrap();
        builder.append(&header("f", EntryType::Regular, 1), &b"1"[..]).unwrap();
        builder.into_inner().unwrap()
    };
    assert!(list(&with("size", b"1"), &Limits::default()).is_ok());
    assert!(fails(&with("size", b"2"), Limits::default()).contains("at the entry \"f\": its header and its PAX header give"));
    assert!(fails(&with("size", b"-"), Limits::default()).contains("its size is no number"));
    assert!(fails(&with("GNU.sparse.major", b"1"), Limits::default()).contains("sparse"));
    assert!(fails(&packed(&[(header("f", EntryType::GNUSparse, 0), b"")]), Limits::default()).contains("sparse"));
}

#[test]
fn broken_archives_are_malformed() {
    let whole = file("f", &[1; 2_000]);
    let cut = &whole[..1_200];
    assert_eq!(
        fails(cut, Limits::default()),
        "The archive is malformed: it ends in the middle of \"f\"."
    );
    assert!(matches!(
        list(&whole[..300], &Limits::default()),
        Err(ArchiveError::Malformed(_))
    ));
    let mut sum = whole.clone();
    sum[0] ^= 1;
    assert!(matches!(list(&sum, &Limits::default()), Err(ArchiveError::Malformed(_))));

    let compressed = gzip(&file("f", &(0..50_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>()));
    let error = tar_gz(&compressed[..compressed.len() / 2], &Limits::default(), |_, _| Ok(())).unwrap_err();
    assert_eq!(error, ArchiveError::Malformed("it ends in the middle".into()));
}

#[test]
fn an_error_of_the_callback_ends_the_reading() {
    let refused = ArchiveError::Malformed("it is not wanted".into());
    let error = tar(&file("f", b"1")[..], &Limits::default(), |_, _| Err(refused.clone())).unwrap_err();
    assert_eq!(error, refused);
}

#[test]
fn no_damage_is_worse_than_an_error() {
    let mut builder = Builder::new(Vec::new());
    builder.append_pax_extensions([("path", &b"a/long/path"[..])]).unwrap();
    builder.append(&header("f", EntryType::Regular, 5), &b"hello"[..]).unwrap();
    builder.append(&header("g", EntryType::GNULongName, 3), &b"x/y"[..]).unwrap();
    builder.append(&header("h", EntryType::Regular, 0), &b""[..]).unwrap();
    let whole = builder.into_inner().unwrap();
    let compressed = gzip(&whole);
    for end in 0..compressed.len() {
        let _ = tar_gz(&compressed[..end], &Limits::default(), |_, _| Ok(()));
    }
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x80;
        if let Ok(entries) = list(&damaged, &Limits::default()) {
            assert!(entries.len() <= 2, "a damaged byte makes no entries");
        }
    }
}
