//! What the gateway keeps for one call of a guest, and the limits of that call.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::runtime::Handle;
use wasmtime::{ResourceLimiter, component::ResourceTable};

use super::{Limits, guest_log::GuestLog, wasi::Wasi};
use crate::registry::{Reader, RegistryError};

/// Why the gateway ended a call. It is no answer of the guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The time is over.
    #[error("it ran for longer than {} seconds, its limit", .0.as_secs_f64())]
    Time(Duration),
    /// A limit of the gateway was met in a function that cannot say so to the guest.
    #[error("{0}")]
    Limit(String),
    /// Storage or metadata failed. The log has the cause.
    #[error("the storage of this gateway failed")]
    Storage,
    /// The guest asked to be ended.
    #[error("it ended itself")]
    Exit,
}

/// The data of a store: it lives as long as one call.
pub(super) struct State {
    /// What the guest holds handles of.
    pub(super) table: ResourceTable,
    /// How many that may be.
    pub(super) handles_max: u32,
    pub(super) limiter: Limiter,
    pub(super) clock: Clock,
    pub(super) log: GuestLog,
    pub(super) reads: Reads,
    pub(super) wasi: Wasi,
    runtime: Handle,
}

/// A part of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CataloguePart {
    pub(crate) prefix: String,
    /// Of what types entries were read, where nothing else was.
    pub(crate) types: Option<Vec<String>>,
}

/// What a call depended on beyond its arguments.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// The parts of the catalogue that were read, with their revisions before the first read.
    pub(crate) revisions: BTreeMap<CataloguePart, u64>,
    /// Whether something was missing, or of another artifact, so that the same call could give another result later.
    pub(crate) unsettled: bool,
}

impl CataloguePart {
    /// Returns a number that moves whenever something changes there, as far as the reader may see it.
    pub(crate) async fn revision(&self, reader: &Reader) -> Result<u64, RegistryError> {
        reader.revision(&self.prefix, self.types.as_deref()).await
    }

    /// Returns how much memory it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        let types = self.types.iter().flatten().map(|kind| kind.len() + size_of::<String>());
        size_of::<Self>() + self.prefix.len() + types.sum::<usize>()
    }
}

/// When a call has to be over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    time_max: Duration,
    end: Instant,
}

impl Clock {
    pub(super) fn start(time_max: Duration) -> Self {
        Self {
            time_max,
            end: Instant::now() + time_max,
        }
    }

    /// Fails when the time is over.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if Instant::now() < self.end {
            Ok(())
        } else {
            Err(Fault::Time(self.time_max))
        }
    }
}

impl State {
    pub(super) fn new(plugin: std::sync::Arc<str>, limits: &Limits, clock: Clock, runtime: Handle) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(limits.handles_max).unwrap_or(usize::MAX));
        let log = GuestLog::new(plugin, limits.log_lines_max);
        Self {
            table,
            handles_max: limits.handles_max,
            limiter: Limiter::new(limits),
            clock,
            log,
            reads: Reads::default(),
            wasi: Wasi::default(),
            runtime,
        }
    }

    /// Waits on a thread of guests for something of the registry, no longer than the call may take.
    pub(super) fn wait<T>(&self, work: impl Future<Output = Result<T, RegistryError>>) -> Result<T, Fault> {
        self.wait_for(work)?.map_err(|error| storage_fault(&error))
    }

    /// Waits in the same way for something that the registry may refuse.
    pub(super) fn wait_for<T>(&self, work: impl Future<Output = T>) -> Result<T, Fault> {
        let end = tokio::time::Instant::from_std(self.clock.end);
        let done = self.runtime.block_on(async { tokio::time::timeout_at(end, work).await });
        done.map_err(|_| Fault::Time(self.clock.time_max))
    }

    /// Notes that something is about to be read: entries of some types under a prefix, or anything there.
    pub(super) fn note(&mut self, reader: &Reader, prefix: &str, types: Option<&[String]>) -> Result<(), Fault> {
        let (prefix, types) = (prefix.to_owned(), types.map(<[String]>::to_vec));
        let part = CataloguePart { prefix, types };
        if !self.reads.revisions.contains_key(&part) {
            let revision = self.wait(part.revision(reader))?;
            self.reads.revisions.insert(part, revision);
        }
        Ok(())
    }
}

/// Logs why the registry failed: the guest's caller learns only that it did.
pub(super) fn storage_fault(error: &RegistryError) -> Fault {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "the registry failed while a plugin was reading"
    );
    Fault::Storage
}

/// Counts memory and tables of a guest, all of its instances together.
pub(super) struct Limiter {
    memory: u64,
    memory_max: u64,
    table_elements: u64,
    table_elements_max: u64,
    /// Which limit was met. The guest is told only that it cannot grow; what it does then rarely says why.
    pub(super) met: Option<String>,
}

impl Limiter {
    fn new(limits: &Limits) -> Self {
        let (memory_max, table_elements_max) = (limits.memory_bytes_max, limits.table_elements_max);
        Self {
            memory: 0,
            memory_max,
            table_elements: 0,
            table_elements_max,
            met: None,
        }
    }

    /// Returns how much memory the guest has. Memory never shrinks.
    pub(super) fn memory(&self) -> u64 {
        self.memory
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.memory + desired.saturating_sub(current) as u64;
        if wanted > self.memory_max {
            self.met = Some(format!(
                "it wanted {wanted} bytes of memory; its limit is {}",
                self.memory_max
            ));
            return Ok(false);
        }
        self.memory = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.table_elements + desired.saturating_sub(current) as u64;
        if wanted > self.table_elements_max {
            self.met = Some(format!(
                "it wanted {wanted} elements in tables; its limit is {}",
                self.table_elements_max
            ));
            return Ok(false);
        }
        self.table_elements = wanted;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together() {
        let mut limiter = Limiter::new(&Limits {
            memory_bytes_max: 100,
            table_elements_max: 10,
            ..Limits::default()
        });
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 60, None).unwrap());
        assert!(
            limiter
                .met
                .as_deref()
                .unwrap()
                .contains("120 bytes of memory; its limit is 100")
        );
        assert!(limiter.memory_growing(60, 100, None).unwrap());
        assert!(limiter.table_growing(0, 10, None).unwrap());
        assert!(!limiter.table_growing(10, 11, None).unwrap());
        assert!(limiter.met.as_deref().unwrap().contains("elements in tables"));
        assert_eq!(limiter.memory(), 100);
    }
}
