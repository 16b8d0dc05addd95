//! JSON.

use super::Shape;

pub(super) fn all() -> Vec<Shape> {
    let mut shapes: Vec<Shape> = [
        r#"{"name": "a", "layers": [1, 2.5, {"x": null}], "other": {"Name": 1}}"#,
        "[1.0, -0, -0.0, 1e2, 0.1, 18446744073709551615, 18446744073709551616, 9007199254740993, 5e-324, 1e-400]",
        r#"["\ud83d\ude00", "\u0000", "\u007f", "é", "\u2028"]"#,
        " \t\r\n\"text\"\n",
        "null",
        r#"{"": 1, " name": 2, "kınd": 3, "names": 4}"#,
        "8.988465674311579e307",
    ]
    .into_iter()
    .map(|text| Shape::read(text, text))
    .collect();
    let refused: [(&[u8], &str); 22] = [
        (br#"{"a": 1, "a": 2}"#, "there twice"),
        (br#"{"a": 1, "\u0061": 2}"#, "there twice"),
        (br#"{"name": 1, "Name": 2}"#, "is taken for"),
        (br#"{"Name": 2}"#, "is taken for"),
        ("{\"layers\": 1, \"layer\u{17f}\": 2}".as_bytes(), "is taken for"),
        ("{\"\u{212a}ind\": 2}".as_bytes(), "is taken for"),
        (br#"{"a": 1} {"a": 2}"#, "trailing"),
        (b"1\0", "trailing"),
        (br#""\ud800""#, "hex escape"),
        (br#""\udc00\ud800""#, "surrogate"),
        (b"\"\xff\"", "unicode"),
        (b"\"\xed\xa0\x80\"", "unicode"),
        (b"\xef\xbb\xbf1", "expected value"),
        (b"\"\x01\"", "control character"),
        (b"1e400", "out of range"),
        (b"01", "invalid number"),
        (b"+1", "expected value"),
        (b".5", "expected value"),
        (b"1.", "EOF"),
        (b"NaN", "expected value"),
        (b"[1,]", "trailing comma"),
        (b"/**/1", "expected value"),
    ];
    shapes.extend(
        refused
            .into_iter()
            .map(|(text, error)| Shape::refused(String::from_utf8_lossy(text), error, text)),
    );
    shapes.push(Shape::refused("too deep", "nested deeper", "[".repeat(200)));
    shapes
}
