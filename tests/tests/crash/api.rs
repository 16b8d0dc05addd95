//! Requests to a gateway that may be killed while it answers.

use anyhow::anyhow;
use bytes::Bytes;
use portolan_tests::Answer;
use reqwest::{Client, Method, header::HeaderMap};
use std::time::Duration;

/// How long a request may take. A gateway that is killed closes its connections at once; one that hangs fails the test.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);

/// Why there is no good answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// The gateway was gone before the request reached it.
    Unsent,
    /// The gateway was killed after the request had reached it and before all of its answer came.
    Cut,
    /// The answer is not what it has to be.
    Wrong(anyhow::Error),
}

impl From<anyhow::Error> for Broken {
    fn from(error: anyhow::Error) -> Self {
        Self::Wrong(error)
    }
}

impl Broken {
    /// Returns the error where the gateway should be alive.
    pub(super) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Unsent => anyhow!("the gateway is gone although nobody killed it"),
            Self::Cut => anyhow!("the gateway broke off although nobody killed it"),
            Self::Wrong(error) => error,
        }
    }
}

/// What sends requests to one run of the gateway.
#[derive(Clone)]
pub(super) struct Api {
    client: Client,
    base: String,
}

impl Api {
    pub(super) fn new(address: &str) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(REQUEST_TIME_MAX).no_proxy().build()?;
        Ok(Self {
            client,
            base: format!("http://{address}"),
        })
    }

    /// Sends a request and reads the answer to its end, whatever its status.
    pub(super) async fn send(&self, method: Method, path: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, Broken> {
        let asked = format!("{method} {path}");
        let request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .headers(headers)
            .body(body);
        let response = request.send().await.map_err(|error| broken(&asked, error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(|error| broken(&asked, error))?;
        Ok(Answer {
            status,
            headers,
            body,
            asked,
        })
    }

    /// Sends a request whose answer has to have a status.
    pub(super) async fn expect(
        &self,
        status: u16,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Broken> {
        let answer = self.send(method, path, headers, body).await?;
        if answer.status == status {
            return Ok(answer);
        }
        Err(Broken::Wrong(anyhow!(
            "{} answered {} instead of {status}: {}",
            answer.asked,
            answer.status,
            answer.text()
        )))
    }

    /// Gets something from a gateway that is alive: the answer, or nothing where it says 404.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Option<Answer>> {
        let answer = self
            .send(Method::GET, path, HeaderMap::new(), Bytes::new())
            .await
            .map_err(Broken::into_error)?;
        match answer.status {
            200 | 204 => Ok(Some(answer)),
            404 => Ok(None),
            status => Err(anyhow!("{} answered {status}: {}", answer.asked, answer.text())),
        }
    }
}

fn broken(asked: &str, error: reqwest::Error) -> Broken {
    if error.is_timeout() {
        Broken::Wrong(anyhow!(error).context(format!("{asked} was not answered in time")))
    } else if error.is_connect() {
        Broken::Unsent
    } else {
        Broken::Cut
    }
}
