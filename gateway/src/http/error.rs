//! The one place that knows which status belongs to what went wrong, and how it is told.
//!
//! Bodies are the error bodies of the distribution specification, at most 8 000 bytes, since clients read no more. What only the operator
//! should know goes to the log, once, here.

use std::{error::Error, fmt::Write as _};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::route::RouteError;
use crate::{
    metadata::MetadataError,
    oci::{DigestError, ErrorCode, NameError},
    registry::{BodyError, Finding, RegistryError, Rejection},
    storage::StorageError,
};

/// The largest error body in bytes: clients decode 8 KiB and no more.
const BODY_BYTES_MAX: usize = 8_000;
/// The most findings that an error body lists.
const FINDINGS_MAX: usize = 50;

/// When a client may come back that had to make room for others, in seconds: most requests are done in less.
const PRESSED_RETRY_SECONDS: u32 = 5;

/// An answer that says what went wrong.
#[derive(Debug)]
pub(super) struct HttpError {
    pub(super) status: StatusCode,
    /// The error code. Where the gateway itself is at fault there is none of the specification's.
    pub(super) code: Option<ErrorCode>,
    pub(super) message: String,
    detail: Value,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl HttpError {
    pub(super) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code: Some(code),
            message: message.into(),
            detail: Value::Null,
            headers: Vec::new(),
        }
    }

    pub(super) fn bad_request(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NameUnknown, message)
    }

    /// The path exists, but not for this method.
    pub(super) fn method(allowed: &'static str) -> Self {
        let message = format!("this path answers {allowed} only");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, message)
            .with(header::ALLOW, HeaderValue::from_static(allowed))
    }

    /// A condition of the request does not hold.
    pub(super) fn unmet(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, ErrorCode::Denied, message)
    }

    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// It may work later.
    pub(super) fn unavailable(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TooManyRequests, message)
            .with(header::RETRY_AFTER, retry_after_seconds.into())
    }

    /// The gateway is at fault: the cause goes to the log, the client learns where to look for it.
    fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error, "a request failed");
        Self::fault()
    }

    /// The gateway is at fault, and the log says why.
    pub(super) fn fault() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: None,
            message: "the gateway could not do this; its log says why under the request id of this answer".into(),
            detail: Value::Null,
            headers: Vec::new(),
        }
    }

    fn body(&self) -> String {
        let code = self.code.map_or("UNKNOWN", ErrorCode::as_str);
        let message: String = self.message.chars().take(2_000).collect();
        let mut detail = self.detail.clone();
        loop {
            let mut error = json!({ "code": code, "message": message });
            if let (Some(error), false) = (error.as_object_mut(), detail.is_null()) {
                error.insert("detail".into(), detail.clone());
            }
            let body = json!({ "errors": [error] }).to_string();
            if body.len() <= BODY_BYTES_MAX {
                return body;
            }
            // The least important findings go first; the message has their count.
            match detail.get_mut("findings").and_then(Value::as_array_mut) {
                Some(findings) if findings.len() > 1 => findings.truncate(findings.len() / 2),
                _ => detail = Value::Null,
            }
        }
    }
}

/// What an answer says went wrong, beside it, for the log.
#[derive(Clone)]
pub(super) struct Said(pub(super) String);

impl IntoResponse for HttpError {
    /// Returns the answer. It never has more than 8 000 bytes.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response.extensions_mut().insert(Said(self.message));
        response
    }
}

impl From<RouteError> for HttpError {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::Unknown => Self::not_found(error.to_string()),
            RouteError::Segment(_) => Self::bad_request(ErrorCode::NameInvalid, error.to_string()),
            RouteError::Name(error) => error.into(),
            RouteError::Digest(error) => error.into(),
        }
    }
}

impl From<NameError> for HttpError {
    fn from(error: NameError) -> Self {
        let code = match error {
            NameError::Digest(..) => ErrorCode::DigestInvalid,
            NameError::Tag(_) => ErrorCode::ManifestInvalid,
            NameError::Repository(_) | NameError::RepositoryLength(_) => ErrorCode::NameInvalid,
        };
        Self::bad_request(code, error.to_string())
    }
}

impl From<DigestError> for HttpError {
    fn from(error: DigestError) -> Self {
        Self::bad_request(ErrorCode::DigestInvalid, error.to_string())
    }
}

