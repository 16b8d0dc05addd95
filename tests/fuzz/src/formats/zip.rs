//! zip: local headers, directory and end, each of which can tell another story.

use std::io::Cursor;

use portolan_plugin_sdk::archive;
use serde_json::Value;

use super::{
    entries::{LIMITS, seen},
    gzip::{deflate, sum},
};
use crate::{bytes::damage, choices::Choices, oracle::Reading};

/// Returns what our reader sees.
///
/// # Errors
/// Why it refuses.
pub fn read(input: &[u8]) -> Reading {
    let mut entries = Vec::new();
    archive::zip(Cursor::new(input), &LIMITS, |entry, content| {
        entries.push(seen(entry, content)?);
        Ok(())
    })
    .map_err(|error| error.to_string())?;
    entries.sort_by(|one, other| one["path"].as_str().cmp(&other["path"].as_str()));
    Ok(Value::Array(entries))
}

/// What one of the two headers of an entry says.
#[derive(Debug, Clone, Default)]
pub struct Header {
    /// The flags: 1 encrypted, 8 sizes follow the content, 0x800 names are UTF-8.
    pub flags: u16,
    /// 0 stored, 8 deflated.
    pub method: u16,
    /// The sum of the content.
    pub sum: u32,
    /// The bytes in the archive.
    pub packed: u32,
    /// The bytes of the content.
    pub size: u32,
    /// The name.
    pub name: Vec<u8>,
    /// The extra fields.
    pub extra: Vec<u8>,
}

/// An entry as it stands in an archive.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The header before the content.
    pub local: Header,
    /// The header in the directory.
    pub central: Header,
    /// The content as it is in the archive.
    pub packed: Vec<u8>,
    /// What follows the content.
    pub behind: Vec<u8>,
    /// The system that made it, and the attributes that it gave.
    pub made_by: u16,
    /// The attributes.
    pub attributes: u32,
    /// What is added to the offset in the directory.
    pub shift: i32,
}

impl Entry {
    /// Returns a sound one.
    #[must_use]
    pub fn new(name: &[u8], content: &[u8], method: u16) -> Self {
        let packed = if method == 8 { deflate(content) } else { content.to_vec() };
        let header = Header {
            method,
            sum: sum(content),
            packed: length(&packed),
            size: length(content),
            name: name.to_vec(),
            ..Header::default()
        };
        Self {
            local: header.clone(),
            central: header,
            packed,
            ..Self::default()
        }
    }
}

/// An archive to be written.
#[derive(Debug, Clone, Default)]
pub struct Archive {
    /// What stands before the first entry.
    pub before: Vec<u8>,
    /// The entries.
    pub entries: Vec<Entry>,
    /// What stands between the last entry and the directory.
    pub between: Vec<u8>,
    /// What is added to the number of entries, the size of the directory and its offset.
    pub off: (i32, i32, i32),
    /// The comment.
    pub comment: Vec<u8>,
    /// What stands behind the end.
    pub behind: Vec<u8>,
}

impl Archive {
    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.before.clone();
        let mut directory = Vec::new();
        for entry in &self.entries {
            let offset = length(&bytes).wrapping_add_signed(entry.shift);
            bytes.extend([0x0403_4b50_u32.to_le_bytes().as_slice(), &20_u16.to_le_bytes()].concat());
            bytes.extend(entry.local.common());
            bytes.extend(
                [&entry.local.name, &entry.local.extra, &entry.packed, &entry.behind]
                    .into_iter()
                    .flatten(),
            );
            directory.extend(0x0201_4b50_u32.to_le_bytes());
            directory.extend([entry.made_by.to_le_bytes(), 20_u16.to_le_bytes()].as_flattened());
            directory.extend(entry.central.common());
            directory.extend([0; 6]);
            directory.extend([entry.attributes.to_le_bytes(), offset.to_le_bytes()].as_flattened());
            directory.extend(entry.central.name.iter().chain(&entry.central.extra));
        }
        bytes.extend(&self.between);
        let (count, size, offset) = (self.entries.len(), length(&directory), length(&bytes));
        bytes.extend(directory);
        bytes.extend(self.end(u16::try_from(count).unwrap_or(u16::MAX), size, offset));
        bytes.extend(self.comment.iter().chain(&self.behind));
        bytes
    }

    fn end(&self, count: u16, size: u32, offset: u32) -> Vec<u8> {
        let count = u16::try_from(i32::from(count) + self.off.0).unwrap_or_default().to_le_bytes();
        let size = size.wrapping_add_signed(self.off.1).to_le_bytes();
        let offset = offset.wrapping_add_signed(self.off.2).to_le_bytes();
        let comment = u16::try_from(self.comment.len()).unwrap_or(u16::MAX).to_le_bytes();
        let parts: [&[u8]; 7] = [b"PK\x05\x06\0\0\0\0", &count, &count, &size, &offset, &comment, b""];
        parts.concat()
    }
}

