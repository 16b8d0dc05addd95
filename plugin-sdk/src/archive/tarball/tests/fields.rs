//! Archives with one odd field or header each, which readers understand differently.

use super::*;

#[test]
fn what_follows_the_end_is_zeros() {
    let whole = [sound(b"f", b"1"), vec![0; 1_024]].concat();
    for (behind, is_read) in [
        (vec![0; 9 * 1_024], true),
        (vec![0; 7], true),
        (b"garbage".to_vec(), false),
        ([vec![0; 20_000], sound(b"g", b"2")].concat(), false),
    ] {
        let archive = [whole.clone(), behind].concat();
        for outcome in [
            list(&archive, &Limits::default()).map(|entries| entries.len()),
            tar_gz(&gzip(&archive)[..], &Limits::default(), |_, _| Ok(())).map(|()| 1),
        ] {
            match outcome {
                Ok(count) => assert!(is_read && count == 1),
                Err(error) => assert!(
                    !is_read && error.to_string().contains("there is more behind its end"),
                    "{error}"
                ),
            }
        }
    }
    // The sum over the compressed stream is compared, although the archive ends before it.
    let mut damaged = gzip(&whole);
    let sum = damaged.len() - 8;
    damaged[sum] ^= 1;
    let error = tar_gz(&damaged[..], &Limits::default(), |_, _| Ok(())).unwrap_err();
    assert!(
        error.to_string().contains("the checksum or the length of a member is wrong"),
        "{error}"
    );
}

#[test]
fn an_archive_ends_with_two_blocks_of_zeros_or_one_or_none() {
    let count = |end: &[u8]| list(&[sound(b"f", b"1").as_slice(), end].concat(), &Limits::default()).map(|entries| entries.len());
    assert_eq!([count(b""), count(&[0; 512]), count(&[0; 1_024])], [Ok(1), Ok(1), Ok(1)]);
    let error = count(&[vec![0; 512], sound(b"g", b"2")].concat()).unwrap_err();
    assert!(
        error.to_string().contains("one block of zeros is followed by more"),
        "{error}"
    );
    assert_eq!(
        count(&[0; 100]).unwrap_err().to_string(),
        "The archive is malformed: it ends in the middle of a header."
    );
    let cut = list(&sound(b"f", b"1")[..600], &Limits::default()).unwrap_err();
    assert_eq!(cut.to_string(), "The archive is malformed: it ends in the middle of \"f\".");
}

