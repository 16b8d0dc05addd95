//! Runs the load generator and reads what it measured.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use serde::Deserialize;

use super::server::{Kind, Server};

/// How much is done.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    /// The share of the usual number of operations.
    pub(super) scale: f64,
}

/// The load generator.
pub(super) struct Loader {
    program: PathBuf,
    extent: Extent,
}

/// A line of the load generator.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Measured {
    pub(super) row: String,
    /// Which server was loaded; nothing for the floor.
    #[serde(skip)]
    pub(super) server: Option<Kind>,
    pub(super) bytes_per_op: u64,
    pub(super) concurrency: usize,
    pub(super) rps: f64,
    pub(super) mean_ms: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) cpu_ms_per_op: Option<f64>,
    /// What the gateway says its plugin took for each push.
    #[serde(skip)]
    pub(super) plugin_ms: Option<f64>,
}

impl Loader {
    pub(super) fn new(program: PathBuf, extent: Extent) -> Self {
        Self { program, extent }
    }

    /// Measures a row on a server. A run that is told from others by its seed pushes content of its own.
    pub(super) fn row(&self, row: &str, server: &Server, seed: u64) -> anyhow::Result<Measured> {
        let mut command = self.command("rows");
        command.arg("--target").arg(server.address.to_string());
        command
            .arg("--pid")
            .arg(server.id().to_string())
            .arg("--seed")
            .arg(seed.to_string())
            .arg(row);
        let mut lines = lines(&mut command).with_context(|| format!("row {row} failed on {}", server.kind.name()))?;
        let mut measured = lines.pop().context("the load generator printed nothing")?;
        measured.server = Some(server.kind);
        Ok(measured)
    }

    /// Measures what the machine can do.
    pub(super) fn floor(&self, folder: &Path) -> anyhow::Result<Vec<Measured>> {
        lines(self.command("floor").arg("--folder").arg(folder))
    }

    fn command(&self, task: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(task).arg("--scale").arg(self.extent.scale.to_string());
        command
    }
}

fn lines(command: &mut Command) -> anyhow::Result<Vec<Measured>> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("the load generator ended with {}: {text}", output.status);
    }
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("not a measurement: {line}")))
        .collect()
}
