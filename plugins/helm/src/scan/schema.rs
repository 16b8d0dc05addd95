//! Whether the default values satisfy the schema that the chart brings.
//!
//! The keywords that schemas of charts use are judged: types, required and known names, items, ranges, lengths, fixed values,
//! combinations and references inside the schema. A keyword beyond those is passed over, so that what is reported is certain.

use std::cell::Cell;

use portolan_plugin_sdk::json;
use serde_json::{Map, Value};

use super::{INCOMPLETE, Report};
use crate::chart::{Chart, SCHEMA, VALUES, source};
use crate::place::Place;
use crate::rule::cut;

const RULE: &str = "helm/lint/hl17";
/// The most violations that are reported.
const FINDINGS_MAX: usize = 50;
/// How deep a schema may lead, references included.
const DEPTH_MAX: usize = 64;
/// How much is compared at most, in parts of values and schemas: combinations of references can multiply without end.
const STEPS_MAX: usize = 1_000_000;
/// The bytes of text that count as one part.
const STEP_BYTES: usize = 64;
/// The longest pointer to a value that can be told, in bytes.
const POINTER_BYTES_MAX: usize = 1024;

/// Judges values.yaml by values.schema.json.
pub fn check(chart: &Chart, report: &mut Report) {
    let text = chart.text(SCHEMA).filter(|text| !text.trim().is_empty());
    let unreadable = chart.faults.iter().any(|fault| fault.path.as_deref() == Some(VALUES));
    let Some(text) = text.filter(|_| chart.file(VALUES).is_some() && !unreadable) else {
        return;
    };
    let schema = match json::parse(text.as_bytes(), &json::Limits::default()) {
        Ok(schema) => schema,
        Err(error) => {
            let message = format!(
                "values.schema.json cannot be read: {}. The default values were not judged by it; correct it.",
                error.message
            );
            report.line(RULE, SCHEMA, error.line.max(1) as usize, message);
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
    let judge = Judge::new(&schema);
    let mut violations = Vec::new();
    judge.judge(&value, &schema, &Place::ROOT, 0, &mut violations);
    for Violation { pointer, problem } in violations.into_iter().take(FINDINGS_MAX) {
        let name = if pointer.is_empty() {
            "The values as a whole".to_owned()
        } else {
            format!("The default value {pointer}")
        };
        let message = format!(
            "{name} {problem}, so Helm refuses to install the chart without other values. Change the default or the schema."
        );
        report.pointed(RULE, VALUES, (Some(values), &pointer), message);
    }
    if judge.gave_up.get() {
        let message = "values.schema.json asks for more comparisons, or leads deeper, than is judged here, so the default values were \
                       judged by a part of it only. Simplify the schema.";
        report.file(INCOMPLETE, SCHEMA, message);
    }
}

/// A value that does not satisfy its schema.
#[derive(Debug, PartialEq)]
struct Violation {
    pointer: String,
    problem: String,
}

impl Violation {
    fn new(place: &Place, problem: impl Into<String>) -> Violation {
        Violation {
            pointer: place.pointer(POINTER_BYTES_MAX).unwrap_or_default(),
            problem: problem.into(),
        }
    }
}

struct Judge<'a> {
    root: &'a Value,
    steps: Cell<usize>,
    /// Whether something was left unjudged.
    gave_up: Cell<bool>,
}

impl<'a> Judge<'a> {
    fn new(root: &'a Value) -> Judge<'a> {
        Judge {
            root,
            steps: Cell::new(0),
            gave_up: Cell::new(false),
        }
    }

    /// Counts what is about to be compared, and says whether that is still within the bound.
    fn spend(&self, steps: usize) -> bool {
        self.steps.set(self.steps.get().saturating_add(steps));
        let is_within = self.steps.get() <= STEPS_MAX;
        if !is_within {
            self.gave_up.set(true);
        }
        is_within
    }

    fn judge(&self, value: &Value, schema: &Value, place: &Place, depth: usize, violations: &mut Vec<Violation>) {
        if depth > DEPTH_MAX {
            self.gave_up.set(true);
            return;
        }
        if violations.len() > FINDINGS_MAX || !self.spend(1 + own_size(value)) {
            return;
        }
        let schema = match schema {
            Value::Bool(false) => return violations.push(Violation::new(place, "is not allowed by the schema")),
            Value::Object(schema) => schema,
            _ => return,
        };
        if let Some(target) = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| self.resolve(reference))
        {
            self.judge(value, target, place, depth + 1, violations);
        }
        let mut state = |problem: String| violations.push(Violation::new(place, problem));
        kind(value, schema, &mut state);
        self.fixed(value, schema, &mut state);
        range(value, schema, &mut state);
        length(value, schema, &mut state);
        self.required(value, schema, &mut state);
        self.members(value, schema, place, depth, violations);
        self.items(value, schema, place, depth, violations);
        self.combinations(value, schema, place, depth, violations);
    }

    /// Follows a reference inside the schema; others cannot be followed here, and Helm would fetch them.
    fn resolve(&self, reference: &str) -> Option<&Value> {
        let pointer = reference.strip_prefix('#')?;
        self.spend(pointer.len() / STEP_BYTES);
        self.root.pointer(pointer)
    }

    fn members(&self, value: &Value, schema: &Map<String, Value>, place: &Place, depth: usize, violations: &mut Vec<Violation>) {
        let Some(members) = value.as_object() else { return };
        let known = schema.get("properties").and_then(Value::as_object);
        let has_patterns = schema.contains_key("patternProperties");
        for (name, member) in members {
            let below = place.key(name);
            match (known.and_then(|known| known.get(name)), schema.get("additionalProperties")) {
                (Some(schema), _) => self.judge(member, schema, &below, depth + 1, violations),
                (None, Some(Value::Bool(false))) if !has_patterns && violations.len() <= FINDINGS_MAX => {
                    violations.push(Violation::new(&below, "has a name that the schema does not know"));
                }
                (None, Some(schema)) if !has_patterns => self.judge(member, schema, &below, depth + 1, violations),
                _ => {}
            }
        }
    }

    fn items(&self, value: &Value, schema: &Map<String, Value>, place: &Place, depth: usize, violations: &mut Vec<Violation>) {
        // A list of schemas is the older way to give one for each place.
        let (Some(items), Some(schema)) = (value.as_array(), schema.get("items").filter(|schema| !schema.is_array())) else {
            return;
        };
        for (index, item) in items.iter().enumerate() {
            self.judge(item, schema, &place.item(index), depth + 1, violations);
        }
    }

    fn combinations(
        &self,
        value: &Value,
        schema: &Map<String, Value>,
        place: &Place,
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
            self.judge(value, part, place, depth + 1, violations);
        }
        let satisfied = |schema: &&Value| {
            let mut violations = Vec::new();
            self.judge(value, schema, place, depth + 1, &mut violations);
            violations.is_empty()
        };
        let any = list("anyOf");
        let one = list("oneOf");
        let none_fits = !any.is_empty() && !any.iter().any(|schema| satisfied(&schema))
            || !one.is_empty() && !one.iter().any(|schema| satisfied(&schema));
        if none_fits {
            violations.push(Violation::new(place, "fits none of the alternatives of the schema"));
        }
    }

    fn fixed(&self, value: &Value, schema: &Map<String, Value>, state: &mut impl FnMut(String)) {
        let is = |allowed: &Value| self.spend(size(allowed, STEPS_MAX)) && equal(allowed, value);
        let listed = schema.get("enum").and_then(Value::as_array);
        let is_listed = listed.is_none_or(|allowed| allowed.iter().any(is));
        let is_constant = schema.get("const").is_none_or(is);
        // What could not be compared is not said to differ.
        if self.gave_up.get() {
            return;
        }
        if !is_listed {
            state("is none of the values that the schema lists".to_owned());
        }
        if !is_constant {
            state("is not the one value that the schema allows".to_owned());
        }
    }

    fn required(&self, value: &Value, schema: &Map<String, Value>, state: &mut impl FnMut(String)) {
        const NAMED_MAX: usize = 10;
        const NAME_BYTES_MAX: usize = 100;
        let (Some(members), Some(names)) = (value.as_object(), schema.get("required").and_then(Value::as_array)) else {
            return;
        };
        if !self.spend(names.len()) {
            return;
        }
        let missing: Vec<String> = names
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| !members.contains_key(*name))
            .take(NAMED_MAX)
            .map(|name| cut(name, NAME_BYTES_MAX))
            .collect();
        if !missing.is_empty() {
            state(format!("lacks {}, which the schema requires", missing.join(", ")));
        }
    }
}

