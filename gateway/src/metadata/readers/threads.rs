//! Threads that read what may take long, so that nobody else has to.
//!
//! What they are to do waits in a queue that has an end. Who asked and goes away takes it out of the queue, or interrupts it where it has
//! begun: a read takes no longer than somebody wants it.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::{Connection, InterruptHandle};
use tokio::{sync::oneshot, time::timeout};

use crate::metadata::MetadataError;

/// How many threads read what may take long.
pub(in crate::metadata) const LONG_THREADS: usize = 4;
/// How many threads there are: one more, which looks up single rows only, so that these never wait for lists.
pub(in crate::metadata) const THREADS: usize = LONG_THREADS + 1;
/// How many reads of each kind may wait. With a millisecond for each, the last one waits for as long as a quarter of a second.
pub(in crate::metadata) const WAITING_MAX: usize = 1_024;
/// How long a thread waits at most until what it read is taken: nobody who does not come for it holds up others.
const TAKEN_MAX: Duration = Duration::from_millis(100);
/// The priority of threads that read what may take long (`nice`): where the machine has more to do than it can, those that answer go first.
const PRIORITY: i32 = 15;
/// Is under way as long as a thread works: the database forgets an interruption that comes between two statements only where no other
/// one is. It reads no table, so that it holds no snapshot.
const UNDER_WAY: &str = "SELECT 1";

type Work = Box<dyn FnOnce(&Connection) + Send>;

/// How long a read takes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It finds rows by their keys.
    Lookup,
    /// It may read much.
    Long,
}

/// The threads. When this is dropped they end what they do, and what waits is not done.
pub(super) struct Threads {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Wakes one of those who take everything.
    arrived: Condvar,
    /// Wakes the one who takes look-ups only.
    looked_up: Condvar,
    interrupts: Vec<InterruptHandle>,
    /// Holds up whoever begins to read what may be much.
    #[cfg(test)]
    gate: super::gate::Gate,
}

#[derive(Default)]
struct Queue {
    lookups: VecDeque<(u64, Work)>,
    long: VecDeque<(u64, Work)>,
    /// What each thread does.
    running: [Option<u64>; THREADS],
    /// How many reads there were.
    count: u64,
    closed: bool,
}

/// A read that somebody waits for.
struct Asked<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Threads {
    /// Starts the threads, each with one of [`THREADS`] connections.
    pub(super) fn start(connections: Vec<Connection>, #[cfg(test)] gate: super::gate::Gate) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            looked_up: Condvar::new(),
            interrupts: connections.iter().map(Connection::get_interrupt_handle).collect(),
            #[cfg(test)]
            gate,
        });
        let mut threads = Self {
            shared: shared.clone(),
            threads: Vec::with_capacity(THREADS),
        };
        for (place, connection) in connections.into_iter().enumerate() {
            let shared = shared.clone();
            let thread = std::thread::Builder::new()
                .name("metadata-reads".into())
                .spawn(move || run(&shared, place, &connection))?;
            threads.threads.push(thread);
        }
        Ok(threads)
    }

    /// Has a thread read something. Whoever does not wait for it ends it.
    ///
    /// # Errors
    /// [`MetadataError::Busy`] where too much waits, and [`MetadataError::Late`] after a time.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        kind: Kind,
        time_max: Duration,
        work: impl FnOnce(&Connection) -> Result<T, MetadataError> + Send + 'static,
    ) -> Result<T, MetadataError> {
        let (answer, answered) = oneshot::channel();
        // What was read is held once for each thread, however many ask and however long it takes until they are there to take it.
        let (taken, until_taken) = mpsc::channel::<()>();
        #[cfg(test)]
        let gate = (kind == Kind::Long).then(|| self.shared.gate.clone());
        let work = Box::new(move |connection: &Connection| {
            #[cfg(test)]
            if let Some(gate) = gate {
                gate.pass();
            }
            if answer.send((work(connection), taken)).is_ok() {
                // Nothing is sent: the other end goes with the answer.
                let _ = until_taken.recv_timeout(TAKEN_MAX);
            }
        });
        let asked = self.shared.ask(kind, work)?;
        let answered = timeout(time_max, answered).await;
        drop(asked);
        match answered {
            Ok(Ok((answer, _taken))) => answer,
            Ok(Err(_)) => Err(MetadataError::Stopping),
            Err(_) => Err(MetadataError::Late),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        queue.closed = true;
        queue.lookups.clear();
        queue.long.clear();
        drop(queue);
        self.shared.arrived.notify_all();
        self.shared.looked_up.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that reads metadata panicked");
            }
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, kind: Kind, work: Work) -> Result<Asked<'_>, MetadataError> {
        let mut queue = self.queue();
        queue.count += 1;
        let number = queue.count;
        let waiting = match kind {
            Kind::Lookup => &mut queue.lookups,
            Kind::Long => &mut queue.long,
        };
        if waiting.len() >= WAITING_MAX {
            return Err(MetadataError::Busy);
        }
        waiting.push_back((number, work));
        drop(queue);
        self.arrived.notify_one();
        if kind == Kind::Lookup {
            self.looked_up.notify_one();
        }
        Ok(Asked { shared: self, number })
    }

    /// Says that a thread has done what it did, and waits for the next thing. There is none once the threads are to end.
    fn next(&self, place: usize) -> Option<Work> {
        let mut queue = self.queue();
        loop {
            if queue.closed {
                return None;
            }
            let mut next = queue.lookups.pop_front();
            if next.is_none() && place < LONG_THREADS {
                next = queue.long.pop_front();
            }
            if let Some((number, work)) = next {
                queue.run(place, Some(number));
                return Some(work);
            }
            let mine = if place < LONG_THREADS {
                &self.arrived
            } else {
                &self.looked_up
            };
            queue = mine.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Queue {
    fn run(&mut self, place: usize, number: Option<u64>) {
        if let Some(running) = self.running.get_mut(place) {
            *running = number;
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        // While the queue is locked, no thread goes on to something else that would be interrupted instead.
        let place = queue.running.iter().position(|running| *running == Some(self.number));
        match place.and_then(|place| self.shared.interrupts.get(place)) {
            Some(interrupt) => interrupt.interrupt(),
            None => {
                queue.lookups.retain(|(number, _)| *number != self.number);
                queue.long.retain(|(number, _)| *number != self.number);
            }
        }
    }
}

fn run(shared: &Shared, place: usize, connection: &Connection) {
    if place < LONG_THREADS
        && let Err(error) = rustix::process::setpriority_process(None, PRIORITY)
    {
        tracing::warn!(%error, "threads for long reads run at the priority of the server");
    }
    loop {
        let done = || -> rusqlite::Result<bool> {
            let mut under_way = connection.prepare_cached(UNDER_WAY)?;
            let mut rows = under_way.query([])?;
            rows.next()?;
            let Some(work) = shared.next(place) else { return Ok(false) };
            let worked = catch_unwind(AssertUnwindSafe(|| work(connection)));
            shared.queue().run(place, None);
            if worked.is_err() {
                tracing::error!("reading metadata panicked");
            }
            Ok(true)
        };
        match done() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                // Without a statement under way nothing can be interrupted safely; what waits is left to the other threads.
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a thread that reads metadata cannot go on"
                );
                return;
            }
        }
    }
}
