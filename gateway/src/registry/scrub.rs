//! Scrub: every blob is read and compared with its digest, and every file with what leads to it.
//!
//! A blob whose bytes are gone or others is marked: nobody sees it until a push brings its bytes again. One that was marked and is whole
//! again is seen again. Content that nothing leads to, left by a crash between storing and linking, is removed once it is older than any
//! upload that could still link it.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Registry, RegistryError, now_seconds};
use crate::{
    metadata::BlobRow,
    oci::{Digest, Hasher, Location},
    settings::{self, Problems},
    storage::{Listed, StorageError},
};

/// How many blobs are asked for at once.
const PAGE: usize = 200;
/// How many faults a report names. All are counted, marked and logged.
const NAMED_MAX: usize = 1_000;

/// When the gateway scrubs by itself: table `[scrub]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether it does.
    pub enabled: bool,
    /// How long after the start, and after one scrub, the next one begins.
    #[serde(deserialize_with = "settings::time")]
    pub interval: Duration,
    /// How many bytes it reads a second at most. Zero sets no limit.
    #[serde(deserialize_with = "settings::size")]
    pub bytes_per_second: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_secs(7 * 24 * 3_600),
            bytes_per_second: 20 << 20,
        }
    }
}

impl Config {
    /// Says what is wrong with these settings.
    pub fn problems(&self, problems: &mut Problems) {
        let year = Duration::from_secs(365 * 24 * 3_600);
        problems.time("interval", self.interval, Duration::from_millis(100)..=year);
    }
}

/// How a scrub goes about it.
#[derive(Debug, Clone, Copy)]
pub struct Scrub {
    /// Whether what is found is written down and removed, or only told.
    pub repairs: bool,
    /// How many bytes are read a second at most. Zero sets no limit.
    pub bytes_per_second: u64,
    /// Content that was written after this time, in seconds since 1970, may still be linked by whoever stored it.
    pub settled_before: u64,
}

/// How far a scrub has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ScrubProgress {
    /// How many blobs were read.
    pub blobs: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// What is wrong with a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// There is nothing where it should lie.
    Missing,
    /// It has another size.
    Size(u64),
    /// It has another digest.
    Digest(String),
    /// It cannot be read.
    Unreadable(String),
}

/// A blob that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spoilt {
    /// The digest.
    pub digest: String,
    /// Where it lies.
    pub location: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What a scrub found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ScrubReport {
    /// What was read.
    #[serde(flatten)]
    pub read: ScrubProgress,
    /// How many blobs are spoilt. A push of the same content heals each.
    pub spoilt: u64,
    /// The first 1 000 of them.
    pub named: Vec<Spoilt>,
    /// How many blobs were marked as spoilt before and are whole.
    pub healed: u64,
    /// How many files nothing leads to.
    pub strays: u64,
    /// How many bytes they have.
    pub stray_bytes: u64,
    /// Whether blobs were marked and strays removed.
    pub repaired: bool,
}

impl ScrubReport {
    /// Says whether everything is as it should be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.spoilt == 0 && self.strays == 0
    }
}

impl Registry {
    /// Scrubs again and again until the gateway stops.
    pub async fn run_scrub(self, mut stop: watch::Receiver<bool>) {
        let Config {
            enabled,
            interval,
            bytes_per_second,
        } = self.config.scrub;
        if !enabled {
            return;
        }
        loop {
            let scrub = async {
                tokio::time::sleep(interval).await;
                self.scrub(self.scrub_while_running(bytes_per_second), |_| {}).await
            };
            let done = tokio::select! {
                done = scrub => done,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match done {
                Ok(report) => tracing::info!(
                    blobs = report.read.blobs,
                    bytes = report.read.bytes,
                    spoilt = report.spoilt,
                    healed = report.healed,
                    strays = report.strays,
                    "everything that is stored was read"
                ),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a scrub broke off; it will be tried again"
                ),
            }
        }
    }

