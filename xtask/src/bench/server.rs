//! The servers that are compared.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::{Build, Programs, http};

/// What Portolan's line begins with when it is ready; the address follows.
const READY: &str = "portolan is ready at http://";
/// How long a server may take to start; compiling plugins for the first time is included.
const START_MAX: Duration = Duration::from_secs(120);
/// The pause between two looks at a server that does not say when it is ready.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);
/// The plugin whose cost is measured.
const PLUGIN: &str = "helm";
/// The capabilities that a push waits for.
const PUSH_CAPABILITIES: [&str; 3] = ["validate", "index", "admit"];

/// A server that takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Portolan without plugins.
    Plain,
    /// Portolan with the Helm plugin.
    WithPlugin,
    /// The reference registry.
    Reference,
    /// What another commit builds, without plugins.
    Before,
    /// What another commit builds, with its own Helm plugin.
    BeforeWithPlugin,
}

impl Kind {
    /// Portolan beside another registry.
    pub(super) const PEERS: [Self; 3] = [Self::Plain, Self::WithPlugin, Self::Reference];
    /// Portolan beside another build of it.
    pub(super) const AGAINST: [Self; 4] = [Self::Plain, Self::Before, Self::WithPlugin, Self::BeforeWithPlugin];

    fn has_plugin(self) -> bool {
        matches!(self, Self::WithPlugin | Self::BeforeWithPlugin)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "portolan",
            Self::WithPlugin => "portolan-with-helm",
            Self::Reference => "reference",
            Self::Before => "before",
            Self::BeforeWithPlugin => "before-with-helm",
        }
    }
}

/// A server that runs; it is killed when this is dropped.
pub(super) struct Server {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
    /// The time from the start of the process to the first good answer.
    pub(super) start_ms: f64,
    child: Child,
}

/// What a plugin did so far for pushes.
pub(super) struct PluginSeconds {
    /// How many pushes it validated.
    pub(super) calls: u64,
    /// How long it took altogether, what follows the validation included.
    pub(super) seconds: f64,
}

impl Server {
    /// Starts a server on the data in a folder, and waits until it answers.
    pub(super) fn start(programs: &Programs, kind: Kind, folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let started = match kind {
            Kind::Plain | Kind::WithPlugin => start_portolan(&programs.now, kind, folder),
            Kind::Before | Kind::BeforeWithPlugin => {
                let before = programs.before.as_ref().context("there is no other build")?;
                start_portolan(before, kind, folder)
            }
            Kind::Reference => start_reference(programs, folder),
        };
        started.with_context(|| {
            format!(
                "{} does not start; its log is in {}",
                kind.name(),
                folder.join("log").display()
            )
        })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn resident_kib(&self) -> anyhow::Result<u64> {
        self.memory("VmRSS:")
    }

    pub(super) fn peak_kib(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM:")
    }

    /// Returns what the plugin did so far, where there is one.
    pub(super) fn plugin_seconds(&self) -> anyhow::Result<Option<PluginSeconds>> {
        if !self.kind.has_plugin() {
            return Ok(None);
        }
        let (status, body) = http::get(self.address, &format!("/v2/_portolan/plugins/{PLUGIN}"))?;
        ensure!(
            status == 200,
            "the gateway does not tell about its plugin {PLUGIN}: {status} {body}"
        );
        let plugin: Value = serde_json::from_str(&body)?;
        let seconds = |capability: &str| plugin["calls"][capability]["seconds"].as_f64().unwrap_or_default();
        let calls = plugin["calls"]["validate"]["count"].as_u64().unwrap_or_default();
        Ok(Some(PluginSeconds {
            calls,
            seconds: PUSH_CAPABILITIES.into_iter().map(seconds).sum(),
        }))
    }

    /// Ends the server as an operator would.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let status = Command::new("kill").arg(self.child.id().to_string()).status()?;
        ensure!(status.success(), "{} cannot be stopped", self.kind.name());
        self.child.wait()?;
        Ok(())
    }

    fn memory(&self, key: &str) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .with_context(|| format!("there is no {key}"))?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn start_portolan(build: &Build, kind: Kind, folder: &Path) -> anyhow::Result<Server> {
    let (config, plugins) = (folder.join("portolan.toml"), folder.join("plugins"));
    // The reference registry logs no requests here, and so does Portolan not.
    fs::write(&config, "[log]\nlevel = \"warn\"\n")?;
    fs::create_dir_all(&plugins)?;
    if kind.has_plugin() {
        let file = build.plugins.join(format!("{PLUGIN}.wasm"));
        fs::copy(&file, plugins.join(format!("{PLUGIN}.wasm"))).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    let mut command = Command::new(&build.portolan);
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config);
    command.arg("--data").arg(folder.join("data")).arg("--plugins").arg(plugins);
    let log = fs::File::create(folder.join("log"))?;
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context("cannot run portolan")?;
    let output = child.stdout.take().context("the output is a pipe")?;
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let address = lines.find_map(|line| line.strip_prefix(READY)?.split_whitespace().next()?.parse().ok());
    // Where it ended instead, there is no such line.
    let address = address.context("it printed no ready line")?;
    ensure!(
        http::get(address, "/v2/")?.0 == 200,
        "it does not answer although it says that it is ready"
    );
    Ok(Server {
        kind,
        address,
        start_ms: begin.elapsed().as_secs_f64() * 1e3,
        child,
    })
}

fn start_reference(programs: &Programs, folder: &Path) -> anyhow::Result<Server> {
    // It cannot choose a port itself and say which.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config = folder.join("config.yml");
    let text = format!(
        "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {}\n  \
         delete:\n    enabled: true\nhttp:\n  addr: {address}\n",
        folder.join("data").display()
    );
    fs::write(&config, text)?;
    let mut command = Command::new(&programs.registry);
    command.arg("serve").arg(config);
    let log = fs::File::create(folder.join("log"))?;
    let begin = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("cannot run the registry")?;
    let mut server = Server {
        kind: Kind::Reference,
        address,
        start_ms: 0.0,
        child,
    };
    while !http::get(address, "/v2/").is_ok_and(|(status, _)| status == 200) {
        if let Some(status) = server.child.try_wait()? {
            bail!("it ended with {status}");
        }
        ensure!(begin.elapsed() < START_MAX, "it did not answer for {} s", START_MAX.as_secs());
        std::thread::sleep(LOOK_INTERVAL);
    }
    server.start_ms = begin.elapsed().as_secs_f64() * 1e3;
    Ok(server)
}
