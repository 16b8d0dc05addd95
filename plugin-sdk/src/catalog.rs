//! What a service may read of the registry.

use std::collections::VecDeque;

use serde::Deserialize;

use crate::{Artifact, Entry, Error, bindings::catalog};

/// One artifact that the caller may read, with what its indexer said.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CatalogItem {
    /// The full name of the repository.
    pub repository: String,
    /// The tags of the artifact.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The digest of the manifest.
    pub digest: String,
    /// The entry.
    pub entry: Entry,
}

/// One page of [`Catalog::entries_page`], parsed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CatalogPage {
    /// The artifacts, by repository.
    pub items: Vec<CatalogItem>,
    /// Where the next page starts. The last page has none.
    #[serde(default)]
    pub next: Option<String>,
}

/// The repositories and artifacts that the caller of the request may read. What the caller may not read does not exist here.
///
/// A `prefix` is whole path segments of a repository name, without a `/` at either end; the empty prefix covers everything. Lists
/// are sorted bytewise.
#[derive(Debug)]
pub struct Catalog {
    handle: catalog::Catalog,
}

impl Catalog {
    /// The most items of one page.
    const PAGE_MAX: u32 = 1_000;

    pub(crate) fn of(handle: catalog::Catalog) -> Self {
        Self { handle }
    }

    /// Returns a word that changes whenever anything does that the caller may read under the prefix.
    pub fn revision(&self, prefix: &str) -> String {
        self.handle.revision(prefix)
    }

    /// Returns the full names of all repositories under the prefix, and asks for them page by page.
    pub fn repositories(&self, prefix: &str) -> impl Iterator<Item = String> {
        let page = |after: Option<&str>| Ok(self.handle.repositories(prefix, after, Self::PAGE_MAX));
        Names {
            page,
            names: VecDeque::new(),
            last: None,
            ended: false,
        }
        .map_while(Result::ok)
    }

    /// Returns all tags of a repository, and asks for them page by page. After an error nothing follows.
    ///
    /// Fails with [`Error::NOT_FOUND`] where the caller can see no such repository.
    pub fn tags(&self, repository: &str) -> impl Iterator<Item = Result<String, Error>> {
        let page = |after: Option<&str>| Ok(self.handle.tags(repository, after, Self::PAGE_MAX)?);
        Names {
            page,
            names: VecDeque::new(),
            last: None,
            ended: false,
        }
    }

    /// Returns the artifacts under the prefix, of one artifact type or of all that this plugin claims, and asks for them page by
    /// page. After an error nothing follows.
    pub fn entries(&self, prefix: &str, artifact_type: Option<&str>) -> impl Iterator<Item = Result<CatalogItem, Error>> {
        let page = move |after: Option<&str>| {
            let text = self.entries_page(prefix, artifact_type, after, Self::PAGE_MAX)?;
            serde_json::from_str(&text)
                .map_err(|error| Error::new(Error::INVALID, format!("A page of the catalogue cannot be read: {error}.")))
        };
        Items {
            page,
            items: VecDeque::new(),
            next: None,
            ended: false,
        }
    }

