//! `cargo xtask fuzz`: the project's readers beside the stock ones, which are Go's.

use std::path::PathBuf;

use crate::{
    process::{cargo, run, step, target},
    tools,
};

/// What is compared.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Decides on every input: the same seed gives the same inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long to go on, in all.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only this format; of a name that is none, all formats are told.
    #[arg(long)]
    format: Option<String>,
    /// Reads one input again from a file that an earlier run wrote.
    #[arg(long, requires = "format", value_name = "FILE")]
    replay: Option<PathBuf>,
}

/// Builds the oracle and the harness, and compares.
pub(crate) fn fuzz(options: &Options) -> anyhow::Result<()> {
    let oracle = tools::ensure(&["oracle"])?.folder().join("oracle");
    // The features of all packages are chosen, as everywhere else, so that nothing is built twice.
    step("harness", || {
        run(&mut cargo(["build", "--quiet", "--workspace", "--bin", "portolan-fuzz"]))
    })?;
    let mut command = std::process::Command::new(target().join("debug/portolan-fuzz"));
    command.arg("--oracle").arg(oracle).arg("--folder").arg(target().join("fuzz"));
    command.arg("--seed").arg(options.seed.to_string());
    command.arg("--seconds").arg(options.seconds.to_string());
    if let Some(format) = &options.format {
        command.arg("--format").arg(format);
    }
    if let Some(file) = &options.replay {
        command.arg("--replay").arg(file);
    }
    run(&mut command)
}
