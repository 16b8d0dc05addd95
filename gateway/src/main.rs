//! The command line: `portolan serve`, `portolan config`.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use portolan::{
    app::App,
    config::{self, Config, LogFormat, Overrides},
    plugin_host,
};
use tokio::signal::unix::{SignalKind, signal};

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
    if std::env::args().nth(1).as_deref() == Some(plugin_host::COMPILE_ARGUMENT) {
        return plugin_host::compile_child();
    }
    // Clap prints help, versions and wrong usage itself; the latter ends with status 2.
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portolan: {error:#}");
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
            runtime.block_on(serve(config))
        }
        Command::Config(ConfigCommand::Default) => {
            print!("{}", config::DEFAULT);
            Ok(())
        }
        Command::Config(ConfigCommand::Check { file }) => {
            Config::load(Some(&file), Overrides::default())?;
            println!("{} is fine", file.display());
            Ok(())
        }
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    init_log(&config.log)?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let data = config.storage.path.display().to_string();
    let app = App::start(config).await?;
    for reason in app.quarantined() {
        eprintln!("portolan: not loaded: {reason}");
    }
    let types = app.known_types();
    let types = if types.is_empty() {
        "none, every artifact is stored generically".to_owned()
    } else {
        types.join(", ")
    };
    println!(
        "portolan is ready at http://{} - data in {data} - types: {types}",
        app.address()
    );
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping: running requests may finish");
    app.stop().await;
    Ok(())
}

/// Sends the log to standard error, as lines for people or as JSON.
fn init_log(log: &config::Log) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&log.level)
        .with_context(|| format!("[log] level {:?} is not understood", log.level))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
