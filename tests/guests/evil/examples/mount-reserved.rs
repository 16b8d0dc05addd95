//! A plugin whose service wants to answer for the registry itself.

use portolan_plugin_sdk::{Artifact, Claim, Context, Error, Plugin, ServiceSpec, Spec, Validator, Verdict, plugin};

struct MountReserved;

impl Plugin for MountReserved {
    fn spec() -> Spec {
        let claim = Claim::new("application/vnd.test.mount-reserved");
        Spec::new("mount-reserved", "1.0.0")
            .claim(claim)
            .service(ServiceSpec::mount("v2"))
    }
}

impl Validator for MountReserved {
    fn validate(_: &Context, _: &Artifact) -> Result<Verdict, Error> {
        Ok(Verdict::accept([]))
    }
}

plugin!(MountReserved: validator);
