//! Jobs: what is done for artifacts after they were stored. Each is done at least once; doing one twice changes nothing.

use std::time::Duration;

use tokio::sync::watch;

use super::{
    Artifact, HookError, Reader, Registry, RegistryError, now_seconds,
    sarif::{Run, referrer, sarif},
};
use crate::{
    auth::Caller,
    metadata::{Applied, Backfill, Command, EntryUpdate, Job, JobKind, ScanUpdate},
    oci::Reference,
};

/// How long the worker sleeps at most: jobs that another gateway planned, or that are to be tried again, are found by then.
const IDLE: Duration = Duration::from_secs(5);
/// How often a job is begun before it is given up.
const ATTEMPTS_MAX: u32 = 5;
/// The pause before the first new attempt in seconds; it doubles with each.
const RETRY_SECONDS: u64 = 5;

impl Registry {
    /// Plans what a plugin that has become active has to do for artifacts that were stored before. Returns how many jobs there are.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn backfill(&self, backfill: Backfill) -> Result<u64, RegistryError> {
        let applied = self.metadata().apply(Command::Backfill(backfill)).await?;
        self.jobs_wake.notify_one();
        Ok(if let Applied::Planned(jobs) = applied { jobs } else { 0 })
    }

    /// Moves all revisions where another set of plugins or settings is active than before.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn plugins_changed(&self, set: String) -> Result<(), RegistryError> {
        self.metadata().apply(Command::PluginsChanged { set }).await?;
        Ok(())
    }

    /// Does jobs until told to stop.
    pub async fn run_jobs(self, mut stop: watch::Receiver<bool>) {
        loop {
            let done = tokio::select! {
                done = self.next_job() => done,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match done {
                Ok(true) => {}
                Ok(false) => tokio::select! {
                    () = self.jobs_wake.notified() => {}
                    () = tokio::time::sleep(IDLE) => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                },
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a job could not be done; it will be tried again"
                    );
                    tokio::time::sleep(IDLE).await;
                }
            }
        }
    }

    /// Does the next job that is due. Returns whether there was one.
    async fn next_job(&self) -> Result<bool, RegistryError> {
        let applied = self.metadata().apply(Command::ClaimJob { now: now_seconds() }).await?;
        let Applied::Job(Some(job)) = applied else { return Ok(false) };
        let again = match self.attempt(&job).await? {
            Ok(()) | Err(HookError::NoPlugin) => None,
            Err(error @ HookError::Failed { .. }) => {
                tracing::warn!(repository = %job.repository, digest = %job.digest, %error, "a job failed and is given up");
                None
            }
            Err(error) if job.attempts >= ATTEMPTS_MAX => {
                tracing::warn!(repository = %job.repository, digest = %job.digest, %error, "a job is given up after {ATTEMPTS_MAX} attempts");
                None
            }
            Err(error) => Some((now_seconds() + (RETRY_SECONDS << job.attempts), error.to_string())),
        };
        self.metadata().apply(Command::EndJob { job, again }).await?;
        Ok(true)
    }

    async fn attempt(&self, job: &Job) -> Result<Result<(), HookError>, RegistryError> {
        let reader = self.reader(Caller::system());
        let artifact = match reader.open(&job.repository, &Reference::Digest(job.digest.clone())) {
            Err(RegistryError::ManifestUnknown(..)) => return Ok(Ok(())),
            other => other?,
        };
        match job.kind {
            JobKind::Index => self.index(artifact, reader).await,
            JobKind::Scan => self.scan(artifact, reader).await,
        }
    }

    async fn index(&self, artifact: Artifact, reader: Reader) -> Result<Result<(), HookError>, RegistryError> {
        let (repository, digest) = (artifact.repository.clone(), artifact.digest.clone());
        let judged = match self.hooks.index(artifact, reader).await {
            Ok(judged) => judged,
            Err(error) => return Ok(Err(error)),
        };
        self.metadata()
            .apply(Command::PutEntry(Box::new(EntryUpdate {
                repository,
                digest,
                judged,
            })))
            .await?;
        Ok(Ok(()))
    }

    async fn scan(&self, artifact: Artifact, reader: Reader) -> Result<Result<(), HookError>, RegistryError> {
        let scanned = match self.hooks.scan(artifact.clone(), reader).await {
            Ok(scanned) => scanned,
            Err(error) => return Ok(Err(error)),
        };
        let document = sarif(&[Run {
            plugin: &scanned.stamp.plugin,
            version: &scanned.version,
            findings: &scanned.findings,
        }]);
        let mut pin = None;
        let referrer = match self.config.scan_referrers {
            true => {
                let referrer = referrer(&artifact, &document)?;
                if let Some(config) = referrer.edges.first() {
                    pin = Some(self.pin(&config.digest).await);
                    self.storage().put(&config.digest, vec![document.clone()]).await?;
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
            referrer,
        };
        let applied = self.metadata().apply(Command::PutScan(Box::new(update))).await;
        // Where the artifact is gone meanwhile, the document is linked nowhere.
        if let Some(pin) = pin {
            self.give_back(pin).await;
        }
        applied?;
        Ok(Ok(()))
    }
}
