//! A bounded load generator for OCI registries.
//!
//! It does a fixed number of operations over a fixed number of connections and prints one JSON line a row. It shares the cores
//! with the server it measures, so it does little: one thread, connections kept alive, content whose digest costs next to nothing.

mod client;
mod content;
mod floor;
mod measure;
mod rows;
mod server;
mod work;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::{measure::Measurement, rows::Row, server::Server};

/// Loads an OCI registry and measures it.
#[derive(Parser)]
#[command(name = "portolan-load", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs rows against a registry and prints a JSON line for each.
    #[command(after_help = "Example: portolan-load rows --target 127.0.0.1:5000 --pid 4711 push-10kb manifest-get")]
    Rows {
        /// Host and port of the registry.
        #[arg(long)]
        target: SocketAddr,
        /// The process of the registry, whose processor time and memory are measured.
        #[arg(long)]
        pid: Option<u32>,
        /// What makes the content of this run differ from that of other runs against the same registry.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        #[command(flatten)]
        extent: Extent,
        /// The rows; `portolan-load list` names them.
        #[arg(required = true)]
        rows: Vec<Row>,
    },
    /// Measures what the machine can do at best: synced writes, hashing, copying over loopback.
    #[command(after_help = "Example: portolan-load floor --folder /tmp/floor")]
    Floor {
        /// A new folder on the disk that is measured; what is written there stays.
        #[arg(long)]
        folder: PathBuf,
        #[command(flatten)]
        extent: Extent,
    },
    /// Names the rows.
    List,
}

/// How much is done.
#[derive(clap::Args, Clone, Copy)]
struct Extent {
    /// The share of the usual number of operations.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// The most seconds that are measured for a row: a slow server does fewer operations.
    #[arg(long, default_value_t = 20)]
    seconds_max: u64,
}

impl Extent {
    /// Returns this share of a number of operations, and at least `least`.
    fn of(self, operations: u64, least: u64) -> u64 {
        // Rows have at most some ten thousand operations, which a float holds exactly.
        ((operations as f64 * self.scale) as u64).max(least)
    }

    fn time_max(self) -> Duration {
        Duration::from_secs(self.seconds_max)
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("portolan-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether every operation of every row succeeded.
fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Rows {
            target,
            pid,
            seed,
            extent,
            rows,
        } => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("cannot start")?;
            let server = Server::new(target, pid);
            let mut good = true;
            for row in rows {
                let measured = runtime.block_on(rows::run(row, &server, seed, extent));
                let measured = measured.with_context(|| format!("row {} cannot be measured", row.name()))?;
                good &= report(&measured)?;
            }
            Ok(good)
        }
        Command::Floor { folder, extent } => {
            for measured in floor::run(&folder, extent)? {
                report(&measured)?;
            }
            Ok(true)
        }
        Command::List => {
            rows::names().for_each(|name| println!("{name}"));
            Ok(true)
        }
    }
}

fn report(measured: &Measurement) -> anyhow::Result<bool> {
    println!("{}", serde_json::to_string(measured)?);
    if let Some(error) = &measured.first_error {
        eprintln!(
            "portolan-load: {} of {} operations of row {} failed, first: {error}",
            measured.errors, measured.ops, measured.row
        );
    }
    Ok(measured.errors == 0)
}
