//! What the machine can do at best: what no registry can beat.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use sha2::{Digest, Sha256};

use crate::{
    Extent,
    measure::{Measurement, per_op},
    server::processor_time,
};

const MB: usize = 1_000_000;
/// How many threads write at once: as many as the pushes have connections.
const WRITERS: usize = 10;
/// The sizes that are written, with the name of the row and how many files each.
const WRITES: &[(&str, usize, u64)] = &[
    ("floor-write-10kb", 10_000, 2_000),
    ("floor-write-1mb", MB, 600),
    ("floor-write-10mb", 10 * MB, 60),
    ("floor-write-100mb", 100 * MB, 10),
];
/// How much is sent over loopback and how much is hashed at once, in how many goes.
const BULK_BYTES: usize = 100 * MB;
const BULK_GOES: u64 = 20;
const BUFFER_BYTES: usize = 256 * 1024;

/// Measures everything.
pub(crate) fn run(folder: &Path, extent: Extent) -> anyhow::Result<Vec<Measurement>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut noise = vec![0; BULK_BYTES];
    SmallRng::seed_from_u64(0).fill_bytes(&mut noise);
    let mut measured = Vec::new();
    for (row, size, files) in WRITES {
        let content = noise.get(..*size).context("the largest file is as large as what there is")?;
        let files = extent.of(*files, WRITERS as u64);
        measured.push(timed(|| write(row, folder, content, files))?);
    }
    measured.push(timed(|| Ok(hash(&noise, extent.of(BULK_GOES, 1))))?);
    measured.push(timed(|| copy(&noise, extent.of(BULK_GOES, 1)))?);
    Ok(measured)
}

/// Measures the processor time that something takes of ours.
fn timed(work: impl FnOnce() -> anyhow::Result<Measurement>) -> anyhow::Result<Measurement> {
    let before = processor_time(std::process::id())?;
    let mut measured = work()?;
    measured.cpu_ms_per_op = Some(per_op(before, processor_time(std::process::id())?, measured.ops));
    Ok(measured)
}

/// Writes and syncs files of the same content, each new, by several threads. They stay: file systems may create files slowly for a while
/// after many were removed, and a registry is measured next.
fn write(row: &str, folder: &Path, content: &[u8], files: u64) -> anyhow::Result<Measurement> {
    let begin = Instant::now();
    let each = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || write_files(row, folder, content, (writer as u64..files).step_by(WRITERS))))
            .collect();
        let joined = writers
            .into_iter()
            .map(|writer| writer.join().map_err(|_| anyhow!("a writer panicked"))?);
        joined.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let took = begin.elapsed();
    Ok(Measurement::new(
        row.to_owned(),
        WRITERS,
        content.len() as u64,
        took,
        each.into_iter().flatten().collect(),
    ))
}

fn write_files(row: &str, folder: &Path, content: &[u8], files: impl Iterator<Item = u64>) -> anyhow::Result<Vec<Duration>> {
    let mut each = Vec::new();
    for file in files {
        let path = folder.join(format!("{row}-{file}"));
        let begin = Instant::now();
        let write = || -> std::io::Result<()> {
            let mut file = File::create_new(&path)?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
        each.push(begin.elapsed());
    }
    Ok(each)
}

fn hash(content: &[u8], goes: u64) -> Measurement {
    let (begin, mut each) = (Instant::now(), Vec::new());
    for _ in 0..goes {
        let begin = Instant::now();
        std::hint::black_box(Sha256::digest(std::hint::black_box(content)));
        each.push(begin.elapsed());
    }
    Measurement::new("floor-sha256-100mb".into(), 1, content.len() as u64, begin.elapsed(), each)
}

/// Sends the content over one connection, again and again, to a thread that does nothing with it.
fn copy(content: &[u8], goes: u64) -> anyhow::Result<Measurement> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    let (begin, mut each) = (Instant::now(), Vec::new());
    thread::scope(|scope| -> anyhow::Result<()> {
        let sending = scope.spawn(move || (0..goes).try_for_each(|_| sender.write_all(content)));
        let mut buffer = vec![0; BUFFER_BYTES];
        for _ in 0..goes {
            let begin = Instant::now();
            let mut left = content.len();
            while left > 0 {
                let room = buffer.len().min(left);
                let read = receiver.read(buffer.get_mut(..room).unwrap_or_default())?;
                anyhow::ensure!(read > 0, "the connection ended early");
                left -= read;
            }
            each.push(begin.elapsed());
        }
        sending
            .join()
            .map_err(|_| anyhow!("the sender panicked"))?
            .context("cannot send")
    })?;
    Ok(Measurement::new(
        "floor-loopback-100mb".into(),
        1,
        content.len() as u64,
        begin.elapsed(),
        each,
    ))
}
