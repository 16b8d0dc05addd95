//! Work on a data folder: of a gateway that does not run, or beside one that does where it is only read.

use std::{fs::File, path::Path, sync::Arc};

use super::{AppError, lock_data};
use crate::{
    config::Config,
    metadata::{GarbageCount, Metadata, Snapshot},
    registry::{CollectionStatus, NoHooks, Registry, Scrub, ScrubProgress, ScrubReport},
    storage::FsStorage,
};

/// The data of a gateway that does not run.
pub struct Data {
    registry: Registry,
    _lock: File,
}

/// How much there is to collect.
#[derive(Debug, Clone, Copy)]
pub struct Collectable {
    /// How many links go whose lease has ended and that no manifest names.
    pub links: u64,
    /// How many bytes their blobs have.
    pub link_bytes: u64,
    /// What is about to be removed from the storage.
    pub garbage: GarbageCount,
}

impl Data {
    /// Opens the data folder of a configuration.
    ///
    /// # Errors
    /// [`AppError::DataInUse`] where its gateway runs.
    pub async fn open(config: Config) -> Result<Self, AppError> {
        let path = config.storage.path;
        if !Snapshot::file(&path).exists() {
            return Err(AppError::NoData(path.display().to_string()));
        }
        let lock = lock_data(&path)?;
        let storage = Arc::new(FsStorage::open(&path)?);
        let registry = Registry::new(config.registry, storage, Metadata::open(&path)?, Arc::new(NoHooks));
        registry.recover_uploads().await?;
        Ok(Self { registry, _lock: lock })
    }

    /// Collects what can be collected now, and returns what that was.
    ///
    /// # Errors
    /// Fails where storage or metadata do.
    pub async fn collect(&self) -> Result<CollectionStatus, AppError> {
        let begin = self.registry.begin_collection().await?;
        self.registry.collect(begin).await?;
        if self.registry.may_collect_links(begin) {
            self.registry.end_collection().await?;
        }
        Ok(self.registry.collection_status().await?)
    }

    /// Reads everything that is stored.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn scrub(&self, scrub: Scrub, progress: impl FnMut(ScrubProgress) + Send) -> Result<ScrubReport, AppError> {
        Ok(self.registry.scrub(scrub, progress).await?)
    }
}

/// Tells how much there is to collect in a data folder, whose gateway may run.
///
/// # Errors
/// Fails where the metadata cannot be read.
pub fn collectable(data: &Path, now: u64) -> Result<Collectable, AppError> {
    if !Snapshot::file(data).exists() {
        return Err(AppError::NoData(data.display().to_string()));
    }
    let snapshot = Snapshot::open(data)?;
    let (links, link_bytes) = snapshot.unnamed_links(now)?;
    Ok(Collectable {
        links,
        link_bytes,
        garbage: snapshot.garbage_count()?,
    })
}
