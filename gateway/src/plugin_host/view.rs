//! What people ask of single artifacts: views and differences.

use std::sync::Arc;

use super::{
    CallError, Difference, PluginHost, Rendered,
    contract::Capability,
    guest::{Failure, Session},
    plugin::Plugin,
    results::{Kept, Key},
    spec::ViewSpec,
};
use crate::registry::{Artifact, Reader};

/// The longest value of an option in bytes.
const OPTION_BYTES_MAX: usize = 4 << 10;
/// When a client should come again whose call could not be made now.
const RETRY_AFTER_SECONDS: u32 = 5;

impl PluginHost {
    /// Renders a view of an artifact.
    ///
    /// # Errors
    /// Says whether there is no such view, what the plugin could not do, or why it failed.
    pub async fn render(
        &self,
        artifact: Artifact,
        reader: Reader,
        view: &str,
        options: Vec<(String, String)>,
    ) -> Result<Rendered, CallError> {
        let plugin = self.asked(&artifact, Capability::Render)?;
        let spec = plugin.spec.views.iter().find(|spec| spec.name == view);
        let spec = spec.ok_or_else(|| CallError::NoView {
            plugin: plugin.name.to_string(),
            view: view.chars().take(80).collect(),
        })?;
        check_options(spec, &options).map_err(|message| CallError::Guest {
            code: "invalid".into(),
            message,
        })?;
        let mut arguments = vec![(String::new(), view.to_owned())];
        arguments.extend(options.iter().cloned());
        let key = Key::new(&plugin, Capability::Render, &[&artifact], arguments);
        if let Some(Kept::View(rendered)) = self.kept(&key, &[&artifact], &reader).await {
            return Ok(rendered);
        }
        let view = view.to_owned();
        let rendered = self.pure(&plugin, Capability::Render, key, move |session| {
            let artifact = session.plugin().handle(artifact, reader);
            let rendered = session.render(artifact, &view, &options)?;
            Ok((Kept::View(rendered), session.reads().unsettled))
        });
        match rendered.await? {
            Kept::View(rendered) => Ok(rendered),
            Kept::Differences(_) => Err(mixed_up(&plugin)),
        }
    }

    /// Says how two artifacts of one type differ.
    ///
    /// # Errors
    /// Says whether no plugin compares them, what the plugin could not do, or why it failed.
    pub async fn compare(&self, before: Artifact, after: Artifact, reader: Reader) -> Result<Vec<Difference>, CallError> {
        let plugin = self.asked(&before, Capability::Compare)?;
        if !Arc::ptr_eq(&plugin, &self.asked(&after, Capability::Compare)?) {
            let message = "The two artifacts are of different types and cannot be compared.".into();
            return Err(CallError::Guest {
                code: "invalid".into(),
                message,
            });
        }
        let key = Key::new(&plugin, Capability::Compare, &[&before, &after], Vec::new());
        if let Some(Kept::Differences(differences)) = self.kept(&key, &[&before, &after], &reader).await {
            return Ok(Arc::unwrap_or_clone(differences));
        }
        let differences = self.pure(&plugin, Capability::Compare, key, move |session| {
            let (before, after) = (
                session.plugin().handle(before, reader.clone()),
                session.plugin().handle(after, reader),
            );
            let differences = session.compare(before, after)?;
            Ok((Kept::Differences(Arc::new(differences)), session.reads().unsettled))
        });
        match differences.await? {
            Kept::Differences(differences) => Ok(Arc::unwrap_or_clone(differences)),
            Kept::View(_) => Err(mixed_up(&plugin)),
        }
    }

    fn asked(&self, artifact: &Artifact, capability: Capability) -> Result<Arc<Plugin>, CallError> {
        let set = self.set();
        let (plugin, _) = set.dispatch(artifact.manifest.types()).ok_or(CallError::NoPlugin)?;
        match plugin.can(capability) {
            true => Ok(plugin.clone()),
            false => Err(CallError::NoCapability {
                plugin: plugin.name.to_string(),
                capability,
            }),
        }
    }

    /// Returns a result from before, where the repositories still hold all that it was made of.
    async fn kept(&self, key: &Key, artifacts: &[&Artifact], reader: &Reader) -> Option<Kept> {
        let kept = self.results.get(key)?;
        for artifact in artifacts {
            let missing = reader.missing(&artifact.repository, &artifact.digest).await;
            if !missing.is_ok_and(|missing| missing.is_empty()) {
                return None;
            }
        }
        Some(kept)
    }

