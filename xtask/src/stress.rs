//! The stress test and the soak of the collection, for as long as one likes.

use crate::process::{cargo, run, step, target};

/// How long, and with which choices.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// For how many minutes.
    #[arg(long, default_value_t = 1)]
    minutes: u64,
    /// Repeats the choices of a run; what the machine does meanwhile may differ.
    #[arg(long)]
    seed: Option<u64>,
}

/// How much, and with which choices.
#[derive(clap::Args)]
pub(crate) struct Soak {
    /// How many events there are.
    #[arg(long, default_value_t = 100_000)]
    events: u64,
    /// Repeats the choices of a run; what the machine does meanwhile may differ.
    #[arg(long)]
    seed: Option<u64>,
}

/// Builds the gateway and runs the soak.
pub(crate) fn soak(options: &Soak) -> anyhow::Result<()> {
    step("gateway", || run(&mut cargo(["build", "--workspace", "--bin", "portolan"])))?;
    step("soak", || {
        let mut command = cargo(["test", "--workspace", "--test", "crash", "soak", "--", "--nocapture"]);
        command
            .env("PORTOLAN_BIN", target().join("debug/portolan"))
            .env("PORTOLAN_SOAK_EVENTS", options.events.to_string());
        if let Some(seed) = options.seed {
            command.env("PORTOLAN_SOAK_SEED", seed.to_string());
        }
        run(&mut command)
    })
}

/// Builds the gateway and runs the stress test.
pub(crate) fn stress(options: &Options) -> anyhow::Result<()> {
    step("gateway", || run(&mut cargo(["build", "--workspace", "--bin", "portolan"])))?;
    step("stress", || {
        let mut command = cargo(["test", "--workspace", "--test", "crash", "stress", "--", "--nocapture"]);
        command
            .env("PORTOLAN_BIN", target().join("debug/portolan"))
            .env("PORTOLAN_STRESS_SECONDS", (options.minutes * 60).to_string());
        if let Some(seed) = options.seed {
            command.env("PORTOLAN_STRESS_SEED", seed.to_string());
        }
        run(&mut command)
    })
}
