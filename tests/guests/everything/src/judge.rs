//! Validates, admits, indexes and scans.

use std::io::{BufRead, BufReader};

use portolan_plugin_sdk::{
    Admitter, Artifact, Context, Entry, Error, Finding, Indexer, Location, Push, Reference, Scanner, Severity, Validator,
    Verdict, log,
};
use serde::Deserialize;
use serde_json::json;

use crate::Everything;

/// What an operator can set.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    greeting: String,
    refuse: bool,
}

impl Validator for Everything {
    fn validate(context: &Context, artifact: &Artifact) -> Result<Verdict, Error> {
        log::info(&format!("validating {}", artifact.artifact_type()));
        let config = artifact.config().map(|config| config.digest).unwrap_or_default();
        let at_config = || Location::blob(config).pointer("/kind").line(1).column(1);
        if let Some(code) = annotation(artifact, "test.error") {
            return Err(Error::new(code, "The manifest asked for an error."));
        }
        if context.settings::<Settings>()?.refuse {
            return Ok(Verdict::refuse([Finding::new(
                "everything/settings",
                Severity::High,
                "The settings refuse everything.",
            )]));
        }
        if let Some(message) = annotation(artifact, "test.refuse") {
            let first = Finding::new("everything/refused", Severity::High, message).at(at_config());
            let second = Finding::new("everything/also", Severity::Low, "And there is more.");
            return Ok(Verdict::refuse([first.help("https://example.org/rules/refused"), second]));
        }
        let warning = annotation(artifact, "test.warn");
        let warning = warning.map(|message| Finding::new("everything/warned", Severity::Medium, message).at(at_config()));
        for layer in artifact.layers() {
            content_bytes(artifact, &layer.digest)?;
        }
        Ok(Verdict::accept(warning))
    }
}

impl Admitter for Everything {
    fn admit(_: &Context, artifact: &Artifact, entry: Option<&Entry>, push: &Push) -> Result<Verdict, Error> {
        if push.tag.starts_with("refused") {
            let message = format!("The tag {} is not for {}.", push.tag, push.repository);
            return Ok(Verdict::refuse([Finding::new(
                "everything/tag-refused",
                Severity::High,
                message,
            )]));
        }
        if push.tag == "opens" {
            let config = artifact.config().map(|config| artifact.open(&config.digest));
            let code = config
                .and_then(Result::err)
                .map_or_else(|| "nothing".to_owned(), |error| error.code);
            return Ok(Verdict::accept([Finding::new(
                "everything/opened",
                Severity::Info,
                format!("Opening gave {code}."),
            )]));
        }
        let named = entry.is_some_and(|entry| entry.title == push.repository_name());
        let finding = Finding::new("everything/name", Severity::Low, "The repository is named differently.");
        Ok(Verdict::accept((!named).then_some(finding)))
    }
}

impl Indexer for Everything {
    fn index(context: &Context, artifact: &Artifact) -> Result<Entry, Error> {
        let layers = artifact.layers();
        let mut bytes = 0;
        for layer in &layers {
            bytes += content_bytes(artifact, &layer.digest)?;
        }
        let title = annotation(artifact, "org.opencontainers.image.title").unwrap_or_else(|| "untitled".to_owned());
        let document = json!({
            "layers": layers.len(),
            "bytes": bytes,
            "digest": artifact.digest(),
            "greeting": context.settings::<Settings>()?.greeting,
        });
        let mut entry = Entry::new(title)
            .summary(format!("{} layers, {bytes} bytes", layers.len()))
            .keywords(["everything", "test"])
            .document(document);
        entry.version = annotation(artifact, "org.opencontainers.image.version");
        if let Some(target) = annotation(artifact, "test.reference") {
            entry = entry.reference(Reference::new("dependency", target).property("pinned", false));
        }
        Ok(entry)
    }
}

impl Scanner for Everything {
    fn scan(_: &Context, artifact: &Artifact) -> Result<Vec<Finding>, Error> {
        let mut secrets = Vec::new();
        let mut layers = Vec::new();
        for layer in artifact.layers() {
            let blob = artifact.open(&layer.digest)?;
            for (number, line) in (1..).zip(BufReader::new(blob.reader()).split(b'\n')) {
                let line = line.map_err(|error| Error::new(Error::INVALID, error.to_string()))?;
                if line.windows(6).any(|word| word == b"secret") {
                    let location = Location::file("text").digest(&layer.digest).line(number).column(1);
                    let message = "A secret is not for others to read. Take it out.";
                    secrets.push(Finding::new("everything/secret", Severity::High, message).at(location));
                }
            }
            let message = format!("The layer has {} bytes.", layer.size);
            layers.push(Finding::new("everything/layer", Severity::Info, message).at(Location::blob(layer.digest)));
        }
        secrets.append(&mut layers);
        Ok(secrets)
    }
}

/// Returns the value of an annotation of the manifest.
pub(crate) fn annotation(artifact: &Artifact, name: &str) -> Option<String> {
    artifact
        .annotations()
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}

/// Reads a layer, and returns how many bytes there are. A layer that the repository does not hold has none.
fn content_bytes(artifact: &Artifact, digest: &str) -> Result<u64, Error> {
    match artifact.open(digest) {
        Ok(blob) => {
            std::io::copy(&mut blob.reader(), &mut std::io::sink()).map_err(|error| Error::new(Error::INVALID, error.to_string()))
        }
        Err(error) if error.is(Error::ABSENT) => Ok(0),
        Err(error) => Err(error),
    }
}
