//! Documents that the gateway itself writes are compressed for clients that ask for it.
//!
//! What has a digest never is: clients check the bytes that come, and some of them do so before they decompress.

use axum::{
    body::HttpBody,
    http::{Extensions, HeaderMap, Response, StatusCode, Version},
};
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

/// How many bytes an answer has before it is compressed: it is held as a whole until all of it has left.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Whole(pub(in crate::http) u64);

/// Remembers how large an answer is that may be compressed.
pub(super) fn measured<B: HttpBody>(mut answer: Response<B>) -> Response<B> {
    let marked = answer.extensions().get::<OwnJson>().is_some();
    if let Some(bytes) = answer.body().size_hint().exact().filter(|_| marked) {
        answer.extensions_mut().insert(Whole(bytes));
    }
    answer
}

type Marked = fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool;

/// Compresses what is marked. Lists are made anew for every request, so little time is spent on each.
pub(super) fn layer() -> CompressionLayer<And<SizeAbove, Marked>> {
    let marked: Marked = |_, _, _, extensions| extensions.get::<OwnJson>().is_some();
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(BYTES_MIN).and(marked))
}
