//! Preconditions of requests (RFC 9110, section 13): the one place that reads them.
//!
//! Everything here has an entity tag or none, and nothing has a date of modification: conditions on dates are ignored, as the specification
//! wants it. A change never happens on a condition that cannot be read.

use axum::http::{HeaderMap, HeaderName, header};

use super::error::HttpError;
use crate::{oci::Digest, registry::Expected};

/// What a request makes a condition.
pub(super) struct Conditions {
    matches: Option<Tags>,
    none_match: Option<Tags>,
}

/// The entity tags that a condition names.
#[derive(Debug, PartialEq)]
enum Tags {
    /// `*`: that of whatever there is.
    Any,
    /// These, in quotes.
    These(Vec<Tag>),
    /// What cannot be read.
    Unreadable,
}

/// One entity tag.
#[derive(Debug, PartialEq)]
struct Tag {
    weak: bool,
    /// The opaque part with its quotes, as an `ETag` of ours has it.
    quoted: String,
}

/// How entity tags are compared (RFC 9110, section 8.8.3.2). Ours are strong.
#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Strong,
    Weak,
}

impl Conditions {
    /// Reads the conditions of a request.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            matches: tags(headers, &header::IF_MATCH),
            none_match: tags(headers, &header::IF_NONE_MATCH),
        }
    }

    /// Says whether the request makes anything a condition.
    pub(super) fn are_any(&self) -> bool {
        self.matches.is_some() || self.none_match.is_some()
    }

    /// Says for a read whether the client has what there is already.
    ///
    /// # Errors
    /// 412 where the client wants another version.
    pub(super) fn client_has(&self, etag: &str) -> Result<bool, HttpError> {
        if self.matches.as_ref().is_some_and(|tags| !tags.name(etag, Comparison::Strong)) {
            return Err(HttpError::unmet(format!(
                "the entity tag is {etag}, which If-Match does not name"
            )));
        }
        let tags = self.none_match.as_ref();
        Ok(tags.is_some_and(|tags| tags.name(etag, Comparison::Weak)))
    }

    /// Returns what a change expects of the manifest that its reference means.
    pub(super) fn expected(&self) -> Vec<Expected> {
        let never = || Expected::OneOf(Vec::new());
        let matches = self.matches.iter().map(|tags| match tags {
            Tags::Any => Expected::Something,
            Tags::These(tags) => Expected::OneOf(digests(tags, Comparison::Strong)),
            Tags::Unreadable => never(),
        });
        let none_match = self.none_match.iter().map(|tags| match tags {
            Tags::Any => Expected::Nothing,
            Tags::These(tags) => Expected::NoneOf(digests(tags, Comparison::Weak)),
            Tags::Unreadable => never(),
        });
        matches.chain(none_match).collect()
    }

    /// Checks a change of what is there with this entity tag and can have no other, or has none.
    ///
    /// # Errors
    /// 412 where a condition does not hold.
    pub(super) fn check_change(&self, etag: Option<&str>) -> Result<(), HttpError> {
        let named = |tags: &Tags, comparison| etag.is_some_and(|etag| tags.name(etag, comparison));
        if self.matches.as_ref().is_some_and(|tags| !named(tags, Comparison::Strong)) {
            return Err(HttpError::unmet("If-Match names no entity tag of what is to be changed"));
        }
        let tags = self.none_match.as_ref();
        if tags.is_some_and(|tags| *tags == Tags::Unreadable || named(tags, Comparison::Weak)) {
            return Err(HttpError::unmet(
                "If-None-Match names the entity tag of what is to be changed",
            ));
        }
        Ok(())
    }
}

impl Tags {
    /// Says whether an entity tag of ours is among these.
    fn name(&self, etag: &str, comparison: Comparison) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|tag| tag.quoted == etag && tag.counts(comparison)),
            Self::Unreadable => false,
        }
    }
}

impl Tag {
    fn counts(&self, comparison: Comparison) -> bool {
        !self.weak || comparison == Comparison::Weak
    }
}

/// Returns the digests among entity tags: a manifest has no other tag.
fn digests(tags: &[Tag], comparison: Comparison) -> Vec<Digest> {
    let counting = tags.iter().filter(|tag| tag.counts(comparison));
    counting.filter_map(|tag| tag.quoted.trim_matches('"').parse().ok()).collect()
}

/// Says whether a range is wanted of what has this entity tag: not where the client asks for it on the condition of another version, or of
/// a date.
pub(super) fn wants_range(headers: &HeaderMap, etag: &str) -> bool {
    let condition = headers.get(header::IF_RANGE);
    // The comparison is a strong one: a weak tag and a date are no tag of ours.
    condition.is_none_or(|condition| condition.to_str().is_ok_and(|condition| condition.trim() == etag))
}

/// Reads the entity tags of a header, which may be spread over several lines.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Tags> {
    let mut lines = headers.get_all(name).iter().peekable();
    lines.peek()?;
    let mut tags = Vec::new();
    for (at, line) in lines.enumerate() {
        let Ok(line) = line.to_str() else {
            return Some(Tags::Unreadable);
        };
        if line.trim() == "*" && at == 0 && headers.get_all(name).iter().count() == 1 {
            return Some(Tags::Any);
        }
        if read(line, &mut tags).is_none() {
            return Some(Tags::Unreadable);
        }
    }
    Some(Tags::These(tags))
}

