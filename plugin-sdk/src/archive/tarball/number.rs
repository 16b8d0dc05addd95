//! Numbers of tar headers, in the two forms in which every reader reads the same number.

/// A number of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// Nothing but blanks and NULs, which most readers take for zero.
    Blank,
    /// A value.
    Value(i64),
}

/// Reads a field, or returns nothing where readers disagree.
///
/// Octal digits can stand behind blanks, and only blanks and NULs may follow. Readers that know no sign, stop at a NUL that comes
/// first, or go on behind one, would see another number in anything else. The other form is that of GNU tar: the bytes of the
/// number behind 0x80, or those of its two's complement behind 0xff.
pub(super) fn read(field: &[u8]) -> Option<Number> {
    match field.split_first() {
        Some((0x80, digits)) => binary(0, digits),
        Some((0xff, digits)) => binary(-1, digits),
        _ => octal(field),
    }
}

fn binary(start: i64, digits: &[u8]) -> Option<Number> {
    let value = digits.iter().try_fold(start, |value: i64, digit| {
        value.checked_mul(256)?.checked_add(i64::from(*digit))
    });
    value.map(Number::Value)
}

fn octal(field: &[u8]) -> Option<Number> {
    let blanks = field.iter().take_while(|byte| **byte == b' ').count();
    let (_, field) = field.split_at(blanks);
    let count = field.iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    let (digits, rest) = field.split_at(count);
    if !rest.iter().all(|byte| matches!(byte, b' ' | 0)) {
        return None;
    }
    if digits.is_empty() {
        return Some(Number::Blank);
    }
    // Twelve digits of three bits are far from the bound of the type.
    let value = digits.iter().fold(0_i64, |value, digit| value << 3 | i64::from(digit - b'0'));
    Some(Number::Value(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_every_reader_reads_alike_are_read() {
        for (field, value) in [
            (&b"0000644\0"[..], 0o644),
            (b"0000644 ", 0o644),
            (b"   644 \0", 0o644),
            (b"00000644", 0o644),
            (b"4\0\0\0\0\0\0\0", 4),
            (b"777777777777", 0o777_777_777_777),
            (b"\x80\0\0\0\0\0\x01\x02", 258),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", -1),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", i64::MAX),
        ] {
            assert_eq!(read(field), Some(Number::Value(value)), "{field:?}");
        }
        assert_eq!(read(&[0; 8]), Some(Number::Blank));
        assert_eq!(read(b"        "), Some(Number::Blank));
    }

    #[test]
    fn numbers_on_which_readers_disagree_are_not() {
        for field in [
            &b"+000004\0"[..],
            b"-000004\0",
            b"0x00004\0",
            b"\x0000004\0",
            b"00004\0\xff\0",
            b"000004\n\0",
            b"00 0004\0",
            b"zzzzzzz\0",
            b"0000008\0",
            b"\xc0\0\0\0\0\0\0\x04",
            b"\x81\0\0\0\0\0\0\x04",
            b"\x80\0\x01\0\0\0\0\0\0\0\0\x04",
            b"\x80\0\0\0\x80\0\0\0\0\0\0\0",
            b"\xff\0\0\0\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(read(field), None, "{field:?}");
        }
    }
}
