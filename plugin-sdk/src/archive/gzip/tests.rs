//! Streams that are sound, and streams that are not.

use std::io::Write;

use flate2::{Compression, GzBuilder, write::GzEncoder};

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Returns a member with other flags, and what belongs to them behind the fixed header.
fn flagged(flags: u8, fields: &[u8]) -> Vec<u8> {
    let mut member = gzip(b"text");
    member[3] = flags;
    member.splice(10..10, fields.iter().copied());
    member
}

fn read(stream: &[u8]) -> Result<Vec<u8>, String> {
    gunzip(stream, &Limits::default()).map_err(|error| error.to_string())
}

fn fails(stream: &[u8]) -> String {
    read(stream).unwrap_err()
}

#[test]
fn members_are_read_one_after_the_other() {
    let two = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
    assert_eq!(read(&two).unwrap(), b"one two");
}

#[test]
fn headers_may_say_what_the_format_knows() {
    let mut named = GzBuilder::new()
        .filename("name")
        .comment("comment")
        .extra("extra")
        .mtime(7)
        .write(Vec::new(), Compression::default());
    named.write_all(b"text").unwrap();
    assert_eq!(read(&named.finish().unwrap()).unwrap(), b"text");

    let mut start = gzip(b"text");
    start.truncate(10);
    start[3] = HEADER_SUM;
    let mut sum = Crc::new();
    sum.update(&start);
    let [low, high, ..] = sum.sum().to_le_bytes();
    assert_eq!(read(&flagged(HEADER_SUM, &[low, high])).unwrap(), b"text");
    assert_eq!(
        fails(&flagged(HEADER_SUM, &[low, !high])),
        "The archive is malformed: the header of a member has a wrong checksum."
    );
    assert!(fails(&flagged(0x20, b"")).contains("gzip-flags"));
}

#[test]
fn names_are_as_long_as_go_allows() {
    let text = |length| [vec![b'n'; length], vec![0]].concat();
    for flag in [NAME, COMMENT] {
        assert_eq!(read(&flagged(flag, &text(511))).unwrap(), b"text");
        assert!(fails(&flagged(flag, &text(512))).contains("gzip-name"));
    }
    assert!(fails(&flagged(NAME, &text(511))[..400]).contains("ends in the middle"));
}

#[test]
fn nothing_follows_the_last_member() {
    for behind in [&b"\0"[..], b"junk", &[0; 512]] {
        let message = fails(&[gzip(b"text").as_slice(), behind].concat());
        assert!(message.contains("gzip-end"), "{message}");
    }
    assert!(fails(&[gzip(b"text").as_slice(), b"\x1f"].concat()).contains("ends in the middle"));
    assert!(fails(&[gzip(b"text").as_slice(), &[0x1f; 20]].concat()).contains("is no gzip"));
}

#[test]
fn bombs_and_broken_streams_are_refused() {
    let bomb = gzip(&vec![0; 4 << 20]);
    assert_eq!(
        fails(&bomb),
        "The archive is beyond a limit: times the compressed size, at most 200."
    );
    let limits = Limits {
        total_bytes_max: 1_000,
        ..Limits::default()
    };
    assert_eq!(
        gunzip(&bomb[..], &limits).unwrap_err().to_string(),
        "The archive is beyond a limit: total bytes, at most 1000."
    );

    let whole = gzip(b"some text that is long enough");
    for end in 1..whole.len() {
        assert_eq!(fails(&whole[..end]), "The archive is malformed: it ends in the middle.");
    }
    assert_eq!(fails(b""), "The archive is malformed: it is no gzip.");
    assert_eq!(fails(b"no gzip at all"), "The archive is malformed: it is no gzip.");
    for place in 12..whole.len() {
        let mut corrupt = whole.clone();
        corrupt[place] ^= 0x55;
        assert!(read(&corrupt).is_err(), "{place}");
    }
}

#[test]
fn twice_the_members_cost_twice_as_much() {
    /// Counts the calls and the bytes of a reader that gives 1 000 bytes at most.
    struct Steps<'a>(&'a [u8], usize);
    impl Read for Steps<'_> {
        fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
            let wanted = target.len().min(1_000);
            let count = self.0.read(&mut target[..wanted])?;
            self.1 += 1;
            Ok(count)
        }
    }
    let steps = |members: usize| {
        let stream = gzip(b"some text").repeat(members);
        let mut reader = Steps(&stream, 0);
        assert_eq!(gunzip(&mut reader, &Limits::default()).unwrap().len(), 9 * members);
        reader.1
    };
    let (once, twice) = (steps(5_000), steps(10_000));
    assert!(twice <= 2 * once + 2, "{once} calls for a size, {twice} for twice that");
}
