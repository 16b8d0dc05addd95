//! The answer that a service drafts. Nothing is sent and nothing is changed while the guest runs.

use std::collections::BTreeMap;

use wasmtime::component::Resource;

use super::{Answered, error, shown};
use crate::{
    oci::{Algorithm, Digest, Hasher, Manifest, Reference, Repository, Tag},
    plugin_host::{
        bindings::portolan::plugin::{
            http,
            types::{self, Descriptor, Publication},
        },
        bounds,
        exchange::{Draft, DraftPart},
        resources::{BlobHandle, ResponseHandle},
        state::{Fault, State, storage_fault},
    },
    registry::{self, Blob, Change, RegistryError, Staged},
};

/// The most headers of an answer.
const HEADERS_MAX: usize = 64;
/// The longest header in bytes, name and value together.
const HEADER_BYTES_MAX: usize = 8 << 10;
/// The most things that one answer may ask the registry to do.
const CHANGES_MAX: usize = 64;
/// The most tags of a publication.
const TAGS_MAX: usize = 16;
/// The largest manifest of a publication in bytes.
const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// The most blobs that a publication brings.
const BLOBS_MAX: usize = 1_000;
/// How much of a part is read at once while its digest is computed.
const PIECE_BYTES: u64 = 256 << 10;
/// Headers that the gateway sets itself, or that would speak for the gateway as a whole.
const DENIED_HEADERS: [&str; 13] = [
    "connection",
    "content-length",
    "date",
    "etag",
    "keep-alive",
    "proxy-authenticate",
    "server",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl http::Host for State {}

impl http::HostResponse for State {
    fn status(&mut self, response: Resource<ResponseHandle>, code: u16) -> Answered<()> {
        if !(200..=599).contains(&code) {
            return Ok(Err(error("invalid", format!("{code} is not a status from 200 to 599."))));
        }
        self.table.get(&response)?.answer.draft().status = code;
        Ok(Ok(()))
    }

    fn header(&mut self, response: Resource<ResponseHandle>, name: String, value: String) -> Answered<()> {
        if let Err(refused) = check_header(&name, &value) {
            return Ok(Err(refused));
        }
        let mut draft = self.table.get(&response)?.answer.draft();
        if draft.headers.len() >= HEADERS_MAX {
            return Ok(Err(error("limit", format!("An answer has at most {HEADERS_MAX} headers."))));
        }
        draft.headers.push((name.to_ascii_lowercase(), value));
        Ok(Ok(()))
    }

    fn write(&mut self, response: Resource<ResponseHandle>, bytes: Vec<u8>) -> wasmtime::Result<()> {
        self.clock.check()?;
        let mut draft = self.table.get(&response)?.answer.draft();
        let (size, max) = (draft.written + bytes.len() as u64, draft.limits.body_bytes_max);
        if size > max {
            return Err(Fault::Limit(format!("it wrote {size} bytes of a response; its limit is {max}")).into());
        }
        draft.write(bytes);
        Ok(())
    }

    fn send_blob(&mut self, response: Resource<ResponseHandle>, repository: String, digest: String) -> Answered<()> {
        self.clock.check()?;
        let unknown = || {
            Ok(Err(error(
                "not-found",
                format!("There is no blob {} in {}.", shown(&digest), shown(&repository)),
            )))
        };
        let (Ok(name), Ok(wanted)) = (repository.parse::<Repository>(), digest.parse::<Digest>()) else {
            return unknown();
        };
        let handle = self.table.get(&response)?;
        let (reader, answer) = (handle.reader.clone(), handle.answer.clone());
        self.note(&reader, &repository, None)?;
        match self.wait_for(reader.blob(&name, &wanted))? {
            Ok(blob) => {
                answer.draft().body.push(DraftPart::Blob(name, blob));
                Ok(Ok(()))
            }
            Err(RegistryError::BlobUnknown(..)) => {
                self.reads.unsettled = true;
                unknown()
            }
            Err(error) => Err(storage_fault(&error).into()),
        }
    }

    fn stage(&mut self, response: Resource<ResponseHandle>, media_type: String, bytes: Vec<u8>) -> Answered<Descriptor> {
        self.clock.check()?;
        let mut draft = self.table.get(&response)?.answer.draft();
        if let Err(refused) =
            changing(&draft).and_then(|()| bounds::media_type(&media_type).map_err(|fault| error("invalid", fault)))
        {
            return Ok(Err(refused));
        }
        let (size, max) = (draft.staged_bytes + bytes.len() as u64, draft.limits.staged_bytes_max);
        if size > max {
            return Ok(Err(error(
                "limit",
                format!("{size} bytes would be staged; at most {max} are allowed."),
            )));
        }
        let digest = Digest::sha256(&bytes);
        let described = descriptor(media_type, &digest, bytes.len() as u64);
        draft.staged_bytes = size;
        draft.staged.insert(digest, Staged::Bytes(bytes.into()));
        Ok(Ok(described))
    }

    fn stage_part(
        &mut self,
        response: Resource<ResponseHandle>,
        media_type: String,
        source: Resource<BlobHandle>,
        offset: u64,
        length: u64,
    ) -> Answered<Descriptor> {
        self.clock.check()?;
        let source = self.table.get(&source)?.blob.clone();
        let answer = self.table.get(&response)?.answer.clone();
        {
            let draft = answer.draft();
            if let Err(refused) =
                changing(&draft).and_then(|()| bounds::media_type(&media_type).map_err(|fault| error("invalid", fault)))
            {
                return Ok(Err(refused));
            }
            if offset.checked_add(length).is_none_or(|end| end > source.size) {
                return Ok(Err(error("out-of-range", format!("The blob has {} bytes.", source.size))));
            }
            let (size, max) = (draft.part_bytes.saturating_add(length), draft.limits.part_bytes_max);
            if size > max {
                return Ok(Err(error(
                    "limit",
                    format!("{size} bytes of blobs would be staged; at most {max} are allowed."),
                )));
            }
        }
        let digest = self.digest_of(&source, offset, length)?;
        let mut draft = answer.draft();
        draft.part_bytes += length;
        draft.staged.insert(digest.clone(), Staged::Part { source, offset, length });
        Ok(Ok(descriptor(media_type, &digest, length)))
    }

    fn publish(&mut self, response: Resource<ResponseHandle>, publication: Publication) -> Answered<String> {
        self.clock.check()?;
        let mut draft = self.table.get(&response)?.answer.draft();
        let taken = changing(&draft)
            .and_then(|()| room(&draft))
            .and_then(|()| take(&draft, publication));
        Ok(taken.map(|(digest, publication)| {
            draft.changes.push(Change::Publish(publication));
            digest.to_string()
        }))
    }

    fn remove(
        &mut self,
        response: Resource<ResponseHandle>,
        repository: String,
        reference: String,
        expected_digest: Option<String>,
    ) -> Answered<()> {
        let mut draft = self.table.get(&response)?.answer.draft();
        if let Err(refused) = changing(&draft).and_then(|()| room(&draft)) {
            return Ok(Err(refused));
        }
        let expected = expected_digest.map(|digest| digest.parse::<Digest>()).transpose();
        let change = match (repository.parse::<Repository>(), reference.parse::<Reference>(), expected) {
            (Ok(repository), Ok(reference), Ok(expected)) => Change::Remove {
                repository,
                reference,
                expected,
            },
            (Err(fault), ..) | (_, Err(fault), _) => return Ok(Err(error("invalid", fault.to_string()))),
            (.., Err(fault)) => return Ok(Err(error("invalid", fault.to_string()))),
        };
        draft.changes.push(change);
        Ok(Ok(()))
    }

    fn drop(&mut self, response: Resource<ResponseHandle>) -> wasmtime::Result<()> {
        self.table.delete(response)?;
        Ok(())
    }
}

impl State {
    /// Computes the digest of a part of a blob. That of a whole blob is known.
    fn digest_of(&self, source: &Blob, offset: u64, length: u64) -> Result<Digest, Fault> {
        if length == source.size && source.digest.algorithm() == Algorithm::Sha256 {
            return Ok(source.digest.clone());
        }
        let (mut hasher, mut at, end) = (Hasher::new(Algorithm::Sha256), offset, offset + length);
        while at < end {
            self.clock.check()?;
            let piece = self.wait(source.read_at(at..end.min(at + PIECE_BYTES)))?;
            if piece.is_empty() {
                tracing::error!(digest = %source.digest, "a blob is shorter than the metadata says");
                return Err(Fault::Storage);
            }
            hasher.update(&piece);
            at += piece.len() as u64;
        }
        Ok(hasher.finish())
    }
}

/// Refuses changes where there may be none.
fn changing(draft: &Draft) -> Result<(), types::Error> {
    draft.unchanging.map_or(Ok(()), |why| Err(error("denied", why)))
}

fn room(draft: &Draft) -> Result<(), types::Error> {
    if draft.changes.len() < CHANGES_MAX {
        return Ok(());
    }
    Err(error(
        "limit",
        format!("An answer asks for at most {CHANGES_MAX} publications and removals."),
    ))
}

fn check_header(name: &str, value: &str) -> Result<(), types::Error> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(error("invalid", format!("{} is not the name of a header.", shown(name))));
    }
    if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
        return Err(error(
            "invalid",
            format!("The value of {name} has other than printable ASCII characters."),
        ));
    }
    if name.len() + value.len() > HEADER_BYTES_MAX {
        return Err(error("limit", format!("A header has at most {HEADER_BYTES_MAX} bytes.")));
    }
    if DENIED_HEADERS.iter().any(|denied| name.eq_ignore_ascii_case(denied)) {
        return Err(error(
            "denied",
            format!("The gateway sets {} itself.", name.to_ascii_lowercase()),
        ));
    }
    Ok(())
}

