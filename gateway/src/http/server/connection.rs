//! One connection: what it speaks, how long it may say nothing, and how it ends.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{
    rt::Executor,
    server::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::watch, time::timeout};

use super::{
    bodies::SMALL_BYTES_MAX,
    exchange::Exchange,
    first::{self, Protocol},
    link::{Idle, Link, Wire},
    pace::Patience,
    transfer::Transfer,
};
use crate::{
    auth::Peer,
    http::{Config, Gateway, layers::Answering},
};

/// The largest head of a request in bytes: a name of 255 bytes, some tags and tokens fit well.
pub(super) const HEAD_BYTES_MAX: usize = 64 << 10;
/// The most bytes that a connection in HTTP/1 reads or queues at once.
pub(super) const H1_BUFFER_BYTES_MAX: usize = 128 << 10;
/// The most streams of one HTTP/2 connection. RFC 9113 recommends to allow no fewer.
pub(super) const H2_STREAMS_MAX: u32 = 100;
/// How many bytes of bodies an HTTP/2 connection may send ahead of who reads them.
pub(super) const H2_WINDOW_BYTES: u32 = 256 << 10;
/// How many bytes of an answer are queued for a stream beyond the piece that was begun.
pub(super) const H2_SEND_BYTES_MAX: usize = 64 << 10;
/// How much memory one connection may take in bytes, beside what is reserved for bytes on their way. In HTTP/2, which takes more: what
/// comes ahead, and for each stream 12 KiB: a head and an answer that are too small to be reserved for, and what a handler remembers.
pub const CONNECTION_BYTES_MAX: u64 = H2_WINDOW_BYTES as u64 + H2_STREAMS_MAX as u64 * (2 * SMALL_BYTES_MAX + (4 << 10));
/// How long a connection may take to end on which nothing runs any more.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// What ends a connection politely.
trait Ending: Future {
    /// Tells the client that no further request is taken. Where nothing runs, that ends the connection.
    fn end(self: Pin<&mut Self>);
}

impl<S: Answering> Ending for http1::Connection<TokioIo<Wire>, Exchange<S>> {
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S: Answering> Ending for http2::Connection<TokioIo<Wire>, Exchange<S>, Streams> {
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Serves one connection to its end.
pub(super) async fn serve<S: Answering>(
    gateway: Arc<Gateway>,
    service: S,
    mut stream: TcpStream,
    link: Arc<Link>,
    peer: Peer,
    mut stop: watch::Receiver<bool>,
) {
    let config = &gateway.config;
    let begun = tokio::select! {
        begun = timeout(config.head_max, first::read(&mut stream)) => begun.ok().flatten(),
        () = link.asked_to_leave() => None,
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let Some((protocol, first)) = begun else { return };
    if protocol == Protocol::Tls {
        let told = timeout(CLOSING_MAX, first::refuse_tls(stream)).await;
        return tracing::debug!(?told, "a client spoke TLS");
    }
    let patience = Patience::of(config);
    let service = Exchange::new(gateway.clone(), service, link.clone(), peer);
    let listener = (protocol == Protocol::Http1).then(|| link.clone());
    let io = TokioIo::new(Wire::new(stream, first, listener));
    let watch = Watch {
        config,
        link: &link,
        stop,
    };
    // A client that goes away or breaks the protocol ends its own connection; its requests were logged.
    match protocol {
        Protocol::Http2 => {
            let connection = http2(patience).serve_connection(io, service);
            watch.run(std::pin::pin!(connection)).await;
        }
        _ => {
            let connection = http1().serve_connection(io, service);
            // One answer at a time is sent, so that the connection is as slow as its answers.
            let lost = Transfer::new(patience).sending(watch.run(std::pin::pin!(connection))).await;
            if let Err(lost) = lost {
                tracing::debug!(?lost, "an answer could not be sent");
            }
        }
    }
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // How long a head may take is watched below, since there it is told apart from silence between requests.
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(H1_BUFFER_BYTES_MAX);
    builder
}

fn http2(patience: Patience) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(Streams(patience));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .initial_connection_window_size(H2_WINDOW_BYTES)
        .initial_stream_window_size(H2_WINDOW_BYTES)
        .max_send_buf_size(H2_SEND_BYTES_MAX);
    builder
}

/// Runs the streams of HTTP/2, each as long as its client takes its answer.
#[derive(Clone, Copy)]
struct Streams(Patience);

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let transfer = Transfer::new(self.0);
        TokioExecutor::new().execute(async move {
            if let Err(lost) = transfer.sending(stream).await {
                tracing::debug!(?lost, "an answer could not be sent");
            }
        });
    }
}

/// Watches over a connection.
struct Watch<'a> {
    config: &'a Config,
    link: &'a Link,
    stop: watch::Receiver<bool>,
}

impl Watch<'_> {
    /// Runs a connection until it ends, or has to.
    async fn run<C: Ending>(mut self, mut connection: Pin<&mut C>) {
        let mut ending = None;
        loop {
            let look_again = match self.left(ending) {
                Some(left) if !left.is_zero() => left,
                Some(_) if ending.is_some() || matches!(self.link.idle(), Idle::Head(_)) => return,
                Some(_) => {
                    ending = Some(Instant::now());
                    connection.as_mut().end();
                    continue;
                }
                None => CLOSING_MAX.min(self.config.head_max).min(self.config.keep_alive_max),
            };
            tokio::select! {
                _ = connection.as_mut() => return,
                () = tokio::time::sleep(look_again) => continue,
                () = self.link.asked_to_leave(), if ending.is_none() => {}
                _ = self.stop.wait_for(|stop| *stop), if ending.is_none() => {}
            }
            ending = Some(Instant::now());
            connection.as_mut().end();
        }
    }

    /// Returns for how much longer the client may say nothing. While something runs, other limits hold, and how long that goes on need
    /// not be told: whoever looks again before the shortest limit misses none.
    fn left(&self, ending: Option<Instant>) -> Option<Duration> {
        let (since, max) = match (self.link.idle(), ending) {
            (Idle::No, _) => return None,
            (Idle::Silent(since) | Idle::Head(since), Some(ended)) => (since.max(ended), CLOSING_MAX),
            (Idle::Head(heard), None) => (heard, self.config.head_max),
            (Idle::Silent(since), None) => (since, self.config.keep_alive_max),
        };
        // A head may begin while nothing is asked.
        let left = max.saturating_sub(Instant::now().saturating_duration_since(since));
        Some(left.min(self.config.head_max))
    }
}
