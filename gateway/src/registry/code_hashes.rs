//! The hashes of machine code that this gateway compiled from components.
//!
//! Machine code lies in files beside the metadata and is loaded into the process, so its hash is kept where only the gateway writes.

use super::RegistryError;
use crate::{
    metadata::{Command, Metadata},
    oci::Digest,
};

/// What the plugin host may write: hashes of machine code, and nothing else.
#[derive(Clone)]
pub struct CodeHashes(Metadata);

impl CodeHashes {
    /// Keeps the hashes in this metadata.
    #[must_use]
    pub fn new(metadata: Metadata) -> Self {
        Self(metadata)
    }

    /// Returns the hash of the code that was compiled from a component by an engine.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn get(&self, component: &Digest, engine: &str) -> Result<Option<Digest>, RegistryError> {
        Ok(self.0.code(component, engine).await?)
    }

    /// Remembers the hash of the code that was compiled from a component by an engine.
    ///
    /// # Errors
    /// Fails where the metadata does.
    pub async fn put(&self, component: Digest, engine: String, code: Digest) -> Result<(), RegistryError> {
        self.0.apply(Command::PutCode { component, engine, code }).await?;
        Ok(())
    }
}
