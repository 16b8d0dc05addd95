//! The rules by which the SDK refuses archives are those that its documentation lists.

use std::{collections::BTreeSet, fs};

use crate::source::{Source, repository, sources};

/// Returns what stands between two marks and is the name of a rule.
fn rules(text: &str, mark: char) -> BTreeSet<String> {
    let is_rule = |word: &&str| {
        let name = ["tar-", "gzip-", "zip-"].iter().find_map(|format| word.strip_prefix(format));
        name.is_some_and(|name| !name.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase()))
    };
    text.split(mark).filter(is_rule).map(str::to_owned).collect()
}

#[test]
fn every_rule_of_the_readers_is_documented() {
    let files = sources("plugin-sdk/src/archive", &["rs"]);
    let code: Vec<&str> = files.iter().filter(|file| !file.is_test()).map(Source::production).collect();
    let documented = fs::read_to_string(repository().join("docs/writing-plugins.md")).unwrap();
    let (enforced, documented) = (rules(&code.concat(), '"'), rules(&documented, '`'));
    assert!(enforced.len() > 15, "the rules were not understood: {enforced:?}");
    assert_eq!(
        enforced, documented,
        "docs/writing-plugins.md lists the rules of plugin-sdk/src/archive"
    );
}

#[test]
fn rules_are_told_apart() {
    assert_eq!(
        rules("f(\"tar-end\", \"\", \"tar-\") \"zip-twice\"", '"')
            .into_iter()
            .collect::<Vec<_>>(),
        ["tar-end", "zip-twice"]
    );
}
