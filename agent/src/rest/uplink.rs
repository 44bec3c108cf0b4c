//! What `/state` tells of a camera's uplink.

use serde::Serialize;

use crate::{
    camera::Camera,
    uplink::{adapt::Step, traffic::Figures},
};

/// What goes over the link, and how.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Uplink {
    /// Bytes of pictures, repeats included, since the agent started.
    sent_bytes: u64,
    /// From sending the last answered frame to its answer.
    round_trip_seconds: Option<f64>,
    /// From capture to answer of the last live frames.
    live_seconds: Option<Live>,
    /// Bits a second that all cameras together may send now; none is no cap.
    bandwidth: Option<String>,
    /// How far quality and rate are reduced, of how many steps.
    step: usize,
    steps: usize,
    /// What is made of what the camera shows at this step.
    jpeg_quality: u8,
    fps: f64,
}

#[derive(Debug, Serialize)]
struct Live {
    p50: f64,
    p99: f64,
}

impl Uplink {
    pub(super) fn of(camera: &Camera) -> Self {
        let Figures {
            sent_bytes,
            round_trip,
            live,
            bandwidth,
        } = camera.traffic().figures();
        let (step, configured) = (camera.step(), camera.format().effort());
        let effort = step.of(configured);
        Self {
            sent_bytes,
            round_trip_seconds: round_trip.map(|time| time.as_secs_f64()),
            live_seconds: live.map(|(p50, p99)| Live {
                p50: p50.as_secs_f64(),
                p99: p99.as_secs_f64(),
            }),
            bandwidth: bandwidth.map(|rate| rate.to_string()),
            step: step.number(),
            steps: Step::ALL.len() - 1,
            jpeg_quality: effort.jpeg_quality,
            fps: effort.fps,
        }
    }
}
