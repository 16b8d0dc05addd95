//! zip.

use super::Shape;
use crate::formats::{
    gzip::sum,
    zip::{Archive, Entry, descriptor, extra},
};

fn entry() -> Entry {
    Entry::new(b"a/x", b"some text", 8)
}

fn with(change: impl FnOnce(&mut Entry)) -> Vec<u8> {
    let mut entry = entry();
    change(&mut entry);
    archive(vec![entry])
}

fn archive(entries: Vec<Entry>) -> Vec<u8> {
    Archive {
        entries,
        ..Archive::default()
    }
    .bytes()
}

/// Returns an archive of one sound entry with something around it.
fn around(change: impl FnOnce(&mut Archive)) -> Vec<u8> {
    let mut archive = Archive {
        entries: vec![entry()],
        ..Archive::default()
    };
    change(&mut archive);
    archive.bytes()
}

/// Moves the sizes of an entry behind its content.
fn stream(entry: &mut Entry) {
    entry.behind = descriptor(&entry.central);
    (entry.local.flags, entry.central.flags) = (8, 8);
    (entry.local.sum, entry.local.packed, entry.local.size) = (0, 0, 0);
}

pub(super) fn all() -> Vec<Shape> {
    [sound(), headers(), names(), structure()].into_iter().flatten().collect()
}

fn sound() -> Vec<Shape> {
    let sizes = |entry: &Entry| [u64::from(entry.central.size), u64::from(entry.central.packed)].map(u64::to_le_bytes);
    vec![
        Shape::read("nothing", archive(Vec::new())),
        Shape::read(
            "deflated, stored and a folder",
            archive(vec![entry(), Entry::new(b"b", b"text", 0), Entry::new(b"d/", b"", 0)]),
        ),
        Shape::read("sizes behind the content", with(stream)),
        Shape::read(
            "sizes without a signature",
            with(|entry| {
                stream(entry);
                entry.behind.drain(..4);
            }),
        ),
        Shape::read(
            "wide sizes that nobody needs",
            with(|entry| {
                entry.local.extra = extra(1, sizes(entry).as_flattened());
                (entry.local.size, entry.local.packed) = (u32::MAX, u32::MAX);
            }),
        ),
        Shape::read(
            "the same name in UTF-8",
            with(|entry| {
                entry.central.extra = extra(0x7075, &[&[1], sum(b"a/x").to_le_bytes().as_slice(), b"a/x"].concat());
            }),
        ),
        Shape::read("a few zeros behind the fields", with(|entry| entry.local.extra = vec![0; 3])),
        Shape::read("a comment", around(|archive| archive.comment = b"comment".to_vec())),
        Shape::read(
            "a link",
            with(|entry| (entry.made_by, entry.attributes) = (3 << 8 | 20, 0o120_777 << 16)),
        ),
    ]
}

fn headers() -> Vec<Shape> {
    let mut shapes: Vec<Shape> = [
        ("another name", with(|entry| entry.local.name = b"b".to_vec())),
        ("another method", with(|entry| entry.local.method = 0)),
        ("another size", with(|entry| entry.local.size += 1)),
        ("another packed size", with(|entry| entry.local.packed = 0)),
        ("another sum", with(|entry| entry.local.sum ^= 1)),
        ("sizes that follow by one header only", with(|entry| entry.central.flags ^= 8)),
        (
            "other sizes behind the content",
            with(|entry| {
                stream(entry);
                entry.behind.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1);
            }),
        ),
    ]
    .into_iter()
    .map(|(name, input)| Shape::refused(name, "zip-headers", input))
    .collect();
    shapes.extend(contents());
    shapes
}

