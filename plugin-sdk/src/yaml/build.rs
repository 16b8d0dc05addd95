//! From a tree to values: what scalars mean, what aliases stand for, and which pair of a map counts.
//!
//! A tree is as large as its text; what it means may be larger by what its aliases stand for. So every value is counted when it is
//! made, those of aliases included, and so are the bytes that aliases copy.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::scanner::error;
use super::tree::{Content, Id, Raw};
use super::{Limits, Node, Value, YamlError, cursor::Mark, scalar};

/// What building may still use, for all documents of a text together.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    /// The values that were made.
    values: usize,
    /// The bytes of text that were copied for aliases.
    bytes: usize,
    /// What a reader could wonder about: keys that are there twice, and the like.
    pub(super) repeated: Vec<YamlError>,
}

impl Budget {
    /// Most repetitions that are reported. A text of nothing else needs no list of them.
    const REPEATED_MAX: usize = 1_000;

    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            values: 0,
            bytes: 0,
            repeated: Vec::new(),
        }
    }

    fn report(&mut self, place: &Node, message: impl FnOnce() -> String) {
        if self.repeated.len() < Self::REPEATED_MAX {
            self.repeated.push(YamlError::malformed(place.line, place.column, message()));
        }
    }
}

/// Makes a value out of a document.
pub(super) fn build(nodes: &[Raw], root: Id, budget: &mut Budget) -> Result<Node, YamlError> {
    let mut builder = Builder {
        nodes,
        open: vec![false; nodes.len()],
        aliases: 0,
        decoded: 0,
        aliased: 0,
        budget,
    };
    builder.value(root, 0)
}

struct Builder<'a> {
    nodes: &'a [Raw],
    /// Which nodes are being built. An alias to one of them would never end.
    open: Vec<bool>,
    /// How many aliases are being followed.
    aliases: usize,
    /// How many values of the document were made, and how many of them for aliases.
    decoded: usize,
    aliased: usize,
    budget: &'a mut Budget,
}

/// A map in the making.
#[derive(Default)]
struct Pairs {
    list: Vec<(Node, Node)>,
    places: HashMap<String, Place>,
}

/// Where the pair of a key is.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    sort: Sort,
    merged: bool,
}

/// What a key was before it became text. Two keys of different sorts may read the same.
#[derive(Clone, Copy, PartialEq)]
enum Sort {
    Text,
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl<'a> Builder<'a> {
    fn node(&self, id: Id) -> &'a Raw {
        self.nodes.get(id).expect("a tree names its own nodes only")
    }

    fn value(&mut self, id: Id, depth: usize) -> Result<Node, YamlError> {
        let Raw { at, tag, content } = self.node(id);
        self.count(*at, depth)?;
        match content {
            Content::Scalar { text, plain } => self.scalar(*at, tag.as_deref(), text, *plain),
            Content::Alias(target) => self.alias(*at, |builder| builder.value(*target, depth)),
            Content::List(items) => self.within(id, |builder| {
                let items = items.iter().map(|item| builder.value(*item, depth + 1));
                Ok(node(*at, false, Value::List(items.collect::<Result<_, _>>()?)))
            }),
            Content::Map(_) => {
                let mut pairs = Pairs::default();
                self.pairs(id, depth, None, &mut pairs)?;
                Ok(node(*at, false, Value::Map(pairs.list)))
            }
        }
    }

    fn scalar(&mut self, at: Mark, tag: Option<&str>, text: &str, plain: bool) -> Result<Node, YamlError> {
        if self.aliases > 0 {
            self.budget.bytes += text.len();
            if self.budget.bytes > self.budget.limits.bytes_max {
                let message = format!(
                    "its aliases stand for more than {} bytes of text",
                    self.budget.limits.bytes_max
                );
                return Err(limit(at, message));
            }
        }
        let value = if tag.is_none() && !plain {
            Value::String(text.to_owned())
        } else {
            scalar::resolve(tag, text).map_err(|message| error(at, message))?
        };
        Ok(node(at, !plain, value))
    }

