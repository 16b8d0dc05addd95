//! The chart versions that a prefix holds, read from the catalogue.
//!
//! A page of the catalogue is large and most of it is not needed here: only the fragment of each entry, which is the text of the
//! version in an index, is taken out of it. Nothing is parsed that is not used.

use std::borrow::Cow;
use std::cmp::Ordering;

use portolan_plugin_sdk::{Catalog, Error};
use semver::Version;
use serde::Deserialize;

use crate::chart::{CONFIG_TYPE, version};

use super::answer::Failure;
use super::route::join;

/// The most artifacts that a page is asked to hold.
const PAGE_MAX: u32 = 1_000;
/// The most bytes of fragments in one listing: far beyond the largest public repositories, and what fits into the memory of a guest
/// and into the answer that the gateway takes from one.
const LISTING_BYTES_MAX: usize = 48 * 1024 * 1024;

/// One version of a chart in one repository.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Release {
    /// The full name of the repository.
    pub repository: String,
    /// The tag by which it is pulled.
    pub tag: String,
    /// The digest of its manifest.
    pub digest: String,
    /// The name of the chart.
    pub name: String,
    /// The version of the chart.
    pub version: String,
    /// When it was made, where that is known.
    pub created: Option<String>,
    /// The text of this version in an index, a JSON object without its closing brace.
    pub fragment: String,
}

/// Which versions are looked for. Each part that is left out lets all pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// The name of the chart.
    pub name: Option<&'a str>,
    /// The version of the chart.
    pub version: Option<&'a str>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    items: Vec<Item<'a>>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    repository: Cow<'a, str>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(borrow)]
    digest: Cow<'a, str>,
    #[serde(borrow)]
    entry: Entry<'a>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    title: Cow<'a, str>,
    version: Option<String>,
    #[serde(default)]
    document: Document,
}

#[derive(Default, Deserialize)]
struct Document {
    created: Option<String>,
    fragment: Option<String>,
}

/// Collects the versions under a prefix, sorted by name and then by version, the newest first.
pub fn collect(catalog: &Catalog, prefix: &str, wanted: Wanted) -> Result<Vec<Release>, Failure> {
    let mut listing = Listing::default();
    let mut next = None;
    loop {
        let page = catalog.entries_page(prefix, Some(CONFIG_TYPE), next.as_deref(), PAGE_MAX)?;
        next = listing.absorb(&page, wanted)?;
        if next.is_none() {
            return Ok(listing.finish());
        }
    }
}

/// Finds the repositories that hold one version of a chart: that of the chart's own name, or else any under the prefix.
pub fn find(catalog: &Catalog, prefix: &str, name: &str, version: &str) -> Result<Vec<Release>, Failure> {
    let wanted = Wanted {
        name: Some(name),
        version: Some(version),
    };
    let own = join(prefix, name);
    let mut found = collect(catalog, &own, wanted)?;
    found.retain(|release| release.repository == own);
    if found.is_empty() {
        found = collect(catalog, prefix, wanted)?;
    }
    Ok(found)
}

/// A listing that is being collected.
#[derive(Default)]
pub struct Listing {
    releases: Vec<Release>,
    bytes: usize,
}

impl Listing {
    /// Takes in a page and returns where the next one starts.
    pub fn absorb(&mut self, page: &str, wanted: Wanted) -> Result<Option<String>, Failure> {
        let page: Page = serde_json::from_str(page)
            .map_err(|error| Error::new("unreadable", format!("A page of the catalogue cannot be read: {error}.")))?;
        for item in page.items {
            let is_wanted = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
            if !is_wanted(wanted.name, &item.entry.title)
                || !is_wanted(wanted.version, item.entry.version.as_deref().unwrap_or_default())
            {
                continue;
            }
            if let Some(release) = release(item) {
                self.bytes += release.fragment.len();
                self.releases.push(release);
            }
            if self.bytes > LISTING_BYTES_MAX {
                let message = format!(
                    "The metadata of all charts here has more than {LISTING_BYTES_MAX} bytes, too many for one index. Name a prefix of \
                     repositories, or a longer one."
                );
                return Err(Failure::new(400, message));
            }
        }
        Ok(page.next)
    }

    /// Sorts the versions, and leaves one of each in a repository: the one whose tag is its version, where there is one.
    pub fn finish(self) -> Vec<Release> {
        let mut sortable: Vec<(Option<Version>, Release)> = self
            .releases
            .into_iter()
            .map(|release| (version::lenient(&release.version), release))
            .collect();
        sortable.sort_by(|(left_version, left), (right_version, right)| {
            let by_name = left.name.cmp(&right.name);
            by_name
                .then_with(|| right_version.cmp(left_version))
                .then_with(|| within_version(left, right))
        });
        let mut releases: Vec<Release> = sortable.into_iter().map(|(_, release)| release).collect();
        releases.dedup_by(|later, first| {
            (&later.repository, &later.name, &later.version) == (&first.repository, &first.name, &first.version)
        });
        releases
    }
}

