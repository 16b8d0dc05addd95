//! Listening, and the places of connections.
//!
//! Each connection is a task of its own. Nothing that a client does or leaves undone holds a place for ever, and every wait ends when the
//! gateway stops.

mod bodies;
mod budget;
mod connection;
mod exchange;
mod first;
mod link;
mod pace;
mod places;
mod traffic;
mod transfer;

use std::{error::Error, io, net::SocketAddr, sync::Arc, time::Duration};

use rustix::net::sockopt;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use self::{
    link::Link,
    places::{Free, Places},
};
use super::{Gateway, layers, router};
use crate::auth::Peer;

pub(super) use budget::Exhausted;
pub use connection::CONNECTION_BYTES_MAX;
pub(super) use exchange::exhausted;
pub(super) use traffic::Traffic;

/// How long the server waits before it accepts again after the system refused, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// After what silence a peer is asked whether it is still there, how often, and how many times in vain: one that vanished without a word is
/// noticed after two minutes, however long it may pause.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
const PROBES: u32 = 6;
/// What a client is told whose peer has too many connections.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 5\r\nContent-Length: 45\r\nConnection: close\r\n\r\n\
    There are too many connections from this peer";

/// Why the server could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken.
    #[error("{0} is in use by another program; choose another address with --listen or [http] listen, port 0 for any free one")]
    InUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
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
            io::ErrorKind::AddrInUse => ServerError::InUse(address),
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
        let places = gateway.traffic.places.clone();
        let mut connections = JoinSet::new();
        let service = layers::around(router(&gateway), &gateway);
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.accept(&places) => accepted,
            };
            let Some((free, stream, peer)) = accepted else { continue };
            let link = Link::new();
            let Some(place) = places.take(free, peer, &link) else {
                refuse(&stream);
                continue;
            };
            prepare(&stream);
            let serve = connection::serve(gateway.clone(), service.clone(), stream, link, peer, stop.clone());
            connections.spawn(async move {
                serve.await;
                drop(place);
            });
        }
        drop(self.listener);
        let shutdown_max = gateway.config.shutdown_max;
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(shutdown_max, ended).await.is_err() {
            tracing::warn!(
                "requests were still running after {} seconds and are cut off",
                shutdown_max.as_secs()
            );
            connections.shutdown().await;
        }
    }

    /// Accepts a connection once there is a place for it.
    async fn accept(&self, places: &Places) -> Option<(Free, TcpStream, Peer)> {
        let free = places.free().await?;
        match self.listener.accept().await {
            Ok((stream, address)) => Some((free, stream, address.ip().into())),
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

/// Sets what every connection needs: answers leave at once, and a peer that vanished is noticed.
fn prepare(stream: &TcpStream) {
    let set = || -> io::Result<()> {
        stream.set_nodelay(true)?;
        sockopt::set_socket_keepalive(stream, true)?;
        sockopt::set_tcp_keepidle(stream, PROBE_AFTER)?;
        sockopt::set_tcp_keepintvl(stream, PROBE_INTERVAL)?;
        Ok(sockopt::set_tcp_keepcnt(stream, PROBES)?)
    };
    if let Err(error) = set() {
        tracing::debug!(error = &error as &dyn Error, "a socket option could not be set");
    }
}

/// Tells a client that its peer has too many connections. An empty socket takes that much at once; what it does not take is not worth a wait.
fn refuse(stream: &TcpStream) {
    if let Err(error) = stream.try_write(TOO_MANY) {
        tracing::debug!(
            error = &error as &dyn Error,
            "a client could not be told that it has too many connections"
        );
    }
}
