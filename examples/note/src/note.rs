//! What a note is. Pure logic: bytes in, values out.

use std::fmt;

use portolan_plugin_sdk::{Finding, Location, Severity};

/// The most words that a note is found by, and the longest of them, as the contract bounds them.
const WORDS_MAX: usize = 64;
const WORD_BYTES_MAX: usize = 64;

/// The longest title and summary, as the contract bounds them.
const TITLE_BYTES_MAX: usize = 256;
const SUMMARY_BYTES_MAX: usize = 1_024;

/// A note: UTF-8 text that has at least one line with something on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note<'a> {
    text: &'a str,
}

/// What is wrong with a note, or worth saying about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It is not UTF-8.
    NotText {
        /// The line on which the first wrong byte is.
        line: u32,
    },
    /// There is nothing on it.
    Empty,
    /// A line is longer than the operator likes.
    LongLine {
        /// The line, counted from 1.
        line: u32,
        /// How many characters are on it.
        characters: usize,
        /// How many should be.
        max: usize,
    },
}

/// A heading of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading<'a> {
    /// How deep it is, 1 to 6.
    pub level: usize,
    /// Its text.
    pub text: &'a str,
}

impl<'a> Note<'a> {
    /// Reads a note.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Problem> {
        let text = str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            Problem::NotText {
                line: line_number(before.iter().filter(|byte| **byte == b'\n').count()),
            }
        })?;
        if text.trim().is_empty() {
            Err(Problem::Empty)
        } else {
            Ok(Self { text })
        }
    }

    /// Returns the whole text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Returns the lines.
    pub fn lines(&self) -> impl Iterator<Item = &'a str> {
        self.text.lines()
    }

    /// Returns the first line with something on it, without the marks of a heading.
    pub fn title(&self) -> &'a str {
        self.filled_lines().next().map_or("", |line| cut(line, TITLE_BYTES_MAX))
    }

    /// Returns the second line with something on it.
    pub fn summary(&self) -> Option<&'a str> {
        self.filled_lines().nth(1).map(|line| cut(line, SUMMARY_BYTES_MAX))
    }

    /// Returns the words that are marked like `#this`, each once, in their order.
    pub fn words(&self) -> Vec<String> {
        let marked = self.text.split_whitespace().filter_map(|word| word.strip_prefix('#'));
        let marked = marked.map(|word| {
            word.trim_matches(|character: char| !character.is_alphanumeric())
                .to_lowercase()
        });
        let mut words: Vec<String> = Vec::new();
        for word in marked {
            if words.len() < WORDS_MAX && !word.is_empty() && word.len() <= WORD_BYTES_MAX && !words.contains(&word) {
                words.push(word);
            }
        }
        words
    }

    /// Returns the headings in their order.
    pub fn headings(&self) -> impl Iterator<Item = Heading<'a>> {
        self.lines().filter_map(|line| {
            let text = line.trim_start_matches('#');
            let level = line.len() - text.len();
            ((1..=6).contains(&level) && text.starts_with(' ')).then(|| Heading {
                level,
                text: text.trim(),
            })
        })
    }

    /// Returns the lines that are longer than they should be, the first hundred of them.
    pub fn long_lines(&self, characters_max: usize) -> impl Iterator<Item = Problem> {
        let counted = self
            .lines()
            .enumerate()
            .map(|(index, line)| (line_number(index), line.chars().count()));
        let long = counted.filter(move |(_, characters)| *characters > characters_max);
        long.take(100).map(move |(line, characters)| Problem::LongLine {
            line,
            characters,
            max: characters_max,
        })
    }

    fn filled_lines(&self) -> impl Iterator<Item = &'a str> {
        self.lines()
            .map(|line| line.trim_start_matches('#').trim())
            .filter(|line| !line.is_empty())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText { line } => write!(formatter, "Line {line} is not UTF-8 text. Save the note as UTF-8."),
            Self::Empty => formatter.write_str("The note is empty. Write something."),
            Self::LongLine { characters, max, .. } => {
                write!(
                    formatter,
                    "The line has {characters} characters, and {max} are easy to read. Break it."
                )
            }
        }
    }
}

impl Problem {
    /// Returns the problem as a finding. Rule ids never change once they are out: people filter by them.
    pub fn finding(&self) -> Finding {
        let (rule, severity) = match self {
            Self::NotText { .. } => ("note/utf-8", Severity::High),
            Self::Empty => ("note/empty", Severity::High),
            Self::LongLine { .. } => ("note/long-line", Severity::Low),
        };
        Finding::new(rule, severity, self.to_string())
    }

    /// Returns the place of the problem inside of the note.
    pub fn location(&self) -> Location {
        match self {
            Self::NotText { line } => Location::default().line(*line),
            Self::Empty => Location::default(),
            Self::LongLine { line, max, .. } => Location::default()
                .line(*line)
                .column(u32::try_from(*max).unwrap_or(u32::MAX).saturating_add(1)),
        }
    }
}

fn line_number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
}

/// Cuts a text to a number of bytes, between characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> Note<'_> {
        Note::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_note_says_what_it_is() {
        let note = note("\n# Shopping\n\nFor the weekend. #food #Home, #food\n## Market\n####### none\n");
        assert_eq!(note.title(), "Shopping");
        assert_eq!(note.summary(), Some("For the weekend. #food #Home, #food"));
        assert_eq!(note.words(), ["food", "home"]);
        let headings = note
            .headings()
            .map(|heading| (heading.level, heading.text))
            .collect::<Vec<_>>();
        assert_eq!(headings, [(1, "Shopping"), (2, "Market")]);
    }

    #[test]
    fn what_is_no_note_is_refused_with_its_place() {
        let check = |bytes: &[u8], rule: &str, line: Option<u32>| {
            let problem = Note::parse(bytes).unwrap_err();
            assert_eq!((problem.finding().rule.as_str(), problem.location().line), (rule, line));
        };
        check(b"", "note/empty", None);
        check(b" \n\t\n", "note/empty", None);
        check(b"one\ntwo \xff", "note/utf-8", Some(2));
    }

    #[test]
    fn long_lines_are_worth_a_remark() {
        let text = format!("short\n{}\n", "ä".repeat(50));
        let problems = note(&text).long_lines(40).collect::<Vec<_>>();
        assert_eq!(
            problems,
            [Problem::LongLine {
                line: 2,
                characters: 50,
                max: 40
            }]
        );
        assert_eq!(problems[0].location().column, Some(41));
        assert_eq!(note(&text).long_lines(50).count(), 0);
    }

    #[test]
    fn everything_stays_within_the_bounds_of_the_contract() {
        let words = (0..200).map(|number| format!("#word{number} ")).collect::<String>();
        let text = format!("{}\n{}\n{words} #{}", "ä".repeat(500), "é".repeat(2_000), "x".repeat(65));
        let note = note(&text);
        assert_eq!(
            (note.title().len(), note.summary().map(str::len), note.words().len()),
            (256, Some(1_024), 64)
        );
    }
}
