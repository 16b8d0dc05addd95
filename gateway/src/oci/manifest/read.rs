//! The members of a manifest that are kept, as `serde` reads them. Whether they fit together is not decided here.

use std::{collections::BTreeMap, fmt};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Descriptor, strict::Key};

/// A manifest of either kind. What it does not name is passed over.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) schema_version: Option<u32>,
    pub(super) media_type: Option<String>,
    pub(super) artifact_type: Option<String>,
    pub(super) config: Option<Descriptor>,
    pub(super) layers: Option<Vec<Descriptor>>,
    pub(super) manifests: Option<Vec<Descriptor>>,
    pub(super) subject: Option<Descriptor>,
    pub(super) annotations: Option<Annotations>,
}

/// Annotations. `null` as a value is the empty text, as for readers in Go.
#[derive(Default)]
pub(super) struct Annotations(pub(super) BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AnnotationsVisitor)
    }
}

struct AnnotationsVisitor;

impl<'de> Visitor<'de> for AnnotationsVisitor {
    type Value = Annotations;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Annotations, A::Error> {
        let mut found = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, Option<String>>()? {
            found.insert(name, value.unwrap_or_default());
        }
        Ok(Annotations(found))
    }
}

impl<'de> Deserialize<'de> for Descriptor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DescriptorVisitor)
    }
}

struct DescriptorVisitor;

impl<'de> Visitor<'de> for DescriptorVisitor {
    type Value = Descriptor;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a descriptor")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Descriptor, A::Error> {
        let (mut media_type, mut digest, mut size, mut artifact_type) = (None, None, None, None);
        let (mut annotations, mut other) = (None, Others::default());
        while let Some(Key(key)) = members.next_key()? {
            match key.as_ref() {
                "mediaType" => media_type = Some(members.next_value()?),
                "digest" => digest = Some(members.next_value()?),
                "size" => size = Some(members.next_value()?),
                "artifactType" => artifact_type = members.next_value()?,
                "annotations" => annotations = members.next_value::<Option<Annotations>>()?,
                key => other.add(key, members.next_value()?),
            }
        }
        Ok(Descriptor {
            media_type: media_type.ok_or_else(|| A::Error::missing_field("mediaType"))?,
            digest: digest.ok_or_else(|| A::Error::missing_field("digest"))?,
            size: size
                .filter(|size| i64::try_from(*size).is_ok())
                .ok_or_else(|| A::Error::custom("a descriptor needs a size below 2^63 bytes"))?,
            artifact_type,
            annotations: annotations.unwrap_or_default().0,
            other: other.end(),
        })
    }
}

/// Members that mean nothing to the registry, as the text of one object. As values they would take thirty times their size.
#[derive(Default)]
struct Others(String);

impl Others {
    fn add(&mut self, key: &str, value: &RawValue) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&serde_json::Value::from(key).to_string());
        self.0.push(':');
        self.0.push_str(value.get());
    }

    fn end(mut self) -> String {
        if !self.0.is_empty() {
            self.0.push('}');
        }
        self.0.shrink_to_fit();
        self.0
    }
}
