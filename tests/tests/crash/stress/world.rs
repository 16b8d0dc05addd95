//! The few contents, repositories and tags that all clients share, and how each thing is read.

use std::collections::BTreeSet;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use portolan_tests::{MANIFEST, digest, manifest};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use reqwest::{
    Method,
    header::{ACCEPT, HeaderMap, HeaderValue},
};

use super::{
    super::api::{Api, Broken},
    history::Key,
};

/// How many repositories there are.
pub(super) const REPOSITORIES: usize = 3;
/// How many tags a repository may have.
pub(super) const TAGS: usize = 4;
/// How many manifests there are.
pub(super) const MANIFESTS: usize = 6;
/// The sizes of the blobs: some take the gateway's short way, some its long one, some lie at the border.
const BLOB_BYTES: [usize; 6] = [2, 3_000, 60_000, (1 << 20) - 1, (1 << 20) + 1, 2_500_000];

/// Bytes and their digest.
pub(super) struct Content {
    pub(super) bytes: Bytes,
    pub(super) digest: String,
}

impl Content {
    fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: digest(&bytes),
            bytes,
        }
    }
}

/// Everything that clients push.
pub(super) struct World {
    pub(super) blobs: Vec<Content>,
    pub(super) manifests: Vec<Content>,
}

/// What a read showed.
pub(super) enum Shown {
    Blob(usize),
    Manifest { repository: usize, content: usize },
}

impl Shown {
    pub(super) fn content(&self) -> usize {
        match self {
            Self::Blob(content) | Self::Manifest { content, .. } => *content,
        }
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed ^ 0x5eed);
        let blobs: Vec<Content> = BLOB_BYTES
            .iter()
            .map(|size| {
                let mut bytes = vec![0; *size];
                rng.fill_bytes(&mut bytes);
                Content::new(bytes)
            })
            .collect();
        let manifests = (0..MANIFESTS).map(|number| {
            let [config, layers @ ..] = needed(number).map(|blob| &*blobs[blob].bytes);
            let mut manifest = manifest(config, &layers);
            manifest["annotations"] = serde_json::json!({ "number": number.to_string() });
            Content::new(manifest.to_string())
        });
        let manifests = manifests.collect();
        Self { blobs, manifests }
    }

    /// Returns everything that can be read.
    pub(super) fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        for repository in 0..REPOSITORIES {
            keys.extend((0..self.blobs.len()).map(|content| Key::Blob { repository, content }));
            keys.extend((0..MANIFESTS).map(|content| Key::Manifest { repository, content }));
            keys.extend((0..TAGS).map(|tag| Key::Tag { repository, tag }));
        }
        keys
    }

    pub(super) fn blob_path(&self, repository: usize, content: usize) -> String {
        format!("/v2/{}/blobs/{}", name(repository), self.blobs[content].digest)
    }

    pub(super) fn manifest_path(&self, repository: usize, content: usize) -> String {
        format!("/v2/{}/manifests/{}", name(repository), self.manifests[content].digest)
    }

    /// Reads what a key shows, and checks that it is whole.
    pub(super) async fn read(&self, api: &Api, key: &Key) -> anyhow::Result<Option<Shown>> {
        self.try_read(api, key).await.map_err(Broken::into_error)
    }

    /// Does the same with a gateway that may be killed.
    pub(super) async fn try_read(&self, api: &Api, key: &Key) -> Result<Option<Shown>, Broken> {
        let path = match key {
            Key::Blob { repository, content } => self.blob_path(*repository, *content),
            Key::Manifest { repository, content } => self.manifest_path(*repository, *content),
            Key::Tag { repository, tag } => tag_path(*repository, *tag),
        };
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(MANIFEST))]);
        let answer = api.send(Method::GET, &path, headers, Bytes::new()).await?;
        match answer.status {
            200 => Ok(Some(self.recognise(key, &answer.body).with_context(|| path)?)),
            404 => Ok(None),
            status => Err(anyhow::anyhow!("{} answered {status}: {}", answer.asked, answer.text()).into()),
        }
    }

    fn recognise(&self, key: &Key, body: &Bytes) -> anyhow::Result<Shown> {
        let whole = |expected: &Content| {
            let (got, wanted) = (body.len(), expected.bytes.len());
            ensure!(
                *body == expected.bytes,
                "answered {got} bytes that are not the {wanted} bytes pushed"
            );
            Ok(())
        };
        match *key {
            Key::Blob { content, .. } => whole(&self.blobs[content]).map(|()| Shown::Blob(content)),
            Key::Manifest { repository, content } => {
                whole(&self.manifests[content]).map(|()| Shown::Manifest { repository, content })
            }
            Key::Tag { repository, .. } => match self.manifests.iter().position(|manifest| manifest.bytes == *body) {
                Some(content) => Ok(Shown::Manifest { repository, content }),
                None => bail!("shows a manifest that nobody pushed"),
            },
        }
    }

    /// Checks that the list of tags names those that can be read, while nobody writes.
    pub(super) async fn check_tag_list(&self, api: &Api, repository: usize) -> anyhow::Result<()> {
        let mut there = BTreeSet::new();
        for tag in 0..TAGS {
            if self.read(api, &Key::Tag { repository, tag }).await?.is_some() {
                there.insert(format!("t{tag}"));
            }
        }
        let list = api.get(&format!("/v2/{}/tags/list", name(repository))).await?;
        let listed: BTreeSet<String> = match &list {
            Some(answer) => serde_json::from_value(answer.json()["tags"].clone())?,
            None => BTreeSet::new(),
        };
        ensure!(listed == there, "the list has the tags {listed:?}, but {there:?} can be read");
        Ok(())
    }
}

/// Returns the blobs that a manifest names.
pub(super) fn needed(manifest: usize) -> [usize; 3] {
    [manifest, manifest + 1, manifest + 3].map(|blob| blob % BLOB_BYTES.len())
}

/// Returns the name of a repository.
pub(super) fn name(repository: usize) -> String {
    format!("stress/r{repository}")
}

pub(super) fn tag_path(repository: usize, tag: usize) -> String {
    format!("/v2/{}/manifests/t{tag}", name(repository))
}
