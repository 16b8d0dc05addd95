//! From events to nodes.
//!
//! The events are read first and kept, so that an alias is the same events once more: what it expands to is counted while it is built,
//! and no tree has to be copied.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::{Limits, Node, Value, YamlError, scalar};

/// The documents, and every key that repeats an earlier one.
pub(super) type Built = (Vec<Node>, Vec<YamlError>);

/// Reads all documents.
pub(super) fn build(text: &str, limits: &Limits) -> Result<Built, YamlError> {
    if text.len() > limits.bytes_max {
        let message = format!("the text has {} bytes, and {} are allowed", text.len(), limits.bytes_max);
        return Err(YamlError {
            line: 1,
            column: 1,
            message,
        });
    }
    let events = events(text.strip_prefix('\u{feff}').unwrap_or(text), limits)?;
    let anchors = anchors(&events);
    let mut builder = Builder {
        events: &events,
        anchors,
        open: HashSet::new(),
        nodes: 0,
        duplicates: Vec::new(),
        limits,
    };
    let mut documents = Vec::new();
    let mut at = 0;
    while let Some((event, _)) = events.get(at) {
        at += 1;
        if matches!(event, Event::DocumentStart(_)) {
            documents.push(builder.node(&mut at, 0)?);
        }
    }
    Ok((documents, builder.duplicates))
}

fn events<'text>(text: &'text str, limits: &Limits) -> Result<Vec<(Event<'text>, Span)>, YamlError> {
    let mut events = Vec::new();
    let (mut nodes, mut depth) = (0_usize, 0_usize);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| unreadable(&error))?;
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth -= 1,
            _ => {}
        }
        // Documents count as well: a text of nothing but `---` has many of them.
        nodes += usize::from(!matches!(event, Event::SequenceEnd | Event::MappingEnd | Event::DocumentEnd));
        if nodes > limits.nodes_max.saturating_add(2) {
            return Err(error(&span, format!("there are more than {} values", limits.nodes_max)));
        }
        if depth > limits.depth_max {
            return Err(error(&span, format!("it is nested deeper than {} levels", limits.depth_max)));
        }
        events.push((event, span));
    }
    Ok(events)
}

/// Finds the event that each anchor stands at.
fn anchors(events: &[(Event<'_>, Span)]) -> HashMap<usize, usize> {
    let anchor = |event: &Event<'_>| match event {
        Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => *anchor,
        _ => 0,
    };
    let numbered = events.iter().enumerate().map(|(index, (event, _))| (anchor(event), index));
    numbered.filter(|(anchor, _)| *anchor > 0).collect()
}

struct Builder<'a> {
    events: &'a [(Event<'a>, Span)],
    anchors: HashMap<usize, usize>,
    /// The anchors whose value is being built. An alias to one of them would never end.
    open: HashSet<usize>,
    nodes: usize,
    duplicates: Vec<YamlError>,
    limits: &'a Limits,
}

