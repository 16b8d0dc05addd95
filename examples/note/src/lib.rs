//! A plugin for notes, and the model for plugins of your own.
//!
//! A note is an artifact of the type `application/vnd.example.note` with one layer: a short text. Push one with
//!
//! ```text
//! oras push localhost:5000/notes/hello:1 note.txt --artifact-type application/vnd.example.note
//! ```
//!
//! This file is the glue: what the plugin is, and how each capability gets at its bytes. What a note means is in [`note`], which knows
//! nothing of the gateway and is tested with plain `cargo test`. Keep your plugins apart like this too.

pub mod note;

use note::{Note, Problem};
use portolan_plugin_sdk::{
    Artifact, Claim, Content, Context, Entry, Error, Finding, Indexer, Location, Options, Plugin, Renderer, Severity, Spec,
    Validator, Verdict, View, ViewOption, plugin,
};
use serde::Deserialize;
use serde_json::json;

/// The largest note. A text is kept in memory as a whole, so there has to be a bound.
const NOTE_BYTES_MAX: u64 = 64 * 1024;

/// The plugin. It has no state: every call gets a fresh instance of the whole module.
struct NotePlugin;

/// What an operator can set. The schema in the spec says the same, and the gateway has checked it.
#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Settings {
    line_characters_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            line_characters_max: 120,
        }
    }
}

impl Plugin for NotePlugin {
    fn spec() -> Spec {
        Spec::new("note", env!("CARGO_PKG_VERSION"))
            .title("Notes")
            .summary("Short texts with a title and a few words to find them by.")
            .icon(include_str!("../icon.svg"))
            .claim(Claim::new("application/vnd.example.note").title("Note"))
            .view(View::new("text", "Text", "text/plain; charset=utf-8"))
            .view(View::new("outline", "Outline", "application/json").option(ViewOption::new(
                "depth",
                "How many levels of headings to show, 6 where it is left out.",
            )))
            .command("Pull", "oras pull {registry}/{repository}:{tag}")
            .settings(json!({
                "type": "object",
                "properties": { "lineCharactersMax": { "type": "integer", "minimum": 40, "default": 120 } },
                "additionalProperties": false,
            }))
    }
}

/// Validates: says no with a verdict. An `Err` would mean that the plugin itself could not do its work.
impl Validator for NotePlugin {
    fn validate(context: &Context, artifact: &Artifact) -> Result<Verdict, Error> {
        let settings: Settings = context.settings()?;
        let layers = artifact.layers();
        let [layer] = layers.as_slice() else {
            let message = format!(
                "A note has one layer, and this artifact has {}. Push exactly one file.",
                layers.len()
            );
            return Ok(Verdict::refuse([Finding::new("note/one-layer", Severity::High, message)]));
        };
        if layer.size > NOTE_BYTES_MAX {
            let message = format!(
                "The note has {} bytes, and {NOTE_BYTES_MAX} are allowed. Shorten it.",
                layer.size
            );
            let finding = Finding::new("note/size", Severity::High, message);
            return Ok(Verdict::refuse([finding.at(Location::blob(&layer.digest))]));
        }
        let bytes = artifact.open(&layer.digest)?.read_all(NOTE_BYTES_MAX)?;
        let finding = |problem: Problem| problem.finding().at(problem.location().digest(&layer.digest));
        Ok(match Note::parse(&bytes) {
            Ok(note) => Verdict::accept(note.long_lines(settings.line_characters_max).map(finding)),
            Err(problem) => Verdict::refuse([finding(problem)]),
        })
    }
}

/// Indexes: what search shows. It only sees notes that were accepted, unless the operator lets others pass.
impl Indexer for NotePlugin {
    fn index(_: &Context, artifact: &Artifact) -> Result<Entry, Error> {
        let bytes = bytes(artifact)?;
        let note = read(&bytes)?;
        let entry = Entry::new(note.title())
            .keywords(note.words())
            .document(json!({ "lines": note.lines().count() }));
        Ok(match note.summary() {
            Some(summary) => entry.summary(summary),
            None => entry,
        })
    }
}

/// Renders the views of the spec. The gateway has checked that the view and its options are there.
impl Renderer for NotePlugin {
    fn render(_: &Context, artifact: &Artifact, view: &str, options: &Options) -> Result<Content, Error> {
        let bytes = bytes(artifact)?;
        let note = read(&bytes)?;
        match view {
            "text" => Ok(Content::text(note.text())),
            "outline" => {
                let depth = options.get("depth").unwrap_or("6").parse();
                let depth = depth.map_err(|_| Error::new(Error::INVALID, "The option `depth` is a number, 1 to 6."))?;
                let headings = note.headings().filter(|heading| heading.level <= depth);
                Ok(Content::json(
                    &headings
                        .map(|heading| json!({ "level": heading.level, "text": heading.text }))
                        .collect(),
                ))
            }
            _ => Err(Error::new(Error::NOT_FOUND, format!("A note has no view {view:?}."))),
        }
    }
}

/// Returns the bytes of the note.
fn bytes(artifact: &Artifact) -> Result<Vec<u8>, Error> {
    let layers = artifact.layers();
    let layer = layers
        .first()
        .ok_or_else(|| Error::new(Error::INVALID, "The artifact has no layer."))?;
    artifact.open(&layer.digest)?.read_all(NOTE_BYTES_MAX)
}

/// Reads a note where there is nobody to show findings to.
fn read(bytes: &[u8]) -> Result<Note<'_>, Error> {
    Note::parse(bytes).map_err(|problem| Error::new(Error::INVALID, problem.to_string()))
}

plugin!(NotePlugin: validator, indexer, renderer);
