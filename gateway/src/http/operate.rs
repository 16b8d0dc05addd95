//! What operators and their tools ask: alive, able to serve, counters.

use serde_json::json;

use super::{
    Answer,
    request::{Call, answer, json},
};

/// `GET /`
pub(super) fn root() -> Answer {
    let text = "Portolan, an OCI registry gateway.\n\n\
                /v2/                      the distribution API\n\
                /v2/_portolan/types       the artifact types it knows\n\
                /v2/_portolan/plugins     the plugins they come from\n\
                /v2/_portolan/openapi.json  everything else\n";
    Ok(answer(200, "text/plain; charset=utf-8", text))
}

/// `GET /v2/`
pub(super) fn base() -> Answer {
    Ok(answer(200, "application/json", "{}"))
}

/// `GET /healthz`: the process answers.
pub(super) fn health() -> Answer {
    Ok(json(&json!({ "status": "ok" })))
}

/// `GET /readyz`: storage and metadata can be read and written.
pub(super) async fn ready(call: &Call<'_>) -> Answer {
    call.gateway.registry.expect_ready().await?;
    Ok(json(&json!({ "status": "ready" })))
}

/// `GET /metrics`
pub(super) fn metrics(call: &Call<'_>) -> Answer {
    let mut text = call.gateway.metrics.text();
    text.push_str(&call.gateway.plugins.metrics_text());
    text.push_str("# EOF\n");
    Ok(answer(
        200,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        text,
    ))
}