fn within_version(left: &Release, right: &Release) -> Ordering {
    let key = |release: &Release| release.tag != version::tag(&release.version);
    (&left.version, &left.repository, key(left), &left.tag).cmp(&(&right.version, &right.repository, key(right), &right.tag))
}

/// Makes the version of an artifact. One that no tag names as a version, or that was not indexed, is none.
fn release(item: Item) -> Option<Release> {
    let (name, version) = (item.entry.title.into_owned(), item.entry.version?);
    version::lenient(&version)?;
    let fragment = item
        .entry
        .document
        .fragment
        .filter(|fragment| fragment.starts_with('{') && fragment.len() > 1)?;
    let tag = tag(item.tags, &version)?;
    Some(Release {
        repository: item.repository.into_owned(),
        tag,
        digest: item.digest.into_owned(),
        name,
        version,
        created: item.entry.document.created,
        fragment,
    })
}

/// Chooses the tag that stands for the version: its own, or else the first that is a version at all.
fn tag(tags: Vec<String>, chart_version: &str) -> Option<String> {
    let own = version::tag(chart_version);
    if tags.contains(&own) {
        return Some(own);
    }
    tags.into_iter().find(|tag| version::strict(&version::of_tag(tag)).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn item(repository: &str, tags: &[&str], name: &str, version: &str) -> Value {
        let fragment = format!("{{\"name\":\"{name}\",\"version\":\"{version}\"");
        let document = json!({ "metadata": { "name": name }, "created": "2024-01-01T00:00:00Z", "fragment": fragment });
        let entry = json!({ "title": name, "version": version, "summary": "é\n", "keywords": [], "references": [], "document": document });
        json!({ "repository": repository, "tags": tags, "digest": "sha256:1", "entry": entry })
    }

    fn listed(items: &[Value], wanted: Wanted) -> Vec<String> {
        let mut listing = Listing::default();
        let page = json!({ "items": items, "next": "x" }).to_string();
        assert_eq!(listing.absorb(&page, wanted).unwrap().as_deref(), Some("x"));
        let shown = |release: &Release| format!("{}:{} {} {}", release.repository, release.tag, release.name, release.version);
        listing.finish().iter().map(shown).collect()
    }

    #[test]
    fn versions_are_sorted_and_unique_in_a_repository() {
        let items = [
            item("team/web", &["1.2.0", "stable"], "web", "1.2.0"),
            item("team/web", &["1.10.0"], "web", "1.10.0"),
            item("team/web", &["1.10.0-rc.1"], "web", "1.10.0-rc.1"),
            // The same version in another repository stays.
            item("other/web", &["1.2.0"], "web", "1.2.0"),
            // Another build of it under a tag of its own is shadowed by the one that has the right tag.
            item("team/web", &["0.0.1"], "web", "1.2.0"),
            item("team/api", &["2.0.0"], "api", "1.0.0"),
        ];
        let expected = [
            "team/api:2.0.0 api 1.0.0",
            "team/web:1.10.0 web 1.10.0",
            "team/web:1.10.0-rc.1 web 1.10.0-rc.1",
            "other/web:1.2.0 web 1.2.0",
            "team/web:1.2.0 web 1.2.0",
        ];
        assert_eq!(listed(&items, Wanted::default()), expected);
        assert_eq!(
            listed(
                &items,
                Wanted {
                    name: Some("api"),
                    version: None
                }
            ),
            ["team/api:2.0.0 api 1.0.0"]
        );
        assert_eq!(
            listed(
                &items,
                Wanted {
                    name: Some("web"),
                    version: Some("1.10.0")
                }
            ),
            ["team/web:1.10.0 web 1.10.0"]
        );
    }

    #[test]
    fn only_what_a_version_tag_names_is_listed() {
        for (tags, version, expected) in [
            (&["1.0.0_b"][..], "1.0.0+b", Some("1.0.0_b")),
            (&["stable", "v1.0.0"], "v1.0.0", Some("v1.0.0")),
            (&["1.0"], "1.0", Some("1.0")),
            (&["latest", "1.0.1"], "1.0.0", Some("1.0.1")),
            (&["stable"], "1.0.0", None),
            (&[], "1.0.0", None),
            (&["1.0.0"], "none", None),
        ] {
            let found = listed(&[item("web", tags, "web", version)], Wanted::default());
            let expected: Vec<_> = expected.iter().map(|tag| format!("web:{tag} web {version}")).collect();
            assert_eq!(found, expected, "{tags:?}");
        }
    }

    #[test]
    fn what_was_not_indexed_is_left_out() {
        let mut bare = item("web", &["1.0.0"], "web", "1.0.0");
        bare["entry"]["document"] = json!({});
        assert_eq!(listed(&[bare], Wanted::default()), [""; 0]);
        assert!(Listing::default().absorb("[]", Wanted::default()).is_err());
    }
}
