//! YAML that Helm's parser takes although the language does not allow it.
//!
//! Two habits are common in values files: a tab behind a colon, and lines inside of brackets or quotes that are not indented beyond
//! their key. Both are written anew here, line by line, for a second attempt at a file that could not be parsed.

/// Indents continued lines and replaces tabs behind colons. Lines stay where they are.
pub(super) fn rewritten(text: &str) -> String {
    // Deeper than anything around it; white space at the start of a continued line means nothing.
    let margin = " ".repeat(100);
    let mut state = State::default();
    let mut rewritten = String::with_capacity(text.len() + 1024);
    for line in text.split_inclusive('\n') {
        if state.is_continued() {
            rewritten.push_str(&margin);
        }
        rewritten.push_str(&if state.is_in_block(line) {
            line.to_owned()
        } else {
            line.replace(":\t", ": ")
        });
        state.read(line);
    }
    rewritten
}

/// Where in the language a line begins.
#[derive(Default)]
struct State {
    /// The brackets that are open.
    depth: usize,
    /// The quote that is open.
    quote: Option<char>,
    /// The indentation of the line that began a block scalar.
    block: Option<usize>,
}

impl State {
    fn is_continued(&self) -> bool {
        self.depth > 0 || self.quote.is_some()
    }

    fn is_in_block(&self, line: &str) -> bool {
        self.block
            .is_some_and(|indentation| line.trim().is_empty() || indentation_of(line) > indentation)
    }

    fn read(&mut self, line: &str) {
        if self.is_in_block(line) {
            return;
        }
        self.block = None;
        // What came before, and the last of it that is not white space: quotes and brackets are ones only where a value starts.
        let (mut before, mut last) = (' ', None);
        let mut characters = line.trim_end().chars().peekable();
        while let Some(character) = characters.next() {
            let starts_value = match last {
                None => true,
                Some(last) if self.depth > 0 => "[{,:".contains(last),
                Some(last) => before == ' ' && ":-?".contains(last),
            };
            match (self.quote, character) {
                (Some('"'), '\\') => {
                    characters.next();
                }
                (Some('\''), '\'') if characters.peek() == Some(&'\'') => {
                    characters.next();
                }
                (Some(open), _) if character == open => self.quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') if starts_value => self.quote = Some(character),
                (None, '[' | '{') if starts_value => self.depth += 1,
                (None, ']' | '}') if self.depth > 0 => self.depth -= 1,
                (None, '#') if before == ' ' => return,
                (None, '|' | '>') if before == ' ' && self.depth == 0 => {
                    self.block = is_block_header(characters.clone()).then(|| indentation_of(line));
                }
                _ => {}
            }
            before = if character.is_whitespace() { ' ' } else { character };
            last = if before == ' ' { last } else { Some(before) };
        }
    }
}

/// Whether the rest of a line leaves `|` or `>` the beginning of a block scalar.
fn is_block_header(rest: impl Iterator<Item = char>) -> bool {
    let rest: String = rest.collect();
    let rest = rest.trim_start_matches(|character: char| character.is_ascii_digit() || "+-".contains(character));
    rest.trim().is_empty() || rest.trim_start().starts_with('#')
}

fn indentation_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::chart::source;

    #[test]
    fn what_helm_takes_is_parsed() {
        for (text, expected) in [
            ("a:\t1\nb: x\n", json!({ "a": 1, "b": "x" })),
            ("a: [\n1,\n2\n]\nb: 3\n", json!({ "a": [1, 2], "b": 3 })),
            (
                "a:\n  b: {\n  \"x\": 1,\n  y: [\n  2]\n  }\nc: 3\n",
                json!({ "a": { "b": { "x": 1, "y": [2] } }, "c": 3 }),
            ),
            ("a: \"x\ny\"\nb: 1\n", json!({ "a": "x y", "b": 1 })),
            (
                "a: 'it''s\ny'\nb: it's [not\nc:\t1\n",
                json!({ "a": "it's y", "b": "it's [not", "c": 1 }),
            ),
            (
                "a: |\n  it's [\n  b:\tc\nd:\t1 # [\ne: x|\n",
                json!({ "a": "it's [\nb:\tc\n", "d": 1, "e": "x|" }),
            ),
        ] {
            let (documents, _) = source::parse(text).unwrap();
            assert_eq!(documents[0].to_json(), expected, "{text}");
        }
    }

    #[test]
    fn what_nobody_takes_stays_an_error_with_its_own_place() {
        for (text, line) in [("a: [\n1\nb: 2\n", 2), ("a: 1\nb: : :\n  - x\nc: [\n", 2), ("a: 'x\n", 1)] {
            assert!(source::parse(text).is_err_and(|error| error.line >= line), "{text}");
        }
    }
}
