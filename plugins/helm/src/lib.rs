//! The Helm plugin: everything that Portolan knows of Helm charts.
//!
//! This file joins the gateway to the logic: it opens what an artifact holds and hands it on. The logic of each capability is a module
//! of its own that works on plain data and is tested without a gateway.

pub mod admit;
pub mod chart;
pub mod compare;
pub mod index;
pub mod opened;
pub mod place;
pub mod render;
pub mod rule;
pub mod scan;
pub mod serve;
pub mod spec;
#[cfg(test)]
mod testing;
pub mod validate;

use portolan_plugin_sdk::{
    Admitter, Artifact, Catalog, Change, Comparer, Content, Context, Descriptor, Entry, Error, Finding, Indexer, Options, Plugin,
    Push, Refusal, Renderer, Request, Response, Scanner, Service, Spec, Validator, Verdict, plugin,
};

use chart::PROVENANCE_TYPE;
use spec::Settings;
use validate::layout::{self, Layout};

/// The plugin.
pub struct Helm;

plugin!(Helm: validator, admitter, indexer, renderer, scanner, comparer, service);

impl Plugin for Helm {
    fn spec() -> Spec {
        render::views().into_iter().fold(spec::spec(), Spec::view)
    }
}

impl Validator for Helm {
    fn validate(_: &Context, artifact: &Artifact) -> Result<Verdict, Error> {
        let (config, layers) = (artifact.config(), artifact.layers());
        let layout = match layout::judge(&artifact.media_type(), config.as_ref(), &layers) {
            Ok(layout) => layout,
            Err(findings) => return Ok(validate::verdict(findings)),
        };
        let mut findings = layout.findings.clone();
        findings.extend(content(artifact, &layout)?);
        Ok(validate::verdict(findings))
    }
}

fn content(artifact: &Artifact, layout: &Layout) -> Result<Vec<Finding>, Error> {
    let chart = opened::chart(artifact, layout.chart)?;
    let read = |descriptor: &Descriptor| Ok((descriptor.digest.clone(), opened::small(artifact, descriptor)?));
    let provenance = layout
        .provenance
        .iter()
        .map(|layer| read(layer))
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(validate::content(&validate::Content {
        layer: &layout.chart.digest,
        chart_hash: &opened::sha256(artifact, layout.chart)?,
        chart: &chart,
        config: read(layout.config)?,
        provenance: &provenance,
        annotations: &artifact.annotations(),
    }))
}

impl Admitter for Helm {
    fn admit(_: &Context, _: &Artifact, entry: Option<&Entry>, push: &Push) -> Result<Verdict, Error> {
        let judge = |entry: &Entry| admit::judge(&entry.title, entry.version.as_deref(), &push.repository, &push.tag);
        // Without an entry the name of the chart is not known here; the reason is reported where indexing failed.
        Ok(Verdict::accept(entry.map(judge).unwrap_or_default()))
    }
}

impl Indexer for Helm {
    fn index(_: &Context, artifact: &Artifact) -> Result<Entry, Error> {
        let layer = opened::chart_layer(artifact)?;
        let chart = opened::sound_chart(artifact)?;
        if let Some(fault) = chart.faults.first().filter(|_| chart.metadata.package_is_unnamed()) {
            return Err(Error::new(Error::INVALID, fault.message.clone()));
        }
        let layers = artifact.layers();
        let provenance = layers.iter().rev().find(|layer| layer.media_type == PROVENANCE_TYPE);
        let source = index::Source {
            chart: &layer,
            chart_hash: &opened::sha256(artifact, &layer)?,
            provenance,
            annotations: &artifact.annotations(),
        };
        Ok(index::entry(&chart, &source))
    }
}

impl Scanner for Helm {
    fn scan(context: &Context, artifact: &Artifact) -> Result<Vec<Finding>, Error> {
        let settings: Settings = context.settings()?;
        let layer = opened::chart_layer(artifact)?;
        let chart = opened::chart(artifact, &layer)?;
        Ok(scan::chart(chart.as_ref().as_ref(), &layer.digest, &settings.secrets_allow))
    }
}

impl Renderer for Helm {
    fn render(_: &Context, artifact: &Artifact, view: &str, options: &Options) -> Result<Content, Error> {
        render::render(artifact, view, options)
    }
}

impl Comparer for Helm {
    fn compare(_: &Context, before: &Artifact, after: &Artifact) -> Result<Vec<Change>, Error> {
        compare::compare(before, after)
    }
}

impl Service for Helm {
    fn serve(_: &Context, request: &Request, response: &Response, catalog: &Catalog) -> Result<(), Error> {
        serve::serve(request, response, catalog)
    }

    fn explain(_: &Context, _: &Request, refusal: &Refusal, response: &Response) -> Result<(), Error> {
        serve::answer::explain(response, refusal)
    }
}
