//! What operators and their tools ask: alive, able to serve, counters.

use serde_json::json;

use super::{
    Answer,
    error::HttpError,
    request::{Call, answer, json},
};

/// When to ask a gateway again that stops, in seconds: another one takes its place.
const STOPPING_RETRY_SECONDS: u32 = 5;

/// `GET /`
pub(super) fn root(call: &Call) -> Answer {
    let paths = [
        ("/v2/", "the distribution API"),
        ("/v2/_portolan/types", "the artifact types it knows"),
        ("/v2/_portolan/plugins", "the plugins they come from"),
        ("/v2/_portolan/openapi.json", "everything else"),
    ];
    let lines = paths.map(|(path, what)| (call.gateway.url(path), what));
    let width = lines.iter().map(|(address, _)| address.len()).max().unwrap_or_default();
    let lines = lines.map(|(address, what)| format!("{address:<width$}  {what}\n"));
    let text = format!("Portolan, an OCI registry gateway.\n\n{}", lines.concat());
    Ok(answer(200, "text/plain; charset=utf-8", text))
}

/// `GET /v2/`
pub(super) fn base(_: &Call) -> Answer {
    Ok(answer(200, "application/json", "{}"))
}

/// `GET /healthz`: the process answers.
pub(super) fn health(_: &Call) -> Answer {
    Ok(json(&json!({ "status": "ok" })))
}

/// `GET /readyz`: storage and metadata can be read and written, and the gateway was not told to stop.
pub(super) async fn ready(call: Call) -> Answer {
    if call.gateway.is_stopping() {
        return Err(HttpError::unavailable("the gateway stops", STOPPING_RETRY_SECONDS));
    }
    call.gateway.registry.expect_ready().await?;
    Ok(json(&json!({ "status": "ready" })))
}

/// `GET /metrics`
pub(super) async fn metrics(call: Call) -> Answer {
    let mut text = call.gateway.metrics.text();
    text.push_str(&call.gateway.traffic.metrics_text());
    if let Some(log) = &call.gateway.log {
        text.push_str(&lost_lines(log.lost()));
    }
    text.push_str(&call.gateway.plugins.metrics_text());
    text.push_str(&call.gateway.registry.jobs_metrics_text().await);
    text.push_str(&call.gateway.registry.collection_metrics_text().await?);
    text.push_str("# EOF\n");
    Ok(answer(
        200,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        text,
    ))
}

/// Words how many lines of the log were lost.
fn lost_lines(lost: u64) -> String {
    let name = "portolan_log_lines_lost";
    format!(
        "# HELP {name} Lines of the log that could not be written, or not fast enough.\n# TYPE {name} counter\n{name}_total {lost}\n"
    )
}
