//! Names: repositories, tags and references, by the grammar of the distribution specification, section "Pulling manifests".

use std::{fmt, str::FromStr, sync::Arc};

use super::Digest;

/// The longest repository name that is accepted, in bytes. Many clients limit host and name together to 255 characters.
const REPOSITORY_BYTES_MAX: usize = 255;
/// The longest tag, in bytes: the grammar allows one character and up to 127 more.
const TAG_BYTES_MAX: usize = 128;

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The repository name is longer than 255 bytes.
    #[error("the repository name has {0} bytes; at most {REPOSITORY_BYTES_MAX} are allowed")]
    RepositoryLength(usize),
    /// The repository name does not follow the grammar.
    #[error(
        "repository name {0:?} is not valid: it consists of segments separated by `/`, each of lower-case letters and digits, \
         separated inside by one `.`, one or two `_`, or any number of `-`"
    )]
    Repository(String),
    /// The tag does not follow the grammar.
    #[error(
        "tag {0:?} is not valid: a tag has 1 to {TAG_BYTES_MAX} letters, digits, `_`, `.` and `-`, and starts with none of the last two"
    )]
    Tag(String),
    /// The reference has a colon, but is no digest.
    #[error("{0:?} is not a digest: {1}")]
    Digest(String, super::DigestError),
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

/// The full name of a repository, for example `team/images/web`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository(Arc<str>);

impl Repository {
    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether the repository lies under a prefix of whole segments; the empty prefix covers everything.
    #[must_use]
    pub fn is_under(&self, prefix: &str) -> bool {
        prefix.is_empty()
            || self
                .0
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Returns every prefix that covers the repository: the empty one, each run of leading segments, and the name itself.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        let cuts = self.0.match_indices('/').map(|(at, _)| at).chain([self.0.len()]);
        std::iter::once("").chain(cuts.filter_map(|at| self.0.get(..at)))
    }
}

/// Says whether one segment follows `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_segment(segment: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !segment.starts_with(alphanumeric) || !segment.ends_with(alphanumeric) {
        return false;
    }
    segment
        .split(alphanumeric)
        .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-'))
}

impl FromStr for Repository {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > REPOSITORY_BYTES_MAX {
            return Err(NameError::RepositoryLength(text.len()));
        }
        if !text.split('/').all(is_segment) {
            return Err(NameError::Repository(shown(text)));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tag, by `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

impl Tag {
    /// Returns the tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let good = (1..=TAG_BYTES_MAX).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with(['.', '-']);
        if good {
            Ok(Self(text.into()))
        } else {
            Err(NameError::Tag(shown(text)))
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What names a manifest inside a repository.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Reference {
    /// A tag.
    Tag(Tag),
    /// A digest.
    Digest(Digest),
}

impl FromStr for Reference {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains(':') {
            let digest = text.parse().map_err(|error| NameError::Digest(shown(text), error))?;
            return Ok(Self::Digest(digest));
        }
        text.parse().map(Self::Tag)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_follow_the_grammar() {
        for good in [
            "a",
            "a/b",
            "team/images/web",
            "a.b",
            "a_b",
            "a__b",
            "a---b",
            "manifests",
            "a/blobs/tags",
            "0",
        ] {
            assert!(good.parse::<Repository>().is_ok(), "{good}");
        }
        let long = "a".repeat(256);
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a..b",
            "a___b",
            "a._b",
            "-a",
            "a-",
            "..",
            "a/../b",
            "a b",
            "ä",
            "_portolan",
            &long,
        ] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
    }

    #[test]
    fn prefixes_are_whole_segments() {
        let repository: Repository = "team/a/b".parse().unwrap();
        assert_eq!(repository.prefixes().collect::<Vec<_>>(), ["", "team", "team/a", "team/a/b"]);
        assert!(repository.is_under("team/a") && repository.is_under("") && repository.is_under("team/a/b"));
        assert!(!repository.is_under("tea") && !repository.is_under("team/a/b/c"));
    }

    #[test]
    fn tags_and_digests_are_told_apart() {
        let longest = "a".repeat(128);
        for good in ["v1", "_x", "1.0.0_build", &longest] {
            assert!(matches!(good.parse(), Ok(Reference::Tag(_))), "{good}");
        }
        for bad in ["", ".a", "-a", "a+b", "a/b", "sha256:00", &"a".repeat(129)] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
        assert!(matches!(Digest::sha256(b"x").as_str().parse(), Ok(Reference::Digest(_))));
    }
}
