//! What is pushed: blobs, manifests and charts, each different from all others.

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;
use sha2::{Digest, Sha256};

/// The media type of an image manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of the empty config.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The media types of a chart's config and archive.
const CHART_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const CHART_CONTENT: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// The bytes at the end of a blob that make it differ from others.
const UNIQUE_BYTES: usize = 32;

/// A blob that can be sent any number of times.
#[derive(Clone)]
pub(crate) struct Blob {
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) size: u64,
    pub(crate) digest: String,
}

impl Blob {
    pub(crate) fn of(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let hasher = Sha256::new_with_prefix(&content);
        Self {
            size: content.len() as u64,
            digest: digest(hasher),
            pieces: vec![content],
        }
    }

    /// The config of artifacts that have none.
    pub(crate) fn empty() -> Self {
        Self::of(Bytes::from_static(b"{}"))
    }

    fn descriptor(&self, media_type: &str) -> serde_json::Value {
        json!({ "mediaType": media_type, "digest": self.digest, "size": self.size })
    }
}

/// Returns the digest of what was hashed.
pub(crate) fn digest(hasher: Sha256) -> String {
    let hex: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Blobs of one size that share all but their end. The state of the hash at that place is kept, so the digest of a further blob costs
/// the same for every size.
pub(crate) struct Blobs {
    shared: Bytes,
    hasher: Sha256,
    seed: u64,
}

impl Blobs {
    pub(crate) fn new(size: usize, seed: u64) -> Self {
        let shared: Bytes = noise(size.saturating_sub(UNIQUE_BYTES), seed).into();
        Self {
            hasher: Sha256::new_with_prefix(&shared),
            shared,
            seed,
        }
    }

    pub(crate) fn blob(&self, index: u64) -> Blob {
        let mut end = Vec::with_capacity(UNIQUE_BYTES);
        end.extend_from_slice(format!("{:016x}{index:016x}", self.seed).as_bytes());
        let digest = digest(self.hasher.clone().chain_update(&end));
        Blob {
            size: (self.shared.len() + end.len()) as u64,
            digest,
            pieces: vec![self.shared.clone(), end.into()],
        }
    }
}

/// Returns the manifest of an artifact of one blob. The title makes it differ from other manifests of the same blob.
pub(crate) fn manifest(blob: &Blob, title: &str) -> Bytes {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/vnd.example.load",
        "config": Blob::empty().descriptor(EMPTY),
        "layers": [blob.descriptor("application/octet-stream")],
        "annotations": { "org.opencontainers.image.title": title },
    });
    manifest.to_string().into()
}

/// A chart with everything that is pushed of it.
pub(crate) struct Chart {
    pub(crate) tag: String,
    pub(crate) config: Blob,
    pub(crate) archive: Blob,
    pub(crate) manifest: Bytes,
}

impl Chart {
    /// Builds a chart of a name and version, with a file inside that does not compress and fills it up to about `size` bytes.
    pub(crate) fn new(name: &str, version: &str, size: usize, seed: u64) -> anyhow::Result<Self> {
        let meta = json!({
            "apiVersion": "v2", "name": name, "version": version, "appVersion": "1.0", "type": "application",
            "description": "A chart of the load generator", "icon": "https://example.com/icon.svg",
        });
        let archive = Blob::of(archive(name, &meta, size, seed)?);
        let config = Blob::of(meta.to_string());
        let manifest = json!({
            "schemaVersion": 2,
            "config": config.descriptor(CHART_CONFIG),
            "layers": [archive.descriptor(CHART_CONTENT)],
        });
        Ok(Self {
            tag: version.to_owned(),
            config,
            archive,
            manifest: manifest.to_string().into(),
        })
    }
}

fn archive(name: &str, meta: &serde_json::Value, size: usize, seed: u64) -> anyhow::Result<Vec<u8>> {
    // JSON is YAML as well.
    let mut files = vec![
        ("Chart.yaml".to_owned(), meta.to_string().into_bytes()),
        (
            "README.md".into(),
            format!("# {name}\n\n{}", "What it is and how to use it.\n".repeat(40)).into_bytes(),
        ),
        ("values.yaml".into(), values().into_bytes()),
    ];
    for kind in ["deployment", "service", "ingress", "configmap", "serviceaccount", "hpa"] {
        files.push((format!("templates/{kind}.yaml"), template(kind).into_bytes()));
    }
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    files.push(("files/noise.bin".into(), noise(size.saturating_sub(2_000), seed)));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{name}/{path}"), content.as_slice())?;
    }
    Ok(builder.into_inner()?.finish()?)
}

fn values() -> String {
    let service = |n: u32| {
        format!(
            "service{n}:\n  enabled: true\n  port: {}\n  image:\n    repository: example.com/web\n    tag: \"1.{n}\"\n",
            8000 + n
        )
    };
    (0..20).map(service).collect()
}

fn template(kind: &str) -> String {
    let field = |n: u32| format!("  field{n}: {{{{ .Values.service{n}.port | quote }}}}\n");
    let fields: String = (0..20).map(field).collect();
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ .Release.Name }}}}-{kind}\ndata:\n{fields}")
}

/// Returns bytes that do not compress.
fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; size];
    SmallRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}
