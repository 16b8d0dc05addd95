//! What a plugin is told of a refusal, and the words for what it could not do itself.

use std::fmt::Write as _;

use serde_json::json;

use super::{Part, ServiceResponse};
use crate::{
    oci::ErrorCode,
    plugin_host::Reason,
    registry::{BodyError, Finding, RegistryError, Rejection},
};

/// The longest message of a refusal in bytes.
const MESSAGE_BYTES_MAX: usize = 2_000;
/// The most findings of a refusal.
const FINDINGS_MAX: usize = 100;

/// Returns what a plugin is told. Where the gateway itself is at fault there is nothing for a plugin to word.
pub(super) fn reason(error: &RegistryError) -> Option<Reason> {
    use RegistryError as E;
    let (status, code) = match error {
        E::RepositoryUnknown(_) => (404, ErrorCode::NameUnknown),
        E::ManifestUnknown(..) => (404, ErrorCode::ManifestUnknown),
        E::BlobUnknown(..) => (404, ErrorCode::BlobUnknown),
        E::UploadLength { .. } => (400, ErrorCode::SizeInvalid),
        E::BodyBroken(BodyError::TooSlow(_)) => (408, ErrorCode::BlobUploadInvalid),
        E::BodyBroken(BodyError::Broken(_)) => (400, ErrorCode::BlobUploadInvalid),
        E::DigestMismatch { .. } | E::Digest(_) => (400, ErrorCode::DigestInvalid),
        E::Manifest(_) | E::Unreadable { .. } | E::DescriptorSize { .. } | E::TooManyTags(_) => (400, ErrorCode::ManifestInvalid),
        E::TooLarge { .. } => (413, ErrorCode::SizeInvalid),
        E::Missing { .. } => (404, ErrorCode::ManifestBlobUnknown),
        E::Unmet { .. } => (409, ErrorCode::ManifestInvalid),
        E::Denied(_) | E::NotOwned { .. } => (403, ErrorCode::Denied),
        E::Rejected(rejection) => return rejected(rejection),
        E::Publishing { repository, error } => {
            let reason = reason(error)?;
            return Some(Reason {
                message: cut(format!("publishing to {repository}: {}", reason.message)),
                ..reason
            });
        }
        E::BodyBroken(BodyError::Pressed | BodyError::TakenOver)
        | E::UploadUnknown(_)
        | E::UploadBusy(_)
        | E::UploadRange { .. }
        | E::UploadsFull { .. }
        | E::NotReady(_)
        | E::Storage(_)
        | E::Metadata(_) => {
            return None;
        }
    };
    Some(worded(status, code, &error.to_string(), Vec::new()))
}

fn rejected(rejection: &Rejection) -> Option<Reason> {
    match rejection {
        Rejection::Refused { plugin, tag, findings } => {
            let mut message = format!("plugin {plugin} refuses ");
            match tag {
                Some(tag) => write!(message, "tag {tag}"),
                None => write!(message, "this artifact"),
            }
            .expect("writing to a string cannot fail");
            if let Some(Finding {
                message: first, rule, ..
            }) = findings.first()
            {
                write!(message, ": {first} ({rule})").expect("writing to a string cannot fail");
            }
            Some(worded(
                400,
                ErrorCode::ManifestInvalid,
                &message,
                findings.iter().take(FINDINGS_MAX).cloned().collect(),
            ))
        }
        Rejection::Failed { plugin, reason } => {
            let message = format!("plugin {plugin} failed on this artifact: {reason}");
            Some(worded(400, ErrorCode::ManifestInvalid, &message, Vec::new()))
        }
        Rejection::Unavailable { .. } => None,
    }
}

fn worded(status: u16, code: ErrorCode, message: &str, findings: Vec<Finding>) -> Reason {
    Reason {
        code: code.as_str().into(),
        status,
        message: cut(message.to_owned()),
        findings,
    }
}

fn cut(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    message
}

/// Answers for a plugin that says that it could not serve.
pub(super) fn failed(plugin: &str, code: &str, message: &str) -> ServiceResponse {
    tracing::error!(plugin, code, message, "a plugin could not serve a request");
    let message = format!("plugin {plugin} could not serve this request: {message}");
    let body = json!({ "errors": [{ "code": "UNKNOWN", "message": message }] }).to_string();
    ServiceResponse {
        status: 500,
        headers: vec![("content-type".into(), "application/json".into())],
        etag: None,
        length: body.len() as u64,
        body: vec![Part::Bytes(body.into())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::MetadataError;

    #[test]
    fn plugins_word_what_clients_did_and_not_what_the_gateway_did() {
        let denied = reason(&RegistryError::Denied("team/a".parse().unwrap())).unwrap();
        assert_eq!((denied.status, denied.code.as_str()), (403, "DENIED"));
        assert!(reason(&RegistryError::Metadata(MetadataError::Full)).is_none());
        let publishing = |error: RegistryError| RegistryError::Publishing {
            repository: "team/a".parse().unwrap(),
            error: Box::new(error),
        };
        let tags = reason(&publishing(RegistryError::TooManyTags(2))).unwrap();
        assert_eq!(
            (tags.status, tags.message.as_str()),
            (400, "publishing to team/a: one push may set at most 2 tags")
        );
        assert!(reason(&publishing(RegistryError::Metadata(MetadataError::Full))).is_none());
        let finding = |n: usize| Finding {
            rule: format!("rule/{n}"),
            severity: "high".into(),
            message: "ä".repeat(1_500),
            location: None,
            help: None,
            properties: String::new(),
        };
        let refused = Rejection::Refused {
            plugin: "note".into(),
            tag: None,
            findings: (0..200).map(finding).collect(),
        };
        let refused = reason(&RegistryError::Rejected(Box::new(refused))).unwrap();
        assert_eq!((refused.status, refused.findings.len()), (400, FINDINGS_MAX));
        assert!(
            refused.message.len() <= MESSAGE_BYTES_MAX && refused.message.starts_with("plugin note refuses this artifact: ä")
        );
    }
}