/// Returns a header of POSIX in which some fields are as given, with the sum over it.
fn block(name: &[u8], kind: u8, size: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut block = vec![0; 512];
    let size = format!("{size:011o}\0");
    let sound: [(usize, &[u8]); 5] = [
        (0, name),
        (100, b"0000644\0"),
        (124, size.as_bytes()),
        (156, &[kind]),
        (257, b"ustar\x0000"),
    ];
    for (at, bytes) in sound.iter().chain(fields) {
        block[*at..at + bytes.len()].copy_from_slice(bytes);
    }
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn filled(mut block: Vec<u8>, content: &[u8]) -> Vec<u8> {
    block.extend(content);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

fn sound(name: &[u8], content: &[u8]) -> Vec<u8> {
    filled(block(name, b'0', content.len(), &[]), content)
}

/// Returns an extended header with this content.
fn extended(kind: u8, content: &[u8]) -> Vec<u8> {
    filled(block(b"header", kind, content.len(), &[]), content)
}

/// Returns a record of a PAX header. The length of each has two digits.
fn record(key: &str, value: &str) -> Vec<u8> {
    format!("{} {key}={value}\n", key.len() + value.len() + 5).into_bytes()
}

/// Refuses the parts as an archive, by a rule and with a name that shows where.
fn refused(rule: &str, at: &str, parts: &[Vec<u8>]) {
    let archive = [parts.concat(), vec![0; 1_024]].concat();
    let message = fails(&archive, Limits::default());
    let is_named = message.ends_with(&format!("({rule}).")) && message.contains(&format!("at the entry {at:?}"));
    assert!(is_named, "{rule} at {at}: {message}");
}

fn accepted(parts: &[Vec<u8>]) -> Vec<Entry> {
    let archive = [parts.concat(), vec![0; 1_024]].concat();
    let entries = list(&archive, &Limits::default()).unwrap();
    entries.into_iter().map(|(entry, _)| entry).collect()
}

#[test]
fn what_is_no_file_has_no_content() {
    let hidden = sound(b"a/hidden", b"");
    for (kind, name) in [(b'5', "a/"), (b'2', "a"), (b'1', "a"), (b'6', "a"), (0, "a/")] {
        refused(
            "tar-content",
            name,
            &[filled(block(name.as_bytes(), kind, 512, &[]), &hidden)],
        );
        assert_eq!(accepted(&[block(name.as_bytes(), kind, 0, &[]), hidden.clone()]).len(), 2);
    }
}

#[test]
fn name_mode_and_type_agree() {
    for kind in [b'0', b'7'] {
        refused("tar-slash", "a/", &[block(b"a/", kind, 0, &[])]);
    }
    let named = extended(b'L', b"gnu/name\0");
    refused("tar-slash", "gnu/name", &[named.clone(), block(b"a/", 0, 0, &[])]);
    refused("tar-slash", "gnu/", &[extended(b'L', b"gnu/\0"), block(b"a", 0, 0, &[])]);
    assert_eq!(accepted(&[named, block(b"a/", b'0', 0, &[])])[0].kind, Kind::File);
    for (kind, mode) in [
        (b'0', "0040644"),
        (b'0', "0120644"),
        (b'5', "0120755"),
        (b'2', "0040644"),
        (b'0', "1000644"),
    ] {
        refused("tar-mode", "a", &[block(b"a", kind, 0, &[(100, mode.as_bytes())])]);
    }
    for (kind, mode) in [
        (b'0', "0100644"),
        (b'5', "0040644"),
        (b'5', "0100644"),
        (b'2', "0120644"),
        (b'1', "0100644"),
    ] {
        let entries = accepted(&[block(b"a", kind, 0, &[(100, mode.as_bytes())])]);
        assert_eq!(entries[0].mode, 0o644, "{mode}");
    }
    for kind in *b"XZVDMAN" {
        refused("tar-type", "a", &[block(b"a", kind, 0, &[])]);
    }
}

#[test]
fn chains_of_extended_headers_are_refused() {
    let file = sound(b"f", b"1");
    let pax = extended(b'x', &record("path", "longer/name"));
    let other = extended(b'x', &record("comment", "nothing"));
    let global = extended(b'g', &record("comment", "nothing"));
    let (name, link) = (extended(b'L', b"gnu/name\0"), extended(b'K', b"gnu/link\0"));
    for chain in [
        [&pax, &other],
        [&pax, &global],
        [&name, &pax],
        [&pax, &name],
        [&name, &name],
        [&name, &global],
        [&link, &link],
    ] {
        let archive = [chain[0].clone(), chain[1].clone(), file.clone()].concat();
        let message = fails(&archive, Limits::default());
        assert!(
            message.contains("several extended headers") && message.contains("(tar-chain)"),
            "{message}"
        );
    }
    refused("tar-chain", "longer/name", &[file.clone(), pax.clone()]);
    let soft = block(b"soft", b'2', 0, &[(157, b"short")]);
    for both in [[&name, &link], [&link, &name]] {
        let entries = accepted(&[global.clone(), both[0].clone(), both[1].clone(), soft.clone(), file.clone()]);
        assert_eq!(
            (entries[0].path.as_str(), entries[0].link.as_deref()),
            ("gnu/name", Some("gnu/link"))
        );
        assert_eq!(entries[1].path, "f");
    }
    for key in ["path", "linkpath", "size"] {
        refused(
            "tar-global",
            "a PAX header",
            &[extended(b'g', &record(key, "12345")), file.clone()],
        );
    }
}

#[test]
fn names_are_given_in_one_way() {
    let file = sound(b"f", b"1");
    for kind in [b'L', b'K'] {
        let message = fails(&[extended(kind, b"\0"), file.clone()].concat(), Limits::default());
        assert!(
            message.contains("a long name is empty") && message.ends_with("(tar-name)."),
            "{message}"
        );
    }
    let message = fails(&[file, block(b"", b'0', 0, &[])].concat(), Limits::default());
    assert!(
        message.contains("it has no name") && message.ends_with("(tar-name)."),
        "{message}"
    );
}

#[test]
fn records_are_as_they_should_be() {
    let file = sound(b"f", b"1");
    for (rule, content) in [
        ("tar-record", &b"\n"[..]),
        ("tar-record", b"9 path=a\n\n"),
        ("tar-record", b"9 path=a\nzz"),
        ("tar-record", b"11 path=ab"),
        ("tar-record", b" 9 path=a\n"),
        ("tar-record", b"+9 path=a\n"),
        ("tar-record", b"09 path=a\n"),
        ("tar-record", b"3 a\n"),
        ("tar-record", b"9 path=a "),
        ("tar-record", b"5 =a\n"),
        ("tar-record", b"9 path=a\n9 path=b\n"),
        ("tar-record", b"99999999999999999999 path=a\n"),
        ("tar-record", b"7 a\0=b\n"),
        ("tar-name", b"8 path=\n"),
        ("tar-name", b"13 linkpath=\n"),
        ("tar-name", b"12 path=a\0b\n"),
        ("tar-number", b"11 size=+1\n"),
        ("tar-number", b"8 size=\n"),
        ("tar-number", b"11 uid=1.5\n"),
        ("tar-number", b"11 mtime=z\n"),
        ("tar-number", b"14 mtime=1.z5\n"),
        ("tar-sparse", b"22 GNU.sparse.major=1\n"),
        ("tar-sparse", b"21 SCHILY.realsize=1\n"),
    ] {
        let archive = [extended(b'x', content), file.clone()].concat();
        let message = fails(&archive, Limits::default());
        assert!(
            message.ends_with(&format!("({rule}).")),
            "{}: {message}",
            String::from_utf8_lossy(content)
        );
    }
    let times = b"19 mtime=1234.5678\n8 uid=0\n10 uname=\n17 atime=-1.5000\n";
    assert_eq!(accepted(&[extended(b'x', times), file])[0].modified, Some(1_234));
}

#[test]
fn prefixes_are_those_of_posix() {
    let prefixed = |fields: &[(usize, &[u8])]| [block(b"f", b'0', 0, fields)];
    assert_eq!(accepted(&prefixed(&[(345, b"some/folder")]))[0].path, "some/folder/f");
    for magic in [
        &b"ustar\0\0\0"[..],
        b"ustar\0  ",
        b"ustar  \0",
        b"ustar 00",
        b"USTAR\x0000",
        &[0; 8],
    ] {
        refused("tar-prefix", "f", &prefixed(&[(257, magic), (345, b"some/folder")]));
        assert_eq!(accepted(&prefixed(&[(257, magic)]))[0].path, "f");
    }
    refused("tar-prefix", "f", &prefixed(&[(345, b"some/folder"), (508, b"tar\0")]));
    refused("tar-prefix", "f", &prefixed(&[(257, b"ustar  \0"), (345, b"00000000000\0")]));
    let message = fails(&block(b"", b'0', 0, &[(345, b"some/folder")]), Limits::default());
    assert!(message.contains("it has a prefix and no name"), "{message}");
}

#[test]
fn numbers_are_those_that_go_reads() {
    for (at, field) in [
        (124, &b"+0000000000\0"[..]),
        (124, &[0; 12]),
        (124, b"\x80\0\x01\0\0\0\0\0\0\0\0\0"),
        (124, &[0xff; 12]),
        (100, b"zzzzzzz\0"),
        (108, b"zzzzzzz\0"),
        (116, b"zzzzzzz\0"),
        (136, b"zzzzzzzzzzz\0"),
        (329, b"zzzzzzz\0"),
    ] {
        refused("tar-number", "f", &[block(b"f", b'0', 0, &[(at, field)])]);
    }
    let blank = block(b"f", b'0', 0, &[(100, &[0; 8]), (108, &[b' '; 8]), (136, &[0; 12])]);
    assert_eq!(accepted(&[blank])[0].mode, 0);
}

#[test]
fn twice_the_archive_costs_twice_as_much() {
    /// Counts what is asked of it.
    struct Steps<'a>(&'a [u8], u64, u64);
    impl Read for Steps<'_> {
        fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(target)?;
            self.1 += count as u64;
            self.2 += 1;
            Ok(count)
        }
    }
    let headers = [
        extended(b'g', &record("comment", "nothing")),
        extended(b'L', &[b'n'; 4_000]),
        sound(b"f", b"1"),
    ]
    .concat();
    let steps = |entries: usize| {
        let archive = headers.repeat(entries);
        let mut reader = Steps(&archive, 0, 0);
        let mut count = 0;
        tar(&mut reader, &Limits::default(), |_, _| {
            count += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(count, entries);
        (reader.1, reader.2)
    };
    let (once, twice) = (steps(1_000), steps(2_000));
    assert!(
        twice.0 <= 2 * once.0 && twice.1 <= 2 * once.1,
        "{once:?} for a size, {twice:?} for twice that"
    );
}
