//! The command line: `portolan serve`, `portolan config`, and what keeps a data folder well.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod keep;

use std::{
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use portolan::{
    app::{App, Footprint},
    config::{self, Config, LogFormat, Overrides},
    log::Lines,
    plugin_host,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long the end of the program waits for the last lines of the log, and for work that cannot be called back: writes that are on their
/// way to a disk.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);
const LAST_WORK_MAX: Duration = Duration::from_secs(5);

/// A request makes some sixty short-lived allocations, most of them in the layers around its handler. With the allocator of the C library
/// they took a sixth of the processor time of a `GET` of a manifest; this one takes a third of that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An OCI registry gateway that learns artifact types from WebAssembly plugins.
#[derive(Parser)]
#[command(name = "portolan", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the gateway.
    #[command(after_help = "Example: portolan serve --listen 127.0.0.1:5000 --data portolan-data --plugins plugins")]
    Serve {
        /// The configuration; `portolan config default` prints one.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Where to listen, for example 127.0.0.1:5000; port 0 chooses a free one.
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
        /// Where blobs and metadata are kept.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Where plugins are loaded from.
        #[arg(long, value_name = "DIR")]
        plugins: Option<PathBuf>,
    },
    /// Prints or checks configurations.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Removes what nobody needs from the data of a gateway that does not run. One that runs does so by itself.
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Example: portolan gc --data portolan-data"
    )]
    Gc {
        #[command(subcommand)]
        command: Option<GcCommand>,
        #[command(flatten)]
        place: Place,
        /// Tells what would be removed, and removes nothing. The gateway may run.
        #[arg(long)]
        dry_run: bool,
    },
    /// Reads everything that the data of a gateway that does not run holds, and compares it with its digests. What is spoilt is marked: a push
    /// of the same content heals it.
    #[command(
        after_help = "Example: portolan scrub --data portolan-data\nEnds with status 1 where something is spoilt or nothing leads to it."
    )]
    Scrub {
        #[command(flatten)]
        place: Place,
        /// Marks and removes nothing.
        #[arg(long)]
        dry_run: bool,
        /// Prints the report as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Copies the data of a gateway, which may run, into a folder. Made again, it copies what is new.
    #[command(after_help = "Example: portolan backup --data portolan-data /backups/portolan")]
    Backup {
        /// The folder of the backup.
        folder: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Makes a new data folder of a backup.
    #[command(after_help = "Example: portolan restore --data portolan-data /backups/portolan")]
    Restore {
        /// The folder of the backup.
        folder: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

/// Which data folder.
#[derive(clap::Args)]
struct Place {
    /// The configuration of the gateway.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where blobs and metadata are kept.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Place {
    fn config(self) -> Result<Config, config::ConfigError> {
        let data = self.data;
        Config::load(
            self.config.as_deref(),
            Overrides {
                data,
                ..Overrides::default()
            },
        )
    }
}

#[derive(Subcommand)]
enum GcCommand {
    /// Tells how much there is to remove. The gateway may run.
    Status {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Prints the whole configuration with its defaults and what each key means.
    #[command(after_help = "Example: portolan config default > portolan.toml")]
    Default,
    /// Checks a configuration, with the environment over it, as `serve` would.
    #[command(after_help = "Example: portolan config check portolan.toml")]
    Check {
        /// The configuration.
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    // The gateway compiles untrusted components in a child process, which is this program with a hidden argument.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|argument| argument == plugin_host::COMPILE_ARGUMENT)
    {
        return plugin_host::compile_child();
    }
    // Clap prints help, versions and wrong usage itself; the latter ends with status 2.
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("portolan: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve {
            config,
            listen,
            data,
            plugins,
        } => {
            // Whatever the gateway writes is for its own user alone.
            rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
            let config = Config::load(config.as_deref(), Overrides { listen, data, plugins })?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .context("cannot start threads")?;
            let served = runtime.block_on(serve(config));
            runtime.shutdown_timeout(LAST_WORK_MAX);
            served
        }
        Command::Gc {
            command: Some(GcCommand::Status { place }),
            ..
        } => keep::status(&place.config()?),
        Command::Gc {
            command: None,
            place,
            dry_run: true,
        } => keep::status(&place.config()?),
        Command::Gc { place, .. } => block_on(keep::collect(place.config()?)),
        Command::Scrub { place, dry_run, json } => block_on(keep::scrub(place.config()?, dry_run, json)),
        Command::Backup { folder, place } => keep::backup(&place.config()?, &folder),
        Command::Restore { folder, place } => keep::restore(&place.config()?, &folder),
        Command::Config(ConfigCommand::Default) => print(config::DEFAULT),
        Command::Config(ConfigCommand::Check { file }) => {
            let config = Config::load(Some(&file), Overrides::default())?;
            let (file, footprint) = (file.display(), Footprint::of(&config));
            print(&format!("{file} is fine. Its limits let the gateway take {footprint}"))
        }
    }
}

/// Runs work on a data folder.
fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start threads")?.block_on(work)
}

/// Prints what was asked for. Whoever reads only a part of it has closed the pipe, and wants no more.
fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot print"),
        _ => Ok(()),
    }
}

/// Says what is wrong. Where that cannot be said, the status of the program says it alone.
fn complain(text: &str) {
    drop(io::stderr().write_all(text.as_bytes()));
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let log = begin_log(&config.log)?;
    let mut signals = Signals::new().context("cannot wait for signals")?;
    let data = config.storage.path.display().to_string();
    let app = App::start_with_log(config, log.clone()).await?;
    for reason in app.quarantined() {
        log.add(format!("portolan: not loaded: {reason}\n").as_bytes());
    }
    // Whoever waits for the line below finds the reasons already there.
    log.flush(LAST_WORDS_MAX);
    let types = app.known_types();
    let types = if types.is_empty() {
        "none, every artifact is stored generically".to_owned()
    } else {
        types.join(", ")
    };
    announce(format!(
        "portolan is ready at http://{} - data in {data} - types: {types}\n",
        app.address()
    ));
    signals.next().await;
    tracing::info!("stopping: running requests may finish; a second signal ends them at once");
    tokio::select! {
        () = app.stop() => log.flush(LAST_WORDS_MAX),
        () = signals.next() => {
            log.add(b"portolan: ended at once by a second signal\n");
            log.flush(LAST_WORDS_MAX);
            // Nothing is waited for any more, not even a disk: what was acknowledged is on it.
            std::process::exit(1);
        }
    }
    Ok(())
}

/// What asks the gateway to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Prints that the gateway is ready, on a thread of its own: whoever does not read it does not hold the gateway up.
fn announce(line: String) {
    std::thread::spawn(move || drop(io::stdout().write_all(line.as_bytes())));
}

/// Sends the log to standard error, as lines for people or as JSON.
fn begin_log(log: &config::Log) -> anyhow::Result<Lines> {
    let filter = tracing_subscriber::EnvFilter::try_new(&log.level)
        .with_context(|| format!("[log] level {:?} is not understood", log.level))?;
    let lines = Lines::to(io::stderr()).context("cannot start a thread for the log")?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines.clone());
    match log.format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    // What a panic says would else be written to standard error by whoever panics, and wait for it.
    std::panic::set_hook(Box::new(|panic| tracing::error!(target: "panic", "{panic}")));
    Ok(lines)
}
