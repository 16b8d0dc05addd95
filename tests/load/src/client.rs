//! One connection to a registry, kept alive, and the requests that clients send over it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Method, Request, Uri,
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;

use crate::content::Blob;

/// The most bytes of an error body that are shown.
const ERROR_BYTES_MAX: usize = 400;

/// A body of a few pieces that are at hand. Pieces are shared, never copied.
#[derive(Default)]
pub(crate) struct Payload(VecDeque<Bytes>);

impl Payload {
    pub(crate) fn new(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self(pieces.into_iter().collect())
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}

/// One connection.
pub(crate) struct Client {
    target: SocketAddr,
    sender: Option<SendRequest<Payload>>,
}

impl Client {
    pub(crate) fn new(target: SocketAddr) -> Self {
        Self { target, sender: None }
    }

    /// Sends a request and returns the answer, whatever its status.
    pub(crate) async fn send(
        &mut self,
        method: &Method,
        path: &str,
        content_type: &str,
        payload: Payload,
    ) -> anyhow::Result<hyper::Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.target.to_string());
        if !content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if method == Method::GET || method == Method::HEAD {
            // The reference registry answers in the types that are asked for.
            request = request.header(header::ACCEPT, "application/vnd.oci.image.manifest.v1+json, */*");
        }
        let request = request.body(payload)?;
        let answer = self.connection().await?.send_request(request).await;
        answer.with_context(|| format!("{method} {path} got no answer"))
    }

    /// Sends a request that must succeed, and returns the answer.
    async fn expect(
        &mut self,
        method: &Method,
        path: &str,
        kind: &str,
        payload: Payload,
    ) -> anyhow::Result<hyper::Response<Incoming>> {
        let answer = self.send(method, path, kind, payload).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer
            .into_body()
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        let shown = String::from_utf8_lossy(body.get(..ERROR_BYTES_MAX).unwrap_or(&body)).into_owned();
        bail!("{method} {path} answered {status}: {shown}");
    }

    /// Gets or looks at something, and returns how many bytes came.
    pub(crate) async fn fetch(&mut self, method: &Method, path: &str) -> anyhow::Result<u64> {
        let mut body = self.expect(method, path, "", Payload::default()).await?.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok(bytes)
    }

    /// Gets a blob and checks every byte of it.
    pub(crate) async fn verify_blob(&mut self, repository: &str, blob: &Blob) -> anyhow::Result<()> {
        let path = format!("/v2/{repository}/blobs/{}", blob.digest);
        let mut body = self.expect(&Method::GET, &path, "", Payload::default()).await?.into_body();
        let mut hasher = Sha256::new();
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame?.data_ref() {
                hasher.update(data);
            }
        }
        let got = crate::content::digest(hasher);
        anyhow::ensure!(got == blob.digest, "GET {path} brought bytes with the digest {got}");
        Ok(())
    }

    /// Pushes a blob as most clients do: opens a session, then sends all of it with the request that ends the session.
    pub(crate) async fn push_blob(&mut self, repository: &str, blob: &Blob) -> anyhow::Result<()> {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let opened = self.expect(&Method::POST, &path, "", Payload::default()).await?;
        let location = opened
            .headers()
            .get(header::LOCATION)
            .and_then(|location| location.to_str().ok());
        let location: Uri = location.context("the answer to POST names no Location")?.parse()?;
        drain(opened.into_body()).await?;
        let session = location.path_and_query().context("the Location of the session has no path")?;
        let separator = if session.query().is_some() { '&' } else { '?' };
        let path = format!("{session}{separator}digest={}", blob.digest);
        let payload = Payload::new(blob.pieces.iter().cloned());
        drain(
            self.expect(&Method::PUT, &path, "application/octet-stream", payload)
                .await?
                .into_body(),
        )
        .await
    }

    /// Pushes a manifest under a tag.
    pub(crate) async fn push_manifest(&mut self, repository: &str, tag: &str, manifest: Bytes) -> anyhow::Result<()> {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let payload = Payload::new([manifest]);
        drain(
            self.expect(&Method::PUT, &path, crate::content::MANIFEST, payload)
                .await?
                .into_body(),
        )
        .await
    }

    /// Returns a connection that is ready for a request.
    async fn connection(&mut self) -> anyhow::Result<&mut SendRequest<Payload>> {
        let alive = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !alive {
            let stream = TcpStream::connect(self.target)
                .await
                .with_context(|| format!("cannot connect to {}", self.target))?;
            stream.set_nodelay(true)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            // A connection that breaks fails the request that runs over it, which tells.
            tokio::spawn(async move { drop(connection.await) });
            self.sender = Some(sender);
        }
        self.sender.as_mut().context("a connection was made above")
    }
}

/// Reads an answer to its end, so that its connection can be used again.
async fn drain(mut body: Incoming) -> anyhow::Result<()> {
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}
