//! One gRPC stream to a collector: hello, then frames by credit and their acknowledgements, until it is old, drained, or broken.

use std::time::Duration;

use airside_core::{Event, FrameId, Timestamp};
use airside_proto::v1::{
    self, StreamRequest, StreamResponse, frame_ingest_client::FrameIngestClient, stream_request,
    stream_response,
};
use airside_runtime::carry::Carried;
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{
    End, Failure, Uplink,
    credit::{Credit, Retry},
    news, renewed,
    route::Route,
    spare::Turn,
    varied,
};
use crate::{
    assignment::Destination,
    frame::Frame,
    outbox::{Lanes, Outcome},
    spool::Lane,
};

/// A collector that does not even accept a stream in this time is away.
const OPENING: Duration = Duration::from_secs(10);
/// A collector answers a frame within seconds, if only to defer it. One that is silent for so long has lost the stream.
const SILENCE: Duration = Duration::from_secs(30);
/// Time that a closing stream waits for answers that are still due.
const CLOSING: Duration = Duration::from_secs(10);
/// Time that the collector has to end its side, so that the call ends as OK and not as cancelled.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs one stream to its end.
pub(super) async fn run(uplink: &mut Uplink, route: &mut Route, retry: &mut Retry) -> End {
    let session = match Session::open(uplink, route.destination()).await {
        Ok(session) => session,
        Err(failure) => return End::Failed(failure),
    };
    session.run(uplink, route, retry).await
}

struct Session {
    outgoing: mpsc::Sender<StreamRequest>,
    incoming: Streaming<StreamResponse>,
    credit: Credit,
    /// Of the files behind its TLS, when it was opened.
    renewals: Option<u64>,
    /// When the collector last said something, or was last asked something while nothing was due.
    heard: Instant,
}

impl Session {
    async fn open(uplink: &Uplink, destination: &Destination) -> Result<Self, Failure> {
        let renewals = uplink.renewals(destination);
        // One place: a frame leaves the spool only when the transport takes it.
        let (outgoing, requests) = mpsc::channel(1);
        let hello = stream_request::Message::Hello(v1::Hello {
            agent: uplink.name.agent.clone(),
            camera: uplink.name.camera.clone(),
            epoch: uplink.orders.borrow().epoch,
            incarnation: uplink.claim.incarnation,
            admitted_at_us: uplink.claim.admitted_at_us,
        });
        // A channel of its own: a new stream is also a new connection, which a plain TCP balancer can send elsewhere.
        let channel = uplink.mesh.channel(&destination.origin);
        let mut client = FrameIngestClient::new(channel);
        // The hello is under way before the collector answers; there is room for it.
        let _ = outgoing.try_send(request(hello));
        let call = Carried::of_traceparent("")
            .with("x-camera-id", &uplink.name.header())
            .scope(client.stream(ReceiverStream::new(requests)));
        let answer = tokio::time::timeout(OPENING, call)
            .await
            .map_err(|_| Failure::Silent(OPENING))?;
        Ok(Self {
            outgoing,
            incoming: answer?.into_inner(),
            credit: Credit::default(),
            renewals,
            heard: Instant::now(),
        })
    }

    async fn run(mut self, uplink: &mut Uplink, route: &mut Route, retry: &mut Retry) -> End {
        let (begun, mut ages) = (Instant::now(), uplink.limits.stream_age.clone());
        let mut age = *ages.borrow_and_update();
        let mut old = begun + varied(age);
        let mut closing: Option<(End, Instant)> = None;
        let (mut orders, mut changes) = (uplink.orders.clone(), uplink.seat.changes());
        let mut tls = uplink.tls.clone();
        loop {
            if closing.is_none() {
                closing = uplink.over(route.destinations()).map(|end| (end, limit()));
            }
            if let Some((end, until)) = closing.take_if(|_| self.credit.in_flight() == 0) {
                return self.close(end, until).await;
            }
            changes.mark_unchanged();
            let turn = uplink.turn();
            let lanes = self.credit.lanes(retry, turn).filter(|_| closing.is_none());
            let due = match &closing {
                Some((_, until)) => *until,
                None => old,
            };
            tokio::select! {
                message = self.incoming.message() => match self.hear(message, uplink, retry) {
                    Ok(Heard::Superseded) => closing = Some((End::Superseded, limit())),
                    Ok(Heard::Drain) if closing.is_none() => closing = Some((End::Drained, limit())),
                    Ok(_) => {}
                    Err(failure) => return End::Failed(failure),
                },
                sent = send_next(&self.outgoing, uplink, lanes) => match sent {
                    Some(lane) => self.sent(lane),
                    None => return End::Failed(Failure::Closed),
                },
                () = news(&mut orders) => {}
                () = news(&mut ages) => {
                    age = *ages.borrow_and_update();
                    old = begun + varied(age);
                }
                () = news(&mut changes), if matches!(turn, Turn::Wait(_)) && closing.is_none() => {}
                () = renewed(&mut tls, self.renewals), if closing.is_none() => {
                    closing = Some((End::Renewed, limit()));
                }
                earlier = route.earlier_answers(&uplink.mesh, age), if closing.is_none() => {
                    closing = Some((End::Returned(earlier), limit()));
                }
                () = tokio::time::sleep_until(due) => match closing.take() {
                    Some((end, _)) => return end,
                    None => closing = Some((End::Aged, limit())),
                },
                () = tokio::time::sleep_until(self.heard + SILENCE), if self.waits() => {
                    return End::Failed(Failure::Silent(SILENCE));
                }
            }
        }
    }

