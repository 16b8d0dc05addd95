//! A plugin whose spec is larger than a spec may be.

use portolan_plugin_sdk::{Artifact, Claim, Context, Error, Plugin, Spec, Validator, Verdict, plugin};

struct DescribeHuge;

impl Plugin for DescribeHuge {
    fn spec() -> Spec {
        let claim = Claim::new("application/vnd.test.describe-huge");
        Spec::new("describe-huge", "1.0.0")
            .summary("a".repeat(300 * 1024))
            .claim(claim)
    }
}

impl Validator for DescribeHuge {
    fn validate(_: &Context, _: &Artifact) -> Result<Verdict, Error> {
        Ok(Verdict::accept([]))
    }
}

plugin!(DescribeHuge: validator);
