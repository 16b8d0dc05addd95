//! The contract in Rust, generated from `wit/`.
#![allow(
    unreachable_pub,
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::cast_lossless,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    clippy::redundant_closure_for_method_calls,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "portolan:plugin/all",
    imports: { default: trappable },
    with: {
        "portolan:plugin/artifacts.blob": crate::plugin_host::resources::BlobHandle,
        "portolan:plugin/artifacts.artifact": crate::plugin_host::resources::ArtifactHandle,
        "portolan:plugin/contexts.context": crate::plugin_host::resources::ContextHandle,
        "portolan:plugin/pushes.push": crate::plugin_host::resources::PushHandle,
        "portolan:plugin/catalog.catalog": crate::plugin_host::resources::CatalogHandle,
        "portolan:plugin/http.request": crate::plugin_host::resources::RequestHandle,
        "portolan:plugin/http.response": crate::plugin_host::resources::ResponseHandle,
        "portolan:plugin/http.refusal": crate::plugin_host::resources::RefusalHandle,
    },
});