fn descriptor(media_type: String, digest: &Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type,
        digest: digest.to_string(),
        size,
        artifact_type: None,
        annotations: Vec::new(),
        properties: String::new(),
    }
}

/// Reads a publication, as far as that can be done without the registry.
fn take(draft: &Draft, publication: Publication) -> Result<(Digest, registry::Publication), types::Error> {
    let invalid = |fault: String| error("invalid", fault);
    let limited = |what: &str, got: usize, max: usize| match got > max {
        true => Err(error("limit", format!("A publication has at most {max} {what}, not {got}."))),
        false => Ok(()),
    };
    limited("tags", publication.tags.len(), TAGS_MAX)?;
    limited("blobs", publication.blobs.len(), BLOBS_MAX)?;
    limited("bytes of a manifest", publication.manifest.len(), MANIFEST_BYTES_MAX)?;
    bounds::open_field("properties", &publication.properties).map_err(invalid)?;
    let repository: Repository = publication
        .repository
        .parse()
        .map_err(|fault: crate::oci::NameError| invalid(fault.to_string()))?;
    let tags = publication
        .tags
        .iter()
        .map(|tag| tag.parse::<Tag>())
        .collect::<Result<Vec<_>, _>>();
    let tags = tags.map_err(|fault| invalid(fault.to_string()))?;
    Manifest::parse(Some(&publication.media_type), &publication.manifest).map_err(|fault| invalid(fault.to_string()))?;
    let mut blobs = Vec::with_capacity(publication.blobs.len());
    for blob in &publication.blobs {
        let staged = blob
            .digest
            .parse::<Digest>()
            .ok()
            .and_then(|digest| draft.staged.get(&digest).map(|staged| (digest, staged.clone())));
        blobs.push(staged.ok_or_else(|| invalid(format!("{} was not staged for this response.", shown(&blob.digest))))?);
    }
    let expect = expectations(&publication.properties).map_err(invalid)?;
    let digest = Digest::sha256(&publication.manifest);
    let (media_type, manifest) = (publication.media_type, publication.manifest.into());
    Ok((
        digest,
        registry::Publication {
            repository,
            tags,
            media_type,
            manifest,
            blobs,
            expect,
        },
    ))
}

