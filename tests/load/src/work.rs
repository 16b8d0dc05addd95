//! The operations that rows repeat.

use anyhow::ensure;
use bytes::Bytes;
use hyper::Method;

use crate::{
    client::Client,
    content::{Blob, Blobs, Chart, manifest},
};

/// One operation, which can be done any number of times.
pub(crate) enum Work {
    /// Pushes a blob, its manifest and a new tag.
    Push {
        repository: String,
        prefix: String,
        blobs: Blobs,
    },
    /// Pulls blobs in turn.
    Pull { repository: String, blobs: Vec<Blob> },
    /// Asks for a path. The answer to a GET must have as many bytes as are expected.
    Fetch { method: Method, path: String, bytes: u64 },
    /// Pushes manifests of one blob under new tags.
    Manifests { repository: String, blob: Blob },
    /// Pushes charts, each once.
    Charts { repository: String, charts: Vec<Chart> },
}

impl Work {
    /// Returns the bytes of content that one operation moves.
    pub(crate) fn bytes_per_op(&self) -> u64 {
        match self {
            Self::Push { blobs, .. } => blobs.blob(0).size,
            Self::Pull { blobs, .. } => blobs.first().map_or(0, |blob| blob.size),
            Self::Fetch { bytes, .. } => *bytes,
            Self::Manifests { .. } => 0,
            Self::Charts { charts, .. } => charts.first().map_or(0, |chart| chart.archive.size),
        }
    }

    /// Does the operation of a number.
    pub(crate) async fn perform(&self, client: &mut Client, number: u64) -> anyhow::Result<()> {
        match self {
            Self::Push {
                repository,
                prefix,
                blobs,
            } => {
                let blob = blobs.blob(number);
                client.push_blob(repository, &blob).await?;
                let tag = format!("{prefix}{number}");
                client.push_manifest(repository, &tag, manifest(&blob, &tag)).await
            }
            Self::Pull { repository, blobs } => {
                let blob = pick(blobs, number);
                let got = client
                    .fetch(&Method::GET, &format!("/v2/{repository}/blobs/{}", blob.digest))
                    .await?;
                ensure!(got == blob.size, "a blob of {} bytes came with {got} bytes", blob.size);
                Ok(())
            }
            Self::Fetch { method, path, bytes } => {
                let got = client.fetch(method, path).await?;
                ensure!(method == Method::HEAD || got == *bytes, "{got} bytes came instead of {bytes}");
                Ok(())
            }
            Self::Manifests { repository, blob } => {
                let tag = format!("t{number:06}");
                client.push_manifest(repository, &tag, manifest(blob, &tag)).await
            }
            Self::Charts { repository, charts } => {
                let chart = pick(charts, number);
                client.push_blob(repository, &chart.archive).await?;
                client.push_blob(repository, &chart.config).await?;
                client.push_manifest(repository, &chart.tag, chart.manifest.clone()).await
            }
        }
    }
}

/// Pushes a manifest of its own blob under a tag, so that there is something to get, and returns the manifest.
pub(crate) async fn prepare(client: &mut Client, repository: &str, tag: &str, blob: &Blob) -> anyhow::Result<Bytes> {
    client.push_blob(repository, &Blob::empty()).await?;
    client.push_blob(repository, blob).await?;
    let manifest = manifest(blob, tag);
    client.push_manifest(repository, tag, manifest.clone()).await?;
    Ok(manifest)
}

fn pick<T>(items: &[T], number: u64) -> &T {
    let index = usize::try_from(number % items.len().max(1) as u64).unwrap_or_default();
    items.get(index).expect("a row prepares at least one item")
}
