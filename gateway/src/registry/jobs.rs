//! Jobs: what is done for artifacts after they were stored. Each is done at least once; doing one twice changes nothing.
//!
//! No job stops another. Plugins take turns, as many jobs run at once as plugins may use threads for, and whatever goes wrong with one job
//! ends with that job: after a few tries it is given up and named in the log. Waiting for something that has nothing to do with the job - a
//! thread, room on a disk - is no try. `plan` finds what is to be done for artifacts from before, `end` judges how a job ended, `counts` counts.

mod counts;
mod end;
mod plan;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at},
};

use self::end::{JobError, Verdict};
use super::{
    Artifact, HookError, Judged, Registry, RegistryError, Scanned, now_seconds,
    sarif::{Run, referrer, sarif},
};
use crate::{
    auth::Caller,
    metadata::{Applied, Claimed, Command, EntryUpdate, Job, JobEnd, JobKind, ScanUpdate, Turn},
    oci::Reference,
};

pub(super) use counts::Counts;
pub use counts::{JobCounts, JobStatus};

/// How long the worker sleeps at most: jobs that are to be tried again are found by then.
const IDLE: Duration = Duration::from_secs(5);
/// How long it sleeps at most where jobs cannot even be asked for.
const TROUBLE_MAX: Duration = Duration::from_secs(80);
/// How often the lease of a job is renewed while it runs: three times before it would end.
const RENEWAL: Duration = Duration::from_secs(20);

