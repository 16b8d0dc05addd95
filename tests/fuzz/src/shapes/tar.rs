//! tar.

use super::Shape;
use crate::formats::tar::{Header, file, gnu, pax};

const END: [u8; 1_024] = [0; 1_024];

fn archive(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat().as_slice(), &END].concat()
}

/// Returns a header with one field replaced.
fn with(kind: u8, at: usize, field: &[u8]) -> Vec<u8> {
    let mut header = Header::new(b"a/x", kind, 0);
    header.set(at, field);
    header.block()
}

pub(super) fn all() -> Vec<Shape> {
    [sound(), kinds(), types(), chains(), records(), names(), numbers(), ends()]
        .into_iter()
        .flatten()
        .collect()
}

fn sound() -> Vec<Shape> {
    let long = [b"a/".as_slice(), &[b'n'; 300]].concat();
    vec![
        Shape::read(
            "files and folders",
            archive(&[Header::new(b"a/", b'5', 0).block(), file(b"a/x", b"text"), file(b"a/y", b"")]),
        ),
        Shape::read(
            "a long name of POSIX",
            archive(&[pax(b'x', &[(b"path", &long)]), file(b"short", b"1"), file(b"b", b"2")]),
        ),
        Shape::read(
            "long names of GNU tar",
            archive(&[gnu(b'K', &long), gnu(b'L', &long), with(b'2', 157, b"short")]),
        ),
        Shape::read(
            "a comment for all",
            archive(&[pax(b'g', &[(b"comment", b"0123")]), file(b"a", b"1"), file(b"b", b"2")]),
        ),
        Shape::read(
            "times and attributes",
            archive(&[
                pax(
                    b'x',
                    &[
                        (b"mtime", b"1.5"),
                        (b"atime", b"-2"),
                        (b"SCHILY.xattr.user.x", b"y"),
                        (b"uname", b""),
                    ],
                ),
                file(b"a", b"1"),
            ]),
        ),
        Shape::read("a prefix", archive(&[with(b'0', 345, b"folder")])),
        Shape::read("no format at all", archive(&[with(b'0', 257, &[0; 8])])),
        Shape::read("GNU tar", archive(&[with(b'0', 257, b"ustar  \0")])),
        Shape::read("a path twice", archive(&[file(b"a", b"1"), file(b"a", b"2")])),
        Shape::read("an old folder", archive(&[Header::new(b"a/", 0, 0).block()])),
        Shape::read("a mode that says file", archive(&[with(b'0', 100, b"0100644\0")])),
        Shape::read("a folder whose mode says file", archive(&[with(b'5', 100, b"0100755\0")])),
        Shape::read("blank numbers", archive(&[with(b'0', 100, &[0; 24])])),
        Shape::read("a link of which the size is blank", archive(&[with(b'1', 157, b"a/y")])),
        Shape::read("no UTF-8", archive(&[file(b"\xff\xfe/x", b"1")])),
        Shape::read("continuous", archive(&[Header::new(b"a", b'7', 1).with(b"1")])),
    ]
}

fn kinds() -> Vec<Shape> {
    let hidden = file(b"a/hidden", b"hidden");
    let with_content = |name: &'static [u8], kind| archive(&[Header::new(name, kind, hidden.len()).block(), hidden.clone()]);
    let mut shapes: Vec<Shape> = [
        (b'5', "a folder"),
        (b'2', "a link"),
        (b'1', "a hard link"),
        (b'6', "a pipe"),
        (b'3', "a device"),
    ]
    .into_iter()
    .map(|(kind, what)| Shape::refused(format!("{what} with content"), "tar-content", with_content(b"a/d", kind)))
    .collect();
    shapes.extend([
        Shape::refused("an old folder with content", "tar-content", with_content(b"a/d/", 0)),
        Shape::refused("a file that ends in a slash", "tar-slash", archive(&[file(b"a/x/", b"1")])),
        Shape::refused(
            "an old folder with another name",
            "tar-slash",
            archive(&[gnu(b'L', b"name"), Header::new(b"a/", 0, 0).block()]),
        ),
        Shape::refused(
            "a file whose mode says folder",
            "tar-mode",
            archive(&[with(b'0', 100, b"0040644\0")]),
        ),
        Shape::refused(
            "a file whose mode says link",
            "tar-mode",
            archive(&[with(b'0', 100, b"0120644\0")]),
        ),
        Shape::refused(
            "a link whose mode says folder",
            "tar-mode",
            archive(&[with(b'2', 100, b"0040644\0")]),
        ),
        Shape::refused(
            "a mode with too many bits",
            "tar-mode",
            archive(&[with(b'0', 100, b"1040644\0")]),
        ),
    ]);
    shapes
}

