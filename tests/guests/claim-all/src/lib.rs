//! A plugin for whatever is pushed: it reads all of it, accepts it, and remarks on it at every opportunity.
//!
//! With it, the distribution API is used as it is by clients that know nothing of plugins, while a plugin sees every push.

use portolan_plugin_sdk::{
    Admitter, Artifact, Claim, Context, Entry, Error, Finding, Indexer, Location, Plugin, Push, Scanner, Severity, Spec,
    Validator, Verdict, plugin,
};

/// Artifact types that occur, and patterns for those that might.
const CLAIMS: [&str; 12] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.empty.v1+json",
    "application/octet-stream",
    "application/v*",
    "application/x*",
    "application/j*",
    "text/p*",
    "text/x*",
];

struct ClaimAll;

impl Plugin for ClaimAll {
    fn spec() -> Spec {
        let spec = Spec::new("claim-all", "1.0.0").title("Everything that is pushed");
        CLAIMS.iter().fold(spec, |spec, claim| spec.claim(Claim::new(*claim)))
    }
}

impl Validator for ClaimAll {
    fn validate(_: &Context, artifact: &Artifact) -> Result<Verdict, Error> {
        let read = read(artifact)?;
        let message = format!("{} blobs with {} bytes were read.", read.blobs, read.bytes);
        Ok(Verdict::accept([Finding::new(
            "claim-all/validated",
            Severity::Info,
            message,
        )]))
    }
}

impl Admitter for ClaimAll {
    fn admit(_: &Context, _: &Artifact, entry: Option<&Entry>, push: &Push) -> Result<Verdict, Error> {
        let title = entry.map_or("nothing", |entry| entry.title.as_str());
        let message = format!("{title} is tagged {} in {}.", push.tag, push.repository);
        Ok(Verdict::accept([Finding::new("claim-all/admitted", Severity::Info, message)]))
    }
}

impl Indexer for ClaimAll {
    fn index(_: &Context, artifact: &Artifact) -> Result<Entry, Error> {
        let read = read(artifact)?;
        let title = artifact.digest();
        Ok(Entry::new(title)
            .summary(format!("{} blobs, {} bytes", read.blobs, read.bytes))
            .keywords(["claimed"]))
    }
}

impl Scanner for ClaimAll {
    fn scan(_: &Context, artifact: &Artifact) -> Result<Vec<Finding>, Error> {
        let finding =
            |digest: String| Finding::new("claim-all/scanned", Severity::Low, "This was looked at.").at(Location::blob(digest));
        Ok(artifact
            .layers()
            .into_iter()
            .take(100)
            .map(|layer| finding(layer.digest))
            .collect())
    }
}

struct Read {
    blobs: u64,
    bytes: u64,
}

/// Reads every blob that is there, of the artifact and of its children. Foreign layers need not be.
fn read(artifact: &Artifact) -> Result<Read, Error> {
    let mut read = Read { blobs: 0, bytes: 0 };
    for blob in artifact.config().into_iter().chain(artifact.layers()) {
        read.blob(artifact, &blob.digest)?;
    }
    for child in artifact.children() {
        match artifact.open_child(&child.digest) {
            Ok(child) => read.bytes += child.manifest_bytes().len() as u64,
            Err(error) if error.is(Error::ABSENT) => {}
            // An index may name blobs.
            Err(error) if error.is(Error::NOT_FOUND) => read.blob(artifact, &child.digest)?,
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

impl Read {
    fn blob(&mut self, artifact: &Artifact, digest: &str) -> Result<(), Error> {
        match artifact.open(digest) {
            Ok(blob) => {
                self.blobs += 1;
                self.bytes += std::io::copy(&mut blob.reader(), &mut std::io::sink()).unwrap_or_default();
                Ok(())
            }
            Err(error) if error.is(Error::ABSENT) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

plugin!(ClaimAll: validator, admitter, indexer, scanner);
