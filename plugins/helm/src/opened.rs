//! The blobs of a chart, opened in the gateway.

use std::cell::RefCell;
use std::io::{self, Read};
use std::ops::Deref;
use std::rc::Rc;

use portolan_plugin_sdk::{Artifact, Descriptor, Error};
use sha2::{Digest, Sha256};

use crate::chart::package::FILE_BYTES_MAX;
use crate::chart::{CHART_TYPE, Chart, Fault, LEGACY_CHART_TYPE};

/// A chart, or why there is none.
pub type Outcome = Rc<Result<Chart, Fault>>;

thread_local! {
    /// The chart that was read last: one push validates and indexes the same chart in one instance of the plugin.
    static LAST: RefCell<Option<(String, Outcome)>> = const { RefCell::new(None) };
}

/// Reads the chart of a layer, or says why there is none.
pub fn chart(artifact: &Artifact, layer: &Descriptor) -> Result<Outcome, Error> {
    let known = LAST.with_borrow(|last| {
        last.as_ref()
            .filter(|(digest, _)| *digest == layer.digest)
            .map(|(_, chart)| Rc::clone(chart))
    });
    if let Some(chart) = known {
        return Ok(chart);
    }
    let blob = artifact.open(&layer.digest)?;
    let chart = Rc::new(Chart::read(blob.reader()));
    LAST.set(Some((layer.digest.clone(), Rc::clone(&chart))));
    Ok(chart)
}

/// Finds the chart layer of a stored artifact.
pub fn chart_layer(artifact: &Artifact) -> Result<Descriptor, Error> {
    let mut layers = artifact.layers();
    let at = [CHART_TYPE, LEGACY_CHART_TYPE]
        .iter()
        .find_map(|kind| layers.iter().position(|layer| layer.media_type == *kind));
    match at {
        Some(at) => Ok(layers.swap_remove(at)),
        None => Err(Error::new(
            Error::INVALID,
            format!("The manifest has no layer of type {CHART_TYPE}, so it holds no chart."),
        )),
    }
}

/// Reads the chart of a stored artifact; where there is none, that is an error here.
pub fn sound_chart(artifact: &Artifact) -> Result<Sound, Error> {
    let chart = chart(artifact, &chart_layer(artifact)?)?;
    match chart.as_ref() {
        Ok(_) => Ok(Sound(chart)),
        Err(fault) => Err(Error::new(Error::INVALID, fault.message.clone())),
    }
}

/// A chart that could be read.
pub struct Sound(Outcome);

impl Deref for Sound {
    type Target = Chart;

    fn deref(&self) -> &Chart {
        self.0
            .as_ref()
            .as_ref()
            .expect("it is made of charts that could be read only")
    }
}

/// Reads a small blob; one that is too large to be what it should be has no content here.
pub fn small(artifact: &Artifact, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, Error> {
    let blob = artifact.open(&descriptor.digest)?;
    if blob.size() > FILE_BYTES_MAX {
        return Ok(None);
    }
    blob.read_all(FILE_BYTES_MAX).map(Some)
}

/// Returns the SHA-256 of a layer in hexadecimal digits: from its digest, or by reading it where that is of another kind.
pub fn sha256(artifact: &Artifact, layer: &Descriptor) -> Result<String, Error> {
    match layer.digest.strip_prefix("sha256:") {
        Some(hash) => Ok(hash.to_owned()),
        None => hash(&mut artifact.open(&layer.digest)?.reader())
            .map_err(|error| Error::new(Error::INVALID, format!("The chart layer cannot be read: {error}."))),
    }
}

fn hash(reader: &mut dyn Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}
