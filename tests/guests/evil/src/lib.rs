//! A plugin that attacks the gateway.
//!
//! The artifact type names the attack: `application/vnd.test.evil.<attack>`. Attacks on a bound of the contract are named by the field,
//! and met in the capability that returns it; all others are met in the capability that the annotation `test.capability` names, which
//! is `validator` where it is absent. Whatever else is asked of the plugin it does as it should.

mod behaviour;
mod oversize;
mod raw;

use portolan_plugin_sdk::{
    Admitter, Artifact, Catalog, Change, Claim, Comparer, Content, Context, Entry, Error, Finding, Indexer, Options, Plugin,
    Push, Refusal, Renderer, Request, Response, Scanner, Service, ServiceSpec, Spec, Validator, Verdict, View, plugin,
};

/// What the artifact types begin with.
const TYPE: &str = "application/vnd.test.evil.";

struct Evil;

impl Plugin for Evil {
    fn spec() -> Spec {
        Spec::new("evil", "1.0.0")
            .claim(Claim::new(format!("{TYPE}*")))
            .view(View::new("attack", "Attack", "text/plain"))
            .service(ServiceSpec::mount("evil"))
    }
}

/// What is to be done, as the artifact says.
struct Attack {
    name: String,
    capability: String,
    amount: usize,
}

impl Attack {
    fn of(artifact: &Artifact) -> Self {
        let annotations = artifact.annotations();
        let annotation = |name: &str| {
            annotations
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        let artifact_type = artifact.artifact_type();
        Self {
            name: artifact_type.strip_prefix(TYPE).unwrap_or_default().to_owned(),
            capability: annotation("test.capability").unwrap_or_else(|| "validator".to_owned()),
            amount: annotation("test.amount")
                .and_then(|amount| amount.parse().ok())
                .unwrap_or(64 << 20),
        }
    }

    /// Misbehaves, where this is the capability in which to do it.
    fn strike(&self, capability: &str, artifact: &Artifact) {
        if self.capability == capability {
            behaviour::strike(&self.name, self.amount, Some(artifact));
        }
    }
}

impl Validator for Evil {
    fn validate(_: &Context, artifact: &Artifact) -> Result<Verdict, Error> {
        let attack = Attack::of(artifact);
        attack.strike("validator", artifact);
        raw::prepare(&attack.name, attack.amount);
        oversize::verdict(&attack.name, attack.amount)
    }
}

impl Admitter for Evil {
    fn admit(_: &Context, artifact: &Artifact, _: Option<&Entry>, _: &Push) -> Result<Verdict, Error> {
        Attack::of(artifact).strike("admitter", artifact);
        Ok(Verdict::accept([]))
    }
}

impl Indexer for Evil {
    fn index(_: &Context, artifact: &Artifact) -> Result<Entry, Error> {
        let attack = Attack::of(artifact);
        attack.strike("indexer", artifact);
        Ok(oversize::entry(&attack.name, attack.amount))
    }
}

impl Renderer for Evil {
    fn render(_: &Context, artifact: &Artifact, _: &str, _: &Options) -> Result<Content, Error> {
        let attack = Attack::of(artifact);
        attack.strike("renderer", artifact);
        Ok(oversize::content(&attack.name, attack.amount))
    }
}

impl Scanner for Evil {
    fn scan(_: &Context, artifact: &Artifact) -> Result<Vec<Finding>, Error> {
        let attack = Attack::of(artifact);
        attack.strike("scanner", artifact);
        Ok(oversize::findings(&attack.name, attack.amount))
    }
}

impl Comparer for Evil {
    fn compare(_: &Context, before: &Artifact, _: &Artifact) -> Result<Vec<Change>, Error> {
        let attack = Attack::of(before);
        attack.strike("comparer", before);
        Ok(oversize::changes(&attack.name, attack.amount))
    }
}

impl Service for Evil {
    fn serve(_: &Context, request: &Request, response: &Response, _: &Catalog) -> Result<(), Error> {
        let path = request.path();
        let (name, amount) = path.split_once('/').unwrap_or((&path, ""));
        oversize::answer(name, amount.parse().unwrap_or(1 << 30), response)?;
        behaviour::strike(name, amount.parse().unwrap_or(1 << 30), None);
        Ok(())
    }

    fn explain(_: &Context, request: &Request, _: &Refusal, _: &Response) -> Result<(), Error> {
        if request.path().starts_with("explain") {
            behaviour::strike("loop", 0, None);
        }
        Ok(())
    }
}

plugin!(Evil: admitter, indexer, renderer, scanner, comparer, service);