fn types() -> Vec<Shape> {
    vec![
        Shape::refused(
            "extended header of Solaris",
            "tar-type",
            archive(&[pax(b'X', &[(b"path", b"other")]), file(b"a", b"1")]),
        ),
        Shape::refused(
            "a type that nobody knows",
            "tar-type",
            archive(&[Header::new(b"a", b'Z', 1).with(b"1")]),
        ),
        Shape::refused("a volume", "tar-type", archive(&[with(b'V', 0, b"a")])),
        Shape::refused("sparse", "tar-sparse", archive(&[with(b'S', 0, b"a")])),
        Shape::refused(
            "sparse by POSIX",
            "tar-sparse",
            archive(&[
                pax(
                    b'x',
                    &[
                        (b"GNU.sparse.major", b"1"),
                        (b"GNU.sparse.minor", b"0"),
                        (b"GNU.sparse.name", b"other"),
                    ],
                ),
                file(b"a", b"0\n"),
            ]),
        ),
    ]
}

fn chains() -> Vec<Shape> {
    let named = |name: &[u8]| pax(b'x', &[(b"path", name)]);
    let comment = |kind| pax(kind, &[(b"comment", b"nothing")]);
    let chain = |name: &str, parts: &[Vec<u8>]| {
        let archive = archive(&[parts.concat(), file(b"a", b"1")]);
        Shape::refused(name, "tar-chain", archive)
    };
    vec![
        chain("x then x", &[named(b"one"), comment(b'x')]),
        chain("x then g", &[named(b"one"), comment(b'g')]),
        chain("L then x", &[gnu(b'L', b"one"), named(b"two")]),
        chain("x then L", &[named(b"one"), gnu(b'L', b"two")]),
        chain("L then L", &[gnu(b'L', b"one"), gnu(b'L', b"two")]),
        chain("L then g", &[gnu(b'L', b"one"), comment(b'g')]),
        Shape::refused("x at the end", "tar-chain", archive(&[file(b"a", b"1"), named(b"one")])),
        Shape::refused(
            "a path for all",
            "tar-global",
            archive(&[pax(b'g', &[(b"path", b"one")]), file(b"a", b"1")]),
        ),
        Shape::refused(
            "a size for all",
            "tar-global",
            archive(&[pax(b'g', &[(b"size", b"9")]), file(b"a", b"1")]),
        ),
    ]
}

fn records() -> Vec<Shape> {
    let raw = |content: &[u8]| archive(&[Header::new(b"x", b'x', content.len()).with(content), file(b"a", b"1")]);
    let one = |key: &[u8], value: &[u8]| archive(&[pax(b'x', &[(key, value)]), file(b"a", b"1")]);
    let mut shapes: Vec<Shape> = [
        &b"\n"[..],
        b"9 path=b\n\n",
        b"9 path=b\nzz",
        b"11 path=bc",
        b" 9 path=b\n",
        b"+9 path=b\n",
        b"09 path=b\n",
        b"3 b\n",
        b"0 path=b\n",
        b"9 path=b\n9 path=c\n",
        b"5 =b\n",
    ]
    .into_iter()
    .map(|content| {
        Shape::refused(
            format!("records {:?}", String::from_utf8_lossy(content)),
            "tar-record",
            raw(content),
        )
    })
    .collect();
    shapes.extend([
        Shape::refused("an empty path", "tar-name", one(b"path", b"")),
        Shape::refused("a path with a NUL", "tar-name", one(b"path", b"b\0c")),
        Shape::refused("an empty target", "tar-name", one(b"linkpath", b"")),
        Shape::refused("another size", "tar-size", one(b"size", b"0")),
        Shape::refused("a size with a sign", "tar-number", one(b"size", b"+1")),
        Shape::refused("no size", "tar-number", one(b"size", b"")),
        Shape::refused("no time", "tar-number", one(b"mtime", b"zz")),
        Shape::refused("no owner", "tar-number", one(b"uid", b"zz")),
        Shape::read("the same size", one(b"size", b"1")),
    ]);
    shapes
}