/// How many parts a value has, apart from what is in it.
fn own_size(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.len() / STEP_BYTES)
}

/// How many parts a value has with everything in it, counted up to a bound.
fn size(value: &Value, most: usize) -> usize {
    let own = 1 + own_size(value);
    let below = |values: &mut dyn Iterator<Item = &Value>| {
        values.fold(
            own,
            |sum, value| {
                if sum >= most { sum } else { sum + size(value, most - sum) }
            },
        )
    };
    match value {
        Value::Array(items) => below(&mut items.iter()),
        Value::Object(members) => below(&mut members.values()),
        _ => own,
    }
}

fn kind(value: &Value, schema: &Map<String, Value>, state: &mut impl FnMut(String)) {
    const NAMES_MAX: usize = 10;
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).take(NAMES_MAX).collect(),
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
            let judge = Judge::new(&schema);
            let mut violations = Vec::new();
            judge.judge(&value, &schema, &Place::ROOT, 0, &mut violations);
            let found: Vec<String> = violations
                .iter()
                .map(|violation| format!("{}| {}", violation.pointer, violation.problem))
                .collect();
            assert_eq!(found, expected, "{schema} {value}");
        }
    }

    #[test]
    fn a_schema_cannot_ask_for_more_than_is_given() {
        let many: Vec<Value> = (0..3_000).map(|number| json!(format!("value {number}"))).collect();
        let values = Value::Array(vec![json!("another"); 3_000]);
        for (name, schema, value) in [
            ("enum", json!({ "items": { "enum": many } }), &values),
            (
                "required",
                json!({ "items": { "required": many } }),
                &Value::Array(vec![json!({}); 3_000]),
            ),
            (
                "combinations",
                json!({ "allOf": [{ "$ref": "#" }, { "$ref": "#" }] }),
                &json!(1),
            ),
            ("deep", json!({ "$ref": "#" }), &json!(1)),
        ] {
            let judge = Judge::new(&schema);
            let mut violations = Vec::new();
            judge.judge(value, &schema, &Place::ROOT, 0, &mut violations);
            assert!(judge.gave_up.get() || violations.len() > FINDINGS_MAX, "{name}");
            assert!(judge.steps.get() < STEPS_MAX + 10_000, "{name}: {} steps", judge.steps.get());
        }
    }
}
