//! What handlers take from a request.

use std::{
    borrow::Cow,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream},
    http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header, request::Parts},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Gateway, error::HttpError};
use crate::{
    auth::Caller,
    oci::ErrorCode,
    registry::{self, BodyError, Chunk, Reader},
};

/// The most items of one page, and how many a page has when the request does not say.
pub(super) const PAGE_MAX: usize = 1_000;
/// What is escaped in the parameters of links: everything but unreserved characters (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How much of a body that nobody wants is read, and for how long, so that the client sees the answer.
const UNWANTED_BYTES_MAX: usize = 16 << 20;
const UNWANTED_TIME_MAX: Duration = Duration::from_secs(5);

/// One request.
pub(super) struct Call<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) caller: Caller,
    head: Parts,
    /// Bodies can be sent to another thread but not shared; handlers share the rest while they wait.
    body: Mutex<Frames>,
    has_body: bool,
}

impl<'a> Call<'a> {
    pub(super) fn new(gateway: &'a Gateway, request: Request<Body>) -> Self {
        let caller = Caller::anonymous(gateway.anonymous.clone());
        let (head, body) = request.into_parts();
        let has_body = !axum::body::HttpBody::is_end_stream(&body);
        Self {
            gateway,
            caller,
            head,
            body: Mutex::new(Frames(Some(body.into_data_stream()))),
            has_body,
        }
    }

    /// Returns what reads for the caller.
    pub(super) fn reader(&self) -> Reader {
        self.gateway.registry.reader(self.caller.clone())
    }

    pub(super) fn is_head(&self) -> bool {
        super::is_head(&self.head.method)
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
        if !n.bytes().all(|b| b.is_ascii_digit()) {
            return Err(HttpError::bad_request(
                ErrorCode::Unsupported,
                format!(
                    "parameter n has to be a number from 0 on, not {:?}",
                    n.chars().take(80).collect::<String>()
                ),
            ));
        }
        // A number that is too large to be read is larger than every page.
        Ok(n.parse().map_or(max, |n: usize| n.min(max)))
    }

    /// Returns the origin under which clients reach the gateway: as configured, else as the request says.
    pub(super) fn origin(&self) -> String {
        if let Some(origin) = &self.gateway.config.origin {
            return origin.clone();
        }
        let authority = self.header(header::HOST).map(str::to_owned);
        let authority = authority.or_else(|| self.head.uri.authority().map(ToString::to_string));
        format!("http://{}", authority.unwrap_or_else(|| "localhost".into()))
    }

    /// Says whether the request has a body.
    pub(super) fn has_body(&self) -> bool {
        self.has_body
    }

    /// Returns the body as a chunk of an upload, beginning where the request says.
    pub(super) fn into_chunk(self, start: Option<u64>) -> Chunk {
        let length = self.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        Chunk {
            start,
            length,
            body: self.into_stream(),
        }
    }

    /// Returns the body as it comes. It breaks off where the client is too slow.
    pub(super) fn into_stream(self) -> registry::Body {
        let frames = self.body.into_inner().unwrap_or_else(PoisonError::into_inner);
        let stream = futures_util::stream::unfold(frames, |mut frames| async move {
            match frames.0.as_mut()?.next().await {
                Some(Ok(bytes)) => Some((Ok(bytes), frames)),
                Some(Err(error)) => Some((Err(broken(&error)), frames.ended())),
                None => {
                    frames.ended();
                    None
                }
            }
        });
        stream.boxed()
    }

    /// Returns a small body as a whole.
    pub(super) async fn into_bytes(self, what: &'static str, bytes_max: u64) -> Result<Bytes, HttpError> {
        let said = self
            .header(header::CONTENT_LENGTH)
            .and_then(|length| length.parse::<u64>().ok())
            .unwrap_or_default();
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

/// The body of a request as it comes.
///
/// A client that is refused while it still sends would see its connection reset, and not the answer, if the rest were left unread. So what
/// nobody wants any more is read on in the background, within limits.
struct Frames(Option<BodyDataStream>);

impl Frames {
    /// There is nothing more to come.
    fn ended(mut self) -> Self {
        self.0 = None;
        self
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        let frames = self.0.take().filter(|frames| !axum::body::HttpBody::is_end_stream(frames));
        if let (Some(frames), Ok(runtime)) = (frames, tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(UNWANTED_TIME_MAX, read_unwanted(frames)));
        }
    }
}

async fn read_unwanted(mut frames: BodyDataStream) {
    let mut read = 0;
    while read < UNWANTED_BYTES_MAX
        && let Some(Ok(bytes)) = frames.next().await
    {
        read += bytes.len();
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
    answer(200, "application/json", value.to_string())
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// Returns text as a header value. Text that is none, which validated names never are, yields an empty one.
pub(super) fn value(text: impl AsRef<str>) -> HeaderValue {
    HeaderValue::from_str(text.as_ref()).unwrap_or(HeaderValue::from_static(""))
}

/// Returns the `Link` to the next page of a list (RFC 8288).
pub(super) fn next_link(path: &str, parameters: &[(&str, &str)]) -> HeaderValue {
    let pairs = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ESCAPED)));
    value(format!("<{path}?{}>; rel=\"next\"", pairs.collect::<Vec<_>>().join("&")))
}
