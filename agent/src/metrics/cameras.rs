//! How cameras, their links and the line are at the moment of the scrape. One figure has a label that is no enum: which
//! camera is down has to be said by its name, and names are as many as the configuration lists.

use std::{fmt, sync::Arc};

use airside_runtime::Metrics as Registry;
use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::MetricType,
};

use crate::{
    camera::{Camera, Condition},
    cameras::Cameras,
    uplink::{Link, bandwidth::Bandwidth},
};

/// Exports how these cameras are, and what may go over their links.
pub fn export(registry: &Registry, cameras: &Cameras, bandwidth: &Arc<Bandwidth>) {
    let figures: [(_, _, Read); 5] = [
        ("agent_cameras", "Cameras, by how they are", |now| {
            let names = now
                .cameras
                .all()
                .iter()
                .map(|one| one.condition().name())
                .collect();
            Figure::Counts(count(&Condition::NAMES, names))
        }),
        (
            "agent_camera_down",
            "Whether a camera that streams has no picture yet or failed, camera by camera",
            |now| Figure::Cameras(now.down()),
        ),
        ("agent_links", "Links of cameras, by how they are", |now| {
            let names = now
                .cameras
                .all()
                .iter()
                .map(|one| one.link().borrow().name())
                .collect();
            Figure::Counts(count(&Link::NAMES, names))
        }),
        (
            "agent_camera_clock_offset_seconds",
            "By how much the clock of that camera is ahead which is farthest off; absent where none tells the time",
            |now| Figure::Single(now.clock_offset()),
        ),
        (
            "agent_bandwidth_bytes_per_second",
            "What all cameras together may send now; absent without a cap",
            |now| Figure::Single(now.bandwidth.rate().map(|rate| rate.bytes())),
        ),
    ];
    for (name, help, figure) in figures {
        let export = Export {
            cameras: cameras.clone(),
            bandwidth: Arc::clone(bandwidth),
            figure,
        };
        registry.register(name, help, export);
    }
}

type Read = fn(&Export) -> Figure;

enum Figure {
    /// By state.
    Counts(Vec<(&'static str, u64)>),
    /// By camera.
    Cameras(Vec<(String, bool)>),
    /// If it is known.
    Single(Option<f64>),
}

/// How often each of all names is there; also 0, so that nobody waits for a series that never comes.
fn count(all: &[&'static str], names: Vec<&'static str>) -> Vec<(&'static str, u64)> {
    let times = |name: &str| names.iter().filter(|its| **its == name).count() as u64;
    all.iter().map(|name| (*name, times(name))).collect()
}

struct Export {
    cameras: Cameras,
    bandwidth: Arc<Bandwidth>,
    figure: Read,
}

impl Export {
    /// A camera that is opened again and again is down in between, too.
    fn down(&self) -> Vec<(String, bool)> {
        let down = |one: &Arc<Camera>| {
            let condition = one.condition();
            let is_down = matches!(condition, Condition::Starting | Condition::Failed(_));
            (one.name().camera.clone(), is_down)
        };
        self.cameras.all().iter().map(down).collect()
    }

    /// A camera that does not capture tells nothing new.
    fn clock_offset(&self) -> Option<f64> {
        let cameras = self.cameras.all();
        let capturing = cameras
            .iter()
            .filter(|one| one.condition() == Condition::Capturing);
        let offsets = capturing.filter_map(|one| one.vitals().clock_offset);
        let farthest = offsets.max_by_key(|offset| offset.unsigned_abs());
        farthest.map(|micros| micros as f64 / 1e6)
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export").finish_non_exhaustive()
    }
}

impl EncodeMetric for Export {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match (self.figure)(self) {
            Figure::Counts(counts) => counts.iter().try_for_each(|(state, count)| {
                let labels = [("state", *state)];
                encoder.encode_family(&labels)?.encode_gauge(count)
            }),
            Figure::Cameras(cameras) => cameras.iter().try_for_each(|(camera, is_down)| {
                let labels = [("camera", camera.as_str())];
                encoder
                    .encode_family(&labels)?
                    .encode_gauge(&u64::from(*is_down))
            }),
            Figure::Single(Some(value)) => encoder.encode_gauge(&value),
            Figure::Single(None) => Ok(()),
        }
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}
