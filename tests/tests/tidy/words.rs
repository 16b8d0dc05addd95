//! The gateway and the contract know no artifact type.
//!
//! The words that may not appear are those of the folder names under `plugins/` and of the media types that plugins mention; an
//! allow-list takes out those that the core has to know, with a reason each. Comments count too.

use std::{collections::BTreeSet, fs};

use crate::source::{assert_none, repository, sources};

/// Splits a text into lower-case words, at everything that is no letter or digit and inside of `CamelCase`.
fn words(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    let mut previous_is_lower = false;
    for character in text.chars().chain([' ']) {
        let ends = !character.is_alphanumeric() || (character.is_uppercase() && previous_is_lower);
        if ends && !word.is_empty() {
            words.insert(std::mem::take(&mut word));
        }
        previous_is_lower = character.is_lowercase();
        word.extend(
            Some(character)
                .filter(|character| character.is_alphanumeric())
                .into_iter()
                .flat_map(char::to_lowercase),
        );
    }
    words
}

/// Returns the media types that a text mentions.
fn media_types(text: &str) -> impl Iterator<Item = &str> {
    let inside = |character: char| character.is_ascii_alphanumeric() || "/.+-_".contains(character);
    text.split(move |character| !inside(character)).filter(|word| {
        let subtype = ["application/", "text/", "image/"]
            .iter()
            .find_map(|prefix| word.strip_prefix(prefix));
        subtype.is_some_and(|subtype| subtype.contains("vnd.") || subtype.contains("x-"))
    })
}

/// Reads the allow-list: a word, then the reason why the core has to know it.
fn allowed() -> BTreeSet<String> {
    let path = repository().join("tests/tests/tidy/allowed-words.txt");
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (word, reason) = line.split_once(": ").unwrap_or_else(|| panic!("no reason is given: {line}"));
            assert!(reason.len() > 10, "no reason is given: {line}");
            word.to_owned()
        })
        .collect()
}

/// Returns the words of artifact types, and where each comes from.
fn type_words() -> BTreeSet<String> {
    let plugins = fs::read_dir(repository().join("plugins")).unwrap();
    let mut found: BTreeSet<String> = plugins
        .flat_map(|entry| words(&entry.unwrap().file_name().to_string_lossy()))
        .collect();
    for source in sources("plugins", &["rs"]) {
        found.extend(media_types(source.production()).flat_map(words));
    }
    assert!(found.len() > 3, "the plugins mention no media type: {found:?}");
    let allowed = allowed();
    found.retain(|word| !allowed.contains(word) && word.parse::<u64>().is_err());
    found
}

#[test]
fn the_gateway_and_the_contract_know_no_artifact_type() {
    let forbidden = type_words();
    let mut complaints = Vec::new();
    let files = sources("gateway", &["rs", "sql", "json", "toml"])
        .into_iter()
        .chain(sources("wit", &["wit"]));
    for source in files {
        for (number, line) in source.text.lines().enumerate() {
            for word in words(line) {
                let singular = word.strip_suffix('s').unwrap_or(&word);
                if forbidden.contains(&word) || forbidden.contains(singular) {
                    complaints.push(format!(
                        "{}:{}: `{word}` is a word of an artifact type",
                        source.path.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert_none(
        "gateway/ and wit/ know no artifact type; what they need to know belongs into a plugin",
        &complaints,
    );
}

#[test]
fn words_are_told_apart() {
    let expected = ["a", "chart", "helm", "v2", "yaml"].map(str::to_owned);
    assert_eq!(words("HelmChart::a_chart.yaml/v2").into_iter().collect::<Vec<_>>(), expected);
    let text = r#"const A: &str = "application/vnd.example.thing.v1+json"; let b = application/json;"#;
    assert_eq!(
        media_types(text).collect::<Vec<_>>(),
        ["application/vnd.example.thing.v1+json"]
    );
}
