//! Uploads: where in a body the chart and its provenance lie, and their publication.
//!
//! The bytes of a chart never pass through the plugin on their way to the registry: it reads the package to know what it is, and then
//! names the part of the body that is to be kept.

use std::io::{Read, Seek, SeekFrom};

use portolan_plugin_sdk::{Blob, Catalog, Descriptor, Error, Publication, Request, Response};
use serde_json::json;

use crate::chart::{CHART_TYPE, CONFIG_TYPE, Chart, Metadata, PROVENANCE_TYPE};

use super::answer::{self, Failure};
use super::multipart::{self, Part};
use super::upload::{self, MANIFEST_TYPE, Place};
use super::{listing, only};

/// The most bytes of a provenance file: Chart.yaml, a few hashes and a signature.
const PROVENANCE_BYTES_MAX: u64 = 5 * 1024 * 1024;

/// What a body holds.
#[derive(Debug, Default, PartialEq)]
struct Received {
    chart: Option<Part>,
    provenance: Option<Part>,
}

/// Stores an uploaded chart, with its provenance where the form has that too.
pub fn chart(request: &Request, response: &Response, catalog: &Catalog, prefix: &str) -> Result<(), Failure> {
    let body = body(request)?;
    let received = received(request, &body, "chart")?;
    match (&received.chart, &received.provenance) {
        (Some(chart), provenance) => store(request, response, catalog, prefix, &body, (chart, provenance.as_ref())),
        (None, Some(provenance)) => attach(request, response, catalog, prefix, &body, provenance),
        (None, None) => Err(Failure::new(
            400,
            "The form has neither a field `chart` nor a field `prov`. Send the package as `chart`.",
        )),
    }
}

/// Adds an uploaded provenance file to the chart that it is for.
pub fn provenance(request: &Request, response: &Response, catalog: &Catalog, prefix: &str) -> Result<(), Failure> {
    let body = body(request)?;
    match received(request, &body, "prov")?.provenance {
        Some(provenance) => attach(request, response, catalog, prefix, &body, &provenance),
        None => Err(Failure::new(
            400,
            "The form has no field `prov`. Send the provenance file in it.",
        )),
    }
}

fn body(request: &Request) -> Result<Blob, Failure> {
    let body = request.body().filter(|body| body.size() > 0);
    body.ok_or_else(|| Failure::new(400, "The request has no body. Send the packaged chart or the form with it."))
}

/// Finds the chart and the provenance in a body, which is a form or, as a whole, what `field` says.
fn received(request: &Request, body: &Blob, field: &str) -> Result<Received, Failure> {
    let content_type = request.header("content-type").into_iter().next().unwrap_or_default();
    let parts = match multipart::boundary(&content_type) {
        None => vec![Part {
            name: field.to_owned(),
            offset: 0,
            length: body.size(),
        }],
        Some(boundary) => boundary
            .and_then(|boundary| multipart::parts(body.reader(), &boundary))
            .map_err(|message| Failure::new(400, message))?,
    };
    Ok(sorted(parts))
}

fn sorted(parts: Vec<Part>) -> Received {
    let mut received = Received::default();
    for part in parts.into_iter().filter(|part| part.length > 0) {
        match part.name.as_str() {
            "chart" => received.chart = received.chart.or(Some(part)),
            "prov" => received.provenance = received.provenance.or(Some(part)),
            _ => {}
        }
    }
    received
}

fn store(
    request: &Request,
    response: &Response,
    catalog: &Catalog,
    prefix: &str,
    body: &Blob,
    (chart, provenance): (&Part, Option<&Part>),
) -> Result<(), Failure> {
    let refused = |message: String| Failure::new(400, message);
    let metadata = upload::sound(Chart::read(reader(body, chart)?)).map_err(refused)?.metadata;
    let place = upload::place(prefix, &metadata.name, &metadata.version).map_err(refused)?;
    let is_forced = is_forced(request);
    // Who comes second at the same moment passes here too, and is refused by the registry.
    if !is_forced && exists(catalog, &place)? {
        return Err(Failure::new(
            409,
            format!("{} already exists. Add ?force to replace it.", metadata.package()),
        ));
    }
    let config = response.stage(CONFIG_TYPE, &upload::config(&metadata))?;
    let mut layers = vec![stage(response, CHART_TYPE, body, chart)?];
    if let Some(provenance) = provenance {
        layers.push(stage(response, PROVENANCE_TYPE, body, provenance)?);
    }
    let manifest = upload::manifest(&metadata, upload::created(reader(body, chart)?), &config, &layers);
    let mut publication = Publication::new(place.repository, MANIFEST_TYPE, manifest);
    if !is_forced {
        publication = publication.expect(&place.tag, None);
    }
    publish(response, publication.tag(place.tag), std::iter::once(config).chain(layers))
}

