//! Reads metadata from JSON, field by field, so that one wrong type costs one value and not the chart.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Dependency, Maintainer, Metadata, Mismatch, Source, escape, member};
use crate::chart::scalar;
use crate::rule::cut;

/// The most values of a wrong type that are stated; who has more will come again.
const MISMATCHES_MAX: usize = 50;
/// The longest pointer that is stated.
const POINTER_BYTES_MAX: usize = 1024;

/// Reads metadata and collects what has the wrong type.
pub(super) struct Reader {
    source: Source,
    mismatches: Vec<Mismatch>,
}

impl Reader {
    /// Starts without mismatches.
    pub(super) fn new(source: Source) -> Reader {
        Reader {
            source,
            mismatches: Vec::new(),
        }
    }

    /// Returns what had to be left out.
    pub(super) fn mismatches(self) -> Vec<Mismatch> {
        self.mismatches
    }

    /// Reads the metadata of a chart.
    pub(super) fn metadata(&mut self, value: &Value) -> Metadata {
        if !self.is_object(value, "") {
            return Metadata::default();
        }
        Metadata {
            name: self.string(value, "", "name"),
            home: self.string(value, "", "home"),
            sources: self.strings(value, "", "sources"),
            version: self.raw(value, "", "version"),
            description: self.string(value, "", "description"),
            keywords: self.strings(value, "", "keywords"),
            maintainers: self.items(value, "maintainers", Self::maintainer),
            icon: self.string(value, "", "icon"),
            api_version: self.raw(value, "", "apiVersion"),
            condition: self.string(value, "", "condition"),
            tags: self.string(value, "", "tags"),
            app_version: self.string(value, "", "appVersion"),
            deprecated: self.boolean(value, "", "deprecated"),
            annotations: self.annotations(value),
            kube_version: self.string(value, "", "kubeVersion"),
            dependencies: self.items(value, "dependencies", Self::dependency),
            kind: self.raw(value, "", "type"),
        }
    }

    fn maintainer(&mut self, value: &Value, base: &str) -> Maintainer {
        Maintainer {
            name: self.string(value, base, "name"),
            email: self.string(value, base, "email"),
            url: self.string(value, base, "url"),
        }
    }

    fn dependency(&mut self, value: &Value, base: &str) -> Dependency {
        Dependency {
            name: self.string(value, base, "name"),
            version: self.string(value, base, "version"),
            repository: self.string(value, base, "repository"),
            condition: self.string(value, base, "condition"),
            tags: self.strings(value, base, "tags"),
            enabled: self.boolean(value, base, "enabled"),
            import_values: self
                .list(value, base, "import-values")
                .map(<[Value]>::to_vec)
                .unwrap_or_default(),
            alias: self.raw(value, base, "alias"),
        }
    }

    fn annotations(&mut self, value: &Value) -> BTreeMap<String, String> {
        let mut annotations = BTreeMap::new();
        let Some(found) = present(value, "annotations") else {
            return annotations;
        };
        if !self.is_object(found, "/annotations") {
            return annotations;
        }
        for (name, item) in found.as_object().into_iter().flatten() {
            let pointer = format!("/annotations/{}", escape(name));
            annotations.insert(name.clone(), self.text(item, &pointer));
        }
        annotations
    }

    fn items<T>(&mut self, value: &Value, key: &str, read: fn(&mut Self, &Value, &str) -> T) -> Vec<Option<T>> {
        let Some(list) = self.list(value, "", key) else {
            return Vec::new();
        };
        let mut items = Vec::with_capacity(list.len());
        for (index, item) in list.iter().enumerate() {
            let pointer = format!("/{key}/{index}");
            if item.is_null() {
                items.push(None);
            } else if self.is_object(item, &pointer) {
                items.push(Some(read(self, item, &pointer)));
            }
        }
        items
    }

    fn strings(&mut self, value: &Value, base: &str, key: &str) -> Vec<String> {
        let list = self.list(value, base, key).unwrap_or_default();
        list.iter()
            .enumerate()
            .map(|(index, item)| sanitised(&self.text(item, &format!("{base}/{key}/{index}"))))
            .collect()
    }

    fn list<'a>(&mut self, value: &'a Value, base: &str, key: &str) -> Option<&'a [Value]> {
        let found = present(value, key)?;
        if found.as_array().is_none() {
            self.mismatch(&format!("{base}/{key}"), "a list", found);
        }
        found.as_array().map(Vec::as_slice)
    }

    /// Reads a text that Helm cleans before it judges it.
    fn string(&mut self, value: &Value, base: &str, key: &str) -> String {
        sanitised(&self.raw(value, base, key))
    }

    /// Reads a text that Helm leaves as it is.
    fn raw(&mut self, value: &Value, base: &str, key: &str) -> String {
        match present(value, key) {
            Some(found) => self.text(found, &format!("{base}/{key}")),
            None => String::new(),
        }
    }

    fn boolean(&mut self, value: &Value, base: &str, key: &str) -> bool {
        let Some(found) = present(value, key) else { return false };
        if found.as_bool().is_none() {
            self.mismatch(&format!("{base}/{key}"), "true or false", found);
        }
        found.as_bool().unwrap_or_default()
    }

    fn text(&mut self, value: &Value, pointer: &str) -> String {
        match value {
            Value::Null => return String::new(),
            Value::String(text) => return text.clone(),
            Value::Bool(_) | Value::Number(_) if self.source == Source::Yaml => return scalar::text(value),
            _ => self.mismatch(pointer, "a string", value),
        }
        String::new()
    }

    fn is_object(&mut self, value: &Value, pointer: &str) -> bool {
        if !value.is_object() && !value.is_null() {
            self.mismatch(pointer, "a mapping", value);
        }
        value.is_object()
    }

    fn mismatch(&mut self, pointer: &str, expected: &'static str, found: &Value) {
        if self.mismatches.len() < MISMATCHES_MAX {
            self.mismatches.push(Mismatch {
                pointer: cut(pointer, POINTER_BYTES_MAX),
                expected,
                found: scalar::kind(found),
            });
        }
    }
}

fn present<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    member(value, key).filter(|found| !found.is_null())
}

/// Turns white space into spaces and drops what cannot be printed, as Helm does before it judges metadata.
fn sanitised(text: &str) -> String {
    let space = |character: char| if character.is_whitespace() { ' ' } else { character };
    text.chars().map(space).filter(|character| is_printable(*character)).collect()
}

/// Whether Go counts a character as printable: neither a control or format character nor one for private use.
fn is_printable(character: char) -> bool {
    let is_format = matches!(
        character,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    let is_private = matches!(character, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}');
    !(character.is_control() || is_format || is_private)
}
