//! Inputs as text files: what a person can read as text, everything else as hexadecimal, and runs of one byte by their length.
//!
//! A file consists of lines. One that begins with `#` is a remark; every other line is a list of tokens between blanks: text in
//! quotes with the escapes of JSON, an even number of hexadecimal digits, or a byte, `*` and how often it comes.

use anyhow::{Context, bail};

use crate::bytes::hex;

/// The shortest run of one byte that is written as a run.
const RUN_MIN: usize = 8;
/// The most bytes that a file can stand for.
const BYTES_MAX: usize = 16 << 20;

/// Writes bytes as text, after a remark.
#[must_use]
pub fn write(remark: &str, bytes: &[u8]) -> String {
    let mut text: String = remark.lines().map(|line| format!("# {line}\n")).collect();
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|byte| *byte == first).count();
        let taken = if run >= RUN_MIN {
            text.push_str(&format!("{first:02x}*{run}\n"));
            run
        } else {
            let is_text = readable(*first);
            let length = stretch(rest, is_text);
            let stretch = rest.get(..length).unwrap_or_default();
            match str::from_utf8(stretch) {
                Ok(words) if is_text => text.push_str(&format!("{}\n", serde_json::Value::from(words))),
                _ => text.push_str(&format!("{}\n", hex(stretch))),
            }
            length
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    text
}

fn readable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

/// Returns how many bytes go into one token.
fn stretch(bytes: &[u8], is_text: bool) -> usize {
    let is_run = |at: usize| {
        bytes
            .get(at..at + RUN_MIN)
            .is_some_and(|run| run.iter().all(|byte| Some(byte) == run.first()))
    };
    let same = |(at, byte): &(usize, &u8)| readable(**byte) == is_text && *at < 64 && !is_run(*at);
    bytes.iter().enumerate().take_while(same).count().max(1)
}

/// Reads what [`write`] wrote, or a person.
///
/// # Errors
/// When a line is not as it should be.
pub fn read(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if !line.starts_with('#') {
            tokens(line, &mut bytes).with_context(|| format!("line {} cannot be read", number + 1))?;
        }
        if bytes.len() > BYTES_MAX {
            bail!("the file stands for more than {BYTES_MAX} bytes");
        }
    }
    Ok(bytes)
}

fn tokens(line: &str, bytes: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut rest = line.trim();
    while !rest.is_empty() {
        if rest.starts_with('"') {
            let mut texts = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let words = texts.next().context("a text has no end")??;
            bytes.extend_from_slice(words.as_bytes());
            rest = rest.get(texts.byte_offset()..).unwrap_or_default();
        } else {
            let (token, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let (digits, times) = token.split_once('*').unwrap_or((token, "1"));
            let times: usize = times.parse().context("a run has no length")?;
            anyhow::ensure!(times <= BYTES_MAX, "a run is too long");
            bytes.extend(unhex(digits)?.repeat(times));
            rest = behind;
        }
        rest = rest.trim_start();
    }
    Ok(())
}

fn unhex(digits: &str) -> anyhow::Result<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [_, _] => u8::from_str_radix(str::from_utf8(pair)?, 16).context("no hexadecimal digits"),
        _ => bail!("an odd number of digits"),
    };
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut bytes = b"ustar \"00\"\n\\ \xff\xfe ".to_vec();
        bytes.extend([0; 700]);
        bytes.extend(0..=255);
        bytes.extend([b'a'; 9]);
        let text = write("two\nlines", &bytes);
        assert!(text.starts_with("# two\n# lines\n\"ustar \\\"00\\\"\"\n0a\n"), "{text}");
        assert!(text.contains("\n00*701\n"), "{text}");
        assert_eq!(read(&text).unwrap(), bytes);
    }

    #[test]
    fn a_person_can_write_several_tokens_in_a_line() {
        assert_eq!(read("# remark\n \"a b\" 0a0b \"c\"  41*3\n\n").unwrap(), b"a b\x0a\x0bcAAA");
        for wrong in ["\"a", "0", "zz", "00*", "00*99999999999"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
