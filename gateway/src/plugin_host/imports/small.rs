//! The interfaces of a few lines: the context of a call, a tag that is being set, the log.

use wasmtime::component::Resource;

use crate::plugin_host::{
    bindings::portolan::plugin::{contexts, log, pushes, types},
    resources::{ContextHandle, PushHandle},
    state::State,
};

impl types::Host for State {}

impl contexts::Host for State {}

impl contexts::HostContext for State {
    fn settings(&mut self, context: Resource<ContextHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&context)?.settings.to_string())
    }

    fn drop(&mut self, context: Resource<ContextHandle>) -> wasmtime::Result<()> {
        self.table.delete(context)?;
        Ok(())
    }
}

impl pushes::Host for State {}

impl pushes::HostPush for State {
    fn repository(&mut self, push: Resource<PushHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&push)?.repository.clone())
    }

    fn tag(&mut self, push: Resource<PushHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&push)?.tag.clone())
    }

    fn drop(&mut self, push: Resource<PushHandle>) -> wasmtime::Result<()> {
        self.table.delete(push)?;
        Ok(())
    }
}

impl log::Host for State {
    fn log(&mut self, level: String, message: String) -> wasmtime::Result<()> {
        self.log.write(&level, &message);
        Ok(())
    }
}
