//! From a raw path with names in it to what is meant. The router knows the paths without.
//!
//! Repository names contain slashes and may contain words such as `manifests`, so no table of patterns can tell routes apart. The path is
//! split on `/`, each segment is decoded once, and the keywords of the distribution protocol are looked for from the right;
//! `_portolan` from its first occurrence, since no repository segment begins with `_`.

use std::borrow::Cow;

use crate::{
    oci::{Digest, DigestError, NameError, Reference, Repository},
    plugin_host::RESERVED_MOUNTS,
};

/// What a path with names in it names.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Route {
    /// `/v2/{repository}/_oci/ext/discover`
    Discover,
    /// `/v2/_portolan/plugins/{name}`
    Plugin(String),
    /// `/v2/{repository}/tags/list`
    Tags(Repository),
    /// `/v2/{repository}/manifests/{reference}`
    Manifest(Repository, Reference),
    /// `/v2/{repository}/blobs/{digest}`
    Blob(Repository, Digest),
    /// `/v2/{repository}/blobs/uploads/`
    Uploads(Repository),
    /// `/v2/{repository}/blobs/uploads/{session}`
    Upload(Repository, String),
    /// `/v2/{repository}/referrers/{digest}`
    Referrers(Repository, Digest),
    /// `/v2/{repository}/_portolan/artifacts/{reference}`
    Artifact(Repository, Reference),
    /// `/v2/{repository}/_portolan/artifacts/{reference}/views/{view}`
    View(Repository, Reference, String),
    /// `/v2/{repository}/_portolan/artifacts/{reference}/findings`
    Findings(Repository, Reference),
    /// `/v2/{repository}/_portolan/artifacts/{reference}/compare/{reference}`
    Compare(Repository, Reference, Reference),
    /// `/.well-known/{document}`
    WellKnown(String),
    /// `/{mount}/...`, with the decoded path below the mount
    Service(String, String),
}

/// Why a path names nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum RouteError {
    /// A segment cannot be decoded, or would mean another path once decoded.
    #[error("the path has a segment that is not allowed: {0:?}")]
    Segment(String),
    /// There is nothing of this form.
    #[error("there is nothing at this path")]
    Unknown,
    /// The repository or tag is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The digest is malformed.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// Reads a raw path.
pub(super) fn parse(path: &str) -> Result<Route, RouteError> {
    let rest = path.strip_prefix('/').ok_or(RouteError::Unknown)?;
    let segments = rest.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    match segments.as_slice() {
        ["v2", rest @ ..] => distribution(rest),
        [".well-known", document] => Ok(Route::WellKnown((*document).to_owned())),
        [mount, rest @ ..] if !RESERVED_MOUNTS.contains(mount) => Ok(Route::Service((*mount).to_owned(), rest.join("/"))),
        _ => Err(RouteError::Unknown),
    }
}

/// Decodes one segment once. What would name another path afterwards is refused.
fn decode(segment: &str) -> Result<Cow<'_, str>, RouteError> {
    let refuse = || RouteError::Segment(segment.chars().take(80).collect());
    if !segment.contains('%') {
        // Most paths have nothing to decode, and nothing in a segment divides it.
        return match segment {
            "." | ".." => Err(refuse()),
            _ if segment.bytes().any(|byte| matches!(byte, b'\\' | 0)) => Err(refuse()),
            _ => Ok(Cow::Borrowed(segment)),
        };
    }
    let decoded = percent_encoding::percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| refuse())?;
    if matches!(decoded.as_ref(), "." | "..") || decoded.contains(['/', '\\', '\0']) {
        return Err(refuse());
    }
    Ok(decoded)
}