    /// Calls a pure function, and keeps its result or its failure.
    async fn pure(
        &self,
        plugin: &Arc<Plugin>,
        capability: Capability,
        key: Key,
        work: impl FnOnce(&mut Session) -> Result<(Kept, bool), Failure> + Send + 'static,
    ) -> Result<Kept, CallError> {
        if let Some(reason) = self.results.failed(&key) {
            return Err(CallError::Failed {
                plugin: plugin.name.to_string(),
                reason: reason.to_string(),
            });
        }
        match self.on_thread(plugin, capability, work).await {
            Ok((kept, unsettled)) => {
                if !unsettled {
                    self.results.keep(key, kept.clone());
                }
                Ok(kept)
            }
            Err(failure) => {
                if let Failure::Failed(reason) | Failure::Time(reason) = &failure {
                    self.results.remember_failure(key, reason);
                }
                Err(failure.into_call_error(plugin))
            }
        }
    }
}

/// Checks the options of a request against those of the view. The error is a sentence for who asks.
fn check_options(view: &ViewSpec, options: &[(String, String)]) -> Result<(), String> {
    for (n, (name, value)) in options.iter().enumerate() {
        let shown: String = name.chars().take(80).collect();
        if !view.options.iter().any(|option| option.name == *name) {
            let known: Vec<&str> = view.options.iter().map(|option| option.name.as_str()).collect();
            let known = if known.is_empty() {
                "it has none".to_owned()
            } else {
                format!("it has {}", known.join(", "))
            };
            return Err(format!("View {} has no option {shown:?}; {known}.", view.name));
        }
        if options.iter().take(n).any(|(earlier, _)| earlier == name) {
            return Err(format!("Option {shown:?} is given twice."));
        }
        if value.len() > OPTION_BYTES_MAX {
            return Err(format!(
                "Option {shown:?} has {} bytes; at most {OPTION_BYTES_MAX} are allowed.",
                value.len()
            ));
        }
    }
    let required = view.options.iter().filter(|option| option.required);
    match required
        .map(|option| &option.name)
        .find(|name| !options.iter().any(|(given, _)| given == *name))
    {
        Some(missing) => Err(format!("View {} needs the option {missing:?}.", view.name)),
        None => Ok(()),
    }
}

/// Keys of different capabilities differ, so this does not happen; it must not become another answer if it does.
fn mixed_up(plugin: &Plugin) -> CallError {
    let reason = "the gateway found a result of another kind".into();
    CallError::Unavailable {
        plugin: plugin.name.to_string(),
        reason,
        retry_after_seconds: RETRY_AFTER_SECONDS,
    }
}

impl Failure {
    pub(super) fn into_call_error(self, plugin: &Plugin) -> CallError {
        let plugin = plugin.name.to_string();
        match self {
            Self::Guest { code, message } => CallError::Guest { code, message },
            Self::Failed(reason) | Self::Time(reason) => CallError::Failed { plugin, reason },
            Self::Later(reason) | Self::Busy(reason) => CallError::Unavailable {
                plugin,
                reason,
                retry_after_seconds: RETRY_AFTER_SECONDS,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin_host::spec::OptionSpec;

    #[test]
    fn options_are_those_of_the_view() {
        let option = |name: &str, required| OptionSpec {
            name: name.into(),
            description: None,
            required,
        };
        let options = vec![option("path", true), option("line", false)];
        let view = ViewSpec {
            name: "file".into(),
            title: None,
            summary: None,
            media_type: None,
            options,
        };
        let check = |given: &[(&str, &str)]| {
            let given: Vec<_> = given
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            check_options(&view, &given)
        };
        assert_eq!(check(&[("path", "a"), ("line", "1")]), Ok(()));
        assert!(check(&[]).unwrap_err().contains("needs the option \"path\""));
        assert!(
            check(&[("path", "a"), ("colour", "red")])
                .unwrap_err()
                .contains("it has path, line")
        );
        assert!(check(&[("path", "a"), ("path", "b")]).unwrap_err().contains("twice"));
        assert!(check(&[("path", &"x".repeat(5_000))]).unwrap_err().contains("at most"));
    }
}