fn contents() -> Vec<Shape> {
    vec![
        Shape::refused(
            "sizes that follow and do not",
            "zip-gap",
            with(|entry| {
                stream(entry);
                entry.behind.clear();
            }),
        ),
        Shape::refused(
            "encrypted",
            "encrypted",
            with(|entry| (entry.local.flags, entry.central.flags) = (1, 1)),
        ),
        Shape::refused(
            "another method of compression",
            "neither stored",
            with(|entry| (entry.local.method, entry.central.method) = (12, 12)),
        ),
        Shape::refused(
            "a wrong sum",
            "wrong checksum",
            with(|entry| (entry.local.sum, entry.central.sum) = (1, 1)),
        ),
        Shape::refused(
            "no sum",
            "wrong checksum",
            with(|entry| (entry.local.sum, entry.central.sum) = (0, 0)),
        ),
        Shape::refused(
            "longer than it says",
            "longer",
            with(|entry| (entry.local.size, entry.central.size) = (4, 4)),
        ),
        Shape::refused(
            "something behind the content",
            "zip-gap",
            with(|entry| {
                entry.packed.push(0);
                (entry.local.packed, entry.central.packed) = (entry.local.packed + 1, entry.central.packed + 1);
            }),
        ),
        Shape::refused(
            "a folder by its mode only",
            "zip-kind",
            with(|entry| (entry.made_by, entry.attributes) = (3 << 8, 0o040_755 << 16)),
        ),
        Shape::refused("a folder by DOS only", "zip-kind", with(|entry| entry.attributes = 16)),
        Shape::refused("a folder with content", "zip-kind", archive(vec![Entry::new(b"d/", b"x", 0)])),
        Shape::refused(
            "a folder that is a link",
            "zip-kind",
            with(|entry| {
                (entry.made_by, entry.attributes) = (3 << 8, 0o120_777 << 16);
                *entry = Entry {
                    made_by: entry.made_by,
                    attributes: entry.attributes,
                    ..Entry::new(b"d/", b"", 0)
                };
            }),
        ),
    ]
}

fn names() -> Vec<Shape> {
    let named = |name: &[u8]| archive(vec![Entry::new(name, b"1", 0)]);
    let unicode = extra(0x7075, &[&[1], sum(b"a/x").to_le_bytes().as_slice(), b"other"].concat());
    vec![
        Shape::refused("two of one name", "zip-twice", archive(vec![entry(), entry()])),
        Shape::refused(
            "a file and a folder of one name",
            "zip-twice",
            archive(vec![Entry::new(b"d", b"", 0), Entry::new(b"d/", b"", 0)]),
        ),
        Shape::refused(
            "another name in the directory",
            "zip-name",
            with(|entry| entry.central.extra = unicode.clone()),
        ),
        Shape::refused(
            "another name before the entry",
            "zip-name",
            with(|entry| entry.local.extra = unicode.clone()),
        ),
        Shape::refused("no name", "zip-name", named(b"")),
        Shape::refused("a backslash", "zip-name", named(b"a\\x")),
        Shape::refused("a NUL", "zip-name", named(b"a\0x")),
        Shape::refused(
            "no UTF-8, although it says so",
            "zip-name",
            with(|entry| {
                (entry.local.name, entry.central.name) = (b"\xff".to_vec(), b"\xff".to_vec());
                (entry.local.flags, entry.central.flags) = (0x800, 0x800);
            }),
        ),
        Shape::refused(
            "a field that is cut",
            "zip-extra",
            with(|entry| entry.central.extra = b"\x01\0\xff\0".to_vec()),
        ),
        Shape::refused(
            "bytes that are no field",
            "zip-extra",
            with(|entry| entry.local.extra = b"zz".to_vec()),
        ),
    ]
}

fn structure() -> Vec<Shape> {
    let end = || Archive::default().bytes();
    vec![
        Shape::refused(
            "something before it, unknown to the offsets",
            "zip-end",
            around(|archive| {
                archive.before = b"#!/bin/sh\n".to_vec();
                archive.off.2 = -10;
            }),
        ),
        Shape::refused(
            "something before it",
            "zip-gap",
            around(|archive| archive.before = b"#!/bin/sh\n".to_vec()),
        ),
        Shape::refused(
            "an entry that is not in the directory",
            "zip-gap",
            around(|archive| {
                archive.between = archive
                    .entries
                    .first()
                    .map(|entry| self::archive(vec![entry.clone()]))
                    .unwrap_or_default();
                archive.between.truncate(30);
            }),
        ),
        Shape::refused(
            "something behind it",
            "zip-end",
            around(|archive| archive.behind = b"\0".to_vec()),
        ),
        Shape::refused("two ends", "zip-end", around(|archive| archive.behind = end())),
        Shape::refused(
            "a comment that is an end",
            "zip-end",
            around(|archive| archive.comment = end()),
        ),
        Shape::refused(
            "fewer entries than there are",
            "zip-end",
            around(|archive| archive.off.0 = -1),
        ),
        Shape::refused(
            "more entries than there are",
            "ends in the middle",
            around(|archive| archive.off.0 = 1),
        ),
        Shape::refused("an end that is elsewhere", "zip-end", around(|archive| archive.off.1 = 1)),
        Shape::refused("an entry that is elsewhere", "zip-gap", with(|entry| entry.shift = 1)),
    ]
}
