//! What handlers take from a request.

use std::{
    borrow::Cow,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::{Body, HttpBody},
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header, request::Parts},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;

use super::{
    Gateway,
    conditions::{self, Conditions},
    error::HttpError,
    layers,
    range::{ChunkRange, number},
};
use crate::{
    auth::Caller,
    oci::ErrorCode,
    registry::{self, BodyError, Chunk, Reader},
};

/// The most items of one page, and how many a page has when the request does not say.
pub(super) const PAGE_MAX: usize = 1_000;

/// One request.
pub(super) struct Call {
    pub(super) gateway: Arc<Gateway>,
    pub(super) caller: Caller,
    head: Parts,
    /// Bodies can be sent to another thread but not shared; handlers share the rest while they wait.
    body: Mutex<Body>,
    has_body: bool,
}

impl FromRequest<Arc<Gateway>> for Call {
    type Rejection = Infallible;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Infallible> {
        Ok(Self::new(gateway.clone(), request))
    }
}

impl Call {
    pub(super) fn new(gateway: Arc<Gateway>, request: Request) -> Self {
        let caller = Caller::anonymous(gateway.anonymous.clone()).at(request.extensions().get().copied());
        let (head, body) = request.into_parts();
        let has_body = !body.is_end_stream();
        Self {
            gateway,
            caller,
            head,
            body: Mutex::new(body),
            has_body,
        }
    }

    /// Returns what reads for the caller.
    pub(super) fn reader(&self) -> Reader {
        self.gateway.registry.reader(self.caller.clone())
    }

    pub(super) fn is_head(&self) -> bool {
        self.head.method == Method::HEAD
    }

    pub(super) fn method(&self) -> &str {
        self.head.method.as_str()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Returns a header, where it is there and is text.
    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Returns what the request makes a condition.
    pub(super) fn conditions(&self) -> Conditions {
        Conditions::of(&self.head.headers)
    }

    /// Says whether a range is wanted of what has this entity tag.
    pub(super) fn wants_range(&self, etag: &str) -> bool {
        conditions::wants_range(&self.head.headers, etag)
    }

    /// Returns the parameters of the query in their order, decoded by the rules of forms, where `+` is a blank: for what people type and
    /// for protocols whose servers read queries so.
    pub(super) fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.head.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect()
    }

    /// Returns the parameters of a name, percent-decoded and nothing else: the distribution API has media types in queries, and the `+` in
    /// them means itself, as it does in any URI (RFC 3986).
    pub(super) fn parameters(&self, name: &str) -> impl Iterator<Item = String> {
        let pairs = self.head.uri.query().unwrap_or_default().split('&');
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs
            .filter(move |(key, _)| decoded(key) == name)
            .map(|(_, value)| decoded(value).into_owned())
    }

    /// Returns the first parameter of a name.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.parameters(name).next()
    }

    /// Returns how many items the request wants in a page: at most `max`, and as many where it does not say.
    pub(super) fn page(&self, max: usize) -> Result<usize, HttpError> {
        let Some(n) = self.parameter("n").filter(|n| !n.is_empty()) else {
            return Ok(max);
        };
        let n = number(&n).ok_or_else(|| {
            HttpError::bad_request(
                ErrorCode::Unsupported,
                format!(
                    "parameter n has to be a number from 0 on, not {:?}",
                    n.chars().take(80).collect::<String>()
                ),
            )
        })?;
        Ok(usize::try_from(n).map_or(max, |n| n.min(max)))
    }

    /// Returns the origin under which clients reach the gateway, with the path in front of it: as configured, else as the request says.
    pub(super) fn origin(&self) -> String {
        if let Some(origin) = &self.gateway.config.origin {
            return origin.clone();
        }
        let authority = layers::authority(&self.head.uri, &self.head.headers);
        format!("http://{}", authority.unwrap_or("localhost"))
    }

    /// Says whether the request has a body.
    pub(super) fn has_body(&self) -> bool {
        self.has_body
    }

    /// Returns how long the body is, where the request says so.
    pub(super) fn body_length(&self) -> Option<u64> {
        self.header(header::CONTENT_LENGTH).and_then(number)
    }

    /// Returns the body as a chunk of an upload, which begins and ends where the request says.
    pub(super) fn into_chunk(self, range: Option<ChunkRange>) -> Chunk {
        Chunk {
            start: range.map(|range| range.first),
            // A body that comes without its length still has to have that of its range.
            length: self.body_length().or(range.map(|range| range.length)),
            body: self.into_stream(),
        }
    }

    /// Returns the body as it comes. It breaks off where the client is too slow.
    pub(super) fn into_stream(self) -> registry::Body {
        let body = self.body.into_inner().unwrap_or_else(PoisonError::into_inner);
        let stream = futures_util::stream::unfold(Some(body.into_data_stream()), |pieces| async move {
            let mut pieces = pieces?;
            match pieces.next().await? {
                Ok(bytes) => Some((Ok(bytes), Some(pieces))),
                Err(error) => Some((Err(broken(&error)), None)),
            }
        });
        stream.boxed()
    }

    /// Returns a small body as a whole.
    pub(super) async fn into_bytes(self, what: &'static str, bytes_max: u64) -> Result<Bytes, HttpError> {
        let said = self.body_length().unwrap_or_default();
        let too_large = |size: u64| {
            Err(registry::RegistryError::TooLarge {
                what,
                size,
                max: bytes_max,
            }
            .into())
        };
        if said > bytes_max {
            return too_large(said);
        }
        let mut stream = self.into_stream();
        let Some(first) = stream.next().await else {
            return Ok(Bytes::new());
        };
        let first = first.map_err(registry::RegistryError::BodyBroken)?;
        // A small manifest comes in one frame, which then need not be copied.
        let mut body = BytesMut::from(first);
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(registry::RegistryError::BodyBroken)?;
            if (body.len() + piece.len()) as u64 > bytes_max {
                return too_large((body.len() + piece.len()) as u64);
            }
            body.extend_from_slice(&piece);
        }
        if body.len() as u64 > bytes_max {
            too_large(body.len() as u64)
        } else {
            Ok(body.freeze())
        }
    }
}

/// Returns why a body ended: what the connection says, else the cause at the bottom.
fn broken(error: &axum::Error) -> BodyError {
    let causes = || std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let said = causes().find_map(|cause| cause.downcast_ref::<BodyError>());
    said.cloned()
        .unwrap_or_else(|| BodyError::Broken(causes().last().map_or_else(String::new, ToString::to_string)))
}

/// Returns an answer with a body at hand.
pub(super) fn answer(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status.try_into().unwrap_or_default();
    if !content_type.is_empty() {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

/// Returns a JSON answer.
pub(super) fn json(value: &serde_json::Value) -> Response<Body> {
    document("application/json", value.to_string())
}

/// Returns a document that the gateway wrote for this request.
pub(super) fn document(content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = answer(200, content_type, body);
    response.extensions_mut().insert(layers::OwnJson);
    response
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// Returns text as a header value. Text that is none, which validated names never are, yields an empty one.
pub(super) fn value(text: impl AsRef<str>) -> HeaderValue {
    HeaderValue::from_str(text.as_ref()).unwrap_or(HeaderValue::from_static(""))
}
