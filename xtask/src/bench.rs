//! `cargo xtask bench`: Portolan, with and without plugins, beside the reference registry on the same disk; or, with `--against`,
//! beside what another commit of it builds.
//!
//! All servers run at once; one at a time is loaded, in turns, so that a machine that slows down slows all of them. What the
//! machine itself can do is measured in the same run.

mod against;
mod http;
mod load;
mod machine;
mod report;
mod rows;
mod server;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};

use self::{
    load::{Extent, Loader, Measured},
    report::{Report, Started},
    rows::{ROWS, Row},
    server::{Kind, Server},
};
use crate::{
    guests::{self, build_guests},
    process::{cargo, repository, run, step, target},
    tools,
};

/// How often every row is measured; the median counts.
const TURNS: u64 = 3;
/// How often every server is started to measure how long that takes.
const STARTS: usize = 7;
/// The share of operations of a quick run.
const QUICK_SCALE: f64 = 0.1;

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Does a tenth of the operations, once, without the rows that take long. Nothing is written to docs/performance.md.
    #[arg(long)]
    quick: bool,
    /// Only these rows, for example push-10kb,manifest-get. Nothing is written to docs/performance.md.
    #[arg(long, value_delimiter = ',', value_name = "ROW")]
    rows: Vec<String>,
    /// How often every row is measured.
    #[arg(long)]
    turns: Option<u64>,
    /// Measures beside what this commit builds instead of beside the reference registry, and fails where a row is slower than nine
    /// tenths of it. Nothing is written to docs/performance.md.
    #[arg(long, value_name = "REV")]
    against: Option<String>,
}

/// A build of Portolan.
struct Build {
    portolan: PathBuf,
    plugins: PathBuf,
}

/// The programs that take part.
struct Programs {
    now: Build,
    /// What another commit builds.
    before: Option<Build>,
    registry: PathBuf,
}

impl Programs {
    /// Returns the servers that run side by side.
    fn kinds(&self) -> &'static [Kind] {
        match self.before {
            Some(_) => &Kind::AGAINST,
            None => &Kind::PEERS,
        }
    }
}

/// Builds, measures and reports.
pub(crate) fn bench(options: &Options) -> anyhow::Result<()> {
    let rows = choose(options)?;
    let programs = build(options.against.as_deref())?;
    let folder = target().join("bench-data");
    remove(&folder)?;
    let measured = measure(&programs, &folder, &rows, options).and_then(|report| publish(&report, options));
    // Some gigabytes, which take their time to remove: they go whether the run succeeded or not.
    remove(&folder).and(measured)
}

fn publish(report: &Report, options: &Options) -> anyhow::Result<()> {
    if let Some(revision) = &options.against {
        return against::publish(report, revision);
    }
    println!("{}", report.table());
    if !options.quick && options.rows.is_empty() {
        let path = repository().join("docs/performance.md");
        fs::write(&path, report.document()?).with_context(|| format!("cannot write {}", path.display()))?;
        println!("written to {}", path.display());
    }
    Ok(())
}

fn choose(options: &Options) -> anyhow::Result<Vec<&'static Row>> {
    for name in &options.rows {
        let known = || ROWS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
        ensure!(
            ROWS.iter().any(|row| row.name == name),
            "there is no row {name}; the rows are {}",
            known()
        );
    }
    let chosen = ROWS.iter().filter(|row| match options.rows.is_empty() {
        true => !(options.quick && row.slow),
        false => options.rows.iter().any(|name| name == row.name),
    });
    Ok(chosen.collect())
}

fn build(against: Option<&str>) -> anyhow::Result<Programs> {
    let before = against.map(against::build).transpose()?;
    step("release build", || {
        run(&mut cargo([
            "build",
            "--release",
            "--package",
            "portolan",
            "--package",
            "portolan-load",
        ]))
    })?;
    step("plugins", || build_guests(guests::Options::Plugins).map(drop))?;
    let tools = tools::ensure(&["registry"])?;
    Ok(Programs {
        now: Build {
            portolan: target().join("release/portolan"),
            plugins: target().join("plugins"),
        },
        before,
        registry: tools.folder().join("registry"),
    })
}

fn measure(programs: &Programs, folder: &Path, rows: &[&'static Row], options: &Options) -> anyhow::Result<Report> {
    let turns = options.turns.unwrap_or(if options.quick { 1 } else { TURNS });
    let extent = Extent {
        scale: if options.quick { QUICK_SCALE } else { 1.0 },
    };
    let loader = Loader::new(target().join("release/portolan-load"), extent);
    let mut report = Report::new(turns);
    for turn in (0..turns).filter(|_| programs.before.is_none()) {
        eprintln!("==> turn {} of {turns}: floor", turn + 1);
        report.floor.extend(loader.floor(&folder.join(format!("floor-{turn}")))?);
    }
    for kind in programs.kinds().iter().copied() {
        eprintln!("==> starting {}", kind.name());
        report.started.push(starts(programs, folder, kind)?);
    }
    let start = |kind: Kind| Server::start(programs, kind, &folder.join(kind.name()));
    let mut servers = programs
        .kinds()
        .iter()
        .copied()
        .map(start)
        .collect::<anyhow::Result<Vec<Server>>>()?;
    // All rows once, then all again: what disturbs the machine for a minute disturbs one turn of some rows.
    for turn in 0..turns {
        // Who comes first is not always the same one.
        servers.reverse();
        for row in rows {
            for server in servers.iter().filter(|server| row.runs_on(server.kind)) {
                let measured = one(&loader, server, row, turn)?;
                eprintln!(
                    "==> turn {} of {turns}: {} on {}: {:.0}/s",
                    turn + 1,
                    row.name,
                    server.kind.name(),
                    measured.rps
                );
                report.measured.push(measured);
            }
        }
    }
    for server in servers {
        report.peaks.push((server.kind, server.peak_kib()?));
        server.stop()?;
    }
    Ok(report)
}

/// Measures a row on a server, and what its plugin did meanwhile.
fn one(loader: &Loader, server: &Server, row: &Row, turn: u64) -> anyhow::Result<Measured> {
    let before = server.plugin_seconds()?;
    let mut measured = loader.row(row.name, server, turn)?;
    let after = server.plugin_seconds()?;
    if let (Some(before), Some(after)) = (before, after) {
        let calls = after.calls - before.calls;
        measured.plugin_ms = (calls > 0).then(|| (after.seconds - before.seconds) * 1e3 / calls as f64);
    }
    Ok(measured)
}

/// Starts a server on fresh data, again and again on the same, and measures each start and the memory after it. The first one is
/// left out: it creates the data and compiles the plugins.
fn starts(programs: &Programs, folder: &Path, kind: Kind) -> anyhow::Result<Started> {
    let folder = folder.join("starts").join(kind.name());
    let mut started = Started::new(kind);
    for number in 0..=STARTS {
        let server = Server::start(programs, kind, &folder)?;
        if number > 0 {
            started.ms.push(server.start_ms);
            started.idle_kib.push(server.resident_kib()?);
        }
        server.stop()?;
    }
    Ok(started)
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
