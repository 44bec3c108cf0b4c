//! Frames as JSON at `POST /frame`, one request a frame.

use std::time::Duration;

use airside_core::FrameId;
use airside_runtime::{Mesh, carry::Carried, mesh};
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use http::{Request, StatusCode, header};
use http_body_util::Full;
use tokio::time::Instant;

use super::{
    End, Failure, Uplink,
    credit::{Credit, Retry},
    news, renewed,
    route::Route,
    spare::Turn,
};
use crate::{
    assignment::Destination,
    frame::Frame,
    outbox::{Lanes, Outcome},
    spool::Lane,
    wire::JsonFrame,
};

/// Requests under way at a time. A collector answers a frame after some 200 ms of analysis: four keep up with 15
/// frames a second and do not flood an old one.
const REQUESTS: u32 = 4;
/// A collector answers within its own deadlines, which are shorter.
const LIMIT: Duration = Duration::from_secs(15);

/// Posts until the link breaks or is no longer needed.
pub(super) async fn run(uplink: &mut Uplink, route: &mut Route, retry: &mut Retry) -> End {
    let (destination, mut ages) = (
        route.destination().clone(),
        uplink.limits.stream_age.clone(),
    );
    let mut credit = Credit::default();
    credit.grant(REQUESTS);
    let mut answers = FuturesUnordered::new();
    let mut closing = None;
    let mut heard = Instant::now();
    // With connections of its own, which end with it: what they were made of may not be what the next is to be made of.
    let (mesh, renewals) = (uplink.mesh.apart(), uplink.renewals(&destination));
    let (mut orders, mut changes) = (uplink.orders.clone(), uplink.seat.changes());
    let mut tls = uplink.tls.clone();
    loop {
        closing = closing.or_else(|| uplink.over(route.destinations()));
        if let Some(end) = closing.take_if(|_| answers.is_empty()) {
            return end;
        }
        changes.mark_unchanged();
        let turn = uplink.turn();
        let lanes = credit.lanes(retry, turn).filter(|_| closing.is_none());
        let age = *ages.borrow_and_update();
        tokio::select! {
            Some((id, answer)) = answers.next() => match answer {
                Ok(Some(outcome)) => {
                    heard = Instant::now();
                    uplink.connected();
                    uplink.settle(&id, outcome, &mut credit, retry);
                    credit.grant(1);
                }
                // One frame may be too much for a collector. One that answers none is away.
                Ok(None) if heard.elapsed() < LIMIT => {
                    uplink.settle(&id, Outcome::Deferred, &mut credit, retry);
                    credit.grant(1);
                }
                Ok(None) => return End::Failed(Failure::Silent(LIMIT)),
                Err(failure) => return End::Failed(failure),
            },
            (lane, frame) = next(uplink, lanes) => {
                credit.sent(lane);
                let camera = uplink.name.header();
                answers.push(post(mesh.clone(), destination.clone(), camera, frame));
            }
            () = news(&mut orders) => {}
            () = news(&mut ages) => {}
            () = news(&mut changes), if matches!(turn, Turn::Wait(_)) && closing.is_none() => {}
            () = renewed(&mut tls, renewals), if closing.is_none() => {
                closing = Some(End::Renewed);
            }
            earlier = route.earlier_answers(&uplink.mesh, age), if closing.is_none() => {
                closing = Some(End::Returned(earlier));
            }
        }
    }
}

async fn next(uplink: &Uplink, lanes: Option<Lanes>) -> (Lane, Frame) {
    match lanes {
        // Base64 makes four bytes of three.
        Some(lanes) => {
            let size = |picture: usize| picture.div_ceil(3).saturating_mul(4);
            uplink.depart(lanes, size).await
        }
        None => std::future::pending().await,
    }
}

/// Posts a frame; `None` without an answer in time.
async fn post(
    mesh: Mesh,
    destination: Destination,
    camera: String,
    frame: Frame,
) -> (FrameId, Result<Option<Outcome>, Failure>) {
    let request = Request::post(format!("{}frame", destination.origin))
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-request-id", frame.request_id())
        .header(FrameId::HEADER, frame.id.to_string())
        .body(Full::new(Bytes::from(JsonFrame::from(&frame).to_json())))
        .expect("an origin and a path make a valid address");
    let answer = Carried::of_traceparent(&frame.traceparent())
        .with("x-camera-id", &camera)
        .scope(mesh.send(request, LIMIT))
        .await;
    let outcome = match answer {
        Ok(answer) => Ok(Some(outcome(answer.status()))),
        Err(error @ mesh::Error::Unreachable { .. }) => Err(Failure::Unreachable(error)),
        Err(mesh::Error::TooLong { .. }) => Ok(Some(Outcome::Deferred)),
        Err(mesh::Error::TimedOut { .. }) => Ok(None),
    };
    (frame.id, outcome)
}

/// Only what speaks of the frame itself rejects it. Everything else (a proxy without a route, a policy, a
/// service in trouble) may be different later.
fn outcome(status: StatusCode) -> Outcome {
    let outcome = match status {
        status if status.is_success() => Outcome::Recorded,
        StatusCode::BAD_REQUEST
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => Outcome::Rejected,
        _ => Outcome::Deferred,
    };
    if outcome != Outcome::Recorded {
        tracing::debug!(status = status.as_u16(), ?outcome, "frame not recorded");
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_speaks_of_the_frame_rejects_it() {
        let of = |status| outcome(StatusCode::from_u16(status).unwrap());
        assert_eq!([200, 201, 204].map(of), [Outcome::Recorded; 3]);
        assert_eq!([400, 413, 415, 422].map(of), [Outcome::Rejected; 4]);
        assert_eq!(
            [302, 403, 404, 429, 500, 502, 503, 504].map(of),
            [Outcome::Deferred; 8]
        );
    }
}
