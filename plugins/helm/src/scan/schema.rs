//! Whether the default values satisfy the schema that the chart brings.
//!
//! The keywords that schemas of charts use are judged: types, required and known names, items, ranges, lengths, fixed values,
//! combinations and references inside the schema. A keyword beyond those is passed over, so that what is reported is certain.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::Report;
use crate::chart::metadata::escape;
use crate::chart::{Chart, SCHEMA, VALUES, source};

const RULE: &str = "helm/lint/hl17";
/// The most violations that are reported.
const FINDINGS_MAX: usize = 50;
/// How deep a schema may lead, references included.
const DEPTH_MAX: usize = 64;
/// How many comparisons of a value with a schema are made at most: combinations of references can multiply without end.
const STEPS_MAX: usize = 200_000;

/// Judges values.yaml by values.schema.json.
pub fn check(chart: &Chart, report: &mut Report) {
    let text = chart.text(SCHEMA).filter(|text| !text.trim().is_empty());
    let unreadable = chart.faults.iter().any(|fault| fault.path.as_deref() == Some(VALUES));
    let Some(text) = text.filter(|_| chart.file(VALUES).is_some() && !unreadable) else {
        return;
    };
    let schema = match serde_json::from_str::<Value>(text) {
        Ok(schema) => schema,
        Err(error) => {
            let message =
                format!("values.schema.json is not valid JSON: {error}. Helm cannot check values against it; correct it.");
            report.line(RULE, SCHEMA, error.line(), message);
            return;
        }
    };
    // A file without values, or with nothing in it, stands for no values.
    let nothing = source::nothing();
    let values = chart.values.as_ref().unwrap_or(&nothing);
    let value = if values.is_null() {
        Value::Object(Map::new())
    } else {
        values.to_json()
    };
    let judge = Judge {
        root: &schema,
        steps: Cell::new(0),
    };
    let mut violations = Vec::new();
    judge.judge(&value, &schema, "", 0, &mut violations);
    for Violation { pointer, problem } in violations.into_iter().take(FINDINGS_MAX) {
        let name = if pointer.is_empty() {
            "The values as a whole".to_owned()
        } else {
            format!("The default value {pointer}")
        };
        let message = format!(
            "{name} {problem}, so Helm refuses to install the chart without other values. Change the default or the schema."
        );
        report.value(RULE, VALUES, (source::locate(values, &pointer), &pointer), message);
    }
}

/// A value that does not satisfy its schema.
#[derive(Debug, PartialEq)]
struct Violation {
    pointer: String,
    problem: String,
}

struct Judge<'a> {
    root: &'a Value,
    steps: Cell<usize>,
}