    /// Counts a value, as Go's reader does to notice a document that is all aliases.
    fn count(&mut self, at: Mark, depth: usize) -> Result<(), YamlError> {
        let Limits {
            depth_max, nodes_max, ..
        } = self.budget.limits;
        self.budget.values += 1;
        self.decoded += 1;
        self.aliased += usize::from(self.aliases > 0);
        if self.budget.values > nodes_max {
            return Err(limit(
                at,
                format!("there are more than {nodes_max} values once aliases are expanded"),
            ));
        }
        if depth > depth_max {
            return Err(limit(at, format!("it is nested deeper than {depth_max} levels")));
        }
        if self.aliased > 100 && self.decoded > 1_000 && self.aliased > alias_values_max(self.decoded) {
            return Err(error(
                at,
                "nearly all of its values come from aliases, which Go's readers refuse",
            ));
        }
        Ok(())
    }

    fn within<T>(&mut self, id: Id, build: impl FnOnce(&mut Self) -> Result<T, YamlError>) -> Result<T, YamlError> {
        if self.open.get(id).copied().unwrap_or_default() {
            return Err(error(self.node(id).at, "the value of an anchor contains itself"));
        }
        self.mark(id, true);
        let built = build(self)?;
        self.mark(id, false);
        Ok(built)
    }

    fn mark(&mut self, id: Id, is_open: bool) {
        if let Some(open) = self.open.get_mut(id) {
            *open = is_open;
        }
    }

    fn alias<T>(&mut self, at: Mark, build: impl FnOnce(&mut Self) -> Result<T, YamlError>) -> Result<T, YamlError> {
        self.aliases += 1;
        let built = build(self).map_err(|error| YamlError {
            // What is wrong there is right where it is written, and too much only here.
            line: if error.limit { line(at) } else { error.line },
            ..error
        })?;
        self.aliases -= 1;
        Ok(built)
    }

    /// Adds the pairs of a map; `merge` is the place of the `<<` that asks for them, where one does.
    fn pairs(&mut self, id: Id, depth: usize, merge: Option<&Node>, pairs: &mut Pairs) -> Result<(), YamlError> {
        let Raw { at, content, .. } = self.node(id);
        let Content::Map(members) = content else {
            return Err(error(*at, "a merge key takes a map or a list of maps"));
        };
        self.within(id, |builder| {
            let mut has_merge = false;
            for (key, value) in members {
                if builder.is_merge(*key) {
                    let place = node(builder.node(*key).at, false, Value::Null);
                    if std::mem::replace(&mut has_merge, true) {
                        builder.budget.report(&place, || "the key \"<<\" is there twice".to_owned());
                    }
                    builder.merge(&place, *value, depth + 1, pairs)?;
                    continue;
                }
                let (key, sort) = builder.key(*key, depth + 1)?;
                let value = builder.value(*value, depth + 1)?;
                builder.insert((key, value), sort, merge, pairs)?;
            }
            Ok(())
        })
    }

    fn is_merge(&self, key: Id) -> bool {
        let Raw { tag, content, .. } = self.node(key);
        let Content::Scalar { text, plain } = content else {
            return false;
        };
        let is_meant = match tag.as_deref() {
            None => *plain,
            Some(tag) => tag == "!" || tag == scalar::MERGE_TAG,
        };
        text == "<<" && is_meant
    }

    /// Adds the pairs of the maps that a `<<` names, in the order in which Go's reader does: what comes later replaces what was there.
    fn merge(&mut self, place: &Node, value: Id, depth: usize, pairs: &mut Pairs) -> Result<(), YamlError> {
        match &self.node(value).content {
            Content::List(maps) => maps
                .iter()
                .rev()
                .try_for_each(|map| self.merge_one(*map, depth, place, pairs)),
            _ => self.merge_one(value, depth, place, pairs),
        }
    }

