//! Versions as Helm reads them.

use semver::{BuildMetadata, Prerelease, Version};

/// Reads a version the way Helm does when it loads a chart: a `v` in front, missing parts and leading zeros are forgiven.
pub fn lenient(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = split(text, '+');
    let (numbers, pre) = split(text, '-');
    let mut parts = numbers.split('.');
    let major = number(parts.next()?)?;
    let minor = parts.next().map_or(Some(0), number)?;
    let patch = parts.next().map_or(Some(0), number)?;
    if parts.next().is_some() {
        return None;
    }
    let pre = pre.map_or(Some(Prerelease::EMPTY), |pre| {
        Prerelease::new(pre).ok().filter(|pre| !pre.is_empty())
    })?;
    let build = build.map_or(Some(BuildMetadata::EMPTY), |build| {
        BuildMetadata::new(build).ok().filter(|build| !build.is_empty())
    })?;
    Some(Version {
        major,
        minor,
        patch,
        pre,
        build,
    })
}

/// Reads a version by the letter of Semantic Versioning 2.
pub fn strict(text: &str) -> Option<Version> {
    Version::parse(text).ok()
}

/// The tag under which Helm stores a version: tags cannot hold `+`.
pub fn tag(version: &str) -> String {
    version.replace('+', "_")
}

/// The version that a tag means.
pub fn of_tag(tag: &str) -> String {
    tag.replace('_', "+")
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lenient_versions() {
        for (text, expected) in [
            ("1.2.3", Some("1.2.3")),
            ("v1.2", Some("1.2.0")),
            ("1", Some("1.0.0")),
            ("01.002.3", Some("1.2.3")),
            ("1.2.3-rc.1+build.7", Some("1.2.3-rc.1+build.7")),
            ("1.2.3-a-b", Some("1.2.3-a-b")),
            ("1.2.3-01", None),
            ("1.2.3-", None),
            ("1.2.3+", None),
            ("1.2.3.4", None),
            ("1..3", None),
            ("latest", None),
            ("", None),
            (" 1.0.0", None),
            ("+1.0.0", None),
            ("99999999999999999999.0.0", None),
        ] {
            assert_eq!(
                lenient(text).map(|version| version.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn strict_versions() {
        for (text, expected) in [
            ("1.2.3", true),
            ("1.2.3+b", true),
            ("v1.2.3", false),
            ("1.2", false),
            ("01.2.3", false),
        ] {
            assert_eq!(strict(text).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn tags_and_versions() {
        assert_eq!(tag("1.0.0+a.b"), "1.0.0_a.b");
        assert_eq!(of_tag("1.0.0_a.b"), "1.0.0+a.b");
    }
}