impl Judge<'_> {
    fn judge(&self, value: &Value, schema: &Value, pointer: &str, depth: usize, violations: &mut Vec<Violation>) {
        self.steps.set(self.steps.get() + 1);
        if depth > DEPTH_MAX || self.steps.get() > STEPS_MAX || violations.len() > FINDINGS_MAX {
            return;
        }
        let schema = match schema {
            Value::Bool(false) => {
                return violations.push(Violation {
                    pointer: pointer.to_owned(),
                    problem: "is not allowed by the schema".to_owned(),
                });
            }
            Value::Object(schema) => schema,
            _ => return,
        };
        if let Some(target) = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| self.resolve(reference))
        {
            self.judge(value, target, pointer, depth + 1, violations);
        }
        let mut state = |problem: String| {
            violations.push(Violation {
                pointer: pointer.to_owned(),
                problem,
            });
        };
        kind(value, schema, &mut state);
        fixed(value, schema, &mut state);
        range(value, schema, &mut state);
        length(value, schema, &mut state);
        required(value, schema, &mut state);
        self.members(value, schema, pointer, depth, violations);
        self.items(value, schema, pointer, depth, violations);
        self.combinations(value, schema, pointer, depth, violations);
    }

    /// Follows a reference inside the schema; others cannot be followed here, and Helm would fetch them.
    fn resolve(&self, reference: &str) -> Option<&Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    fn members(&self, value: &Value, schema: &Map<String, Value>, pointer: &str, depth: usize, violations: &mut Vec<Violation>) {
        let Some(members) = value.as_object() else { return };
        let known = schema.get("properties").and_then(Value::as_object);
        let has_patterns = schema.contains_key("patternProperties");
        for (name, member) in members {
            let below = format!("{pointer}/{}", escape(name));
            match (known.and_then(|known| known.get(name)), schema.get("additionalProperties")) {
                (Some(schema), _) => self.judge(member, schema, &below, depth + 1, violations),
                (None, Some(Value::Bool(false))) if !has_patterns => {
                    violations.push(Violation {
                        pointer: below,
                        problem: "has a name that the schema does not know".to_owned(),
                    });
                }
                (None, Some(schema)) if !has_patterns => self.judge(member, schema, &below, depth + 1, violations),
                _ => {}
            }
        }
    }

    fn items(&self, value: &Value, schema: &Map<String, Value>, pointer: &str, depth: usize, violations: &mut Vec<Violation>) {
        // A list of schemas is the older way to give one for each place.
        let (Some(items), Some(schema)) = (value.as_array(), schema.get("items").filter(|schema| !schema.is_array())) else {
            return;
        };
        for (index, item) in items.iter().enumerate() {
            self.judge(item, schema, &format!("{pointer}/{index}"), depth + 1, violations);
        }
    }

    fn combinations(
        &self,
        value: &Value,
        schema: &Map<String, Value>,
        pointer: &str,
        depth: usize,
        violations: &mut Vec<Violation>,
    ) {
        let list = |key: &str| {
            schema
                .get(key)
                .and_then(Value::as_array)
                .map(Vec::as_slice)
                .unwrap_or_default()
        };
        for part in list("allOf") {
            self.judge(value, part, pointer, depth + 1, violations);
        }
        let satisfied = |schema: &&Value| {
            let mut violations = Vec::new();
            self.judge(value, schema, pointer, depth + 1, &mut violations);
            violations.is_empty()
        };
        let any = list("anyOf");
        let one = list("oneOf");
        let none_fits = !any.is_empty() && !any.iter().any(|schema| satisfied(&schema))
            || !one.is_empty() && !one.iter().any(|schema| satisfied(&schema));
        if none_fits {
            violations.push(Violation {
                pointer: pointer.to_owned(),
                problem: "fits none of the alternatives of the schema".to_owned(),
            });
        }
    }
}

fn kind(value: &Value, schema: &Map<String, Value>, state: &mut impl FnMut(String)) {
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_i64().is_some() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    };
    if !names.iter().any(|name| is(name)) {
        state(format!("is not of type {}", names.join(" or ")));
    }
}

fn fixed(value: &Value, schema: &Map<String, Value>, state: &mut impl FnMut(String)) {
    if schema
        .get("enum")
        .and_then(Value::as_array)
        .is_some_and(|allowed| !allowed.iter().any(|allowed| equal(allowed, value)))
    {
        state("is none of the values that the schema lists".to_owned());
    }
    if schema.get("const").is_some_and(|allowed| !equal(allowed, value)) {
        state("is not the one value that the schema allows".to_owned());
    }
}

/// Compares as JSON Schema does: numbers by what they mean.
fn equal(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.total_cmp(&other).is_eq(),
        _ => one == other,
    }
}

fn range(value: &Value, schema: &Map<String, Value>, state: &mut impl FnMut(String)) {
    let (Some(number), bound) = (value.as_f64(), |key: &str| schema.get(key).and_then(Value::as_f64)) else {
        return;
    };
    if bound("minimum").is_some_and(|bound| number < bound) || bound("exclusiveMinimum").is_some_and(|bound| number <= bound) {
        state("is below what the schema allows".to_owned());
    }
    if bound("maximum").is_some_and(|bound| number > bound) || bound("exclusiveMaximum").is_some_and(|bound| number >= bound) {
        state("is above what the schema allows".to_owned());
    }
}

