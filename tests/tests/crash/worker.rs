//! A client that works on a repository of its own until the gateway is gone, and remembers what was acknowledged.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use portolan_tests::{MANIFEST, digest, manifest};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng, seq::IteratorRandom};
use reqwest::{
    Method,
    header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE},
};

use super::{
    api::{Api, Broken},
    state::{Operation, State},
};

/// Where the blobs are that are mounted.
pub(super) const SHARED: &str = "crash/shared";
/// Blobs up to this size take the gateway's short way, larger ones go through the file of a session.
pub(super) const SMALL_BYTES_MAX: usize = 1 << 20;
/// How many blobs, and how many manifests, a repository holds before some are deleted.
const HELD_MAX: usize = 8;
/// How many contents are remembered, those included that are not visible any more.
const KNOWN_MAX: usize = 24;

/// An upload session.
pub(super) struct Session {
    pub(super) path: String,
    /// The whole content that is being uploaded.
    pub(super) content: Bytes,
    /// How many bytes were acknowledged.
    pub(super) acknowledged: usize,
}

/// One client.
pub(super) struct Worker {
    pub(super) repository: String,
    rng: SmallRng,
    /// The blobs of [`SHARED`].
    shared: BTreeMap<String, Bytes>,
    /// Every blob and manifest that the repository holds, or held not long ago.
    pub(super) blobs: BTreeMap<String, Bytes>,
    pub(super) manifests: BTreeMap<String, Bytes>,
    /// What was acknowledged.
    pub(super) state: State,
    pub(super) session: Option<Session>,
    /// What was sent and not acknowledged.
    pub(super) pending: Option<Operation>,
    serial: u64,
}

impl Worker {
    pub(super) fn new(number: u64, seed: u64, shared: BTreeMap<String, Bytes>) -> Self {
        Self {
            repository: format!("crash/w{number}"),
            rng: SmallRng::seed_from_u64(seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            blobs: shared.clone(),
            shared,
            manifests: BTreeMap::new(),
            state: State::default(),
            session: None,
            pending: None,
            serial: 0,
        }
    }

    /// Does one thing after the other until the gateway is gone, and returns the step that it was at: nothing when it was at none.
    pub(super) async fn work(&mut self, api: &Api) -> anyhow::Result<Option<&'static str>> {
        loop {
            let operation = self.choose();
            let mut step = operation.step(&self.state);
            self.pending = Some(operation.clone());
            match self.perform(api, &operation, &mut step).await {
                Ok(()) => {
                    operation.apply(&mut self.state);
                    self.pending = None;
                    self.forget();
                }
                Err(Broken::Unsent) => return Ok(None),
                Err(Broken::Cut) => return Ok(Some(step)),
                Err(Broken::Wrong(error)) => return Err(error.context(format!("in {}, at {step}", self.repository))),
            }
        }
    }

