//! What every database has to do, as plain functions over [`Metadata`].

mod artifacts;
mod collection;
mod held;
mod jobs;
mod lists;
mod migrations;
mod model;
mod plans;
mod portable;
mod revisions;
mod scopes;
mod transactions;
mod uploads;
mod waiting;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake},
    thread::Thread,
};

use bytes::Bytes;
use tempfile::TempDir;

use super::{
    Applied, Claimed, Command, Edge, EdgeKind, Entry, EntryUpdate, Expected, Finding, Job, JobCount, JobEnd, JobKind, Judged,
    Lease, LinkBlob, Metadata, MetadataError, Opinion, Plan, PlanCursor, PutManifest, ReferrerRecord, Refused, ScanUpdate, Stamp,
    Turn,
};
use crate::oci::{Digest, Location, MediaType, Prefixes, Reference, Repository, Scope, Tag};

/// Waits for a read where a test has to hold up its thread: in what iterators do.
trait Now: Future + Sized {
    fn now(self) -> Self::Output {
        let waker = Arc::new(Unpark(std::thread::current())).into();
        // The thread is held up: nobody is there to give it a new budget.
        let mut read = pin!(tokio::task::unconstrained(self));
        loop {
            if let Poll::Ready(done) = read.as_mut().poll(&mut Context::from_waker(&waker)) {
                return done;
            }
            std::thread::park();
        }
    }
}

impl<F: Future> Now for F {}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A database in a folder that lives as long as the test.
struct Database {
    metadata: Metadata,
    folder: TempDir,
}

fn database() -> Database {
    let folder = tempfile::tempdir().unwrap();
    let metadata = Metadata::open(folder.path()).unwrap();
    Database { metadata, folder }
}

