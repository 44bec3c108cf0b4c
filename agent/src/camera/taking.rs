//! From picture to frame: the gate judges, the stream numbers, the outbox keeps.

use std::sync::PoisonError;

use airside_core::FrameId;

use super::{Camera, snapshot::Snapshot};
use crate::{
    assignment::Assignment,
    capture::Picture,
    frame::Frame,
    gate::{Gate, Verdict},
    metrics::Metrics,
    outbox::Outbox,
};

/// How far the stream of an epoch is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    pub(super) epoch: u64,
    pub(super) cycle: u64,
    sequence: u64,
}

impl Camera {
    /// Lets the gate judge a picture, if streaming is still wanted; what it admits becomes frames.
    pub(super) async fn take(&self, picture: Picture, gate: &mut dyn Gate, metrics: &Metrics) {
        let orders = self.orders.borrow().clone();
        let Some(assignment) = orders.active() else {
            return;
        };
        if self.begins(orders.epoch) {
            // What the gate holds was taken for another epoch.
            self.outbox.gated(gate.finish());
        }
        self.newest.send_replace(Some(Snapshot {
            picture: Picture {
                luma: None,
                ..picture.clone()
            },
            assignment: Some(assignment.clone()),
            epoch: orders.epoch,
        }));
        let seen = picture.jpeg.len();
        let Verdict { admitted, gated } = gate.judge(picture);
        self.outbox.gated(gated);
        let sent = admitted.iter().map(|picture| picture.jpeg.len()).sum();
        metrics.passed_gate(seen, sent);
        self.read_gauge(gate, seen, sent);
        let mut admitted = Admitted {
            pictures: admitted.into_iter(),
            outbox: &self.outbox,
        };
        for picture in admitted.pictures.by_ref() {
            self.append(picture, assignment, orders.epoch).await;
        }
    }

    fn read_gauge(&self, gate: &dyn Gate, seen: usize, admitted: usize) {
        let mut gauge = self.gauge.lock().unwrap_or_else(PoisonError::into_inner);
        gauge.read(gate, seen, admitted);
    }

    /// A picture that the gate admitted becomes a frame.
    async fn append(&self, picture: Picture, assignment: &Assignment, epoch: u64) {
        let frame = Frame {
            id: FrameId {
                agent: self.name.agent.clone(),
                camera: self.name.camera.clone(),
                epoch,
                sequence: self.next_sequence(),
            },
            captured_at: picture.captured_at,
            section: assignment.section.clone(),
            event: assignment.event,
            image: picture.jpeg,
            extra_info: assignment.extra_info.clone(),
            trace: Frame::new_trace(),
        };
        self.outbox.append(frame).await;
    }

    /// Counts a picture of this epoch; whether it is the first.
    fn begins(&self, epoch: u64) -> bool {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = progress.epoch != epoch;
        if begins {
            *progress = Progress {
                epoch,
                ..Progress::default()
            };
        }
        progress.cycle += 1;
        begins
    }

    fn next_sequence(&self) -> u64 {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.sequence += 1;
        progress.sequence
    }
}

/// Pictures on their way from the gate to the outbox. Those that do not get there, because the stream ends meanwhile, are
/// counted as kept back.
struct Admitted<'a> {
    pictures: std::vec::IntoIter<Picture>,
    outbox: &'a Outbox,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.outbox.gated(self.pictures.len() as u64);
    }
}
