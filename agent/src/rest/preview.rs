//! The live preview: the pictures of a camera as they come, as browsers show them (`multipart/x-mixed-replace`).
//!
//! Off unless `control.preview` allows it. Slow viewers get fewer pictures, none gets old ones, and an agent shows only to few at once.

use std::{sync::Arc, time::Duration};

use airside_runtime::Problem;
use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{StatusCode, header};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::camera::{Camera, Snapshot};

/// Enough to aim a camera by; the uplink needs the line.
const INTERVAL: Duration = Duration::from_millis(200);
/// Who installs a camera watches alone, or with somebody.
const VIEWERS: usize = 4;
const KIND: &str = "multipart/x-mixed-replace; boundary=picture";

/// Shows cameras live.
#[derive(Clone)]
pub struct Preview {
    allowed: bool,
    seats: Arc<Semaphore>,
    drain: CancellationToken,
}

impl Preview {
    /// Shows if that is allowed, until the agent ends.
    #[must_use]
    pub fn new(allowed: bool, drain: CancellationToken) -> Self {
        Self {
            allowed,
            seats: Arc::new(Semaphore::new(VIEWERS)),
            drain,
        }
    }

    /// The camera's pictures until the viewer goes or the agent ends.
    pub(super) fn show(&self, camera: &Camera) -> Result<Response, Problem> {
        if !self.allowed {
            let off = Problem::new(
                StatusCode::FORBIDDEN,
                "live preview is off (setting control.preview)",
            );
            return Err(off.expected("preview = true in the table [control] of the configuration"));
        }
        let seat = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| {
            let detail = format!(
                "{VIEWERS} viewers watch already; more would take the line from the uplink"
            );
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        })?;
        let drain = self.drain.clone();
        let parts = parts(camera.pictures(), seat).take_until(drain.cancelled_owned());
        let headers = [
            (header::CONTENT_TYPE, KIND),
            (header::CACHE_CONTROL, "no-store"),
        ];
        Ok((
            headers,
            Body::from_stream(parts.map(Ok::<_, std::convert::Infallible>)),
        )
            .into_response())
    }
}

fn parts(
    pictures: watch::Receiver<Option<Snapshot>>,
    seat: OwnedSemaphorePermit,
) -> impl Stream<Item = Bytes> {
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let start = (pictures, tick, seat);
    futures::stream::unfold(start, async |(mut pictures, mut tick, seat)| {
        let part = next(&mut pictures, &mut tick).await?;
        Some((part, (pictures, tick, seat)))
    })
}

/// The newest picture that was not shown yet, not before its time.
async fn next(
    pictures: &mut watch::Receiver<Option<Snapshot>>,
    tick: &mut Interval,
) -> Option<Bytes> {
    tick.tick().await;
    loop {
        pictures.changed().await.ok()?;
        if let Some(snapshot) = pictures.borrow_and_update().as_ref() {
            let jpeg = &snapshot.picture.jpeg;
            let head = format!(
                "--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
                jpeg.len()
            );
            return Some([head.as_bytes(), jpeg, b"\r\n"].concat().into());
        }
    }
}