impl Registry {
    /// Moves all revisions where another set of plugins or settings is active than before, and has the artifacts looked at that were stored
    /// before.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn plugins_changed(&self, set: String) -> Result<(), RegistryError> {
        self.metadata().apply(Command::PluginsChanged { set }).await?;
        self.plan_wake.notify_one();
        Ok(())
    }

    /// Does jobs until told to stop. Jobs whose plugin has not answered by then are put back as they were.
    pub async fn run_jobs(self, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(self.hooks.jobs_at_once().max(1)));
        let (mut running, mut last, mut trouble) = (JoinSet::new(), None, IDLE);
        loop {
            let place = tokio::select! {
                Ok(place) = places.clone().acquire_owned() => place,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            // A claim is not broken off: nobody would do what it took.
            let pause = match self.claim(last.as_ref(), now_seconds()).await {
                Ok(Claimed::Job(job)) => {
                    last = Some(job.turn());
                    running.spawn(self.clone().work(*job, stop.clone(), place));
                    Duration::ZERO
                }
                Ok(Claimed::Removed { turn, reason }) => {
                    tracing::warn!(plugin = turn.plugin, reason, "a job was removed that nobody can do");
                    last = Some(turn);
                    Duration::ZERO
                }
                Ok(Claimed::Nothing) => IDLE,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "jobs cannot be asked for; it will be tried again");
                    trouble = TROUBLE_MAX.min(trouble * 2);
                    trouble
                }
            };
            if pause <= IDLE {
                trouble = IDLE;
            }
            while let Some(ended) = running.try_join_next() {
                report(ended);
            }
            if !pause.is_zero() {
                tokio::select! {
                    () = self.jobs_wake.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                    _ = stop.wait_for(|stop| *stop) => break,
                }
            }
        }
        while let Some(ended) = running.join_next().await {
            report(ended);
        }
    }

    async fn claim(&self, last: Option<&Turn>, now: u64) -> Result<Claimed, RegistryError> {
        let after = last.cloned();
        match self.metadata().apply(Command::ClaimJob { now, after }).await? {
            Applied::Claimed(claimed) => Ok(claimed),
            _ => Ok(Claimed::Nothing),
        }
    }

    /// Does a claimed job and says how it ended.
    async fn work(self, job: Job, mut stop: watch::Receiver<bool>, _place: OwnedSemaphorePermit) {
        let result = self.leased(&job, &mut stop).await;
        let end = self.judge_end(&job, result, now_seconds());
        if let Err(error) = self.metadata().apply(Command::EndJob { id: job.id, end }).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                error,
                "the end of a job could not be stored; it is done again when its lease ends"
            );
        }
    }

    /// Judges how a job ended, counts it, and tells the operator where it was given up.
    fn judge_end(&self, job: &Job, result: Result<(), JobError>, now: u64) -> JobEnd {
        let verdict = end::verdict(job, result, now);
        self.jobs.count(job, &verdict);
        let (plugin, kind) = (&job.stamp.plugin, end::kind_name(job.kind));
        let (repository, digest, tries) = (&job.repository, &job.digest, job.tries);
        match verdict {
            Verdict::Done | Verdict::Dropped => JobEnd::Removed,
            Verdict::GivenUp { error } => {
                tracing::warn!(plugin, kind, %repository, %digest, tries, error, "a job is given up");
                JobEnd::Removed
            }
            Verdict::Again { due, error } => {
                tracing::info!(plugin, kind, %repository, %digest, tries, error, "a job failed and will be tried again");
                JobEnd::Again { due, error }
            }
            Verdict::PutOff { due, reason } => {
                tracing::debug!(plugin, kind, %repository, %digest, reason, "a job is put off");
                JobEnd::PutOff { due, reason }
            }
        }
    }

    /// Does a job, and keeps it claimed meanwhile.
    async fn leased(&self, job: &Job, stop: &mut watch::Receiver<bool>) -> Result<(), JobError> {
        let mut attempt = std::pin::pin!(self.attempt(job, stop));
        let mut renewal = interval_at(Instant::now() + RENEWAL, RENEWAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                result = &mut attempt => return result,
                _ = renewal.tick() => {
                    let (id, now) = (job.id, now_seconds());
                    // Where it cannot be renewed, it may be done twice, which changes nothing.
                    drop(self.metadata().apply(Command::RenewJob { id, now }).await);
                }
            }
        }
    }

    async fn attempt(&self, job: &Job, stop: &mut watch::Receiver<bool>) -> Result<(), JobError> {
        end::expect_begun_rarely(job)?;
        let reader = self.reader(Caller::system());
        let artifact = match reader.open(&job.repository, &Reference::Digest(job.digest.clone())).await {
            Err(RegistryError::ManifestUnknown(..)) => return Err(HookError::NoPlugin.into()),
            other => other?,
        };
        match job.kind {
            JobKind::Index => {
                let judged = unless_stopped(stop, self.hooks.index(&job.stamp, artifact, reader)).await?;
                self.store_entry(job, judged).await
            }
            JobKind::Scan => {
                let scanned = unless_stopped(stop, self.hooks.scan(&job.stamp, artifact.clone(), reader)).await?;
                self.store_scan(artifact, scanned).await
            }
        }
    }

    async fn store_entry(&self, job: &Job, judged: Judged) -> Result<(), JobError> {
        let update = EntryUpdate {
            repository: job.repository.clone(),
            digest: job.digest.clone(),
            judged,
        };
        let applied = self.metadata().apply(Command::PutEntry(Box::new(update))).await;
        applied.map_err(RegistryError::Metadata)?;
        Ok(())
    }

    async fn store_scan(&self, artifact: Artifact, scanned: Scanned) -> Result<(), JobError> {
        let document = sarif(&[Run {
            plugin: &scanned.stamp.plugin,
            version: &scanned.version,
            findings: &scanned.findings,
        }]);
        let mut stored = None;
        let referrer = match self.config.scan_referrers {
            true => {
                let referrer = referrer(&artifact, &document)?;
                if let Some(config) = referrer.edges.first() {
                    stored = Some(self.put(&config.digest, vec![document.clone()]).await?);
                }
                Some(Box::new(referrer))
            }
            false => None,
        };
        let update = ScanUpdate {
            repository: artifact.repository,
            digest: artifact.digest,
            stamp: scanned.stamp,
            findings: scanned.findings,
            sarif: document,
            document: stored.as_ref().map(|stored| stored.location.clone()),
            referrer,
            now: now_seconds(),
        };
        let applied = self.metadata().apply(Command::PutScan(Box::new(update))).await;
        // Where the artifact is gone meanwhile, the document is linked nowhere.
        if let Some(stored) = &stored {
            self.give_back(stored).await;
        }
        applied.map_err(RegistryError::Metadata)?;
        Ok(())
    }
}

/// Waits for an answer of a plugin, but not where the gateway stops. What follows an answer is stored whole.
async fn unless_stopped<T>(
    stop: &mut watch::Receiver<bool>,
    answer: impl Future<Output = Result<T, HookError>>,
) -> Result<T, JobError> {
    tokio::select! {
        answer = answer => Ok(answer?),
        _ = stop.wait_for(|stop| *stop) => Err(JobError::Stopped),
    }
}

/// Tells of a job that broke off: that is a fault of the gateway. Its lease ends, and it counts as a try.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = &error as &dyn std::error::Error, "a job broke off");
    }
}
