//! A service that does whatever a service can do: the first segment of the path says what, the rest to which repository or prefix, and
//! the query how.

use portolan_plugin_sdk::{Blob, Catalog, Context, Error, Publication, Refusal, Request, Response, Service};
use serde_json::{Value, json};

use crate::{Everything, TYPE};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const TEXT: &str = "text/plain";

/// The most of a request that is echoed or staged as it is.
const BODY_BYTES_MAX: u64 = 8 << 20;

#[expect(clippy::panic, reason = "tests ask for a panic")]
impl Service for Everything {
    fn serve(_: &Context, request: &Request, response: &Response, catalog: &Catalog) -> Result<(), Error> {
        let path = request.path();
        let (action, name) = path.split_once('/').unwrap_or((&path, ""));
        let call = Call {
            request,
            response,
            catalog,
            name,
        };
        match action {
            "fail" => return Err(Error::new("everything-failed", "The path asked for a failure.")),
            "panic" => panic!("the path asked for a panic"),
            _ => {}
        }
        call.act(action).or_else(|error| {
            response.status(422)?;
            call.json(&json!({ "code": error.code, "message": error.message }))
        })
    }

    fn explain(_: &Context, request: &Request, refusal: &Refusal, response: &Response) -> Result<(), Error> {
        let path = request.path();
        if path.starts_with("unexplained") {
            return Err(Error::new("unexplained", "The path asked for no explanation."));
        }
        let staged = response.stage(TEXT, b"late").err().map(|error| error.code);
        let findings = refusal
            .findings
            .iter()
            .map(|finding| finding.rule.as_str())
            .collect::<Vec<_>>();
        response.status(refusal.status)?;
        response.header("content-type", "application/json")?;
        let explained = json!({
            "explained": refusal.code, "status": refusal.status, "message": refusal.message, "findings": findings,
            "path": path, "stage": staged,
        });
        response.write(explained.to_string().as_bytes());
        Ok(())
    }
}

/// One request, and what it is about.
struct Call<'a> {
    request: &'a Request,
    response: &'a Response,
    catalog: &'a Catalog,
    name: &'a str,
}