impl From<RegistryError> for HttpError {
    fn from(error: RegistryError) -> Self {
        use RegistryError as E;
        if let E::Publishing { repository, error } = error {
            let error = Self::from(*error);
            let message = format!("publishing to {repository}: {}", error.message);
            return Self { message, ..error };
        }
        let message = error.to_string();
        let (status, code) = match &error {
            E::RepositoryUnknown(_) => (StatusCode::NOT_FOUND, ErrorCode::NameUnknown),
            E::ManifestUnknown(..) => (StatusCode::NOT_FOUND, ErrorCode::ManifestUnknown),
            E::BlobUnknown(..) => (StatusCode::NOT_FOUND, ErrorCode::BlobUnknown),
            E::UploadUnknown(_) => (StatusCode::NOT_FOUND, ErrorCode::BlobUploadUnknown),
            E::UploadBusy(_) | E::BodyBroken(BodyError::TakenOver) => (StatusCode::CONFLICT, ErrorCode::BlobUploadInvalid),
            E::UploadRange { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::BlobUploadInvalid),
            E::UploadLength { .. } => (StatusCode::BAD_REQUEST, ErrorCode::SizeInvalid),
            E::BodyBroken(BodyError::TooSlow(_)) => (StatusCode::REQUEST_TIMEOUT, ErrorCode::BlobUploadInvalid),
            E::BodyBroken(BodyError::Pressed) => return Self::unavailable(message, PRESSED_RETRY_SECONDS),
            E::BodyBroken(BodyError::Broken(_)) => (StatusCode::BAD_REQUEST, ErrorCode::BlobUploadInvalid),
            E::DigestMismatch { .. } | E::Digest(_) => (StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid),
            E::Manifest(_) | E::DescriptorSize { .. } => (StatusCode::BAD_REQUEST, ErrorCode::ManifestInvalid),
            E::Unreadable { .. } => (StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::ManifestInvalid),
            E::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::SizeInvalid),
            E::Missing { .. } => (StatusCode::NOT_FOUND, ErrorCode::ManifestBlobUnknown),
            E::TooManyTags(_) => (StatusCode::URI_TOO_LONG, ErrorCode::ManifestInvalid),
            E::Unmet { .. } => (StatusCode::PRECONDITION_FAILED, ErrorCode::Denied),
            E::Denied(_) | E::NotOwned { .. } => (StatusCode::FORBIDDEN, ErrorCode::Denied),
            E::Rejected(rejection) => return rejected(rejection),
            E::UploadsFull { retry_after_seconds } => {
                return Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, message)
                    .with(header::RETRY_AFTER, (*retry_after_seconds).into());
            }
            E::NotReady(_) => return Self::unavailable(message, 1),
            E::Storage(StorageError::Full { .. }) | E::Metadata(MetadataError::Full) => return full(&error),
            E::Metadata(MetadataError::Stopping | MetadataError::Busy) => return Self::unavailable(message, 1),
            E::Metadata(MetadataError::Late) => return Self::unavailable(message, PRESSED_RETRY_SECONDS),
            E::Storage(_) | E::Metadata(_) | E::Publishing { .. } => return Self::internal(&error),
        };
        Self::new(status, code, message)
    }
}

/// The disk is full: the operator is told which, the client what it means.
fn full(error: &RegistryError) -> HttpError {
    tracing::error!(error = error as &dyn Error, "the disk is full");
    HttpError {
        status: StatusCode::INSUFFICIENT_STORAGE,
        code: None,
        message:
            "the gateway's storage is full; what was stored before is safe. Ask the operator to free some space, then repeat"
                .into(),
        detail: Value::Null,
        headers: Vec::new(),
    }
}

fn rejected(rejection: &Rejection) -> HttpError {
    match rejection {
        Rejection::Refused { plugin, tag, findings } => {
            let mut message = format!("plugin {plugin} refuses ");
            match tag {
                Some(tag) => write!(message, "tag {tag}"),
                None => write!(message, "this artifact"),
            }
            .expect("writing to a string cannot fail");
            message.push_str(&first_and_count(findings));
            let shown: Vec<&Finding> = findings.iter().take(FINDINGS_MAX).collect();
            let mut error = HttpError::bad_request(ErrorCode::ManifestInvalid, message);
            error.detail = json!({ "plugin": plugin, "findings": shown });
            error
        }
        Rejection::Failed { plugin, reason } => {
            let message = format!("plugin {plugin} could not judge this artifact: {reason}. Nothing was stored");
            HttpError::bad_request(ErrorCode::ManifestInvalid, message)
        }
        Rejection::Unavailable {
            plugin,
            reason,
            retry_after_seconds,
        } => HttpError::unavailable(
            format!("plugin {plugin} cannot judge this artifact now: {reason}. Nothing was stored"),
            *retry_after_seconds,
        ),
    }
}

/// Words the first finding, with its place, and how many more there are.
pub(super) fn first_and_count(findings: &[Finding]) -> String {
    let Some(first) = findings.first() else {
        return ", without saying why".into();
    };
    let more = match findings.len() - 1 {
        0 => String::new(),
        1 => " (and 1 more finding)".into(),
        more => format!(" (and {more} more findings)"),
    };
    format!(": {}{more}", worded(first))
}

/// Words a finding in one line: the place, the message, the rule.
pub(super) fn worded(finding: &Finding) -> String {
    let mut text = String::new();
    if let Some(path) = finding.location.as_ref().and_then(|place| place.path.as_deref()) {
        text.push_str(path);
        if let Some(line) = finding.location.as_ref().and_then(|place| place.line) {
            write!(text, ":{line}").expect("writing to a string cannot fail");
        }
        text.push_str(": ");
    }
    write!(text, "{} [{}]", finding.message, finding.rule).expect("writing to a string cannot fail");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(message: &str) -> Finding {
        Finding {
            rule: "x/y".into(),
            severity: "high".into(),
            message: message.into(),
            location: None,
            help: None,
            properties: String::new(),
        }
    }

    #[test]
    fn bodies_stay_below_what_clients_read() {
        let findings: Vec<Finding> = (0..1_000).map(|n| finding(&format!("{n} {}", "ä\"".repeat(400)))).collect();
        let refused = Rejection::Refused {
            plugin: "p".into(),
            tag: None,
            findings,
        };
        let body = rejected(&refused).body();
        assert!(body.len() <= BODY_BYTES_MAX, "{}", body.len());
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(
            body["errors"][0]["message"]
                .as_str()
                .unwrap()
                .contains("and 999 more findings")
        );
        assert!(!body["errors"][0]["detail"]["findings"].as_array().unwrap().is_empty());
    }
}
