//! A chart repository out of the registry: Helm's classic protocol, and the API that ChartMuseum has.
//!
//! This file opens what a request needs and hands it on; which resource a path means, what an index looks like and what an upload
//! becomes are modules of their own, tested without a gateway. Everything is looked up before the answer is begun, so that a failure
//! can still be told in the client's own words.

pub mod answer;
pub mod download;
pub mod index;
pub mod instant;
pub mod listing;
pub mod multipart;
pub mod receive;
pub mod route;
pub mod upload;

use portolan_plugin_sdk::{Artifact, Catalog, Error, Request, Response};
use serde_json::json;

use crate::chart::{CHART_TYPE, LEGACY_CHART_TYPE, PROVENANCE_TYPE, version};
use crate::spec::MOUNT;

use answer::Failure;
use index::Writer;
use listing::{Release, Wanted};
use route::Route;

/// Answers a request.
pub fn serve(request: &Request, response: &Response, catalog: &Catalog) -> Result<(), Error> {
    let (path, method) = (request.path(), request.method());
    let Some(route) = route::parse(&path) else {
        let message = "There is nothing here. Charts are listed by <prefix>/index.yaml, and by <prefix>/api/charts for programs.";
        return answer::error(response, 404, message);
    };
    if !route.methods().contains(&method.as_str()) {
        let methods = route.methods().join(", ");
        response.header("allow", &methods)?;
        return answer::error(
            response,
            405,
            &format!("The method {method} is not possible here. Use one of {methods}."),
        );
    }
    let outcome = match (&route, method.as_str()) {
        (Route::Health, _) => answer::json(response, 200, &json!({ "healthy": true })).map_err(Failure::from),
        (Route::Index { prefix }, _) => index(request, response, catalog, prefix),
        (Route::Download { segments }, _) => download(response, catalog, segments),
        (Route::Charts { prefix }, "POST") => receive::chart(request, response, catalog, prefix),
        (Route::Charts { prefix }, _) => charts(request, response, catalog, prefix),
        (Route::Versions { prefix, name }, _) => versions(response, catalog, prefix, name),
        (Route::Version { prefix, name, version }, "DELETE") => delete(response, catalog, prefix, name, version),
        (Route::Version { prefix, name, version }, _) => one_version(response, catalog, prefix, name, version),
        (Route::Provenance { prefix }, _) => receive::provenance(request, response, catalog, prefix),
    };
    outcome.or_else(|failure| answer::failure(response, failure))
}

fn index(request: &Request, response: &Response, catalog: &Catalog, prefix: &str) -> Result<(), Failure> {
    let releases = listing::collect(catalog, prefix, Wanted::default())?;
    let context = context_path(&request.origin());
    write(response, "application/x-yaml", |writer| {
        writer.index(&releases, prefix, &context);
    })
}

/// Returns the path at which clients find this service: a proxy may serve the gateway below one of its own.
fn context_path(origin: &str) -> String {
    let registry = origin.split_once("://").map_or(origin, |(_, registry)| registry);
    let before = registry.find('/').and_then(|at| registry.get(at..)).unwrap_or_default();
    format!("{before}/{MOUNT}")
}

fn charts(request: &Request, response: &Response, catalog: &Catalog, prefix: &str) -> Result<(), Failure> {
    let query = request.query();
    let (offset, limit) = (number(&query, "offset")?, number(&query, "limit")?);
    let releases = listing::collect(catalog, prefix, Wanted::default())?;
    let page = index::page(&releases, offset.unwrap_or(0), limit);
    write(response, JSON, |writer| writer.charts(page, prefix))
}

fn versions(response: &Response, catalog: &Catalog, prefix: &str, name: &str) -> Result<(), Failure> {
    let releases = named(catalog, prefix, name)?;
    write(response, JSON, |writer| writer.versions(&releases, prefix))
}

fn one_version(response: &Response, catalog: &Catalog, prefix: &str, name: &str, version: &str) -> Result<(), Failure> {
    let releases = match version {
        "latest" => named(catalog, prefix, name)?.into_iter().filter(is_stable).collect(),
        _ => listing::find(catalog, prefix, name, version)?,
    };
    let release = releases.first().ok_or_else(|| no_version(name, version))?;
    write(response, JSON, |writer| writer.version(release, prefix))
}

/// The versions of a chart, of which there has to be one.
fn named(catalog: &Catalog, prefix: &str, name: &str) -> Result<Vec<Release>, Failure> {
    let wanted = Wanted {
        name: Some(name),
        version: None,
    };
    let releases = listing::collect(catalog, prefix, wanted)?;
    if releases.is_empty() {
        return Err(Failure::new(404, format!("There is no chart called {name:?} here.")));
    }
    Ok(releases)
}

fn is_stable(release: &Release) -> bool {
    version::lenient(&release.version).is_some_and(|version| version.pre.is_empty())
}

fn no_version(name: &str, version: &str) -> Failure {
    Failure::new(
        404,
        format!("There is no version {version:?} of a chart called {name:?} here."),
    )
}

