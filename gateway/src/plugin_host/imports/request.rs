//! The request that a service answers, and the refusal that it words.

use wasmtime::component::Resource;

use crate::plugin_host::{
    bindings::portolan::plugin::{
        http,
        types::{self, Pairs},
    },
    resources::{BlobHandle, RefusalHandle, RequestHandle},
    state::State,
};

impl http::HostRequest for State {
    fn method(&mut self, request: Resource<RequestHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&request)?.inquiry.method.clone())
    }

    fn origin(&mut self, request: Resource<RequestHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&request)?.inquiry.origin.clone())
    }

    fn well_known(&mut self, request: Resource<RequestHandle>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&request)?.inquiry.well_known.clone())
    }

    fn path(&mut self, request: Resource<RequestHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&request)?.inquiry.path.clone())
    }

    fn query(&mut self, request: Resource<RequestHandle>) -> wasmtime::Result<Pairs> {
        Ok(self.table.get(&request)?.inquiry.query.clone())
    }

    fn header(&mut self, request: Resource<RequestHandle>, name: String) -> wasmtime::Result<Vec<String>> {
        let headers = &self.table.get(&request)?.inquiry.headers;
        let named = headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(&name));
        Ok(named.map(|(_, value)| value.clone()).collect())
    }

    fn body(&mut self, request: Resource<RequestHandle>) -> wasmtime::Result<Option<Resource<BlobHandle>>> {
        let body = self.table.get(&request)?.inquiry.body.clone();
        Ok(body.map(|body| self.table.push(BlobHandle::new(body))).transpose()?)
    }

    fn drop(&mut self, request: Resource<RequestHandle>) -> wasmtime::Result<()> {
        self.table.delete(request)?;
        Ok(())
    }
}

impl http::HostRefusal for State {
    fn code(&mut self, refusal: Resource<RefusalHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&refusal)?.reason.code.clone())
    }

    fn status(&mut self, refusal: Resource<RefusalHandle>) -> wasmtime::Result<u16> {
        Ok(self.table.get(&refusal)?.reason.status)
    }

    fn message(&mut self, refusal: Resource<RefusalHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(&refusal)?.reason.message.clone())
    }

    fn findings(&mut self, refusal: Resource<RefusalHandle>) -> wasmtime::Result<Vec<types::Finding>> {
        Ok(self.table.get(&refusal)?.reason.findings.iter().map(finding).collect())
    }

    fn drop(&mut self, refusal: Resource<RefusalHandle>) -> wasmtime::Result<()> {
        self.table.delete(refusal)?;
        Ok(())
    }
}

fn finding(finding: &crate::registry::Finding) -> types::Finding {
    let location = finding.location.as_ref().map(|location| types::Location {
        digest: location.digest.clone(),
        path: location.path.clone(),
        line: location.line,
        column: location.column,
        pointer: location.pointer.clone(),
    });
    types::Finding {
        rule: finding.rule.clone(),
        severity: finding.severity.clone(),
        message: finding.message.clone(),
        location,
        help: finding.help.clone(),
        properties: finding.properties.clone(),
    }
}
