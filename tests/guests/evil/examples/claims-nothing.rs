//! A plugin that is for no type at all.

use portolan_plugin_sdk::{Artifact, Context, Error, Plugin, Spec, Validator, Verdict, plugin};

struct ClaimsNothing;

impl Plugin for ClaimsNothing {
    fn spec() -> Spec {
        Spec::new("claims-nothing", "1.0.0")
    }
}

impl Validator for ClaimsNothing {
    fn validate(_: &Context, _: &Artifact) -> Result<Verdict, Error> {
        Ok(Verdict::accept([]))
    }
}

plugin!(ClaimsNothing: validator);
