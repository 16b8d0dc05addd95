//! What the registry asks: to judge a push, to look at a stored artifact again, to scan.

use std::sync::Arc;

use super::{
    Busy, FailurePolicy, PluginHost,
    bounds::entry_of,
    contract::Capability,
    guest::{Failure, Session},
    plugin::Plugin,
    resources::{ArtifactHandle, PushHandle},
    results::Key,
};
use crate::{
    oci::Tag,
    registry::{
        Artifact, Entry, Finding, HookError, Hooks, Judged, Judgement, Opinion, Owner, Push, Reader, Rejection, Remark, Scanned,
        Stamp,
    },
};

/// When a client should come again whose push could not be judged now.
const RETRY_AFTER_SECONDS: u32 = 5;

/// What a plugin says of the content of an artifact.
#[derive(Default)]
struct Content {
    entry: Option<Entry>,
    findings: Vec<Finding>,
    accepted: bool,
}

/// How judging a push ended.
enum Judging {
    Accepted { content: Content, admitted: Vec<Finding> },
    Refused { tag: Option<Tag>, findings: Vec<Finding> },
}

#[async_trait::async_trait]
impl Hooks for PluginHost {
    async fn judge(&self, push: Push, reader: Reader) -> Result<Option<Judgement>, Rejection> {
        let claimants = self.claimants(&push.artifact);
        let several = claimants.len() > 1;
        let (mut opinions, mut remarks) = (Vec::new(), Vec::new());
        for (plugin, artifact_type) in &claimants {
            let (opinion, admitted, again) = self.opinion(plugin, artifact_type, &push, reader.clone()).await?;
            let said = admitted.into_iter().chain(opinion.findings.iter().cloned());
            remarks.extend(said.map(|finding| Remark {
                plugin: several.then(|| plugin.name.to_string()),
                finding,
            }));
            opinions.push((opinion, again));
        }
        let mut opinions = opinions.into_iter();
        let Some(((owner, _), (own, again))) = claimants.first().zip(opinions.next()) else {
            return Ok(None);
        };
        let judged = Judged {
            stamp: own.stamp,
            artifact_type: own.artifact_type,
            entry: own.entry,
            findings: own.findings,
            failure: own.failure,
            scan: owner.can(Capability::Scan),
            index: again,
        };
        Ok(Some(Judgement {
            judged,
            opinions: opinions.map(|(opinion, _)| opinion).collect(),
            remarks,
        }))
    }

    fn owner(&self, candidates: &[String]) -> Option<Owner> {
        let set = self.set();
        let (plugin, artifact_type) = set.dispatch(candidates.iter().map(String::as_str))?;
        Some(Owner {
            stamp: plugin.stamp.clone(),
            artifact_type: artifact_type.to_owned(),
            index: plugin.can(Capability::Validate) || plugin.can(Capability::Index),
            scan: plugin.can(Capability::Scan),
        })
    }

    fn jobs_at_once(&self) -> usize {
        self.threads.background_max()
    }

    async fn index(&self, stamp: &Stamp, artifact: Artifact, reader: Reader) -> Result<Judged, HookError> {
        let (plugin, artifact_type) = self.planned_for(stamp, &artifact)?;
        let content = self.in_background(&plugin, Capability::Index, move |session| {
            let handle = session.plugin().handle(artifact, reader);
            look(session, &handle, false)
        });
        let content = content.await.map_err(|failure| failure.into_hook_error(&plugin))?;
        Ok(Judged {
            stamp: plugin.stamp.clone(),
            artifact_type,
            entry: content.entry,
            findings: content.findings,
            failure: None,
            scan: plugin.can(Capability::Scan),
            index: false,
        })
    }

    async fn scan(&self, stamp: &Stamp, artifact: Artifact, reader: Reader) -> Result<Scanned, HookError> {
        let (plugin, _) = self.planned_for(stamp, &artifact)?;
        if !plugin.can(Capability::Scan) {
            return Err(HookError::NoPlugin);
        }
        let scanned = self.in_background(&plugin, Capability::Scan, move |session| {
            let artifact = session.plugin().handle(artifact, reader);
            session.scan(artifact)
        });
        let findings = scanned.await.map_err(|failure| failure.into_hook_error(&plugin))?;
        Ok(Scanned {
            stamp: plugin.stamp.clone(),
            version: plugin.spec.version.clone(),
            findings,
        })
    }
}

