//! The description of the HTTP interface for programs (OpenAPI 3.1). A test of the running gateway asks for everything that it describes.

use super::{
    Answer,
    request::{self, Call},
};

const DOCUMENT: &str = include_str!("openapi.json");
/// Where the document says what its paths are below.
const SERVER: &str = "\"url\": \"/\"";

/// `GET /v2/_portolan/openapi.json`
pub(super) fn document(call: &Call) -> Answer {
    let server = format!("\"url\": \"{}\"", call.gateway.url("/"));
    Ok(request::document("application/json", DOCUMENT.replacen(SERVER, &server, 1)))
}