    /// Sends what an operation takes. Returns when it is acknowledged.
    async fn perform(&mut self, api: &Api, operation: &Operation, step: &mut &'static str) -> Result<(), Broken> {
        let (repository, none) = (self.repository.clone(), HeaderMap::new);
        match operation {
            Operation::PushBlob { digest, bytes } => {
                let put = std::mem::replace(step, "POST of a session");
                let session = self.open(api).await?;
                *step = put;
                api.expect(201, Method::PUT, &format!("{session}?digest={digest}"), none(), bytes.clone())
                    .await?;
            }
            Operation::Mount { digest } => {
                let path = format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={SHARED}");
                api.expect(201, Method::POST, &path, none(), Bytes::new()).await?;
            }
            Operation::PushManifest {
                digest,
                bytes,
                tags,
                by_tag,
            } => {
                let path = match tags.as_slice() {
                    [tag] if *by_tag => format!("/v2/{repository}/manifests/{tag}"),
                    tags => format!(
                        "/v2/{repository}/manifests/{digest}?{}",
                        tags.iter().map(|tag| format!("tag={tag}&")).collect::<String>()
                    ),
                };
                let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(MANIFEST))]);
                api.expect(201, Method::PUT, path.trim_end_matches(['&', '?']), headers, bytes.clone())
                    .await?;
            }
            Operation::DeleteTag { tag: reference } | Operation::DeleteManifest { digest: reference } => {
                api.expect(
                    202,
                    Method::DELETE,
                    &format!("/v2/{repository}/manifests/{reference}"),
                    none(),
                    Bytes::new(),
                )
                .await?;
            }
            Operation::DeleteBlob { digest } => {
                api.expect(
                    202,
                    Method::DELETE,
                    &format!("/v2/{repository}/blobs/{digest}"),
                    none(),
                    Bytes::new(),
                )
                .await?;
            }
            Operation::Open => {
                let path = self.open(api).await?;
                let content = self.content();
                self.session = Some(Session {
                    path,
                    content,
                    acknowledged: 0,
                });
            }
            Operation::Append { bytes } => self.append(api, *bytes).await?,
            Operation::Finish { digest } => self.finish(api, digest).await?,
            Operation::Cancel => {
                let session = self.session.as_ref().context("only an open session is cancelled")?;
                api.expect(204, Method::DELETE, &session.path, none(), Bytes::new()).await?;
                self.session = None;
            }
        }
        Ok(())
    }

    async fn open(&self, api: &Api) -> Result<String, Broken> {
        let path = format!("/v2/{}/blobs/uploads/", self.repository);
        let answer = api.expect(202, Method::POST, &path, HeaderMap::new(), Bytes::new()).await?;
        let location = answer.headers.get(LOCATION).and_then(|location| location.to_str().ok());
        Ok(location.context("a session has a Location")?.to_owned())
    }

    async fn append(&mut self, api: &Api, bytes: usize) -> Result<(), Broken> {
        let session = self.session.as_mut().context("only an open session is appended to")?;
        let (from, to) = (session.acknowledged, session.acknowledged + bytes);
        let headers = HeaderMap::from_iter([(CONTENT_RANGE, value(&format!("{from}-{}", to - 1))?)]);
        let answer = api
            .expect(202, Method::PATCH, &session.path, headers, session.content.slice(from..to))
            .await?;
        let held = answer.headers.get(RANGE).and_then(|range| range.to_str().ok());
        if held != Some(format!("0-{}", to - 1).as_str()) {
            return Err(Broken::Wrong(anyhow!(
                "{} answered with the range {held:?} after byte {to} was sent",
                answer.asked
            )));
        }
        session.acknowledged = to;
        Ok(())
    }

    /// Ends the session. The same request may be sent again when its answer was lost.
    pub(super) async fn finish(&mut self, api: &Api, digest: &str) -> Result<(), Broken> {
        let session = self.session.as_ref().context("only an open session is ended")?;
        let path = format!("{}?digest={digest}", session.path);
        api.expect(
            201,
            Method::PUT,
            &path,
            HeaderMap::new(),
            session.content.slice(session.acknowledged..),
        )
        .await?;
        self.session = None;
        Ok(())
    }

    fn choose(&mut self) -> Operation {
        if self.session.is_some() && self.rng.random_ratio(1, 3) {
            return self.choose_for_session();
        }
        let chosen = match self.rng.random_range(0..100) {
            _ if self.state.blobs.len() > HELD_MAX => self.any_blob().map(|digest| Operation::DeleteBlob { digest }),
            _ if self.state.manifests.len() > HELD_MAX => self.any_manifest().map(|digest| Operation::DeleteManifest { digest }),
            0..20 => None,
            20..25 => self.choose_mount(),
            25..30 => (self.session.is_none()).then_some(Operation::Open),
            30..70 => self.choose_manifest(),
            70..80 => self.any_tag().map(|tag| Operation::DeleteTag { tag }),
            80..90 => self.any_manifest().map(|digest| Operation::DeleteManifest { digest }),
            _ => self.any_blob().map(|digest| Operation::DeleteBlob { digest }),
        };
        chosen.unwrap_or_else(|| self.choose_blob())
    }

    fn choose_for_session(&mut self) -> Operation {
        let Some(session) = &self.session else {
            return Operation::Open;
        };
        let left = session.content.len() - session.acknowledged;
        let content = session.content.clone();
        match self.rng.random_range(0..10) {
            0 => Operation::Cancel,
            // What is left may also be sent with the request that ends the session.
            1..8 if left > 0 => Operation::Append {
                bytes: left.min(self.rng.random_range(2..400_000)),
            },
            _ => {
                let digest = digest(&content);
                self.blobs.insert(digest.clone(), content);
                Operation::Finish { digest }
            }
        }
    }

    /// Chooses a blob to push: a new one, or one that others push as well.
    fn choose_blob(&mut self) -> Operation {
        let bytes = match self.shared.values().choose(&mut self.rng) {
            Some(shared) if self.rng.random_ratio(1, 4) => shared.clone(),
            _ => self.content(),
        };
        let digest = digest(&bytes);
        self.blobs.insert(digest.clone(), bytes.clone());
        Operation::PushBlob { digest, bytes }
    }

    fn choose_mount(&mut self) -> Option<Operation> {
        let (digest, bytes) = self.shared.iter().choose(&mut self.rng)?;
        self.blobs.insert(digest.clone(), bytes.clone());
        Some(Operation::Mount { digest: digest.clone() })
    }

    fn choose_manifest(&mut self) -> Option<Operation> {
        let layers = self
            .state
            .blobs
            .iter()
            .filter_map(|digest| self.blobs.get(digest))
            .sample(&mut self.rng, 2);
        let config: Bytes = (*layers.first()?).clone();
        let layers: Vec<&[u8]> = layers.into_iter().map(AsRef::as_ref).collect();
        self.serial += 1;
        let mut manifest = manifest(&config, &layers);
        manifest["annotations"] = serde_json::json!({ "serial": self.serial.to_string() });
        let bytes = Bytes::from(manifest.to_string());
        let digest = digest(&bytes);
        self.manifests.insert(digest.clone(), bytes.clone());
        let serial = self.serial;
        let pair = || (format!("a{serial}"), format!("b{serial}"));
        let (tags, by_tag) = match (self.rng.random_range(0..5), self.any_tag()) {
            (0, Some(tag)) => (vec![tag], true),
            (1, Some(tag)) => (vec![pair().0, tag, pair().1], false),
            (1 | 2, _) => (vec![pair().0, pair().1], false),
            (3, _) => (Vec::new(), false),
            _ => (vec![format!("v{serial}")], true),
        };
        Some(Operation::PushManifest {
            digest,
            bytes,
            tags,
            by_tag,
        })
    }

    fn any_blob(&mut self) -> Option<String> {
        self.state.blobs.iter().choose(&mut self.rng).cloned()
    }

    fn any_manifest(&mut self) -> Option<String> {
        self.state.manifests.iter().choose(&mut self.rng).cloned()
    }

    fn any_tag(&mut self) -> Option<String> {
        self.state.tags.keys().choose(&mut self.rng).cloned()
    }

    /// Returns new bytes: mostly few, now and then more than fit into one part.
    fn content(&mut self) -> Bytes {
        let size = if self.rng.random_ratio(1, 6) {
            SMALL_BYTES_MAX..3 * SMALL_BYTES_MAX
        } else {
            2..40_000
        };
        let mut bytes = vec![0; self.rng.random_range(size)];
        self.rng.fill_bytes(&mut bytes);
        bytes.into()
    }

    /// Forgets contents that are not visible any more when there are too many.
    fn forget(&mut self) {
        for (known, visible) in [
            (&mut self.blobs, &self.state.blobs),
            (&mut self.manifests, &self.state.manifests),
        ] {
            while known.len() > KNOWN_MAX {
                let Some(gone) = known.keys().find(|digest| !visible.contains(*digest)).cloned() else {
                    break;
                };
                known.remove(&gone);
            }
        }
    }
}

fn value(text: &str) -> anyhow::Result<HeaderValue> {
    Ok(HeaderValue::from_str(text)?)
}
