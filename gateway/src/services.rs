//! Services: native client protocols that plugins answer below a mount or as a well-known document.
//!
//! A guest only drafts an answer. What it asks the registry to do is carried out afterwards, under the registry's own rules and the caller's permissions, and
//! where that is refused the plugin is asked to word the refusal. Answers that changed nothing are kept, for callers who may read the same repositories, until
//! something changes under a prefix that they were made from.

mod cache;
mod config;
mod refusal;

use std::sync::Arc;

use bytes::Bytes;

use self::cache::{Cache, Kept, Key};
use crate::{
    auth::{Action, Caller},
    plugin_host::{Answer, AnswerLimits, CallError, Draft, DraftPart, Inquiry, PluginHost, Service},
    registry::{self, Blob, Reader, Registry, RegistryError},
};

pub use config::Config;

/// The request headers that plugins may see. Credentials, cookies and whatever else tells who is asking are never among them.
const HEADERS_SEEN: [&str; 4] = ["accept", "accept-language", "content-disposition", "content-type"];

/// The methods that may change something. A client, a crawler or a cache repeats the others as it likes (RFC 9110, section 9.2.1).
const CHANGING: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];
/// What a plugin is told that would change something for another method.
const SAFE: &str = "Only requests with the methods POST, PUT, PATCH and DELETE change something.";

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A path below the mount of a plugin.
    Mount {
        /// The first segment.
        mount: String,
        /// The rest, without a `/` in front.
        path: String,
    },
    /// A document below `/.well-known/`.
    WellKnown(String),
}

/// A request to a service.
pub struct ServiceRequest {
    /// What it is for.
    pub target: Target,
    /// The method.
    pub method: String,
    /// The scheme and authority under which clients reach the gateway, with the path in front of it, if any.
    pub origin: String,
    /// The parameters of the query, decoded, in their order.
    pub query: Vec<(String, String)>,
    /// All headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, where there is one.
    pub body: Option<registry::Body>,
}

/// The answer to a request.
pub struct ServiceResponse {
    /// The status.
    pub status: u16,
    /// The headers that the plugin set.
    pub headers: Vec<(String, String)>,
    /// What tells versions of the answer apart, where it can be told.
    pub etag: Option<String>,
    /// The length of the body in bytes.
    pub length: u64,
    /// The body.
    pub body: Vec<Part>,
}

