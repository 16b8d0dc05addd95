//! Doing an operation many times, over several connections at once, and what that shows.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::task::LocalSet;

use crate::{client::Client, server::Server, work::Work};

/// What is done.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) concurrency: usize,
    /// Operations before those that are measured.
    pub(crate) warm_up: u64,
    pub(crate) operations: u64,
    /// No operation is begun later than this.
    pub(crate) time_max: Duration,
}

/// What was seen, one JSON line.
#[derive(Serialize)]
pub(crate) struct Measurement {
    pub(crate) row: String,
    pub(crate) ops: u64,
    /// The bytes of content that one operation moves.
    pub(crate) bytes_per_op: u64,
    pub(crate) concurrency: usize,
    pub(crate) seconds: f64,
    pub(crate) rps: f64,
    pub(crate) mean_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_ms_per_op: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_rss_kib: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_peak_rss_kib: Option<u64>,
}

impl Measurement {
    /// Sums up how long each of some operations took, which ran in `took` altogether.
    pub(crate) fn new(row: String, concurrency: usize, bytes_per_op: u64, took: Duration, mut each: Vec<Duration>) -> Self {
        each.sort_unstable();
        let ops = each.len() as u64;
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let quantile = |percent: usize| {
            each.get((each.len() * percent / 100).min(each.len().saturating_sub(1)))
                .copied()
                .unwrap_or_default()
        };
        Self {
            row,
            ops,
            bytes_per_op,
            concurrency,
            seconds: took.as_secs_f64(),
            rps: ops as f64 / took.as_secs_f64(),
            mean_ms: ms(each.iter().sum()) / ops.max(1) as f64,
            p50_ms: ms(quantile(50)),
            p99_ms: ms(quantile(99)),
            errors: 0,
            first_error: None,
            cpu_ms_per_op: None,
            server_rss_kib: None,
            server_peak_rss_kib: None,
        }
    }
}

/// Returns the milliseconds of processor time that each of some operations took.
pub(crate) fn per_op(before: Duration, after: Duration, operations: u64) -> f64 {
    after.saturating_sub(before).as_secs_f64() * 1e3 / operations.max(1) as f64
}

/// Does the operations of a plan and measures those after the warm-up.
pub(crate) async fn measure(row: &str, server: &Server, plan: Plan, work: Work) -> anyhow::Result<Measurement> {
    let work = Rc::new(work);
    let mut clients: Vec<Client> = (0..plan.concurrency).map(|_| Client::new(server.target)).collect();
    let warm_up = Plan {
        operations: plan.warm_up,
        ..plan
    };
    let warmed = phase(&mut clients, warm_up, 0, &work).await;
    let before = server.processor_time()?;
    let begin = Instant::now();
    let done = phase(&mut clients, plan, plan.warm_up, &work).await;
    let took = begin.elapsed();
    let after = server.processor_time()?;
    let mut measured = Measurement::new(row.to_owned(), plan.concurrency, work.bytes_per_op(), took, done.each);
    measured.errors = warmed.errors + done.errors;
    measured.first_error = warmed.first_error.or(done.first_error);
    measured.cpu_ms_per_op = before.zip(after).map(|(before, after)| per_op(before, after, measured.ops));
    let memory = server.memory()?;
    measured.server_rss_kib = memory.map(|memory| memory.resident_kib);
    measured.server_peak_rss_kib = memory.map(|memory| memory.peak_kib);
    Ok(measured)
}

/// What operations came to.
#[derive(Default)]
struct Done {
    each: Vec<Duration>,
    errors: u64,
    first_error: Option<String>,
}

/// Does the operations numbered from `first` on. Every connection takes the next number when it is done with one.
async fn phase(clients: &mut Vec<Client>, plan: Plan, first: u64, work: &Rc<Work>) -> Done {
    let next = Rc::new(Cell::new(0));
    let deadline = Instant::now() + plan.time_max;
    let tasks = LocalSet::new();
    let workers: Vec<_> = clients
        .drain(..)
        .map(|mut client| {
            let (next, work) = (next.clone(), work.clone());
            tasks.spawn_local(async move {
                let mut done = Done::default();
                while next.get() < plan.operations && Instant::now() < deadline {
                    let number = next.replace(next.get() + 1);
                    let begin = Instant::now();
                    let result = work.perform(&mut client, first + number).await;
                    done.each.push(begin.elapsed());
                    if let Err(error) = result {
                        done.errors += 1;
                        done.first_error.get_or_insert(format!("{error:#}"));
                    }
                }
                (client, done)
            })
        })
        .collect();
    tasks.await;
    let mut all = Done::default();
    for worker in workers {
        let Ok((client, done)) = worker.await else { continue };
        clients.push(client);
        all.each.extend(done.each);
        all.errors += done.errors;
        all.first_error = all.first_error.or(done.first_error);
    }
    all
}
