//! Whether the config and the annotations of a manifest say the same as the chart.
//!
//! Clients that list charts read only the config; those that install read only the chart.

use portolan_plugin_sdk::json::{self, JsonError};
use portolan_plugin_sdk::{Finding, Location};
use serde_json::Value;

use crate::chart::metadata::{DEPENDENCY_KEYS, MAINTAINER_KEYS, METADATA_KEYS, Source};
use crate::chart::{Chart, Metadata};
use crate::rule;

/// The most bytes of a value that a message shows.
const SHOWN_BYTES_MAX: usize = 200;

/// Reads the config. Helm reads it before it pulls a chart, so one that cannot be read is refused.
pub fn config(digest: &str, bytes: Option<&[u8]>) -> (Option<Metadata>, Vec<Finding>) {
    let unreadable = |reason: &str| {
        let message =
            format!("The config of the chart cannot be read: {reason} Push the chart with `helm push`, which writes it.");
        rule::finding("helm/config-unreadable", message).at(Location::blob(digest))
    };
    let Some(bytes) = bytes else {
        return (None, vec![unreadable("it is too large for the metadata of a chart.")]);
    };
    let value = match json::parse(bytes, &json::Limits::default()) {
        Ok(value) => value,
        Err(error) => return (None, vec![unreadable(&format!("it is not JSON ({}).", error.message))]),
    };
    if let Err(error) = exact(&value) {
        return (None, vec![unreadable(&format!("{}.", error.message))]);
    }
    let (metadata, mismatches) = Metadata::read(&value, Source::Json);
    match mismatches.first() {
        None => (Some(metadata), Vec::new()),
        Some(mismatch) if mismatch.pointer.is_empty() => (None, vec![unreadable("it is not a JSON object.")]),
        Some(mismatch) => {
            let reason = format!(
                "{} has to be {}, but is {}.",
                mismatch.pointer, mismatch.expected, mismatch.found
            );
            (None, vec![unreadable(&reason)])
        }
    }
}

/// Refuses keys that Helm takes for others. The config is written by programs, which write the keys as they are.
fn exact(config: &Value) -> Result<(), JsonError> {
    let only = |value: &Value, fields: &[&str]| value.as_object().map_or(Ok(()), |object| json::only_exact(object, fields));
    only(config, &METADATA_KEYS)?;
    for (list, fields) in [("maintainers", &MAINTAINER_KEYS[..]), ("dependencies", &DEPENDENCY_KEYS[..])] {
        let items = config.get(list).and_then(Value::as_array);
        items.into_iter().flatten().try_for_each(|item| only(item, fields))?;
    }
    Ok(())
}

/// Says in which fields the config differs from Chart.yaml, with both values.
pub fn differences(config: &Metadata, chart: &Chart, digest: &str) -> Vec<Finding> {
    let (config, chart) = (fields(config), fields(&chart.metadata));
    let differs = |key: &&str| config.get(*key) != chart.get(*key);
    let word = |key: &str| {
        let (config, chart) = (shown(config.get(key)), shown(chart.get(key)));
        let message = format!(
            "The config gives {config} for {key}, Chart.yaml gives {chart}. Push the packaged chart with `helm push`, so that both agree."
        );
        rule::finding("helm/config-differs", message).at(Location::blob(digest).pointer(format!("/{key}")))
    };
    METADATA_KEYS.iter().copied().filter(|key| differs(key)).map(word).collect()
}

/// Says where the annotations name another chart or version.
pub fn annotations(annotations: &[(String, String)], chart: &Chart) -> Vec<Finding> {
    let stated = [
        ("org.opencontainers.image.title", "name", &chart.metadata.name),
        ("org.opencontainers.image.version", "version", &chart.metadata.version),
    ];
    let found = |name: &str| {
        annotations
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    let differing = |(annotation, field, value): (&str, &str, &String)| {
        let given = found(annotation).filter(|given| given != value)?;
        let given = rule::cut(given, SHOWN_BYTES_MAX);
        let message =
            format!("The annotation {annotation} is {given:?}, but the chart's {field} is {value:?}. Give both the same value.");
        Some(rule::finding("helm/annotation-differs", message))
    };
    stated.into_iter().filter_map(differing).collect()
}

fn fields(metadata: &Metadata) -> Value {
    serde_json::to_value(metadata).unwrap_or_default()
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(
        || "nothing".to_owned(),
        |value| rule::cut(&value.to_string(), SHOWN_BYTES_MAX),
    )
}
