//! The system calls of a push, as the kernel sees them.
//!
//! A kill leaves what was written in the page cache; a machine that loses its power does not. What protects from that is an order:
//! bytes, then the name, then every new folder, then the metadata, and only then the answer.

use std::{
    collections::HashMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    thread::JoinHandle,
};

use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use portolan_tests::{MANIFEST, digest, manifest, process::Setup};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION},
};

use super::{
    api::{Api, Broken},
    worker::SMALL_BYTES_MAX,
};

/// The calls that are looked at.
const CALLS: &str = "trace=openat,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,ftruncate,fsync,fdatasync,\
                     rename,renameat,renameat2,mkdir,mkdirat";
const WRITES: &[&str] = &["write", "pwrite64", "writev", "pwritev", "pwritev2"];
const SYNCS: &[&str] = &["fsync", "fdatasync"];
const RENAMES: &[&str] = &["rename", "renameat", "renameat2"];
const FOLDERS: &[&str] = &["mkdir", "mkdirat"];
const SENDS: &[&str] = &["write", "writev", "sendto", "sendmsg"];

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_answered_after_everything_of_it_is_durable() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (trace, reader) = trace_into(&folder.path().join("trace"))?;
    let strace = ["strace", "-D", "-f", "-y", "-s", "32", "-e", CALLS, "-o", &trace];
    let gateway = Setup::new().under(&strace).start_in(folder.path())?;
    let small = Bytes::from(vec![1; 10_000]);
    let large = Bytes::from(vec![2; 2 * SMALL_BYTES_MAX + 17]);
    push(&Api::new(gateway.address())?, &small, &large)
        .await
        .map_err(Broken::into_error)?;
    gateway.stop()?;
    let text = reader.join().map_err(|_| anyhow!("the reader panicked"))??;
    let calls = parse(&text);
    let data = folder.path().join("data");
    for (content, end) in [(&small, "201 of the small blob"), (&large, "201 of the large blob")] {
        check_blob(&calls, &data, &digest(content)).with_context(|| format!("before the {end}:\n{text}"))?;
    }
    check_manifest(&calls).with_context(|| format!("before the 201 of the manifest:\n{text}"))?;
    check_folders(&calls, folder.path()).with_context(|| format!("before the first 201:\n{text}"))
}

/// Pushes one blob after the other and then a manifest of them.
async fn push(api: &Api, small: &Bytes, large: &Bytes) -> Result<(), Broken> {
    for content in [small, large] {
        let session = api
            .expect(202, Method::POST, "/v2/order/blobs/uploads/", HeaderMap::new(), Bytes::new())
            .await?;
        let session = session
            .headers
            .get(LOCATION)
            .and_then(|location| location.to_str().ok())
            .context("a session has a Location")?;
        let path = format!("{session}?digest={}", digest(content));
        api.expect(201, Method::PUT, &path, HeaderMap::new(), content.clone()).await?;
    }
    let manifest = Bytes::from(manifest(small, &[large]).to_string());
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(MANIFEST))]);
    api.expect(201, Method::PUT, "/v2/order/manifests/v1", headers, manifest)
        .await?;
    Ok(())
}

/// Makes a pipe that takes a trace, and reads it until the tracer is done.
fn trace_into(path: &Path) -> anyhow::Result<(String, JoinHandle<std::io::Result<String>>)> {
    let status = std::process::Command::new("mkfifo").arg(path).status()?;
    ensure!(status.success(), "mkfifo failed");
    let reader = path.to_owned();
    let read = move || {
        let mut text = Vec::new();
        File::open(reader)?.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    Ok((path.display().to_string(), std::thread::spawn(read)))
}

/// One system call that succeeded. Calls of several threads overlap, so beginning and end are told apart.
#[derive(Debug)]
struct Call {
    name: String,
    text: String,
    begin: usize,
    end: usize,
}

impl Call {
    fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }

    /// Says whether the call works on an open file or folder with this path.
    fn works_on(&self, path: &str) -> bool {
        self.text.contains(&format!("<{path}>"))
    }

    fn is_created(&self) -> bool {
        self.is(SENDS) && self.text.contains("\"HTTP/1.1 201")
    }
}

