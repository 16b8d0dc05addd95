//! A plugin that claims what another one claims.

use portolan_plugin_sdk::{Artifact, Claim, Context, Error, Plugin, Spec, Validator, Verdict, plugin};

struct Twin;

impl Plugin for Twin {
    fn spec() -> Spec {
        Spec::new("twin", "1.0.0").claim(Claim::new("application/vnd.test.minimal"))
    }
}

impl Validator for Twin {
    fn validate(_: &Context, _: &Artifact) -> Result<Verdict, Error> {
        Ok(Verdict::accept([]))
    }
}

plugin!(Twin: validator);
