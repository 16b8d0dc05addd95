//! The commands that keep a data folder well: what they print.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::bail;
use portolan::{
    app::{self, Collectable, Copied, Data},
    config::Config,
    registry::{CollectionStatus, Scrub, ScrubProgress, ScrubReport},
};

use crate::{complain, print};

/// How often progress is told.
const TELL_INTERVAL: Duration = Duration::from_secs(1);
/// How many faults a table shows; the JSON report has more.
const SHOWN_MAX: usize = 20;

/// Tells how much there is to remove.
pub(crate) fn status(config: &Config) -> anyhow::Result<()> {
    let now = now();
    let Collectable {
        links,
        link_bytes,
        garbage,
    } = app::collectable(&config.storage.path, now)?;
    let oldest = garbage.oldest.map_or(String::new(), |since| {
        format!(", the oldest for {} seconds", now.saturating_sub(since))
    });
    print(&format!(
        "{:>10}  {:>12}  blobs that no manifest of their repository names and whose lease has ended\n\
         {:>10}  {:>12}  blobs that nothing leads to and whose bytes are to be removed{oldest}\n",
        links,
        size(link_bytes),
        garbage.count,
        size(garbage.bytes)
    ))
}

/// Removes what nobody needs.
pub(crate) async fn collect(config: Config) -> anyhow::Result<()> {
    let data = Data::open(config).await?;
    let CollectionStatus {
        links,
        files,
        bytes,
        unnamed,
        ..
    } = data.collect().await?;
    let mut said = format!(
        "{links} blobs that no manifest named were taken from their repositories, {files} files of {} were removed\n",
        size(bytes)
    );
    if unnamed > 0 {
        writeln!(
            said,
            "{unnamed} more stay for now: the gateway was cut off, and clients may rely on what it told them until their leases have ended"
        )?;
    }
    print(&said)
}

/// Reads everything that is stored.
pub(crate) async fn scrub(config: Config, dry_run: bool, json: bool) -> anyhow::Result<()> {
    let data = Data::open(config).await?;
    let scrub = Scrub {
        repairs: !dry_run,
        bytes_per_second: 0,
        // Nobody else stores anything meanwhile.
        settled_before: u64::MAX,
    };
    let mut teller = Teller::default();
    let report = data
        .scrub(scrub, |ScrubProgress { blobs, bytes }| {
            teller.tell(&format!("{blobs} blobs of {} were read", size(bytes)));
        })
        .await?;
    teller.end();
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        print(&table(&report))?;
    }
    if !report.is_clean() {
        bail!("not everything is as it should be");
    }
    Ok(())
}

fn table(report: &ScrubReport) -> String {
    let mut text = String::new();
    for spoilt in report.named.iter().take(SHOWN_MAX) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "spoilt  {}  {:?}", spoilt.digest, spoilt.fault);
    }
    if report.spoilt > SHOWN_MAX as u64 {
        let _ = writeln!(
            text,
            "... and {} more; --json names up to 1 000",
            report.spoilt - SHOWN_MAX as u64
        );
    }
    let done = if report.repaired { "" } else { "; nothing was changed" };
    let _ = writeln!(
        text,
        "{:>10}  {:>12}  blobs were read\n{:>10}  {:>12}  of them are spoilt: a push of the same content heals each\n\
         {:>10}  {:>12}  were marked as spoilt and are whole\n{:>10}  {:>12}  files that nothing leads to{done}",
        report.read.blobs,
        size(report.read.bytes),
        report.spoilt,
        "",
        report.healed,
        "",
        report.strays,
        size(report.stray_bytes)
    );
    text
}

/// Copies the data of a gateway.
pub(crate) fn backup(config: &Config, folder: &Path) -> anyhow::Result<()> {
    let mut teller = Teller::default();
    let copied = app::backup(&config.storage.path, folder, |copied| teller.tell(&told(copied)))?;
    teller.end();
    print(&format!("{}: {}\n", folder.display(), told(copied)))
}

/// Makes a data folder of a backup.
pub(crate) fn restore(config: &Config, folder: &Path) -> anyhow::Result<()> {
    let mut teller = Teller::default();
    let copied = app::restore(folder, &config.storage.path, |copied| teller.tell(&told(copied)))?;
    teller.end();
    print(&format!("{}: {}\n", config.storage.path.display(), told(copied)))
}

fn told(copied: Copied) -> String {
    let Copied {
        blobs,
        bytes,
        copied,
        spoilt,
    } = copied;
    let spoilt = if spoilt == 0 {
        String::new()
    } else {
        format!(", {spoilt} were spoilt and are not")
    };
    format!("{blobs} blobs of {} are there, {copied} of them new{spoilt}", size(bytes))
}

/// Tells progress on a terminal, in one line, not too often.
#[derive(Default)]
struct Teller {
    last: Option<Instant>,
}

impl Teller {
    fn tell(&mut self, text: &str) {
        let due = self.last.is_none_or(|last| last.elapsed() >= TELL_INTERVAL);
        if due && io::stderr().is_terminal() {
            complain(&format!("\r\x1b[K{text}"));
            self.last = Some(Instant::now());
        }
    }

    fn end(&self) {
        if self.last.is_some() {
            complain("\r\x1b[K");
        }
        drop(io::stderr().flush());
    }
}

/// Words a size.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if size < 1_024.0 {
            break;
        }
        (size, unit) = (size / 1_024.0, larger);
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{size:.1} {unit}")
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
