//! One agent's stream.

use std::{collections::VecDeque, pin::Pin, sync::Arc, time::Duration};

use airside_core::Timestamp;
use airside_proto::v1::{
    self, Acknowledgement, Credits, Drain, DrainCause, Hello, StreamRequest, StreamResponse,
    stream_request::Message, stream_response,
};
use futures::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::{
    Ingest, Keys, Record,
    tenure::{self, Tenures},
};
use crate::{
    collector::outcome::{Outcomes, Verdict},
    frame::{Frame, identity},
};

/// An agent that was asked to go has that long to close before its stream is ended.
const GOODBYE: Duration = Duration::from_secs(3);

type UnderWay = Pin<Box<dyn Future<Output = Acknowledgement> + Send>>;

pub(super) struct Session<R> {
    requests: Streaming<StreamRequest>,
    recorder: Arc<R>,
    outcomes: Outcomes,
    window: u32,
    drain: CancellationToken,
    tenures: Arc<Tenures>,
    /// Cancelled when a newer process of the agent streams the camera.
    superseded: CancellationToken,
    keys: Keys,
    /// Known once the agent said hello.
    hello: Option<Hello>,
    /// Frames that the agent may still send.
    credits: u32,
    under_way: FuturesUnordered<UnderWay>,
    responses: VecDeque<StreamResponse>,
    /// The agent sends nothing more.
    closed: bool,
    /// Set once the agent was asked to go: when the stream ends at the latest.
    goodbye: Option<Instant>,
}

fn response(message: stream_response::Message) -> StreamResponse {
    StreamResponse {
        message: Some(message),
    }
}

impl<R: Record> Session<R> {
    pub(super) fn new(requests: Streaming<StreamRequest>, ingest: &Ingest<R>) -> Self {
        Self {
            requests,
            recorder: Arc::clone(&ingest.recorder),
            outcomes: ingest.outcomes.clone(),
            window: ingest.window,
            drain: ingest.drain.clone(),
            tenures: Arc::clone(&ingest.tenures),
            superseded: CancellationToken::new(),
            keys: Keys::of_stream(),
            hello: None,
            credits: 0,
            under_way: FuturesUnordered::new(),
            responses: VecDeque::new(),
            closed: false,
            goodbye: None,
        }
    }

    /// The next response; none when the stream is over.
    pub(super) async fn next(&mut self) -> Result<Option<StreamResponse>, Status> {
        loop {
            if let Some(response) = self.responses.pop_front() {
                return Ok(Some(response));
            }
            if self.closed && self.under_way.is_empty() {
                return Ok(None);
            }
            let end = self.goodbye.filter(|_| self.under_way.is_empty());
            tokio::select! {
                Some(first) = self.under_way.next() => self.acknowledge(first),
                request = self.requests.message(), if !self.closed => match request? {
                    Some(request) => self.take(request)?,
                    None => self.closed = true,
                },
                () = self.drain.cancelled(), if self.goodbye.is_none() => self.say_goodbye(DrainCause::Leaving),
                () = self.superseded.cancelled(), if self.goodbye.is_none() => self.say_goodbye(DrainCause::Superseded),
                () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => return Ok(None),
            }
        }
    }

    /// Acknowledges `first` and what is done besides, and gives as many credits back.
    fn acknowledge(&mut self, first: Acknowledgement) {
        let mut done = Some(first);
        let mut freed = 0;
        while let Some(acknowledgement) = done {
            let message = stream_response::Message::Acknowledgement(acknowledgement);
            self.responses.push_back(response(message));
            freed += 1;
            done = self.under_way.next().now_or_never().flatten();
        }
        if self.goodbye.is_none() && !self.closed {
            self.grant(freed, 0);
        }
    }

    fn grant(&mut self, frames: u32, admitted_at_us: u64) {
        self.credits += frames;
        let credits = stream_response::Message::Credits(Credits {
            frames,
            admitted_at_us,
        });
        self.responses.push_back(response(credits));
    }

    fn say_goodbye(&mut self, cause: DrainCause) {
        self.goodbye = Some(Instant::now() + GOODBYE);
        let reason = match cause {
            DrainCause::Superseded => tenure::SUPERSEDED,
            _ => "this collector is going away",
        };
        let drain = Drain {
            reason: reason.to_owned(),
            cause: cause.into(),
        };
        self.responses
            .push_back(response(stream_response::Message::Drain(drain)));
    }

    fn take(&mut self, request: StreamRequest) -> Result<(), Status> {
        match (request.message, &self.hello) {
            (Some(Message::Hello(hello)), None) => {
                if hello.agent.is_empty() || hello.camera.is_empty() {
                    return Err(Status::invalid_argument("hello: expected agent and camera"));
                }
                self.admit(hello)
            }
            (Some(Message::Frame(frame)), Some(hello)) => {
                let of_camera = frame
                    .id
                    .as_ref()
                    .is_some_and(|id| id.agent == hello.agent && id.camera == hello.camera);
                if !of_camera {
                    return Err(Status::invalid_argument(
                        "frame.id: expected the agent and camera of the hello",
                    ));
                }
                self.begin(frame)
            }
            (Some(Message::Hello(_)), Some(_)) => {
                Err(Status::invalid_argument("expected one hello only"))
            }
            (Some(Message::Frame(_)), None) => {
                Err(Status::invalid_argument("expected a hello before frames"))
            }
            // A newer agent may say more than this collector understands.
            (None, Some(_)) => Ok(()),
            (None, None) => Err(Status::invalid_argument("expected a hello")),
        }
    }

    /// Greets the agent, unless a newer process of it streams the camera.
    fn admit(&mut self, hello: Hello) -> Result<(), Status> {
        let admission = self.tenures.admit(&hello, Timestamp::now());
        let admission = admission.ok_or_else(|| Status::already_exists(tenure::SUPERSEDED))?;
        tracing::info!(agent = hello.agent, camera = hello.camera, "stream opened");
        self.superseded = admission.superseded;
        self.hello = Some(hello);
        self.grant(self.window, admission.at_us);
        Ok(())
    }

    fn begin(&mut self, message: v1::Frame) -> Result<(), Status> {
        self.credits = self
            .credits
            .checked_sub(1)
            .ok_or_else(|| Status::resource_exhausted("a frame was sent without credit for it"))?;
        let identity = identity(message.id.clone())?;
        let id = message.id.clone().unwrap_or_default();
        let carried = self.keys.carried(&message.traceparent, &id.camera);
        let (recorder, count) = (Arc::clone(&self.recorder), self.outcomes.begin());
        let work = async move {
            let verdict = match Frame::try_from(message) {
                Ok(frame) => recorder.record(frame).await,
                // Sent again it would be no better, and others of the stream may be.
                Err(invalid) => Verdict::Rejected {
                    reason: invalid.to_string(),
                },
            };
            let verdict = recorder.settle(identity, verdict).await;
            count.finish(&verdict);
            verdict.acknowledge(id)
        };
        self.under_way.push(Box::pin(carried.scope(work)));
        Ok(())
    }
}
