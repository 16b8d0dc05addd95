//! A validator whose verdict has another shape than the contract says.
//!
//! Its interfaces have the right names and versions, so that only the types can tell.
#![allow(
    unsafe_code,
    missing_docs,
    clippy::all,
    reason = "most of it is generated: the canonical ABI passes pointers"
)]

wit_bindgen::generate!({ path: "wit", world: "guest" });

use exports::portolan::plugin::{describe, validator};

struct WrongRecord;

impl describe::Guest for WrongRecord {
    fn describe() -> String {
        r#"{"name":"wrong-record","version":"1.0.0","claims":[{"type":"application/vnd.test.wrong-record"}]}"#.to_owned()
    }
}

impl validator::Guest for WrongRecord {
    fn validate(_: validator::Context, artifact: validator::Artifact) -> Result<validator::Verdict, validator::Error> {
        Ok(validator::Verdict {
            accepted: !artifact.digest().is_empty(),
            confidence: 100,
        })
    }
}

#[cfg(target_arch = "wasm32")]
export!(WrongRecord);