    /// Reads everything that is stored.
    ///
    /// # Errors
    /// Fails where the metadata does. What cannot be read of the storage is a finding.
    pub async fn scrub(
        &self,
        scrub: Scrub,
        mut progress: impl FnMut(ScrubProgress) + Send,
    ) -> Result<ScrubReport, RegistryError> {
        let mut report = ScrubReport {
            repaired: scrub.repairs,
            ..ScrubReport::default()
        };
        let mut after: Option<Digest> = None;
        loop {
            let page = self.metadata().blobs(after.as_ref(), PAGE).await?;
            for blob in &page {
                self.scrub_blob(blob, scrub, &mut report).await?;
                progress(report.read);
            }
            match page.into_iter().next_back() {
                Some(last) => after = Some(last.digest),
                None => break,
            }
        }
        self.scrub_strays(scrub, &mut report).await?;
        Ok(report)
    }

    async fn scrub_blob(&self, blob: &BlobRow, scrub: Scrub, report: &mut ScrubReport) -> Result<(), RegistryError> {
        let BlobRow {
            digest,
            location,
            size,
            is_whole,
        } = blob;
        let fault = self.fault_of(digest, location, *size, scrub).await;
        report.read.blobs += 1;
        report.read.bytes += *size;
        // It may have been pushed again, or have gone, while it was read.
        if fault.is_some() && !self.metadata().leads_to(digest, location).await? {
            return Ok(());
        }
        let was_whole = *is_whole;
        let is_whole = fault.is_none();
        if let Some(fault) = fault {
            tracing::error!(%digest, %location, ?fault, "a blob is spoilt; whoever pushes it again heals it");
            report.spoilt += 1;
            if report.named.len() < NAMED_MAX {
                report.named.push(Spoilt {
                    digest: digest.to_string(),
                    location: location.to_string(),
                    fault,
                });
            }
        }
        report.healed += u64::from(is_whole && !was_whole);
        if scrub.repairs && is_whole != was_whole {
            self.mark(digest, location, is_whole).await?;
        }
        Ok(())
    }

    /// Reads a blob, and says what is wrong with it.
    async fn fault_of(&self, digest: &Digest, location: &Location, size: u64, scrub: Scrub) -> Option<Fault> {
        let read = async {
            match self.storage().size(location).await? {
                None => return Ok(Some(Fault::Missing)),
                Some(found) if found != size => return Ok(Some(Fault::Size(found))),
                Some(_) => {}
            }
            let mut hasher = Hasher::new(digest.algorithm());
            let mut pieces = self.storage().read(location, 0..size).await?;
            while let Some(piece) = pieces.next().await {
                let piece = piece?;
                hasher.update(&piece);
                if let Some(pause) = pause(piece.len() as u64, scrub.bytes_per_second) {
                    tokio::time::sleep(pause).await;
                }
            }
            let found = hasher.finish();
            Ok::<_, StorageError>((found != *digest).then(|| Fault::Digest(found.to_string())))
        };
        match read.await {
            Ok(fault) => fault,
            Err(StorageError::Absent(_)) => Some(Fault::Missing),
            Err(error) => Some(Fault::Unreadable(error.to_string())),
        }
    }

    /// Looks for content that nothing leads to.
    async fn scrub_strays(&self, scrub: Scrub, report: &mut ScrubReport) -> Result<(), RegistryError> {
        let mut listing = self.storage().list();
        while let Some(listed) = listing.try_next().await? {
            let Listed {
                location,
                digest,
                size,
                written,
            } = listed;
            if written >= scrub.settled_before || self.metadata().is_location_known(&digest, &location).await? {
                continue;
            }
            report.strays += 1;
            report.stray_bytes += size;
            if scrub.repairs {
                tracing::warn!(%location, size, "content that nothing leads to is removed");
                self.storage().delete(&location).await?;
            }
        }
        Ok(())
    }

    /// Returns how a scrub goes about it while the gateway runs: what was written within the last hour may still be linked.
    #[must_use]
    pub fn scrub_while_running(&self, bytes_per_second: u64) -> Scrub {
        Scrub {
            repairs: true,
            bytes_per_second,
            settled_before: now_seconds()
                .saturating_sub(3_600)
                .saturating_sub(self.config.upload_idle_max.as_secs()),
        }
    }
}

/// Returns how long to wait after so many bytes.
fn pause(bytes: u64, per_second: u64) -> Option<Duration> {
    (per_second > 0).then(|| Duration::from_secs_f64(bytes as f64 / per_second as f64))
}
