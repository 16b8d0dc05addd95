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
    let number = |text: &str| text.trim().parse::<u64>();
    let range = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Ok(length) => size.saturating_sub(length)..size,
            Err(_) => return Wanted::Whole,
        },
        (first, "") => match number(first) {
            Ok(first) => first..size,
            Err(_) => return Wanted::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Ok(first), Ok(last)) => first..last.saturating_add(1).min(size),
            _ => return Wanted::Whole,
        },
    };
    if range.start < range.end {
        Wanted::Part(range)
    } else {
        Wanted::Unsatisfiable
    }
}

/// Reads the `Content-Range` of a chunk: `first-last`, or the form of RFC 9110 with `bytes` in front and a size behind. Returns the first
/// byte and the length.
pub(super) fn chunk(header: &str) -> Option<(u64, u64)> {
    let spec = header.trim();
    let spec = spec
        .strip_prefix("bytes")
        .map_or(spec, |rest| rest.trim_start_matches(['=', ' ']));
    let spec = spec.split('/').next()?;
    let (first, last) = spec.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    Some((first, last.checked_sub(first)?.checked_add(1)?))
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
        ];
        for (header, expected) in cases {
            assert_eq!(wanted(header, 10), expected, "{header:?}");
        }
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn reads_both_forms_of_chunk_range() {
        assert_eq!(chunk("0-9"), Some((0, 10)));
        assert_eq!(chunk("bytes 10-19/100"), Some((10, 10)));
        assert_eq!(chunk("bytes=10-19"), Some((10, 10)));
        for bad in ["", "9-0", "a-b", "5", "-5"] {
            assert_eq!(chunk(bad), None, "{bad}");
        }
    }
}
