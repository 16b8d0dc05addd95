//! Listening, connections and stopping; the line in the log that every request gets.

use std::{
    error::Error,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Request, Response, Version, header},
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use tracing::Instrument;

use super::{Gateway, error::HttpError, request::value, route};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// How long the server waits before it accepts again after the system refused, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The most streams of one HTTP/2 connection.
const H2_STREAMS_MAX: u32 = 200;
/// The largest head of a request in bytes: a name of 255 bytes, some tags and tokens fit well.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The byte that a TLS handshake begins with, and no request in HTTP.
const TLS_HANDSHAKE: u8 = 0x16;
/// The longest first record of a TLS handshake.
const TLS_RECORD_BYTES_MAX: usize = 16 * 1024 + 5;
/// What a client is told that speaks TLS.
const SPEAK_WITHOUT_TLS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nThis port speaks HTTP without TLS.\n";

/// Why the server could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken.
    #[error("{0} is in use by another program; choose another address with --listen or [http] listen, port 0 for any free one")]
    InUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on an address. Port 0 chooses a free one.
    ///
    /// # Errors
    /// Says why the address cannot be listened on.
    pub async fn listen(address: SocketAddr) -> Result<Self, ServerError> {
        let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => ServerError::InUse(address),
            _ => ServerError::Listen(address, error),
        })?;
        let address = listener.local_addr().map_err(|error| ServerError::Listen(address, error))?;
        Ok(Self { listener, address })
    }

    /// Returns the address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop, then lets running requests finish for as long as the configuration allows.
    pub async fn serve(self, gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
        let connections = Arc::new(Semaphore::new(gateway.config.connections_max));
        let graceful = GracefulShutdown::new();
        let protocol = protocol(gateway.config.idle_max);
        loop {
            let Ok(permit) = connections.clone().acquire_owned().await else {
                break;
            };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn Error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            prepare(&stream, gateway.config.idle_max);
            let (gateway, protocol, watcher, mut stop) = (gateway.clone(), protocol.clone(), graceful.watcher(), stop.clone());
            tokio::spawn(async move {
                let first = tokio::select! {
                    first = first_byte(&stream, gateway.config.idle_max) => first,
                    _ = stop.wait_for(|stop| *stop) => None,
                };
                match first {
                    None => return,
                    Some(TLS_HANDSHAKE) => return refuse_tls(stream).await,
                    Some(_) => {}
                }
                let service = service_fn(move |request| handle(gateway.clone(), request));
                let connection = watcher.watch(protocol.serve_connection(TokioIo::new(stream), service).into_owned());
                // A client that goes away or breaks the protocol ends its own connection; its requests were logged.
                if let Err(error) = connection.await {
                    tracing::debug!(error, "a connection ended early");
                }
                drop(permit);
            });
        }
        drop(self.listener);
        let shutdown_max = gateway.config.shutdown_max;
        if tokio::time::timeout(shutdown_max, graceful.shutdown()).await.is_err() {
            tracing::warn!(
                "requests were still running after {} seconds and are cut off",
                shutdown_max.as_secs()
            );
        }
    }
}

/// Sets what every connection needs: answers leave at once, and a peer that does not take them does not keep us for ever.
fn prepare(stream: &TcpStream, idle_max: Duration) {
    let millis = u32::try_from(idle_max.as_millis()).unwrap_or(u32::MAX);
    let set = stream
        .set_nodelay(true)
        .and_then(|()| Ok(rustix::net::sockopt::set_tcp_user_timeout(stream, millis)?));
    if let Err(error) = set {
        tracing::debug!(error = &error as &dyn Error, "a socket option could not be set");
    }
}

/// Waits for the first byte of a connection, which stays there to be read. Returns nothing where none comes.
async fn first_byte(stream: &TcpStream, idle_max: Duration) -> Option<u8> {
    let mut first = [0];
    match tokio::time::timeout(idle_max, stream.peek(&mut first)).await {
        Ok(Ok(1..)) => first.first().copied(),
        _ => None,
    }
}

/// Tells a client that speaks TLS that nobody does here. Many try it first, know this answer and go on without; a connection that
/// just ends looks to them like trouble of the network, and they try again and again.
async fn refuse_tls(mut stream: TcpStream) {
    let mut hello = vec![0; TLS_RECORD_BYTES_MAX];
    // What is not read would turn the answer into a reset.
    let answered = async {
        let _greeting_bytes = stream.read(&mut hello).await?;
        stream.write_all(SPEAK_WITHOUT_TLS).await?;
        stream.shutdown().await
    };
    if let Err(error) = answered.await {
        tracing::debug!(
            error = &error as &dyn Error,
            "a client could not be told that nobody speaks TLS here"
        );
    }
}

/// Speaks HTTP/1.1 or, where the client begins so, HTTP/2 without TLS.
fn protocol(idle_max: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle_max)
        .max_buf_size(HEAD_BYTES_MAX.max(512 * 1024));
    let mut http2 = builder.http2();
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32);
    http2.keep_alive_interval(idle_max / 2).keep_alive_timeout(idle_max / 2);
    builder
}

/// Answers one request: finds what is meant, counts it, logs it.
async fn handle(gateway: Arc<Gateway>, request: Request<Incoming>) -> Result<Response<Body>, std::convert::Infallible> {
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    let begin = Instant::now();
    let id = REQUESTS.fetch_add(1, Ordering::Relaxed);
    let request = request.map(Body::new);
    Ok(answer(&gateway, request, begin, id).await)
}

async fn answer(gateway: &Gateway, request: Request<Body>, begin: Instant, id: u64) -> Response<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = route::parse(&path);
    let name = route.as_ref().map_or("unknown", route::Route::name);
    let is_api = path.starts_with("/v2");
    let sends_body = request.version() < Version::HTTP_2 && !axum::body::HttpBody::is_end_stream(request.body());
    let answered = match route {
        // What goes to the log while the request is answered carries its id.
        Ok(route) => {
            let span = tracing::error_span!("answering", id = format_args!("{id:x}"));
            super::dispatch(gateway, route, request).instrument(span).await
        }
        Err(error) => Err(HttpError::from(error)),
    };
    let said = answered.as_ref().err().map(|error| error.message.clone());
    let mut response = answered.unwrap_or_else(HttpError::into_response);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, value(format!("{id:x}")));
    if sends_body && said.is_some() {
        // The rest of the body may be unread, and then the connection ends here: the client must not send the next request on it.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if is_api {
        headers.insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    }
    let bytes = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let bytes: u64 = bytes
        .or_else(|| axum::body::HttpBody::size_hint(response.body()).exact())
        .unwrap_or_default();
    let (status, took) = (response.status().as_u16(), begin.elapsed());
    gateway.metrics.request(name, method.as_str(), status, bytes, took);
    let (ms, error) = (took.as_secs_f64() * 1e3, said.as_deref());
    tracing::info!(target: "request", id = format_args!("{id:x}"), %method, path, status, bytes, ms = format_args!("{ms:.1}"), error);
    response
}
