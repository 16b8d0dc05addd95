//! The gateway as people run it: a process of its own, from the real program, in a temporary folder.
//!
//! The program, the plugins and the guests come from the environment that `cargo xtask test` sets; without it a test fails and
//! says so.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};

use anyhow::{Context, bail};
use tempfile::TempDir;

/// What the line begins with that the gateway prints when it is ready; the URL follows.
const READY: &str = "portolan is ready at http://";
/// What the line begins with that the gateway prints about a plugin that it cannot load.
const NOT_LOADED: &str = "portolan: not loaded: ";
/// How long the gateway may take to start. It compiles its plugins, on a machine that may be busy.
const START_MAX: Duration = Duration::from_secs(120);
/// How much of the gateway's log is shown where something went wrong.
const LOG_BYTES_MAX: usize = 8000;

/// How a gateway is started.
#[derive(Debug, Default)]
pub struct Setup {
    under: Vec<String>,
    config: String,
    plugins: Vec<PathBuf>,
    stderr: Option<OwnedFd>,
}

impl Setup {
    /// A gateway with the default configuration and no plugin.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the gateway by another program, which takes its command line as arguments and leaves the process to it.
    #[must_use]
    pub fn under(mut self, program: &[&str]) -> Self {
        self.under = program.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Adds text to the configuration file.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self.config.push('\n');
        self
    }

    /// Adds a plugin file.
    #[must_use]
    pub fn plugin(mut self, file: PathBuf) -> Self {
        self.plugins.push(file);
        self
    }

    /// Sends the gateway's log somewhere else than to a file that can be read.
    #[must_use]
    pub fn stderr(mut self, to: impl Into<OwnedFd>) -> Self {
        self.stderr = Some(to.into());
        self
    }

    /// Starts a gateway in a new temporary folder.
    ///
    /// # Errors
    /// When the gateway does not become ready, or does not load a plugin: with what it printed.
    pub fn start(&self) -> anyhow::Result<GatewayProcess> {
        let folder = tempfile::tempdir()?;
        let mut gateway = self.start_in(folder.path())?;
        gateway.folder = Some(folder);
        Ok(gateway)
    }

    /// Starts a gateway in a folder, with the data that an earlier one left there.
    ///
    /// # Errors
    /// When the gateway does not become ready, or does not load a plugin: with what it printed.
    pub fn start_in(&self, folder: &Path) -> anyhow::Result<GatewayProcess> {
        let (config, plugins, log) = (folder.join("portolan.toml"), folder.join("plugins"), folder.join("log"));
        fs::create_dir_all(&plugins)?;
        fs::write(&config, &self.config)?;
        for plugin in &self.plugins {
            let name = plugin.file_name().context("a plugin is a file")?;
            fs::copy(plugin, plugins.join(name)).with_context(|| format!("cannot read the plugin {}", plugin.display()))?;
        }
        let program = environment("PORTOLAN_BIN")?;
        let mut command = match self.under.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&config);
        command.arg("--data").arg(folder.join("data")).arg("--plugins").arg(&plugins);
        let log_file = fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(match &self.stderr {
                Some(stderr) => Stdio::from(stderr.try_clone()?),
                None => Stdio::from(log_file),
            })
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let output = child.stdout.take().context("the output is a pipe")?;
        let mut gateway = GatewayProcess {
            child,
            address: String::new(),
            log,
            folder: None,
        };
        gateway.address =
            ready(output).with_context(|| format!("the gateway did not become ready; it said:\n{}", gateway.log()))?;
        if let Some(reason) = gateway.log().lines().find(|line| line.starts_with(NOT_LOADED)) {
            bail!("the gateway started without a plugin that it was given: {reason}");
        }
        Ok(gateway)
    }
}

/// A gateway that runs; it is killed when this is dropped.
#[derive(Debug)]
pub struct GatewayProcess {
    child: Child,
    address: String,
    log: PathBuf,
    folder: Option<TempDir>,
}

impl GatewayProcess {
    /// Returns host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the end of what the gateway wrote to standard error.
    #[must_use]
    pub fn log(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let end = log.get(log.len().saturating_sub(LOG_BYTES_MAX)..).unwrap_or_default();
        String::from_utf8_lossy(end).into_owned()
    }

    /// Returns everything that the gateway wrote to standard error.
    #[must_use]
    pub fn whole_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Returns what the gateway answers to a GET, which must succeed, as JSON.
    ///
    /// # Errors
    /// When the gateway cannot be reached or answers something else.
    pub fn get_json(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        let url = self.url(path);
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail-with-body", "--max-time", "60", &url])
            .output()?;
        let body = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("GET {url} failed: {} {body}", String::from_utf8_lossy(&output.stderr));
        }
        serde_json::from_str(&body).with_context(|| format!("GET {url} does not answer JSON: {body}"))
    }

    /// Ends the gateway at once, as a crash would.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the gateway to end.
    ///
    /// # Errors
    /// When the process cannot be told.
    pub fn terminate(&self) -> anyhow::Result<()> {
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .context("a process has an id")?;
        Ok(rustix::process::kill_process(id, rustix::process::Signal::TERM)?)
    }

    /// Waits until the gateway has ended, and returns how it did.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn wait(mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// Asks the gateway to end, and waits until it has.
    ///
    /// # Errors
    /// When it does not end well.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.terminate()?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the gateway ended with {status}; it said:\n{}", self.log());
        }
        Ok(())
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits for the ready line and returns the address in it.
fn ready(output: ChildStdout) -> anyhow::Result<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let address = lines.find_map(|line| Some(line.strip_prefix(READY)?.split_whitespace().next()?.to_owned()));
        drop(sender.send(address));
        // What follows is read until the end, so that the gateway never finds its output closed.
        lines.for_each(drop);
    });
    match receiver.recv_timeout(START_MAX) {
        Ok(Some(address)) => Ok(address),
        Ok(None) => bail!("it ended"),
        Err(_) => bail!("it printed no line that begins with {READY:?} for {} s", START_MAX.as_secs()),
    }
}

/// Returns a path that `cargo xtask test` put into the environment.
///
/// # Errors
/// When it is not there.
pub fn environment(variable: &str) -> anyhow::Result<PathBuf> {
    let value = std::env::var_os(variable)
        .with_context(|| format!("{variable} is not set: run `cargo xtask test`, which builds what this test needs"))?;
    Ok(value.into())
}

/// Returns the file of a first-party plugin.
///
/// # Errors
/// When it was not built.
pub fn plugin(name: &str) -> anyhow::Result<PathBuf> {
    built("PORTOLAN_PLUGINS", name)
}

/// Returns the file of a fixture guest.
///
/// # Errors
/// When it was not built.
pub fn guest(name: &str) -> anyhow::Result<PathBuf> {
    built("PORTOLAN_GUESTS", name)
}

fn built(variable: &str, name: &str) -> anyhow::Result<PathBuf> {
    let file = environment(variable)?.join(format!("{name}.wasm"));
    if !file.is_file() {
        bail!("{} does not exist: run `cargo xtask test`, which builds it", file.display());
    }
    Ok(file)
}
