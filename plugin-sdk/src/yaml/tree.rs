//! From tokens to a tree of what stands in a document: the grammar, before anything is given a meaning.
//!
//! An alias is kept as what it is, so a tree is never larger than its text.

use std::collections::HashMap;

use super::scanner::{Kind, Scanner, Token, error};
use super::{Limits, YamlError, cursor::Mark, scalar};

/// The number of a node.
pub(super) type Id = usize;

/// A node of a document.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) at: Mark,
    /// The tag, in full.
    pub(super) tag: Option<String>,
    pub(super) content: Content,
}

/// What a node holds.
#[derive(Debug)]
pub(super) enum Content {
    Scalar {
        text: String,
        /// Whether there are neither quotes nor a block around it.
        plain: bool,
    },
    List(Vec<Id>),
    Map(Vec<(Id, Id)>),
    /// Another name for a node in front.
    Alias(Id),
}

/// The prefixes that tags have without a directive.
const PREFIXES: [(&str, &str); 2] = [("!", "!"), ("!!", "tag:yaml.org,2002:")];

/// What stands in front of a value.
#[derive(Default)]
struct Properties {
    anchor: Option<String>,
    tag: Option<String>,
}

/// Reads documents into trees.
#[derive(Debug)]
pub(super) struct Composer<'text> {
    scanner: Scanner<'text>,
    nodes: Vec<Raw>,
    anchors: HashMap<String, Id>,
    prefixes: Vec<(String, String)>,
    is_first: bool,
    nodes_left: usize,
    limits: Limits,
}

impl<'text> Composer<'text> {
    /// Starts at the front of a text whose first line has `line` lines in front.
    pub(super) fn new(text: &'text str, line: usize, limits: &Limits) -> Self {
        Self {
            scanner: Scanner::new(text, line),
            nodes: Vec::new(),
            anchors: HashMap::new(),
            prefixes: Vec::new(),
            is_first: true,
            nodes_left: limits.nodes_max,
            limits: *limits,
        }
    }

    /// Returns the nodes of the document that was read last.
    pub(super) fn nodes(&self) -> &[Raw] {
        &self.nodes
    }

    /// Returns where the text goes on behind the document that was read last.
    pub(super) fn behind(&self) -> Mark {
        self.scanner.behind()
    }

    /// Reads the next document and returns its root.
    pub(super) fn document(&mut self) -> Result<Option<Id>, YamlError> {
        self.nodes.clear();
        self.anchors.clear();
        let was_first = std::mem::replace(&mut self.is_first, false);
        while !was_first && self.is(&Kind::DocumentEnd)? {
            self.scanner.take()?;
        }
        let begins = match self.scanner.peek()?.kind {
            Kind::StreamEnd => return Ok(None),
            Kind::Version { .. } | Kind::TagPrefix { .. } | Kind::DocumentStart => true,
            _ => !was_first,
        };
        self.directives()?;
        let root = if begins {
            self.explicit()?
        } else {
            self.node(true, false, 0)?
        };
        if self.is(&Kind::DocumentEnd)? {
            self.scanner.take()?;
        }
        self.prefixes.clear();
        Ok(Some(root))
    }

    /// Reads a document behind its `---`, which may be followed by nothing.
    fn explicit(&mut self) -> Result<Id, YamlError> {
        let start = self.scanner.take()?;
        if start.kind != Kind::DocumentStart {
            return Err(error(start.at, "the document before ends here, and no `---` begins another"));
        }
        match self.scanner.peek()?.kind {
            Kind::Version { .. } | Kind::TagPrefix { .. } | Kind::DocumentStart | Kind::DocumentEnd | Kind::StreamEnd => {
                self.empty(start.at)
            }
            _ => self.node(true, false, 0),
        }
    }

    fn directives(&mut self) -> Result<(), YamlError> {
        const DIRECTIVES_MAX: usize = 100;
        let mut has_version = false;
        while matches!(self.scanner.peek()?.kind, Kind::Version { .. } | Kind::TagPrefix { .. }) {
            let Token { at, kind } = self.scanner.take()?;
            match kind {
                Kind::Version { .. } if has_version => return Err(error(at, "the directive %YAML is there twice")),
                Kind::Version { major: 1, minor: 1 } => has_version = true,
                Kind::Version { major, minor } => {
                    let message = format!("the document is written in YAML {major}.{minor}, and only 1.1 is read");
                    return Err(error(at, message));
                }
                Kind::TagPrefix { handle, .. } if self.prefixes.iter().any(|(known, _)| *known == handle) => {
                    return Err(error(
                        at,
                        format!("the directive %TAG defines {:?} twice", scalar::shown(&handle)),
                    ));
                }
                Kind::TagPrefix { .. } if self.prefixes.len() >= DIRECTIVES_MAX => {
                    return Err(YamlError {
                        limit: true,
                        ..error(at, format!("the document has more than {DIRECTIVES_MAX} directives"))
                    });
                }
                Kind::TagPrefix { handle, prefix } => self.prefixes.push((handle, prefix)),
                _ => {}
            }
        }
        for (handle, prefix) in PREFIXES {
            if !self.prefixes.iter().any(|(known, _)| known == handle) {
                self.prefixes.push((handle.to_owned(), prefix.to_owned()));
            }
        }
        Ok(())
    }

