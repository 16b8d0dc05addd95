//! The tasks of the repository: `cargo xtask --help`.

mod bench;
mod check;
mod fuzz;
mod guests;
mod process;
mod serve;
mod stress;
mod test;
mod tools;
mod wasm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The tasks of the repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the gateway and its plugins and runs them on 127.0.0.1:5000.
    #[command(after_help = "Example: cargo xtask serve --data /tmp/portolan-data")]
    Serve {
        /// What is passed on to `portolan serve`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<String>,
    },
    /// The quick loop: format, lints, licences, tidy rules, unit tests.
    Check,
    /// Everything that must pass, with the real clients and the conformance suite.
    Test {
        /// What is passed on to the test programs, for example the name of a test.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<String>,
    },
    /// Runs the stress test for longer than `test` does: many clients, cancelled requests, kills, checked against a model.
    #[command(after_help = "Example: cargo xtask stress --minutes 30")]
    Stress(stress::Options),
    /// Runs the soak of the collection for longer than `test` does: pushes, mounts, deletions, kills, and rounds all the time.
    #[command(after_help = "Example: cargo xtask soak --events 100000")]
    Soak(stress::Soak),
    /// Measures the gateway beside the reference registry, and writes docs/performance.md; or beside another commit.
    #[command(after_help = "Example: cargo xtask bench --rows push-10kb,manifest-get")]
    Bench(bench::Options),
    /// Compares the project's readers with the stock ones, and writes inputs that they read differently into the target folder.
    #[command(after_help = "Example: cargo xtask fuzz --format tar --seconds 120")]
    Fuzz(fuzz::Options),
    /// Installs the tools that tests drive, all or those named.
    #[command(after_help = "Example: cargo xtask tools helm4 oras")]
    Tools {
        /// The tools, by their names in xtask/tools.toml.
        names: Vec<String>,
    },
    /// Builds the plugins, the example plugins and the guests of the tests.
    Guests,
    /// Repeats what the gateway prints, and says what to try once it is ready.
    #[command(hide = true)]
    Announce,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    match task {
        Task::Serve { arguments } => serve::serve(&arguments),
        Task::Check => check::check(),
        Task::Test { arguments } => test::test(&arguments),
        Task::Stress(options) => stress::stress(&options),
        Task::Soak(options) => stress::soak(&options),
        Task::Bench(options) => bench::bench(&options),
        Task::Fuzz(options) => fuzz::fuzz(&options),
        Task::Tools { names } => {
            let tools = tools::ensure(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
            println!("the tools are in {}", tools.folder().display());
            Ok(())
        }
        Task::Guests => {
            for built in guests::build_guests(guests::Options::All)? {
                println!("{:>9} bytes  {}  {}", built.bytes, built.name, built.path.display());
            }
            Ok(())
        }
        Task::Announce => serve::announce(),
    }
}
