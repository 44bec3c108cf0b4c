//! A service on port 0, asked by real clients.

use std::time::Duration;

use airside_runtime::{Bound, Mesh, mesh::GrpcChannel};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Long against anything but a hang.
const LIMIT: Duration = Duration::from_secs(20);

/// A service that runs until it is stopped.
pub(crate) struct Trial {
    origin: String,
    mesh: Mesh,
    stop: DropGuard,
    running: JoinHandle<()>,
}

impl Trial {
    pub(crate) fn run(bound: Bound) -> Self {
        let origin = format!("http://{}", bound.address());
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        Self {
            origin,
            mesh: Mesh::new(None),
            stop: stop.drop_guard(),
            running: tokio::spawn(async move { bound.run_until(stopped).await.unwrap() }),
        }
    }

    /// Drains; panics if the service did.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.running.await.unwrap();
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn channel(&self) -> GrpcChannel {
        self.mesh.channel(&self.origin.parse().unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], "").await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, &[], "").await
    }

    pub(crate) async fn put(&self, path: &str) -> Answer {
        self.ask(Method::PUT, path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, request_id: Option<&str>, body: &str) -> Answer {
        let id = request_id.map(|id| ("x-request-id", id));
        self.post_with(path, id.as_slice(), body).await
    }

    pub(crate) async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.ask(Method::POST, path, headers, body).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.origin));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::from(Bytes::from(body.to_owned()));
        let response = self
            .mesh
            .send(request.body(body).unwrap(), LIMIT)
            .await
            .unwrap();
        Answer {
            status: response.status(),
            link: response
                .headers()
                .get("link")
                .map(|link| link.to_str().unwrap().to_owned()),
            body: String::from_utf8(response.into_body().to_vec()).unwrap(),
        }
    }
}

/// What a service answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) link: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Asserts a problem with this status that names this field.
    #[track_caller]
    pub(crate) fn refuses(&self, status: StatusCode, field: &str) {
        let named = self.json();
        assert_eq!(
            (self.status, &named["field"]),
            (status, &field.into()),
            "{}",
            self.body
        );
    }
}
