//! What a client of the REST interface sees.

use std::time::Duration;

use airside_runtime::Mesh;
use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::Full;
use serde_json::Value;

/// Longer than any deadline that the services have: a client that ends here saw a hang.
const LIMIT: Duration = Duration::from_secs(30);

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// It is none; the error shows it.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("status {}, no JSON: {:?}", self.status, self.text()))
    }

    /// A header's value, empty when missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// `GET`.
///
/// # Errors
/// No answer.
pub async fn get(url: &str) -> Result<Answer> {
    send(Request::get(url), Bytes::new()).await
}

/// `POST` of a JSON body.
///
/// # Errors
/// No answer.
pub async fn post(url: &str, body: &Value) -> Result<Answer> {
    let request = Request::post(url).header(header::CONTENT_TYPE, "application/json");
    send(request, body.to_string()).await
}

/// Any request.
///
/// # Errors
/// No answer.
pub async fn send(request: http::request::Builder, body: impl Into<Bytes>) -> Result<Answer> {
    let request = request.body(Full::new(body.into()))?;
    // A client for each request: none sees a connection that another left behind.
    let answer = Mesh::new(None).send(request, LIMIT).await?;
    let (head, body) = answer.into_parts();
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
    })
}
