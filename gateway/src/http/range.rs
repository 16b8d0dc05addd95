//! Byte ranges (RFC 9110, section 14) and chunk ranges (distribution specification, "Pushing a blob in chunks").

use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Everything: there is no header, or one that servers ignore (another unit, several ranges).
    Whole,
    /// One range, within the content.
    Part(Range<u64>),
    /// A range that lies outside of the content or is upside down.
    Unsatisfiable,
}

/// Reads a `Range` header for content of `size` bytes.
pub(super) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some(spec) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = spec.split_once('-').filter(|_| !spec.contains(',')) else {
        return Wanted::Whole;
    };
    let range = match (first.trim(), last.trim()) {
        ("", last) => number(last).map(|length| size.saturating_sub(length)..size),
        (first, "") => number(first).map(|first| first..size),
        (first, last) => number(first)
            .zip(number(last))
            .map(|(first, last)| first..last.saturating_add(1).min(size)),
    };
    match range {
        // Nothing has no ranges: proxies that fetch content in ranges ask for the first one before they know that there is none.
        Some(_) if size == 0 => Wanted::Whole,
        Some(range) if range.start < range.end => Wanted::Part(range),
        Some(_) => Wanted::Unsatisfiable,
        None => Wanted::Whole,
    }
}

/// Reads a number of a header or a query: digits and nothing else, no sign in particular. One that does not fit is the largest there is.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Where a chunk lies in its upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkRange {
    /// The first byte.
    pub(super) first: u64,
    /// The number of bytes.
    pub(super) length: u64,
}

/// Reads the `Content-Range` of a chunk: `first-last`, or the form of RFC 9110 with `bytes` in front and a size behind.
pub(super) fn chunk(header: &str) -> Option<ChunkRange> {
    let spec = header.trim();
    let spec = spec
        .strip_prefix("bytes")
        .map_or(spec, |rest| rest.trim_start_matches(['=', ' ']));
    let spec = spec.split('/').next()?;
    let (first, last) = spec.split_once('-')?;
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    let length = last.checked_sub(first)?.checked_add(1)?;
    Some(ChunkRange { first, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_range() {
        let part = |range| Wanted::Part(range);
        let cases = [
            (None, Wanted::Whole),
            (Some("bytes=0-4"), part(0..5)),
            (Some("bytes=5-"), part(5..10)),
            (Some("bytes=-3"), part(7..10)),
            (Some("bytes=-30"), part(0..10)),
            (Some("bytes=8-100"), part(8..10)),
            (Some("bytes=10-"), Wanted::Unsatisfiable),
            (Some("bytes=5-0"), Wanted::Unsatisfiable),
            (Some("bytes=-0"), Wanted::Unsatisfiable),
            (Some("bytes=0-1,3-4"), Wanted::Whole),
            (Some("lines=1-2"), Wanted::Whole),
            (Some("bytes=a-b"), Wanted::Whole),
            (Some("bytes=+0-4"), Wanted::Whole),
            (Some("bytes=0-+4"), Wanted::Whole),
            (Some("bytes=-+4"), Wanted::Whole),
            (Some("bytes=8-99999999999999999999"), part(8..10)),
            (Some("bytes=99999999999999999999-"), Wanted::Unsatisfiable),
        ];
        for (header, expected) in cases {
            assert_eq!(wanted(header, 10), expected, "{header:?}");
        }
        for range in ["bytes=0-", "bytes=0-1048575", "bytes=-1", "bytes=5-9"] {
            assert_eq!(wanted(Some(range), 0), Wanted::Whole, "{range}");
        }
    }

    #[test]
    fn reads_both_forms_of_chunk_range() {
        let range = |first, length| Some(ChunkRange { first, length });
        assert_eq!(chunk("0-9"), range(0, 10));
        assert_eq!(chunk("bytes 10-19/100"), range(10, 10));
        assert_eq!(chunk("bytes=10-19"), range(10, 10));
        for bad in ["", "9-0", "a-b", "5", "-5", "+0-9", "0-+9"] {
            assert_eq!(chunk(bad), None, "{bad}");
        }
    }
}