impl PluginHost {
    /// Returns the plugin that is asked about an artifact, and under which type.
    fn claimant(&self, artifact: &Artifact) -> Option<(Arc<Plugin>, String)> {
        let set = self.set();
        let (plugin, candidate) = set.dispatch(artifact.manifest.types())?;
        Some((plugin.clone(), candidate.to_owned()))
    }

    /// Returns the plugin that is asked about an artifact, where it is still the one that a job was planned for.
    fn planned_for(&self, stamp: &Stamp, artifact: &Artifact) -> Result<(Arc<Plugin>, String), HookError> {
        let claimant = self.claimant(artifact).filter(|(plugin, _)| plugin.stamp == *stamp);
        claimant.ok_or(HookError::NoPlugin)
    }

    /// Returns every plugin that has a say in whether an artifact may be pushed. The first is the one that is asked about it later.
    fn claimants(&self, artifact: &Artifact) -> Vec<(Arc<Plugin>, String)> {
        let set = self.set();
        let claimants = set.claimants(artifact.manifest.types()).into_iter();
        claimants
            .map(|(plugin, candidate)| (plugin.clone(), candidate.to_owned()))
            .collect()
    }

    /// Lets one plugin judge a push. Returns what it says of the content, what it found for the tags, and whether it could not be asked now and should
    /// be asked again.
    async fn opinion(
        &self,
        plugin: &Arc<Plugin>,
        artifact_type: &str,
        push: &Push,
        reader: Reader,
    ) -> Result<(Opinion, Vec<Finding>, bool), Rejection> {
        let opinion = |content: Content, failure| Opinion {
            stamp: plugin.stamp.clone(),
            artifact_type: artifact_type.to_owned(),
            entry: content.entry,
            findings: content.findings,
            failure,
        };
        match self.judging(plugin, artifact_type, push, reader).await {
            Ok(Judging::Accepted { content, admitted }) => Ok((opinion(content, None), admitted, false)),
            Ok(Judging::Refused { tag, findings }) => Err(Rejection::Refused {
                plugin: plugin.name.to_string(),
                tag,
                findings,
            }),
            Err(failure) if plugin.failure == FailurePolicy::Open => {
                let reason = failure.to_string();
                tracing::warn!(plugin = &*plugin.name, reason, "a push is stored although its plugin failed");
                let passing = matches!(failure, Failure::Time(_) | Failure::Later(_) | Failure::Busy(_));
                Ok((opinion(Content::default(), Some(reason)), Vec::new(), passing))
            }
            Err(failure) => Err(failure.into_rejection(plugin)),
        }
    }

    async fn judging(&self, plugin: &Arc<Plugin>, artifact_type: &str, push: &Push, reader: Reader) -> Result<Judging, Failure> {
        let key = Key::new(plugin, Capability::Validate, &[&push.artifact], Vec::new());
        let known = push
            .known
            .iter()
            .find(|known| known.stamp == plugin.stamp && known.artifact_type == artifact_type);
        if known.is_none()
            && let Some(reason) = self.results.failed(&key)
        {
            return Err(Failure::Failed(reason.to_string()));
        }
        let known = known.map(|known| Content {
            entry: known.entry.clone(),
            findings: known.findings.clone(),
            accepted: true,
        });
        let tags = if plugin.can(Capability::Admit) {
            push.tags.clone()
        } else {
            Vec::new()
        };
        let looks = plugin.can(Capability::Validate) || plugin.can(Capability::Index);
        if tags.is_empty() && (known.is_some() || !looks) {
            let content = known.unwrap_or(Content {
                accepted: true,
                ..Content::default()
            });
            return Ok(Judging::Accepted {
                content,
                admitted: Vec::new(),
            });
        }
        let first = if known.is_some() || !looks {
            Capability::Admit
        } else {
            Capability::Validate
        };
        let artifact = push.artifact.clone();
        let job = self.on_thread(plugin, first, move |session| judge(session, artifact, reader, known, &tags));
        match job.await {
            Ok(judging) => judging,
            Err(failure) => {
                if let Failure::Failed(reason) | Failure::Time(reason) = &failure {
                    self.results.remember_failure(key, reason);
                }
                Err(failure)
            }
        }
    }
}

