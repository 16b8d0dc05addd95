//! The plugin's part in answering a native client protocol. Carrying out what it asks for, caching and sending is the business of the services.

use std::sync::Arc;

use super::{
    CallError, PluginHost,
    contract::Capability,
    exchange::{Answer, Inquiry, Reason},
    plugin::Plugin,
    resources::{CatalogHandle, RefusalHandle, RequestHandle, ResponseHandle},
    state::Reads,
};
use crate::registry::{Reader, Stamp};

/// A plugin that answers a native client protocol.
#[derive(Clone)]
pub(crate) struct Service(Arc<Plugin>);

impl Service {
    /// Returns the name of the plugin.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns which plugin it is, and with which settings.
    pub(crate) fn stamp(&self) -> &Stamp {
        &self.0.stamp
    }
}

impl PluginHost {
    /// Returns who answers below a mount.
    pub(crate) fn mounted(&self, mount: &str) -> Option<Service> {
        self.set().mounted(mount).cloned().map(Service)
    }

    /// Returns who answers a well-known document.
    pub(crate) fn well_known(&self, document: &str) -> Option<Service> {
        self.set().well_known(document).cloned().map(Service)
    }

    /// Says whether an artifact with these candidates belongs to the plugin of a service: a service changes artifacts of the types that its
    /// plugin claims. The error is a sentence.
    pub(crate) fn owns(&self, service: &Service, candidates: &[&str]) -> Result<(), String> {
        let set = self.set();
        let owner = set
            .dispatch(candidates.iter().copied())
            .map(|(plugin, _)| plugin.name.as_ref());
        let (name, owned) = match owner {
            Some(owner) if owner == service.name() => return Ok(()),
            Some(owner) => (service.name(), format!("plugin {owner}'s")),
            None => (service.name(), "no plugin's".to_owned()),
        };
        Err(format!(
            "plugin {name} changes artifacts of the types that it claims, and this one is {owned}"
        ))
    }

    /// Has a service draft its answer, and returns what of the catalogue it read.
    pub(crate) async fn serve(
        &self,
        service: &Service,
        inquiry: Arc<Inquiry>,
        answer: &Answer,
        reader: Reader,
    ) -> Result<Reads, CallError> {
        let (plugin, answer) = (service.0.clone(), answer.clone());
        let served = self.on_thread(&service.0, Capability::Serve, move |session| {
            let response = ResponseHandle {
                answer: answer.clone(),
                reader: reader.clone(),
            };
            session.serve(RequestHandle { inquiry }, response, CatalogHandle { plugin, reader })?;
            // A large answer is hashed here, where it holds up no other request.
            answer.draft().seal();
            Ok(session.reads())
        });
        served.await.map_err(|failure| failure.into_call_error(&service.0))
    }

    /// Has a service word a refusal, in another instance than the one that served.
    pub(crate) async fn explain(
        &self,
        service: &Service,
        inquiry: Arc<Inquiry>,
        reason: Arc<Reason>,
        answer: &Answer,
        reader: Reader,
    ) -> Result<(), CallError> {
        let answer = answer.clone();
        let explained = self.on_thread(&service.0, Capability::Serve, move |session| {
            session.explain(
                RequestHandle { inquiry },
                RefusalHandle { reason },
                ResponseHandle { answer, reader },
            )
        });
        explained.await.map_err(|failure| failure.into_call_error(&service.0))
    }
}
