//! `GET /ledger`: what became of each frame, for `airsidectl ledger` to compare with what collectors say.

use std::collections::BTreeMap;

use airside_core::ledger::{AgentCamera, AgentLedger, Counts, Epoch, Fate, Place, Stretch};
use axum::{Json, extract::State};

use crate::{
    camera::Camera,
    cameras::Cameras,
    ledger::{self, DropReason, Ledger, Run, ShedReason},
};

pub(super) async fn ledger(State(cameras): State<Cameras>) -> Json<AgentLedger> {
    let cameras = cameras.all();
    let agent = cameras.first().map(|camera| camera.name().agent.clone());
    Json(AgentLedger {
        agent: agent.unwrap_or_default(),
        cameras: cameras.iter().map(|camera| side(camera)).collect(),
    })
}

/// Counts and frames of a camera at one moment.
fn side(camera: &Camera) -> AgentCamera {
    let (totals, spool, history) = camera.outbox().history();
    let (epoch, sequence) = history.floor();
    AgentCamera {
        camera: camera.name().camera.clone(),
        counts: counts(&totals, spool.total()),
        forgotten: (epoch > 0).then_some(Place { epoch, sequence }),
        epochs: history.epochs().iter().map(told).collect(),
    }
}

fn counts(totals: &Ledger, spooled: u64) -> Counts {
    let shed = totals.shed;
    let dropped = totals.dropped;
    Counts {
        captured: totals.captured,
        gated: totals.gated,
        acknowledged: totals.acknowledged,
        shed: named([
            (ShedReason::Full.as_str(), shed.full),
            (ShedReason::Age.as_str(), shed.age),
            (ShedReason::Collector.as_str(), shed.collector),
        ]),
        dropped: named([
            ("overrun", dropped.overrun),
            (DropReason::Rejected.as_str(), dropped.rejected),
            (DropReason::Shutdown.as_str(), dropped.shutdown),
            (DropReason::Lost.as_str(), dropped.lost),
            (DropReason::Corrupt.as_str(), dropped.corrupt),
        ]),
        spooled,
    }
}

fn named<const N: usize>(figures: [(&str, u64); N]) -> BTreeMap<String, u64> {
    figures
        .map(|(name, figure)| (name.to_owned(), figure))
        .into()
}

fn told(epoch: &ledger::Epoch) -> Epoch<Fate> {
    Epoch {
        epoch: epoch.epoch,
        runs: epoch.runs.iter().map(stretch).collect(),
    }
}

fn stretch(run: &Run) -> Stretch<Fate> {
    let (state, reason) = match run.state {
        ledger::State::Spooled => (Fate::Spooled, None),
        ledger::State::Acknowledged => (Fate::Acknowledged, None),
        ledger::State::Shed(reason) => (Fate::Shed, Some(reason.as_str())),
        ledger::State::Dropped(reason) => (Fate::Dropped, Some(reason.as_str())),
    };
    Stretch {
        first: run.first,
        last: run.last,
        state,
        reason: reason.map(str::to_owned),
    }
}
