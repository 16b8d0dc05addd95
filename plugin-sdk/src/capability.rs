//! What a plugin implements: [`Plugin`], and one trait a capability.

use crate::{
    Artifact, Catalog, Change, Content, Context, Entry, Error, Finding, Options, Push, Refusal, Request, Response, Spec, Verdict,
};

/// What every plugin says about itself.
pub trait Plugin {
    /// Returns the spec. It is the same whenever it is asked for.
    fn spec() -> Spec;
}

/// Judges the content of artifacts.
pub trait Validator {
    /// Says whether the content of an artifact is what its type promises.
    ///
    /// The verdict depends on nothing but the artifact and the settings. An error means that the plugin could not judge; a refusal
    /// is a verdict.
    fn validate(context: &Context, artifact: &Artifact) -> Result<Verdict, Error>;
}

/// Judges where artifacts may be pushed.
pub trait Admitter {
    /// Says whether an artifact may be given a tag in a repository. It is called for every tag that is set.
    ///
    /// The entry is what [`Indexer::index`] returned for the artifact, where it did. Blobs and children cannot be opened here.
    fn admit(context: &Context, artifact: &Artifact, entry: Option<&Entry>, push: &Push) -> Result<Verdict, Error>;
}

/// Summarises artifacts for search, the catalogue and services.
pub trait Indexer {
    /// Returns the entry of an artifact. It depends on nothing but the artifact and the settings.
    fn index(context: &Context, artifact: &Artifact) -> Result<Entry, Error>;
}

/// Shows artifacts.
pub trait Renderer {
    /// Renders one of the views that the spec names.
    ///
    /// Fails with [`Error::NOT_FOUND`] where this artifact has no such view, and with [`Error::INVALID`] where an option has no
    /// meaning.
    fn render(context: &Context, artifact: &Artifact, view: &str, options: &Options) -> Result<Content, Error>;
}

/// Looks for problems in artifacts that are already stored.
pub trait Scanner {
    /// Returns what was found, most important first, at most 10 000 findings.
    fn scan(context: &Context, artifact: &Artifact) -> Result<Vec<Finding>, Error>;
}

/// Explains how artifacts differ.
pub trait Comparer {
    /// Returns what changed from one artifact to another, in an order that suits the type, at most 10 000 changes.
    fn compare(context: &Context, before: &Artifact, after: &Artifact) -> Result<Vec<Change>, Error>;
}

/// Answers a native client protocol.
pub trait Service {
    /// Answers a request.
    ///
    /// An error is answered with status 500 and logged: a request that merely cannot be served is answered through the response.
    fn serve(context: &Context, request: &Request, response: &Response, catalog: &Catalog) -> Result<(), Error>;

    /// Words a refusal in the form that clients of this protocol understand.
    ///
    /// It runs in another instance of the plugin than [`Service::serve`]. Where it fails, the gateway words the refusal itself.
    fn explain(context: &Context, request: &Request, refusal: &Refusal, response: &Response) -> Result<(), Error>;
}
