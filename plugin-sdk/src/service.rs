//! A request in a native client protocol, the answer to it, and what the registry is asked to do.

use crate::{
    Blob, Descriptor, Error, Finding, Properties,
    bindings::{http, types},
    properties,
};

/// A request that reached the mount of the plugin or one of its well-known documents. Each method asks the gateway.
///
/// Credentials never reach a plugin: the gateway answers for who the caller is and what the caller may do.
#[derive(Debug)]
pub struct Request {
    handle: http::Request,
}

impl Request {
    pub(crate) fn of(handle: http::Request) -> Self {
        Self { handle }
    }

    /// Returns the method in upper case.
    pub fn method(&self) -> String {
        self.handle.method()
    }

    /// Returns the scheme and authority under which clients reach the gateway, for example `https://registry.example:5000`, with the
    /// path that a proxy puts in front of the gateway's own, where there is one, for example `https://example.org/registry`.
    pub fn origin(&self) -> String {
        self.handle.origin()
    }

    /// Returns the name of the well-known document that is asked for, where it is one, as the spec lists it.
    pub fn well_known(&self) -> Option<String> {
        self.handle.well_known()
    }

    /// Returns the path below the mount, each segment percent-decoded once, without a `/` in front.
    pub fn path(&self) -> String {
        self.handle.path()
    }

    /// Returns the parameters of the query, decoded, in their order.
    pub fn query(&self) -> Vec<(String, String)> {
        self.handle.query()
    }

    /// Returns the values of a header by its name in any case. Headers outside the gateway's list are never there.
    pub fn header(&self, name: &str) -> Vec<String> {
        self.handle.header(name)
    }

    /// Returns the body, complete and with its digest known, where the request has one.
    pub fn body(&self) -> Option<Blob> {
        self.handle.body().map(Blob::of)
    }
}

/// The answer to a request. The gateway sends it after the plugin has returned, so that nothing is sent by a call that fails.
///
/// Requests with other methods than `POST`, `PUT`, `PATCH` and `DELETE` change nothing: [`Response::stage`], [`Response::stage_part`],
/// [`Response::publish`] and [`Response::remove`] fail with [`Error::DENIED`] for them.
#[derive(Debug)]
pub struct Response {
    handle: http::Response,
}

impl Response {
    pub(crate) fn of(handle: http::Response) -> Self {
        Self { handle }
    }

    /// Sets the status, 200 to 599; without it, 200. Fails with [`Error::INVALID`] outside of that.
    pub fn status(&self, code: u16) -> Result<(), Error> {
        Ok(self.handle.status(code)?)
    }

    /// Appends a header.
    ///
    /// Fails with [`Error::INVALID`] where name or value are malformed, and with [`Error::DENIED`] for those that the gateway sets
    /// itself, such as `content-length`, `connection`, `date` and `etag`.
    pub fn header(&self, name: &str, value: &str) -> Result<(), Error> {
        Ok(self.handle.header(name, value)?)
    }

    /// Appends bytes to the body. A body beyond the gateway's limit ends the call.
    pub fn write(&self, bytes: &[u8]) {
        self.handle.write(bytes);
    }

    /// Appends a blob of a repository to the body; its bytes never pass through the plugin.
    ///
    /// Fails with [`Error::NOT_FOUND`] where the caller can see no such blob there.
    pub fn send_blob(&self, repository: &str, digest: &str) -> Result<(), Error> {
        Ok(self.handle.send_blob(repository, digest)?)
    }

