//! A plugin that panics instead of describing itself.

use portolan_plugin_sdk::{Artifact, Claim, Context, Error, Plugin, Spec, Validator, Verdict, plugin};

struct DescribeTrap;

impl Plugin for DescribeTrap {
    fn spec() -> Spec {
        let claims = std::hint::black_box(Vec::<Claim>::new());
        let claim = claims.into_iter().next().expect("evil has nothing to describe");
        Spec::new("describe-trap", "1.0.0").claim(claim)
    }
}

impl Validator for DescribeTrap {
    fn validate(_: &Context, _: &Artifact) -> Result<Verdict, Error> {
        Ok(Verdict::accept([]))
    }
}

plugin!(DescribeTrap: validator);