/// Reads what follows `/v2/`.
fn distribution(segments: &[&str]) -> Result<Route, RouteError> {
    if let Some(at) = segments.iter().position(|segment| *segment == "_portolan") {
        let (repository, rest) = segments.split_at(at);
        return extension(repository, rest.get(1..).unwrap_or_default());
    }
    match segments {
        [name @ .., "_oci", "ext", "discover"] => repository(name).map(|_| Route::Discover),
        [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => Ok(Route::Uploads(repository(name)?)),
        [name @ .., "blobs", "uploads", session] => Ok(Route::Upload(repository(name)?, (*session).to_owned())),
        [name @ .., "tags", "list"] => Ok(Route::Tags(repository(name)?)),
        [name @ .., "manifests", reference] => Ok(Route::Manifest(repository(name)?, reference.parse()?)),
        [name @ .., "blobs", digest] => Ok(Route::Blob(repository(name)?, digest.parse()?)),
        [name @ .., "referrers", digest] => Ok(Route::Referrers(repository(name)?, digest.parse()?)),
        _ => Err(RouteError::Unknown),
    }
}

/// Reads what follows `_portolan`.
fn extension(name: &[&str], segments: &[&str]) -> Result<Route, RouteError> {
    match (name, segments) {
        ([], ["plugins", plugin]) => Ok(Route::Plugin((*plugin).to_owned())),
        ([_, ..], ["artifacts", reference]) => Ok(Route::Artifact(repository(name)?, reference.parse()?)),
        ([_, ..], ["artifacts", reference, "views", view]) => {
            Ok(Route::View(repository(name)?, reference.parse()?, (*view).to_owned()))
        }
        ([_, ..], ["artifacts", reference, "findings"]) => Ok(Route::Findings(repository(name)?, reference.parse()?)),
        ([_, ..], ["artifacts", before, "compare", after]) => {
            Ok(Route::Compare(repository(name)?, before.parse()?, after.parse()?))
        }
        _ => Err(RouteError::Unknown),
    }
}

fn repository(segments: &[&str]) -> Result<Repository, RouteError> {
    Ok(segments.join("/").parse()?)
}

impl Route {
    /// Returns the name under which logs and metrics count the route.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Plugin(_) => "plugin",
            Self::Tags(_) => "tags",
            Self::Manifest(..) => "manifest",
            Self::Blob(..) => "blob",
            Self::Uploads(_) => "uploads",
            Self::Upload(..) => "upload",
            Self::Referrers(..) => "referrers",
            Self::Artifact(..) => "artifact",
            Self::View(..) => "view",
            Self::Findings(..) => "findings",
            Self::Compare(..) => "compare",
            Self::WellKnown(_) => "well-known",
            Self::Service(..) => "service",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Repository {
        text.parse().unwrap()
    }

    #[test]
    fn keywords_are_matched_from_the_right() {
        let manifest = |repository, tag: &str| Route::Manifest(name(repository), tag.parse().unwrap());
        let cases = [
            ("/v2/a/manifests/v1", manifest("a", "v1")),
            ("/v2/a/manifests/manifests/v1", manifest("a/manifests", "v1")),
            ("/v2/a/blobs/uploads/manifests/v1", manifest("a/blobs/uploads", "v1")),
            ("/v2/manifests/blobs/uploads/", Route::Uploads(name("manifests"))),
            ("/v2/tags/list/tags/list", Route::Tags(name("tags/list"))),
            ("/v2/a/manifests/list", manifest("a", "list")),
            ("/v2/a/blobs/uploads/x", Route::Upload(name("a"), "x".into())),
            (
                "/v2/a/_portolan/artifacts/v1/views/readme",
                Route::View(name("a"), "v1".parse().unwrap(), "readme".into()),
            ),
            (
                "/v2/artifacts/_portolan/artifacts/v1",
                Route::Artifact(name("artifacts"), "v1".parse().unwrap()),
            ),
            ("/v2/a/manifests/v%31", manifest("a", "v1")),
            ("/x/team/index.yaml", Route::Service("x".into(), "team/index.yaml".into())),
            ("/x", Route::Service("x".into(), String::new())),
            ("/v2/_portolan/plugins/x", Route::Plugin("x".into())),
            ("/v2/a/_oci/ext/discover", Route::Discover),
            ("/.well-known/x", Route::WellKnown("x".into())),
        ];
        for (path, expected) in cases {
            assert_eq!(parse(path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn paths_that_mean_another_once_decoded_are_refused() {
        for path in [
            "/v2/a/../b/manifests/v1",
            "/v2/a/%2e%2e/manifests/v1",
            "/v2/a%2fb/manifests/v1",
            "/v2/a/blobs/%00",
            "/v2/a%5cb/tags/list",
            "/x/../v2/",
            "/x/%2E/y",
            "/v2/a/manifests/%ff",
        ] {
            assert!(matches!(parse(path), Err(RouteError::Segment(_))), "{path}");
        }
        for path in [
            "/v2/A/manifests/v1",
            "/v2//manifests/v1",
            "/v2/a/manifests/v%252e",
            "/v2/_x/tags/list",
        ] {
            assert!(matches!(parse(path), Err(RouteError::Name(_))), "{path}");
        }
        for path in [
            "/v2/a",
            "/v2/a/unknown/b",
            "/v2/_portolan/other",
            "/v2",
            "/v2/_portolan/artifacts/v1",
        ] {
            assert_eq!(parse(path), Err(RouteError::Unknown), "{path}");
        }
    }

    #[test]
    fn no_service_answers_where_the_gateway_does() {
        for mount in RESERVED_MOUNTS {
            for path in [format!("/{mount}"), format!("/{mount}/"), format!("/{mount}/x/y")] {
                assert!(!matches!(parse(&path), Ok(Route::Service(..))), "{path}");
            }
        }
        // A mount that is spelt with escapes is the same mount.
        assert_eq!(parse("/he%61lthz"), Err(RouteError::Unknown));
    }

    proptest! {
        #[test]
        fn a_repository_of_keywords_is_found_again(
            segments in prop::collection::vec(prop::sample::select(vec!["manifests", "blobs", "uploads", "tags", "list", "referrers", "a", "v2"]), 1..6),
            tag in "[a-z][a-z0-9]{0,5}",
        ) {
            let repository = segments.join("/");
            let expected = Route::Manifest(name(&repository), tag.parse().unwrap());
            prop_assert_eq!(parse(&format!("/v2/{repository}/manifests/{tag}")), Ok(expected));
            prop_assert_eq!(parse(&format!("/v2/{repository}/tags/list")), Ok(Route::Tags(name(&repository))));
            prop_assert_eq!(parse(&format!("/v2/{repository}/blobs/uploads/")), Ok(Route::Uploads(name(&repository))));
        }

        #[test]
        fn no_path_yields_a_segment_that_climbs(path in "(/[a-z.%2eEfF5cC/]{0,8}){1,6}") {
            if let Ok(Route::Service(mount, rest)) = parse(&path) {
                prop_assert!(mount != ".." && rest.split('/').all(|segment| segment != ".." && segment != "." && !segment.contains('\\')));
            }
        }
    }
}
