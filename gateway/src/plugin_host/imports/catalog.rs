//! What a service may read of the registry: only what the caller of its request may read.

use std::fmt::Write as _;

use wasmtime::component::Resource;

use super::{Answered, error, shown};
use crate::{
    oci::{Digest, Reference, Repository, Tag},
    plugin_host::{
        bindings::portolan::plugin::catalog,
        plugin::Plugin,
        resources::{ArtifactHandle, CatalogHandle},
        state::{State, storage_fault},
    },
    registry::{EntryCursor, EntryItem, Reader, RegistryError},
};

/// The most items of one page.
const PAGE_ITEMS_MAX: usize = 1_000;
/// How many entries are read at once while a page is filled. With the largest documents these are 16 MiB.
const BATCH_ITEMS: usize = 64;
/// The largest page of entries in bytes.
const PAGE_BYTES_MAX: usize = 8 << 20;
/// The longest artifact type in bytes.
const TYPE_BYTES_MAX: usize = 255;

impl catalog::Host for State {}

impl catalog::HostCatalog for State {
    fn revision(&mut self, catalog: Resource<CatalogHandle>, prefix: String) -> wasmtime::Result<String> {
        let Some(reader) = self.reader_of(&catalog, &prefix, None)? else {
            return Ok(String::new());
        };
        let revision = self.wait(reader.revision(&prefix, None))?;
        let plugin = &self.table.get(&catalog)?.plugin;
        // Another version or other settings of the plugin count as a change as well.
        Ok(format!(
            "{revision}-{}-{}",
            short(&plugin.stamp.component),
            short(&plugin.stamp.settings)
        ))
    }

    fn repositories(
        &mut self,
        catalog: Resource<CatalogHandle>,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Vec<String>> {
        let Some(reader) = self.reader_of(&catalog, &prefix, None)? else {
            return Ok(Vec::new());
        };
        let found = self.wait(reader.repositories(&prefix, after.as_deref(), items(limit)))?;
        Ok(found.iter().map(Repository::to_string).collect())
    }

    fn tags(
        &mut self,
        catalog: Resource<CatalogHandle>,
        repository: String,
        after: Option<String>,
        limit: u32,
    ) -> Answered<Vec<String>> {
        let unknown = || {
            Ok(Err(error(
                "not-found",
                format!("There is no repository {}.", shown(&repository)),
            )))
        };
        let Ok(name) = repository.parse::<Repository>() else {
            return unknown();
        };
        let Some(reader) = self.reader_of(&catalog, &repository, None)? else {
            return unknown();
        };
        match self.wait_for(reader.tags(&name, after.as_deref(), items(limit)))? {
            Ok(tags) => Ok(Ok(tags.iter().map(Tag::to_string).collect())),
            Err(RegistryError::RepositoryUnknown(_)) => unknown(),
            Err(error) => Err(storage_fault(&error).into()),
        }
    }

    fn entries(
        &mut self,
        catalog: Resource<CatalogHandle>,
        prefix: String,
        artifact_type: Option<String>,
        after: Option<String>,
        limit: u32,
    ) -> Answered<String> {
        let cursor = match after.as_deref().map(cursor) {
            Some(None) => return Ok(Err(error("invalid", "`after` does not come from an earlier page."))),
            Some(cursor) => cursor,
            None => None,
        };
        if artifact_type.as_ref().is_some_and(|kind| kind.len() > TYPE_BYTES_MAX) {
            return Ok(Err(error(
                "invalid",
                format!("An artifact type has at most {TYPE_BYTES_MAX} bytes."),
            )));
        }
        let types = match artifact_type {
            Some(kind) => vec![kind],
            None => self.table.get(&catalog)?.plugin.claimed(),
        };
        let Some(reader) = self.reader_of(&catalog, &prefix, Some(&types))? else {
            return Ok(Ok("{\"items\":[]}".into()));
        };
        let page = self.page(&reader, &prefix, &types, cursor, items(limit));
        page.map(Ok)
    }

    fn open(
        &mut self,
        catalog: Resource<CatalogHandle>,
        repository: String,
        reference: String,
    ) -> Answered<Resource<ArtifactHandle>> {
        let unknown = || {
            Ok(Err(error(
                "not-found",
                format!("There is no artifact {} in {}.", shown(&reference), shown(&repository)),
            )))
        };
        let (Ok(name), Ok(wanted)) = (repository.parse::<Repository>(), reference.parse::<Reference>()) else {
            return unknown();
        };
        let Some(reader) = self.reader_of(&catalog, &repository, None)? else {
            return unknown();
        };
        match self.wait_for(reader.open(&name, &wanted))? {
            Ok(artifact) => {
                let artifact_type = self.table.get(&catalog)?.plugin.type_of(&artifact);
                let handle = ArtifactHandle {
                    artifact,
                    artifact_type,
                    reader,
                    depth: 0,
                    sealed: false,
                };
                Ok(Ok(self.table.push(handle)?))
            }
            Err(RegistryError::ManifestUnknown(..) | RegistryError::RepositoryUnknown(_)) => {
                // What the gateway attaches has a digest and may come at any time, without a revision that moves.
                self.reads.unsettled |= matches!(wanted, Reference::Digest(_));
                unknown()
            }
            Err(fault @ RegistryError::Unreadable { .. }) => Ok(Err(error("invalid", fault.to_string()))),
            Err(error) => Err(storage_fault(&error).into()),
        }
    }

    fn drop(&mut self, catalog: Resource<CatalogHandle>) -> wasmtime::Result<()> {
        self.table.delete(catalog)?;
        Ok(())
    }
}

impl State {
    /// Notes that something under a prefix is read, entries of some types or anything, and returns what reads it. What is no prefix covers
    /// nothing.
    fn reader_of(
        &mut self,
        catalog: &Resource<CatalogHandle>,
        prefix: &str,
        types: Option<&[String]>,
    ) -> wasmtime::Result<Option<Reader>> {
        self.clock.check()?;
        if !prefix.is_empty() && prefix.parse::<Repository>().is_err() {
            return Ok(None);
        }
        let reader = self.table.get(catalog)?.reader.clone();
        self.note(&reader, prefix, types)?;
        Ok(Some(reader))
    }