    /// Keeps bytes for a publication. What no publication names is forgotten.
    ///
    /// Fails with [`Error::LIMIT`] beyond the gateway's limit for staged bytes.
    pub fn stage(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor, Error> {
        Ok(self.handle.stage(media_type, bytes)?.into())
    }

    /// Keeps `length` bytes of a blob from `offset` on for a publication; they never pass through the plugin.
    ///
    /// Fails with [`Error::OUT_OF_RANGE`] where the blob is shorter, and with [`Error::LIMIT`] as [`Response::stage`] does.
    pub fn stage_part(&self, media_type: &str, source: &Blob, offset: u64, length: u64) -> Result<Descriptor, Error> {
        Ok(self.handle.stage_part(media_type, source.handle(), offset, length)?.into())
    }

    /// Asks for a manifest to be stored after the plugin has returned, and returns its digest. Its type has to be one that this plugin
    /// claims; else the registry refuses.
    ///
    /// Fails with [`Error::INVALID`] where the manifest cannot be parsed or names as staged what is not, and with
    /// [`Error::LIMIT`] beyond 64 publications.
    pub fn publish(&self, publication: Publication) -> Result<String, Error> {
        Ok(self.handle.publish(&publication.into())?)
    }

    /// Asks for a tag, or for a manifest by digest, to be deleted after the plugin has returned. With `expected_digest` it happens
    /// only where the reference, tag or digest, means that digest. The artifact has to be of a type that this plugin claims; else the
    /// registry refuses.
    ///
    /// Fails with [`Error::INVALID`] where an argument is malformed.
    pub fn remove(&self, repository: &str, reference: &str, expected_digest: Option<&str>) -> Result<(), Error> {
        Ok(self.handle.remove(repository, reference, expected_digest)?)
    }
}

/// Why a request cannot be answered as it was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The error code in the words of the OCI distribution specification, for example `DENIED` or `MANIFEST_INVALID`.
    pub code: String,
    /// The status that suits the refusal, 400 to 599.
    pub status: u16,
    /// What happened, for people.
    pub message: String,
    /// The findings, where a plugin refused what was to be published: at most 100.
    pub findings: Vec<Finding>,
}

impl Refusal {
    pub(crate) fn of(refusal: &http::Refusal) -> Self {
        Self {
            code: refusal.code(),
            status: refusal.status(),
            message: refusal.message(),
            findings: refusal.findings().into_iter().map(Into::into).collect(),
        }
    }
}

/// A manifest that a service asks the registry to store.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// The repository to store it in, by its full name.
    pub repository: String,
    /// The tags to set, at most 16. Without a tag the manifest is stored by digest alone.
    pub tags: Vec<String>,
    /// The media type of the manifest.
    pub media_type: String,
    /// The manifest, byte for byte as it is to be stored, at most 4 MiB.
    pub manifest: Vec<u8>,
    /// What the manifest names and this response has staged.
    pub blobs: Vec<Descriptor>,
    /// The open field, at most 4 000 bytes. [`Publication::expect`] has a member in it.
    pub properties: Properties,
}

impl Publication {
    /// Returns the publication of a manifest without tags and staged blobs.
    pub fn new(repository: impl Into<String>, media_type: impl Into<String>, manifest: impl Into<Vec<u8>>) -> Self {
        Self {
            repository: repository.into(),
            tags: Vec::new(),
            media_type: media_type.into(),
            manifest: manifest.into(),
            blobs: Vec::new(),
            properties: Properties::new(),
        }
    }

    /// Adds a tag to set.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Makes it a condition that a tag of the repository means a manifest, or, without a digest, that it does not exist.
    ///
    /// The registry looks in the same transaction in which it stores this manifest, so that of several requests that expect the same
    /// one is first. The others are refused with the status 409.
    pub fn expect(mut self, tag: impl Into<String>, digest: Option<&str>) -> Self {
        let expected = self.properties.entry("expect").or_insert_with(|| Properties::new().into());
        if let Some(expected) = expected.as_object_mut() {
            expected.insert(tag.into(), digest.into());
        }
        self
    }

    /// Adds a blob that this response has staged.
    pub fn blob(mut self, staged: Descriptor) -> Self {
        self.blobs.push(staged);
        self
    }
}

impl From<Publication> for types::Publication {
    fn from(publication: Publication) -> Self {
        let properties = properties::to_text(&publication.properties);
        Self {
            repository: publication.repository,
            tags: publication.tags,
            media_type: publication.media_type,
            manifest: publication.manifest,
            blobs: publication.blobs.into_iter().map(Into::into).collect(),
            properties,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_lie_in_the_open_field() {
        let publication = Publication::new("a", "b", "c")
            .expect("v1", None)
            .expect("v2", Some("sha256:0"));
        let expected = serde_json::json!({ "expect": { "v1": null, "v2": "sha256:0" } });
        assert_eq!(serde_json::Value::from(publication.properties), expected);
    }
}
