//! What can be asked. Every statement is a point lookup or a range of an index.

mod artifacts;
mod entries;
mod jobs;
mod lists;
mod manifests;
mod others;
mod uploads;

/// The statements of the reads, for a test that looks at their plans.
#[cfg(test)]
pub(super) fn statements() -> Vec<&'static str> {
    let all = [
        artifacts::STATEMENTS,
        entries::STATEMENTS,
        jobs::STATEMENTS,
        lists::STATEMENTS,
        manifests::STATEMENTS,
        others::STATEMENTS,
        uploads::STATEMENTS,
    ];
    all.concat()
}

/// Returns what follows a text directly in the order of names, which hold no character as small as this.
fn behind(text: &str) -> String {
    format!("{text}\u{1}")
}

/// Returns the ranges of names, each from a first one to one that is not included, that a prefix of whole segments covers: itself, and
/// what begins with it and a slash. Names such as `team-a` lie between `team` and `team/a`.
fn covered(prefix: &str) -> Vec<(String, String)> {
    if prefix.is_empty() {
        return vec![(String::new(), char::MAX.to_string())];
    }
    // `0` is the character behind the slash.
    vec![
        (prefix.to_owned(), behind(prefix)),
        (format!("{prefix}/"), format!("{prefix}0")),
    ]
}
