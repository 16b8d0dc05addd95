//! Collection under load: what a client was told of stays for as long as it was promised, and nothing else does.
//!
//! Clients push with pauses between blobs and manifest, rely on blobs that they only asked for, mount, delete, push again, and pull, while a
//! collection begins all the time and the gateway is killed now and then. No push may be refused for want of a blob within its lease, nothing
//! that was acknowledged may be lost, and in the end what is stored is what is linked.
//!
//! `PORTOLAN_SOAK_EVENTS` makes more events than usual, `PORTOLAN_SOAK_SEED` repeats the choices of a run.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use portolan_tests::{
    MANIFEST, digest, index, manifest, metric,
    process::{GatewayProcess, Setup, environment},
};
use rand::{RngExt, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::Value;
use tokio::task::JoinSet;

use super::{
    api::{Api, Broken},
    rounds::{fresh_seed, variable},
};

/// How many events there are by default, for all clients together.
const EVENTS: u64 = 5_000;
const CLIENTS: u64 = 8;
const CONTENTS: usize = 24;
const TAGS: usize = 5;
/// After how many events the gateway is killed: every quarter of a minute.
const EVENTS_PER_KILL: u64 = 1_250;
const LEASE: Duration = Duration::from_secs(4);
/// The longest pause between a blob and its manifest. What a push needs beside it has the rest of its lease.
const PAUSE_MS_MAX: u64 = 1_500;
/// How long the last leases and rounds may take, on a machine that is busy with other things.
const DRAIN_MAX: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_collected_that_somebody_relies_on_and_nothing_else_stays() -> anyhow::Result<()> {
    let events = variable("PORTOLAN_SOAK_EVENTS")?.unwrap_or(EVENTS);
    let seed = variable("PORTOLAN_SOAK_SEED")?.map_or_else(fresh_seed, Ok)?;
    let counts = run(events, seed)
        .await
        .with_context(|| format!("the run with PORTOLAN_SOAK_SEED={seed} failed"))?;
    println!("{events} events with seed {seed}:");
    for (what, count) in &counts {
        println!("{count:>8}  {what}");
    }
    for what in [
        "pushed",
        "relied on a blob",
        "mounted",
        "deleted",
        "pulled",
        "links collected",
        "files collected",
    ] {
        ensure!(
            counts.get(what).is_some_and(|count| *count > 0),
            "nothing of this happened: {what}"
        );
    }
    Ok(())
}

type Counts = BTreeMap<&'static str, u64>;

async fn run(events: u64, seed: u64) -> anyhow::Result<Counts> {
    let folder = tempfile::tempdir()?;
    let setup = Setup::new().config(&format!("[gc]\ninterval = \"200ms\"\nlease = \"{}s\"", LEASE.as_secs()));
    let mut clients: Vec<Client> = (0..CLIENTS).map(|number| Client::new(number, seed)).collect();
    let (mut counts, kills) = (Counts::new(), (events / EVENTS_PER_KILL).max(1));
    for kill in 0..=kills {
        let gateway = setup.start_in(folder.path())?;
        clients = round(&gateway, clients, events / (kills + 1) / CLIENTS, kill < kills).await?;
        if kill < kills {
            collected(&Api::new(gateway.address())?, &mut counts).await?;
            gateway.kill()?;
        } else {
            drained(&Api::new(gateway.address())?, &mut counts).await?;
            gateway.stop()?;
        }
    }
    let gateway = setup.start_in(folder.path())?;
    let api = Api::new(gateway.address())?;
    for client in &mut clients {
        client.check(&api).await?;
        for (what, count) in std::mem::take(&mut client.counts) {
            *counts.entry(what).or_default() += count;
        }
    }
    gateway.stop()?;
    stored_is_linked(&folder.path().join("data"))?;
    Ok(counts)
}

/// Lets every client do its share, and breaks some of them off, as a kill would.
async fn round(gateway: &GatewayProcess, clients: Vec<Client>, each: u64, cut: bool) -> anyhow::Result<Vec<Client>> {
    let api = Api::new(gateway.address())?;
    let mut working = JoinSet::new();
    for mut client in clients {
        let api = api.clone();
        working.spawn(async move {
            for _ in 0..each {
                client.event(&api).await?;
            }
            if cut {
                // The kill comes between a blob and its manifest.
                client.begin_push(&api).await?;
            }
            anyhow::Ok(client)
        });
    }
    let mut back = Vec::new();
    while let Some(client) = working.join_next().await {
        back.push(client??);
    }
    Ok(back)
}

async fn metrics(api: &Api) -> anyhow::Result<String> {
    let answer = api.expect(200, Method::GET, "/metrics", HeaderMap::new(), Bytes::new()).await;
    Ok(answer.map_err(Broken::into_error)?.text())
}

async fn collected(api: &Api, counts: &mut Counts) -> anyhow::Result<()> {
    let text = metrics(api).await?;
    for (what, name) in [
        ("links collected", "portolan_gc_links_total"),
        ("files collected", "portolan_gc_files_total"),
        ("rounds", "portolan_gc_rounds_total"),
    ] {
        *counts.entry(what).or_default() += metric(&text, name);
    }
    Ok(())
}

/// Waits until every lease has ended and nothing is left to collect.
async fn drained(api: &Api, counts: &mut Counts) -> anyhow::Result<()> {
    // After a kill nothing goes for the time of a lease.
    tokio::time::sleep(2 * LEASE + Duration::from_secs(1)).await;
    let begin = Instant::now();
    loop {
        let text = metrics(api).await?;
        if ["portolan_gc_unnamed", "portolan_gc_garbage"]
            .iter()
            .all(|name| metric(&text, name) == 0)
        {
            return collected(api, counts).await;
        }
        ensure!(begin.elapsed() < DRAIN_MAX, "garbage stays: {text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Checks that what is stored is what is linked, but for what a kill left between storing and linking, which a scrub removes.
fn stored_is_linked(data: &Path) -> anyhow::Result<()> {
    let scrub = || -> anyhow::Result<Value> {
        let mut command = Command::new(environment("PORTOLAN_BIN")?);
        let output = command.args(["scrub", "--json", "--data"]).arg(data).output()?;
        serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))
    };
    let first = scrub()?;
    ensure!(first["spoilt"] == 0, "a blob is spoilt: {first}");
    let second = scrub()?;
    ensure!(second["strays"] == 0, "a scrub left strays: {second}");
    ensure!(
        Some(size_of(&data.join("blobs"))?) == second["bytes"].as_u64(),
        "more is stored than is linked: {second}"
    );
    Ok(())
}

fn size_of(folder: &Path) -> anyhow::Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        size += if entry.file_type()?.is_dir() {
            size_of(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(size)
}

/// Who pushes to a repository of its own. The contents are everybody's.
struct Client {
    number: u64,
    rng: SmallRng,
    /// What each tag means, as far as that is acknowledged.
    tags: BTreeMap<String, Bytes>,
    counts: Counts,
}

fn content(number: usize) -> Bytes {
    format!("content {number} ").repeat(200 * (number + 1)).into()
}

fn layers(of: &Bytes) -> anyhow::Result<Vec<String>> {
    let manifest: Value = serde_json::from_slice(of)?;
    let layers = manifest["layers"].as_array().context("a manifest has layers")?;
    Ok(layers
        .iter()
        .filter_map(|layer| Some(layer["digest"].as_str()?.to_owned()))
        .collect())
}

impl Client {
    fn new(number: u64, seed: u64) -> Self {
        Self {
            number,
            rng: SmallRng::seed_from_u64(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            tags: BTreeMap::new(),
            counts: Counts::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn path(&self, rest: &str) -> String {
        format!("/v2/soak/{}/{rest}", self.number)
    }

    async fn event(&mut self, api: &Api) -> anyhow::Result<()> {
        match self.rng.random_range(0..100) {
            0..50 => self.push(api).await,
            50..65 => self.delete(api).await,
            65..85 => self.pull(api).await,
            85..92 => self.index(api).await,
            _ => self.delete_tag(api).await,
        }
    }

    async fn push(&mut self, api: &Api) -> anyhow::Result<()> {
        let (begin, contents) = self.begin_push(api).await?;
        let pause = self.rng.random_range(0..PAUSE_MS_MAX * PAUSE_MS_MAX);
        // Most pauses are short.
        tokio::time::sleep(Duration::from_millis(pause / PAUSE_MS_MAX / 4)).await;
        let layers: Vec<Bytes> = contents.iter().map(|number| content(*number)).collect();
        let layers: Vec<&[u8]> = layers.iter().map(AsRef::as_ref).collect();
        let mut image = manifest(b"{}", &layers);
        image["annotations"] = serde_json::json!({ "number": self.rng.random_range(0..20).to_string() });
        let (tag, image) = (format!("t{}", self.rng.random_range(0..TAGS)), Bytes::from(image.to_string()));
        let path = self.path(&format!("manifests/{tag}"));
        let answer = api
            .send(Method::PUT, &path, kind(MANIFEST), image.clone())
            .await
            .map_err(Broken::into_error)?;
        if answer.status != 201 {
            // On a machine that stood still for that long, the promise was over.
            ensure!(
                begin.elapsed() > LEASE,
                "a push was refused within its lease: {} {}",
                answer.status,
                answer.text()
            );
            self.count("came too late");
            return Ok(());
        }
        self.count("pushed");
        match self.tags.insert(tag, image) {
            Some(old) => self.forget(api, old).await,
            None => Ok(()),
        }
    }

    /// Brings the blobs of an image, or finds that they are there.
    async fn begin_push(&mut self, api: &Api) -> anyhow::Result<(Instant, Vec<usize>)> {
        let begin = Instant::now();
        let mut contents: Vec<usize> = (0..self.rng.random_range(1..4))
            .map(|_| self.rng.random_range(0..CONTENTS))
            .collect();
        contents.dedup();
        for bytes in std::iter::once(Bytes::from_static(b"{}")).chain(contents.iter().map(|number| content(*number))) {
            self.bring(api, bytes).await?;
        }
        Ok((begin, contents))
    }

    async fn bring(&mut self, api: &Api, bytes: Bytes) -> anyhow::Result<()> {
        let digest = digest(&bytes);
        let send = async |method, path: String, body| {
            api.send(method, &path, HeaderMap::new(), body)
                .await
                .map_err(Broken::into_error)
        };
        if self.rng.random_bool(0.6) {
            let head = send(Method::HEAD, self.path(&format!("blobs/{digest}")), Bytes::new()).await?;
            if head.status == 200 {
                self.count("relied on a blob");
                return Ok(());
            }
        }
        if self.rng.random_bool(0.4) {
            let from = self.rng.random_range(0..CLIENTS);
            let mount = self.path(&format!("blobs/uploads/?mount={digest}&from=soak/{from}"));
            if send(Method::POST, mount, Bytes::new()).await?.status == 201 {
                self.count("mounted");
                return Ok(());
            }
        }
        let upload = self.path(&format!("blobs/uploads/?digest={digest}"));
        let answer = send(Method::POST, upload, bytes).await?;
        ensure!(
            answer.status == 201,
            "an upload was refused: {} {}",
            answer.status,
            answer.text()
        );
        Ok(())
    }

    fn some_tag(&mut self) -> Option<(String, Bytes)> {
        let tags: Vec<_> = self.tags.iter().collect();
        tags.choose(&mut self.rng)
            .map(|(tag, image)| ((*tag).clone(), (*image).clone()))
    }

    async fn delete(&mut self, api: &Api) -> anyhow::Result<()> {
        let Some((_, image)) = self.some_tag() else { return Ok(()) };
        let path = self.path(&format!("manifests/{}", digest(&image)));
        api.expect(202, Method::DELETE, &path, HeaderMap::new(), Bytes::new())
            .await
            .map_err(Broken::into_error)?;
        self.tags.retain(|_, other| *other != image);
        self.count("deleted");
        Ok(())
    }

    async fn delete_tag(&mut self, api: &Api) -> anyhow::Result<()> {
        let Some((tag, _)) = self.some_tag() else { return Ok(()) };
        let path = self.path(&format!("manifests/{tag}"));
        api.expect(202, Method::DELETE, &path, HeaderMap::new(), Bytes::new())
            .await
            .map_err(Broken::into_error)?;
        self.count("untagged");
        match self.tags.remove(&tag) {
            Some(old) => self.forget(api, old).await,
            None => Ok(()),
        }
    }

    /// Deletes a manifest that no tag means any more: it would be kept, and what it names with it.
    async fn forget(&mut self, api: &Api, old: Bytes) -> anyhow::Result<()> {
        if self.tags.values().any(|other| *other == old) {
            return Ok(());
        }
        let path = self.path(&format!("manifests/{}", digest(&old)));
        api.expect(202, Method::DELETE, &path, HeaderMap::new(), Bytes::new())
            .await
            .map_err(Broken::into_error)?;
        Ok(())
    }

    /// Pushes an index of two images and deletes it again. What it names stays.
    async fn index(&mut self, api: &Api) -> anyhow::Result<()> {
        let (Some((_, one)), Some((_, two))) = (self.some_tag(), self.some_tag()) else {
            return Ok(());
        };
        let list = Bytes::from(index(&[&one, &two]).to_string());
        let path = self.path(&format!("manifests/{}", digest(&list)));
        let kind = kind("application/vnd.oci.image.index.v1+json");
        api.expect(201, Method::PUT, &path, kind, list)
            .await
            .map_err(Broken::into_error)?;
        api.expect(202, Method::DELETE, &path, HeaderMap::new(), Bytes::new())
            .await
            .map_err(Broken::into_error)?;
        self.count("indexes");
        Ok(())
    }

    async fn pull(&mut self, api: &Api) -> anyhow::Result<()> {
        let Some((tag, image)) = self.some_tag() else { return Ok(()) };
        self.pull_one(api, &tag, &image).await?;
        self.count("pulled");
        Ok(())
    }

    async fn pull_one(&self, api: &Api, tag: &str, image: &Bytes) -> anyhow::Result<()> {
        let found = api
            .send(
                Method::GET,
                &self.path(&format!("manifests/{tag}")),
                HeaderMap::new(),
                Bytes::new(),
            )
            .await;
        let found = found.map_err(Broken::into_error)?;
        ensure!(
            found.status == 200 && found.body == *image,
            "{tag} is {} {}",
            found.status,
            found.text()
        );
        for layer in layers(image)? {
            let blob = api
                .send(
                    Method::GET,
                    &self.path(&format!("blobs/{layer}")),
                    HeaderMap::new(),
                    Bytes::new(),
                )
                .await;
            let blob = blob.map_err(Broken::into_error)?;
            if blob.status != 200 || digest(&blob.body) != layer {
                bail!("{layer} of {tag} is lost: {}", blob.status);
            }
        }
        Ok(())
    }

    /// Pulls everything that was acknowledged.
    async fn check(&self, api: &Api) -> anyhow::Result<()> {
        for (tag, image) in &self.tags {
            self.pull_one(api, tag, image).await?;
        }
        Ok(())
    }
}

fn kind(of: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(of))])
}
