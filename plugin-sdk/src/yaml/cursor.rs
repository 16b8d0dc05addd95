//! A place in a text, moved character by character.
//!
//! A line ends where YAML 1.1 ends one: at LF, CR, both together, and at U+0085, U+2028 and U+2029. A reader that knows only the first
//! three would take the rest of such a line for part of a value or a comment, and see another document than Go's reader.

/// What stands behind the last character. The text cannot hold it: control characters are refused before anything is read.
pub(super) const END: char = '\0';

#[cfg(test)]
thread_local! {
    /// How often a character was looked at: what reading costs, for tests.
    pub(super) static LOOKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// The bytes in front.
    pub(super) offset: usize,
    /// The characters in front.
    pub(super) index: usize,
    /// The lines in front.
    pub(super) line: usize,
    /// The characters in front on the same line.
    pub(super) column: usize,
}

/// Reads a text from front to back.
#[derive(Debug)]
pub(super) struct Cursor<'text> {
    text: &'text str,
    mark: Mark,
}

impl<'text> Cursor<'text> {
    pub(super) fn new(text: &'text str, line: usize) -> Self {
        Self {
            text,
            mark: Mark { line, ..Mark::default() },
        }
    }

    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    fn rest(&self) -> &'text str {
        self.text.get(self.mark.offset..).unwrap_or_default()
    }

    /// The character at hand.
    pub(super) fn peek(&self) -> char {
        self.peek_at(0)
    }

    /// A character further on. Only a few are ever looked ahead, so that every character is looked at a few times at most.
    pub(super) fn peek_at(&self, ahead: usize) -> char {
        #[cfg(test)]
        LOOKS.set(LOOKS.get() + 1);
        self.rest().chars().nth(ahead).unwrap_or(END)
    }

    /// Moves on behind one character that ends no line, and returns it.
    pub(super) fn take(&mut self) -> char {
        let character = self.peek();
        if character != END {
            self.mark.offset += character.len_utf8();
            self.mark.index += 1;
            self.mark.column += 1;
        }
        character
    }

    /// Moves on behind several characters that end no line.
    pub(super) fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.take();
        }
    }

    /// Moves on behind the end of a line, and returns how it counts in a value: all but two of them are line feeds.
    pub(super) fn take_break(&mut self) -> char {
        let first = self.take();
        if first == '\r' && self.peek() == '\n' {
            self.take();
        }
        self.mark.line += 1;
        self.mark.column = 0;
        if matches!(first, '\u{2028}' | '\u{2029}') {
            first
        } else {
            '\n'
        }
    }

    /// Counts the last line as ended, where nothing ends it.
    pub(super) fn end_line(&mut self) {
        if self.mark.column > 0 {
            self.mark.line += 1;
            self.mark.column = 0;
        }
    }

    /// Moves on to where the line ends.
    pub(super) fn skip_line(&mut self) {
        while !is_break_or_end(self.peek()) {
            self.take();
        }
    }

    /// Moves on behind spaces and tabs.
    pub(super) fn skip_blanks(&mut self) {
        while is_blank(self.peek()) {
            self.take();
        }
    }

    /// Says whether a line of `---` or `...` begins here.
    pub(super) fn is_at_marker(&self, of: char) -> bool {
        self.mark.column == 0 && (0..3).all(|ahead| self.peek_at(ahead) == of) && is_space_or_end(self.peek_at(3))
    }
}

/// Says whether a character is a space or a tab.
pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// Says whether a character ends a line.
pub(super) fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Says whether a line ends here.
pub(super) fn is_break_or_end(character: char) -> bool {
    character == END || is_break(character)
}

/// Says whether a word ends here.
pub(super) fn is_space_or_end(character: char) -> bool {
    is_blank(character) || is_break_or_end(character)
}

/// Says whether a character may stand in the name of an anchor.
pub(super) fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}
