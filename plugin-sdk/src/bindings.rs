//! What the gateway offers, generated from `wit/`. Nothing of it is public: the other modules wrap it.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated: the canonical ABI passes pointers"
)]

wit_bindgen::generate!({
    inline: "
        package portolan:sdk;
        world offered {
            import portolan:plugin/types@0.1.0;
            import portolan:plugin/contexts@0.1.0;
            import portolan:plugin/artifacts@0.1.0;
            import portolan:plugin/pushes@0.1.0;
            import portolan:plugin/catalog@0.1.0;
            import portolan:plugin/http@0.1.0;
            import portolan:plugin/log@0.1.0;
        }
    ",
    path: "../wit",
    generate_all,
});

#[cfg(target_arch = "wasm32")]
pub(crate) use portolan::plugin::log;
pub(crate) use portolan::plugin::{artifacts, catalog, contexts, http, pushes, types};
