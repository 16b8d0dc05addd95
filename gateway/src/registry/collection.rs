//! Collection: links that no manifest names go when their lease has ended, and bytes that nothing leads to are removed.
//!
//! It runs beside the requests and follows what happened: it looks at leases that have ended and at garbage, never at everything. Every
//! decision is taken again inside of the transaction that carries it out (`metadata`), and bytes lie where no newer upload ever will, so
//! that removing them late, or twice, hits nobody.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde::Deserialize;
use tokio::sync::watch;

use super::{Registry, RegistryError, now_seconds};
use crate::{
    metadata::{Applied, Command, Garbage, GarbageCount},
    settings::{self, Problems},
};

/// How many links one command looks at: other writers wait for a few milliseconds.
const LINKS_MAX: usize = 100;
/// How many pieces of garbage are removed before that is written down.
const GARBAGE_MAX: usize = 100;
/// How long leases that were given are remembered before they are written.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// When what goes: table `[gc]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether it runs by itself while the gateway serves.
    pub enabled: bool,
    /// How long after one round the next one begins.
    #[serde(deserialize_with = "settings::time")]
    pub interval: Duration,
    /// How long a blob stays that no manifest of its repository names: after it was pushed, mounted or asked for.
    #[serde(deserialize_with = "settings::time")]
    pub lease: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_secs(60),
            lease: Duration::from_secs(24 * 3_600),
        }
    }
}

impl Config {
    /// Says what is wrong with these settings.
    pub fn problems(&self, problems: &mut Problems) {
        let day = Duration::from_secs(24 * 3_600);
        problems.time("interval", self.interval, Duration::from_millis(100)..=day);
        // A client pushes blobs first and names them last: a large image takes its time.
        problems.time("lease", self.lease, Duration::from_secs(1)..=day * 365);
    }
}

/// What collections did since the gateway started.
#[derive(Default)]
pub(super) struct Collected {
    rounds: AtomicU64,
    links: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
}

/// How much there is to collect, and what was collected since the gateway started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionStatus {
    /// How many rounds were made.
    pub rounds: u64,
    /// How many links went that no manifest named.
    pub links: u64,
    /// How many blobs were removed from the storage.
    pub files: u64,
    /// How many bytes they had.
    pub bytes: u64,
    /// How many links would go now.
    pub unnamed: u64,
    /// How many bytes their blobs have, those that other repositories see included.
    pub unnamed_bytes: u64,
    /// What is about to be removed from the storage.
    pub garbage: GarbageCount,
}

