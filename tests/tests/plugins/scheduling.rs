//! Guests that compute do not hold up those who only pull.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use portolan_tests::TestGateway;

use super::fixture::{calls, with_guests};

/// How often the two are measured in turns: the median of several is robust on a busy machine.
const ROUNDS: usize = 7;
/// How many requests a round measures.
const REQUESTS: usize = 400;
/// What a timer of the kernel and a scheduler cost whatever the gateway does.
const NOISE: Duration = Duration::from_millis(2);

#[tokio::test(flavor = "multi_thread")]
async fn pulls_are_as_fast_beside_guests_that_spin() {
    let gateway = with_guests("[plugins.plugin.evil.limits]\ncall_time_max = \"300ms\"\n", &["evil"]).await;
    gateway.push_image("a", "v1", &[b"layer"]).await;
    let _ = slowest(&gateway).await;
    let (mut calm, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        calm.push(slowest(&gateway).await);
        busy.push(slowest_beside_guests(&gateway).await);
    }
    let (calm, busy) = (median(calm), median(busy));
    println!("the 99th percentile of a manifest is {calm:?}, and {busy:?} beside guests that spin");
    assert!(
        busy <= (calm * 2).max(calm + NOISE),
        "{busy:?} beside guests that spin, {calm:?} without"
    );
    assert!(
        calls(&gateway, "evil", "serve", "failed").await >= ROUNDS as u64,
        "guests did spin"
    );
}

/// Returns the 99th percentile of the time that a manifest takes.
async fn slowest(gateway: &TestGateway) -> Duration {
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let begun = Instant::now();
        let _ = gateway.get("/v2/a/manifests/v1").await.expect(200);
        times.push(begun.elapsed());
    }
    times.sort();
    times[REQUESTS * 99 / 100]
}

/// The same while as many requests as there are processors keep guests spinning.
async fn slowest_beside_guests(gateway: &TestGateway) -> Duration {
    let stop = AtomicBool::new(false);
    let cores = std::thread::available_parallelism().unwrap().get();
    let spin = || async {
        while !stop.load(Ordering::Relaxed) {
            let answer = gateway.get("/evil/loop").await;
            assert!(answer.status >= 400, "{}", answer.text());
        }
    };
    let measure = async {
        let measured = slowest(gateway).await;
        stop.store(true, Ordering::Relaxed);
        measured
    };
    let spinning = futures_util::future::join_all((0..cores).map(|_| spin()));
    futures_util::future::join(measure, spinning).await.0
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
