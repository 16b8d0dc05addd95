//! Planning: finding what plugins have to do for artifacts that were stored before them.
//!
//! The gateway serves meanwhile. Candidates are looked at in pages, in the order of their types, and how far this has come is stored with
//! the jobs of each page, so that a crash goes on where it was. It is remembered for the digests of all active plugins and their settings: a
//! start with the same plugins looks at nothing again. An artifact belongs to one plugin, so no two of them plan for it in turns.

use std::time::Duration;

use tokio::sync::watch;

use super::IDLE;
use crate::{
    metadata::{Command, JobKind, MetadataError, Plan, PlanCursor, Refused},
    registry::{Owner, Registry, RegistryError, now_seconds},
};

/// How many artifacts one transaction plans for: a few milliseconds for which a push waits at most.
const PAGE: usize = 200;
/// How long planning pauses at most where the metadata fails.
const TROUBLE_MAX: Duration = Duration::from_secs(80);

impl Registry {
    /// Plans jobs for artifacts from before, at the beginning and whenever another set of plugins is active, until told to stop.
    pub async fn run_planning(self, mut stop: watch::Receiver<bool>) {
        let mut trouble = IDLE;
        loop {
            let planned = tokio::select! {
                planned = self.plan_all() => planned,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let pause = match planned {
                Ok(()) => {
                    trouble = IDLE;
                    None
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "artifacts from before cannot be looked at now; it will be tried again");
                    trouble = TROUBLE_MAX.min(trouble * 2);
                    Some(trouble)
                }
            };
            tokio::select! {
                () = self.plan_wake.notified() => {}
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Looks at everything that has not been looked at for the active set of plugins.
    async fn plan_all(&self) -> Result<(), RegistryError> {
        let begun = self.jobs.planned_artifacts();
        while let Some((set, cursor)) = self.metadata().planned().await? {
            match self.plan_from(&set, cursor).await {
                // Another set of plugins became active meanwhile.
                Err(RegistryError::Metadata(MetadataError::Refused(Refused::Moved))) => {}
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        let artifacts = self.jobs.planned_artifacts() - begun;
        if artifacts > 0 {
            tracing::info!(artifacts, "artifacts that were stored before are looked at again");
        }
        Ok(())
    }

    async fn plan_from(&self, set: &str, mut cursor: PlanCursor) -> Result<(), RegistryError> {
        while cursor < PlanCursor::end() {
            let owner = self.hooks.owner(std::slice::from_ref(&cursor.artifact_type));
            let owner = owner.filter(|owner| owner.index || owner.scan);
            let page = match &owner {
                Some(_) => self.metadata().candidates(&cursor, PAGE).await?,
                None => Vec::new(),
            };
            let (Some(owner), Some((last, _))) = (owner, page.last()) else {
                // The types that nobody claims are passed over without a word; where all are looked at, that is remembered.
                cursor = self.next_type(&cursor).await?;
                if cursor == PlanCursor::end() {
                    self.plan_page(set, None, Vec::new(), cursor.clone()).await?;
                }
                tokio::task::yield_now().await;
                continue;
            };
            cursor.artifact = *last;
            let owned = page.into_iter().filter(|(_, candidates)| {
                let owner = self.hooks.owner(candidates);
                owner.is_some_and(|owner| owner.artifact_type == cursor.artifact_type)
            });
            let artifacts = owned.map(|(artifact, _)| artifact).collect();
            self.plan_page(set, Some(owner), artifacts, cursor.clone()).await?;
        }
        Ok(())
    }

    async fn next_type(&self, cursor: &PlanCursor) -> Result<PlanCursor, RegistryError> {
        let next = self.metadata().candidate_type_after(&cursor.artifact_type).await?;
        Ok(next.map_or_else(PlanCursor::end, |artifact_type| PlanCursor {
            artifact_type,
            artifact: 0,
        }))
    }

    async fn plan_page(
        &self,
        set: &str,
        owner: Option<Owner>,
        artifacts: Vec<i64>,
        until: PlanCursor,
    ) -> Result<(), RegistryError> {
        let count = artifacts.len();
        let jobs = owner.map(|owner| {
            let wanted = [(owner.index, JobKind::Index), (owner.scan, JobKind::Scan)];
            let kinds = wanted
                .into_iter()
                .filter_map(|(wanted, kind)| wanted.then_some(kind))
                .collect();
            (owner.stamp, kinds)
        });
        let plan = Plan {
            set: set.to_owned(),
            jobs,
            artifacts,
            until,
            now: now_seconds(),
        };
        self.metadata().apply(Command::Plan(plan)).await?;
        if count > 0 {
            self.jobs.count_page(count);
            self.jobs_wake.notify_one();
        }
        Ok(())
    }
}
