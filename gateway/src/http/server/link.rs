//! What is known of one connection while it is open: what runs on it, since when nothing does, and its bytes.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
};

/// One open connection.
#[derive(Debug)]
pub(super) struct Link {
    state: Mutex<State>,
    leave: Notify,
}

#[derive(Debug)]
struct State {
    /// The requests that are answered now.
    running: usize,
    /// When the last of them ended.
    idle_since: Instant,
    /// When something came after that: the head of a request begins.
    heard: Option<Instant>,
    /// Whether the connection was asked to make room for others.
    asked: bool,
}

/// A request that is being answered, until everything of its answer has left.
#[derive(Debug)]
pub(super) struct Running(Arc<Link>);

/// What nobody does on a connection, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idle {
    /// Something is answered.
    No,
    /// Nothing is asked.
    Silent(Instant),
    /// A head in HTTP/1 has begun and not ended.
    Head(Instant),
}

impl Link {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                running: 0,
                idle_since: Instant::now(),
                heard: None,
                asked: false,
            }),
            leave: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request came.
    pub(super) fn run(self: &Arc<Self>) -> Running {
        let mut state = self.state();
        state.running += 1;
        state.heard = None;
        Running(self.clone())
    }

    fn hear(&self) {
        let mut state = self.state();
        if state.running == 0 {
            state.heard.get_or_insert_with(Instant::now);
        }
    }

    pub(super) fn idle(&self) -> Idle {
        let state = self.state();
        match state.heard {
            _ if state.running > 0 => Idle::No,
            Some(heard) => Idle::Head(heard),
            None => Idle::Silent(state.idle_since),
        }
    }

    /// Returns for how long nothing has run, on a connection that was not asked to leave yet.
    pub(super) fn idle_for(&self, now: Instant) -> Option<Duration> {
        let state = self.state();
        (state.running == 0 && !state.asked).then(|| now.saturating_duration_since(state.idle_since))
    }

    /// Asks the connection to make room for others.
    pub(super) fn ask_to_leave(&self) {
        self.state().asked = true;
        self.leave.notify_one();
    }

    /// Waits until the connection is asked to make room.
    pub(super) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.running = state.running.saturating_sub(1);
        state.idle_since = Instant::now();
    }
}

/// The bytes of a connection, of which the first ones have been read already.
pub(super) struct Wire {
    stream: TcpStream,
    first: Bytes,
    /// Told when something comes. In HTTP/2 that has many reasons and means nothing.
    listener: Option<Arc<Link>>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, first: Bytes, listener: Option<Arc<Link>>) -> Self {
        Self { stream, first, listener }
    }

    fn hear(&self) {
        if let Some(link) = &self.listener {
            link.hear();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let taken = self.first.len().min(into.remaining());
            into.put_slice(&self.first.split_to(taken));
            self.hear();
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        if into.filled().len() > before {
            self.hear();
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
impl Link {
    /// Returns a connection on which nothing has run for some seconds.
    pub(super) fn idle_since(seconds: u64) -> Arc<Self> {
        let link = Self::new();
        link.state().idle_since -= Duration::from_secs(seconds);
        link
    }
}