    fn is(&mut self, kind: &Kind) -> Result<bool, YamlError> {
        Ok(self.scanner.peek()?.kind == *kind)
    }

    fn is_any(&mut self, kinds: &[Kind]) -> Result<bool, YamlError> {
        Ok(kinds.contains(&self.scanner.peek()?.kind))
    }

    fn add(&mut self, at: Mark, tag: Option<String>, content: Content) -> Result<Id, YamlError> {
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or_else(|| YamlError {
            limit: true,
            ..error(at, format!("there are more than {} values", self.limits.nodes_max))
        })?;
        self.nodes.push(Raw { at, tag, content });
        Ok(self.nodes.len() - 1)
    }

    /// Adds a value that is not there.
    fn empty(&mut self, at: Mark) -> Result<Id, YamlError> {
        let text = String::new();
        self.add(at, None, Content::Scalar { text, plain: true })
    }

    /// Reads a value. `block` says whether it may be a block, and `flat` whether a list that is not indented may stand for it.
    fn node(&mut self, block: bool, flat: bool, depth: usize) -> Result<Id, YamlError> {
        let at = self.scanner.peek()?.at;
        if let Kind::Alias(name) = &self.scanner.peek()?.kind {
            let target = self.anchors.get(name).copied();
            let target = target.ok_or_else(|| error(at, format!("the alias *{} has no anchor in front", scalar::shown(name))))?;
            self.scanner.take()?;
            return self.add(at, None, Content::Alias(target));
        }
        let Properties { anchor, tag } = self.properties()?;
        if depth >= self.limits.depth_max && self.begins_collection()? {
            return Err(YamlError {
                limit: true,
                ..error(at, format!("it is nested deeper than {} levels", self.limits.depth_max))
            });
        }
        let is_list = flat && self.is(&Kind::BlockEntry)?;
        let is_block = block && self.is_any(&[Kind::BlockListStart, Kind::BlockMapStart])?;
        let is_flow = self.is_any(&[Kind::FlowListStart, Kind::FlowMapStart])?;
        let is_scalar = matches!(self.scanner.peek()?.kind, Kind::Scalar { .. });
        if !(is_list || is_block || is_flow || is_scalar || anchor.is_some() || tag.is_some()) {
            return Err(error(self.scanner.peek()?.at, "a value is expected here"));
        }
        // The node exists before what is in it, so that what is in it can name it.
        let text = String::new();
        let id = self.add(at, tag, Content::Scalar { text, plain: true })?;
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        let content = if is_list {
            Content::List(self.flat_list(depth + 1)?)
        } else if is_block || is_flow || is_scalar {
            self.content(depth + 1)?
        } else {
            return Ok(id);
        };
        if let Some(node) = self.nodes.get_mut(id) {
            node.content = content;
        }
        Ok(id)
    }

    fn begins_collection(&mut self) -> Result<bool, YamlError> {
        self.is_any(&[
            Kind::FlowListStart,
            Kind::FlowMapStart,
            Kind::BlockListStart,
            Kind::BlockMapStart,
            Kind::BlockEntry,
        ])
    }

    fn content(&mut self, depth: usize) -> Result<Content, YamlError> {
        let Token { kind, .. } = self.scanner.take()?;
        Ok(match kind {
            Kind::Scalar { text, plain } => Content::Scalar { text, plain },
            Kind::FlowListStart => Content::List(self.flow_list(depth)?),
            Kind::FlowMapStart => Content::Map(self.flow_map(depth)?),
            Kind::BlockListStart => Content::List(self.block_list(depth)?),
            _ => Content::Map(self.block_map(depth)?),
        })
    }

    /// Reads an anchor and a tag, in either order, each at most once.
    fn properties(&mut self) -> Result<Properties, YamlError> {
        let mut found = Properties::default();
        loop {
            match &self.scanner.peek()?.kind {
                Kind::Anchor(name) if found.anchor.is_none() => found.anchor = Some(name.clone()),
                Kind::Tag { handle, suffix } if found.tag.is_none() => {
                    let prefix = match handle.as_str() {
                        "" => Some(""),
                        _ => self
                            .prefixes
                            .iter()
                            .find(|(known, _)| known == handle)
                            .map(|(_, prefix)| prefix.as_str()),
                    };
                    let tag = prefix.map(|prefix| format!("{prefix}{suffix}"));
                    let unknown = format!("no directive defines the tags that begin with {}", scalar::shown(handle));
                    let at = self.scanner.peek()?.at;
                    found.tag = Some(tag.ok_or_else(|| error(at, unknown))?);
                }
                _ => return Ok(found),
            }
            self.scanner.take()?;
        }
    }

