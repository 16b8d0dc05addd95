//! Rounds of work, kill and recovery.
//!
//! `PORTOLAN_CRASH_ROUNDS` makes more rounds than the usual ones, `PORTOLAN_CRASH_SEED` repeats the choices of a run.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use portolan_tests::{
    digest,
    process::{GatewayProcess, Setup},
};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};
use reqwest::{Method, header::HeaderMap};

use super::{
    api::{Api, Broken},
    worker::{SHARED, Worker},
};

const ROUNDS: u64 = 50;
const WORKERS: u64 = 5;
/// When after the beginning of a round the gateway is killed.
const KILL_AFTER_MS: std::ops::Range<u64> = 10..250;
/// How long a round may take, on a machine that is busy with other things.
const ROUND_TIME_MAX: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_is_half_there() -> anyhow::Result<()> {
    let rounds = variable("PORTOLAN_CRASH_ROUNDS")?.unwrap_or(ROUNDS);
    let seed = variable("PORTOLAN_CRASH_SEED")?.map_or_else(fresh_seed, Ok)?;
    let landed = run(rounds, seed)
        .await
        .with_context(|| format!("the run with PORTOLAN_CRASH_SEED={seed} failed"))?;
    println!("{rounds} kills, {WORKERS} clients at work; where they were:");
    for (step, count) in &landed {
        println!("{count:>6}  {step}");
    }
    let under_way: u64 = landed.iter().filter(|(step, _)| **step != IDLE).map(|(_, count)| count).sum();
    ensure!(
        under_way >= rounds,
        "only {under_way} operations were under way at {rounds} kills: the test proves little"
    );
    Ok(())
}

/// What a client is at that has just got an answer.
const IDLE: &str = "between two requests";

/// Runs the rounds and returns how often which step was under way at a kill.
async fn run(rounds: u64, seed: u64) -> anyhow::Result<BTreeMap<&'static str, u64>> {
    let folder = tempfile::tempdir()?;
    let (mut rng, setup) = (SmallRng::seed_from_u64(seed), Setup::new());
    let mut gateway = setup.start_in(folder.path())?;
    let shared = share(&Api::new(gateway.address())?, &mut rng).await?;
    let mut workers: Vec<Worker> = (0..WORKERS).map(|number| Worker::new(number, seed, shared.clone())).collect();
    let mut landed = BTreeMap::new();
    for round in 0..rounds {
        let kill_after = Duration::from_millis(rng.random_range(KILL_AFTER_MS));
        let work = round_of(gateway, &mut workers, kill_after, &mut landed);
        tokio::time::timeout(ROUND_TIME_MAX, work)
            .await
            .context("a round took too long")??;
        gateway = setup.start_in(folder.path())?;
        let api = Api::new(gateway.address())?;
        let recovered = futures_util::future::try_join_all(workers.iter_mut().map(|worker| worker.recover(&api)));
        tokio::time::timeout(ROUND_TIME_MAX, recovered)
            .await
            .context("a recovery took too long")?
            .with_context(|| {
                format!(
                    "after kill {round}, {} ms after the beginning of the round",
                    kill_after.as_millis()
                )
            })?;
    }
    gateway.stop()?;
    files_are_what_their_names_say(&folder.path().join("data/blobs"))?;
    Ok(landed)
}

/// Lets the workers work, kills the gateway, and counts what each was at.
async fn round_of(
    gateway: GatewayProcess,
    workers: &mut [Worker],
    kill_after: Duration,
    landed: &mut BTreeMap<&'static str, u64>,
) -> anyhow::Result<()> {
    let api = Api::new(gateway.address())?;
    let working = futures_util::future::try_join_all(workers.iter_mut().map(|worker| worker.work(&api)));
    let killing = async {
        tokio::time::sleep(kill_after).await;
        gateway.kill()
    };
    let (steps, ()) = tokio::try_join!(working, killing)?;
    for step in steps {
        *landed.entry(step.unwrap_or(IDLE)).or_default() += 1;
    }
    Ok(())
}

/// Pushes the blobs that several repositories will hold.
async fn share(api: &Api, rng: &mut SmallRng) -> anyhow::Result<BTreeMap<String, Bytes>> {
    let mut shared = BTreeMap::new();
    for size in [2, 10_000, 1_500_000] {
        let mut bytes = vec![0; size];
        rng.fill_bytes(&mut bytes);
        let (digest, bytes) = (digest(&bytes), Bytes::from(bytes));
        let path = format!("/v2/{SHARED}/blobs/uploads/?digest={digest}");
        api.expect(201, Method::POST, &path, HeaderMap::new(), bytes.clone())
            .await
            .map_err(Broken::into_error)?;
        shared.insert(digest, bytes);
    }
    Ok(shared)
}

/// Checks that every file of content is whole.
pub(super) fn files_are_what_their_names_say(blobs: &Path) -> anyhow::Result<()> {
    let list =
        |folder: PathBuf| -> anyhow::Result<Vec<PathBuf>> { std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect() };
    let mut files = 0;
    for folder in list(blobs.join("sha256"))? {
        for file in list(folder)? {
            let name = file
                .file_name()
                .and_then(|name| name.to_str())
                .context("content has a name")?;
            ensure!(
                Some(digest(std::fs::read(&file)?).as_str())
                    == name.split('.').next().map(|hex| format!("sha256:{hex}")).as_deref(),
                "{} does not hold what its name says",
                file.display()
            );
            files += 1;
        }
    }
    ensure!(files > 0, "no content was found in {}", blobs.display());
    Ok(())
}

/// Returns a seed that no other run had.
pub(super) fn fresh_seed() -> anyhow::Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(now.as_secs() ^ u64::from(now.subsec_nanos()))
}

/// Returns the number in a variable of the environment, where it is set.
pub(super) fn variable(name: &str) -> anyhow::Result<Option<u64>> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(
            text.parse()
                .with_context(|| format!("{name} has to be a number, not {text:?}"))?,
        )),
        Err(_) => Ok(None),
    }
}
