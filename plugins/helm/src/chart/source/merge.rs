//! What Helm makes of several documents of values: mappings merge, of everything else the later counts, null included.

use std::collections::HashMap;

use portolan_plugin_sdk::yaml::{Node, Value};

/// Merges the documents of a values file. A document that is empty says nothing.
pub(super) fn merged(documents: Vec<Node>) -> Option<Node> {
    let mut merged: Option<Part> = None;
    for document in documents {
        match &mut merged {
            Some(_) if document.is_null() => {}
            Some(part) => part.merge(document),
            None => merged = Some(Part::Whole(document)),
        }
    }
    merged.map(Part::close)
}

/// A value that later documents may add to. A mapping is taken apart when the first of them does, and only once.
enum Part {
    Whole(Node),
    Open(Mapping),
}

/// A mapping whose members are found by name.
struct Mapping {
    line: u32,
    column: u32,
    members: Vec<(Node, Part)>,
    places: HashMap<String, usize>,
}

impl Part {
    fn merge(&mut self, later: Node) {
        match (std::mem::replace(self, Part::Whole(super::nothing())), later) {
            (
                Part::Open(mut mapping),
                Node {
                    value: Value::Map(members),
                    ..
                },
            ) => {
                mapping.add(members);
                *self = Part::Open(mapping);
            }
            (
                Part::Whole(Node {
                    line,
                    column,
                    value: Value::Map(earlier),
                    ..
                }),
                Node {
                    value: Value::Map(members),
                    ..
                },
            ) => {
                let mut mapping = Mapping {
                    line,
                    column,
                    members: Vec::new(),
                    places: HashMap::new(),
                };
                mapping.add(earlier);
                mapping.add(members);
                *self = Part::Open(mapping);
            }
            (_, later) => *self = Part::Whole(later),
        }
    }

    fn close(self) -> Node {
        let Mapping {
            line, column, members, ..
        } = match self {
            Part::Whole(node) => return node,
            Part::Open(mapping) => mapping,
        };
        let members = members.into_iter().map(|(key, part)| (key, part.close()));
        Node {
            line,
            column,
            quoted: false,
            value: Value::Map(members.collect()),
        }
    }
}

impl Mapping {
    fn add(&mut self, members: Vec<(Node, Node)>) {
        for (key, value) in members {
            let name = key.as_str().unwrap_or_default();
            match self.places.get(name).and_then(|index| self.members.get_mut(*index)) {
                Some((_, part)) => part.merge(value),
                None => {
                    self.places.insert(name.to_owned(), self.members.len());
                    self.members.push((key, Part::Whole(value)));
                }
            }
        }
    }
}
