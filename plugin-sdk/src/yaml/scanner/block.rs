//! Block scalars: lines that count as they stand (`|`) or are joined (`>`).

use super::super::cursor::{END, Mark, is_blank, is_break, is_break_or_end};
use super::{Kind, Scanner, error};
use crate::yaml::YamlError;

/// What becomes of the line ends behind the last line.
#[derive(Clone, Copy, PartialEq)]
enum Chomp {
    /// None stays.
    Strip,
    /// One stays.
    Clip,
    /// All stay.
    Keep,
}

/// What stands behind `|` or `>`.
struct Header {
    chomp: Chomp,
    /// How much further than what is around it the text is indented, where that is said.
    increment: Option<usize>,
}

impl Scanner<'_> {
    /// Fetches a block scalar.
    pub(super) fn fetch_block(&mut self, style: char) -> Result<(), YamlError> {
        self.drop_candidate()?;
        self.key_allowed = true;
        let start = self.at.mark();
        self.at.take();
        let header = self.block_header(start)?;
        self.finish_line(start)?;
        let text = self.block_text(style == '|', &header)?;
        self.push(start, Kind::Scalar { text, plain: false });
        Ok(())
    }

    fn block_header(&mut self, start: Mark) -> Result<Header, YamlError> {
        let mut header = Header {
            chomp: Chomp::Clip,
            increment: None,
        };
        // Both may be given, in either order, each once.
        let (mut has_chomp, mut has_increment) = (false, false);
        loop {
            match self.at.peek() {
                sign @ ('+' | '-') if !has_chomp => {
                    has_chomp = true;
                    header.chomp = if sign == '+' { Chomp::Keep } else { Chomp::Strip };
                }
                '0' if !has_increment => {
                    return Err(error(start, "the indentation of a block of text cannot be 0"));
                }
                digit if !has_increment && digit.is_ascii_digit() => {
                    has_increment = true;
                    header.increment = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
                }
                _ => return Ok(header),
            }
            self.at.take();
        }
    }

    /// Moves on behind a line of which only a comment may be left.
    pub(super) fn finish_line(&mut self, start: Mark) -> Result<(), YamlError> {
        self.at.skip_blanks();
        if self.at.peek() == '#' {
            self.at.skip_line();
        }
        if !is_break_or_end(self.at.peek()) {
            return Err(error(start, "the line goes on where only a comment may follow"));
        }
        if is_break(self.at.peek()) {
            self.at.take_break();
        }
        Ok(())
    }

    fn block_text(&mut self, literal: bool, header: &Header) -> Result<String, YamlError> {
        let increment = header.increment;
        let mut indent = increment.map(|increment| self.indent.unwrap_or(0) + increment);
        let (mut text, mut breaks, mut last) = (String::new(), String::new(), None);
        let mut indented_more = false;
        let column = self.block_breaks(&mut indent, &mut breaks)?;
        while self.at.mark().column == column && self.at.peek() != END {
            let starts_blank = is_blank(self.at.peek());
            match last {
                Some('\n') if !literal && !indented_more && !starts_blank => {
                    if breaks.is_empty() {
                        text.push(' ');
                    }
                }
                _ => text.extend(last),
            }
            text.push_str(&breaks);
            breaks.clear();
            indented_more = starts_blank;
            while !is_break_or_end(self.at.peek()) {
                text.push(self.at.take());
            }
            last = is_break(self.at.peek()).then(|| self.at.take_break());
            self.block_breaks(&mut indent, &mut breaks)?;
        }
        if header.chomp != Chomp::Strip {
            text.extend(last);
        }
        if header.chomp == Chomp::Keep {
            text.push_str(&breaks);
        }
        Ok(text)
    }

    /// Moves on behind indentation and empty lines. Where the indentation is not known yet, the first line with text decides it.
    fn block_breaks(&mut self, indent: &mut Option<usize>, breaks: &mut String) -> Result<usize, YamlError> {
        let mut deepest = 0;
        loop {
            let inside = |column: usize| indent.is_none_or(|indent| column < indent);
            while self.at.peek() == ' ' && inside(self.at.mark().column) {
                self.at.take();
            }
            let column = self.at.mark().column;
            deepest = deepest.max(column);
            if self.at.peek() == '\t' && inside(column) {
                return Err(error(
                    self.at.mark(),
                    "this line of a block of text is indented with a tab; use spaces",
                ));
            }
            if !is_break(self.at.peek()) {
                break;
            }
            breaks.push(self.at.take_break());
        }
        let least = self.indent.map_or(0, |indent| indent + 1).max(1);
        Ok(*indent.get_or_insert(deepest.max(least)))
    }
}
