//! Which documents of a text are read.

use std::borrow::Cow;

use super::build::{Budget, build};
use super::scanner::error;
use super::tree::Composer;
use super::{Documents, Limits, Read, YamlError, cursor::Mark};

/// Reads what `which` names.
pub(super) fn read(text: &str, which: Documents, limits: &Limits) -> Result<Read, YamlError> {
    if text.len() > limits.bytes_max {
        let message = format!("the text has {} bytes, and {} are allowed", text.len(), limits.bytes_max);
        return Err(YamlError {
            limit: true,
            ..error(Mark::default(), message)
        });
    }
    let mut reader = Reader {
        which,
        limits,
        budget: Budget::new(limits),
        read: Read::default(),
    };
    match which {
        Documents::Parts => reader.parts(&as_lines(text))?,
        Documents::All | Documents::First => reader.part(text, 0)?,
    }
    let Reader { budget, mut read, .. } = reader;
    read.repeated = budget.repeated;
    Ok(read)
}

/// Writes a text as those do who read it line by line: every line ends in LF, the last one too.
fn as_lines(text: &str) -> Cow<'_, str> {
    if text.contains("\r\n") || !text.ends_with('\n') && !text.is_empty() {
        let mut lines = text.replace("\r\n", "\n");
        if !lines.ends_with('\n') {
            lines.push('\n');
        }
        return lines.into();
    }
    text.into()
}

struct Reader<'a> {
    which: Documents,
    limits: &'a Limits,
    budget: Budget,
    read: Read,
}

impl Reader<'_> {
    /// Reads the parts of a text between lines of `---`. Such a line at the front of a part belongs to it.
    fn parts(&mut self, text: &str) -> Result<(), YamlError> {
        let (mut start, mut end, mut first_line) = (0, 0, 0);
        for (number, line) in text.split_inclusive('\n').enumerate() {
            let rest = line.strip_prefix("---").map(str::trim);
            if rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('#')) {
                let at = Mark {
                    line: number,
                    ..Mark::default()
                };
                let message = "only a comment may follow the `---` that ends a document, where a file is cut at such lines";
                return Err(error(at, message));
            }
            if rest.is_some() && start < end {
                self.part(text.get(start..end).unwrap_or_default(), first_line)?;
                (start, first_line) = (end + line.len(), number + 1);
            }
            end += line.len();
        }
        match text.get(start..).unwrap_or_default() {
            "" => Ok(()),
            part => self.part(part, first_line),
        }
    }

    /// Reads a part, whose first line has `line` lines in front.
    fn part(&mut self, text: &str, line: usize) -> Result<(), YamlError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        check_characters(text, line)?;
        let mut composer = Composer::new(text, line, self.limits);
        while let Some(root) = composer.document()? {
            let document = build(composer.nodes(), root, &mut self.budget)?;
            self.read.documents.push(document);
            if self.read.documents.len() > self.limits.nodes_max {
                let message = format!("there are more than {} documents", self.limits.nodes_max);
                return Err(YamlError {
                    limit: true,
                    ..error(composer.behind(), message)
                });
            }
            if self.which != Documents::All {
                self.note_unread(text, composer.behind());
                break;
            }
        }
        Ok(())
    }

    /// Notes the first line behind a document that holds more than comments and marks.
    fn note_unread(&mut self, text: &str, behind: Mark) {
        let rest = text.get(behind.offset..).unwrap_or_default();
        let says_something = |line: &str| {
            let marked = line.strip_prefix("---").or_else(|| line.strip_prefix("...")).unwrap_or(line);
            let content = marked.trim_start();
            !content.is_empty() && !content.starts_with('#')
        };
        let ahead = rest.lines().position(says_something);
        let line = ahead.map(|ahead| u32::try_from(behind.line + ahead + 1).unwrap_or(u32::MAX));
        self.read.unread = self.read.unread.or(line);
    }
}

/// Refuses characters that YAML does not allow, and the byte order mark inside of a text: whether Go's readers pass over it, or over
/// another character instead, depends on how much of the text they happen to hold.
fn check_characters(text: &str, line: usize) -> Result<(), YamlError> {
    let Some((offset, character)) = text.char_indices().find(|(_, character)| is_forbidden(*character)) else {
        return Ok(());
    };
    let before = text.get(..offset).unwrap_or_default();
    let (lines, last) = before
        .rsplit_once('\n')
        .map_or((0, before), |(above, last)| (above.matches('\n').count() + 1, last));
    let at = Mark {
        line: line + lines,
        column: last.chars().count(),
        ..Mark::default()
    };
    let what = match character {
        '\u{feff}' => "a byte order mark inside of the text, which readers understand differently".to_owned(),
        _ => format!("the control character {character:?}, which YAML does not allow"),
    };
    Err(error(at, format!("it holds {what}; remove it")))
}

fn is_forbidden(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{feff}' | '\u{fffe}' | '\u{ffff}' => true,
        _ => character.is_control(),
    }
}
