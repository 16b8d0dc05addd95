//! gzip on its own.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::{
    ArchiveError, Limits,
    meter::{Counted, Metered},
};

/// Returns a decompressing reader within the bounds.
pub(super) fn decoder<R: Read>(reader: R, limits: &Limits) -> Metered<MultiGzDecoder<Counted<R>>> {
    let (counted, count) = Counted::new(reader);
    Metered::new(MultiGzDecoder::new(counted), limits, Some(count))
}

/// Decompresses gzip of one or more members.
///
/// Of the bounds, those on the total and the ratio apply.
pub fn gunzip<R: Read>(reader: R, limits: &Limits) -> Result<Vec<u8>, ArchiveError> {
    let mut decoder = decoder(reader, limits);
    let failure = decoder.failure();
    let mut bytes = Vec::new();
    decoder.read_to_end(&mut bytes).map_err(|error| failure.explain(error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn members_are_read_one_after_the_other() {
        let two = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(gunzip(&two[..], &Limits::default()).unwrap(), b"one two");
    }

    #[test]
    fn bombs_and_broken_streams_are_refused() {
        let bomb = gzip(&vec![0; 4 << 20]);
        let error = gunzip(&bomb[..], &Limits::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "The archive is beyond a limit: times the compressed size, at most 200."
        );
        let error = gunzip(
            &bomb[..],
            &Limits {
                total_bytes_max: 1_000,
                ..Limits::default()
            },
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "The archive is beyond a limit: total bytes, at most 1000.");

        let whole = gzip(b"some text that is long enough");
        let error = gunzip(&whole[..whole.len() - 9], &Limits::default()).unwrap_err();
        assert_eq!(error, ArchiveError::Malformed("it ends in the middle".into()));
        assert!(matches!(
            gunzip(&b"no gzip at all"[..], &Limits::default()),
            Err(ArchiveError::Malformed(_))
        ));
        let mut corrupt = whole;
        corrupt[14] ^= 0x55;
        assert!(matches!(
            gunzip(&corrupt[..], &Limits::default()),
            Err(ArchiveError::Malformed(_))
        ));
    }
}
