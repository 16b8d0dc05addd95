//! What was measured, as tables.

use std::fmt::Write as _;

use super::{
    load::Measured,
    machine,
    rows::{ROWS, Row},
    server::Kind,
};
use crate::process::target;

/// Everything that was measured.
pub(super) struct Report {
    pub(super) turns: u64,
    pub(super) floor: Vec<Measured>,
    pub(super) measured: Vec<Measured>,
    pub(super) started: Vec<Started>,
    /// The largest memory of each server over the whole run.
    pub(super) peaks: Vec<(Kind, u64)>,
}

/// Starts of a server on data that is there and, for one with plugins, with the machine code at hand.
pub(super) struct Started {
    pub(super) kind: Kind,
    pub(super) ms: Vec<f64>,
    pub(super) idle_kib: Vec<u64>,
}

impl Started {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            ms: Vec::new(),
            idle_kib: Vec::new(),
        }
    }
}

/// The medians of a row on one server.
struct Medians {
    rps: f64,
    bytes_per_op: u64,
    concurrency: usize,
    mean_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_ms: f64,
}

impl Report {
    pub(super) fn new(turns: u64) -> Self {
        Self {
            turns,
            floor: Vec::new(),
            measured: Vec::new(),
            started: Vec::new(),
            peaks: Vec::new(),
        }
    }

    /// Returns the whole of `docs/performance.md`.
    pub(super) fn document(&self) -> anyhow::Result<String> {
        let mut out = String::from(
            "# Performance\n\n\
             Written by `cargo xtask bench`, which builds everything in release, runs Portolan and the reference registry (distribution v3) \
             side by side on the same disk, loads one at a time in turns with the same load generator, and measures what the machine itself \
             can do in the same run. The load generator runs on the same cores as the server. Both servers sync what they acknowledge.\n\n",
        );
        for (key, value) in machine::describe(&target()) {
            writeln!(out, "- {key}: {value}")?;
        }
        writeln!(out, "- Command: `cargo xtask bench`, {} turns, medians\n", self.turns)?;
        out.push_str(&self.table());
        out.push_str("\n## What holds each row back\n\n");
        for row in ROWS.iter().filter(|row| !row.note.is_empty()) {
            writeln!(out, "- **{}**: {}", row.title, row.note)?;
        }
        Ok(out)
    }