/// A part of a body.
#[derive(Clone)]
pub enum Part {
    /// Bytes that a plugin wrote.
    Bytes(Bytes),
    /// A blob, to be streamed.
    Blob(Blob),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No plugin answers here.
    #[error("no service answers here")]
    NoService,
    /// The registry could not do its part.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The plugin could not do its part.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Answers requests through plugins.
pub struct Services {
    config: Config,
    registry: Registry,
    plugins: Arc<PluginHost>,
    cache: Cache,
}

/// One request on its way.
struct Asked {
    service: Service,
    inquiry: Arc<Inquiry>,
    reader: Reader,
}

impl Services {
    /// Puts the services together.
    #[must_use]
    pub fn new(config: Config, registry: Registry, plugins: Arc<PluginHost>) -> Self {
        let cache = Cache::new(config.cache_bytes_max);
        Self {
            config,
            registry,
            plugins,
            cache,
        }
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Says whether nobody answers here, or who could not do its part. What a plugin or the registry refuses is no error: it is answered in the words of the
    /// client's protocol.
    pub async fn answer(&self, caller: &Caller, request: ServiceRequest) -> Result<ServiceResponse, ServiceError> {
        let service = self.service(&request.target).ok_or(ServiceError::NoService)?;
        let reader = self.registry.reader(caller.clone());
        let (body, inquiry) = split(request);
        let key = cacheable(&inquiry, body.is_some()).then(|| Key::new(&service, &inquiry, caller.scope(Action::Read)));
        if let Some(key) = &key
            && let Some(kept) = self.cache.get(key, &reader).await
        {
            return Ok(kept.answer());
        }
        let (inquiry, refused) = self.with_body(inquiry, body).await;
        let asked = Asked {
            service,
            inquiry: Arc::new(inquiry),
            reader,
        };
        match refused {
            Some(error) => self.refuse(&asked, error).await,
            None => self.serve(caller, &asked, key).await,
        }
    }

    fn service(&self, target: &Target) -> Option<Service> {
        match target {
            Target::Mount { mount, .. } => self.plugins.mounted(mount),
            Target::WellKnown(document) => self.plugins.well_known(document),
        }
    }

    /// Stores the body for the plugin to read, or says why that cannot be.
    async fn with_body(&self, inquiry: Inquiry, body: Option<registry::Body>) -> (Inquiry, Option<RegistryError>) {
        let Some(body) = body else { return (inquiry, None) };
        match self.registry.spool(body, self.config.body_bytes_max).await {
            Ok(body) => (
                Inquiry {
                    body: Some(body),
                    ..inquiry
                },
                None,
            ),
            Err(error) => (inquiry, Some(error)),
        }
    }

    async fn serve(&self, caller: &Caller, asked: &Asked, key: Option<Key>) -> Result<ServiceResponse, ServiceError> {
        let unchanging = (!CHANGING.contains(&asked.inquiry.method.as_str())).then_some(SAFE);
        let answer = Answer::new(self.limits(), unchanging);
        let served = self
            .plugins
            .serve(&asked.service, asked.inquiry.clone(), &answer, asked.reader.clone())
            .await;
        let reads = match served {
            Ok(reads) => reads,
            Err(CallError::Guest { code, message }) => return Ok(refusal::failed(asked.service.name(), &code, &message)),
            Err(error) => return Err(error.into()),
        };
        let mut draft = answer.take();
        let changes = std::mem::take(&mut draft.changes);
        if !changes.is_empty() {
            let (plugins, service) = (self.plugins.clone(), asked.service.clone());
            let owns = move |candidates: &[&str]| plugins.owns(&service, candidates);
            return match self.registry.carry_out(caller, owns, changes).await {
                Ok(_) => Ok(finished(draft)),
                Err(error) => self.refuse(asked, error).await,
            };
        }
        match key.filter(|_| draft.status == 200 && !reads.unsettled) {
            Some(key) => {
                let kept = Arc::new(Kept::new(draft, reads.revisions));
                let answer = kept.answer();
                self.cache.keep(key, kept);
                Ok(answer)
            }
            None => Ok(finished(draft)),
        }
    }

    /// Has the plugin word a refusal of the registry. Where it cannot, the refusal is answered as it is.
    async fn refuse(&self, asked: &Asked, error: RegistryError) -> Result<ServiceResponse, ServiceError> {
        let Some(reason) = refusal::reason(&error) else {
            return Err(error.into());
        };
        let status = reason.status;
        let answer = Answer::new(self.limits(), Some("A refusal changes nothing."));
        let explained = self.plugins.explain(
            &asked.service,
            asked.inquiry.clone(),
            Arc::new(reason),
            &answer,
            asked.reader.clone(),
        );
        if let Err(failure) = explained.await {
            tracing::warn!(plugin = asked.service.name(), %failure, "a plugin could not word a refusal; it is answered as the registry words it");
            return Err(error.into());
        }
        let mut draft = answer.take();
        // A refusal never looks like a success, whatever the plugin forgot to say.
        if draft.status < 400 {
            draft.status = status;
        }
        Ok(finished(draft))
    }

    fn limits(&self) -> AnswerLimits {
        AnswerLimits {
            body_bytes_max: self.config.response_bytes_max,
            staged_bytes_max: self.config.staged_bytes_max,
            part_bytes_max: self.config.body_bytes_max,
        }
    }
}

/// Takes a request apart: the body, and what a plugin may see of the rest.
fn split(request: ServiceRequest) -> (Option<registry::Body>, Inquiry) {
    let ServiceRequest {
        target,
        method,
        origin,
        query,
        mut headers,
        body,
    } = request;
    headers.retain(|(name, _)| HEADERS_SEEN.contains(&name.as_str()));
    let (well_known, path) = match target {
        Target::Mount { path, .. } => (None, path),
        Target::WellKnown(document) => (Some(document), String::new()),
    };
    // The head of an answer is that of the whole answer, so that both come from one entry of the cache.
    let method = if method == "HEAD" { "GET".to_owned() } else { method };
    (
        // What is sent with a question about what is there has no meaning, and is not kept.
        body.filter(|_| method != "GET"),
        Inquiry {
            method,
            origin,
            well_known,
            path,
            query,
            headers,
            body: None,
        },
    )
}

fn cacheable(inquiry: &Inquiry, has_body: bool) -> bool {
    inquiry.method == "GET" && !has_body
}

/// Returns an answer that is not kept.
fn finished(draft: Draft) -> ServiceResponse {
    let Draft {
        status, headers, body, ..
    } = draft;
    let body: Vec<Part> = body.into_iter().map(Part::from).collect();
    ServiceResponse {
        status,
        headers,
        etag: None,
        length: length(&body),
        body,
    }
}

fn length(body: &[Part]) -> u64 {
    body.iter().map(Part::length).sum()
}

impl Part {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob(blob) => blob.size,
        }
    }
}

impl From<DraftPart> for Part {
    fn from(part: DraftPart) -> Self {
        match part {
            DraftPart::Bytes(bytes) => Self::Bytes(bytes.into()),
            DraftPart::Blob(_, blob) => Self::Blob(blob),
        }
    }
}
