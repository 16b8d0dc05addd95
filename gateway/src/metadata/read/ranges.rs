//! Scopes as ranges of names, so that what lies outside is never read: lists are ranges of an index, and a range costs the same whatever
//! lies beside it.

use crate::oci::{Prefixes, Scope};

/// Names from a first one up to one that is not included, bytewise.
pub(super) type Range = (String, String);

/// Returns what follows a text directly in the order of names, which hold no character as small as this.
fn behind(text: &str) -> String {
    format!("{text}\u{1}")
}

/// Returns the ranges that lie under a prefix of whole segments, which may be empty, and inside of a scope, behind a name where one is
/// given: in order and without overlap.
pub(super) fn ranges(prefix: &str, scope: &Scope, after: Option<&str>) -> Vec<Range> {
    let wanted = covered(prefix);
    let mut ranges = match scope {
        Scope::All => wanted,
        Scope::AllBut(hidden) => common(&wanted, &gaps(&all(hidden))),
        Scope::Only(shown) => common(&wanted, &all(shown)),
    };
    if let Some(after) = after.map(behind) {
        ranges.retain(|(_, end)| *end > after);
        if let Some((first, _)) = ranges.first_mut()
            && *first < after
        {
            *first = after;
        }
    }
    ranges
}

/// Returns the ranges that a prefix covers: itself, and what begins with it and a slash. Names such as `team-a` lie between `team` and
/// `team/a`.
fn covered(prefix: &str) -> Vec<Range> {
    if prefix.is_empty() {
        return vec![(String::new(), char::MAX.to_string())];
    }
    // `0` is the character behind the slash.
    vec![
        (prefix.to_owned(), behind(prefix)),
        (format!("{prefix}/"), format!("{prefix}0")),
    ]
}

fn all(prefixes: &Prefixes) -> Vec<Range> {
    let mut ranges: Vec<Range> = prefixes.iter().flat_map(covered).collect();
    ranges.sort_unstable();
    ranges
}

/// Returns what lies before, between and behind ranges that are in order and do not overlap.
fn gaps(ranges: &[Range]) -> Vec<Range> {
    let ends = std::iter::once("").chain(ranges.iter().map(|(_, end)| end.as_str()));
    let last = char::MAX.to_string();
    let firsts = ranges.iter().map(|(first, _)| first.as_str()).chain([last.as_str()]);
    let gaps = ends.zip(firsts).filter(|(end, first)| end < first);
    gaps.map(|(end, first)| (end.to_owned(), first.to_owned())).collect()
}

/// Returns what lies in both of two lists of ranges, each in order and without overlap.
fn common(one: &[Range], other: &[Range]) -> Vec<Range> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut common = Vec::new();
    while let (Some((a, a_end)), Some((b, b_end))) = (one.peek(), other.peek()) {
        let (first, end) = (a.max(b), a_end.min(b_end));
        if first < end {
            common.push((first.clone(), end.clone()));
        }
        // Whichever ends first cannot meet anything more.
        if a_end <= b_end {
            one.next();
        } else {
            other.next();
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oci::Repository;

    fn names() -> impl Strategy<Value = Vec<String>> {
        let segment = prop::sample::select(vec!["a", "b", "a-b", "a.b", "ab", "a0", "b/a"]);
        let name = prop::collection::vec(segment, 1..4).prop_map(|segments| segments.join("/"));
        prop::collection::vec(name, 0..12)
    }

    proptest! {
        #[test]
        fn ranges_hold_exactly_what_a_scope_covers(
            scoped in names(), others in names(), prefix in names(), after in prop::option::of(names()), only in any::<bool>(),
        ) {
            let prefixes = Prefixes::new(scoped.iter().map(|name| name.parse().unwrap())).unwrap();
            let scope = if only { Scope::Only(prefixes) } else { Scope::all_but(prefixes) };
            let prefix = prefix.first().map_or("", String::as_str);
            let after = after.as_deref().and_then(<[String]>::first).map(String::as_str);
            let ranges = ranges(prefix, &scope, after);
            prop_assert!(ranges.iter().all(|(first, end)| first < end), "{ranges:?}");
            prop_assert!(ranges.windows(2).all(|two| two[0].1 <= two[1].0), "{ranges:?}");
            for name in others.iter().chain(&scoped) {
                let repository: Repository = name.parse().unwrap();
                let expected = repository.is_under(prefix) && scope.covers(&repository) && after.is_none_or(|after| name.as_str() > after);
                let held = ranges.iter().any(|(first, end)| first <= name && name < end);
                prop_assert_eq!(held, expected, "{} in {:?}", name, ranges);
            }
        }
    }
}
