//! What a plugin says about itself, and the JSON of it.

use serde::Serialize;
use serde_json::Value;

/// The spec of a plugin. Methods add to it; [`Spec::to_json`] is what the gateway reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The name of the plugin: lower case letters, digits and hyphens.
    pub name: String,
    /// The version of the plugin.
    pub version: String,
    /// What people call the plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the plugin does, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// An icon: the text of an SVG image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// The artifact types that the plugin is for.
    pub claims: Vec<Claim>,
    /// The views that the renderer knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<View>,
    /// The native client protocol that the plugin answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceSpec>,
    /// What people do with an artifact.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
    /// The JSON schema of the settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
    /// The limits that suit the plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

impl Spec {
    /// Returns the spec of a plugin that claims nothing yet.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            title: None,
            summary: None,
            icon: None,
            claims: Vec::new(),
            views: Vec::new(),
            service: None,
            commands: Vec::new(),
            settings: None,
            limits: None,
        }
    }

    /// Sets what people call the plugin.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets what the plugin does, in one sentence.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }

    /// Sets the icon: the text of an SVG image.
    pub fn icon(mut self, svg: impl Into<String>) -> Self {
        self.icon = Some(svg.into());
        self
    }

    /// Adds an artifact type that the plugin is for.
    pub fn claim(mut self, claim: Claim) -> Self {
        self.claims.push(claim);
        self
    }

    /// Adds a view that the renderer knows.
    pub fn view(mut self, view: View) -> Self {
        self.views.push(view);
        self
    }

    /// Sets the native client protocol that the plugin answers.
    pub fn service(mut self, service: ServiceSpec) -> Self {
        self.service = Some(service);
        self
    }

    /// Adds something that people do with an artifact, such as installing it: a title, and a command line in which the gateway
    /// fills in `{registry}`, `{repository}`, `{tag}`, `{digest}` and `{name}`.
    pub fn command(mut self, title: impl Into<String>, command: impl Into<String>) -> Self {
        self.commands.push(Command {
            title: title.into(),
            command: command.into(),
        });
        self
    }

    /// Sets the JSON schema that settings have to satisfy.
    pub fn settings(mut self, schema: Value) -> Self {
        self.settings = Some(schema);
        self
    }

    /// Sets the limits that suit the plugin. The operator has the last word.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Returns the JSON object that the gateway reads.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("a spec has string keys only")
    }
}

/// An artifact type that a plugin is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// The artifact type; a `*` at its end makes it a pattern.
    #[serde(rename = "type")]
    pub artifact_type: String,
    /// What people call such an artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl Claim {
    /// Claims an artifact type, or with a `*` at the end all that begin so.
    pub fn new(artifact_type: impl Into<String>) -> Self {
        Self {
            artifact_type: artifact_type.into(),
            title: None,
        }
    }

    /// Sets what people call such an artifact.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }
}

/// A named rendering of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// The name, as requests give it.
    pub name: String,
    /// What people call the view.
    pub title: String,
    /// The media type of the content.
    pub media_type: String,
    /// What can be asked of the view.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<ViewOption>,
}

impl View {
    /// Returns a view without options.
    pub fn new(name: impl Into<String>, title: impl Into<String>, media_type: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            media_type: media_type.into(),
            options: Vec::new(),
        }
    }

    /// Adds an option.
    pub fn option(mut self, option: ViewOption) -> Self {
        self.options.push(option);
        self
    }
}

/// An option of a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ViewOption {
    /// The name, as requests give it.
    pub name: String,
    /// What the option means.
    pub description: String,
    /// Whether the view needs it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

impl ViewOption {
    /// Returns an option that may be left out.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            required: false,
        }
    }

    /// Has the gateway insist on the option.
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// Where a service is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// The first segment of the paths that the service answers.
    pub mount: String,
    /// The documents below `/.well-known/` that the service answers as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub well_known: Vec<String>,
}

impl ServiceSpec {
    /// Returns a service that answers below `/{mount}`.
    pub fn mount(mount: impl Into<String>) -> Self {
        Self {
            mount: mount.into(),
            well_known: Vec::new(),
        }
    }

    /// Adds a document below `/.well-known/`.
    pub fn well_known(mut self, document: impl Into<String>) -> Self {
        self.well_known.push(document.into());
        self
    }
}

/// Something that people do with an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    /// What it does, for example `Install`.
    pub title: String,
    /// The command line, with placeholders.
    pub command: String,
}

/// Limits that a plugin suggests. What is left out is for the gateway to choose.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// The most memory that one call may take, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The most time that one call may take, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_full_spec_has_the_keys_that_the_gateway_reads() {
        let spec = Spec::new("note", "1.2.3")
            .title("Notes")
            .summary("Keeps notes.")
            .icon("<svg/>")
            .claim(Claim::new("application/vnd.test.note").title("Note"))
            .view(View::new("text", "Text", "text/plain").option(ViewOption::new("line", "Which line.").required()))
            .service(ServiceSpec::mount("notes").well_known("notes.json"))
            .command("Pull", "oras pull {registry}/{repository}:{tag}")
            .settings(json!({ "type": "object" }))
            .limits(Limits {
                memory_bytes: Some(1 << 20),
                time_ms: Some(500),
            });
        let expected = json!({
            "name": "note", "version": "1.2.3", "title": "Notes", "summary": "Keeps notes.", "icon": "<svg/>",
            "claims": [{ "type": "application/vnd.test.note", "title": "Note" }],
            "views": [{
                "name": "text", "title": "Text", "mediaType": "text/plain",
                "options": [{ "name": "line", "description": "Which line.", "required": true }],
            }],
            "service": { "mount": "notes", "wellKnown": ["notes.json"] },
            "commands": [{ "title": "Pull", "command": "oras pull {registry}/{repository}:{tag}" }],
            "settings": { "type": "object" },
            "limits": { "memoryBytes": 1_048_576, "timeMs": 500 },
        });
        assert_eq!(spec.to_json(), expected);
    }

    #[test]
    fn what_is_not_set_is_left_out() {
        assert_eq!(
            Spec::new("a", "1").to_json(),
            json!({ "name": "a", "version": "1", "claims": [] })
        );
    }
}
