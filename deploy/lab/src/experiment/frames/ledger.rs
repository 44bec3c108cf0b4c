//! What became of frames: what the agents know of each, and what the services did for them.

use anyhow::Result;

use crate::experiment::{Lab, Metrics};
use crate::platform::Platform;

/// What became of the frames of all agents, since each began.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::experiment) struct Ledger {
    pub(in crate::experiment) captured: u64,
    pub(in crate::experiment) acknowledged: u64,
    pub(in crate::experiment) gated: u64,
    pub(in crate::experiment) shed: u64,
    pub(in crate::experiment) dropped: u64,
    pub(in crate::experiment) waiting: u64,
}

/// What the services did for frames, since each began.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Work {
    /// Pictures that image analysis looked at.
    pub(super) analysed: u64,
    /// Pictures, or faces of them, that face recognition looked at.
    pub(super) searched: u64,
    /// Frames that the collectors gave back, to be sent again.
    pub(super) deferred: u64,
    /// Frames that the collectors recorded.
    pub(super) recorded: u64,
    /// Frames with faces that sections took in, each once.
    pub(super) counted: u64,
}

/// Where frames and services stand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading {
    pub(super) frames: Ledger,
    pub(super) work: Work,
}

impl Ledger {
    pub(in crate::experiment) async fn of<P: Platform>(lab: &Lab<'_, P>) -> Result<Self> {
        Ok(Reading::of(lab).await?.frames)
    }

    /// Frames of which nobody knows what became.
    pub(in crate::experiment) fn lost(self) -> u64 {
        let known = self.acknowledged + self.gated + self.shed + self.dropped + self.waiting;
        self.captured.abs_diff(known)
    }

    fn add(&mut self, metrics: &Metrics) {
        let count = |what: &str| metrics.count(&format!("airside_agent_frames_{what}"), &[]);
        self.captured += count("captured_total");
        self.acknowledged += count("acknowledged_total");
        self.gated += count("gated_total");
        self.shed += count("shed_total");
        self.dropped += count("dropped_total");
        self.waiting += count("spooled");
    }
}

impl Work {
    fn add(&mut self, metrics: &Metrics) {
        let outcome =
            |outcome| metrics.count("airside_collector_frames_total", &[("outcome", outcome)]);
        self.analysed += analysed(metrics);
        self.searched += answered(metrics, "FaceRecognition");
        self.deferred += outcome("deferred");
        self.recorded += outcome("recorded");
        self.counted += metrics.count("airside_section_frames_total", &[("delivery", "New")]);
    }
}

/// Pictures that an instance of image analysis looked at.
pub(super) fn analysed(metrics: &Metrics) -> u64 {
    answered(metrics, "ImageAnalysis")
}

/// Calls of a gRPC service that were answered well.
fn answered(metrics: &Metrics, service: &str) -> u64 {
    let route = format!("/airside.v1.{service}/{{*rest}}");
    metrics.count(
        "airside_requests_total",
        &[("route", &route), ("result", "ok")],
    )
}

impl Reading {
    pub(super) async fn of<P: Platform>(lab: &Lab<'_, P>) -> Result<Self> {
        let mut reading = Self::default();
        for instance in lab.platform().instances().await? {
            if instance.ready {
                let metrics = lab.metrics(&instance.name).await?;
                reading.frames.add(&metrics);
                reading.work.add(&metrics);
            }
        }
        Ok(reading)
    }

    /// What came since an earlier one. What waits is what waits now.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let (now, then) = (&self.frames, &earlier.frames);
        let frames = Ledger {
            captured: now.captured.saturating_sub(then.captured),
            acknowledged: now.acknowledged.saturating_sub(then.acknowledged),
            gated: now.gated.saturating_sub(then.gated),
            shed: now.shed.saturating_sub(then.shed),
            dropped: now.dropped.saturating_sub(then.dropped),
            waiting: now.waiting,
        };
        let (now, then) = (&self.work, &earlier.work);
        let work = Work {
            analysed: now.analysed.saturating_sub(then.analysed),
            searched: now.searched.saturating_sub(then.searched),
            deferred: now.deferred.saturating_sub(then.deferred),
            recorded: now.recorded.saturating_sub(then.recorded),
            counted: now.counted.saturating_sub(then.counted),
        };
        Self { frames, work }
    }
}
