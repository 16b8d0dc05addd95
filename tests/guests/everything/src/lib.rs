//! A plugin with every capability, whose answers tests can foretell.
//!
//! Annotations of the manifest choose what it says; `tests/guests/README.md` lists them.

mod judge;
mod serve;
mod show;

use portolan_plugin_sdk::{Claim, Limits, Plugin, ServiceSpec, Spec, View, ViewOption, plugin};
use serde_json::json;

/// The type that it claims exactly.
const TYPE: &str = "application/vnd.test.everything.v1+json";

struct Everything;

impl Plugin for Everything {
    fn spec() -> Spec {
        Spec::new("everything", "1.0.0")
            .title("Everything")
            .summary("Does a little of everything.")
            .icon("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 8 8\"><path d=\"M0 0h8v8H0z\"/></svg>")
            .claim(Claim::new(TYPE).title("Everything"))
            .claim(Claim::new("application/vnd.test.everything.kind.*").title("A kind of everything"))
            .view(View::new("manifest", "Manifest", "application/json"))
            .view(View::new("text", "Text", "text/plain; charset=utf-8"))
            .view(View::new("children", "Children", "application/json"))
            .view(
                View::new("echo", "Echo", "text/plain; charset=utf-8")
                    .option(ViewOption::new("word", "What to say.").required())
                    .option(ViewOption::new("times", "How often to say it.")),
            )
            .service(ServiceSpec::mount("everything").well_known("everything.json"))
            .command("Pull", "oras pull {registry}/{repository}:{tag}")
            .command("Pin", "oras pull {registry}/{repository}@{digest}")
            .settings(json!({
                "type": "object",
                "properties": { "greeting": { "type": "string" }, "refuse": { "type": "boolean" } },
                "additionalProperties": false,
            }))
            .limits(Limits {
                memory_bytes: Some(64 << 20),
                time_ms: Some(5_000),
            })
    }
}

plugin!(Everything: validator, admitter, indexer, renderer, scanner, comparer, service);
