//! The addresses that answers carry: every `Location`, `Link`, `url` and command is made from what is here.
//!
//! A proxy that serves other things as well puts a path in front of the gateway's own, which `origin` in `[http]` names. It takes that path
//! away before it passes a request on: no path that comes in has it, and every one that goes out does.

use std::fmt::Display;

use axum::http::{HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Gateway, request::value};

/// What is escaped in the parameters of links: everything but unreserved characters (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Says why a text is not where clients reach a gateway: scheme, authority and, where a proxy mounts it below one, a path.
pub(super) fn bad_origin(origin: &str) -> Option<String> {
    let good = origin.parse::<Uri>().is_ok_and(|uri| {
        let authority = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        let climbs = path(origin)
            .split('/')
            .skip(1)
            .any(|segment| matches!(segment, "" | "." | ".."));
        authority && !climbs && matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none()
    });
    let good = good && !origin.ends_with('/') && !origin.contains('#');
    let expected =
        "an address such as \"https://registry.example\" or \"https://example.com/registry\", without a slash at its end";
    (!good).then(|| format!("{origin:?} is not {expected}"))
}

/// Returns what stands behind the scheme of an origin, which is also what stands before a repository in a reference.
pub(super) fn registry(origin: &str) -> &str {
    origin.split_once("://").map_or(origin, |(_, registry)| registry)
}

/// Returns the path of an origin: empty, or with a `/` in front and none at its end.
fn path(origin: &str) -> &str {
    let registry = registry(origin);
    registry.find('/').and_then(|at| registry.get(at..)).unwrap_or_default()
}

impl Gateway {
    /// Returns where clients find one of the gateway's paths.
    pub(super) fn url(&self, own_path: impl Display) -> String {
        let before = self.config.origin.as_deref().map_or("", path);
        format!("{before}{own_path}")
    }

    /// Returns the `Link` to the next page of a list (RFC 8288).
    pub(super) fn next_link(&self, own_path: impl Display, parameters: &[(&str, &str)]) -> HeaderValue {
        let pairs = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ESCAPED)));
        let query = pairs.collect::<Vec<_>>().join("&");
        value(format!("<{}?{query}>; rel=\"next\"", self.url(own_path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_a_path_or_none() {
        for (origin, expected) in [
            ("https://registry.example", ("registry.example", "")),
            ("http://[::1]:5000", ("[::1]:5000", "")),
            (
                "https://example.com/tools/registry",
                ("example.com/tools/registry", "/tools/registry"),
            ),
        ] {
            assert_eq!(
                ((registry(origin), path(origin)), bad_origin(origin)),
                (expected, None),
                "{origin}"
            );
        }
        for bad in [
            "https://example.com/a//b",
            "https://example.com/../b",
            "https://",
            "https:///a",
            "/a",
            "a",
        ] {
            assert!(bad_origin(bad).is_some(), "{bad}");
        }
    }
}