    /// Whether the collector owes an answer or the credit to go on.
    fn waits(&self) -> bool {
        self.credit.in_flight() > 0 || self.credit.is_used_up()
    }

    fn sent(&mut self, lane: Lane) {
        if self.credit.in_flight() == 0 {
            self.heard = Instant::now();
        }
        self.credit.sent(lane);
    }

    fn hear(
        &mut self,
        message: Result<Option<StreamResponse>, tonic::Status>,
        uplink: &mut Uplink,
        retry: &mut Retry,
    ) -> Result<Heard, Failure> {
        let message = message.map_err(Failure::Broken)?.ok_or(Failure::Closed)?;
        self.heard = Instant::now();
        match message.message {
            Some(stream_response::Message::Credits(credits)) => {
                self.credit.grant(credits.frames);
                uplink.claim.admitted(credits.admitted_at_us);
                uplink.connected();
            }
            Some(stream_response::Message::Acknowledgement(answer)) => {
                let outcome = outcome(answer.outcome());
                if outcome != Outcome::Recorded {
                    tracing::debug!(?outcome, reason = answer.reason, "frame not recorded");
                }
                if let Some(id) = answer.id {
                    uplink.settle(&frame_id(id), outcome, &mut self.credit, retry);
                }
            }
            Some(stream_response::Message::Drain(drain)) => {
                tracing::debug!(reason = drain.reason, "the collector drains the stream");
                return Ok(match drain.cause() {
                    v1::DrainCause::Superseded => Heard::Superseded,
                    _ => Heard::Drain,
                });
            }
            // A newer collector may say more than this agent understands.
            None => {}
        }
        Ok(Heard::Other)
    }

    /// Ends the stream in order: says that nothing more comes and lets the collector end its side.
    async fn close(mut self, end: End, until: Instant) -> End {
        drop(self.outgoing);
        let farewell = async { while let Ok(Some(_)) = self.incoming.message().await {} };
        let until = until.min(Instant::now() + FAREWELL);
        // A collector that keeps its side open is cut off.
        let _ = tokio::time::timeout_at(until, farewell).await;
        end
    }
}

enum Heard {
    Drain,
    Superseded,
    Other,
}

fn limit() -> Instant {
    Instant::now() + CLOSING
}

/// Sends the next frame when there is one, room for it on the way, and credit. `None` if the stream takes nothing more.
async fn send_next(
    outgoing: &mpsc::Sender<StreamRequest>,
    uplink: &Uplink,
    lanes: Option<Lanes>,
) -> Option<Lane> {
    let Some(lanes) = lanes else {
        return std::future::pending().await;
    };
    // First the room, then the frame: cancelled in between, nothing is taken from the outbox.
    let room = outgoing.reserve().await.ok()?;
    let (lane, frame) = uplink.depart(lanes, |picture| picture).await;
    let frame = v1::Frame {
        awaited_since_us: uplink.outbox.awaited_since().map(Timestamp::as_micros),
        ..frame.into()
    };
    room.send(request(stream_request::Message::Frame(frame)));
    Some(lane)
}

fn request(message: stream_request::Message) -> StreamRequest {
    StreamRequest {
        message: Some(message),
    }
}

fn outcome(outcome: v1::Outcome) -> Outcome {
    match outcome {
        v1::Outcome::Recorded => Outcome::Recorded,
        v1::Outcome::Rejected => Outcome::Rejected,
        v1::Outcome::Shed => Outcome::Shed,
        // What is not understood is not known to be stored.
        v1::Outcome::Deferred | v1::Outcome::Unspecified => Outcome::Deferred,
    }
}

fn frame_id(id: v1::FrameId) -> FrameId {
    FrameId {
        agent: id.agent,
        camera: id.camera,
        epoch: id.epoch,
        sequence: id.sequence,
    }
}

impl From<Frame> for v1::Frame {
    fn from(frame: Frame) -> Self {
        let event = match frame.event {
            Event::Entry => v1::Event::Entry,
            Event::Exit => v1::Event::Exit,
        };
        Self {
            traceparent: frame.traceparent(),
            awaited_since_us: None,
            later: None,
            id: Some(v1::FrameId {
                agent: frame.id.agent,
                camera: frame.id.camera,
                epoch: frame.id.epoch,
                sequence: frame.id.sequence,
            }),
            captured_at_us: frame.captured_at.as_micros(),
            section: frame.section.as_str().to_owned(),
            event: event.into(),
            image: frame.image,
            extra_info: frame.extra_info,
        }
    }
}
