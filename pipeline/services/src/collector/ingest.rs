//! `airside.v1.FrameIngest`: frames in, acknowledgements out.
//!
//! ```text
//!  hello ──▶ open ──drain──▶ draining ──▶ closed
//!              │                │  the agent closes, or everything is acknowledged and it stays silent
//!              │ └── a newer process says hello: as drain
//!              └── agent closes: what is under way is acknowledged first
//! ```
//!
//! Invariants: at most the window is under way; each frame is acknowledged once, in the order of completion; the work of a
//! stream lives in the stream, so that an agent that is gone leaves none behind; of two processes that stream one camera
//! under the same name the newer one does (`tenure`).

mod session;
mod tenure;

use std::{pin::Pin, sync::Arc};

use airside_proto::v1::{StreamRequest, StreamResponse, frame_ingest_server::FrameIngest};
use airside_runtime::carry::Carried;
use futures::{Stream, stream};
use http::HeaderMap;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::outcome::Outcomes;
pub use super::process::Record;
use session::Session;
use tenure::Tenures;

/// The service of `airside.v1`.
#[derive(Debug)]
pub struct Ingest<R> {
    recorder: Arc<R>,
    outcomes: Outcomes,
    window: u32,
    drain: CancellationToken,
    tenures: Arc<Tenures>,
}

impl<R: Record> Ingest<R> {
    /// Takes frames for `recorder`, at most `window` at a time from one stream.
    #[must_use]
    pub fn new(recorder: Arc<R>, outcomes: Outcomes, window: u32) -> Self {
        Self {
            recorder,
            outcomes,
            window,
            drain: CancellationToken::new(),
            tenures: Arc::default(),
        }
    }

    /// Asks agents to go elsewhere once `drain` is cancelled.
    #[must_use]
    pub fn ending_with(self, drain: CancellationToken) -> Self {
        Self { drain, ..self }
    }
}

#[tonic::async_trait]
impl<R: Record> FrameIngest for Ingest<R> {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<StreamResponse, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<StreamRequest>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let session = Session::new(request.into_inner(), self);
        let responses = stream::try_unfold(session, |mut session| async move {
            let response = session.next().await?;
            Ok(response.map(|response| (response, session)))
        });
        Ok(Response::new(Box::pin(responses)))
    }
}

/// What each frame of a stream carries on beside its own trace.
#[derive(Clone, Debug)]
struct Keys {
    /// Key of routes and consistent hashes: the stream's own `x-camera-id`, else its camera.
    camera: Option<String>,
    user_group: Option<String>,
}

impl Keys {
    /// Of the request being served.
    fn of_stream() -> Self {
        let mut headers = HeaderMap::new();
        Carried::current().write(&mut headers);
        let text = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
        Self {
            camera: text("x-camera-id"),
            user_group: text("x-airside-user-group"),
        }
    }

    fn carried(&self, traceparent: &str, camera: &str) -> Carried {
        let camera = self.camera.as_deref().unwrap_or(camera);
        let carried = Carried::of_traceparent(traceparent).with("x-camera-id", camera);
        match &self.user_group {
            Some(group) => carried.with("x-airside-user-group", group),
            None => carried,
        }
    }
}