fn length(value: &Value, schema: &Map<String, Value>, state: &mut impl FnMut(String)) {
    let (length, least, most) = match value {
        Value::String(text) => (text.chars().count(), "minLength", "maxLength"),
        Value::Array(items) => (items.len(), "minItems", "maxItems"),
        Value::Object(members) => (members.len(), "minProperties", "maxProperties"),
        _ => return,
    };
    let bound = |key: &str| {
        schema
            .get(key)
            .and_then(Value::as_u64)
            .and_then(|bound| usize::try_from(bound).ok())
    };
    if bound(least).is_some_and(|bound| length < bound) {
        state("is shorter than the schema allows".to_owned());
    }
    if bound(most).is_some_and(|bound| length > bound) {
        state("is longer than the schema allows".to_owned());
    }
}

fn required(value: &Value, schema: &Map<String, Value>, state: &mut impl FnMut(String)) {
    let (Some(members), Some(names)) = (value.as_object(), schema.get("required").and_then(Value::as_array)) else {
        return;
    };
    let missing: Vec<&str> = names
        .iter()
        .filter_map(Value::as_str)
        .filter(|name| !members.contains_key(*name))
        .collect();
    if !missing.is_empty() {
        state(format!("lacks {}, which the schema requires", missing.join(", ")));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_judged_by_the_keywords_of_a_schema() {
        for (schema, value, expected) in [
            (json!({ "type": "object" }), json!({}), &[][..]),
            (json!({ "type": "object" }), json!([]), &["| is not of type object"]),
            (json!({ "type": ["string", "null"] }), json!(null), &[]),
            (json!({ "type": "integer" }), json!(1.0), &[]),
            (
                json!({ "properties": { "a": { "type": "string" } } }),
                json!({ "a": 1 }),
                &["/a| is not of type string"],
            ),
            (
                json!({ "required": ["a", "b"] }),
                json!({ "a": 1 }),
                &["| lacks b, which the schema requires"],
            ),
            (
                json!({ "additionalProperties": false }),
                json!({ "a": 1 }),
                &["/a| has a name that the schema does not know"],
            ),
            (
                json!({ "additionalProperties": { "type": "string" } }),
                json!({ "a": 1 }),
                &["/a| is not of type string"],
            ),
            (
                json!({ "additionalProperties": false, "patternProperties": { "^a": {} } }),
                json!({ "a": 1 }),
                &[],
            ),
            (
                json!({ "items": { "minimum": 2 } }),
                json!([1, 2]),
                &["/0| is below what the schema allows"],
            ),
            (json!({ "enum": [1, "x"] }), json!(1.0), &[]),
            (
                json!({ "enum": [1, "x"] }),
                json!("y"),
                &["| is none of the values that the schema lists"],
            ),
            (
                json!({ "minLength": 2 }),
                json!("ä"),
                &["| is shorter than the schema allows"],
            ),
            (
                json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }),
                json!(1),
                &["| fits none of the alternatives of the schema"],
            ),
            (
                json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
                json!(1),
                &[],
            ),
            (
                json!({ "allOf": [{ "type": "string" }] }),
                json!(1),
                &["| is not of type string"],
            ),
            (
                json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "string" } } }),
                json!(1),
                &["| is not of type string"],
            ),
            (json!({ "$ref": "https://example.com/schema.json" }), json!(1), &[]),
            (json!({ "$ref": "#" }), json!(1), &[]),
            (json!({ "allOf": [{ "$ref": "#" }, { "$ref": "#" }] }), json!(1), &[]),
            (
                json!({ "properties": { "a": false } }),
                json!({ "a": 1 }),
                &["/a| is not allowed by the schema"],
            ),
            (json!({ "pattern": "(" }), json!("x"), &[]),
        ] {
            let judge = Judge {
                root: &schema,
                steps: Cell::new(0),
            };
            let mut violations = Vec::new();
            judge.judge(&value, &schema, "", 0, &mut violations);
            let found: Vec<String> = violations
                .iter()
                .map(|violation| format!("{}| {}", violation.pointer, violation.problem))
                .collect();
            assert_eq!(found, expected, "{schema} {value}");
        }
    }
}