    /// Reads the items of a list whose `-` stand where their key stands.
    fn flat_list(&mut self, depth: usize) -> Result<Vec<Id>, YamlError> {
        let mut items = Vec::new();
        while self.is(&Kind::BlockEntry)? {
            let at = self.scanner.take()?.at;
            let ends = self.is_any(&[Kind::BlockEntry, Kind::Key, Kind::Value, Kind::BlockEnd])?;
            items.push(if ends {
                self.empty(at)?
            } else {
                self.node(true, false, depth)?
            });
        }
        Ok(items)
    }

    fn block_list(&mut self, depth: usize) -> Result<Vec<Id>, YamlError> {
        let mut items = Vec::new();
        loop {
            let Token { at, kind } = self.scanner.take()?;
            match kind {
                Kind::BlockEntry => {
                    let ends = self.is_any(&[Kind::BlockEntry, Kind::BlockEnd])?;
                    items.push(if ends {
                        self.empty(at)?
                    } else {
                        self.node(true, false, depth)?
                    });
                }
                Kind::BlockEnd => return Ok(items),
                _ => return Err(error(at, "the list goes on with something else than `-`")),
            }
        }
    }

    fn block_map(&mut self, depth: usize) -> Result<Vec<(Id, Id)>, YamlError> {
        let mut pairs = Vec::new();
        loop {
            let Token { at, kind } = self.scanner.take()?;
            match kind {
                Kind::Key => {
                    let key = self.block_part(at, depth)?;
                    let value = if self.is(&Kind::Value)? {
                        let at = self.scanner.take()?.at;
                        self.block_part(at, depth)?
                    } else {
                        self.empty(at)?
                    };
                    pairs.push((key, value));
                }
                Kind::BlockEnd => return Ok(pairs),
                _ => return Err(error(at, "a key is expected here")),
            }
        }
    }

    /// Reads the key or the value of a pair in a block; each may be left out.
    fn block_part(&mut self, at: Mark, depth: usize) -> Result<Id, YamlError> {
        if self.is_any(&[Kind::Key, Kind::Value, Kind::BlockEnd])? {
            self.empty(at)
        } else {
            self.node(true, true, depth)
        }
    }

    fn flow_list(&mut self, depth: usize) -> Result<Vec<Id>, YamlError> {
        let mut items = Vec::new();
        loop {
            self.flow_comma(&Kind::FlowListEnd, items.is_empty())?;
            let at = self.scanner.peek()?.at;
            if self.is(&Kind::FlowListEnd)? {
                self.scanner.take()?;
                return Ok(items);
            }
            if self.is(&Kind::Key)? {
                self.scanner.take()?;
                let pair = self.single_pair(at, depth + 1)?;
                items.push(self.add(at, None, Content::Map(vec![pair]))?);
            } else {
                items.push(self.node(false, false, depth)?);
            }
        }
    }

    /// Reads a pair that is an item of a list in brackets.
    fn single_pair(&mut self, at: Mark, depth: usize) -> Result<(Id, Id), YamlError> {
        let key = if self.is_any(&[Kind::Value, Kind::FlowEntry, Kind::FlowListEnd])? {
            // Go's readers pass over this token; what follows is then an error in all but odd cases.
            self.scanner.take()?;
            self.empty(at)?
        } else {
            self.node(false, false, depth)?
        };
        Ok((key, self.flow_value(&Kind::FlowListEnd, at, depth)?))
    }

    fn flow_map(&mut self, depth: usize) -> Result<Vec<(Id, Id)>, YamlError> {
        let mut pairs = Vec::new();
        loop {
            self.flow_comma(&Kind::FlowMapEnd, pairs.is_empty())?;
            let at = self.scanner.peek()?.at;
            if self.is(&Kind::FlowMapEnd)? {
                self.scanner.take()?;
                return Ok(pairs);
            }
            if self.is(&Kind::Key)? {
                self.scanner.take()?;
                let ends = self.is_any(&[Kind::Value, Kind::FlowEntry, Kind::FlowMapEnd])?;
                let key = if ends {
                    self.empty(at)?
                } else {
                    self.node(false, false, depth)?
                };
                pairs.push((key, self.flow_value(&Kind::FlowMapEnd, at, depth)?));
            } else {
                let key = self.node(false, false, depth)?;
                self.scanner.peek()?;
                pairs.push((key, self.empty(at)?));
            }
        }
    }

    /// Moves on behind the comma between two items in brackets.
    fn flow_comma(&mut self, end: &Kind, is_first: bool) -> Result<(), YamlError> {
        if is_first || self.is(end)? {
            return Ok(());
        }
        let Token { at, kind } = self.scanner.take()?;
        match kind {
            Kind::FlowEntry => Ok(()),
            _ => Err(error(at, "a `,` or the closing bracket is expected here")),
        }
    }

    /// Reads the value of a pair in brackets, which may be left out.
    fn flow_value(&mut self, end: &Kind, at: Mark, depth: usize) -> Result<Id, YamlError> {
        if self.is(&Kind::Value)? {
            self.scanner.take()?;
            if !self.is(&Kind::FlowEntry)? && !self.is(end)? {
                return self.node(false, false, depth);
            }
        }
        self.empty(at)
    }
}
