//! Entries, in order and by their words.

use rusqlite::{Row, params};

use super::ranges::ranges;
use crate::{
    metadata::{
        EntryItem, Metadata, MetadataError,
        columns::{limit, parsed, tags},
        dialect::{by_index, gathered, listed, number, words_artifact, words_match},
        entry::{Query, scoped},
        readers::Read,
    },
    oci::Scope,
};

/// The most tags that an item names.
const TAGS_MAX: usize = 1_000;

const TYPES: &str = "SELECT id, name FROM types ORDER BY name";
// Types are told apart inside the index: what is skipped costs next to nothing, and the order needs no sorting.
const ENTRIES: &str = concat!(
    "SELECT j.repository, j.digest, y.name, (SELECT ",
    gathered!("tag"),
    " FROM (SELECT tag FROM tags WHERE artifact_id = j.artifact_id ORDER BY tag LIMIT ?6) t), j.entry
    FROM judgements j",
    by_index!("entries_in_order"),
    " JOIN types y ON y.id = j.type_id
    WHERE j.entry IS NOT NULL AND (j.repository, j.digest) > (?1, ?2) AND j.repository < ?3
        AND j.type_id IN (SELECT ",
    number!(),
    " FROM ",
    listed!("?4"),
    ") ORDER BY j.repository, j.digest LIMIT ?5"
);
const FOUND: &str = concat!(
    "SELECT j.repository, j.digest, y.name, (SELECT ",
    gathered!("tag"),
    " FROM (SELECT tag FROM tags WHERE artifact_id = j.artifact_id ORDER BY tag LIMIT ?6) t), j.entry
    FROM (SELECT m.artifact_id FROM words w CROSS JOIN judgements m WHERE m.artifact_id = ",
    words_artifact!(),
    " AND ",
    words_match!("?3"),
    " AND (m.repository, m.digest) > (?1, ?2) AND m.type_id IN (SELECT ",
    number!(),
    " FROM ",
    listed!("?4"),
    ") ORDER BY m.repository, m.digest LIMIT ?5) f
    JOIN judgements j ON j.artifact_id = f.artifact_id JOIN types y ON y.id = j.type_id
    ORDER BY j.repository, j.digest"
);

/// All but those whose plans have no index to show: the list of types, which is as long as there are types that plugins claimed, and the
/// full-text index.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[ENTRIES];
#[cfg(test)]
pub(super) const UNPLANNED: &[&str] = &[TYPES, FOUND];

impl Metadata {
    /// Returns up to `n` entries of artifacts under a prefix of whole segments and inside of a scope, of these types (a trailing `*` makes a
    /// pattern), sorted by repository and digest, after a repository and digest.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn entries(
        &self,
        scope: &Scope,
        prefix: &str,
        types: &[String],
        after: Option<(&str, &str)>,
        n: usize,
    ) -> Result<Vec<EntryItem>, MetadataError> {
        let (types, page) = (types.to_vec(), Page::new(scope, prefix, after, n));
        let work = move |read: &Read<'_>| page.entries(read, &list(&types_of(read, &types)?));
        self.readers().read(work).await
    }

    /// Returns up to `n` entries of a scope in which every word of a query begins a word of title, summary, keywords or repository, of a type
    /// where one is given, sorted and paged as [`Metadata::entries`] does.
    ///
    /// # Errors
    /// Fails where the database does.
    pub async fn search(
        &self,
        scope: &Scope,
        query: &str,
        artifact_type: Option<&str>,
        after: Option<(&str, &str)>,
        n: usize,
    ) -> Result<Vec<EntryItem>, MetadataError> {
        let words = match Query::parse(query) {
            Query::Everything => None,
            Query::Nothing => return Ok(Vec::new()),
            Query::Words(words) => match scoped(&words, scope) {
                Some(words) => Some(words),
                None => return Ok(Vec::new()),
            },
        };
        let (artifact_type, page) = (artifact_type.map(str::to_owned), Page::new(scope, "", after, n));
        let work = move |read: &Read<'_>| {
            let wanted = |name: &str| artifact_type.as_ref().is_none_or(|claim| claims(claim, name));
            let types = list(&type_ids(read, wanted)?);
            match words {
                None => page.entries(read, &types),
                Some(words) => page.found(read, &words, &types),
            }
        };
        self.readers().read(work).await
    }
}

/// A page of entries.
struct Page {
    scope: Scope,
    prefix: String,
    /// Behind which repository and digest it begins.
    after: (String, String),
    n: usize,
}

impl Page {
    fn new(scope: &Scope, prefix: &str, after: Option<(&str, &str)>, n: usize) -> Self {
        let (repository, digest) = after.unwrap_or_default();
        Self {
            scope: scope.clone(),
            prefix: prefix.to_owned(),
            after: (repository.to_owned(), digest.to_owned()),
            n,
        }
    }

    fn found(&self, read: &Read<'_>, words: &str, types: &str) -> Result<Vec<EntryItem>, MetadataError> {
        let (repository, digest) = &self.after;
        let params = params![repository, digest, words, types, limit(self.n), limit(TAGS_MAX)];
        read.rows(FOUND, params, read_item)
    }

    fn entries(&self, read: &Read<'_>, types: &str) -> Result<Vec<EntryItem>, MetadataError> {
        let after = (self.after.0.as_str(), self.after.1.as_str());
        let mut found = Vec::new();
        for (first, end) in ranges(&self.prefix, &self.scope, None) {
            let rest = self.n.saturating_sub(found.len());
            if rest == 0 {
                break;
            }
            if end.as_str() <= after.0 {
                continue;
            }
            let (repository, digest) = after.max((first.as_str(), ""));
            let params = params![repository, digest, end, types, limit(rest), limit(TAGS_MAX)];
            found.extend(read.rows(ENTRIES, params, read_item)?);
        }
        Ok(found)
    }
}

/// Returns the rows of these types (a trailing `*` makes a pattern).
pub(super) fn types_of(read: &Read<'_>, claimed: &[String]) -> Result<Vec<i64>, MetadataError> {
    type_ids(read, |name| claimed.iter().any(|claim| claims(claim, name)))
}

/// Returns the rows of the types with a property.
fn type_ids(read: &Read<'_>, wanted: impl Fn(&str) -> bool) -> Result<Vec<i64>, MetadataError> {
    let all = read.rows(TYPES, [], |row| {
        Ok((row.get::<_, i64>(0)?, wanted(row.get_ref(1)?.as_str()?)))
    })?;
    Ok(all.into_iter().filter(|(_, wanted)| *wanted).map(|(id, _)| id).collect())
}

/// Writes the rows of types as a JSON array.
fn list(types: &[i64]) -> String {
    serde_json::to_string(types).expect("a list of numbers is JSON")
}

fn claims(claim: &str, name: &str) -> bool {
    claim
        .strip_suffix('*')
        .map_or(claim == name, |beginning| name.starts_with(beginning))
}

fn read_item(row: &Row<'_>) -> rusqlite::Result<EntryItem> {
    Ok(EntryItem {
        repository: parsed(row, 0)?,
        digest: parsed(row, 1)?,
        artifact_type: row.get(2)?,
        tags: tags(row, 3)?,
        entry: row.get(4)?,
    })
}
