//! Many clients on few repositories and few contents, requests that are given up, kills and restarts; checked against a model.
//!
//! Clients share everything, so that the same blob is pushed, mounted, deleted and read at once. Every read has to show something that
//! the acknowledged writes and those under way allow; after every kill everything is read, and at the end every file is checked.
//!
//! `PORTOLAN_STRESS_SECONDS` lets it run longer than usual, `PORTOLAN_STRESS_SEED` repeats the choices of a run.

mod client;
mod history;
mod uploads;
mod world;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use portolan_tests::process::{GatewayProcess, Setup};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::task::JoinSet;

use self::{
    client::{Client, Counts},
    history::History,
    world::{Shown, World},
};
use super::{
    api::Api,
    rounds::{files_are_what_their_names_say, fresh_seed, variable},
};

/// How long it runs by default.
const SECONDS: u64 = 60;
const CLIENTS: u64 = 8;
/// When after the beginning of a round the gateway is killed.
const KILL_AFTER_MS: std::ops::Range<u64> = 300..4_000;
/// How long clients may take to notice that the gateway is gone, and a check of everything may take.
const STEP_TIME_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn what_many_clients_see_is_what_they_were_promised() -> anyhow::Result<()> {
    let seconds = variable("PORTOLAN_STRESS_SECONDS")?.unwrap_or(SECONDS);
    let seed = variable("PORTOLAN_STRESS_SEED")?.map_or_else(fresh_seed, Ok)?;
    let counts = run(Duration::from_secs(seconds), seed)
        .await
        .with_context(|| format!("the run with PORTOLAN_STRESS_SEED={seed} failed"))?;
    println!("{seconds} s with seed {seed}:");
    for (what, count) in &counts {
        println!("{count:>8}  {what}");
    }
    for what in [
        "kills",
        "push a blob: done",
        "push a manifest: done",
        "delete a manifest: done",
        "given up",
    ] {
        ensure!(
            counts.get(what).is_some_and(|count| *count > 0),
            "nothing of this happened, so the test proves little: {what}"
        );
    }
    Ok(())
}

/// Runs rounds until the time is over, and returns what happened how often.
async fn run(time: Duration, seed: u64) -> anyhow::Result<Counts> {
    let folder = tempfile::tempdir()?;
    let (mut rng, setup) = (SmallRng::seed_from_u64(seed), Setup::new());
    let (world, history) = (Arc::new(World::new(seed)), Arc::new(History::default()));
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|number| Client::new(number, seed, world.clone(), history.clone()))
        .collect();
    let (begin, mut kills) = (Instant::now(), 0);
    let mut gateway = setup.start_in(folder.path())?;
    while begin.elapsed() < time {
        let kill_after = Duration::from_millis(rng.random_range(KILL_AFTER_MS));
        clients = round(gateway, clients, kill_after).await?;
        kills += 1;
        gateway = setup.start_in(folder.path())?;
        let api = Api::new(gateway.address())?;
        let checked = check_everything(&api, &world, &history);
        tokio::time::timeout(STEP_TIME_MAX, checked)
            .await
            .context("reading everything took too long")?
            .with_context(|| format!("after kill {kills}"))?;
    }
    gateway.stop()?;
    files_are_what_their_names_say(&folder.path().join("data/blobs"))?;
    let mut counts = BTreeMap::from([("kills".to_owned(), kills)]);
    for client in clients {
        for (what, count) in client.counts {
            *counts.entry(what).or_default() += count;
        }
    }
    Ok(counts)
}

/// Lets the clients work and kills the gateway meanwhile.
async fn round(gateway: GatewayProcess, clients: Vec<Client>, kill_after: Duration) -> anyhow::Result<Vec<Client>> {
    let api = Api::new(gateway.address())?;
    let mut working = JoinSet::new();
    for mut client in clients {
        let api = api.clone();
        working.spawn(async move { client.work(&api).await.map(|()| client) });
    }
    tokio::time::sleep(kill_after).await;
    gateway.kill()?;
    let mut back = Vec::new();
    while let Some(client) = tokio::time::timeout(STEP_TIME_MAX, working.join_next())
        .await
        .context("a request hangs although the gateway is gone")?
    {
        back.push(client??);
    }
    Ok(back)
}

/// Reads everything from a gateway that nobody else uses, and lets the history go on from what is there.
async fn check_everything(api: &Api, world: &World, history: &History) -> anyhow::Result<()> {
    history.settle();
    for key in world.keys() {
        let reading = history.now();
        let shown = world.read(api, &key).await?;
        history.check(&key, shown.as_ref().map(Shown::content), reading)?;
        history.begin_anew(&key, shown.as_ref().map(Shown::content));
        // What a tag shows is there by its digest as well.
        if let Some(Shown::Manifest { repository, content }) = shown {
            let path = world.manifest_path(repository, content);
            ensure!(api.get(&path).await?.is_some(), "{key:?} means a manifest that is not there");
        }
    }
    for repository in 0..world::REPOSITORIES {
        world.check_tag_list(api, repository).await?;
    }
    Ok(())
}
