//! A plugin that describes itself differently every time.

use portolan_plugin_sdk::{Artifact, Claim, Context, Error, Plugin, Spec, Validator, Verdict, plugin};

use std::sync::atomic::{AtomicU32, Ordering};

struct DescribeChanging;

impl Plugin for DescribeChanging {
    fn spec() -> Spec {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        Spec::new("describe-changing", "1.0.0").claim(Claim::new(format!("application/vnd.test.describe-changing.{call}")))
    }
}

impl Validator for DescribeChanging {
    fn validate(_: &Context, _: &Artifact) -> Result<Verdict, Error> {
        Ok(Verdict::accept([]))
    }
}

plugin!(DescribeChanging: validator);