    /// Returns one page of artifacts as the gateway sends it: the text of a JSON object with the members of [`CatalogPage`], at
    /// most 8 MiB. It is for those who need a part of it only and read that part themselves.
    ///
    /// Fails with [`Error::INVALID`] where `after` is not the `next` of an earlier page.
    pub fn entries_page(
        &self,
        prefix: &str,
        artifact_type: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<String, Error> {
        Ok(self.handle.entries(prefix, artifact_type, after, limit)?)
    }

    /// Opens an artifact by tag or digest.
    ///
    /// Fails with [`Error::NOT_FOUND`] where the caller can see no such artifact.
    pub fn open(&self, repository: &str, reference: &str) -> Result<Artifact, Error> {
        Ok(Artifact::of(self.handle.open(repository, reference)?))
    }
}

/// Names page by page. A page that is not full can have a successor: only the empty one is the last.
struct Names<P> {
    page: P,
    names: VecDeque<String>,
    last: Option<String>,
    ended: bool,
}

impl<P: FnMut(Option<&str>) -> Result<Vec<String>, Error>> Iterator for Names<P> {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.names.is_empty() && !self.ended {
            match (self.page)(self.last.as_deref()) {
                Ok(names) => {
                    self.ended = names.is_empty();
                    self.last = names.last().cloned();
                    self.names = names.into();
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        self.names.pop_front().map(Ok)
    }
}

/// Artifacts page by page. A page can be empty and still have a successor: the one without `next` is the last.
struct Items<P> {
    page: P,
    items: VecDeque<CatalogItem>,
    next: Option<String>,
    ended: bool,
}

impl<P: FnMut(Option<&str>) -> Result<CatalogPage, Error>> Iterator for Items<P> {
    type Item = Result<CatalogItem, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.items.is_empty() && !self.ended {
            match (self.page)(self.next.as_deref()) {
                Ok(page) => {
                    self.ended = page.next.is_none();
                    self.next = page.next;
                    self.items = page.items.into();
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        self.items.pop_front().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(digest: &str) -> CatalogItem {
        CatalogItem {
            repository: "r".into(),
            tags: vec![],
            digest: digest.into(),
            entry: Entry::new("t"),
        }
    }

    #[test]
    fn names_go_on_after_a_short_page_and_end_with_an_empty_one() {
        let mut asked = Vec::new();
        let page = |after: Option<&str>| {
            asked.push(after.map(str::to_owned));
            Ok(match after {
                None => vec!["a".to_owned(), "b".to_owned()],
                Some("b") => vec!["c".to_owned()],
                _ => vec![],
            })
        };
        let names = Names {
            page,
            names: VecDeque::new(),
            last: None,
            ended: false,
        };
        let all = names.collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(all, ["a", "b", "c"]);
        assert_eq!(asked, [None, Some("b".to_owned()), Some("c".to_owned())]);
    }

    #[test]
    fn an_error_is_the_last_name() {
        let page = |_: Option<&str>| Err(Error::new(Error::NOT_FOUND, "There is no such repository."));
        let mut names = Names {
            page,
            names: VecDeque::new(),
            last: None,
            ended: false,
        };
        assert!(names.next().unwrap().unwrap_err().is(Error::NOT_FOUND));
        assert!(names.next().is_none());
    }

    #[test]
    fn items_go_on_after_an_empty_page() {
        let page = |after: Option<&str>| {
            Ok(match after {
                None => CatalogPage {
                    items: vec![item("1")],
                    next: Some("x".into()),
                },
                Some("x") => CatalogPage {
                    items: vec![],
                    next: Some("y".into()),
                },
                _ => CatalogPage {
                    items: vec![item("2")],
                    next: None,
                },
            })
        };
        let items = Items {
            page,
            items: VecDeque::new(),
            next: None,
            ended: false,
        };
        let digests = items.map(|item| item.unwrap().digest).collect::<Vec<_>>();
        assert_eq!(digests, ["1", "2"]);
    }

    #[test]
    fn a_page_is_read_as_the_gateway_writes_it() {
        let text = r#"{"items":[{"repository":"a/b","tags":["1"],"digest":"sha256:0","entry":{"title":"b","keywords":[],
            "references":[{"kind":"image","target":"i","properties":"{\"x\":1}"}],"document":{"k":[1]}}}],"next":"n"}"#;
        let page: CatalogPage = serde_json::from_str(text).unwrap();
        let expected = Entry::new("b")
            .reference(crate::Reference::new("image", "i").property("x", 1))
            .document(serde_json::json!({ "k": [1] }));
        assert_eq!(page.items[0].entry, expected);
        assert_eq!(page.next.as_deref(), Some("n"));
    }
}
