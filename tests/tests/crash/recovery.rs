//! After a crash: what the gateway shows is what it acknowledged, with the one operation that was under way done or not done.

use anyhow::{Context, ensure};
use portolan_tests::{Answer, MANIFEST};
use reqwest::header::{CONTENT_TYPE, RANGE};

use super::{
    api::{Api, Broken},
    state::{Operation, State},
    worker::Worker,
};

impl Worker {
    /// Compares everything with what was acknowledged, byte for byte, and takes over what became of the pending operation.
    pub(super) async fn recover(&mut self, api: &Api) -> anyhow::Result<()> {
        let session = self.session_offset(api).await?;
        let found = State {
            session: session.is_some(),
            ..self.observe(api).await?
        };
        let pending = self.pending.take();
        let mut after = self.state.clone();
        if let Some(operation) = &pending {
            operation.apply(&mut after);
        }
        ensure!(
            found == self.state || found == after,
            "{} shows\n{found:#?}\nalthough what was acknowledged is\n{:#?}\nand {pending:?} was under way",
            self.repository,
            self.state,
        );
        self.state = found;
        self.resume(api, pending, session)
            .await
            .with_context(|| format!("the upload session of {} cannot go on", self.repository))
    }

    /// Sees to it that the session can go on where it was acknowledged to be.
    async fn resume(&mut self, api: &Api, pending: Option<Operation>, offset: Option<usize>) -> anyhow::Result<()> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if let Some(offset) = offset {
            let sent = if let Some(Operation::Append { bytes }) = &pending {
                *bytes
            } else {
                0
            };
            let possible = session.acknowledged..=session.acknowledged + sent;
            ensure!(possible.contains(&offset), "it is at {offset} instead of in {possible:?}");
            session.acknowledged = offset;
        }
        match pending {
            // The client does not know whether the session ended, and sends the same again.
            Some(Operation::Finish { digest }) if offset.is_some() || self.state.blobs.contains(&digest) => {
                self.finish(api, &digest).await.map_err(Broken::into_error)?;
                Operation::Finish { digest }.apply(&mut self.state);
            }
            _ if offset.is_none() => self.session = None,
            _ => {}
        }
        Ok(())
    }

    /// Asks the gateway how many bytes the session holds. A session without bytes is as good as none.
    async fn session_offset(&self, api: &Api) -> anyhow::Result<Option<usize>> {
        let Some(session) = &self.session else { return Ok(None) };
        let Some(answer) = api.get(&session.path).await? else {
            return Ok(None);
        };
        let range = answer
            .headers
            .get(RANGE)
            .and_then(|range| range.to_str().ok())
            .and_then(|range| range.strip_prefix("0-"));
        let last: usize = range.context("a session has a Range")?.parse()?;
        // The range of an empty session reads `0-0`; no session here ever holds one byte.
        Ok((last > 0).then_some(last + 1))
    }

    /// Reads everything that the repository is known to have held. What is visible must be whole.
    async fn observe(&self, api: &Api) -> anyhow::Result<State> {
        let mut state = State::default();
        let repository = &self.repository;
        for (digest, bytes) in &self.blobs {
            if let Some(answer) = api.get(&format!("/v2/{repository}/blobs/{digest}")).await? {
                ensure!(answer.body == bytes, "{} brought other bytes than were pushed", answer.asked);
                state.blobs.insert(digest.clone());
            }
        }
        for (digest, bytes) in &self.manifests {
            if let Some(answer) = api.get(&format!("/v2/{repository}/manifests/{digest}")).await? {
                ensure!(answer.body == bytes, "{} brought other bytes than were pushed", answer.asked);
                expect_header(&answer, CONTENT_TYPE.as_str(), MANIFEST)?;
                state.manifests.insert(digest.clone());
            }
        }
        let Some(answer) = api.get(&format!("/v2/{repository}/tags/list")).await? else {
            return Ok(state);
        };
        let tags: serde_json::Value = serde_json::from_slice(&answer.body)?;
        for tag in tags["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(serde_json::Value::as_str)
        {
            let path = format!("/v2/{repository}/manifests/{tag}");
            let answer = api
                .get(&path)
                .await?
                .with_context(|| format!("the tag {tag} is listed, but {path} is not found"))?;
            let digest = portolan_tests::digest(&answer.body);
            expect_header(&answer, "docker-content-digest", &digest)?;
            ensure!(
                self.manifests.contains_key(&digest),
                "{path} brought a manifest that was never pushed, {digest}"
            );
            state.tags.insert(tag.to_owned(), digest);
        }
        Ok(state)
    }
}

fn expect_header(answer: &Answer, name: &str, expected: &str) -> anyhow::Result<()> {
    let found = answer.headers.get(name).and_then(|value| value.to_str().ok());
    ensure!(
        found == Some(expected),
        "{} answered with {name} {found:?} instead of {expected:?}",
        answer.asked
    );
    Ok(())
}