fn repository(name: &str) -> Repository {
    name.parse().unwrap()
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

fn media_type(name: &str) -> MediaType {
    name.parse().unwrap()
}

fn digest(content: &str) -> Digest {
    Digest::sha256(content.as_bytes())
}

fn stamp(plugin: &str, version: &str) -> Stamp {
    Stamp {
        plugin: plugin.into(),
        component: digest(version),
        settings: digest("{}"),
    }
}

fn finding(rule: &str) -> Finding {
    Finding {
        rule: rule.into(),
        severity: "high".into(),
        message: "Mend it.".into(),
        location: None,
        help: None,
        properties: String::new(),
    }
}

fn entry(title: &str) -> Entry {
    Entry {
        title: title.into(),
        version: Some("1.0.0".into()),
        summary: Some("Serves pages".into()),
        keywords: vec!["http".into(), "reverse-proxy".into()],
        references: Vec::new(),
        document: format!("{{\"title\":\"{title}\"}}"),
    }
}

fn judged(title: &str, stamp: Stamp) -> Judged {
    Judged {
        stamp,
        artifact_type: "application/vnd.example.thing".into(),
        entry: Some(entry(title)),
        findings: vec![finding("thing/one")],
        failure: None,
        scan: false,
        index: false,
    }
}

/// A manifest that names nothing. Its content is a text.
fn manifest(name: &str, content: &str, tags: &[&str]) -> PutManifest {
    PutManifest {
        repository: repository(name),
        digest: digest(content),
        media_type: media_type("application/vnd.oci.image.manifest.v1+json"),
        bytes: Bytes::copy_from_slice(content.as_bytes()),
        candidates: vec!["application/vnd.example.thing".into(), "application/vnd.example.other".into()],
        edges: Vec::new(),
        subject: None,
        referrer_type: None,
        annotations: "{}".into(),
        tags: tags.iter().map(|name| tag(name)).collect(),
        judged: None,
        opinions: Vec::new(),
        now: 1_000,
    }
}

fn edge(kind: EdgeKind, content: &str) -> Edge {
    Edge {
        kind,
        digest: digest(content),
        size: content.len() as u64,
        required: true,
    }
}

/// What a scan found, with the manifest that shows it.
fn scan(name: &str, subject: &str, document: &str) -> ScanUpdate {
    let content = format!("referrer of {subject} with {document}");
    ScanUpdate {
        repository: repository(name),
        digest: digest(subject),
        stamp: stamp("thing", "1"),
        findings: vec![finding("thing/scan")],
        sarif: Bytes::copy_from_slice(document.as_bytes()),
        document: Some(somewhere(document)),
        now: LEASE.now,
        referrer: Some(Box::new(PutManifest {
            edges: vec![edge(EdgeKind::Config, document)],
            subject: Some(digest(subject)),
            referrer_type: Some("application/sarif+json".into()),
            ..manifest(name, &content, &[])
        })),
    }
}

fn link(name: &str, content: &str) -> Command {
    Command::LinkBlob(LinkBlob {
        repository: repository(name),
        digest: digest(content),
        size: content.len() as u64,
        location: Some(somewhere(content)),
        is_new: false,
        upload: None,
        lease: LEASE,
    })
}

/// Returns a place for some content where nothing lay before.
fn somewhere(content: &str) -> Location {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    at(content, &format!("new {}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn link_at(name: &str, content: &str, time: &str) -> Command {
    let Command::LinkBlob(link) = link(name, content) else {
        panic!("it links a blob")
    };
    Command::LinkBlob(LinkBlob {
        location: Some(at(content, time)),
        ..link
    })
}

fn unlink(name: &str, content: &str) -> Command {
    Command::UnlinkBlob {
        repository: repository(name),
        digest: digest(content),
        now: LEASE.now,
    }
}

fn mount(name: &str, content: &str, from: &[&str]) -> Command {
    Command::MountBlob {
        repository: repository(name),
        digest: digest(content),
        from: from.iter().map(|name| repository(name)).collect(),
        lease: LEASE,
    }
}

/// How long what is stored here stays that no manifest names.
const LEASE: Lease = Lease {
    now: 1_000,
    until: 2_000,
};

/// Returns where some content lies that was pushed for the first, second ... time.
fn at(content: &str, time: &str) -> Location {
    format!("{} {time}", digest(content)).into()
}

fn delete(name: &str, content: &str) -> Command {
    Command::DeleteManifest {
        repository: repository(name),
        digest: digest(content),
        now: LEASE.now,
    }
}

impl Database {
    async fn apply(&self, command: Command) -> Result<Applied, MetadataError> {
        self.metadata.apply(command).await
    }

    /// Applies a command that has to succeed.
    async fn done(&self, command: Command) -> Applied {
        self.apply(command).await.unwrap()
    }

    async fn put(&self, put: PutManifest) -> Applied {
        self.done(Command::PutManifest(Box::new(put))).await
    }

    /// Applies a command that has to be refused.
    async fn refused(&self, command: Command) -> Refused {
        match self.apply(command).await {
            Err(MetadataError::Refused(refused)) => refused,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Returns the content of the manifest that a tag means.
    async fn tagged(&self, name: &str, tag_name: &str) -> Option<String> {
        let record = self
            .metadata
            .manifest(&repository(name), &Reference::Tag(tag(tag_name)))
            .await
            .unwrap();
        record.map(|record| String::from_utf8(record.bytes.to_vec()).unwrap())
    }

    async fn holds(&self, name: &str, content: &str) -> bool {
        let reference = Reference::Digest(digest(content));
        self.metadata
            .manifest_head(&repository(name), &reference)
            .await
            .unwrap()
            .is_some()
    }

    async fn sees(&self, name: &str, content: &str) -> bool {
        self.metadata
            .blob(&repository(name), &digest(content))
            .await
            .unwrap()
            .is_some()
    }

    async fn revision(&self, prefix: &str) -> u64 {
        self.metadata.revision(&Scope::All, prefix, None).await.unwrap()
    }

    async fn found(&self, query: &str) -> Vec<String> {
        let found = self.metadata.search(&Scope::All, query, None, None, 100).await.unwrap();
        found
            .iter()
            .map(|item| format!("{} {:?}", item.repository, item.tags))
            .collect()
    }
}
