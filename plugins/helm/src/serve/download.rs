//! Which repository and tag the address of a packaged chart means, and which address a chart is given.
//!
//! The address of a file holds the repository, because two repositories may hold charts of one name:
//! `<prefix>/charts/<repository below the prefix>/<name>-<version>.tgz`. People also write the short form of other servers,
//! `<prefix>/charts/<name>-<version>.tgz`, which means the repository `<prefix>/<name>`.

use crate::chart::version;

use super::listing::Release;
use super::route::join;

/// The most repositories and tags that are tried for one address.
const CANDIDATES_MAX: usize = 32;

/// Where a file may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The full name of the repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
}

/// Splits the segments of an address into all readings, the one that an index means first, and says whether the provenance file is
/// asked for.
pub fn candidates(segments: &[String]) -> (Vec<Candidate>, bool) {
    let Some((file, folders)) = segments.split_last() else {
        return (Vec::new(), false);
    };
    let (package, is_provenance) = file
        .strip_suffix(".prov")
        .map_or((file.as_str(), false), |package| (package, true));
    let Some(stem) = package.strip_suffix(".tgz") else {
        return (Vec::new(), is_provenance);
    };
    let mut found: Vec<Candidate> = Vec::new();
    for (at, _) in folders.iter().enumerate().filter(|(_, folder)| *folder == "charts") {
        let (before, below) = (
            folders.get(..at).unwrap_or_default(),
            folders.get(at + 1..).unwrap_or_default(),
        );
        for candidate in readings(&before.join("/"), below, stem) {
            if !found.contains(&candidate) && found.len() < CANDIDATES_MAX {
                found.push(candidate);
            }
        }
    }
    (found, is_provenance)
}

/// The readings of an address whose keyword stands between two folders.
fn readings(before: &str, below: &[String], stem: &str) -> Vec<Candidate> {
    let candidate = |repository: String, version: &str| Candidate {
        repository,
        tag: version::tag(version),
    };
    let Some(basename) = below.last() else {
        return splits(stem)
            .map(|(name, version)| candidate(join(before, name), version))
            .collect();
    };
    let repository = join(before, &below.join("/"));
    let own = stem
        .strip_prefix(basename.as_str())
        .and_then(|rest| rest.strip_prefix('-'))
        .filter(|rest| is_version(rest));
    let others = splits(stem).map(|(_, version)| version);
    own.into_iter()
        .chain(others)
        .map(|version| candidate(repository.clone(), version))
        .collect()
}

/// All ways to read a file name as name and version.
fn splits(stem: &str) -> impl Iterator<Item = (&str, &str)> {
    stem.match_indices('-').filter_map(|(at, _)| {
        let (name, version) = (stem.get(..at)?, stem.get(at + 1..)?);
        (!name.is_empty() && is_version(version)).then_some((name, version))
    })
}

fn is_version(text: &str) -> bool {
    version::lenient(text).is_some()
}

/// The address of a packaged chart, relative to the repository that a client knows as `<mount>/<prefix>`.
///
/// The first `charts` in the whole path is the keyword when it is read again. Where the prefix holds that word itself, or is the
/// repository, the address begins at the mount.
pub fn url(prefix: &str, release: &Release) -> String {
    let is_ambiguous = prefix.split('/').any(|segment| segment == "charts");
    let below = release
        .repository
        .strip_prefix(prefix)
        .map(|below| below.trim_start_matches('/'));
    let below = below.filter(|below| !is_ambiguous && !below.is_empty());
    let mut url = String::new();
    if below.is_none() && !prefix.is_empty() {
        prefix.split('/').for_each(|_| url.push_str("../"));
    }
    url.push_str("charts/");
    url.push_str(below.unwrap_or(&release.repository));
    url.push('/');
    encode(&release.name, &mut url);
    url.push('-');
    encode(&version::of_tag(&release.tag), &mut url);
    url.push_str(".tgz");
    url
}

