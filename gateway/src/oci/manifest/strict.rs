//! The strict look at a manifest that is pushed, before anything of it is kept.
//!
//! A registry, a plugin and a client are three readers of one document. Refused is what two of them could understand differently: a key
//! that occurs twice in one object, at any depth, and a key that a reader which ignores case takes for one that has a meaning. Go's
//! `encoding/json`, with which most clients read, is such a reader, and the last key wins there.
//!
//! Nothing is built: the names of members are borrowed from the text, and those of the objects that are open lie on one stack.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How much of a name a message shows, in characters.
const SHOWN_MAX: usize = 80;

/// How many things a document names that each cost memory of their own when they are kept.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// Objects in the place of a descriptor.
    pub(super) descriptors: usize,
    /// Annotations, of the manifest and of all descriptors.
    pub(super) annotations: usize,
}

/// Looks at a document. The depth is bounded by `serde_json` itself (128 levels).
pub(super) fn look(text: &str) -> Result<Counts, serde_json::Error> {
    let mut state = State::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let shape = Shape::Manifest;
    Look {
        shape,
        state: &mut state,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(state.counts)
}

/// What an object is, by the place where it stands. The items of an array have the shape of the array.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Manifest,
    Descriptor,
    Platform,
    /// Any key may occur, and each is taken to the letter by every reader.
    Annotations,
    /// Nobody but who wrote it knows what is in it.
    Other,
}

impl Shape {
    /// The members that have a meaning in such an object (image specification, `manifest.md`, `image-index.md`, `descriptor.md`), and
    /// the shapes of their values.
    fn members(self) -> &'static [(&'static str, Self)] {
        match self {
            Self::Manifest => &[
                ("schemaVersion", Self::Other),
                ("mediaType", Self::Other),
                ("artifactType", Self::Other),
                ("config", Self::Descriptor),
                ("layers", Self::Descriptor),
                ("manifests", Self::Descriptor),
                ("subject", Self::Descriptor),
                ("annotations", Self::Annotations),
            ],
            Self::Descriptor => &[
                ("mediaType", Self::Other),
                ("digest", Self::Other),
                ("size", Self::Other),
                ("annotations", Self::Annotations),
                ("platform", Self::Platform),
                ("artifactType", Self::Other),
                ("urls", Self::Other),
                ("data", Self::Other),
            ],
            Self::Platform => &[
                ("architecture", Self::Other),
                ("os", Self::Other),
                ("variant", Self::Other),
                ("os.version", Self::Other),
                ("os.features", Self::Other),
                ("features", Self::Other),
            ],
            Self::Annotations | Self::Other => &[],
        }
    }

    /// Returns the shape of a member, or the known name that the key could be taken for.
    fn member(self, key: &str) -> Result<Self, &'static str> {
        let members = self.members();
        match members.iter().find(|(name, _)| *name == key) {
            Some((_, shape)) => Ok(*shape),
            None => match members.iter().find(|(name, _)| folds_to(key, name)) {
                Some((name, _)) => Err(name),
                None => Ok(Self::Other),
            },
        }
    }
}

/// Says whether a reader that ignores case takes a key for a name of ASCII letters.
fn folds_to(key: &str, name: &str) -> bool {
    // Simple case folding (Unicode, `CaseFolding.txt`) brings no other letters to ASCII than the capitals and these two.
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(name.chars().map(fold))
}

#[derive(Default)]
struct State<'de> {
    /// The keys of all objects that are open, the outermost first.
    keys: Vec<Cow<'de, str>>,
    counts: Counts,
}

struct Look<'a, 'de> {
    shape: Shape,
    state: &'a mut State<'de>,
}

impl<'de> DeserializeSeed<'de> for Look<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { shape, state } = self;
        while items.next_element_seed(Look { shape, state })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { shape, state } = self;
        state.counts.descriptors += usize::from(shape == Shape::Descriptor);
        let first = state.keys.len();
        while let Some(Key(key)) = members.next_key()? {
            state.counts.annotations += usize::from(shape == Shape::Annotations);
            let shape = shape.member(&key).map_err(|name| {
                A::Error::custom(format_args!(
                    "the key {:?} can be taken for {name:?} by readers that ignore case; write it as {name:?} or leave it out",
                    shown(&key)
                ))
            })?;
            state.keys.push(key);
            members.next_value_seed(Look { shape, state })?;
        }
        let keys = state.keys.get_mut(first..).unwrap_or_default();
        keys.sort_unstable();
        if let Some([key, _]) = keys.array_windows().find(|[one, other]| one == other) {
            return Err(A::Error::custom(format_args!(
                "the key {:?} occurs twice in one object",
                shown(key)
            )));
        }
        state.keys.truncate(first);
        Ok(())
    }
}

fn shown(key: &str) -> String {
    key.chars().take(SHOWN_MAX).collect()
}

/// The name of a member, borrowed where the text has no escapes in it.
pub(super) struct Key<'de>(pub(super) Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fold_as_simple_case_folding_does() {
        for (key, name) in [
            ("Layers", "layers"),
            ("LAYERS", "layers"),
            ("layer\u{17f}", "layers"),
            ("OS.Version", "os.version"),
            ("\u{212a}ey", "key"),
        ] {
            assert!(folds_to(key, name), "{key}");
        }
        // Full case folding and look-alikes are not what clients do.
        for (key, name) in [
            ("layer\u{df}", "layerss"),
            ("lay\u{435}rs", "layers"),
            ("layers ", "layers"),
            ("layer", "layers"),
        ] {
            assert!(!folds_to(key, name), "{key}");
        }
        // Every character that has an ASCII letter in its orbit: none but the two above and the letters themselves.
        let orbit = |c: char| {
            c.to_lowercase()
                .chain(c.to_uppercase())
                .any(|other| other.is_ascii_alphabetic())
        };
        let single = |c: &char| c.to_lowercase().count() == 1 && c.to_uppercase().count() == 1;
        let folding: Vec<char> = ('\u{80}'..=char::MAX).filter(single).filter(|c| orbit(*c)).collect();
        assert_eq!(
            folding,
            ['\u{131}', '\u{17f}', '\u{212a}'],
            "a dotless i has its own lower case, so it does not fold"
        );
    }

    #[test]
    fn what_costs_memory_is_counted() {
        let text = r#"{"layers":[{"annotations":{"a":"","b":""}},{}],"config":{"platform":{"os":"x"}},"annotations":{"c":""},"x":{"y":[{}]}}"#;
        let expected = Counts {
            descriptors: 3,
            annotations: 3,
        };
        assert_eq!(look(text).unwrap(), expected);
    }
}
