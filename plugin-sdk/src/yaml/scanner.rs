//! From characters to tokens, by the rules of the scanner that Go's YAML readers share.
//!
//! They are those of YAML 1.1 with everything that this scanner forgives: a tab behind a colon, lines in brackets that are not
//! indented, a line break that is a Unicode separator. What is a key is only known at its `:`, which has to follow within 1 024
//! characters on the same line; until then tokens wait. So every character is taken once, and at most that many tokens wait.

mod block;
mod scalar;
mod tag;

use std::collections::{HashMap, VecDeque};

use super::{
    YamlError,
    cursor::{Cursor, END, Mark, is_blank, is_break, is_space_or_end},
};

/// How far behind its beginning the `:` of a key may stand, in characters.
const KEY_CHARACTERS_MAX: usize = 1024;

/// A token and where it begins.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) at: Mark,
    pub(super) kind: Kind,
}

/// What a token is.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    StreamEnd,
    Version { major: u8, minor: u8 },
    TagPrefix { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockListStart,
    BlockMapStart,
    BlockEnd,
    FlowListStart,
    FlowListEnd,
    FlowMapStart,
    FlowMapEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar { text: String, plain: bool },
}

/// What may turn out to be a key.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    possible: bool,
    /// Whether the text makes no sense unless it is one.
    required: bool,
    number: usize,
    at: Mark,
}

/// Reads tokens.
#[derive(Debug)]
pub(super) struct Scanner<'text> {
    at: Cursor<'text>,
    waiting: VecDeque<Token>,
    /// How many tokens were handed out: the number of the first that waits.
    handed: usize,
    /// What may be a key, outside of all brackets and in each that is open.
    candidates: Vec<Candidate>,
    /// The brackets in which a candidate stands, by the number of its token.
    levels: HashMap<usize, usize>,
    /// The column of the innermost block, where there is one.
    indent: Option<usize>,
    indents: Vec<Option<usize>>,
    /// Whether a key may begin here.
    key_allowed: bool,
}

impl<'text> Scanner<'text> {
    /// Starts at the front of a text whose first line has `line` lines in front.
    pub(super) fn new(text: &'text str, line: usize) -> Self {
        let at = Cursor::new(text, line);
        let nothing = Candidate {
            possible: false,
            required: false,
            number: 0,
            at: at.mark(),
        };
        Self {
            at,
            waiting: VecDeque::new(),
            handed: 0,
            candidates: vec![nothing],
            levels: HashMap::new(),
            indent: None,
            indents: Vec::new(),
            key_allowed: true,
        }
    }

    /// Returns the next token without taking it.
    pub(super) fn peek(&mut self) -> Result<&Token, YamlError> {
        while self.needs_more()? {
            self.fetch()?;
        }
        Ok(self.waiting.front().expect("tokens are fetched until one waits"))
    }

    /// Takes the next token.
    pub(super) fn take(&mut self) -> Result<Token, YamlError> {
        self.peek()?;
        self.handed += 1;
        Ok(self.waiting.pop_front().expect("tokens are fetched until one waits"))
    }

    /// Returns where the first token stands that was not taken, or how far the text was read.
    pub(super) fn behind(&self) -> Mark {
        self.waiting.front().map_or_else(|| self.at.mark(), |token| token.at)
    }

    /// Says whether the next token is not known yet: none waits, or what waits may still become a key.
    fn needs_more(&mut self) -> Result<bool, YamlError> {
        if self.waiting.is_empty() {
            return Ok(true);
        }
        match self.levels.get(&self.handed).copied() {
            Some(level) => self.is_possible(level),
            None => Ok(false),
        }
    }

    /// Says whether the candidate of a level may still become a key.
    fn is_possible(&mut self, level: usize) -> Result<bool, YamlError> {
        let here = self.at.mark();
        let Some(candidate) = self.candidates.get_mut(level).filter(|candidate| candidate.possible) else {
            return Ok(false);
        };
        if candidate.at.line == here.line && here.index <= candidate.at.index + KEY_CHARACTERS_MAX {
            return Ok(true);
        }
        if candidate.required {
            return Err(no_colon(candidate.at));
        }
        candidate.possible = false;
        Ok(false)
    }

