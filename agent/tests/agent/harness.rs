//! A whole agent on port 0, spoken to by REST.

use std::{ffi::OsString, net::SocketAddr, sync::Arc, time::Duration};

use airside_agent::{
    agent,
    capture::Source,
    settings::{self, Loaded, Settings},
    systemd::Manager,
};
use airside_runtime::{Mesh, service::RunError};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle};

use super::eventually;

/// An agent in this process.
pub(crate) struct Agent {
    address: SocketAddr,
    mesh: Mesh,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), RunError>>,
}

impl Agent {
    /// With one camera `1` and these flags.
    pub(crate) async fn with(source: Arc<dyn Source>, flags: &[&str]) -> Self {
        let args = Self::args(flags);
        Self::with_settings(source, args, |_| {}).await
    }

    /// The arguments of an agent on port 0 with one camera `1`, then `flags`.
    pub(crate) fn args(flags: &[&str]) -> Vec<OsString> {
        let fixed = [
            "airside-agent",
            "--listen",
            "127.0.0.1:0",
            "--agent",
            "gate",
            "--source",
            "test://",
        ];
        fixed.iter().chain(flags).map(Into::into).collect()
    }

    /// With one camera `1`, these arguments, and settings changed by `change`.
    pub(crate) async fn with_settings(
        source: Arc<dyn Source>,
        args: Vec<OsString>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut loaded = settings::load(args.clone()).unwrap();
        loaded.settings.cameras[0].source = source;
        change(&mut loaded.settings);
        Self::running(loaded, args, Manager::default()).await
    }

    /// As it was loaded with these arguments.
    pub(crate) async fn running(loaded: Loaded, args: Vec<OsString>, manager: Manager) -> Self {
        let bound = agent::build(loaded, args, manager).await.unwrap();
        let address = bound.address();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(bound.run_until(async move { drop(stopped.await) }));
        Self {
            address,
            mesh: Mesh::new(None),
            stop,
            task,
        }
    }

    pub(crate) async fn send(
        &self,
        request: http::request::Builder,
        body: &str,
    ) -> Response<Bytes> {
        let request = request
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        self.mesh
            .send(request, Duration::from_secs(20))
            .await
            .unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let answer = self.send(Request::get(self.url(path)), "").await;
        (
            answer.status(),
            serde_json::from_slice(answer.body()).unwrap_or_default(),
        )
    }

    /// The content type and the text.
    pub(crate) async fn get_text(&self, path: &str) -> (String, String) {
        let answer = self.send(Request::get(self.url(path)), "").await;
        let kind = answer.headers()[header::CONTENT_TYPE].to_str().unwrap();
        (
            kind.to_owned(),
            String::from_utf8(answer.body().to_vec()).unwrap(),
        )
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> (StatusCode, Value) {
        let request =
            Request::post(self.url(path)).header(header::CONTENT_TYPE, "application/json");
        let answer = self.send(request, body).await;
        (
            answer.status(),
            serde_json::from_slice(answer.body()).unwrap_or_default(),
        )
    }

    /// Puts a configuration in force.
    pub(crate) async fn put(&self, path: &str, configuration: &str) -> (StatusCode, Value) {
        let request = Request::put(self.url(path)).header(header::CONTENT_TYPE, "application/toml");
        let answer = self.send(request, configuration).await;
        (
            answer.status(),
            serde_json::from_slice(answer.body()).unwrap_or_default(),
        )
    }

    pub(crate) async fn state(&self) -> Value {
        let (status, state) = self.get("/state").await;
        assert_eq!(status, StatusCode::OK);
        state
    }

    /// Streams to a destination as exit of section 1.
    pub(crate) async fn start(&self, destination: &str) {
        let body = json!({"section": 1, "destination": destination, "event": "exit", "format": "json", "extra-info": "x"});
        let (status, answer) = self.post("/stream?toggle=on", &body.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    /// Waits until the state is as wanted.
    pub(crate) async fn becomes(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut state = self.state().await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while !wanted(&state) {
            assert!(
                tokio::time::Instant::now() < deadline,
                "in vain: {what}: {state}"
            );
            tick.tick().await;
            state = self.state().await;
        }
        state
    }

    /// All metrics at one moment.
    pub(crate) async fn metrics(&self) -> Figures {
        let answer = self.send(Request::get(self.url("/metrics")), "").await;
        Figures(String::from_utf8(answer.body().to_vec()).unwrap())
    }

    pub(crate) async fn metric(&self, name: &str) -> u64 {
        self.metrics().await.sum(name)
    }

    /// Ends the agent in order.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        let ended = eventually("the agent ends", || self.task.is_finished());
        ended.await;
        self.task.await.unwrap().unwrap();
    }
}

/// One answer of `/metrics`.
pub(crate) struct Figures(String);

impl Figures {
    /// The value of this very sample, if there is one.
    pub(crate) fn value(&self, sample: &str) -> Option<f64> {
        let mut lines = self.0.lines();
        lines.find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
    }

    /// The sum of a metric over its labels.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        let of_name = |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        let values: Vec<_> = self.0.lines().filter(of_name).map(value).collect();
        assert!(!values.is_empty(), "no {name} in {}", self.0);
        values.iter().sum()
    }
}
