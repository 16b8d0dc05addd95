//! The threads that run guests.
//!
//! Guests compute, and the threads of the server must not wait for them: a few threads of lower priority run one guest each, and everybody else waits in
//! a bounded queue for a bounded time. What nobody waits for stands back behind everybody else, and not for ever. Two clocks bound a guest: the epoch,
//! which interrupts it between its own instructions, and, around that, the time for which a caller waits, because an epoch does not interrupt a function
//! of the gateway that is blocked.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot},
};
use wasmtime::Engine;

use super::{engine::GUEST_STACK_BYTES, state::Clock};

/// How often running guests are interrupted to look at the clock.
const EPOCH: Duration = Duration::from_millis(10);
/// How much longer than its guest may run a caller waits: by then a function of the gateway must be blocked.
const GRACE: Duration = Duration::from_secs(2);
/// The stack of a thread: that of the guest and room for the gateway's own functions.
const STACK_BYTES: usize = GUEST_STACK_BYTES + (2 << 20);
/// How much the threads stand back behind those of the server, in steps of the scheduler (`nice`).
const PRIORITY: i32 = 5;

type Job = Box<dyn FnOnce() + Send>;

/// Who waits for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Somebody who asked for it.
    Front,
    /// Nobody.
    Back,
}

/// Why a job was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Busy {
    /// The queue is full.
    #[error("too many calls of plugins are waiting")]
    Full,
    /// The wait was too long.
    #[error("no thread for plugins became free in time")]
    Waited,
    /// The job is blocked.
    #[error("the call is blocked in a function of the gateway")]
    Blocked,
    /// The job broke off.
    #[error("the call broke off; this is a fault of the gateway")]
    Broken,
}

/// A few threads, and the queue before them.
pub(super) struct Threads {
    jobs: Sender<Job>,
    count: usize,
    free: Arc<Semaphore>,
    freed: Arc<Notify>,
    waiting: AtomicUsize,
    queue_max: usize,
    queue_wait_max: Duration,
    ticker: Arc<Ticker>,
}

impl Threads {
    pub(super) fn start(engine: &Engine, count: usize, queue_max: usize, queue_wait_max: Duration) -> io::Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for n in 0..count {
            let queue = queue.clone();
            thread::Builder::new()
                .name(format!("plugin-{n}"))
                .stack_size(STACK_BYTES)
                .spawn(move || work(&queue))?;
        }
        let ticker = Arc::new(Ticker::default());
        let (ticking, engine) = (ticker.clone(), engine.clone());
        thread::Builder::new()
            .name("plugin-clock".into())
            .spawn(move || ticking.tick(&engine))?;
        let (free, freed) = (Arc::new(Semaphore::new(count)), Arc::default());
        Ok(Self {
            jobs,
            count,
            free,
            freed,
            waiting: AtomicUsize::new(0),
            queue_max,
            queue_wait_max,
            ticker,
        })
    }

    /// Returns how many jobs that nobody waits for may run at once: where there are several threads, one is left to the others.
    pub(super) fn background_max(&self) -> usize {
        self.count.saturating_sub(1).max(1)
    }

    /// Does a job on one of the threads, and waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        time_max: Duration,
        job: impl FnOnce(Clock, Handle) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = match lane {
            Lane::Front => self.place().await?,
            Lane::Back => self.place_behind().await?,
        };
        let (done, outcome) = oneshot::channel();
        let (runtime, ticker) = (Handle::current(), self.ticker.clone());
        let job: Job = Box::new(move || {
            let ticking = ticker.begin();
            let result = job(Clock::start(time_max), runtime);
            drop(ticking);
            // The thread is free before the caller hears of the result, so that the next caller finds it free. A caller who went away needs none.
            drop(place);
            drop(done.send(result));
        });
        self.jobs.send(job).map_err(|_| Busy::Broken)?;
        match tokio::time::timeout(time_max + GRACE, outcome).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err(Busy::Broken),
            Err(_) => Err(Busy::Blocked),
        }
    }

    async fn place(&self) -> Result<Place, Busy> {
        if let Some(place) = self.free_place() {
            return Ok(place);
        }
        let _waiting = Waiting::enter(&self.waiting, self.queue_max).ok_or(Busy::Full)?;
        self.queued().await
    }

    /// Waits until a thread is free that nobody else waits for. So as not to stand back for ever, it then queues as everybody does.
    async fn place_behind(&self) -> Result<Place, Busy> {
        match tokio::time::timeout(self.queue_wait_max, self.left_over()).await {
            Ok(place) => Ok(place),
            Err(_) => self.queued().await,
        }
    }

    async fn left_over(&self) -> Place {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // What becomes free from here on is noticed.
            freed.as_mut().enable();
            match self.free_place() {
                Some(place) => return place,
                None => freed.await,
            }
        }
    }

    /// Takes a place at once. There is none where anybody is queued: they are given what becomes free.
    fn free_place(&self) -> Option<Place> {
        let permit = self.free.clone().try_acquire_owned().ok()?;
        Some(Place::new(permit, &self.freed))
    }

    async fn queued(&self) -> Result<Place, Busy> {
        match tokio::time::timeout(self.queue_wait_max, self.free.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place::new(permit, &self.freed)),
            Ok(Err(_)) => Err(Busy::Broken),
            Err(_) => Err(Busy::Waited),
        }
    }
}

