//! The server that is measured: where it listens, and what the system knows of its process.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;

/// How many ticks a second has in `/proc` (the system's `USER_HZ`, which is 100 on every Linux).
const TICKS_PER_SECOND: u64 = 100;

/// A server.
pub(crate) struct Server {
    pub(crate) target: SocketAddr,
    pid: Option<u32>,
}

/// The memory of a process in KiB.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident_kib: u64,
    pub(crate) peak_kib: u64,
}

impl Server {
    pub(crate) fn new(target: SocketAddr, pid: Option<u32>) -> Self {
        Self { target, pid }
    }

    /// Returns the processor time that the server has used so far, where its process is known.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Option<Duration>> {
        self.pid.map(processor_time).transpose()
    }

    /// Returns the memory of the server, where its process is known.
    pub(crate) fn memory(&self) -> anyhow::Result<Option<Memory>> {
        let Some(pid) = self.pid else { return Ok(None) };
        let status = read(pid, "status")?;
        let kib = |key: &str| -> anyhow::Result<u64> {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .with_context(|| format!("there is no {key}"))?;
            Ok(line.trim().trim_end_matches(" kB").parse()?)
        };
        Ok(Some(Memory {
            resident_kib: kib("VmRSS:")?,
            peak_kib: kib("VmHWM:")?,
        }))
    }
}

/// Returns the processor time that a process has used so far.
pub(crate) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = read(pid, "stat")?;
    // The name of the program, in parentheses, may hold blanks; the fields after it are numbered from 3.
    let (_, fields) = stat.rsplit_once(')').context("a process has a name in parentheses")?;
    let ticks = |number: usize| -> anyhow::Result<u64> {
        let field = fields
            .split_whitespace()
            .nth(number - 3)
            .context("a process has a processor time")?;
        Ok(field.parse()?)
    };
    let ticks = ticks(14)? + ticks(15)?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

fn read(pid: u32, name: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{pid}/{name}");
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}: does the process still run?"))
}
