//! Another commit of Portolan: building it, and comparing with it.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, bail, ensure};

use super::{
    Build,
    load::Measured,
    report::{Report, median, number},
    rows::ROWS,
    server::Kind,
};
use crate::process::{cargo, repository, run, step, target};

/// The least share of the other build's requests a second that a row may reach.
const SHARE_MIN: f64 = 0.9;

/// Builds the gateway and the plugins of a commit in a checkout of its own.
pub(super) fn build(revision: &str) -> anyhow::Result<Build> {
    let commit = commit(revision)?;
    let folder = target().join("bench-against");
    let source = folder.join("source");
    check_out(&source, &commit)?;
    let build = Build {
        portolan: folder.join("portolan"),
        plugins: folder.join("target/plugins"),
    };
    step(&format!("release build of {revision}"), || {
        let mut command = cargo(["build", "--release", "--package", "portolan"]);
        // The target folder is shared, so that dependencies are compiled once; the program is taken away before ours takes its place.
        run(command.current_dir(&source).env("CARGO_TARGET_DIR", target()))?;
        fs::copy(target().join("release/portolan"), &build.portolan).context("cannot keep the program")?;
        Ok(())
    })?;
    step(&format!("plugins of {revision}"), || {
        let mut command = cargo(["run", "--quiet", "--package", "xtask", "--", "guests"]);
        run(command.current_dir(&source).env("CARGO_TARGET_DIR", folder.join("target")))
    })?;
    Ok(build)
}

fn commit(revision: &str) -> anyhow::Result<String> {
    let output = git(repository())
        .args(["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")])
        .output()
        .context("cannot run git")?;
    ensure!(output.status.success(), "{revision} is no commit of this repository");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn check_out(source: &Path, commit: &str) -> anyhow::Result<()> {
    if source.exists() {
        return run(git(source).args(["checkout", "--quiet", "--detach", commit]));
    }
    let add = ["worktree", "add", "--force", "--quiet", "--detach"];
    run(git(repository()).args(add).arg(source).arg(commit))
}

fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder);
    command
}

/// Prints the comparison, and fails where a row is too slow.
pub(super) fn publish(report: &Report, revision: &str) -> anyhow::Result<()> {
    let pairs = [(Kind::Plain, Kind::Before), (Kind::WithPlugin, Kind::BeforeWithPlugin)];
    let compared: Vec<Compared> = ROWS
        .iter()
        .flat_map(|row| {
            pairs
                .into_iter()
                .filter_map(|(now, before)| compare(report, row.name, row.title, now, before))
        })
        .collect();
    println!(
        "Requests a second and the server's processor time for each, beside {revision}; the shares are medians of the turns.\n"
    );
    println!("| row | server | now /s | before /s | share | least to most | CPU share |\n|---|---|--:|--:|--:|--:|--:|");
    for compared in &compared {
        println!("{}", compared.line);
    }
    println!("\n{}", report.starts().unwrap_or_default());
    let slow: Vec<&str> = compared
        .iter()
        .filter(|compared| compared.share < SHARE_MIN)
        .map(|compared| compared.title)
        .collect();
    if !slow.is_empty() {
        bail!("below {SHARE_MIN} of {revision}: {}", slow.join(", "));
    }
    Ok(())
}

struct Compared {
    title: &'static str,
    share: f64,
    line: String,
}

/// Compares turn by turn, so that a machine that slows down slows both.
fn compare(report: &Report, row: &str, title: &'static str, now: Kind, before: Kind) -> Option<Compared> {
    let turns: Vec<(&Measured, &Measured)> = report.of(row, now).zip(report.of(row, before)).collect();
    let rps = |pick: fn(&(&Measured, &Measured)) -> f64| median(turns.iter().map(pick));
    let mut shares: Vec<f64> = turns.iter().map(|(now, before)| now.rps / before.rps).collect();
    shares.sort_by(f64::total_cmp);
    let cpu = turns
        .iter()
        .filter_map(|(now, before)| Some(now.cpu_ms_per_op? / before.cpu_ms_per_op?));
    let (share, least, most) = (median(shares.iter().copied())?, shares.first()?, shares.last()?);
    let line = format!(
        "| {title} | {} | {} | {} | {share:.2} | {least:.2} to {most:.2} | {} |",
        now.name(),
        number(rps(|turn| turn.0.rps)?),
        number(rps(|turn| turn.1.rps)?),
        median(cpu).map_or("-".into(), |cpu| format!("{cpu:.2}")),
    );
    Some(Compared { title, share, line })
}
