//! Puts the gateway together from its configuration, runs it, stops it.

mod backup;
mod data;
mod limits;

use std::{net::SocketAddr, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle};

use crate::{
    auth::Grants,
    config::Config,
    http::{Gateway, Server, ServerError},
    log::Lines,
    metadata::{Metadata, MetadataError},
    oci::Scope,
    plugin_host::{PluginHost, PluginHostError},
    registry::{CodeHashes, Registry, RegistryError},
    services::Services,
    storage::{FsStorage, StorageError, create_folder_durably},
};

pub use backup::{BackupError, Copied, backup, restore};
pub use data::{Collectable, Data, collectable};
pub use limits::Footprint;

/// How often uploads are looked for that nobody uses any more.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(60);

/// Who may do what with the data folder: its owner alone.
const DATA_MODE: u32 = 0o700;

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The data folder cannot be used.
    #[error("the data folder {path} cannot be used: {reason}; choose another with --data or [storage] path")]
    Data {
        /// The folder.
        path: String,
        /// Why.
        reason: std::io::Error,
    },
    /// Another gateway uses the data folder.
    #[error("the data folder {0} is in use by another gateway; stop it, or choose another folder with --data or [storage] path")]
    DataInUse(String),
    /// There is no data.
    #[error("{0} holds no data of a gateway; name its folder with --data, or its configuration with --config")]
    NoData(String),
    /// A backup is being restored into the data folder, or was and was cut off.
    #[error("the data folder {0} was not restored to the end; run `portolan restore` again")]
    Restoring(String),
    /// The storage cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The metadata cannot be opened.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The plugin host cannot be started.
    #[error(transparent)]
    Plugins(#[from] PluginHostError),
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// A gateway that runs.
pub struct App {
    address: SocketAddr,
    gateway: Arc<Gateway>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    background: Vec<JoinHandle<()>>,
    /// Held as long as the gateway runs: one gateway a data folder.
    _lock: std::fs::File,
}

impl App {
    /// Opens the data, loads the plugins and begins to serve.
    ///
    /// # Errors
    /// Says what cannot be used, and what to do.
    pub async fn start(config: Config) -> Result<Self, AppError> {
        Self::assemble(config, None).await
    }

    /// Does what [`App::start`] does, and counts the lines that the log loses.
    ///
    /// # Errors
    /// Says what cannot be used, and what to do.
    pub async fn start_with_log(config: Config, log: Lines) -> Result<Self, AppError> {
        Self::assemble(config, Some(log)).await
    }

    async fn assemble(mut config: Config, log: Option<Lines>) -> Result<Self, AppError> {
        fit_to_machine(&mut config);
        // The port comes first: a second gateway should complain about the port and not about the data folder.
        let server = Server::listen(config.http.listen).await?;
        let address = server.address();
        let lock = lock_data(&config.storage.path)?;
        if backup::is_being_restored(&config.storage.path) {
            return Err(AppError::Restoring(config.storage.path.display().to_string()));
        }
        let storage = Arc::new(FsStorage::open(&config.storage.path)?);
        let metadata = Metadata::open(&config.storage.path)?;
        let plugins = PluginHost::new(config.plugins, CodeHashes::new(metadata.clone()))?;
        let registry = Registry::new(config.registry, storage, metadata, plugins.clone());
        registry.recover_uploads().await?;
        plugins.load_folder(&registry).await?;
        let services = Services::new(config.services, registry.clone(), plugins.clone());
        let gateway = Arc::new(Gateway::new(
            config.http,
            log,
            registry.clone(),
            plugins,
            services,
            Grants::within(Scope::all_but(config.auth.hidden)),
        ));
        let (stop, stopped) = watch::channel(false);
        let background = vec![
            tokio::spawn(registry.clone().run_jobs(stopped.clone())),
            tokio::spawn(registry.clone().run_planning(stopped.clone())),
            tokio::spawn(registry.clone().run_collection(stopped.clone())),
            tokio::spawn(registry.clone().run_scrub(stopped.clone())),
            tokio::spawn(expire_uploads(registry, stopped.clone())),
        ];
        let server = tokio::spawn(server.serve(gateway.clone(), stopped));
        Ok(Self {
            address,
            gateway,
            stop,
            server,
            background,
            _lock: lock,
        })
    }

    /// Returns the address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the titles of the types that plugins know, for people.
    #[must_use]
    pub fn known_types(&self) -> Vec<String> {
        let title = |kind: &serde_json::Value| kind["title"].as_str().or(kind["type"].as_str()).map(str::to_owned);
        let mut titles: Vec<String> = self.gateway.plugins.types().iter().filter_map(title).collect();
        titles.dedup();
        titles
    }

    /// Returns what is wrong with plugins that could not be loaded, a line each.
    #[must_use]
    pub fn quarantined(&self) -> Vec<String> {
        let plugins = self.gateway.plugins.plugins();
        plugins
            .iter()
            .filter_map(|plugin| Some(format!("{}: {}", plugin.file, plugin.reason.as_ref()?)))
            .collect()
    }

    /// Says that it is not ready for a while, stops accepting, lets running requests finish for as long as the configuration allows, and
    /// ends.
    pub async fn stop(self) {
        self.gateway.announce_stop();
        tokio::time::sleep(self.gateway.config.drain).await;
        self.stop.send_replace(true);
        for task in std::iter::once(self.server).chain(self.background) {
            if let Err(error) = task.await {
                tracing::error!(error = &error as &dyn std::error::Error, "a task did not end well");
            }
        }
        if let Err(error) = self.gateway.registry.end_collection().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "leases could not be written; the next run waits before it collects"
            );
        }
        self.gateway.registry.end().await;
    }
}

/// Raises the limit on descriptors, lets no more connections in than fit into it, and says what the limits come to.
fn fit_to_machine(config: &mut Config) {
    let (descriptors, wanted) = (limits::raise_descriptors(), config.http.connections_max);
    config.http.connections_max = limits::connections_that_fit(descriptors, wanted);
    let connections = config.http.connections_max;
    if connections < wanted {
        tracing::warn!(
            descriptors,
            wanted,
            connections,
            "fewer connections than configured: this process may have too few file descriptors"
        );
    }
    let memory_mib = Footprint::of(config).memory_bytes() >> 20;
    tracing::info!(
        descriptors,
        connections,
        memory_mib,
        "what the limits come to together; `portolan config check` shows the parts"
    );
}

/// Creates the data folder and takes hold of it.
fn lock_data(data: &Path) -> Result<std::fs::File, AppError> {
    let path = data.display().to_string();
    let open = || -> std::io::Result<std::fs::File> {
        create_folder_durably(data)?;
        // Whoever may read the files would see every repository, hidden ones too; folders of earlier versions were readable for all.
        std::fs::set_permissions(data, std::fs::Permissions::from_mode(DATA_MODE))?;
        std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(data.join("lock"))
    };
    let file = open().map_err(|reason| AppError::Data {
        path: path.clone(),
        reason,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(AppError::DataInUse(path)),
        Err(std::fs::TryLockError::Error(reason)) => Err(AppError::Data { path, reason }),
    }
}

async fn expire_uploads(registry: Registry, mut stop: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(EXPIRE_INTERVAL);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = registry.expire_uploads().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "uploads could not be expired; it will be tried again"
            );
        }
    }
}
