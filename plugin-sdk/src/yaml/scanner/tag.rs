//! Directives, tags, anchors and aliases.

use super::super::cursor::{Mark, is_blank, is_space_or_end, is_word};
use super::{Kind, Scanner, error};
use crate::yaml::{YamlError, scalar};

impl Scanner<'_> {
    /// Fetches a directive: a line that begins with `%`.
    pub(super) fn fetch_directive(&mut self) -> Result<(), YamlError> {
        self.close_blocks(None);
        self.drop_candidate()?;
        self.key_allowed = false;
        let start = self.at.mark();
        self.at.take();
        let name = self.word();
        if !is_space_or_end(self.at.peek()) {
            return Err(error(start, "the name of a directive holds something else than letters"));
        }
        let kind = match name.as_str() {
            "YAML" => self.version(start)?,
            "TAG" => self.tag_prefix(start)?,
            _ => return Err(error(start, format!("the directive %{} is unknown", scalar::shown(&name)))),
        };
        self.finish_line(start)?;
        self.push(start, kind);
        Ok(())
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while is_word(self.at.peek()) {
            word.push(self.at.take());
        }
        word
    }

    fn version(&mut self, start: Mark) -> Result<Kind, YamlError> {
        self.at.skip_blanks();
        let major = self.version_number(start)?;
        if self.at.peek() != '.' {
            return Err(error(start, "the directive %YAML gives no version such as 1.1"));
        }
        self.at.take();
        let minor = self.version_number(start)?;
        Ok(Kind::Version { major, minor })
    }

    fn version_number(&mut self, start: Mark) -> Result<u8, YamlError> {
        const DIGITS_MAX: usize = 2;
        let mut digits = String::new();
        while self.at.peek().is_ascii_digit() && digits.len() <= DIGITS_MAX {
            digits.push(self.at.take());
        }
        let number = digits.parse().ok().filter(|_| digits.len() <= DIGITS_MAX);
        number.ok_or_else(|| error(start, "the directive %YAML gives no version such as 1.1"))
    }

    fn tag_prefix(&mut self, start: Mark) -> Result<Kind, YamlError> {
        self.at.skip_blanks();
        let handle = self.tag_handle(start)?;
        if handle != "!" && (handle.len() < 2 || !handle.ends_with('!')) {
            return Err(error(start, "the directive %TAG names no handle such as `!` or `!name!`"));
        }
        if !is_blank(self.at.peek()) {
            return Err(error(start, "the directive %TAG gives no prefix"));
        }
        self.at.skip_blanks();
        let prefix = self.tag_uri("", start)?;
        if !is_space_or_end(self.at.peek()) {
            return Err(error(
                start,
                "the prefix of the directive %TAG holds a character that no tag may hold",
            ));
        }
        Ok(Kind::TagPrefix { handle, prefix })
    }

    /// Fetches an anchor (`&name`) or an alias (`*name`).
    pub(super) fn fetch_anchor(&mut self, sign: char) -> Result<(), YamlError> {
        self.note_candidate()?;
        self.key_allowed = false;
        let start = self.at.mark();
        self.at.take();
        let name = self.word();
        let ends = is_space_or_end(self.at.peek()) || "?:,]}%@`".contains(self.at.peek());
        if name.is_empty() || !ends {
            return Err(error(
                start,
                format!("`{sign}` is not followed by a name of letters and digits"),
            ));
        }
        let kind = if sign == '*' { Kind::Alias(name) } else { Kind::Anchor(name) };
        self.push(start, kind);
        Ok(())
    }

    /// Fetches a tag: `!name`, `!handle!name` or `!<name>`.
    pub(super) fn fetch_tag(&mut self) -> Result<(), YamlError> {
        self.note_candidate()?;
        self.key_allowed = false;
        let start = self.at.mark();
        let (handle, suffix) = if self.at.peek_at(1) == '<' {
            self.at.skip(2);
            let suffix = self.tag_uri("", start)?;
            if self.at.take() != '>' {
                return Err(error(start, "a tag that begins with `!<` does not end with `>`"));
            }
            (String::new(), suffix)
        } else {
            let handle = self.tag_handle(start)?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.tag_uri("", start)?;
                (handle, suffix)
            } else {
                let suffix = self.tag_uri(&handle, start)?;
                // A lone `!` is a tag of its own, without a handle.
                let handle = if suffix.is_empty() { "" } else { "!" };
                (handle.to_owned(), if suffix.is_empty() { "!".to_owned() } else { suffix })
            }
        };
        if !is_space_or_end(self.at.peek()) {
            return Err(error(start, "a tag is not followed by white space"));
        }
        self.push(start, Kind::Tag { handle, suffix });
        Ok(())
    }

    /// Reads `!`, `!name` or `!name!`.
    fn tag_handle(&mut self, start: Mark) -> Result<String, YamlError> {
        if self.at.peek() != '!' {
            return Err(error(start, "a tag does not begin with `!`"));
        }
        let mut handle = String::from(self.at.take());
        handle.push_str(&self.word());
        if self.at.peek() == '!' {
            handle.push(self.at.take());
        }
        Ok(handle)
    }

    /// Reads the rest of a tag of which `head` was read already, the `!` included.
    fn tag_uri(&mut self, head: &str, start: Mark) -> Result<String, YamlError> {
        let mut bytes = head.strip_prefix('!').unwrap_or(head).as_bytes().to_vec();
        let mut is_empty = head.is_empty();
        loop {
            let character = self.at.peek();
            if character == '%' {
                bytes.push(self.tag_octet(start)?);
            } else if is_word(character) || ";/?:@&=+$,.!~*'()[]".contains(character) {
                self.at.take();
                bytes.extend(character.to_string().as_bytes());
            } else {
                break;
            }
            is_empty = false;
        }
        if is_empty {
            return Err(error(start, "a tag has no name"));
        }
        String::from_utf8(bytes).map_err(|_| error(start, "the octets that a tag gives with `%` are no text"))
    }

    fn tag_octet(&mut self, start: Mark) -> Result<u8, YamlError> {
        let digits: String = [self.at.peek_at(1), self.at.peek_at(2)].into_iter().collect();
        let is_octet = digits.chars().all(|digit| digit.is_ascii_hexdigit());
        let octet = u8::from_str_radix(&digits, 16).ok().filter(|_| is_octet);
        let octet = octet.ok_or_else(|| error(start, "a `%` in a tag is not followed by two hexadecimal digits"))?;
        self.at.skip(3);
        Ok(octet)
    }
}
