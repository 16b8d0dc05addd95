//! The exports of plugins: one generated world a capability, and the adapter between it and the trait of the capability.
//!
//! A WIT world has no optional exports. With a world for each capability, [`plugin!`](crate::plugin) exports exactly those that an
//! author names. The module is public for that macro alone.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "most of it is generated: the canonical ABI passes pointers"
)]

use std::{marker::PhantomData, sync::Once};

use crate::{
    Admitter, Artifact, Catalog, Comparer, Context, Entry, Indexer, Options, Plugin, Push, Refusal, Renderer, Request, Response,
    Scanner, Service, Validator,
    bindings::{artifacts, catalog as host_catalog, contexts, http, pushes, types},
    log,
};

/// Implements the generated traits for a plugin.
pub struct Adapter<P>(PhantomData<P>);

/// Has panics of the guest written to the log of the gateway, which otherwise sees only that the guest trapped.
fn prepare() {
    static PREPARED: Once = Once::new();
    PREPARED.call_once(|| std::panic::set_hook(Box::new(|panic| log::error(&panic.to_string()))));
}

macro_rules! capability {
    ($module:ident, $trait:path, $world:literal, { $($with:tt)* }) => {
        pub mod $module {
            wit_bindgen::generate!({
                inline: $world,
                path: "../wit",
                with: { $($with)* },
                pub_export_macro: true,
                runtime_path: "::portolan_plugin_sdk::wit_bindgen::rt",
            });
            pub use exports::portolan::plugin::$module::Guest;
            pub use $trait as Capability;
        }
    };
}

capability!(
    describe,
    crate::Plugin,
    "package portolan:sdk; world sdk-describe { export portolan:plugin/describe@0.1.0; }",
    {}
);
capability!(validator, crate::Validator, "package portolan:sdk; world sdk-validator { export portolan:plugin/validator@0.1.0; }", {
    "portolan:plugin/types@0.1.0": crate::bindings::types,
    "portolan:plugin/contexts@0.1.0": crate::bindings::contexts,
    "portolan:plugin/artifacts@0.1.0": crate::bindings::artifacts,
});
capability!(admitter, crate::Admitter, "package portolan:sdk; world sdk-admitter { export portolan:plugin/admitter@0.1.0; }", {
    "portolan:plugin/types@0.1.0": crate::bindings::types,
    "portolan:plugin/contexts@0.1.0": crate::bindings::contexts,
    "portolan:plugin/artifacts@0.1.0": crate::bindings::artifacts,
    "portolan:plugin/pushes@0.1.0": crate::bindings::pushes,
});
capability!(indexer, crate::Indexer, "package portolan:sdk; world sdk-indexer { export portolan:plugin/indexer@0.1.0; }", {
    "portolan:plugin/types@0.1.0": crate::bindings::types,
    "portolan:plugin/contexts@0.1.0": crate::bindings::contexts,
    "portolan:plugin/artifacts@0.1.0": crate::bindings::artifacts,
});
capability!(renderer, crate::Renderer, "package portolan:sdk; world sdk-renderer { export portolan:plugin/renderer@0.1.0; }", {
    "portolan:plugin/types@0.1.0": crate::bindings::types,
    "portolan:plugin/contexts@0.1.0": crate::bindings::contexts,
    "portolan:plugin/artifacts@0.1.0": crate::bindings::artifacts,
});
capability!(scanner, crate::Scanner, "package portolan:sdk; world sdk-scanner { export portolan:plugin/scanner@0.1.0; }", {
    "portolan:plugin/types@0.1.0": crate::bindings::types,
    "portolan:plugin/contexts@0.1.0": crate::bindings::contexts,
    "portolan:plugin/artifacts@0.1.0": crate::bindings::artifacts,
});
capability!(comparer, crate::Comparer, "package portolan:sdk; world sdk-comparer { export portolan:plugin/comparer@0.1.0; }", {
    "portolan:plugin/types@0.1.0": crate::bindings::types,
    "portolan:plugin/contexts@0.1.0": crate::bindings::contexts,
    "portolan:plugin/artifacts@0.1.0": crate::bindings::artifacts,
});
capability!(service, crate::Service, "package portolan:sdk; world sdk-service { export portolan:plugin/service@0.1.0; }", {
    "portolan:plugin/types@0.1.0": crate::bindings::types,
    "portolan:plugin/contexts@0.1.0": crate::bindings::contexts,
    "portolan:plugin/artifacts@0.1.0": crate::bindings::artifacts,
    "portolan:plugin/catalog@0.1.0": crate::bindings::catalog,
    "portolan:plugin/http@0.1.0": crate::bindings::http,
});

