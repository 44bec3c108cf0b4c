//! A small HTTP client: one request, one bounded answer, one deadline.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// More than any page, state dump or alert list that is read here.
const BODY_LIMIT: usize = 32 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be asked for.
    #[error("`{url}` is no address of the form http://host:port/path")]
    Address {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        source: http::Error,
    },
    /// No connection, or it broke.
    #[error("no answer from {url}: {reason}")]
    Unreachable {
        /// Who was asked.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// It took too long.
    #[error("no answer from {url} within {deadline:?}")]
    Late {
        /// Who was asked.
        url: String,
        /// How long was waited.
        deadline: Duration,
    },
}

impl Error {
    pub(crate) fn unreachable(
        url: impl Into<String>,
        error: &(dyn std::error::Error + 'static),
    ) -> Self {
        Self::Unreachable {
            url: url.into(),
            reason: innermost(error),
        }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as text.
    pub body: String,
}

impl Answer {
    /// A header, if it is there and plain text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Keeps connections between requests.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    deadline: Duration,
}

impl Client {
    /// A client that waits at most `deadline` for a whole answer.
    pub fn new(deadline: Duration) -> Self {
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build_http();
        Self { pool, deadline }
    }

    /// `GET url`.
    ///
    /// # Errors
    /// No connection, no whole answer in time.
    pub async fn get(&self, url: &str) -> Result<Answer, Error> {
        self.send(Method::GET, url, &[]).await
    }

    /// A request without a body.
    ///
    /// # Errors
    /// No connection, no whole answer in time.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(String, String)],
    ) -> Result<Answer, Error> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::default())
            .map_err(|source| Error::Address {
                url: url.to_owned(),
                source,
            })?;
        match tokio::time::timeout(self.deadline, self.exchange(request)).await {
            Ok(answer) => answer.map_err(|error| Error::unreachable(url, error.as_ref())),
            Err(_) => Err(Error::Late {
                url: url.to_owned(),
                deadline: self.deadline,
            }),
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let (head, body) = self.pool.request(request).await?.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await?.to_bytes();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