impl Header {
    /// The fields that both headers have, in the same order. In the directory six bytes follow the lengths.
    fn common(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        fields.extend([self.flags.to_le_bytes(), self.method.to_le_bytes(), [0; 2], [0; 2]].as_flattened());
        fields.extend([self.sum.to_le_bytes(), self.packed.to_le_bytes(), self.size.to_le_bytes()].as_flattened());
        let lengths = [self.name.len(), self.extra.len()].map(|length| u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
        fields.extend(lengths.as_flattened());
        fields
    }
}

/// Returns an extra field.
#[must_use]
pub fn extra(id: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_le_bytes();
    [&id.to_le_bytes(), &length, content].concat()
}

/// Returns what can follow the content: the sum and both sizes, after a signature.
#[must_use]
pub fn descriptor(header: &Header) -> Vec<u8> {
    let fields = [0x0807_4b50, header.sum, header.packed, header.size].map(u32::to_le_bytes);
    fields.as_flattened().to_vec()
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Makes an archive.
pub fn generate(choices: &mut Choices) -> Vec<u8> {
    let mut archive = Archive::default();
    for _ in 0..choices.below(4) {
        archive.entries.push(entry(choices));
    }
    match choices.below(30) {
        20 => archive.before = b"junk".to_vec(),
        21 => archive.between = b"junk".to_vec(),
        22 => archive.off.0 = 1,
        23 => archive.off.0 = -1,
        24 => archive.off.1 = *choices.pick(&[&1, &-1, &46]),
        25 => archive.off.2 = *choices.pick(&[&1, &-1, &-4]),
        26 => archive.comment = b"comment".to_vec(),
        27 => archive.comment = Archive::default().bytes(),
        28 => {
            let end = Archive::default().bytes();
            archive.behind = choices.pick::<[u8]>(&[b"\0", b"trailing", &end]).to_vec();
        }
        29 => {
            archive.before = b"junk".to_vec();
            archive.off.2 = -4;
        }
        _ => {}
    }
    let mut bytes = archive.bytes();
    if choices.percent(10) {
        damage(&mut bytes, choices);
    }
    bytes
}

fn entry(choices: &mut Choices) -> Entry {
    let name = choices.pick::<[u8]>(&[
        b"a",
        b"b",
        b"c",
        b"d/",
        b"d/e",
        b"../x",
        b"\xff",
        b"A",
        b"",
        b"a\\b",
        b"a\0b",
        b"\xc3\xa9",
        b"./a",
        b"d//e",
    ]);
    let is_folder = name.ends_with(b"/");
    let content = choices.pick::<[u8]>(if is_folder {
        &[b"", b"", b"", b"x"]
    } else {
        &[b"", b"hello", &[b'x'; 50]]
    });
    let method = *choices.pick(&[&8, &0]);
    let mut entry = Entry::new(name, content, method);
    if choices.percent(20) {
        streamed(&mut entry, choices);
    }
    if choices.percent(35) {
        oddity(&mut entry, choices);
    }
    entry
}

/// Makes an entry of which a writer did not know the size when it wrote the header.
fn streamed(entry: &mut Entry, choices: &mut Choices) {
    entry.behind = descriptor(&entry.central);
    entry.local.flags |= 8;
    entry.central.flags |= 8;
    (entry.local.sum, entry.local.packed, entry.local.size) = (0, 0, 0);
    match choices.below(8) {
        4 => drop(entry.behind.drain(..4)),
        5 => entry.behind.clear(),
        6 => entry.behind.iter_mut().take(5).for_each(|byte| *byte ^= 1),
        7 => {
            let fields = [u64::from(entry.central.packed), u64::from(entry.central.size)].map(u64::to_le_bytes);
            entry.behind.truncate(8);
            entry.behind.extend(fields.as_flattened());
        }
        _ => {}
    }
}

/// Makes one thing odd about an entry.
fn oddity(entry: &mut Entry, choices: &mut Choices) {
    let unicode = |name: &[u8], shown: &[u8]| extra(0x7075, &[&[1], sum(name).to_le_bytes().as_slice(), shown].concat());
    let central = &mut entry.central;
    match choices.below(18) {
        0 => entry.local.name = choices.pick::<[u8]>(&[b"other", b"", b"a/"]).to_vec(),
        1 => (entry.local.packed, entry.local.size) = *choices.pick(&[&(0, 0), &(9, 9), &(u32::MAX, u32::MAX)]),
        2 => central.size = *choices.pick(&[&0, &(central.size + 1), &u32::MAX]),
        3 => central.flags ^= *choices.pick(&[&1, &8, &0x800, &0x40, &2, &0x2000]),
        4 => entry.local.method = 8 - entry.local.method.min(8),
        5 => (central.sum, entry.local.sum) = (1, 1),
        6 => (central.method, entry.local.method) = *choices.pick(&[&(9, 9), &(12, 12), &(99, 99)]),
        7 => central.extra = unicode(&central.name, b"other"),
        8 => entry.local.extra = unicode(&entry.local.name, b"other"),
        9 => central.extra = unicode(&central.name, &central.name),
        10 => entry.shift = *choices.pick(&[&1, &-1, &10_000]),
        11 | 12 => {
            entry.made_by = *choices.pick(&[&(3 << 8 | 20), &(19 << 8 | 20), &20, &(10 << 8 | 20)]);
            let modes = [0o120_777, 0o040_755, 0o100_644, 0o010_644, 0o644, 0];
            entry.attributes = modes.get(choices.below(modes.len())).copied().unwrap_or(0) << 16 | *choices.pick(&[&0, &16]);
        }
        13 => central.packed = central.packed.wrapping_add_signed(*choices.pick(&[&1, &-1])),
        14 => {
            let sizes = [u64::from(central.size), u64::from(central.packed)].map(u64::to_le_bytes);
            entry.local.extra = extra(1, sizes.as_flattened());
            (entry.local.size, entry.local.packed) = (u32::MAX, u32::MAX);
        }
        15 => {
            let fields: [&[u8]; 4] = [b"zz", b"\x01\0\xff\0", b"\x01\0\0\0", b"\0\0\0"];
            central.extra = choices.pick(&fields).to_vec();
        }
        16 => (central.flags, entry.local.flags) = *choices.pick(&[&(0x800, 0x800), &(6, 6), &(1, 1), &(0x20, 0x20)]),
        _ => {
            central.sum = 0;
            entry.local.sum = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sound_is_read() {
        let archive = Archive {
            entries: vec![Entry::new(b"a", b"text", 8), Entry::new(b"d/", b"", 0)],
            ..Archive::default()
        };
        let Ok(Value::Array(entries)) = read(&archive.bytes()) else {
            panic!("{:?}", read(&archive.bytes()))
        };
        let paths: Vec<&Value> = entries.iter().map(|entry| &entry["path"]).collect();
        assert_eq!(paths, ["a", "d/"]);
    }
}
