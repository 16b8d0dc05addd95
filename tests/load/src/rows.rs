//! The rows that can be measured, and what each prepares.

use std::{str::FromStr, time::Duration};

use anyhow::bail;
use hyper::Method;

use crate::{
    Extent,
    client::{Client, Payload},
    content::{Blob, Blobs, Chart},
    measure::{Measurement, Plan, measure},
    server::Server,
    work::{Work, prepare},
};

const KB: usize = 1_000;
const MB: usize = 1_000 * KB;
/// How many blobs are pulled in turn.
const PULLED_BLOBS: u64 = 4;
/// How many connections fill a repository.
const FILL_CONNECTIONS: usize = 16;
/// How long filling may take.
const FILL_TIME_MAX: Duration = Duration::from_secs(300);

/// What a row measures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Pushes of a blob of so many bytes with a manifest and a new tag.
    Push(usize),
    /// Pulls of a blob of so many bytes.
    Pull(usize),
    /// The manifest of a tag, with GET or HEAD.
    Get,
    Head,
    /// The list of a repository of 1000 tags.
    Tags,
    /// Pushes of charts of so many bytes.
    Charts(usize),
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    name: &'static str,
    kind: Kind,
    /// How many tags the repository holds before.
    tags: u64,
    concurrency: usize,
    operations: u64,
}

const fn row(name: &'static str, kind: Kind, tags: u64, concurrency: usize, operations: u64) -> Row {
    Row {
        name,
        kind,
        tags,
        concurrency,
        operations,
    }
}

const ROWS: &[Row] = &[
    row("push-10kb", Kind::Push(10 * KB), 0, 10, 2_000),
    row("push-1mb", Kind::Push(MB), 0, 10, 600),
    row("push-10mb", Kind::Push(10 * MB), 0, 10, 80),
    row("push-100mb", Kind::Push(100 * MB), 0, 10, 20),
    row("pull-1mb", Kind::Pull(MB), 0, 10, 6_000),
    row("pull-10mb", Kind::Pull(10 * MB), 0, 10, 800),
    row("pull-100mb", Kind::Pull(100 * MB), 0, 10, 80),
    row("manifest-get", Kind::Get, 0, 16, 100_000),
    row("manifest-head", Kind::Head, 0, 16, 100_000),
    row("tags-1000", Kind::Tags, 1_000, 16, 4_000),
    row("get-at-3000", Kind::Get, 3_000, 16, 100_000),
    row("pull-at-3000", Kind::Pull(MB), 3_000, 10, 6_000),
    row("push-at-3000", Kind::Push(10 * KB), 3_000, 10, 2_000),
    row("get-at-30000", Kind::Get, 30_000, 16, 100_000),
    row("pull-at-30000", Kind::Pull(MB), 30_000, 10, 6_000),
    row("push-at-30000", Kind::Push(10 * KB), 30_000, 10, 2_000),
    // One connection: the difference that a plugin makes to a push is a difference of latencies.
    row("chart-20kb", Kind::Charts(20 * KB), 0, 1, 300),
    row("chart-500kb", Kind::Charts(500 * KB), 0, 1, 150),
    row("chart-5mb", Kind::Charts(5 * MB), 0, 1, 30),
];

/// Returns the names of all rows.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name)
}

impl Row {
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

impl FromStr for Row {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        match ROWS.iter().find(|row| row.name == name) {
            Some(row) => Ok(*row),
            None => bail!(
                "there is no row {name:?}; the rows are {}",
                names().collect::<Vec<_>>().join(", ")
            ),
        }
    }
}

/// Prepares and measures a row.
pub(crate) async fn run(row: Row, server: &Server, seed: u64, extent: Extent) -> anyhow::Result<Measurement> {
    let operations = extent.of(row.operations, row.concurrency as u64);
    let warm_up = (operations / 10).clamp(1, 500);
    let plan = Plan {
        concurrency: row.concurrency,
        warm_up,
        operations,
        time_max: extent.time_max(),
    };
    let mut client = Client::new(server.target);
    let repository = repository(row, seed);
    if row.tags > 0 {
        fill(&mut client, server, &repository, row.tags).await?;
    }
    let work = work(row, &mut client, repository, seed, warm_up + operations).await?;
    measure(row.name, server, plan, work).await
}

/// Returns the repository of a row. One that has to be filled serves every run, others are new.
fn repository(row: Row, seed: u64) -> String {
    match row.kind {
        _ if row.tags > 0 => format!("load/filled-{}", row.tags),
        Kind::Charts(_) => format!("load/s{seed}/{}", row.name),
        _ => format!("load/{}-{seed}", row.name),
    }
}

async fn work(row: Row, client: &mut Client, repository: String, seed: u64, operations: u64) -> anyhow::Result<Work> {
    let small = Blobs::new(10 * KB, seed).blob(u64::MAX);
    Ok(match row.kind {
        Kind::Push(size) => {
            client.push_blob(&repository, &Blob::empty()).await?;
            Work::Push {
                repository,
                prefix: format!("push-{seed}-"),
                blobs: Blobs::new(size, seed),
            }
        }
        Kind::Pull(size) => {
            let blobs = Blobs::new(size, seed);
            let blobs: Vec<Blob> = (0..PULLED_BLOBS).map(|index| blobs.blob(index)).collect();
            for blob in &blobs {
                client.push_blob(&repository, blob).await?;
                client.verify_blob(&repository, blob).await?;
            }
            Work::Pull { repository, blobs }
        }
        Kind::Get | Kind::Head => {
            let tag = format!("got-{seed}");
            let manifest = prepare(client, &repository, &tag, &small).await?;
            let method = if row.kind == Kind::Get { Method::GET } else { Method::HEAD };
            Work::Fetch {
                method,
                path: format!("/v2/{repository}/manifests/{tag}"),
                bytes: manifest.len() as u64,
            }
        }
        Kind::Tags => {
            let path = format!("/v2/{repository}/tags/list");
            let bytes = client.fetch(&Method::GET, &path).await?;
            Work::Fetch {
                method: Method::GET,
                path,
                bytes,
            }
        }
        Kind::Charts(size) => {
            let name = row.name;
            let chart = |number| Chart::new(name, &format!("0.{seed}.{number}"), size, seed << 32 | number);
            let charts = (0..operations).map(chart).collect::<anyhow::Result<_>>()?;
            Work::Charts { repository, charts }
        }
    })
}

/// Fills a repository up to a number of tags, each with a manifest of its own, unless it is filled already.
async fn fill(client: &mut Client, server: &Server, repository: &str, tags: u64) -> anyhow::Result<()> {
    let last = format!("/v2/{repository}/manifests/filled");
    if client
        .send(&Method::HEAD, &last, "", Payload::default())
        .await?
        .status()
        .is_success()
    {
        return Ok(());
    }
    let blob = Blob::of("filled");
    prepare(client, repository, "first", &blob).await?;
    // Two tags are set here, the others in between. All manifests differ and share their blob.
    let work = Work::Manifests {
        repository: repository.to_owned(),
        blob: blob.clone(),
    };
    let plan = Plan {
        concurrency: FILL_CONNECTIONS,
        warm_up: 0,
        operations: tags - 2,
        time_max: FILL_TIME_MAX,
    };
    let filled = measure("fill", server, plan, work).await?;
    if filled.errors > 0 || filled.ops < tags - 2 {
        bail!(
            "{repository} could not be filled: {} of {} tags, {} errors, first {:?}",
            filled.ops,
            tags,
            filled.errors,
            filled.first_error
        );
    }
    prepare(client, repository, "filled", &blob).await?;
    Ok(())
}
