//! Sets of repositories, by the prefixes of their names: what somebody may see.
//!
//! A scope cannot be wrong by a slip of the pen: a prefix that no repository can have is refused and never kept as one that covers nothing.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error};

use super::{NameError, Repository};

/// The most prefixes of one set. A list under a scope looks into the index once for each gap between them, some microseconds each.
const PREFIXES_MAX: usize = 1_000;

/// Why a text is no prefix of repository names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Nothing was given.
    #[error("the empty prefix is not allowed, since it would cover every repository: name the first segment at least")]
    Empty,
    /// There is a slash at an end.
    #[error("prefix {0:?} begins or ends with a slash: write {1:?}, which covers the repository of that name and all below it")]
    Slash(String, String),
    /// It could not begin any name.
    #[error("prefix {0:?} covers no repository: {1}")]
    Name(String, NameError),
    /// There are too many.
    #[error("{0} prefixes are too many; at most {PREFIXES_MAX} are allowed")]
    TooMany(usize),
}

/// The beginning of repository names, in whole segments: `team` covers `team` and `team/a` but not `teams`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(Repository);

impl Prefix {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let shown = |text: &str| text.chars().take(80).collect::<String>();
        let name = text.trim_matches('/');
        match name.parse() {
            _ if name.is_empty() => Err(PrefixError::Empty),
            Ok(_) if name != text => Err(PrefixError::Slash(shown(text), shown(name))),
            Ok(name) => Ok(Self(name)),
            Err(error) => Err(PrefixError::Name(shown(text), error)),
        }
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Some prefixes, sorted, of which none covers another. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Prefixes(Arc<[Prefix]>);

impl Prefixes {
    /// Takes prefixes in any order, also some that others cover.
    ///
    /// # Errors
    /// [`PrefixError::TooMany`] where more than 1 000 are left.
    pub fn new(prefixes: impl IntoIterator<Item = Prefix>) -> Result<Self, PrefixError> {
        let all: BTreeSet<Prefix> = prefixes.into_iter().collect();
        let covered = |prefix: &Prefix| above(prefix.as_str()).any(|above| contains(&all, above));
        let outermost: Vec<Prefix> = all.iter().filter(|prefix| !covered(prefix)).cloned().collect();
        if outermost.len() > PREFIXES_MAX {
            return Err(PrefixError::TooMany(outermost.len()));
        }
        Ok(Self(outermost.into()))
    }

    /// Says whether one of them covers a name, or everything below a prefix of names.
    #[must_use]
    pub fn cover(&self, name: &str) -> bool {
        let held = |name: &str| self.0.binary_search_by(|prefix| prefix.as_str().cmp(name)).is_ok();
        held(name) || above(name).any(held)
    }

    /// Returns those that lie below a prefix of names, of which the empty one covers all.
    pub fn below<'a>(&'a self, outer: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |prefix| prefix.0.is_under(outer))
            .map(Prefix::as_str)
    }

    /// Returns all of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.below("")
    }
}

/// Returns the names of whole segments that lie above a name.
fn above(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').filter_map(|(at, _)| name.get(..at))
}

fn contains(prefixes: &BTreeSet<Prefix>, name: &str) -> bool {
    name.parse().is_ok_and(|name| prefixes.contains(&Prefix(name)))
}

impl Default for Prefixes {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl<'de> Deserialize<'de> for Prefixes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Which repositories somebody may see. What lies outside does not exist for them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Scope {
    /// Every repository.
    #[default]
    All,
    /// Every repository but those that the prefixes cover.
    AllBut(Prefixes),
    /// The repositories that the prefixes cover, and no others.
    Only(Prefixes),
}

impl Scope {
    /// Returns the scope of every repository but those that the prefixes cover.
    #[must_use]
    pub fn all_but(hidden: Prefixes) -> Self {
        if hidden.0.is_empty() {
            Self::All
        } else {
            Self::AllBut(hidden)
        }
    }

    /// Says whether it covers every repository, also those that are still to come.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Says whether a repository lies inside.
    #[must_use]
    pub fn covers(&self, repository: &Repository) -> bool {
        match self {
            Self::All => true,
            Self::AllBut(hidden) => !hidden.cover(repository.as_str()),
            Self::Only(shown) => shown.cover(repository.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(names: &[&str]) -> Prefixes {
        Prefixes::new(names.iter().map(|name| name.parse().unwrap())).unwrap()
    }

    #[test]
    fn prefixes_that_would_cover_nothing_are_refused() {
        let error = |text: &str| text.parse::<Prefix>().unwrap_err().to_string();
        assert!("team/secret".parse::<Prefix>().is_ok());
        assert!(error("").contains("the empty prefix") && error("//").contains("the empty prefix"));
        for bad in ["secret/", "/secret", "/secret/", "secret//"] {
            assert!(error(bad).contains("write \"secret\""), "{bad}");
        }
        for bad in ["Secret", "secret*", "a//b", " secret", "sécret", "..", "a:b", "a@b"] {
            assert!(error(bad).contains("covers no repository"), "{bad}");
        }
    }

    #[test]
    fn what_another_covers_is_left_out() {
        let some = prefixes(&["team/a", "team", "teams", "b/c", "team-a", "b"]);
        assert_eq!(some.iter().collect::<Vec<_>>(), ["b", "team", "team-a", "teams"]);
        assert_eq!(some.below("team").collect::<Vec<_>>(), ["team"]);
        assert_eq!(prefixes(&["b/c", "b/d", "bc"]).below("b").collect::<Vec<_>>(), ["b/c", "b/d"]);
        let many = |n: usize| Prefixes::new((0..n).map(|n| format!("r{n}").parse().unwrap()));
        assert!(many(PREFIXES_MAX).is_ok());
        assert_eq!(many(PREFIXES_MAX + 1), Err(PrefixError::TooMany(PREFIXES_MAX + 1)));
    }

    #[test]
    fn scopes_cover_whole_segments() {
        let some = prefixes(&["secret", "team/b"]);
        let inside = ["secret", "secret/x", "team/b", "team/b/c"];
        let outside = ["secrets", "team/a", "team/bb", "team", "secret-x", "a/secret"];
        for (names, covered) in [(inside.as_slice(), true), (&outside, false)] {
            for name in names {
                let repository: Repository = name.parse().unwrap();
                assert_eq!(Scope::Only(some.clone()).covers(&repository), covered, "{name}");
                assert_eq!(Scope::AllBut(some.clone()).covers(&repository), !covered, "{name}");
                assert!(Scope::All.covers(&repository) && !Scope::Only(Prefixes::default()).covers(&repository));
            }
        }
    }
}
