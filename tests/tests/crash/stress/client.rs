//! A client that does one thing after the other until the gateway is gone, and now and then gives up what it began.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::anyhow;
use bytes::Bytes;
use portolan_tests::{Answer, MANIFEST};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};

use super::{
    super::api::{Api, Broken},
    history::{Effect, History, Key},
    world::{MANIFESTS, REPOSITORIES, Shown, TAGS, World, name, needed, tag_path},
};

/// One in so many requests is given up.
const GIVEN_UP_ONE_IN: u32 = 8;
/// How long a request that is given up is waited for.
const PATIENCE_US: std::ops::Range<u64> = 50..20_000;

/// What happened how often.
pub(super) type Counts = BTreeMap<String, u64>;

/// How a request ended.
pub(super) enum Ended {
    Answered(Answer),
    /// The client went away before the answer came.
    GivenUp,
}

/// One client.
pub(super) struct Client {
    pub(super) rng: SmallRng,
    pub(super) world: Arc<World>,
    pub(super) history: Arc<History>,
    pub(super) counts: Counts,
}

impl Client {
    pub(super) fn new(number: u64, seed: u64, world: Arc<World>, history: Arc<History>) -> Self {
        Self {
            rng: SmallRng::seed_from_u64(seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            world,
            history,
            counts: Counts::new(),
        }
    }

    /// Works until the gateway is gone.
    pub(super) async fn work(&mut self, api: &Api) -> anyhow::Result<()> {
        loop {
            let (repository, blob) = (self.any(REPOSITORIES), self.any(self.world.blobs.len()));
            let (manifest, tag) = (self.any(MANIFESTS), self.any(TAGS));
            let done = match self.rng.random_range(0..100) {
                0..14 => self.push_blob(api, repository, blob).await,
                14..24 => self.push_in_parts(api, repository, blob).await,
                24..34 => self.mount(api, repository, blob).await,
                34..56 => self.push_manifest(api, repository, manifest, tag).await,
                56..61 => self.delete_blob(api, repository, blob).await,
                61..66 => self.delete_manifest(api, repository, manifest).await,
                66..71 => self.delete_tag(api, repository, tag).await,
                71..83 => self.look(api, Key::Tag { repository, tag }).await,
                83..90 => {
                    self.look(
                        api,
                        Key::Manifest {
                            repository,
                            content: manifest,
                        },
                    )
                    .await
                }
                _ => {
                    self.look(
                        api,
                        Key::Blob {
                            repository,
                            content: blob,
                        },
                    )
                    .await
                }
            };
            match done {
                Ok(()) => {}
                Err(Broken::Unsent | Broken::Cut) => return Ok(()),
                Err(Broken::Wrong(error)) => return Err(error),
            }
        }
    }

    pub(super) fn any(&mut self, count: usize) -> usize {
        self.rng.random_range(0..count)
    }

    pub(super) fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    /// Sends a request, and now and then goes away before it is answered.
    pub(super) async fn send(
        &mut self,
        api: &Api,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Ended, Broken> {
        let sent = api.send(method, path, headers, body);
        if !self.rng.random_ratio(1, GIVEN_UP_ONE_IN) {
            return sent.await.map(Ended::Answered);
        }
        let patience = Duration::from_micros(self.rng.random_range(PATIENCE_US));
        match tokio::time::timeout(patience, sent).await {
            Ok(answered) => answered.map(Ended::Answered),
            Err(_) => {
                self.count("given up");
                Ok(Ended::GivenUp)
            }
        }
    }

    /// Does a write whose answers are `done` where it happened and `refused` where it did not. Says whether it was refused.
    async fn write(&mut self, api: &Api, what: &str, request: Request, effects: &[Effect]) -> Result<bool, Broken> {
        let begun = self.history.begin(effects);
        let Request {
            method,
            path,
            headers,
            body,
            done,
            refused,
        } = request;
        let Ended::Answered(answer) = self.send(api, method, &path, headers, body).await? else {
            return Ok(false);
        };
        if answer.status == done {
            self.history.acknowledge(&begun);
            self.count(&format!("{what}: done"));
            return Ok(false);
        }
        if refused.contains(&answer.status) {
            self.history.take_back(&begun);
            self.count(&format!("{what}: refused"));
            return Ok(true);
        }
        Err(unexpected(&answer))
    }

    async fn push_blob(&mut self, api: &Api, repository: usize, content: usize) -> Result<(), Broken> {
        let blob = &self.world.blobs[content];
        let path = format!("/v2/{}/blobs/uploads/?digest={}", name(repository), blob.digest);
        let request = Request::new(Method::POST, path, 201, &[]).with(blob.bytes.clone());
        let effect = Effect::new(Key::Blob { repository, content }, Some(content));
        self.write(api, "push a blob", request, &[effect]).await.map(drop)
    }

    async fn mount(&mut self, api: &Api, repository: usize, content: usize) -> Result<(), Broken> {
        let from = self.any(REPOSITORIES);
        let (digest, since) = (self.world.blobs[content].digest.clone(), self.history.now());
        let path = format!("/v2/{}/blobs/uploads/?mount={digest}&from={}", name(repository), name(from));
        let request = Request::new(Method::POST, path, 201, &[202]);
        let effect = Effect::new(Key::Blob { repository, content }, Some(content));
        if self.write(api, "mount", request, &[effect]).await? {
            // A session instead: the other repository cannot have held it all the time.
            self.expect_possible(
                &Key::Blob {
                    repository: from,
                    content,
                },
                since,
            )?;
        }
        Ok(())
    }

    async fn push_manifest(&mut self, api: &Api, repository: usize, content: usize, tag: usize) -> Result<(), Broken> {
        let manifest = &self.world.manifests[content];
        let second = (tag + 1) % TAGS;
        let (path, tags) = match self.rng.random_range(0..3) {
            0 => (self.world.manifest_path(repository, content), Vec::new()),
            1 => (
                format!("{}?tag=t{tag}&tag=t{second}", self.world.manifest_path(repository, content)),
                vec![tag, second],
            ),
            _ => (tag_path(repository, tag), vec![tag]),
        };
        let mut effects = vec![Effect::new(Key::Manifest { repository, content }, Some(content))];
        effects.extend(
            tags.iter()
                .map(|tag| Effect::new(Key::Tag { repository, tag: *tag }, Some(content))),
        );
        let mut request = Request::new(Method::PUT, path, 201, &[404]).with(manifest.bytes.clone());
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(MANIFEST));
        let since = self.history.now();
        if self.write(api, "push a manifest", request, &effects).await? {
            // One of its blobs was not there.
            let needed = needed(content).map(|content| Key::Blob { repository, content });
            if !needed.iter().any(|key| self.history.can_show(key, None, since)) {
                return Err(anyhow!("a manifest was refused although its blobs are there: {needed:?}").into());
            }
        }
        Ok(())
    }

    async fn delete_blob(&mut self, api: &Api, repository: usize, content: usize) -> Result<(), Broken> {
        let key = Key::Blob { repository, content };
        let path = self.world.blob_path(repository, content);
        self.delete(api, "delete a blob", path, key, Vec::new()).await
    }

    async fn delete_manifest(&mut self, api: &Api, repository: usize, content: usize) -> Result<(), Broken> {
        let key = Key::Manifest { repository, content };
        let tags = (0..TAGS).map(|tag| Effect {
            key: Key::Tag { repository, tag },
            value: None,
            only_if: Some(Some(content)),
        });
        let path = self.world.manifest_path(repository, content);
        self.delete(api, "delete a manifest", path, key, tags.collect()).await
    }

    async fn delete_tag(&mut self, api: &Api, repository: usize, tag: usize) -> Result<(), Broken> {
        let key = Key::Tag { repository, tag };
        self.delete(api, "delete a tag", tag_path(repository, tag), key, Vec::new())
            .await
    }

    async fn delete(&mut self, api: &Api, what: &str, path: String, key: Key, mut effects: Vec<Effect>) -> Result<(), Broken> {
        let since = self.history.now();
        effects.push(Effect::new(key.clone(), None));
        let request = Request::new(Method::DELETE, path, 202, &[404]);
        if self.write(api, what, request, &effects).await? {
            self.expect_possible(&key, since)?;
        }
        Ok(())
    }

    async fn look(&mut self, api: &Api, key: Key) -> Result<(), Broken> {
        let since = self.history.now();
        let shown = self.world.clone().try_read(api, &key).await?;
        self.count("reads");
        Ok(self.history.check(&key, shown.as_ref().map(Shown::content), since)?)
    }

    /// Checks that something can have been absent since a time.
    fn expect_possible(&self, absent: &Key, since: u64) -> Result<(), Broken> {
        Ok(self.history.check(absent, None, since)?)
    }
}

/// A request that writes.
struct Request {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    done: u16,
    refused: &'static [u16],
}

impl Request {
    fn new(method: Method, path: String, done: u16, refused: &'static [u16]) -> Self {
        Self {
            method,
            path,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            done,
            refused,
        }
    }

    fn with(self, body: Bytes) -> Self {
        Self { body, ..self }
    }
}

/// Words an answer that nobody may get.
pub(super) fn unexpected(answer: &Answer) -> Broken {
    anyhow!("{} answered {}: {}", answer.asked, answer.status, answer.text()).into()
}