/// Reads from the open field of a publication what tags have to mean. The error is a sentence.
fn expectations(properties: &str) -> Result<Vec<(Tag, Option<Digest>)>, String> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Properties {
        expect: BTreeMap<String, Option<String>>,
    }
    if properties.is_empty() {
        return Ok(Vec::new());
    }
    let read = serde_json::from_str::<Properties>(properties);
    let read = read.map_err(|fault| format!("`expect` has to map tags to a digest or to null: {fault}."))?;
    let expectation = |(tag, digest): (String, Option<String>)| {
        let tag = tag.parse::<Tag>().map_err(|fault| format!("`expect`: {fault}."))?;
        let digest = digest.map(|digest| digest.parse::<Digest>()).transpose();
        Ok((tag, digest.map_err(|fault| format!("`expect`: {fault}."))?))
    };
    read.expect.into_iter().map(expectation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_are_read() {
        let digest = Digest::sha256(b"x");
        assert_eq!(expectations(""), Ok(vec![]));
        assert_eq!(expectations("{\"other\":1}"), Ok(vec![]));
        let text = format!("{{\"expect\":{{\"v1\":\"{digest}\",\"v2\":null}}}}");
        let expected = vec![("v1".parse().unwrap(), Some(digest)), ("v2".parse().unwrap(), None)];
        assert_eq!(expectations(&text), Ok(expected));
        for bad in ["[]", "{\"v1\":1}", "{\"v1\":\"sha256:0\"}", "{\".v\":null}", "\"v1\"", "null"] {
            let fault = expectations(&format!("{{\"expect\":{bad}}}")).unwrap_err();
            assert!(fault.starts_with("`expect`"), "{bad}: {fault}");
        }
    }

    #[test]
    fn headers_are_checked() {
        let check = |name: &str, value: &str| check_header(name, value).map_err(|error| error.code);
        assert_eq!(check("Content-Type", "text/plain; charset=utf-8"), Ok(()));
        let long = "x".repeat(HEADER_BYTES_MAX);
        let cases = [
            ("", "x", "invalid"),
            ("a b", "x", "invalid"),
            ("a", "x\r\ny: z", "invalid"),
            ("a", "\u{e4}", "invalid"),
            ("a", long.as_str(), "limit"),
            ("Content-Length", "1", "denied"),
            ("ETAG", "\"x\"", "denied"),
            ("Set-Cookie", "a=b", "denied"),
        ];
        for (name, value, expected) in cases {
            assert_eq!(check(name, value), Err(expected.into()), "{name}");
        }
    }
}
