//! tar: headers whose every field can be odd, in any order, with a correct sum over all of it.

use portolan_plugin_sdk::archive;
use serde_json::Value;

use super::entries::{LIMITS, seen};
use crate::{bytes::damage, choices::Choices, oracle::Reading};

/// The bytes of a block.
pub const BLOCK: usize = 512;

/// Returns what our reader sees.
///
/// # Errors
/// Why it refuses.
pub fn read(input: &[u8]) -> Reading {
    let mut entries = Vec::new();
    archive::tar(input, &LIMITS, |entry, content| {
        entries.push(seen(entry, content)?);
        Ok(())
    })
    .map_err(|error| error.to_string())?;
    Ok(Value::Array(entries))
}

/// Makes an archive.
pub fn generate(choices: &mut Choices) -> Vec<u8> {
    let mut archive = Vec::new();
    for _ in 0..=choices.below(4) {
        match choices.below(20) {
            0..=10 => archive.extend(entry(choices)),
            11..=14 => archive.extend(extended(choices)),
            15 | 16 => archive.extend(long_name(choices)),
            17 => archive.extend([0; BLOCK]),
            18 => archive.extend([b'j'; BLOCK]),
            _ => archive.extend(entry(choices).into_iter().take(BLOCK + 100)),
        }
    }
    let ends: [&[u8]; 6] = [&[0; 2 * BLOCK], &[0; 20 * BLOCK], b"", &[0; BLOCK], &[0; 100], &[b'x'; BLOCK]];
    archive.extend(if choices.percent(20) {
        choices.pick(&ends)
    } else {
        &[0; 2 * BLOCK]
    });
    if choices.percent(3) {
        damage(&mut archive, choices);
    }
    archive
}

/// One block that describes an entry.
#[derive(Debug, Clone)]
pub struct Header(Vec<u8>);

impl Header {
    /// A sound header in the format of POSIX.
    #[must_use]
    pub fn new(name: &[u8], kind: u8, size: usize) -> Self {
        let mut header = Self(vec![0; BLOCK]);
        header
            .set(0, name)
            .set(100, b"0000644\0")
            .set(108, b"0000000\0")
            .set(116, b"0000000\0")
            .set(124, format!("{size:011o}\0").as_bytes())
            .set(136, b"00000000000\0")
            .set(156, &[kind])
            .set(257, b"ustar\x0000");
        header
    }

    /// Writes bytes at a place; what does not fit into the block is left out.
    pub fn set(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        for (place, byte) in self.0.iter_mut().skip(at).zip(bytes) {
            *place = *byte;
        }
        self
    }

    /// Returns the block with the sum over it.
    #[must_use]
    pub fn block(mut self) -> Vec<u8> {
        self.set(148, b"        ");
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.set(148, format!("{sum:06o}\0 ").as_bytes());
        self.0
    }

    /// Returns the block and content that fills whole blocks.
    #[must_use]
    pub fn with(self, content: &[u8]) -> Vec<u8> {
        let mut entry = self.block();
        entry.extend(content);
        entry.resize(entry.len().next_multiple_of(BLOCK), 0);
        entry
    }
}

/// Returns a file.
#[must_use]
pub fn file(name: &[u8], content: &[u8]) -> Vec<u8> {
    Header::new(name, b'0', content.len()).with(content)
}

/// Returns an extended header of POSIX with these records.
#[must_use]
pub fn pax(kind: u8, records: &[(&[u8], &[u8])]) -> Vec<u8> {
    let content: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
    Header::new(b"PaxHeader", kind, content.len()).with(&content)
}

/// Returns a record of an extended header, whose length counts itself.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest..)
        .find(|length| length - rest == length.to_string().len())
        .unwrap_or(rest);
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// Returns a long name of GNU tar.
#[must_use]
pub fn gnu(kind: u8, name: &[u8]) -> Vec<u8> {
    let mut header = Header::new(b"././@LongLink", kind, name.len() + 1);
    header.set(257, b"ustar  \0");
    header.with(&[name, b"\0"].concat())
}