/// Removes the tag of a version. Other tags, and the content while it has any, stay.
fn delete(response: &Response, catalog: &Catalog, prefix: &str, name: &str, version: &str) -> Result<(), Failure> {
    let release = only(listing::find(catalog, prefix, name, version)?, name, version)?;
    response.remove(&release.repository, &release.tag, Some(&release.digest))?;
    Ok(answer::json(response, 200, &json!({ "deleted": true }))?)
}

/// The one place of a version. To change one of several without being told which would be a guess.
fn only(releases: Vec<Release>, name: &str, version: &str) -> Result<Release, Failure> {
    const STATED_MAX: usize = 10;
    let repositories: Vec<&str> = releases
        .iter()
        .take(STATED_MAX)
        .map(|release| release.repository.as_str())
        .collect();
    if repositories.len() > 1 {
        let message = format!(
            "Several repositories hold version {version:?} of {name:?}: {}. Name a longer prefix, so that one is left.",
            repositories.join(", ")
        );
        return Err(Failure::new(409, message));
    }
    releases.into_iter().next().ok_or_else(|| no_version(name, version))
}

fn download(response: &Response, catalog: &Catalog, segments: &[String]) -> Result<(), Failure> {
    let (candidates, is_provenance) = download::candidates(segments);
    for candidate in candidates {
        let artifact = match catalog.open(&candidate.repository, &candidate.tag) {
            Ok(artifact) => artifact,
            Err(error) if error.is(Error::NOT_FOUND) => continue,
            Err(error) => return Err(error.into()),
        };
        let Some(digest) = layer(&artifact, is_provenance) else {
            continue;
        };
        response.send_blob(&candidate.repository, &digest)?;
        response.header(
            "content-type",
            if is_provenance {
                "application/pgp-signature"
            } else {
                "application/gzip"
            },
        )?;
        return Ok(());
    }
    let file = segments.last().map(String::as_str).unwrap_or_default();
    Err(Failure::new(
        404,
        format!("There is no file {file:?} here. The files that exist are listed in index.yaml."),
    ))
}

/// The digest of the layer that holds the chart or its provenance.
fn layer(artifact: &Artifact, is_provenance: bool) -> Option<String> {
    let types: &[&str] = if is_provenance {
        &[PROVENANCE_TYPE]
    } else {
        &[CHART_TYPE, LEGACY_CHART_TYPE]
    };
    let mut layers = artifact.layers();
    let at = types
        .iter()
        .find_map(|kind| layers.iter().rposition(|layer| layer.media_type == *kind))?;
    Some(layers.swap_remove(at).digest)
}

const JSON: &str = "application/json; charset=utf-8";

fn write(response: &Response, media_type: &str, fill: impl FnOnce(&mut Writer<&mut dyn FnMut(&[u8])>)) -> Result<(), Failure> {
    response.header("content-type", media_type)?;
    let mut sink = |piece: &[u8]| response.write(piece);
    let mut writer = Writer::new(&mut sink as &mut dyn FnMut(&[u8]));
    fill(&mut writer);
    writer.finish();
    Ok(())
}

/// Reads a number of the query.
fn number(query: &[(String, String)], name: &str) -> Result<Option<usize>, Failure> {
    let found = query.iter().find(|(key, _)| key == name);
    let read = |value: &String| {
        value.parse().map_err(|_| {
            Failure::new(
                400,
                format!("{name} has to be a number that is not negative, but is {value:?}."),
            )
        })
    };
    found.map(|(_, value)| read(value)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(repository: &str, version: &str) -> Release {
        Release {
            repository: repository.into(),
            version: version.into(),
            ..Release::default()
        }
    }

    #[test]
    fn only_one_place_can_be_changed() {
        assert_eq!(
            only(vec![release("a/web", "1.0.0")], "web", "1.0.0").unwrap().repository,
            "a/web"
        );
        for (releases, status, part) in [
            (vec![], 404, "no version \"1.0.0\""),
            (
                vec![release("a/web", "1.0.0"), release("b/web", "1.0.0")],
                409,
                "a/web, b/web",
            ),
        ] {
            match only(releases, "web", "1.0.0") {
                Err(Failure::Refused { status: found, message }) => {
                    assert!(found == status && message.contains(part), "{message}");
                }
                outcome => panic!("{outcome:?}"),
            }
        }
    }

    #[test]
    fn the_latest_version_is_no_prerelease() {
        for (version, expected) in [("1.0.0", true), ("v1.0.0+b", true), ("1.0.0-rc.1", false), ("none", false)] {
            assert_eq!(is_stable(&release("web", version)), expected, "{version}");
        }
    }

    #[test]
    fn numbers_of_the_query_are_read() {
        let query = [("offset".to_owned(), "3".to_owned()), ("limit".to_owned(), "-1".to_owned())];
        assert_eq!(number(&query, "offset").unwrap(), Some(3));
        assert_eq!(number(&query, "page").unwrap(), None);
        assert!(matches!(number(&query, "limit"), Err(Failure::Refused { status: 400, .. })));
    }
}
