//! Answers in the words of ChartMuseum: a JSON object, `error` in it where something went wrong.

use portolan_plugin_sdk::{Error, Refusal, Response};
use serde_json::{Value, json};

use crate::rule;

/// The most bytes of an error: clients show no more.
const ERROR_BYTES_MAX: usize = 8000;

/// Why a request is not answered as it was asked.
#[derive(Debug)]
pub enum Failure {
    /// The request cannot be served; the client is told why.
    Refused {
        /// The status.
        status: u16,
        /// What is wrong and what to do.
        message: String,
    },
    /// The gateway could not do what was asked of it.
    Broken(Error),
}

impl Failure {
    /// Refuses a request.
    pub fn new(status: u16, message: impl Into<String>) -> Failure {
        Failure::Refused {
            status,
            message: message.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Broken(error)
    }
}

/// Answers with JSON.
pub fn json(response: &Response, status: u16, body: &Value) -> Result<(), Error> {
    response.status(status)?;
    response.header("content-type", "application/json; charset=utf-8")?;
    response.write(body.to_string().as_bytes());
    Ok(())
}

/// Answers with an error.
pub fn error(response: &Response, status: u16, message: &str) -> Result<(), Error> {
    json(response, status, &json!({ "error": rule::cut(message, ERROR_BYTES_MAX) }))
}

/// Answers with the reason of a failure. What the gateway could not do is its own to report, unless it is the request that asked for
/// too much or for what the caller may not have.
pub fn failure(response: &Response, failure: Failure) -> Result<(), Error> {
    match failure {
        Failure::Refused { status, message } => error(response, status, &message),
        Failure::Broken(broken) if broken.is(Error::LIMIT) => error(response, 413, &broken.message),
        Failure::Broken(broken) if broken.is(Error::DENIED) => error(response, 403, &broken.message),
        Failure::Broken(broken) => Err(broken),
    }
}

/// Words a refusal of the registry.
pub fn explain(response: &Response, refusal: &Refusal) -> Result<(), Error> {
    error(response, refusal.status, &words(refusal))
}

/// What happened, followed by each finding that it does not tell already.
fn words(refusal: &Refusal) -> String {
    let mut text = refusal.message.clone();
    for finding in refusal
        .findings
        .iter()
        .filter(|finding| !refusal.message.contains(&finding.message))
    {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&finding.message);
    }
    text
}

#[cfg(test)]
mod tests {
    use portolan_plugin_sdk::{Finding, Severity};

    use super::*;

    #[test]
    fn refusals_tell_every_finding_once() {
        let finding = |message: &str| Finding::new("helm/name-missing", Severity::High, message);
        for (message, findings, expected) in [
            ("The push is refused.", vec![], "The push is refused."),
            (
                "Refused: No name.",
                vec![finding("No name."), finding("No version.")],
                "Refused: No name.\nNo version.",
            ),
            ("", vec![finding("No name.")], "No name."),
        ] {
            let refusal = Refusal {
                code: "MANIFEST_INVALID".into(),
                status: 400,
                message: message.into(),
                findings,
            };
            assert_eq!(words(&refusal), expected);
        }
    }
}