impl Builder<'_> {
    /// Most repetitions that are reported. A text of nothing else needs no list of them.
    const DUPLICATES_MAX: usize = 1_000;

    /// Builds the node that starts at an event and moves on behind it.
    fn node(&mut self, at: &mut usize, depth: usize) -> Result<Node, YamlError> {
        let events = self.events;
        let Some((event, span)) = events.get(*at) else {
            return Err(YamlError {
                line: 1,
                column: 1,
                message: "it ends in the middle".to_owned(),
            });
        };
        *at += 1;
        self.count(span, depth)?;
        let (line, column) = place(span);
        let node = |quoted, value| Node {
            line,
            column,
            quoted,
            value,
        };
        match event {
            Event::Scalar(text, style, _, tag) => {
                let quoted = *style != ScalarStyle::Plain;
                let value = match tag {
                    Some(tag) if tag.is_yaml_core_schema() => scalar::tagged(&tag.suffix, text, quoted),
                    _ if quoted => Value::String(text.clone().into_owned()),
                    _ => scalar::resolve(text),
                };
                Ok(node(quoted, value))
            }
            Event::SequenceStart(anchor, _) => {
                let items = self.within(*anchor, |builder| builder.items(at, depth + 1))?;
                Ok(node(false, Value::List(items)))
            }
            Event::MappingStart(anchor, _) => {
                let pairs = self.within(*anchor, |builder| builder.pairs(at, depth + 1))?;
                Ok(node(false, Value::Map(pairs)))
            }
            Event::Alias(anchor) => {
                if self.open.contains(anchor) {
                    return Err(error(span, "the value of an anchor contains itself".to_owned()));
                }
                let target = self.anchors.get(anchor).copied();
                let mut target = target.ok_or_else(|| error(span, "the anchor of an alias is unknown".to_owned()))?;
                self.node(&mut target, depth)
            }
            _ => Ok(node(false, Value::Null)),
        }
    }

    fn count(&mut self, span: &Span, depth: usize) -> Result<(), YamlError> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes_max {
            return Err(error(
                span,
                format!(
                    "there are more than {} values once aliases are expanded",
                    self.limits.nodes_max
                ),
            ));
        }
        if depth > self.limits.depth_max {
            return Err(error(
                span,
                format!("it is nested deeper than {} levels", self.limits.depth_max),
            ));
        }
        Ok(())
    }

    fn within<T>(&mut self, anchor: usize, build: impl FnOnce(&mut Self) -> Result<T, YamlError>) -> Result<T, YamlError> {
        if anchor > 0 {
            self.open.insert(anchor);
        }
        let built = build(self)?;
        self.open.remove(&anchor);
        Ok(built)
    }

    fn items(&mut self, at: &mut usize, depth: usize) -> Result<Vec<Node>, YamlError> {
        let mut items = Vec::new();
        while !self.ends(at) {
            items.push(self.node(at, depth)?);
        }
        Ok(items)
    }

    fn pairs(&mut self, at: &mut usize, depth: usize) -> Result<Vec<(Node, Node)>, YamlError> {
        let mut pairs: Vec<(Node, Node)> = Vec::new();
        let mut places = HashMap::new();
        let mut merged = Vec::new();
        while !self.ends(at) {
            let (key, value) = (self.node(at, depth)?, self.node(at, depth)?);
            if !key.quoted && key.as_str() == Some("<<") {
                merged.push(value);
                continue;
            }
            let index = *places.entry(key.to_key()).or_insert(pairs.len());
            if let Some(earlier) = pairs.get_mut(index) {
                let (line, name) = (earlier.0.line, key.to_key());
                if self.duplicates.len() < Self::DUPLICATES_MAX {
                    let message = format!("the key {name:?} is there twice, first on line {line}");
                    self.duplicates.push(YamlError {
                        line: key.line,
                        column: key.column,
                        message,
                    });
                }
                *earlier = (key, value);
            } else {
                pairs.push((key, value));
            }
        }
        for value in merged {
            merge(value, &mut pairs, &mut places)?;
        }
        Ok(pairs)
    }

    /// Says whether a list or map ends here, and moves on behind its end.
    fn ends(&self, at: &mut usize) -> bool {
        let ended = matches!(self.events.get(*at), None | Some((Event::SequenceEnd | Event::MappingEnd, _)));
        *at += usize::from(ended);
        ended
    }
}

/// Adds the pairs of a merge key that are not there yet. Of several maps the first counts.
fn merge(value: Node, pairs: &mut Vec<(Node, Node)>, places: &mut HashMap<String, usize>) -> Result<(), YamlError> {
    let (line, column) = (value.line, value.column);
    match value.value {
        Value::Map(more) => {
            for (key, value) in more {
                if let std::collections::hash_map::Entry::Vacant(place) = places.entry(key.to_key()) {
                    place.insert(pairs.len());
                    pairs.push((key, value));
                }
            }
            Ok(())
        }
        Value::List(maps) if maps.iter().all(|map| map.as_map().is_some()) => {
            maps.into_iter().try_for_each(|map| merge(map, pairs, places))
        }
        _ => Err(YamlError {
            line,
            column,
            message: "a merge key takes a map or a list of maps".to_owned(),
        }),
    }
}

fn place(span: &Span) -> (u32, u32) {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    (number(span.start.line()), number(span.start.col()).saturating_add(1))
}

fn error(span: &Span, message: String) -> YamlError {
    let (line, column) = place(span);
    YamlError { line, column, message }
}

fn unreadable(scan: &ScanError) -> YamlError {
    let marker = *scan.marker();
    error(&Span::new(marker, marker), scan.info().to_owned())
}
