//! gzip.

use super::Shape;
use crate::formats::gzip::Member;

pub(super) fn all() -> Vec<Shape> {
    let member = |flags: u8, length: usize| Member {
        flags,
        method: 8,
        extra: b"extra".to_vec(),
        name: vec![b'n'; length],
        comment: vec![b'c'; length],
        wrong_sum: false,
    };
    let plain = || member(0, 0).with(b"text");
    let followed = |end: &[u8]| [plain().as_slice(), end].concat();
    let wrong = Member {
        wrong_sum: true,
        ..member(2, 0)
    };
    let mut damaged = plain();
    damaged
        .iter_mut()
        .rev()
        .take(5)
        .last()
        .into_iter()
        .for_each(|byte| *byte ^= 1);
    vec![
        Shape::read("one member", plain()),
        Shape::read("three members", [plain(), member(0, 0).with(b""), plain()].concat()),
        Shape::read("all fields", member(31, 9).with(b"text")),
        Shape::read("the longest names", member(24, 511).with(b"text")),
        Shape::refused("a name that Go does not read", "gzip-name", member(8, 512).with(b"text")),
        Shape::refused("a comment that Go does not read", "gzip-name", member(16, 600).with(b"text")),
        Shape::refused("a reserved flag", "gzip-flags", member(0x20, 0).with(b"text")),
        Shape::refused("a wrong sum over the header", "wrong checksum", wrong.with(b"text")),
        Shape::refused("a wrong sum", "checksum", damaged),
        Shape::refused("zeros behind the end", "gzip-end", followed(&[0; 512])),
        Shape::refused("text behind the end", "gzip-end", followed(b"text")),
        Shape::refused("half a header behind the end", "ends in the middle", followed(b"\x1f\x8b")),
        Shape::refused("nothing", "no gzip", b""),
        Shape::refused(
            "another method",
            "no gzip",
            Member {
                method: 9,
                ..member(0, 0)
            }
            .with(b"text"),
        ),
    ]
}