    /// Fetches the next token.
    fn fetch(&mut self) -> Result<(), YamlError> {
        self.skip_to_token();
        let here = self.at.mark();
        self.close_blocks(Some(here.column));
        let (character, next) = (self.at.peek(), self.at.peek_at(1));
        let ends_word = is_space_or_end(next);
        match character {
            END => self.fetch_end(),
            '%' if here.column == 0 => self.fetch_directive(),
            '-' | '.' if self.at.is_at_marker(character) => self.fetch_marker(character),
            '[' => self.fetch_bracket(Kind::FlowListStart),
            '{' => self.fetch_bracket(Kind::FlowMapStart),
            ']' => self.fetch_closing(Kind::FlowListEnd),
            '}' => self.fetch_closing(Kind::FlowMapEnd),
            ',' => self.fetch_comma(),
            '-' if ends_word => self.fetch_entry(),
            '?' if self.in_brackets() || ends_word => self.fetch_key(),
            ':' if self.in_brackets() || ends_word => self.fetch_value(),
            '*' | '&' => self.fetch_anchor(character),
            '!' => self.fetch_tag(),
            '|' | '>' if !self.in_brackets() => self.fetch_block(character),
            '"' | '\'' => self.fetch_quoted(character),
            _ if self.starts_plain(character, next) => self.fetch_plain(),
            '\t' => Err(error(here, "a tab is used for indentation; YAML takes only spaces")),
            _ => Err(error(
                here,
                format!("no value may begin with {character:?}; put it in quotes"),
            )),
        }
    }

    fn starts_plain(&self, character: char, next: char) -> bool {
        match character {
            '-' => !is_blank(next),
            '?' | ':' => !self.in_brackets() && !is_space_or_end(next),
            _ => !is_space_or_end(character) && !",[]{}#&*!|>'\"%@`".contains(character),
        }
    }

    fn in_brackets(&self) -> bool {
        self.candidates.len() > 1
    }

    /// Moves on behind white space and comments. Tabs may stand where no indentation does.
    fn skip_to_token(&mut self) {
        loop {
            let tabs = self.in_brackets() || !self.key_allowed;
            while self.at.peek() == ' ' || tabs && self.at.peek() == '\t' {
                self.at.take();
            }
            if self.at.peek() == '#' {
                self.at.skip_line();
            }
            if !is_break(self.at.peek()) {
                return;
            }
            self.at.take_break();
            if !self.in_brackets() {
                self.key_allowed = true;
            }
        }
    }

    /// Ends every block that is indented further than a column.
    fn close_blocks(&mut self, column: Option<usize>) {
        while !self.in_brackets() && self.indent > column {
            self.push(self.at.mark(), Kind::BlockEnd);
            self.indent = self.indents.pop().flatten();
        }
    }

    /// Begins a block where the text is indented further than what is around it; `number` is the token in front of which it begins.
    fn open_block(&mut self, at: Mark, number: Option<usize>, kind: Kind) {
        if self.in_brackets() || self.indent >= Some(at.column) {
            return;
        }
        self.indents.push(self.indent);
        self.indent = Some(at.column);
        self.insert(number, Token { at, kind });
    }

    fn push(&mut self, at: Mark, kind: Kind) {
        self.waiting.push_back(Token { at, kind });
    }

    /// Inserts a token in front of the one with a number. Where that was handed out already, the token comes last.
    fn insert(&mut self, number: Option<usize>, token: Token) {
        let place = number.and_then(|number| number.checked_sub(self.handed));
        match place.filter(|place| *place <= self.waiting.len()) {
            Some(place) => self.waiting.insert(place, token),
            None => self.waiting.push_back(token),
        }
    }

    /// Notes that a key may begin here.
    fn note_candidate(&mut self) -> Result<(), YamlError> {
        if !self.key_allowed {
            return Ok(());
        }
        let at = self.at.mark();
        self.drop_candidate()?;
        let number = self.handed + self.waiting.len();
        let candidate = Candidate {
            possible: true,
            required: !self.in_brackets() && self.indent == Some(at.column),
            number,
            at,
        };
        let level = self.candidates.len() - 1;
        if let Some(last) = self.candidates.last_mut() {
            *last = candidate;
        }
        self.levels.insert(number, level);
        Ok(())
    }