    fn merge_one(&mut self, map: Id, depth: usize, place: &Node, pairs: &mut Pairs) -> Result<(), YamlError> {
        let at = self.node(map).at;
        self.count(at, depth)?;
        match self.node(map).content {
            Content::Alias(target) => self.alias(at, |builder| {
                builder.count(at, depth)?;
                builder.pairs(target, depth, Some(place), pairs)
            }),
            _ => self.pairs(map, depth, Some(place), pairs),
        }
    }

    /// Reads a key, which is text in the end whatever it was.
    fn key(&mut self, id: Id, depth: usize) -> Result<(Node, Sort), YamlError> {
        let at = self.node(id).at;
        let key = self.value(id, depth)?;
        let (text, sort) = match key.value {
            Value::String(text) => (text, Sort::Text),
            Value::Int(number) => (number.to_string(), Sort::Int(number)),
            Value::Bool(flag) => (flag.to_string(), Sort::Bool(flag)),
            Value::Float(number) if number != 0.0 || number.is_sign_positive() => (scalar::key_text(number), Sort::Float(number)),
            Value::Null => return Err(error(at, "a key is null, which no JSON can hold; put it in quotes")),
            Value::Unsigned(_) | Value::Float(_) => {
                return Err(error(
                    at,
                    "a key is a number that Go's readers do not take for one; put it in quotes",
                ));
            }
            Value::List(_) | Value::Map(_) => {
                let message = "a key is a list or a map, as `{{ }}` outside of quotes makes one; put it in quotes";
                return Err(error(at, message));
            }
        };
        Ok((
            Node {
                value: Value::String(text),
                ..key
            },
            sort,
        ))
    }

    fn insert(&mut self, pair: (Node, Node), sort: Sort, merge: Option<&Node>, pairs: &mut Pairs) -> Result<(), YamlError> {
        let name = pair.0.as_str().unwrap_or_default();
        let merged = merge.is_some();
        let place = Place {
            index: pairs.list.len(),
            sort,
            merged,
        };
        let earlier = match pairs.places.entry(name.to_owned()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                entry.insert(place);
                pairs.list.push(pair);
                return Ok(());
            }
        };
        let Some(known) = pairs.list.get_mut(earlier.index) else {
            return Ok(());
        };
        let first = known.0.line;
        if earlier.sort != sort {
            let message = format!(
                "the keys {:?} here and on line {first} are of different types, and which of them counts is left to chance; \
                 give one of them another name",
                scalar::shown(name)
            );
            return Err(YamlError::malformed(pair.0.line, pair.0.column, message));
        }
        match merge {
            None if !earlier.merged => {
                let message = || format!("the key {:?} is there twice, first on line {first}", scalar::shown(name));
                self.budget.report(&pair.0, message);
            }
            Some(place) if !earlier.merged => {
                let name = scalar::shown(name);
                let message = || format!("the merge key replaces the key {name:?} of line {first}, because it stands behind it");
                self.budget.report(place, message);
            }
            _ => {}
        }
        earlier.merged = merged;
        *known = pair;
        Ok(())
    }
}

/// How many values of a document may come from aliases before Go's reader takes it for an attack.
fn alias_values_max(values: usize) -> usize {
    const LOW: usize = 400_000;
    const HIGH: usize = 4_000_000;
    // From 99 to 10 per cent between the two.
    let share = 9_900 - 8_900 * (values.clamp(LOW, HIGH) - LOW) / (HIGH - LOW);
    values.saturating_mul(share) / 10_000
}

fn line(at: Mark) -> u32 {
    u32::try_from(at.line).unwrap_or(u32::MAX).saturating_add(1)
}

fn limit(at: Mark, message: String) -> YamlError {
    YamlError {
        limit: true,
        ..error(at, message)
    }
}

fn node(at: Mark, quoted: bool, value: Value) -> Node {
    Node {
        line: line(at),
        column: u32::try_from(at.column).unwrap_or(u32::MAX).saturating_add(1),
        quoted,
        value,
    }
}
