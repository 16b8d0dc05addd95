//! Bytes as text: hexadecimal, and damage that is done to bytes.

use crate::choices::Choices;

/// Writes bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().map_or('?', char::from);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Does what a faulty disk or an attacker without a plan would do: changes, removes, repeats or appends some bytes.
pub fn damage(bytes: &mut Vec<u8>, choices: &mut Choices) {
    let at = choices.below(bytes.len());
    match choices.below(5) {
        0 => {
            let value = choices.below(256);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = u8::try_from(value).unwrap_or_default();
            }
        }
        1 => bytes.truncate(at),
        2 => {
            let end = (at + 1 + choices.below(16)).min(bytes.len());
            bytes.drain(at.min(end)..end);
        }
        3 => {
            let end = (at + 1 + choices.below(64)).min(bytes.len());
            let repeated = bytes.get(at..end).unwrap_or_default().to_vec();
            bytes.splice(at..at, repeated);
        }
        _ => bytes.extend_from_slice(choices.pick(&[b"\0", b"x", b"\n", b"PK\x05\x06", b"\x1f\x8b"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_as_everywhere() {
        assert_eq!(hex(b"\x00\x7f\xff"), "007fff");
    }

    #[test]
    fn nothing_cannot_be_damaged_beyond_repair() {
        for seed in 0..50 {
            damage(&mut Vec::new(), &mut Choices::random(seed));
        }
    }
}
