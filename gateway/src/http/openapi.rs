//! The description of the HTTP interface for programs (OpenAPI 3.1). A test compares its paths with the router's.

use super::{Answer, request::answer};

const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /v2/_portolan/openapi.json`
pub(super) fn document() -> Answer {
    Ok(answer(200, "application/json", DOCUMENT))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::http::route;

    #[test]
    fn every_path_is_one_that_the_router_knows() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let digest = crate::oci::Digest::sha256(b"").to_string();
        for (path, operations) in document["paths"].as_object().unwrap() {
            let path = path
                .replace("{repository}", "team/a")
                .replace("{digest}", &digest)
                .replace("{reference}", "v1");
            let path = path
                .replace("{other}", "v2")
                .replace("{session}", "0")
                .replace("{view}", "x")
                .replace("{name}", "x");
            let route = route::parse(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(!matches!(route, route::Route::Service(..)), "{path}");
            for (method, operation) in operations.as_object().unwrap() {
                assert!(
                    operation["summary"].is_string() && operation["responses"].is_object(),
                    "{method} {path}"
                );
            }
        }
    }
}
