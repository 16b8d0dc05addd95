//! A plugin that never comes to describe itself.

use portolan_plugin_sdk::{Artifact, Claim, Context, Error, Plugin, Spec, Validator, Verdict, plugin};

struct DescribeLoop;

impl Plugin for DescribeLoop {
    fn spec() -> Spec {
        let mut spec = Spec::new("describe-loop", "1.0.0");
        loop {
            spec = std::hint::black_box(spec).title("Not yet");
            if spec.name.is_empty() {
                return spec.claim(Claim::new("application/vnd.test.describe-loop"));
            }
        }
    }
}

impl Validator for DescribeLoop {
    fn validate(_: &Context, _: &Artifact) -> Result<Verdict, Error> {
        Ok(Verdict::accept([]))
    }
}

plugin!(DescribeLoop: validator);