/// Reads the output of `strace -f`: `pid name(arguments) = result`, or the same in two lines.
fn parse(text: &str) -> Vec<Call> {
    let mut open: HashMap<&str, (usize, String)> = HashMap::new();
    let mut calls = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        let (begin, whole) = if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            open.insert(pid, (number, begun.to_owned()));
            continue;
        } else if rest.starts_with("<... ") {
            let (Some((begin, begun)), Some((_, ended))) = (open.remove(pid), rest.split_once("resumed>")) else {
                continue;
            };
            (begin, begun + ended)
        } else {
            (number, rest.to_owned())
        };
        let failed = whole
            .rsplit_once(" = ")
            .is_none_or(|(_, result)| result.starts_with('-') || result.starts_with('?'));
        if let (Some((name, _)), false) = (whole.split_once('('), failed) {
            calls.push(Call {
                name: name.to_owned(),
                text: whole.clone(),
                begin,
                end: number,
            });
        }
    }
    calls.sort_by_key(|call| call.begin);
    calls
}

/// Finds the first call that begins after `after` has ended.
fn find<'a>(calls: &'a [Call], after: usize, what: &str, wanted: impl Fn(&Call) -> bool) -> anyhow::Result<&'a Call> {
    let found = calls.iter().find(|call| call.begin > after && wanted(call));
    found.with_context(|| format!("there is no {what} after line {} of the trace", after + 1))
}

/// Checks the way of a blob: written, synced, renamed, folder synced, metadata synced, answered.
fn check_blob(calls: &[Call], data: &Path, digest: &str) -> anyhow::Result<()> {
    let hex = digest.strip_prefix("sha256:").context("blobs are named by sha256 here")?;
    let folder = data.join("blobs/sha256").join(hex.get(..2).context("a digest is long")?);
    let target = folder.join(hex).display().to_string();
    let rename = calls
        .iter()
        .find(|call| call.is(RENAMES) && call.text.contains(&format!("\"{target}.")));
    let rename = rename.with_context(|| format!("nothing is renamed to {target}"))?;
    let source = rename.text.split('"').nth(1).context("a rename names its source")?;
    let written = calls
        .iter()
        .rfind(|call| call.end < rename.begin && call.is(WRITES) && call.works_on(source));
    let written = written.with_context(|| format!("{source} is not written before it is renamed"))?;
    let synced = find(calls, written.end, "sync of the bytes", |call| {
        call.is(SYNCS) && call.works_on(source)
    })?;
    ensure!(
        synced.end < rename.begin,
        "the bytes are synced after the rename: {synced:?}, {rename:?}"
    );
    let folder = folder.display().to_string();
    let named = find(calls, rename.end, "sync of the folder", |call| {
        call.is(SYNCS) && call.works_on(&folder)
    })?;
    let linked = find(calls, named.end, "sync of the metadata", is_metadata_sync)?;
    let answered = find(calls, rename.begin, "answer", Call::is_created)?;
    ensure!(
        linked.end < answered.begin,
        "the metadata is synced after the answer: {linked:?}, {answered:?}"
    );
    Ok(())
}

/// Checks that the metadata is synced between the last blob's answer and the manifest's.
fn check_manifest(calls: &[Call]) -> anyhow::Result<()> {
    let created: Vec<&Call> = calls.iter().filter(|call| call.is_created()).collect();
    let [_, blob, manifest] = created.as_slice() else {
        return Err(anyhow!("three pushes got {} answers", created.len()));
    };
    let stored = find(calls, blob.end, "sync of the metadata", is_metadata_sync)?;
    ensure!(
        stored.end < manifest.begin,
        "the metadata is synced after the answer: {stored:?}, {manifest:?}"
    );
    Ok(())
}

fn is_metadata_sync(call: &Call) -> bool {
    call.is(SYNCS) && call.text.contains("-wal>")
}

/// Checks that every folder that was created before an answer is durable: that its parent is synced after it was created.
fn check_folders(calls: &[Call], root: &Path) -> anyhow::Result<()> {
    let created = calls.iter().filter(|call| call.is_created()).map(|call| call.begin);
    for answered in created {
        for made in calls.iter().filter(|call| call.is(FOLDERS) && call.end < answered) {
            let path = PathBuf::from(made.text.split('"').nth(1).context("a new folder has a path")?);
            let Some(parent) = path.parent().filter(|parent| parent.starts_with(root)) else {
                continue;
            };
            let parent = parent.display().to_string();
            let synced = find(calls, made.end, &format!("sync of {parent}"), |call| {
                call.is(SYNCS) && call.works_on(&parent)
            })?;
            ensure!(synced.end < answered, "{} is made durable after the answer", path.display());
        }
    }
    Ok(())
}
