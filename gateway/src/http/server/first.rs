//! What a connection begins with: TLS, which nobody speaks here, HTTP/2, or HTTP/1.

use axum::body::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What every connection in HTTP/2 begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The byte that a TLS handshake begins with, and no request in HTTP.
const TLS_HANDSHAKE: u8 = 0x16;
/// The longest first record of a TLS handshake.
const TLS_RECORD_BYTES_MAX: usize = 16 * 1024 + 5;
/// What a client is told that speaks TLS.
const SPEAK_WITHOUT_TLS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nThis port speaks HTTP without TLS.\n";

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Tls,
    Http1,
    Http2,
}

/// Returns what a connection speaks that begins with some bytes, as soon as it can be told.
fn protocol(first: &[u8]) -> Option<Protocol> {
    match first {
        [] => None,
        [TLS_HANDSHAKE, ..] => Some(Protocol::Tls),
        first if first.starts_with(PREFACE) => Some(Protocol::Http2),
        first if PREFACE.starts_with(first) => None,
        _ => Some(Protocol::Http1),
    }
}

/// Reads until it can be told what the client speaks. Returns nothing where the client goes away before.
pub(super) async fn read(stream: &mut TcpStream) -> Option<(Protocol, Bytes)> {
    let mut buffer = [0; PREFACE.len()];
    let mut length = 0;
    loop {
        let read = stream.read(buffer.get_mut(length..)?).await.ok().filter(|read| *read > 0)?;
        length += read;
        let first = buffer.get(..length)?;
        if let Some(protocol) = protocol(first) {
            return Some((protocol, Bytes::copy_from_slice(first)));
        }
    }
}

/// Tells a client that speaks TLS that nobody does here. Many try it first, know this answer and go on without; a connection that
/// just ends looks to them like trouble of the network, and they try again and again.
pub(super) async fn refuse_tls(mut stream: TcpStream) -> std::io::Result<()> {
    let mut hello = vec![0; TLS_RECORD_BYTES_MAX];
    // What is not read would turn the answer into a reset.
    let _greeting_bytes = stream.read(&mut hello).await?;
    stream.write_all(SPEAK_WITHOUT_TLS).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_told_apart_as_early_as_can_be() {
        for (first, expected) in [
            (&b""[..], None),
            (b"P", None),
            (b"PR", None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", None),
            (PREFACE, Some(Protocol::Http2)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0", Some(Protocol::Http2)),
            (b"PU", Some(Protocol::Http1)),
            (b"PRI * HTTP/1", Some(Protocol::Http1)),
            (b"G", Some(Protocol::Http1)),
            (b"\r\n", Some(Protocol::Http1)),
            (b"\x16\x03", Some(Protocol::Tls)),
        ] {
            assert_eq!(protocol(first), expected, "{first:?}");
        }
    }
}
