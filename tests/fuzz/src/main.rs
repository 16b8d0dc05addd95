//! The fuzzer's command line, which `cargo xtask fuzz` calls with the oracle that it built.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::Parser;
use portolan_fuzz::{
    compare::{Outcome, compare},
    formats::{self, Format},
    oracle::Oracle,
    run::{Plan, report, run},
    text,
};

/// Compares the project's readers with the stock ones.
#[derive(Parser)]
#[command(name = "cargo xtask fuzz")]
struct Arguments {
    /// The oracle's program.
    #[arg(long)]
    oracle: PathBuf,
    /// Where inputs that show a difference are written.
    #[arg(long)]
    folder: PathBuf,
    /// Decides on every input: the same seed gives the same inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long to go on, in all.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only this format.
    #[arg(long)]
    format: Option<String>,
    /// Reads one input again from a file that an earlier run wrote, or that a person did.
    #[arg(long, requires = "format")]
    replay: Option<PathBuf>,
}

fn main() -> ExitCode {
    match work(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fuzz: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether there was no difference.
fn work(arguments: Arguments) -> anyhow::Result<bool> {
    let chosen: Vec<&Format> = formats::ALL
        .iter()
        .filter(|format| arguments.format.as_ref().is_none_or(|name| *name == format.name))
        .collect();
    if chosen.is_empty() {
        let known: Vec<&str> = formats::ALL.iter().map(|format| format.name).collect();
        bail!("there is no such format; the formats are {}", known.join(", "));
    }
    if let (Some(path), [format]) = (&arguments.replay, chosen.as_slice()) {
        return replay(&arguments.oracle, format, path);
    }
    let share = u32::try_from(chosen.len())?;
    let plan = Plan {
        oracle: arguments.oracle,
        seed: arguments.seed,
        time: Duration::from_secs(arguments.seconds) / share,
        inputs: u64::MAX,
        folder: arguments.folder,
    };
    let mut sound = true;
    for format in chosen {
        let tally = run(&plan, format)?;
        report(format, &tally);
        sound &= tally.differences.is_empty();
    }
    Ok(sound)
}

fn replay(oracle: &std::path::Path, format: &Format, path: &std::path::Path) -> anyhow::Result<bool> {
    let written = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let input = text::read(&written).with_context(|| format!("{} is not as it should be", path.display()))?;
    match compare(format, &mut Oracle::start(oracle)?, &input)? {
        Outcome::Same => println!("both see the same"),
        Outcome::Refused => println!("both refuse"),
        Outcome::Stricter(reason) => println!("refused only here: {reason}"),
        Outcome::Difference(difference) => {
            println!("{difference}");
            return Ok(false);
        }
    }
    Ok(true)
}
