//! A component that is linked, and one call of it.

use std::{sync::Arc, time::Instant};

use tokio::runtime::Handle;
use wasmtime::{
    Engine, Store, Trap, UpdateDeadline,
    component::{Component, Instance, InstancePre, Resource, ResourceTableError},
};

use super::{
    Limits,
    bindings::{exports::portolan::plugin as exports, portolan::plugin::types},
    bounds::{self, Bounded, GuestError},
    contract::Capability,
    imports,
    meter::Outcome,
    plugin::Plugin,
    resources::{ArtifactHandle, CatalogHandle, ContextHandle, PushHandle, RefusalHandle, RequestHandle, ResponseHandle},
    state::{Clock, Fault, Reads, State},
    wasi,
};
use crate::registry::{Entry, Finding};

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The guest says that it could not.
    Guest {
        /// What went wrong, for programs.
        code: String,
        /// What went wrong, for people.
        message: String,
    },
    /// A trap, a limit, an answer that breaks the contract: it would happen again.
    Failed(String),
    /// It took too long. Most likely it would again, but it may also be the machine that was slow.
    Time(String),
    /// The gateway could not do its part: it may work later.
    Later(String),
    /// The call could not even be begun.
    Busy(String),
}

/// A component that is linked and ready to be instantiated.
pub(super) struct Guest {
    engine: Engine,
    pre: InstancePre<State>,
    describe: exports::describe::GuestIndices,
    validator: Option<exports::validator::GuestIndices>,
    admitter: Option<exports::admitter::GuestIndices>,
    indexer: Option<exports::indexer::GuestIndices>,
    renderer: Option<exports::renderer::GuestIndices>,
    scanner: Option<exports::scanner::GuestIndices>,
    comparer: Option<exports::comparer::GuestIndices>,
    service: Option<exports::service::GuestIndices>,
}

/// Finds an exported interface, where the component has it.
macro_rules! indices {
    ($pre:expr, $capabilities:expr, $capability:ident, $interface:ident) => {
        match $capabilities.contains(&Capability::$capability) {
            true => Some(exports::$interface::GuestIndices::new($pre)?),
            false => None,
        }
    };
}

impl Guest {
    /// Links a component with what the gateway offers.
    pub(super) fn link(
        engine: &Engine,
        component: &Component,
        capabilities: &[Capability],
        with_wasi: bool,
    ) -> wasmtime::Result<Self> {
        let mut linker = imports::linker(engine)?;
        if with_wasi {
            wasi::link(&mut linker, engine, component)?;
        }
        let pre = linker.instantiate_pre(component)?;
        Ok(Self {
            engine: engine.clone(),
            describe: exports::describe::GuestIndices::new(&pre)?,
            validator: indices!(&pre, capabilities, Validate, validator),
            admitter: indices!(&pre, capabilities, Admit, admitter),
            indexer: indices!(&pre, capabilities, Index, indexer),
            renderer: indices!(&pre, capabilities, Render, renderer),
            scanner: indices!(&pre, capabilities, Scan, scanner),
            comparer: indices!(&pre, capabilities, Compare, comparer),
            service: indices!(&pre, capabilities, Serve, service),
            pre,
        })
    }

    /// Asks the guest what it is, and looks at every function it exports: a record of another shape is found now and not at the first
    /// push. Blocks.
    pub(super) fn describe(&self, name: &Arc<str>, limits: &Limits, clock: Clock, runtime: Handle) -> Result<String, Failure> {
        let mut store = self.store(name.clone(), limits, clock, runtime);
        let described = self.ask(&mut store);
        store.data_mut().log.finish();
        described.map_err(|error| failure(&error, store.data())).flatten()
    }

    fn ask(&self, store: &mut Store<State>) -> wasmtime::Result<Result<String, Failure>> {
        let instance = self.pre.instantiate(&mut *store)?;
        if let Err(error) = self.load_all(store, &instance) {
            return Ok(Err(Failure::Failed(format!(
                "a function that it exports has other types than the contract says: {error:#}"
            ))));
        }
        let describe = self.describe.load(&mut *store, &instance)?;
        let text = describe.call_describe(&mut *store)?;
        if describe.call_describe(&mut *store)? != text {
            return Ok(Err(Failure::Failed(
                "describe returned two different texts in two calls".into(),
            )));
        }
        Ok(Ok(text))
    }