fn names() -> Vec<Shape> {
    let prefixed = |magic: &[u8], prefix: &[u8]| {
        let mut header = Header::new(b"x", b'0', 0);
        header.set(257, magic).set(345, prefix);
        archive(&[header.block()])
    };
    let mut star = Header::new(b"x", b'0', 0);
    star.set(345, b"folder").set(508, b"tar\0");
    let mut shapes: Vec<Shape> = [
        &b"ustar\0\0\0"[..],
        b"ustar\0  ",
        b"ustar  \0",
        b"ustar 00",
        b"USTAR\x0000",
        &[0; 8],
    ]
    .into_iter()
    .map(|magic| {
        let name = format!("a prefix behind {:?}", String::from_utf8_lossy(magic));
        Shape::refused(name, "tar-prefix", prefixed(magic, b"folder"))
    })
    .collect();
    shapes.extend([
        Shape::refused(
            "times of GNU tar in the place of the prefix",
            "tar-prefix",
            prefixed(b"ustar  \0", b"00000000000\0"),
        ),
        Shape::refused("the shorter prefix of star", "tar-prefix", archive(&[star.block()])),
        Shape::refused("no name", "tar-name", archive(&[file(b"", b"1")])),
        Shape::refused(
            "a long name without any",
            "tar-name",
            archive(&[gnu(b'L', b""), file(b"a", b"1")]),
        ),
        Shape::refused(
            "a long target without any",
            "tar-name",
            archive(&[gnu(b'K', b""), file(b"a", b"1")]),
        ),
    ]);
    shapes
}

fn numbers() -> Vec<Shape> {
    let sizes: [(&str, &[u8]); 9] = [
        ("with a sign", b"+0000000000\0"),
        ("blank", &[0; 12]),
        ("behind a NUL", b"\x0000000000000"),
        ("with something behind the NUL", b"0000000000\0\xff"),
        ("with a blank in it", b"00 00000000\0"),
        ("hexadecimal", b"0x000000000\0"),
        ("binary, too large", b"\x80\0\x01\0\0\0\0\0\0\0\0\0"),
        ("binary, with other bits", b"\xc0\0\0\0\0\0\0\0\0\0\0\0"),
        ("below zero", &[0xff; 12]),
    ];
    let mut shapes: Vec<Shape> = sizes
        .into_iter()
        .map(|(what, field)| Shape::refused(format!("a size {what}"), "tar-number", archive(&[with(b'0', 124, field)])))
        .collect();
    for (what, at, field) in [
        ("mode", 100, &b"zzzzzzz\0"[..]),
        ("owner", 108, b"zzzzzzz\0"),
        ("group", 116, b"zzzzzzz\0"),
        ("time", 136, b"zzzzzzzzzzz\0"),
        ("device", 329, b"zzzzzzz\0"),
    ] {
        shapes.push(Shape::refused(
            format!("a bad {what}"),
            "tar-number",
            archive(&[with(b'0', at, field)]),
        ));
    }
    shapes.extend([
        Shape::read("a size in binary", archive(&[with(b'0', 124, b"\x80\0\0\0\0\0\0\0\0\0\0\0")])),
        Shape::read("a time below zero", archive(&[with(b'0', 136, &[0xff; 12])])),
        Shape::read("a size between blanks", archive(&[with(b'0', 124, b"          0 ")])),
    ]);
    shapes
}

fn ends() -> Vec<Shape> {
    let whole = file(b"a", b"1");
    let followed = |end: &[u8]| [whole.as_slice(), end].concat();
    vec![
        Shape::read("no end", followed(b"")),
        Shape::read("one block of zeros", followed(&[0; 512])),
        Shape::read("many zeros", followed(&[0; 9_000])),
        Shape::refused(
            "a file behind one block of zeros",
            "tar-end",
            [followed(&[0; 512]), archive(&[file(b"b", b"2")])].concat(),
        ),
        Shape::refused(
            "a file behind the end",
            "tar-end",
            [followed(&END), archive(&[file(b"b", b"2")])].concat(),
        ),
        Shape::refused("text behind the end", "tar-end", [followed(&END), b"text".to_vec()].concat()),
        Shape::refused(
            "cut in the padding",
            "ends in the middle",
            whole.get(..600).unwrap_or_default(),
        ),
        Shape::refused("cut in a header", "ends in the middle", followed(&[0; 100])),
    ]
}