fn entry(choices: &mut Choices) -> Vec<u8> {
    let name = choices.pick::<[u8]>(&[
        b"a/x",
        b"a/y",
        b"b/",
        b"a/x/",
        b"./a",
        b"",
        &[b'n'; 100],
        b"/abs",
        b"\xff/x",
        b"a\0b",
        b"a\\b",
        b"a//b",
        b"..",
        b"a/./b",
    ]);
    let kind = *choices.pick(&[
        b"0", b"0", b"0", b"0", b"0", b"\0", b"5", b"2", b"1", b"3", b"4", b"6", b"7", b"S", b"Z", b"V", b"D", b"M", b"X", b"A",
    ]);
    let hidden = file(b"hid/den", b"evil");
    let contents: [&[u8]; 3] = [b"", b"data", &hidden];
    let content = choices.pick(&contents);
    let [kind] = kind;
    let mut header = Header::new(name, kind, content.len());
    if matches!(kind, b'1' | b'2') {
        header.set(157, b"target");
    }
    if choices.percent(30) {
        oddity(&mut header, choices);
    }
    // Of folders and links some have content, and of files some have none although they say so.
    if choices.percent(15) {
        header.block()
    } else {
        header.with(content)
    }
}

/// Makes one field odd.
fn oddity(header: &mut Header, choices: &mut Choices) {
    let prefixes: [&[u8]; 5] = [b"pre", b"pre/", b"/pre", &[b'p'; 155], b"pre\0fix"];
    let (at, field) = match choices.below(11) {
        0 => (100, number(choices, 8)),
        1 => (136, number(choices, 12)),
        2 => (124, number(choices, 12)),
        3 => (157, choices.pick::<[u8]>(&[b"target", &[b'l'; 100], b"a\0b"]).to_vec()),
        4 => (345, choices.pick(&prefixes).to_vec()),
        5 => (108 + 8 * choices.below(2), number(choices, 8)),
        6 => (329 + 8 * choices.below(2), number(choices, 8)),
        7 => {
            header.set(
                257,
                choices.pick::<[u8]>(&[
                    b"ustar\0\0\0",
                    b"ustar  \0",
                    &[0; 8],
                    b"ustar\0  ",
                    b"ustar 00",
                    b"USTAR\x0000",
                ]),
            );
            (345, choices.pick::<[u8]>(&[b"", b"pre", b"00000000000\0"]).to_vec())
        }
        8 => {
            header.set(257, choices.pick::<[u8]>(&[b"ustar\x0000", b"ustar  \0"]));
            let field = choices.pick::<[u8]>(&[b"tar\0", b"zzzzzzzzzzzz", b"\x01", b"000000000000", b"\xff\xff\xff\xff"]);
            (345 + choices.below(BLOCK - 345), field.to_vec())
        }
        9 => {
            header.set(508, b"tar\0");
            (345, choices.pick(&prefixes).to_vec())
        }
        _ => {
            let value = choices.below(256);
            (choices.below(BLOCK), vec![u8::try_from(value).unwrap_or_default()])
        }
    };
    header.set(at, &field);
}

