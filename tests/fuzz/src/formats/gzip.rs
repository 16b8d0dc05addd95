//! gzip: members whose headers have any flags and fields, sums that are wrong, and what can stand behind them.

mod bits;

use std::io::Write;

use flate2::{Compression, Crc, Decompress, FlushDecompress, write::DeflateEncoder};
use portolan_plugin_sdk::archive;

use super::entries::LIMITS;
use crate::{
    bytes::{damage, hex},
    choices::Choices,
    oracle::Reading,
};

/// Returns what our reader sees.
///
/// # Errors
/// Why it refuses.
pub fn read(input: &[u8]) -> Reading {
    let unpacked = archive::gunzip(input, &LIMITS).map_err(|error| error.to_string())?;
    Ok(hex(&unpacked).into())
}

/// Makes a stream.
pub fn generate(choices: &mut Choices) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..=choices.below(3) {
        stream.extend(if choices.percent(40) { odd(choices) } else { member(choices) });
    }
    if choices.percent(30) {
        stream.extend(choices.pick::<[u8]>(&[
            b"\0",
            &[0; 512],
            b"junk",
            b"\x1f",
            b"\x1f\x8b",
            b"\x1f\x8b\x08\0\0\0\0\0\0",
            b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
        ]));
    }
    if choices.percent(15) {
        damage(&mut stream, choices);
    }
    stream
}

/// What a member's header can say.
#[derive(Debug, Clone, Default)]
pub struct Member {
    /// The flags: 1 text, 2 header sum, 4 extra field, 8 name, 16 comment, the others reserved.
    pub flags: u8,
    /// The method; 8 is the only one there is.
    pub method: u8,
    /// The extra field, in case of its flag.
    pub extra: Vec<u8>,
    /// The name, in case of its flag.
    pub name: Vec<u8>,
    /// The comment, in case of its flag.
    pub comment: Vec<u8>,
    /// Whether the sum over the header is wrong, in case of its flag.
    pub wrong_sum: bool,
}

impl Member {
    /// Returns the member with this content.
    #[must_use]
    pub fn with(&self, content: &[u8]) -> Vec<u8> {
        self.with_packed(&deflate(content), content)
    }

    /// Returns the member with content that is compressed already.
    #[must_use]
    pub fn with_packed(&self, packed: &[u8], content: &[u8]) -> Vec<u8> {
        let mut member = vec![0x1f, 0x8b, self.method, self.flags, 0, 0, 0, 0, 0, 0xff];
        if self.flags & 4 != 0 {
            member.extend(u16::try_from(self.extra.len()).unwrap_or(u16::MAX).to_le_bytes());
            member.extend(&self.extra);
        }
        for (flag, text) in [(8, &self.name), (16, &self.comment)] {
            if self.flags & flag != 0 {
                member.extend(text);
                member.push(0);
            }
        }
        if self.flags & 2 != 0 {
            let [low, high, ..] = sum(&member).to_le_bytes();
            member.extend([low ^ u8::from(self.wrong_sum), high]);
        }
        member.extend(packed);
        member.extend(sum(content).to_le_bytes());
        member.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes());
        member
    }
}

/// Compresses without any frame.
#[must_use]
pub fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(content).and_then(|()| encoder.finish());
    written.expect("writing into memory does not fail")
}

/// Returns the sum that gzip and zip use.
#[must_use]
pub fn sum(content: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(content);
    sum.sum()
}

/// Returns a member whose compressed data is odd, with the sum over whatever our decompressor makes of it: only so can it be
/// accepted, and only what is accepted can differ.
fn odd(choices: &mut Choices) -> Vec<u8> {
    let packed = bits::blocks(choices);
    let mut content = Vec::with_capacity(4_096);
    // What cannot be decompressed is refused later.
    let _status = Decompress::new(false).decompress_vec(&packed, &mut content, FlushDecompress::Finish);
    let header = Member {
        method: 8,
        ..Member::default()
    };
    header.with_packed(&packed, &content)
}

fn member(choices: &mut Choices) -> Vec<u8> {
    let flags = *choices.pick(&[&0, &0, &0, &1, &2, &4, &8, &16, &10, &31, &0x20, &0x40, &0x80]);
    let text = |choices: &mut Choices| {
        choices
            .pick::<[u8]>(&[b"n", b"", &[b'n'; 511], &[b'n'; 512], &[b'n'; 600], b"\xff"])
            .to_vec()
    };
    let header = Member {
        flags,
        method: if choices.percent(5) { 9 } else { 8 },
        extra: choices.pick::<[u8]>(&[b"", b"abc", &[b'e'; 700]]).to_vec(),
        name: text(choices),
        comment: text(choices),
        wrong_sum: choices.percent(30),
    };
    let mut member = header.with(choices.pick::<[u8]>(&[b"hi", b"", &[b'x'; 300], b"abcabcabcdefdef"]));
    if choices.percent(10) {
        let at = member.len().saturating_sub(1 + choices.below(8));
        if let Some(byte) = member.get_mut(at) {
            *byte ^= 1;
        }
    }
    member
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_data_is_sound_often_enough_and_not_always() {
        let members = (0..1_000).map(|seed| odd(&mut Choices::random(seed)));
        let (sound, broken): (Vec<_>, Vec<_>) = members.partition(|member| read(member).is_ok_and(|content| content != ""));
        assert!(
            sound.len() > 200 && broken.len() > 200,
            "{} are sound, {} broken",
            sound.len(),
            broken.len()
        );
    }
}
