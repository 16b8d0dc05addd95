//! What has to be before anybody looks at what a request asks for: memory for it, and a host that it is for. The connection bounds its head.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, Response, Version, header, uri::Authority},
    response::IntoResponse,
};
use futures_util::future::Either;
use tower::{Layer, Service};

use crate::{
    http::{
        error::HttpError,
        server::{Exhausted, exhausted},
    },
    oci::ErrorCode,
};

/// Refuses requests that there is no memory for, or that are for no host.
#[derive(Clone, Copy)]
pub(super) struct LimitsLayer;

impl<S> Layer<S> for LimitsLayer {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited(inner)
    }
}

#[derive(Clone)]
pub(super) struct Limited<S>(S);

impl<S> Service<Request> for Limited<S>
where
    S: Service<Request, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response<Body>, Infallible>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match expect_memory(&request).and_then(|()| expect_host(&request)) {
            Ok(()) => Either::Right(self.0.call(request)),
            Err(error) => Either::Left(ready(Ok(error.into_response()))),
        }
    }
}

/// Checks that the connection found memory for the request.
fn expect_memory(request: &Request) -> Result<(), HttpError> {
    match request.extensions().get::<Exhausted>() {
        Some(Exhausted) => Err(exhausted()),
        None => Ok(()),
    }
}

/// Checks that the request says for which host it is, once (RFC 9112, section 3.2). HTTP/1.0 need not say it, and HTTP/2 says it
/// elsewhere.
fn expect_host(request: &Request) -> Result<(), HttpError> {
    let refuse = |message: &str| Err(HttpError::bad_request(ErrorCode::Unsupported, message));
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return refuse("the request has more than one Host header");
    }
    if host.is_none() && request.version() == Version::HTTP_11 {
        return refuse("the request has no Host header");
    }
    if host.is_some_and(|host| !names_host(host.as_bytes())) {
        return refuse("the Host header of the request names no host, for example registry.example:5000");
    }
    match request.uri().authority() {
        Some(authority) if !names_host(authority.as_str().as_bytes()) => refuse("the target of the request names no host"),
        _ => Ok(()),
    }
}

/// Says whether a text is a host with or without a port, and nothing else.
fn names_host(text: &[u8]) -> bool {
    // A name or an IPv4 address, perhaps with a port: the most frequent ones take no parser.
    let (name, port) = text
        .iter()
        .position(|byte| *byte == b':')
        .map_or((text, &[][..]), |at| text.split_at(at));
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.".contains(byte);
    let short_port = port.len() <= 5 || (port.len() == 6 && port < b":60000".as_slice());
    if !name.is_empty() && name.iter().all(plain) && short_port && port.iter().skip(1).all(u8::is_ascii_digit) {
        return true;
    }
    let Ok(authority) = Authority::try_from(text) else {
        return false;
    };
    let host = authority.host();
    // What follows the host is nothing, or a colon and a port, which may be empty.
    let rest = authority.as_str().strip_prefix(host).unwrap_or("@");
    let port = rest.strip_prefix(':').unwrap_or(rest);
    !host.is_empty() && (port.is_empty() || port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

/// Returns the host that a request is for, with its port where it has one: what the target says, else the header.
pub(in crate::http) fn authority<'a>(uri: &'a axum::http::Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let said = || headers.get(header::HOST)?.to_str().ok();
    uri.authority().map(Authority::as_str).or_else(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in ["a", "registry.example:5000", "127.0.0.1:80", "[::1]:5000", "[::1]", "a:"] {
            assert!(names_host(host.as_bytes()), "{host}");
        }
        for bad in [
            "", ":80", "a b", "user@a", "a:b", "a:+1", "a:70000", "a/b", "a,b:1:2", "http://a", "a\"b", "<a>",
        ] {
            assert!(!names_host(bad.as_bytes()), "{bad}");
        }
    }
}