fn attach(
    request: &Request,
    response: &Response,
    catalog: &Catalog,
    prefix: &str,
    body: &Blob,
    provenance: &Part,
) -> Result<(), Failure> {
    let Metadata { name, version, .. } = subject(body, provenance)?;
    let release = only(listing::find(catalog, prefix, &name, &version)?, &name, &version)?;
    let artifact = catalog.open(&release.repository, &release.digest)?;
    let has_provenance = artifact.layers().iter().any(|layer| layer.media_type == PROVENANCE_TYPE);
    if has_provenance && !is_forced(request) {
        return Err(Failure::new(
            409,
            format!("{name}-{version}.tgz.prov already exists. Add ?force to replace it."),
        ));
    }
    let layer = stage(response, PROVENANCE_TYPE, body, provenance)?;
    let manifest =
        upload::with_layer(&mut artifact.manifest_json()?, &layer).map_err(|message| Error::new(Error::INVALID, message))?;
    // The manifest was made out of the one that the tag meant: whatever came in between would be lost.
    let publication = Publication::new(release.repository, MANIFEST_TYPE, manifest).expect(&release.tag, Some(&release.digest));
    publish(response, publication.tag(release.tag), [layer])
}

fn subject(body: &Blob, provenance: &Part) -> Result<Metadata, Failure> {
    if provenance.length > PROVENANCE_BYTES_MAX {
        return Err(Failure::new(
            400,
            format!("The provenance file has more than {PROVENANCE_BYTES_MAX} bytes."),
        ));
    }
    let mut text = String::new();
    let read = reader(body, provenance)?.read_to_string(&mut text);
    read.map_err(|_| Failure::new(400, "The provenance file is not UTF-8 text."))?;
    upload::subject(&text).map_err(|message| Failure::new(400, message))
}

fn reader<'body>(body: &'body Blob, part: &Part) -> Result<impl Read + use<'body>, Failure> {
    let mut reader = body.reader();
    let sought = reader.seek(SeekFrom::Start(part.offset));
    sought.map_err(|error| Error::new(Error::OUT_OF_RANGE, format!("The body cannot be read: {error}.")))?;
    Ok(reader.take(part.length))
}

fn stage(response: &Response, media_type: &str, body: &Blob, part: &Part) -> Result<Descriptor, Failure> {
    Ok(response.stage_part(media_type, body, part.offset, part.length)?)
}

fn publish(response: &Response, publication: Publication, blobs: impl IntoIterator<Item = Descriptor>) -> Result<(), Failure> {
    let publication = blobs.into_iter().fold(publication, Publication::blob);
    response.publish(publication)?;
    Ok(answer::json(response, 201, &json!({ "saved": true }))?)
}

fn is_forced(request: &Request) -> bool {
    request.query().iter().any(|(name, _)| name == "force")
}

fn exists(catalog: &Catalog, place: &Place) -> Result<bool, Failure> {
    match catalog.open(&place.repository, &place.tag) {
        Ok(_) => Ok(true),
        Err(error) if error.is(Error::NOT_FOUND) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name_and_the_first_counts() {
        let part = |name: &str, offset, length| Part {
            name: name.into(),
            offset,
            length,
        };
        let parts = vec![
            part("other", 1, 1),
            part("prov", 2, 0),
            part("chart", 3, 5),
            part("chart", 4, 5),
            part("prov", 5, 6),
        ];
        let expected = Received {
            chart: Some(part("chart", 3, 5)),
            provenance: Some(part("prov", 5, 6)),
        };
        assert_eq!(sorted(parts), expected);
        assert_eq!(sorted(vec![]), Received::default());
    }
}
