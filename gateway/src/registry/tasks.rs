//! Work that goes on to its end, whoever waits for it.
//!
//! A request is a future that is dropped when its client goes away, at any await. What writes to the storage therefore runs in a task that
//! owns all it works with: the request feeds it the body, piece by piece, and waits for the outcome. A feed that ends without its end tells
//! the task that the client is gone; what to make of that is the task's business.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, mpsc, oneshot, watch};
use tracing::Instrument;

use super::{Body, BodyError, Chunk, Registry, RegistryError};
use crate::{metadata::MetadataError, storage::StorageError};

/// How many pieces of a body wait to be taken by its task: enough that both sides keep going.
const PIECES_MAX: usize = 2;

/// The tasks that are running. Each holds the lock for reading, so that who takes it for writing has waited for all.
pub(super) struct Tasks {
    running: Arc<RwLock<()>>,
    ending: watch::Sender<bool>,
    ended: OnceLock<OwnedRwLockWriteGuard<()>>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            running: Arc::default(),
            ending: watch::Sender::new(false),
            ended: OnceLock::new(),
        }
    }
}

/// What comes of a body.
enum Arrival {
    Piece(Bytes),
    Broken(BodyError),
    End,
}

impl Registry {
    /// Begins work that goes on to its end although nobody waits for it any more.
    pub(super) fn own<T, W>(&self, work: W) -> impl Future<Output = Result<T, RegistryError>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, RegistryError>> + Send + 'static,
    {
        let running = self.tasks.running.clone().try_read_owned();
        let task = running.map(|running| {
            let work = async move {
                let done = work.await;
                drop(running);
                done
            };
            tokio::spawn(work.in_current_span())
        });
        async move {
            match task {
                Ok(task) => task.await.unwrap_or_else(|error| Err(broken(error))),
                Err(_) => Err(MetadataError::Stopping.into()),
            }
        }
    }

    /// Begins work on a body, and feeds it the body as it comes. Nothing of it is read before the work asks for it: a client that waits for
    /// the word to go on is not told to send what is refused.
    pub(super) async fn fed<T, W>(&self, chunk: Chunk, work: impl FnOnce(Chunk) -> W) -> Result<T, RegistryError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, RegistryError>> + Send + 'static,
    {
        let Chunk { start, length, body } = chunk;
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        let (want, wanted) = oneshot::channel();
        let arriving = arriving(receiver, self.tasks.ending.subscribe(), want);
        let task = self.own(work(Chunk {
            start,
            length,
            body: arriving,
        }));
        let feeding = async {
            // Where the work ends without asking, its outcome is all that is waited for.
            if wanted.await.is_ok() {
                feed(body, sender).await;
            }
            std::future::pending().await
        };
        tokio::select! {
            biased;
            done = task => done,
            never = feeding => never,
        }
    }

    /// Waits for all work that was begun, which no longer waits for anybody's body, and begins none any more.
    pub async fn end(&self) {
        self.tasks.ending.send_replace(true);
        let ended = self.tasks.running.clone().write_owned().await;
        // Kept, so that nobody can begin after this. Who ended it before has kept theirs.
        let _ = self.tasks.ended.set(ended);
    }

    /// Waits for all work that was begun.
    #[cfg(test)]
    pub(super) async fn settle(&self) {
        while Arc::strong_count(&self.tasks.running) > 1 {
            tokio::task::yield_now().await;
        }
    }
}

fn broken(error: tokio::task::JoinError) -> RegistryError {
    StorageError::Failed {
        doing: "storing what a request brought".into(),
        source: io::Error::other(error),
    }
    .into()
}

/// Hands a body over. Nobody may want all of it.
async fn feed(mut body: Body, sender: mpsc::Sender<Arrival>) {
    loop {
        let arrival = match body.next().await {
            Some(Ok(piece)) => Arrival::Piece(piece),
            Some(Err(how)) => Arrival::Broken(how),
            None => Arrival::End,
        };
        let last = !matches!(arrival, Arrival::Piece(_));
        if sender.send(arrival).await.is_err() || last {
            return;
        }
    }
}

/// Returns a body as its task sees it.
fn arriving(receiver: mpsc::Receiver<Arrival>, ending: watch::Receiver<bool>, want: oneshot::Sender<()>) -> Body {
    type State = (mpsc::Receiver<Arrival>, watch::Receiver<bool>, Option<oneshot::Sender<()>>);
    let next = |(mut receiver, mut ending, want): State| async move {
        if let Some(want) = want {
            // Whoever would feed may be gone, which the channel tells.
            let _ = want.send(());
        }
        let arrival = tokio::select! {
            biased;
            arrival = receiver.recv() => arrival,
            _ = ending.wait_for(|ending| *ending) => Some(Arrival::Broken(BodyError::Broken("the gateway is stopping".to_owned()))),
        };
        let piece = match arrival {
            Some(Arrival::Piece(piece)) => Ok(piece),
            Some(Arrival::Broken(how)) => Err(how),
            Some(Arrival::End) => return None,
            None => Err(BodyError::Broken("the client went away".to_owned())),
        };
        Some((piece, (receiver, ending, None)))
    };
    stream::unfold((receiver, ending, Some(want)), next).boxed()
}