/// A place on one of the threads. Dropping it tells those that stand back.
struct Place {
    permit: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Place {
    fn new(permit: OwnedSemaphorePermit, freed: &Arc<Notify>) -> Self {
        Self {
            permit: Some(permit),
            freed: freed.clone(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.freed.notify_one();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.ticker.stop();
    }
}

/// One place in the queue.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < max).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What each thread does until the host is gone.
fn work(queue: &Mutex<Receiver<Job>>) {
    // On Linux this is the priority of the calling thread alone.
    if let Err(error) = rustix::process::setpriority_process(None, PRIORITY) {
        tracing::debug!(%error, "threads for plugins keep the priority of the server");
    }
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a call of a plugin broke off in the gateway");
        }
    }
}

/// Moves the epoch while guests run, and sleeps while none does.
#[derive(Default)]
struct Ticker {
    state: Mutex<Ticking>,
    changed: Condvar,
}

#[derive(Default)]
struct Ticking {
    running: usize,
    stopped: bool,
}

impl Ticker {
    fn begin(self: &Arc<Self>) -> Running {
        self.change(|state| state.running += 1);
        Running(self.clone())
    }

    fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    fn change(&self, change: impl FnOnce(&mut Ticking)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = state.running == 0;
        change(&mut state);
        if idle || state.stopped {
            self.changed.notify_one();
        }
    }

    fn tick(&self, engine: &Engine) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.stopped {
            if state.running == 0 {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state = self
                .changed
                .wait_timeout(state, EPOCH)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            engine.increment_epoch();
        }
    }
}

/// As long as this lives, the epoch moves.
struct Running(Arc<Ticker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.change(|state| state.running = state.running.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin_host::{Limits, engine};

    fn threads(queue_max: usize, wait: Duration) -> Threads {
        let engine = engine::running(1, &Limits::default()).unwrap();
        Threads::start(&engine, 1, queue_max, wait).unwrap()
    }

    #[tokio::test]
    async fn the_queue_is_bounded_in_length_and_time() {
        let threads = Arc::new(threads(1, Duration::from_millis(50)));
        let (release, released) = channel::<()>();
        let (started, has_started) = oneshot::channel();
        let busy = threads.clone();
        let first = tokio::spawn(async move {
            busy.run(Lane::Front, Duration::from_secs(60), move |_, _| {
                let _ = started.send(());
                released.recv().is_ok()
            })
            .await
        });
        has_started.await.unwrap();
        let (second, third) = tokio::join!(
            threads.run(Lane::Front, EPOCH, |_, _| ()),
            threads.run(Lane::Front, EPOCH, |_, _| ())
        );
        assert_eq!((second, third), (Err(Busy::Waited), Err(Busy::Full)));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(true));
        assert_eq!(threads.run(Lane::Front, EPOCH, |_, _| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_stands_back() {
        let threads = Arc::new(threads(1, Duration::from_secs(60)));
        let (release, released) = channel::<()>();
        let (started, has_started) = oneshot::channel();
        let order = Arc::new(Mutex::new(Vec::new()));
        let run = |lane: Lane| {
            let (threads, order) = (threads.clone(), order.clone());
            tokio::spawn(async move {
                let note = move |_, _| order.lock().unwrap().push(lane);
                threads.run(lane, Duration::from_secs(60), note).await
            })
        };
        let busy = threads.clone();
        let first = tokio::spawn(async move {
            let wait = move |_, _| {
                let _ = started.send(());
                released.recv().is_ok()
            };
            busy.run(Lane::Front, Duration::from_secs(60), wait).await
        });
        has_started.await.unwrap();
        // On this runtime a task that was spawned runs until it waits before this one goes on.
        let mut waiting = Vec::new();
        for lane in [Lane::Back, Lane::Back, Lane::Front, Lane::Front] {
            waiting.push(run(lane));
            tokio::task::yield_now().await;
        }
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(true));
        let mut outcomes = Vec::new();
        for waited in waiting {
            outcomes.push(waited.await.unwrap());
        }
        // The queue has one place, which only those of the front need.
        assert_eq!(outcomes, [Ok(()), Ok(()), Ok(()), Err(Busy::Full)]);
        assert_eq!(*order.lock().unwrap(), [Lane::Front, Lane::Back, Lane::Back]);
    }

    #[tokio::test]
    async fn standing_back_ends_as_well() {
        let threads = threads(0, Duration::from_millis(20));
        let (release, released) = channel::<()>();
        let (started, has_started) = oneshot::channel();
        let wait = move |_, _| {
            let _ = started.send(());
            released.recv().is_ok()
        };
        let behind = async {
            has_started.await.unwrap();
            let behind = threads.run(Lane::Back, EPOCH, |_, _| ()).await;
            release.send(()).unwrap();
            behind
        };
        let (first, behind) = tokio::join!(threads.run(Lane::Front, Duration::from_secs(60), wait), behind);
        assert_eq!((first, behind), (Ok(true), Err(Busy::Waited)));
        assert_eq!(threads.run(Lane::Back, EPOCH, |_, _| 7).await, Ok(7));
    }

    #[test]
    fn one_of_several_threads_is_never_for_the_background() {
        let engine = engine::running(1, &Limits::default()).unwrap();
        let threads = |count| Threads::start(&engine, count, 0, EPOCH).unwrap().background_max();
        assert_eq!([1, 2, 4].map(threads), [1, 1, 3]);
    }

    #[tokio::test]
    async fn a_job_that_panics_costs_no_thread() {
        let threads = threads(1, Duration::from_secs(60));
        let broken: Result<(), Busy> = threads
            .run(Lane::Front, Duration::from_secs(60), |_, _| panic!("on purpose"))
            .await;
        assert_eq!(broken, Err(Busy::Broken));
        assert_eq!(threads.run(Lane::Front, Duration::from_secs(60), |_, _| 7).await, Ok(7));
    }
}
