//! An answer that was read to its end.

use bytes::Bytes;
use serde_json::Value;

/// What the gateway answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The request, for messages.
    pub asked: String,
}

impl Answer {
    /// Checks the status.
    ///
    /// # Panics
    /// Shows the request and the body where the status is another one.
    #[track_caller]
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text());
        self
    }

    /// Checks the status and the error code, and that the message has a text in it.
    ///
    /// # Panics
    /// Shows the request and the body where the answer is another one.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str, message: &str) {
        let answer = self.expect(status);
        assert!(
            answer.body.len() <= 8_000,
            "{}: the body has {} bytes",
            answer.asked,
            answer.body.len()
        );
        let error = &answer.json()["errors"][0];
        assert_eq!(error["code"], code, "{}: {}", answer.asked, answer.text());
        let said = error["message"].as_str().unwrap_or_default();
        assert!(said.contains(message), "{}: {said:?} does not say {message:?}", answer.asked);
    }

    /// Returns a header, or the empty text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Returns all values of a header.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect()
    }

    /// Returns the body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON.
    ///
    /// # Panics
    /// Shows the body where it is none.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error}: {}", self.asked, self.text()))
    }

    /// Returns the path that `Location` points to.
    #[must_use]
    pub fn location(&self) -> String {
        self.header("location").to_owned()
    }
}

/// Returns the value of a metric in the text that Prometheus reads. The name comes with its labels.
///
/// # Panics
/// Shows the text where the metric is not there.
#[must_use]
pub fn metric(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = value.and_then(|value| value.parse().ok());
    value.unwrap_or_else(|| panic!("there is no {name} in {text}"))
}