/// Writes text as part of a path segment.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~+".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(path: &str) -> Option<String> {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        let (candidates, _) = candidates(&segments);
        candidates
            .first()
            .map(|candidate| format!("{}:{}", candidate.repository, candidate.tag))
    }

    #[test]
    fn addresses_mean_a_repository_and_a_tag() {
        for (path, expected) in [
            ("charts/web/web-1.0.0.tgz", Some("web:1.0.0")),
            ("charts/web-1.0.0.tgz", Some("web:1.0.0")),
            ("team/charts/web-1.0.0+b.tgz", Some("team/web:1.0.0_b")),
            ("team/charts/sub/web/web-1.0.0.tgz", Some("team/sub/web:1.0.0")),
            (
                "charts/team/cert-manager/cert-manager-v1.2.3.tgz",
                Some("team/cert-manager:v1.2.3"),
            ),
            ("charts/team/other/web-1.0.0.tgz", Some("team/other:1.0.0")),
            ("charts/web/web-1.0.0-rc-1.tgz", Some("web:1.0.0-rc-1")),
            ("charts/web-2/web-2-1.0.0.tgz", Some("web-2:1.0.0")),
            ("charts/charts/web/web-1.0.0.tgz", Some("charts/web:1.0.0")),
            ("charts/web/web.tgz", None),
            ("charts/web/web-latest.tgz", None),
            ("charts/web/web-1.0.0.zip", None),
        ] {
            assert_eq!(first(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn further_readings_follow() {
        let segments = ["a", "charts", "b", "charts", "c", "c-1.0.0.tgz.prov"].map(str::to_owned);
        let (found, is_provenance) = candidates(&segments);
        let repositories: Vec<_> = found.iter().map(|candidate| candidate.repository.as_str()).collect();
        assert_eq!(
            (repositories.as_slice(), is_provenance),
            (&["a/b/charts/c", "a/charts/b/c"][..], true)
        );
        let many = vec!["charts".to_owned(); 100];
        let segments: Vec<String> = many.into_iter().chain(["a-1-1-1-1-1-1-1-1.tgz".to_owned()]).collect();
        assert!(candidates(&segments).0.len() <= CANDIDATES_MAX);
    }

    #[test]
    fn addresses_lead_back_to_the_repository() {
        for (prefix, repository, name, tag, expected) in [
            ("", "web", "web", "1.0.0", "charts/web/web-1.0.0.tgz"),
            ("", "team/web", "web", "1.0.0", "charts/team/web/web-1.0.0.tgz"),
            ("team", "team/web", "web", "1.0.0_b.1", "charts/web/web-1.0.0+b.1.tgz"),
            ("team", "team/other", "web", "1.0.0", "charts/other/web-1.0.0.tgz"),
            ("team/web", "team/web", "web", "1.0.0", "../../charts/team/web/web-1.0.0.tgz"),
            ("charts", "charts/web", "web", "1.0.0", "../charts/charts/web/web-1.0.0.tgz"),
            (
                "a/charts/b",
                "a/charts/b/c",
                "c",
                "1.0.0",
                "../../../charts/a/charts/b/c/c-1.0.0.tgz",
            ),
            ("a", "a/b/charts/c", "c", "1.0.0", "charts/b/charts/c/c-1.0.0.tgz"),
            ("", "web", "my chart?", "1.0.0", "charts/web/my%20chart%3F-1.0.0.tgz"),
        ] {
            let release = Release {
                repository: repository.into(),
                name: name.into(),
                tag: tag.into(),
                ..Release::default()
            };
            let url = url(prefix, &release);
            assert_eq!(url, expected);
            let path = match url.strip_prefix("../") {
                Some(_) => url.trim_start_matches("../").to_owned(),
                None => join(prefix, &url),
            };
            assert_eq!(first(&path), Some(format!("{repository}:{tag}")), "{path}");
        }
    }
}