impl Registry {
    /// Collects until the gateway stops.
    pub async fn run_collection(self, mut stop: watch::Receiver<bool>) {
        let begin = match self.begin_collection().await {
            Ok(begin) => begin,
            Err(error) => return tracing::error!(error = &error as &dyn std::error::Error, "garbage is not collected"),
        };
        let mut round = tokio::time::interval(self.config.collection.interval);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut write = tokio::time::interval(WRITE_INTERVAL);
        loop {
            let is_round = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                _ = write.tick() => false,
                _ = round.tick(), if self.config.collection.enabled => true,
            };
            let work = async {
                match is_round {
                    true => self.collect(begin).await,
                    false => self.write_leases().await,
                }
            };
            let done = tokio::select! {
                done = work => done,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            if let Err(error) = done {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "garbage could not be collected; it will be tried again"
                );
            }
        }
    }

    /// Returns from when on links may go, in seconds since 1970. Leases that were remembered when the last run was cut off are lost: until
    /// all of them would have ended, every link stays.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn begin_collection(&self) -> Result<u64, RegistryError> {
        let written = self.metadata().leases_were_written().await?;
        self.metadata().apply(Command::LeasesAreWritten(false)).await?;
        let lease = self.lease();
        Ok(if written { lease.now } else { lease.until })
    }

    /// Writes the leases that are remembered, at the end of a run.
    ///
    /// # Errors
    /// Fails where the metadata does. The next run then waits before it collects.
    pub async fn end_collection(&self) -> Result<(), RegistryError> {
        self.write_leases().await?;
        self.metadata().apply(Command::LeasesAreWritten(true)).await?;
        Ok(())
    }

    /// Makes one round: hides what no manifest names, from a time on, and removes garbage.
    ///
    /// # Errors
    /// Fails where storage or metadata do. What was done until then is done.
    pub async fn collect(&self, begin: u64) -> Result<(), RegistryError> {
        if self.may_collect_links(begin) {
            self.write_leases().await?;
            self.collect_links(now_seconds()).await?;
        }
        self.remove_garbage().await?;
        self.collected.rounds.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Says whether links may go that may go from a time on.
    #[must_use]
    pub fn may_collect_links(&self, begin: u64) -> bool {
        now_seconds() >= begin
    }

    async fn collect_links(&self, now: u64) -> Result<(), RegistryError> {
        let mut after = None;
        loop {
            let page = self.metadata().ended_leases(now, after.as_ref(), LINKS_MAX).await?;
            let Some((last, ..)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            let blobs = page.into_iter().map(|(_, repository, digest)| (repository, digest)).collect();
            let (registry, now) = (self.clone(), now);
            // Whoever stops waiting for it must not let others see what goes.
            let collected = self.own(async move {
                let collecting = registry.leases.collecting(blobs, now);
                let blobs = collecting.blobs.clone();
                Ok(registry.metadata().apply(Command::Collect { blobs, now }).await?)
            });
            if let Applied::Collected(links) = collected.await? {
                self.collected.links.fetch_add(links, Ordering::Relaxed);
            }
        }
    }

    /// Removes the bytes that nothing leads to. What somebody still reads stays until a later round.
    async fn remove_garbage(&self) -> Result<(), RegistryError> {
        let mut after: Option<Garbage> = None;
        loop {
            let page = self.metadata().garbage(after.as_ref(), GARBAGE_MAX).await?;
            let mut locations = Vec::new();
            for garbage in &page {
                if self.storage().delete(&garbage.location).await? {
                    self.collected.files.fetch_add(1, Ordering::Relaxed);
                    self.collected.bytes.fetch_add(garbage.size, Ordering::Relaxed);
                    locations.push(garbage.location.clone());
                }
            }
            if !locations.is_empty() {
                self.metadata().apply(Command::ForgetGarbage { locations }).await?;
            }
            match page.into_iter().next_back() {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Tells how much there is to collect, and what was collected.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn collection_status(&self) -> Result<CollectionStatus, RegistryError> {
        let (unnamed, unnamed_bytes) = self.metadata().unnamed_links(now_seconds()).await?;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok(CollectionStatus {
            rounds: count(&self.collected.rounds),
            links: count(&self.collected.links),
            files: count(&self.collected.files),
            bytes: count(&self.collected.bytes),
            unnamed,
            unnamed_bytes,
            garbage: self.metadata().garbage_count().await?,
        })
    }

    /// Returns what is counted as text for Prometheus.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn collection_metrics_text(&self) -> Result<String, RegistryError> {
        let status = self.collection_status().await?;
        let garbage = status.garbage;
        let age = garbage.oldest.map_or(0, |since| now_seconds().saturating_sub(since));
        let lines = [
            ("rounds", "counter", "Rounds of collection", status.rounds),
            (
                "links",
                "counter",
                "Links that went because no manifest named their blob",
                status.links,
            ),
            ("files", "counter", "Blobs that were removed from the storage", status.files),
            ("bytes", "counter", "Bytes that were removed from the storage", status.bytes),
            ("unnamed", "gauge", "Links that the next round takes away", status.unnamed),
            (
                "garbage",
                "gauge",
                "Blobs that the next round removes from the storage",
                garbage.count,
            ),
            (
                "garbage_bytes",
                "gauge",
                "Bytes that the next round removes from the storage",
                garbage.bytes,
            ),
            (
                "garbage_oldest_seconds",
                "gauge",
                "How long ago the oldest of them became garbage",
                age,
            ),
        ];
        let text = lines.map(|(name, kind, help, value)| {
            let suffix = if kind == "counter" { "_total" } else { "" };
            format!("# HELP portolan_gc_{name} {help}.\n# TYPE portolan_gc_{name} {kind}\nportolan_gc_{name}{suffix} {value}\n")
        });
        Ok(text.concat())
    }
}