    /// Returns the tables.
    pub(super) fn table(&self) -> String {
        let parts = [
            self.requests(),
            self.growth(),
            self.plugin_cost(),
            self.starts(),
            self.machine(),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    fn requests(&self) -> Option<String> {
        let head = "## Requests\n\nRequests a second, and milliseconds of the server's processor time for each; *ratio* is ours to the \
                    reference's, so more is better for requests and less for processor time. *Floor* is what the machine does without a \
                    registry: files of this size written and synced, or bytes copied over loopback.\n\n\
                    | row | c | Portolan /s | reference /s | ratio | floor /s | CPU ms | reference | ratio | p50 ms | p99 ms |\n\
                    |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";
        let lines: Vec<String> = ROWS.iter().filter_map(|row| self.request_line(row)).collect();
        (!lines.is_empty()).then(|| format!("{head}{}", lines.concat()))
    }

    fn request_line(&self, row: &Row) -> Option<String> {
        let ours = self.medians(row.name, Kind::Plain)?;
        let theirs = self.medians(row.name, Kind::Reference);
        let compare = |ours: f64, pick: fn(&Medians) -> f64| match &theirs {
            Some(theirs) => (number(pick(theirs)), format!("{:.2}", ours / pick(theirs))),
            None => ("-".into(), "-".into()),
        };
        let (their_rps, rps_ratio) = compare(ours.rps, |medians| medians.rps);
        let (their_cpu, cpu_ratio) = compare(ours.cpu_ms, |medians| medians.cpu_ms);
        let floor = row
            .floor
            .and_then(|floor| self.floor_rps(floor, ours.bytes_per_op))
            .map_or("-".into(), number);
        let (rps, cpu, p50, p99) = (
            number(ours.rps),
            number(ours.cpu_ms),
            number(ours.p50_ms),
            number(ours.p99_ms),
        );
        let (title, c) = (row.title, ours.concurrency);
        Some(format!(
            "| {title} | {c} | {rps} | {their_rps} | {rps_ratio} | {floor} | {cpu} | {their_cpu} | {cpu_ratio} | {p50} | {p99} |\n"
        ))
    }

    /// Compares repositories that hold many tags with those that hold none.
    fn growth(&self) -> Option<String> {
        let head = "## Growth\n\nThe same operation in a repository that holds many tags already, as a share of what a new repository \
                    reaches: 1 is unchanged. Pushes vary more than that by what ran before, because ext4 creates files slowly for half a \
                    minute after many were removed, and the reference registry removes its upload folders as it goes.\n\n| row | Portolan | reference |\n|---|--:|--:|\n";
        let share = |row: &Row, kind: Kind| -> Option<f64> {
            Some(self.medians(row.name, kind)?.rps / self.medians(row.base?, kind)?.rps)
        };
        let line = |row: &Row| {
            let ours = share(row, Kind::Plain)?;
            let theirs = share(row, Kind::Reference).map_or("-".into(), |share| format!("{share:.2}"));
            Some(format!("| {} | {ours:.2} | {theirs} |\n", row.title))
        };
        let lines: Vec<String> = ROWS.iter().filter_map(line).collect();
        (!lines.is_empty()).then(|| format!("{head}{}", lines.concat()))
    }

    /// Compares pushes of charts with and without the plugin, turn by turn.
    fn plugin_cost(&self) -> Option<String> {
        let head = "## What a plugin costs\n\nPushes of charts, each another one, over one connection. *Host-measured* is what the gateway \
                    spends on validate, index and admit for one push; *difference* is the mean time of a push with the plugin less that \
                    without it in the same turn: the median of the turns, the least and the most.\n\n\
                    | row | without ms | with ms | host-measured ms | difference ms | CPU difference ms |\n|---|--:|--:|--:|--:|--:|\n";
        let lines: Vec<String> = ROWS.iter().filter_map(|row| self.plugin_line(row)).collect();
        (!lines.is_empty()).then(|| format!("{head}{}", lines.concat()))
    }

    fn plugin_line(&self, row: &Row) -> Option<String> {
        let (without, with) = (
            self.medians(row.name, Kind::Plain)?,
            self.medians(row.name, Kind::WithPlugin)?,
        );
        let turns = self.of(row.name, Kind::WithPlugin).zip(self.of(row.name, Kind::Plain));
        let (times, cpu): (Vec<f64>, Vec<f64>) = turns
            .map(|(with, without)| {
                let cpu = |measured: &Measured| measured.cpu_ms_per_op.unwrap_or_default();
                (with.mean_ms - without.mean_ms, cpu(with) - cpu(without))
            })
            .unzip();
        let host = median(self.of(row.name, Kind::WithPlugin).filter_map(|measured| measured.plugin_ms))?;
        Some(format!(
            "| {} | {:.2} | {:.2} | {host:.3} | {} | {} |\n",
            row.title,
            without.mean_ms,
            with.mean_ms,
            spread(times),
            spread(cpu)
        ))
    }

    pub(super) fn starts(&self) -> Option<String> {
        let mut out = String::from(
            "## Start and memory\n\nFrom the start of the process to the first answer, on data that is there and with the machine code of \
             plugins at hand; resident memory right after that, and at most over the whole run.\n\n\
             | server | start ms | idle MiB | peak MiB |\n|---|--:|--:|--:|\n",
        );
        for started in &self.started {
            let ms = median(started.ms.iter().copied())?;
            let idle = median(started.idle_kib.iter().map(|kib| *kib as f64))? / 1024.0;
            let peak = self
                .peaks
                .iter()
                .find(|(kind, _)| *kind == started.kind)
                .map_or(0.0, |(_, kib)| *kib as f64 / 1024.0);
            out += &format!("| {} | {ms:.0} | {idle:.0} | {peak:.0} |\n", started.kind.name());
        }
        Some(out)
    }

    fn machine(&self) -> Option<String> {
        let mut out = String::from(
            "## The machine alone\n\n*CPU* is the processor time of writing and syncing, of hashing, and of both ends of a connection.\n\n\
             | floor | c | /s | MB/s | CPU ms |\n|---|--:|--:|--:|--:|\n",
        );
        let mut names: Vec<&str> = Vec::new();
        for floor in &self.floor {
            if !names.contains(&floor.row.as_str()) {
                names.push(&floor.row);
            }
        }
        for name in names {
            let (first, rps, cpu) = self.floor_of(name)?;
            let megabytes = number(rps * first.bytes_per_op as f64 / 1e6);
            let (title, c, rps, cpu) = (name.trim_start_matches("floor-"), first.concurrency, number(rps), number(cpu));
            writeln!(out, "| {title} | {c} | {rps} | {megabytes} | {cpu} |").ok()?;
        }
        Some(out)
    }

    /// Returns the medians of a row of the floor: operations a second, milliseconds of processor time for each.
    fn floor_of(&self, name: &str) -> Option<(&Measured, f64, f64)> {
        let rows = || self.floor.iter().filter(|measured| measured.row == name);
        let rps = median(rows().map(|measured| measured.rps))?;
        let cpu = median(rows().filter_map(|measured| measured.cpu_ms_per_op))?;
        Some((rows().next()?, rps, cpu))
    }

    pub(super) fn of(&self, row: &str, kind: Kind) -> impl Iterator<Item = &Measured> {
        self.measured
            .iter()
            .filter(move |measured| measured.row == row && measured.server == Some(kind))
    }

    fn medians(&self, row: &str, kind: Kind) -> Option<Medians> {
        let first = self.of(row, kind).next()?;
        let of = |pick: fn(&Measured) -> f64| median(self.of(row, kind).map(pick));
        Some(Medians {
            rps: of(|measured| measured.rps)?,
            bytes_per_op: first.bytes_per_op,
            concurrency: first.concurrency,
            mean_ms: of(|measured| measured.mean_ms)?,
            p50_ms: of(|measured| measured.p50_ms)?,
            p99_ms: of(|measured| measured.p99_ms)?,
            cpu_ms: of(|measured| measured.cpu_ms_per_op.unwrap_or_default())?,
        })
    }

    /// Returns how many operations of so many bytes the machine itself does in a second.
    fn floor_rps(&self, row: &str, bytes_per_op: u64) -> Option<f64> {
        let (first, rps, _) = self.floor_of(row)?;
        Some(rps * first.bytes_per_op as f64 / bytes_per_op.max(1) as f64)
    }
}

pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Words the median of differences with the least and the most.
fn spread(values: Vec<f64>) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    median(values.into_iter()).map_or("-".into(), |median| format!("{median:.2} ({least:.2} to {most:.2})"))
}

/// Words a number with about three digits that count.
pub(super) fn number(value: f64) -> String {
    match value {
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ if value >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
