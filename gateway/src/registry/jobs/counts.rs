//! What is counted of jobs: for the status of each plugin, and for Prometheus. Depth and age come from the metadata, the rest is counted since
//! the gateway started.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry,
};
use serde::Serialize;

use super::end::{Verdict, kind_name};
use crate::{
    metadata::{Job, JobKind},
    registry::{Registry, RegistryError, now_seconds},
};

/// How jobs of one kind ended since the gateway started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobCounts {
    /// They were done.
    pub done: u64,
    /// They failed and are to be tried again.
    pub again: u64,
    /// They were given up.
    pub given_up: u64,
    /// They had to wait for something that has nothing to do with them. This is no try.
    pub put_off: u64,
    /// There was nothing to do: the artifact was gone, or another plugin or version is asked about it by now.
    pub dropped: u64,
}

/// How it stands with the jobs of one plugin of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    /// How many there are, those that run included.
    pub depth: u64,
    /// How long ago the oldest was planned, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_seconds: Option<u64>,
    /// How many were begun and came to an end.
    pub tries: u64,
    /// How they ended.
    #[serde(flatten)]
    pub counts: JobCounts,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    plugin: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    plugin: String,
    kind: &'static str,
    outcome: &'static str,
}

/// The counters of all jobs.
pub(in crate::registry) struct Counts {
    registry: registry::Registry,
    depth: Family<JobLabels, Gauge>,
    oldest: Family<JobLabels, Gauge>,
    tries: Family<EndLabels, Counter>,
    put_off: Family<JobLabels, Counter>,
    dropped: Family<JobLabels, Counter>,
    planned_pages: Counter,
    planned_artifacts: Counter,
    ended: Mutex<BTreeMap<(String, JobKind), JobCounts>>,
}

impl Counts {
    pub(in crate::registry) fn new() -> Self {
        let mut registry = registry::Registry::with_prefix("portolan");
        let (depth, oldest) = (Family::default(), Family::default());
        registry.register("jobs", "Jobs that are to be done, those that run included", depth.clone());
        registry.register(
            "jobs_oldest_seconds",
            "How long ago the oldest job was planned",
            oldest.clone(),
        );
        let (tries, put_off, dropped) = (Family::default(), Family::default(), Family::default());
        registry.register("job_tries", "Tries to do a job, by how they ended", tries.clone());
        registry.register("job_put_offs", "Jobs that had to wait, which is no try", put_off.clone());
        registry.register("job_drops", "Jobs that there was nothing to do for", dropped.clone());
        let (planned_pages, planned_artifacts) = (Counter::default(), Counter::default());
        registry.register(
            "job_plan_pages",
            "Transactions that planned jobs for artifacts from before",
            planned_pages.clone(),
        );
        registry.register(
            "job_plan_artifacts",
            "Artifacts from before that were looked at",
            planned_artifacts.clone(),
        );
        Self {
            registry,
            depth,
            oldest,
            tries,
            put_off,
            dropped,
            planned_pages,
            planned_artifacts,
            ended: Mutex::default(),
        }
    }

    pub(super) fn count(&self, job: &Job, verdict: &Verdict) {
        let (plugin, kind) = (job.stamp.plugin.clone(), kind_name(job.kind));
        let tried = |outcome| EndLabels {
            plugin: plugin.clone(),
            kind,
            outcome,
        };
        let labels = JobLabels {
            plugin: plugin.clone(),
            kind,
        };
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = ended.entry((plugin.clone(), job.kind)).or_default();
        let (counted, metric) = match verdict {
            Verdict::Done => (&mut counts.done, self.tries.get_or_create_owned(&tried("done"))),
            Verdict::Again { .. } => (&mut counts.again, self.tries.get_or_create_owned(&tried("again"))),
            Verdict::GivenUp { .. } => (&mut counts.given_up, self.tries.get_or_create_owned(&tried("given_up"))),
            Verdict::PutOff { .. } => (&mut counts.put_off, self.put_off.get_or_create_owned(&labels)),
            Verdict::Dropped => (&mut counts.dropped, self.dropped.get_or_create_owned(&labels)),
        };
        *counted += 1;
        metric.inc();
    }

    pub(super) fn count_page(&self, artifacts: usize) {
        self.planned_pages.inc();
        self.planned_artifacts.inc_by(artifacts as u64);
    }

    pub(super) fn planned_artifacts(&self) -> u64 {
        self.planned_artifacts.get()
    }

    fn ended(&self, plugin: &str, kind: JobKind) -> JobCounts {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.get(&(plugin.to_owned(), kind)).copied().unwrap_or_default()
    }
}

impl Registry {
    /// Returns how it stands with the jobs of a plugin, by kind. It says nothing about repositories.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn jobs_of(&self, plugin: &str) -> Result<BTreeMap<&'static str, JobStatus>, RegistryError> {
        let (counts, now) = (self.metadata().job_counts().await?, now_seconds());
        let status = |kind| {
            let ended = self.jobs.ended(plugin, kind);
            let count = counts.iter().find(|count| count.plugin == plugin && count.kind == kind);
            JobStatus {
                depth: count.map_or(0, |count| count.depth),
                oldest_seconds: count.and_then(|count| count.oldest).map(|oldest| now.saturating_sub(oldest)),
                tries: ended.done + ended.again + ended.given_up,
                counts: ended,
            }
        };
        let kinds = [JobKind::Index, JobKind::Scan];
        Ok(kinds.into_iter().map(|kind| (kind_name(kind), status(kind))).collect())
    }

    /// Returns the counters of jobs as text for Prometheus, without the line that ends an exposition. Where the metadata fails, depth and age are
    /// those of before.
    #[must_use]
    pub async fn jobs_metrics_text(&self) -> String {
        let (jobs, now) = (&self.jobs, now_seconds());
        let counts = self.metadata().job_counts().await.unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "jobs cannot be counted");
            Vec::new()
        });
        for count in counts {
            let labels = JobLabels {
                plugin: count.plugin,
                kind: kind_name(count.kind),
            };
            let age = count.oldest.map_or(0, |oldest| now.saturating_sub(oldest));
            let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            jobs.depth.get_or_create(&labels).set(number(count.depth));
            jobs.oldest.get_or_create(&labels).set(number(age));
        }
        let mut out = String::new();
        text::encode_registry(&mut out, &jobs.registry).expect("writing to a string cannot fail");
        out
    }
}