/// Reads a list of entity tags. A tag without quotes, which some clients make of a digest, is taken for one with them.
fn read(list: &str, tags: &mut Vec<Tag>) -> Option<()> {
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(());
        }
        let opaque = rest.strip_prefix("W/").unwrap_or(rest);
        let weak = opaque.len() < rest.len();
        let (text, behind) = match opaque.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => opaque.split_at(opaque.find([' ', '\t', ',']).unwrap_or(opaque.len())),
        };
        // A star stands alone.
        if text == "*" && opaque.starts_with('*') {
            return None;
        }
        if !text.bytes().all(|byte| byte == b'!' || (b'#'..=b'~').contains(&byte)) {
            return None;
        }
        let quoted = format!("\"{text}\"");
        tags.push(Tag { weak, quoted });
        rest = behind.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"";

    fn digest() -> Digest {
        ETAG.trim_matches('"').parse().unwrap()
    }

    fn with(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), line.parse().unwrap())).collect()
    }

    fn client_has(lines: &[&str]) -> bool {
        Conditions::of(&with(&header::IF_NONE_MATCH, lines)).client_has(ETAG).unwrap()
    }

    #[test]
    fn what_the_client_has_is_compared_weakly() {
        let bare = ETAG.trim_matches('"');
        let weak = format!("W/{ETAG}");
        let list = format!("\"a,b\",,\t{ETAG} , \"c\"");
        for lines in [&[ETAG][..], &["*"], &[&weak], &[&list], &["\"a\"", ETAG], &[bare]] {
            assert!(client_has(lines), "{lines:?}");
        }
        let unbalanced = format!("{ETAG}, \"");
        let inside = format!("\"a {bare} b\"");
        let two = format!("\"a\" {ETAG}");
        let lower = format!("w/{ETAG}");
        for lines in [
            &["\"a\""][..],
            &[""],
            &[&unbalanced],
            &[&inside],
            &[&two],
            &[&lower],
            &["*, \"a\""],
            &["*", ETAG],
        ] {
            assert!(!client_has(lines), "{lines:?}");
        }
    }

    #[test]
    fn what_the_client_wants_is_compared_strongly() {
        let wants = |line: &str| Conditions::of(&with(&header::IF_MATCH, &[line])).client_has(ETAG).is_ok();
        assert!(wants(ETAG) && wants("*") && wants(&format!("\"a\", {ETAG}")));
        assert!(!wants(&format!("W/{ETAG}")) && !wants("\"a\"") && !wants("\"") && !wants(""));
    }

    #[test]
    fn changes_expect_what_their_conditions_say() {
        let expected = |name: &HeaderName, line: &str| Conditions::of(&with(name, &[line])).expected();
        let weak = format!("W/{ETAG}, \"other\"");
        assert_eq!(expected(&header::IF_MATCH, "*"), [Expected::Something]);
        assert_eq!(expected(&header::IF_MATCH, ETAG), [Expected::OneOf(vec![digest()])]);
        assert_eq!(expected(&header::IF_MATCH, &weak), [Expected::OneOf(Vec::new())]);
        assert_eq!(expected(&header::IF_NONE_MATCH, "*"), [Expected::Nothing]);
        assert_eq!(expected(&header::IF_NONE_MATCH, &weak), [Expected::NoneOf(vec![digest()])]);
        for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
            assert_eq!(expected(&name, "\"a"), [Expected::OneOf(Vec::new())]);
        }
        assert_eq!(Conditions::of(&HeaderMap::new()).expected(), []);
    }

    #[test]
    fn what_has_one_entity_tag_or_none_is_changed_where_the_conditions_hold() {
        let changes =
            |name: &HeaderName, line: &str, etag: Option<&str>| Conditions::of(&with(name, &[line])).check_change(etag).is_ok();
        assert!(changes(&header::IF_MATCH, "*", Some(ETAG)) && changes(&header::IF_MATCH, ETAG, Some(ETAG)));
        assert!(!changes(&header::IF_MATCH, "\"a\"", Some(ETAG)) && !changes(&header::IF_MATCH, "*", None));
        assert!(changes(&header::IF_NONE_MATCH, "\"a\"", Some(ETAG)) && changes(&header::IF_NONE_MATCH, "*", None));
        assert!(!changes(&header::IF_NONE_MATCH, "*", Some(ETAG)) && !changes(&header::IF_NONE_MATCH, "\"a", None));
    }

    #[test]
    fn ranges_are_wanted_of_the_version_that_the_client_has() {
        let wants = |line: &str| wants_range(&with(&header::IF_RANGE, &[line]), ETAG);
        assert!(wants(ETAG) && wants_range(&HeaderMap::new(), ETAG));
        assert!(!wants("\"a\"") && !wants(&format!("W/{ETAG}")) && !wants("Sat, 28 Nov 2026 00:00:00 GMT") && !wants("x"));
    }
}