    fn load_all(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<()> {
        self.describe.load(&mut *store, instance)?;
        self.validator
            .as_ref()
            .map(|indices| indices.load(&mut *store, instance))
            .transpose()?;
        self.admitter
            .as_ref()
            .map(|indices| indices.load(&mut *store, instance))
            .transpose()?;
        self.indexer
            .as_ref()
            .map(|indices| indices.load(&mut *store, instance))
            .transpose()?;
        self.renderer
            .as_ref()
            .map(|indices| indices.load(&mut *store, instance))
            .transpose()?;
        self.scanner
            .as_ref()
            .map(|indices| indices.load(&mut *store, instance))
            .transpose()?;
        self.comparer
            .as_ref()
            .map(|indices| indices.load(&mut *store, instance))
            .transpose()?;
        self.service
            .as_ref()
            .map(|indices| indices.load(&mut *store, instance))
            .transpose()?;
        Ok(())
    }

    fn store(&self, name: Arc<str>, limits: &Limits, clock: Clock, runtime: Handle) -> Store<State> {
        let mut store = Store::new(&self.engine, State::new(name, limits, clock, runtime));
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(usize::try_from(limits.transfer_bytes_max).unwrap_or(usize::MAX));
        // The gateway's own table is met first, and its error says more.
        store.set_max_component_handles(usize::try_from(limits.handles_max).unwrap_or(usize::MAX).saturating_add(16));
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().clock.check()?;
            Ok(UpdateDeadline::Continue(1))
        });
        store
    }
}

/// One fresh instance of a plugin, for one job. Everything here blocks.
pub(super) struct Session {
    plugin: Arc<Plugin>,
    store: Store<State>,
    instance: Instance,
    /// When the time began that the next call is charged with.
    begun: Instant,
}

impl Session {
    /// Begins a job. The capability is the one that is charged with a failure to start.
    pub(super) fn begin(plugin: Arc<Plugin>, capability: Capability, clock: Clock, runtime: Handle) -> Result<Self, Failure> {
        let begun = Instant::now();
        let mut store = plugin.guest.store(plugin.name.clone(), &plugin.limits, clock, runtime);
        match plugin.guest.pre.instantiate(&mut store) {
            Ok(instance) => Ok(Self {
                plugin,
                store,
                instance,
                begun,
            }),
            Err(error) => {
                store.data_mut().log.finish();
                let failure = failure(&error, store.data());
                plugin.meter.count(capability, failure.outcome(), begun.elapsed());
                Err(failure)
            }
        }
    }

    /// Returns the plugin.
    pub(super) fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// Returns what the calls so far depended on beyond their arguments.
    pub(super) fn reads(&mut self) -> Reads {
        std::mem::take(&mut self.store.data_mut().reads)
    }

    pub(super) fn validate(&mut self, artifact: ArtifactHandle) -> Result<bounds::Verdict, Failure> {
        let call = |session: &mut Self, context| {
            let artifact = session.hand(artifact)?;
            let guest = wanted(&session.plugin.guest.validator)?.load(&mut session.store, &session.instance)?;
            guest.call_validate(&mut session.store, context, artifact)
        };
        self.call(Capability::Validate, call, bounds::verdict, |verdict| !verdict.accepted)
    }

    pub(super) fn index(&mut self, artifact: ArtifactHandle) -> Result<Entry, Failure> {
        let call = |session: &mut Self, context| {
            let artifact = session.hand(artifact)?;
            let guest = wanted(&session.plugin.guest.indexer)?.load(&mut session.store, &session.instance)?;
            guest.call_index(&mut session.store, context, artifact)
        };
        self.call(Capability::Index, call, bounds::entry, |_| false)
    }

    pub(super) fn admit(
        &mut self,
        artifact: ArtifactHandle,
        entry: Option<&types::Entry>,
        push: PushHandle,
    ) -> Result<bounds::Verdict, Failure> {
        let call = |session: &mut Self, context| {
            let (artifact, push) = (session.hand(artifact)?, session.hand(push)?);
            let guest = wanted(&session.plugin.guest.admitter)?.load(&mut session.store, &session.instance)?;
            guest.call_admit(&mut session.store, context, artifact, entry, push)
        };
        self.call(Capability::Admit, call, bounds::verdict, |verdict| !verdict.accepted)
    }

    pub(super) fn render(
        &mut self,
        artifact: ArtifactHandle,
        view: &str,
        options: &Vec<(String, String)>,
    ) -> Result<bounds::Rendered, Failure> {
        let call = |session: &mut Self, context| {
            let artifact = session.hand(artifact)?;
            let guest = wanted(&session.plugin.guest.renderer)?.load(&mut session.store, &session.instance)?;
            guest.call_render(&mut session.store, context, artifact, view, options)
        };
        self.call(Capability::Render, call, bounds::content, |_| false)
    }

    pub(super) fn scan(&mut self, artifact: ArtifactHandle) -> Result<Vec<Finding>, Failure> {
        let call = |session: &mut Self, context| {
            let artifact = session.hand(artifact)?;
            let guest = wanted(&session.plugin.guest.scanner)?.load(&mut session.store, &session.instance)?;
            guest.call_scan(&mut session.store, context, artifact)
        };
        self.call(Capability::Scan, call, bounds::scanned, |_| false)
    }

    pub(super) fn compare(&mut self, before: ArtifactHandle, after: ArtifactHandle) -> Result<Vec<bounds::Difference>, Failure> {
        let call = |session: &mut Self, context| {
            let (before, after) = (session.hand(before)?, session.hand(after)?);
            let guest = wanted(&session.plugin.guest.comparer)?.load(&mut session.store, &session.instance)?;
            guest.call_compare(&mut session.store, context, before, after)
        };
        self.call(Capability::Compare, call, bounds::changes, |_| false)
    }