impl Call<'_> {
    fn act(&self, action: &str) -> Result<(), Error> {
        let Self {
            response, catalog, name, ..
        } = *self;
        match action {
            "" => self.json(&self.seen()),
            "echo" => {
                let body = self.body()?.read_all(BODY_BYTES_MAX)?;
                response.write(&body);
                Ok(())
            }
            "status" => response.status(self.number("code", 200)?.try_into().unwrap_or(u16::MAX)),
            "header" => response.header(&self.text("name"), &self.text("value")),
            "revision" => self.json(&json!(catalog.revision(name))),
            "repositories" => self.json(&catalog.repositories(name).collect()),
            "tags" => self.json(&json!(catalog.tags(name).collect::<Result<Vec<_>, _>>()?)),
            "entries" => self.entries(),
            "page" => {
                let limit = self.number("limit", 0)?.try_into().unwrap_or(u32::MAX);
                let page = catalog.entries_page(name, self.option("type").as_deref(), self.option("after").as_deref(), limit)?;
                response.write(page.as_bytes());
                Ok(())
            }
            "open" => self.open(),
            "blob" => response.send_blob(name, &self.text("digest")),
            "publish" | "unexplained-publish" => self.publish(&self.body()?.read_all(BODY_BYTES_MAX)?),
            "publish-and-remove" => {
                self.publish(&self.body()?.read_all(BODY_BYTES_MAX)?)?;
                response.remove(&self.text("other"), &self.text("reference"), self.option("digest").as_deref())
            }
            "publish-part" => self.publish_part(),
            "publish-unstaged" => self.manifest(
                &json!({ "mediaType": TEXT, "digest": self.text("digest"), "size": 1 }),
                vec![],
            ),
            "remove" => {
                self.response
                    .remove(name, &self.text("reference"), self.option("digest").as_deref())?;
                response.status(202)
            }
            _ => {
                response.status(404)?;
                self.json(&json!({ "code": "no-such-action", "message": action }))
            }
        }
    }

    /// Returns what of the request can be seen.
    fn seen(&self) -> Value {
        let request = self.request;
        let headers = ["accept", "user-agent", "content-type", "authorization", "cookie"];
        let headers = headers
            .map(|name| (name.to_owned(), json!(request.header(name))))
            .into_iter()
            .collect::<Value>();
        json!({
            "method": request.method(), "origin": request.origin(), "wellKnown": request.well_known(), "path": request.path(),
            "query": request.query(), "headers": headers,
            "body": request.body().map(|body| json!({ "size": body.size(), "digest": body.digest() })),
        })
    }

    fn entries(&self) -> Result<(), Error> {
        let mut entries = Vec::new();
        for item in self.catalog.entries(self.name, self.option("type").as_deref()) {
            let item = item?;
            entries.push(json!({
                "repository": item.repository, "tags": item.tags, "digest": item.digest,
                "title": item.entry.title, "document": item.entry.document,
            }));
        }
        self.json(&entries.into())
    }

    fn open(&self) -> Result<(), Error> {
        let artifact = self.catalog.open(self.name, &self.text("reference"))?;
        let layers = artifact.layers().iter().map(|layer| layer.digest.clone()).collect::<Vec<_>>();
        let opened = json!({
            "digest": artifact.digest(), "mediaType": artifact.media_type(), "type": artifact.artifact_type(), "layers": layers,
        });
        self.json(&opened)
    }

    fn publish(&self, content: &[u8]) -> Result<(), Error> {
        let layer = self.response.stage(TEXT, content)?;
        self.manifest(&layer.to_json(), vec![layer])
    }

    fn publish_part(&self) -> Result<(), Error> {
        let (offset, length) = (self.number("offset", 0)?, self.number("length", 0)?);
        let layer = self.response.stage_part(TEXT, &self.body()?, offset, length)?;
        self.manifest(&layer.to_json(), vec![layer])
    }

    /// Publishes a manifest with one layer, under the tags that the query names.
    fn manifest(&self, layer: &Value, mut staged: Vec<portolan_plugin_sdk::Descriptor>) -> Result<(), Error> {
        let config = self.response.stage(EMPTY, b"{}")?;
        let annotations = self.request.query().into_iter().filter(|(name, _)| name.contains('.'));
        let annotations = annotations.map(|(name, value)| (name, Value::from(value))).collect::<Value>();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": self.option("type").as_deref().unwrap_or(TYPE), "config": config.to_json(), "layers": [layer],
            "annotations": annotations,
        });
        staged.push(config);
        let publication = Publication::new(self.name, MANIFEST, manifest.to_string());
        let publication = staged.into_iter().fold(publication, Publication::blob);
        let expected = self.request.query().into_iter().filter(|(name, _)| name == "expect");
        let publication = expected.fold(publication, |publication, (_, expected)| match expected.split_once('=') {
            Some((tag, digest)) => publication.expect(tag, Some(digest)),
            None => publication.expect(expected, None),
        });
        let tags = self.request.query().into_iter().filter(|(name, _)| name == "tag");
        let digest = self
            .response
            .publish(tags.fold(publication, |publication, (_, tag)| publication.tag(tag)))?;
        self.response.status(201)?;
        self.json(&json!({ "published": digest }))
    }

    fn body(&self) -> Result<Blob, Error> {
        self.request
            .body()
            .ok_or_else(|| Error::new(Error::INVALID, "The request has no body."))
    }

    fn option(&self, name: &str) -> Option<String> {
        self.request
            .query()
            .into_iter()
            .find(|(option, _)| option == name)
            .map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> String {
        self.option(name).unwrap_or_default()
    }

    fn number(&self, name: &str, default: u64) -> Result<u64, Error> {
        let text = self.option(name);
        text.map_or(Ok(default), |text| {
            text.parse()
                .map_err(|_| Error::new(Error::INVALID, format!("{name} is no number.")))
        })
    }

    fn json(&self, value: &Value) -> Result<(), Error> {
        self.response.header("content-type", "application/json")?;
        self.response.write(value.to_string().as_bytes());
        Ok(())
    }
}
