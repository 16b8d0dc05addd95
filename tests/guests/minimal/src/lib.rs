//! The least that a plugin can be: a description and one capability.

use portolan_plugin_sdk::{Artifact, Claim, Context, Error, Plugin, Spec, Validator, Verdict, plugin};

struct Minimal;

impl Plugin for Minimal {
    fn spec() -> Spec {
        Spec::new("minimal", "1.0.0").claim(Claim::new("application/vnd.test.minimal"))
    }
}

impl Validator for Minimal {
    fn validate(_: &Context, _: &Artifact) -> Result<Verdict, Error> {
        Ok(Verdict::accept([]))
    }
}

plugin!(Minimal: validator);
