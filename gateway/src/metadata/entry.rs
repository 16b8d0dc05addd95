//! Entries as they are kept: JSON that is ready to be shown, and words to be found by.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Entry, ReferenceRecord};
use crate::oci::{Prefixes, Repository, Scope};

/// The most words of a query that are looked for.
const QUERY_WORDS_MAX: usize = 32;

/// What stands for the separators of repository names in the words of a scope. A migration of the schema knows them too.
const SEPARATORS: [(char, char); 4] = [('/', '\u{E000}'), ('.', '\u{E001}'), ('_', '\u{E002}'), ('-', '\u{E003}')];

/// The fields of an [`Entry`], with the document as a JSON value.
#[derive(Serialize, Deserialize)]
struct Shown {
    title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(default)]
    keywords: Vec<String>,
    #[serde(default)]
    references: Vec<ReferenceRecord>,
    document: Box<RawValue>,
}

/// Returns the text of a JSON object with the fields of the entry, its document as a JSON value.
pub(super) fn to_json(entry: &Entry) -> serde_json::Result<String> {
    let Entry {
        title,
        version,
        summary,
        keywords,
        references,
        document,
    } = entry.clone();
    let document = RawValue::from_string(document)?;
    serde_json::to_string(&Shown {
        title,
        version,
        summary,
        keywords,
        references,
        document,
    })
}

/// Reads what [`to_json`] wrote.
pub(super) fn from_json(text: &str) -> serde_json::Result<Entry> {
    let Shown {
        title,
        version,
        summary,
        keywords,
        references,
        document,
    } = serde_json::from_str(text)?;
    let document = Box::<str>::from(document).into();
    Ok(Entry {
        title,
        version,
        summary,
        keywords,
        references,
        document,
    })
}

/// What people look for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Query {
    /// Nothing in particular.
    Everything,
    /// Words that cannot occur in any entry.
    Nothing,
    /// An expression of the full-text index.
    Words(String),
}

impl Query {
    /// Reads what a person typed: words of which each has to begin some word of an entry. No character has a meaning of its own. Words
    /// without a letter or digit, beside others, are not looked for, nor are more than 32.
    pub(super) fn parse(text: &str) -> Self {
        let words = || {
            text.split(|c: char| c.is_whitespace() || c.is_control())
                .filter(|word| !word.is_empty())
        };
        let quoted: Vec<String> = words()
            .filter(|word| word.chars().any(char::is_alphanumeric))
            .take(QUERY_WORDS_MAX)
            .map(|word| format!("\"{}\"*", word.replace('"', "\"\"")))
            .collect();
        match quoted.is_empty() {
            false => Self::Words(quoted.join(" ")),
            true if words().next().is_none() => Self::Everything,
            true => Self::Nothing,
        }
    }
}

/// Returns the words by which an entry is found inside of a scope: the prefixes that cover its repository, each as one word.
pub(super) fn scope_words(repository: &Repository) -> String {
    let prefixes = repository.prefixes().filter(|prefix| !prefix.is_empty());
    prefixes.map(word).collect::<Vec<_>>().join(" ")
}

/// Narrows an expression of words to a scope. Returns nothing where the scope is empty.
///
/// The full-text index leaves out what is hidden before anything of it is read.
pub(super) fn scoped(words: &str, scope: &Scope) -> Option<String> {
    let some = |prefixes: &Prefixes| {
        let words: Vec<String> = prefixes.iter().map(|prefix| format!("\"{}\"", word(prefix))).collect();
        (!words.is_empty()).then(|| format!("scope : ({})", words.join(" OR ")))
    };
    let words = format!("{{title summary keywords repository}} : ({words})");
    match scope {
        Scope::All => Some(words),
        Scope::AllBut(hidden) => Some(match some(hidden) {
            Some(hidden) => format!("{words} NOT {hidden}"),
            None => words,
        }),
        Scope::Only(shown) => some(shown).map(|shown| format!("{words} AND {shown}")),
    }
}

/// Writes a prefix so that the tokenizer takes it for one word: with characters for private use, which no text has to have, in the place
/// of those that separate words.
fn word(prefix: &str) -> String {
    let letter = |c: char| {
        SEPARATORS
            .iter()
            .find_map(|(separator, letter)| (*separator == c).then_some(*letter))
    };
    prefix.chars().map(|c| letter(c).unwrap_or(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_words_and_nothing_else() {
        let check = |text: &str, expected: &str| assert_eq!(Query::parse(text), Query::Words(expected.into()), "{text}");
        check("web", "\"web\"*");
        check(" a\tb\0c ", "\"a\"* \"b\"* \"c\"*");
        check("title:x NOT (y OR", "\"title:x\"* \"NOT\"* \"(y\"* \"OR\"*");
        check("say \"x\"* - y", "\"say\"* \"\"\"x\"\"*\"* \"y\"*");
        assert_eq!(Query::parse(" \t"), Query::Everything);
        assert_eq!(Query::parse("- \"*\""), Query::Nothing);
    }

    #[test]
    fn entries_keep_their_document_to_the_letter() {
        let entry = Entry {
            title: "web".into(),
            version: None,
            summary: Some("A \"web\" server".into()),
            keywords: vec!["http".into()],
            references: Vec::new(),
            document: "{ \"b\": 1.0,\n\"a\":[] }".into(),
        };
        let text = to_json(&entry).unwrap();
        assert_eq!(from_json(&text).unwrap(), entry);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["document"]["b"], 1.0);
        assert!(
            to_json(&Entry {
                document: "{".into(),
                ..entry
            })
            .is_err()
        );
    }
}
