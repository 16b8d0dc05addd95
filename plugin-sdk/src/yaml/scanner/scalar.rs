//! Scalars in one or several lines of running text: plain and in quotes.

use super::super::cursor::{END, Mark, is_blank, is_break, is_space_or_end};
use super::{Kind, Scanner, error};
use crate::yaml::YamlError;

/// White space inside of a scalar, which counts only once it is known that the text goes on behind it.
#[derive(Default)]
struct Gap {
    blanks: String,
    breaks: String,
    has_break: bool,
}

impl Gap {
    fn is_empty(&self) -> bool {
        self.blanks.is_empty() && !self.has_break
    }

    /// Moves on behind white space. Blanks around a line's end mean nothing.
    fn read(&mut self, scanner: &mut Scanner<'_>, indent: Option<usize>) -> Result<(), YamlError> {
        let at = &mut scanner.at;
        loop {
            let character = at.peek();
            if is_break(character) {
                self.blanks.clear();
                self.breaks.push(at.take_break());
                self.has_break = true;
            } else if !is_blank(character) {
                return Ok(());
            } else if self.has_break && character == '\t' && indent.is_some_and(|indent| at.mark().column < indent) {
                return Err(error(at.mark(), "this line of a text is indented with a tab; use spaces"));
            } else {
                at.take();
                if !self.has_break {
                    self.blanks.push(character);
                }
            }
        }
    }

    /// Writes what the gap means: one line feed is a space, and of several the first is left out.
    fn write(&mut self, text: &mut String) {
        if self.has_break {
            match self.breaks.strip_prefix('\n') {
                Some("") => text.push(' '),
                Some(more) => text.push_str(more),
                None => text.push_str(&self.breaks),
            }
        } else {
            text.push_str(&self.blanks);
        }
        self.blanks.clear();
        self.breaks.clear();
        self.has_break = false;
    }
}

impl Scanner<'_> {
    /// Fetches a scalar without quotes.
    pub(super) fn fetch_plain(&mut self) -> Result<(), YamlError> {
        self.note_candidate()?;
        self.key_allowed = false;
        let start = self.at.mark();
        let indent = self.indent.map_or(0, |indent| indent + 1);
        let (mut text, mut gap) = (String::new(), Gap::default());
        while !self.at.is_at_marker('-') && !self.at.is_at_marker('.') && self.at.peek() != '#' {
            while !is_space_or_end(self.at.peek()) && !self.ends_plain() {
                gap.write(&mut text);
                text.push(self.at.take());
            }
            if !is_blank(self.at.peek()) && !is_break(self.at.peek()) {
                break;
            }
            gap.read(self, Some(indent))?;
            if !self.in_brackets() && self.at.mark().column < indent {
                break;
            }
        }
        // Behind the end of its last line a key may follow.
        if gap.has_break {
            self.key_allowed = true;
        }
        self.push(start, Kind::Scalar { text, plain: true });
        Ok(())
    }

    fn ends_plain(&self) -> bool {
        match self.at.peek() {
            ':' => is_space_or_end(self.at.peek_at(1)),
            character => self.in_brackets() && ",?[]{}".contains(character),
        }
    }

    /// Fetches a scalar in quotes.
    pub(super) fn fetch_quoted(&mut self, quote: char) -> Result<(), YamlError> {
        self.note_candidate()?;
        self.key_allowed = false;
        let start = self.at.mark();
        self.at.take();
        let (mut text, mut gap) = (String::new(), Gap::default());
        loop {
            if self.at.is_at_marker('-') || self.at.is_at_marker('.') {
                return Err(error(start, "the document ends before the quote that begins here is closed"));
            }
            if self.at.peek() == END {
                return Err(error(start, "the quote that begins here is never closed"));
            }
            let folds = self.quoted_word(quote, &mut text, start)?;
            if self.at.peek() == quote {
                self.at.take();
                self.push(start, Kind::Scalar { text, plain: false });
                return Ok(());
            }
            self.quoted_gap(folds, &mut gap, &mut text)?;
        }
    }

    /// Reads up to white space or the closing quote. Returns whether the line ended in a backslash, which joins it to the next.
    fn quoted_word(&mut self, quote: char, text: &mut String, start: Mark) -> Result<bool, YamlError> {
        while !is_space_or_end(self.at.peek()) {
            match (self.at.peek(), self.at.peek_at(1)) {
                ('\'', '\'') if quote == '\'' => {
                    self.at.skip(2);
                    text.push('\'');
                }
                (character, _) if character == quote => break,
                ('\\', next) if quote == '"' && is_break(next) => {
                    self.at.take();
                    self.at.take_break();
                    return Ok(true);
                }
                ('\\', next) if quote == '"' => {
                    self.at.skip(2);
                    text.push(self.escaped(next, start)?);
                }
                _ => text.push(self.at.take()),
            }
        }
        Ok(false)
    }

    fn quoted_gap(&mut self, folds: bool, gap: &mut Gap, text: &mut String) -> Result<(), YamlError> {
        if folds {
            // The line's end is left out, and with it what follows but for further line ends.
            gap.has_break = true;
            gap.read(self, None)?;
            text.push_str(&gap.breaks);
            *gap = Gap::default();
        } else {
            gap.read(self, None)?;
            if !gap.is_empty() {
                gap.write(text);
            }
        }
        Ok(())
    }

    /// Returns what an escape means whose first character was taken.
    fn escaped(&mut self, letter: char, start: Mark) -> Result<char, YamlError> {
        let digits = match letter {
            '0' => return Ok('\0'),
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            't' | '\t' => return Ok('\t'),
            'n' => return Ok('\n'),
            'v' => return Ok('\u{b}'),
            'f' => return Ok('\u{c}'),
            'r' => return Ok('\r'),
            'e' => return Ok('\u{1b}'),
            ' ' | '"' | '\'' | '\\' => return Ok(letter),
            'N' => return Ok('\u{85}'),
            '_' => return Ok('\u{a0}'),
            'L' => return Ok('\u{2028}'),
            'P' => return Ok('\u{2029}'),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => {
                return Err(error(
                    start,
                    format!("the text in quotes holds `\\{letter}`, which means nothing"),
                ));
            }
        };
        let mut code = 0_u32;
        for _ in 0..digits {
            let digit = self.at.peek().to_digit(16);
            let digit =
                digit.ok_or_else(|| error(start, format!("`\\{letter}` is not followed by {digits} hexadecimal digits")))?;
            code = code.wrapping_shl(4) | digit;
            self.at.take();
        }
        char::from_u32(code).ok_or_else(|| error(start, format!("`\\{letter}` is followed by {code:x}, which is no character")))
    }
}