    /// Fills a page of entries, in batches: never more than a batch lies beside it in memory.
    fn page(
        &mut self,
        reader: &Reader,
        prefix: &str,
        types: &[String],
        mut cursor: Option<EntryCursor>,
        limit: usize,
    ) -> wasmtime::Result<String> {
        let mut page = Page::new();
        loop {
            self.clock.check()?;
            let wanted = BATCH_ITEMS.min(limit.saturating_sub(page.items));
            let (batch, next) = self.wait(reader.entries(prefix, types, cursor.as_ref(), wanted))?;
            for item in &batch {
                if !page.add(item) {
                    return Ok(page.end(true));
                }
            }
            page.last = next.clone().or(page.last.take());
            cursor = next;
            if cursor.is_none() || page.items >= limit {
                return Ok(page.end(cursor.is_some()));
            }
        }
    }
}

/// A page of entries that is being filled.
struct Page {
    text: String,
    items: usize,
    /// Behind what the page ends.
    last: Option<EntryCursor>,
}

impl Page {
    fn new() -> Self {
        Self {
            text: "{\"items\":[".into(),
            items: 0,
            last: None,
        }
    }

    /// Appends an item. Returns whether there was room.
    fn add(&mut self, item: &EntryItem) -> bool {
        // What surrounds an entry is below 1 000 tags of 128 bytes, a repository name, a digest and the cursor.
        let tags =
            serde_json::to_string(&item.tags.iter().map(Tag::as_str).collect::<Vec<_>>()).expect("a list of strings is JSON");
        let room = PAGE_BYTES_MAX.saturating_sub(self.text.len());
        let needed = item.entry.len() + tags.len() + item.repository.as_str().len() * 2 + 1_024;
        if self.items > 0 && needed > room {
            return false;
        }
        let comma = if self.items > 0 { "," } else { "" };
        let (repository, digest, entry) = (&item.repository, &item.digest, &item.entry);
        // Repository names and digests need no escaping: their grammars have no quotes.
        write!(
            self.text,
            r#"{comma}{{"repository":"{repository}","tags":{tags},"digest":"{digest}","entry":{entry}}}"#
        )
        .expect("writing to a string cannot fail");
        self.items += 1;
        self.last = Some((repository.to_string(), digest.to_string()));
        true
    }

    fn end(mut self, more: bool) -> String {
        self.text.push(']');
        if let Some((repository, digest)) = self.last.filter(|_| more) {
            write!(self.text, r#","next":"{repository}@{digest}""#).expect("writing to a string cannot fail");
        }
        self.text.push('}');
        self.text
    }
}

/// Reads where a page goes on.
fn cursor(after: &str) -> Option<EntryCursor> {
    let (repository, digest) = after.split_once('@')?;
    let (repository, digest) = (repository.parse::<Repository>().ok()?, digest.parse::<Digest>().ok()?);
    Some((repository.to_string(), digest.to_string()))
}

fn items(limit: u32) -> usize {
    match usize::try_from(limit).unwrap_or(PAGE_ITEMS_MAX) {
        0 => PAGE_ITEMS_MAX,
        limit => limit.min(PAGE_ITEMS_MAX),
    }
}

fn short(digest: &Digest) -> &str {
    digest.hex().get(..8).unwrap_or_default()
}

impl Plugin {
    /// Returns the types that the plugin claims, patterns among them.
    fn claimed(&self) -> Vec<String> {
        self.spec.claims.iter().map(|claim| claim.artifact_type.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(n: usize, bytes: usize) -> EntryItem {
        EntryItem {
            repository: "team/a".parse().unwrap(),
            digest: Digest::sha256(&n.to_le_bytes()),
            artifact_type: "a/b".into(),
            tags: vec!["v1".parse().unwrap()],
            entry: format!("{{\"document\":\"{}\"}}", "x".repeat(bytes)),
        }
    }

    #[test]
    fn pages_are_json_and_end_before_they_grow_too_large() {
        let mut page = Page::new();
        assert!(page.add(&item(0, 10)) && page.add(&item(1, 10)));
        let text = page.end(true);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["items"][1]["repository"], "team/a");
        assert_eq!(value["items"][0]["tags"][0], "v1");
        let next = cursor(value["next"].as_str().unwrap()).unwrap();
        assert_eq!(next.1, Digest::sha256(&1_usize.to_le_bytes()).to_string());

        let mut page = Page::new();
        let added = (0..100).take_while(|n| page.add(&item(*n, 250 << 10))).count();
        assert!((30..33).contains(&added), "{added}");
        assert!(page.end(true).len() <= PAGE_BYTES_MAX);
    }

    #[test]
    fn limits_and_cursors_are_checked() {
        assert_eq!((items(0), items(5), items(5_000)), (1_000, 5, 1_000));
        for bad in ["", "team/a", "team/a@", "Team@sha256:00", "team/a@sha256:00"] {
            assert_eq!(cursor(bad), None, "{bad}");
        }
    }
}
