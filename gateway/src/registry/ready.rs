//! Whether something could be stored now.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::{Registry, RegistryError, now_seconds};
use crate::metadata::Command;

/// How long an answer holds: whoever asks more often does not wear the disk.
const HOLDS: Duration = Duration::from_secs(1);
/// How long a disk may take to write a few bytes.
const TIME_MAX: Duration = Duration::from_secs(5);

/// The last answer. Who asks while it is being found waits for it.
#[derive(Default)]
pub(super) struct Probe {
    last: Mutex<Option<(Instant, Option<&'static str>)>>,
    trying: Arc<AtomicBool>,
}

impl Registry {
    /// Tries whether something can be stored now: writes to the storage and to the metadata, at most once a second.
    ///
    /// # Errors
    /// [`RegistryError::NotReady`] says what cannot be written.
    pub async fn expect_ready(&self) -> Result<(), RegistryError> {
        let mut last = self.probe.last.lock().await;
        let failing = match *last {
            Some((at, failing)) if at.elapsed() < HOLDS => failing,
            _ => {
                let failing = self.try_writing().await;
                *last = Some((Instant::now(), failing));
                failing
            }
        };
        failing.map_or(Ok(()), |what| Err(RegistryError::NotReady(what)))
    }

    /// Returns what cannot be written.
    async fn try_writing(&self) -> Option<&'static str> {
        // A disk that hangs holds one attempt, and not one of each second.
        if self.probe.trying.swap(true, Ordering::AcqRel) {
            return Some("the disk does not answer");
        }
        let (registry, trying) = (self.clone(), self.probe.trying.clone());
        let writing = self.own(async move {
            let failing = registry.write().await;
            trying.store(false, Ordering::Release);
            Ok(failing)
        });
        match tokio::time::timeout(TIME_MAX, writing).await {
            Ok(failing) => failing.unwrap_or(Some("the gateway is stopping")),
            Err(_) => Some("the disk does not answer"),
        }
    }

    async fn write(&self) -> Option<&'static str> {
        if let Err(error) = self.storage().probe().await {
            tracing::error!(error = &error as &dyn std::error::Error, "the storage cannot be written");
            return Some("the storage cannot be written");
        }
        let command = Command::Probe { now: now_seconds() };
        if let Err(error) = self.metadata().apply(command).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the metadata cannot be written");
            return Some("the metadata cannot be written");
        }
        None
    }
}