    /// Notes that what may have been a key is none.
    fn drop_candidate(&mut self) -> Result<(), YamlError> {
        let Some(candidate) = self.candidates.last_mut().filter(|candidate| candidate.possible) else {
            return Ok(());
        };
        if candidate.required {
            return Err(no_colon(candidate.at));
        }
        candidate.possible = false;
        self.levels.remove(&candidate.number);
        Ok(())
    }

    fn fetch_end(&mut self) -> Result<(), YamlError> {
        // No key can go on behind the last line, also where nothing ends that line.
        self.at.end_line();
        self.close_blocks(None);
        self.drop_candidate()?;
        self.key_allowed = false;
        self.push(self.at.mark(), Kind::StreamEnd);
        Ok(())
    }

    fn fetch_marker(&mut self, of: char) -> Result<(), YamlError> {
        self.close_blocks(None);
        self.drop_candidate()?;
        self.key_allowed = false;
        let kind = if of == '-' { Kind::DocumentStart } else { Kind::DocumentEnd };
        self.push(self.at.mark(), kind);
        self.at.skip(3);
        Ok(())
    }

    fn fetch_bracket(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.note_candidate()?;
        let at = self.at.mark();
        self.candidates.push(Candidate {
            possible: false,
            required: false,
            number: self.handed + self.waiting.len(),
            at,
        });
        self.key_allowed = true;
        self.push(at, kind);
        self.at.take();
        Ok(())
    }

    fn fetch_closing(&mut self, kind: Kind) -> Result<(), YamlError> {
        self.drop_candidate()?;
        if self.in_brackets()
            && let Some(candidate) = self.candidates.pop()
        {
            self.levels.remove(&candidate.number);
        }
        self.key_allowed = false;
        self.push(self.at.mark(), kind);
        self.at.take();
        Ok(())
    }

    fn fetch_comma(&mut self) -> Result<(), YamlError> {
        self.drop_candidate()?;
        self.key_allowed = true;
        self.push(self.at.mark(), Kind::FlowEntry);
        self.at.take();
        Ok(())
    }

    fn fetch_entry(&mut self) -> Result<(), YamlError> {
        let at = self.at.mark();
        if !self.in_brackets() {
            if !self.key_allowed {
                return Err(error(at, "an item of a list cannot begin here"));
            }
            self.open_block(at, None, Kind::BlockListStart);
        }
        self.drop_candidate()?;
        self.key_allowed = true;
        self.push(at, Kind::BlockEntry);
        self.at.take();
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), YamlError> {
        let at = self.at.mark();
        if !self.in_brackets() {
            if !self.key_allowed {
                return Err(error(at, "a key cannot begin here"));
            }
            self.open_block(at, None, Kind::BlockMapStart);
        }
        self.drop_candidate()?;
        self.key_allowed = !self.in_brackets();
        self.push(at, Kind::Key);
        self.at.take();
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), YamlError> {
        let at = self.at.mark();
        let level = self.candidates.len() - 1;
        if self.is_possible(level)?
            && let Some(candidate) = self.candidates.last_mut()
        {
            candidate.possible = false;
            let Candidate { number, at: begin, .. } = *candidate;
            self.insert(
                Some(number),
                Token {
                    at: begin,
                    kind: Kind::Key,
                },
            );
            self.open_block(begin, Some(number), Kind::BlockMapStart);
            self.levels.remove(&number);
            self.key_allowed = false;
        } else {
            if !self.in_brackets() {
                if !self.key_allowed {
                    return Err(error(at, "a `:` stands where no key can end; put the text in quotes"));
                }
                self.open_block(at, None, Kind::BlockMapStart);
            }
            self.key_allowed = !self.in_brackets();
        }
        self.push(at, Kind::Value);
        self.at.take();
        Ok(())
    }
}

fn no_colon(at: Mark) -> YamlError {
    error(at, "a key has no `:` on the same line")
}

/// Makes an error out of a place in the text.
pub(super) fn error(at: Mark, message: impl Into<String>) -> YamlError {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
    YamlError::malformed(number(at.line), number(at.column), message)
}