impl<P: Plugin> describe::Guest for Adapter<P> {
    fn describe() -> String {
        prepare();
        P::spec().to_json().to_string()
    }
}

impl<P: Validator> validator::Guest for Adapter<P> {
    fn validate(context: contexts::Context, artifact: artifacts::Artifact) -> Result<types::Verdict, types::Error> {
        prepare();
        Ok(P::validate(&Context::of(&context), &Artifact::of(artifact))?.into())
    }
}

impl<P: Admitter> admitter::Guest for Adapter<P> {
    fn admit(
        context: contexts::Context,
        artifact: artifacts::Artifact,
        entry: Option<types::Entry>,
        push: pushes::Push,
    ) -> Result<types::Verdict, types::Error> {
        prepare();
        let entry = entry.map(Entry::from);
        Ok(P::admit(
            &Context::of(&context),
            &Artifact::of(artifact),
            entry.as_ref(),
            &Push::of(&push),
        )?
        .into())
    }
}

impl<P: Indexer> indexer::Guest for Adapter<P> {
    fn index(context: contexts::Context, artifact: artifacts::Artifact) -> Result<types::Entry, types::Error> {
        prepare();
        Ok(P::index(&Context::of(&context), &Artifact::of(artifact))?.into())
    }
}

impl<P: Renderer> renderer::Guest for Adapter<P> {
    fn render(
        context: contexts::Context,
        artifact: artifacts::Artifact,
        view: String,
        options: types::Pairs,
    ) -> Result<types::Content, types::Error> {
        prepare();
        let options = options.into_iter().collect::<Options>();
        Ok(P::render(&Context::of(&context), &Artifact::of(artifact), &view, &options)?.into())
    }
}

impl<P: Scanner> scanner::Guest for Adapter<P> {
    fn scan(context: contexts::Context, artifact: artifacts::Artifact) -> Result<Vec<types::Finding>, types::Error> {
        prepare();
        let findings = P::scan(&Context::of(&context), &Artifact::of(artifact))?;
        Ok(findings.into_iter().map(Into::into).collect())
    }
}

impl<P: Comparer> comparer::Guest for Adapter<P> {
    fn compare(
        context: contexts::Context,
        before: artifacts::Artifact,
        after: artifacts::Artifact,
    ) -> Result<Vec<types::Change>, types::Error> {
        prepare();
        let changes = P::compare(&Context::of(&context), &Artifact::of(before), &Artifact::of(after))?;
        Ok(changes.into_iter().map(Into::into).collect())
    }
}

impl<P: Service> service::Guest for Adapter<P> {
    fn serve(
        context: contexts::Context,
        request: http::Request,
        response: http::Response,
        catalog: host_catalog::Catalog,
    ) -> Result<(), types::Error> {
        prepare();
        let (context, request, response) = (Context::of(&context), Request::of(request), Response::of(response));
        Ok(P::serve(&context, &request, &response, &Catalog::of(catalog))?)
    }

    fn explain(
        context: contexts::Context,
        request: http::Request,
        refusal: http::Refusal,
        response: http::Response,
    ) -> Result<(), types::Error> {
        prepare();
        let (context, request, response) = (Context::of(&context), Request::of(request), Response::of(response));
        Ok(P::explain(&context, &request, &Refusal::of(&refusal), &response)?)
    }
}
