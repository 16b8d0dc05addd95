//! Uploads in parts by a client that goes away in the middle, asks how far it came, goes on and repeats what was not answered.

use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use portolan_tests::Answer;
use rand::RngExt;
use reqwest::{
    Method,
    header::{CONTENT_RANGE, HeaderMap, HeaderValue, LOCATION, RANGE},
};

use super::{
    super::api::{Api, Broken},
    client::{Client, Ended, unexpected},
    history::{Effect, Key},
    world::name,
};

/// How often a client asks again while the request that it gave up is being brought to its end.
const ASKED_AGAIN_MAX: u32 = 400;
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// An upload session as its client knows it.
struct Session {
    path: String,
    /// The whole content.
    bytes: Bytes,
    /// How many bytes the gateway said it holds.
    held: usize,
    /// Whether a request of it was given up before it was answered.
    given_up: bool,
}

impl Session {
    fn left(&self) -> usize {
        self.bytes.len() - self.held
    }
}

impl Client {
    /// Uploads a blob through a session.
    pub(super) async fn push_in_parts(&mut self, api: &Api, repository: usize, content: usize) -> Result<(), Broken> {
        let (digest, bytes) = (
            self.world.blobs[content].digest.clone(),
            self.world.blobs[content].bytes.clone(),
        );
        let opened = api
            .expect(
                202,
                Method::POST,
                &format!("/v2/{}/blobs/uploads/", name(repository)),
                HeaderMap::new(),
                Bytes::new(),
            )
            .await?;
        let mut session = Session {
            path: header(&opened, &LOCATION)?,
            bytes,
            held: 0,
            given_up: false,
        };
        while session.left() > 1 && self.rng.random_ratio(2, 3) {
            let size = self.rng.random_range(2..=session.left().min(1_500_000));
            if !self.append(api, &mut session, size).await? {
                return Ok(());
            }
        }
        let begun = self
            .history
            .begin(&[Effect::new(Key::Blob { repository, content }, Some(content))]);
        if self
            .finish(api, &format!("{}?digest={digest}", session.path), &session)
            .await?
        {
            self.history.acknowledge(&begun);
            self.count("push in parts: done");
        }
        Ok(())
    }

    /// Sends a part. Says whether there is something to go on with.
    async fn append(&mut self, api: &Api, session: &mut Session, size: usize) -> Result<bool, Broken> {
        let part = session.held..session.held + size;
        let (headers, body) = (content_range(&part)?, session.bytes.slice(part.clone()));
        match self.send(api, Method::PATCH, &session.path, headers, body).await? {
            Ended::Answered(answer) if answer.status == 202 => {
                session.held = held(&answer, part.end)?;
                return Ok(true);
            }
            // The request that was given up is still being brought to its end.
            Ended::Answered(answer) if session.given_up && matches!(answer.status, 409 | 416) => {
                tokio::time::sleep(ASK_AGAIN_AFTER).await;
            }
            Ended::Answered(answer) => return Err(unexpected(&answer)),
            Ended::GivenUp => session.given_up = true,
        }
        match self.ask(api, &session.path).await? {
            // What was acknowledged before stays, and nothing comes that was not sent.
            Some(held) if held == 1 && part.start == 0 => Ok(false),
            Some(held) if (part.start..=session.bytes.len()).contains(&held) => {
                session.held = held;
                Ok(true)
            }
            Some(held) => Err(anyhow!("{} holds {held} bytes after {part:?} was sent", session.path).into()),
            None if part.start > 0 => Err(anyhow!("{} is gone with {} bytes acknowledged", session.path, part.start).into()),
            None => Ok(false),
        }
    }

    /// Asks how much a session holds, as soon as it says so. An empty session may be gone.
    async fn ask(&mut self, api: &Api, session: &str) -> Result<Option<usize>, Broken> {
        for _ in 0..ASKED_AGAIN_MAX {
            let answer = api.send(Method::GET, session, HeaderMap::new(), Bytes::new()).await?;
            match answer.status {
                204 => return held(&answer, usize::MAX).map(Some),
                404 => return Ok(None),
                409 => tokio::time::sleep(ASK_AGAIN_AFTER).await,
                _ => return Err(unexpected(&answer)),
            }
        }
        Err(anyhow!("{session} is still held by a request whose client went away").into())
    }

    /// Ends a session; where the client went away meanwhile, it repeats the request. Says whether it was acknowledged.
    async fn finish(&mut self, api: &Api, path: &str, session: &Session) -> Result<bool, Broken> {
        let part = session.held..session.bytes.len();
        let (headers, rest) = (content_range(&part)?, session.bytes.slice(part));
        match self.send(api, Method::PUT, path, headers, rest).await? {
            Ended::Answered(answer) if answer.status == 201 => Ok(true),
            Ended::Answered(answer) if !(session.given_up && matches!(answer.status, 404 | 409 | 416)) => {
                Err(unexpected(&answer))
            }
            _ => self.repeat(api, path, session).await,
        }
    }

    async fn repeat(&mut self, api: &Api, path: &str, session: &Session) -> Result<bool, Broken> {
        let bytes = &session.bytes;
        for _ in 0..ASKED_AGAIN_MAX {
            let Some(offset) = self.ask(api, &session.path).await? else {
                // It was finished: whoever repeats the request is told so, unless the blob was deleted since.
                let answer = api.send(Method::PUT, path, HeaderMap::new(), bytes.clone()).await?;
                self.count("repeat of a finished upload");
                return match answer.status {
                    201 => Ok(true),
                    404 => Ok(false),
                    _ => Err(unexpected(&answer)),
                };
            };
            if offset == 1 {
                return Ok(false);
            }
            let headers = content_range(&(offset..bytes.len()))?;
            let answer = api.send(Method::PUT, path, headers, bytes.slice(offset..)).await?;
            match answer.status {
                201 => {
                    self.count("repeat of a given up upload");
                    return Ok(true);
                }
                // It went on meanwhile, or has been finished by now.
                404 | 409 | 416 => tokio::time::sleep(ASK_AGAIN_AFTER).await,
                _ => return Err(unexpected(&answer)),
            }
        }
        Err(anyhow!("{} could not be finished by repeating its last request", session.path).into())
    }
}

/// Says where a part begins and ends. One without bytes has no range.
fn content_range(part: &std::ops::Range<usize>) -> Result<HeaderMap, Broken> {
    if part.is_empty() {
        return Ok(HeaderMap::new());
    }
    let value = HeaderValue::from_str(&format!("{}-{}", part.start, part.end - 1)).context("a range is text")?;
    Ok(HeaderMap::from_iter([(CONTENT_RANGE, value)]))
}

fn header(answer: &Answer, name: &reqwest::header::HeaderName) -> Result<String, Broken> {
    let value = answer.headers.get(name).and_then(|value| value.to_str().ok());
    Ok(value.with_context(|| format!("{} has no {name}", answer.asked))?.to_owned())
}

/// Reads how much a session holds. One byte and none look alike: one is returned.
fn held(answer: &Answer, most: usize) -> Result<usize, Broken> {
    let range = header(answer, &RANGE)?;
    let last = range.strip_prefix("0-").and_then(|last| last.parse::<usize>().ok());
    let last = last.with_context(|| format!("{} answered the range {range:?}", answer.asked))?;
    match last + 1 {
        held if held <= most => Ok(held),
        held => Err(anyhow!("{} answered that {held} bytes are held, of {most} sent", answer.asked).into()),
    }
}