/// Writes 4, or something like it, in one of the ways in which numbers can be written.
fn number(choices: &mut Choices, width: usize) -> Vec<u8> {
    let zeros = |lead: &[u8], digits: &[u8]| {
        let filled = width.saturating_sub(lead.len() + digits.len());
        [lead, &vec![b'0'; filled], digits].concat()
    };
    let binary = |first: &[u8], fill: u8, last: u8| [first, &vec![fill; width - first.len() - 1], &[last]].concat();
    match choices.below(22) {
        0 => zeros(b"", b"4\0"),
        1 => zeros(b"", b"4 "),
        2 => zeros(b"", b"4"),
        3 => [vec![b' '; width - 2], b"4\0".to_vec()].concat(),
        4 => vec![0; width],
        5 => vec![b' '; width],
        6 => [b"4".as_slice(), &vec![0; width - 1]].concat(),
        7 => binary(b"\x80", 0, 4),
        8 => binary(b"\x80\0\x01", 0, 4),
        9 => binary(b"\xff", 0xff, 0xff),
        10 => binary(b"\xc0", 0, 4),
        11 => binary(b"\x80", 0xff, 0xff),
        12 => zeros(b"+", b"4\0"),
        13 => zeros(b"-", b"4\0"),
        14 => zeros(b"0x", b"4\0"),
        15 => zeros(b"\0", b"4\0"),
        16 => zeros(b"", b"4\0\xff"),
        17 => zeros(b"", b"4\n"),
        18 => zeros(b"00 ", b"4\0"),
        19 => vec![b'z'; width],
        20 => zeros(b"", b"40644\0"),
        _ => zeros(b"", b"120644\0"),
    }
}

fn extended(choices: &mut Choices) -> Vec<u8> {
    let kind = choices.pick(&[b"x", b"x", b"x", b"g", b"X"]);
    let [kind] = *kind;
    if choices.percent(15) {
        let raw = choices.pick::<[u8]>(&[
            b"\n",
            b"3 a\n",
            b"9 path=a\n ",
            b"0 path=a\n",
            b"11 path=ab",
            b" 9 path=a\n",
            b"+9 path=a\n",
            b"9 path=a\n\n",
            b"9 path=a\nzz",
            b"09 path=a\n",
            b"9 path=a\n9 path=b\n",
        ]);
        return Header::new(b"PaxHeader", kind, raw.len()).with(raw);
    }
    let keys: [&[u8]; 14] = [
        b"path",
        b"linkpath",
        b"size",
        b"mtime",
        b"atime",
        b"comment",
        b"uid",
        b"gid",
        b"GNU.sparse.name",
        b"GNU.sparse.major",
        b"SCHILY.xattr.user.x",
        b"SCHILY.realsize",
        b"hdrcharset",
        b"",
    ];
    let values: [&[u8]; 16] = [
        b"p/q", b"", b"p/", b"n\0l", b"4", b"0", b"512", b"+4", b"04", b"-1", b"1.5", b"1.", b"zz", b"BINARY", b"1.x", b"p=q",
    ];
    let records: Vec<(&[u8], &[u8])> = (0..=choices.below(2))
        .map(|_| (choices.pick(&keys), choices.pick(&values)))
        .collect();
    pax(kind, &records)
}

fn long_name(choices: &mut Choices) -> Vec<u8> {
    let [kind] = *choices.pick(&[b"L", b"K"]);
    gnu(
        kind,
        choices.pick::<[u8]>(&[b"gnu/name", b"", b"a\0b", b"gnu/", &[b'g'; 300]]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sound_is_read() {
        let archive = [
            pax(b'x', &[(b"path", b"long/name")]),
            file(b"a", b"1"),
            gnu(b'L', b"other/name"),
            file(b"b", b"2"),
            vec![0; 1_024],
        ]
        .concat();
        let Ok(Value::Array(entries)) = read(&archive) else {
            panic!("{:?}", read(&archive))
        };
        let paths: Vec<&Value> = entries.iter().map(|entry| &entry["path"]).collect();
        assert_eq!(paths, ["long/name", "other/name"]);
    }

    #[test]
    fn records_count_their_own_length() {
        assert_eq!(record(b"path", b"a"), b"9 path=a\n");
        assert_eq!(
            record(b"path", &[b'a'; 89]),
            [b"98 path=".as_slice(), &[b'a'; 89], b"\n"].concat()
        );
        assert!(record(b"path", &[b'a'; 92]).starts_with(b"102 "));
    }
}