/// Validates, indexes and admits in one instance. The inner failure depends on the tag, the outer one on the content alone.
fn judge(
    session: &mut Session,
    artifact: Artifact,
    reader: Reader,
    known: Option<Content>,
    tags: &[Tag],
) -> Result<Result<Judging, Failure>, Failure> {
    let repository = artifact.repository.to_string();
    let handle = session.plugin().handle(artifact, reader);
    let content = match known {
        Some(content) => content,
        None => look(session, &handle, true)?,
    };
    if !content.accepted {
        return Ok(Ok(Judging::Refused {
            tag: None,
            findings: content.findings,
        }));
    }
    let entry = content.entry.as_ref().map(entry_of);
    let sealed = ArtifactHandle { sealed: true, ..handle };
    let mut admitted = Vec::new();
    for tag in tags {
        let push = PushHandle {
            repository: repository.clone(),
            tag: tag.to_string(),
        };
        match session.admit(sealed.clone(), entry.as_ref(), push) {
            Ok(verdict) if verdict.accepted => admitted.extend(verdict.findings),
            Ok(verdict) => {
                return Ok(Ok(Judging::Refused {
                    tag: Some(tag.clone()),
                    findings: verdict.findings,
                }));
            }
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(Judging::Accepted { content, admitted }))
}

/// Validates and indexes. Where validation refuses, indexing may be left out.
fn look(session: &mut Session, handle: &ArtifactHandle, stop_if_refused: bool) -> Result<Content, Failure> {
    let plugin = session.plugin().clone();
    let mut content = Content {
        accepted: true,
        ..Content::default()
    };
    if plugin.can(Capability::Validate) {
        let verdict = session.validate(handle.clone())?;
        (content.accepted, content.findings) = (verdict.accepted, verdict.findings);
    }
    if plugin.can(Capability::Index) && (content.accepted || !stop_if_refused) {
        content.entry = match session.index(handle.clone()) {
            Ok(entry) => Some(entry),
            // The artifact is sound and stays; search and services do without it.
            Err(Failure::Guest { code, message }) => {
                let digest = &handle.artifact.digest;
                tracing::warn!(plugin = &*plugin.name, %digest, code, message, "an artifact could not be indexed");
                None
            }
            Err(failure) => return Err(failure),
        };
    }
    Ok(content)
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Guest { code, message } => write!(f, "it could not do this: {message} ({code})"),
            Self::Failed(reason) | Self::Time(reason) | Self::Later(reason) | Self::Busy(reason) => f.write_str(reason),
        }
    }
}

impl Failure {
    fn into_rejection(self, plugin: &Plugin) -> Rejection {
        let (plugin, reason) = (plugin.name.to_string(), self.to_string());
        match self {
            Self::Later(_) | Self::Busy(_) => Rejection::Unavailable {
                plugin,
                reason,
                retry_after_seconds: RETRY_AFTER_SECONDS,
            },
            Self::Guest { .. } | Self::Failed(_) | Self::Time(_) => Rejection::Failed { plugin, reason },
        }
    }

    fn into_hook_error(self, plugin: &Plugin) -> HookError {
        let (plugin, reason) = (plugin.name.to_string(), self.to_string());
        match self {
            Self::Busy(_) => HookError::Busy { plugin, reason },
            Self::Later(_) | Self::Time(_) => HookError::Later { plugin, reason },
            Self::Guest { .. } | Self::Failed(_) => HookError::Failed { plugin, reason },
        }
    }
}

impl From<Busy> for Failure {
    fn from(busy: Busy) -> Self {
        match busy {
            Busy::Full | Busy::Waited => Self::Busy(busy.to_string()),
            Busy::Blocked | Busy::Broken => Self::Later(busy.to_string()),
        }
    }
}