    pub(super) fn serve(
        &mut self,
        request: RequestHandle,
        response: ResponseHandle,
        catalog: CatalogHandle,
    ) -> Result<(), Failure> {
        let call = |session: &mut Self, context| {
            let (request, response, catalog) = (session.hand(request)?, session.hand(response)?, session.hand(catalog)?);
            let guest = wanted(&session.plugin.guest.service)?.load(&mut session.store, &session.instance)?;
            guest.call_serve(&mut session.store, context, request, response, catalog)
        };
        self.call(Capability::Serve, call, Ok, |()| false)
    }

    pub(super) fn explain(
        &mut self,
        request: RequestHandle,
        refusal: RefusalHandle,
        response: ResponseHandle,
    ) -> Result<(), Failure> {
        let call = |session: &mut Self, context| {
            let (request, refusal, response) = (session.hand(request)?, session.hand(refusal)?, session.hand(response)?);
            let guest = wanted(&session.plugin.guest.service)?.load(&mut session.store, &session.instance)?;
            guest.call_explain(&mut session.store, context, request, refusal, response)
        };
        self.call(Capability::Serve, call, Ok, |()| false)
    }

    /// Gives the guest a handle.
    fn hand<T: Send + 'static>(&mut self, thing: T) -> wasmtime::Result<Resource<T>> {
        Ok(self.store.data_mut().table.push(thing)?)
    }

    /// Calls the guest, checks what it returns against the contract's bounds, and counts.
    fn call<W, T>(
        &mut self,
        capability: Capability,
        call: impl FnOnce(&mut Self, Resource<ContextHandle>) -> wasmtime::Result<Result<W, types::Error>>,
        check: impl FnOnce(W) -> Bounded<T>,
        refuses: impl FnOnce(&T) -> bool,
    ) -> Result<T, Failure> {
        let context = ContextHandle {
            settings: self.plugin.settings.clone(),
        };
        let called = self.hand(context).and_then(|context| call(self, context));
        let result = match called {
            Ok(Ok(answer)) => check(answer).map_err(|fault| broken(&fault)),
            Ok(Err(error)) => Err(bounds::error(error).map_or_else(|fault| broken(&fault), Failure::from)),
            Err(error) => Err(failure(&error, self.store.data())),
        };
        let outcome = match &result {
            Ok(answer) if refuses(answer) => Outcome::Refused,
            Ok(_) => Outcome::Ok,
            Err(failure) => failure.outcome(),
        };
        let now = Instant::now();
        let took = now.duration_since(self.begun);
        self.begun = now;
        self.plugin.meter.count(capability, outcome, took);
        let plugin = &*self.plugin.name;
        tracing::debug!(
            plugin,
            capability = capability.as_str(),
            ?outcome,
            microseconds = took.as_micros(),
            "a plugin was called"
        );
        result
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.store.data_mut().log.finish();
        self.plugin.note_memory(self.store.data().limiter.memory());
    }
}

impl Failure {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Guest { .. } => Outcome::Error,
            Self::Failed(_) | Self::Time(_) => Outcome::Failed,
            Self::Later(_) | Self::Busy(_) => Outcome::Unavailable,
        }
    }
}

impl From<GuestError> for Failure {
    fn from(error: GuestError) -> Self {
        Self::Guest {
            code: error.code,
            message: error.message,
        }
    }
}

/// Returns the indices of an interface that was seen to be there.
fn wanted<T>(indices: &Option<T>) -> wasmtime::Result<&T> {
    indices
        .as_ref()
        .ok_or_else(|| wasmtime::format_err!("the plugin does not export this interface"))
}

fn broken(fault: &str) -> Failure {
    Failure::Failed(format!("its answer breaks the contract: {fault}"))
}

/// Says why a call ended that the guest did not end itself, in a sentence for whoever pushed the artifact.
fn failure(error: &wasmtime::Error, state: &State) -> Failure {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return match fault {
            Fault::Storage => Failure::Later(fault.to_string()),
            Fault::Time(_) => Failure::Time(fault.to_string()),
            _ => Failure::Failed(fault.to_string()),
        };
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        return Failure::Failed(format!(
            "it held {} handles at once, its limit, and wanted more",
            state.handles_max
        ));
    }
    let mut reason = match error.downcast_ref::<Trap>() {
        Some(trap) => format!("it trapped: {trap}"),
        // The first line of the root cause says what happened; the rest are frames of the guest.
        None => format!(
            "its call was ended: {}",
            error.root_cause().to_string().lines().next().unwrap_or_default()
        ),
    };
    if let Some(met) = &state.limiter.met {
        reason = format!("{reason}; {met}");
    }
    if let Some(said) = &state.log.last_error {
        reason = format!("{reason}; the last it logged: {}", said.chars().take(500).collect::<String>());
    }
    Failure::Failed(reason)
}
