//! Documents that the gateway itself writes are compressed for clients that ask for it.
//!
//! What has a digest never is: clients check the bytes that come, and some of them do so before they decompress.

use axum::http::{Extensions, HeaderMap, StatusCode, Version};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer, Predicate,
        predicate::{And, SizeAbove},
    },
};

/// The smallest document that is worth it: anything less fits into one packet as it is.
const BYTES_MIN: u16 = 1_024;

/// Marks an answer as a document that the gateway wrote for this request.
#[derive(Clone, Copy)]
pub(in crate::http) struct OwnJson;

type Marked = fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool;

/// Compresses what is marked. Lists are made anew for every request, so little time is spent on each.
pub(super) fn layer() -> CompressionLayer<And<SizeAbove, Marked>> {
    let marked: Marked = |_, _, _, extensions| extensions.get::<OwnJson>().is_some();
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(BYTES_MIN).and(marked))
}
