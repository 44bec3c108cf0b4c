//! `GET /ledger`: what became of each frame, for `airsidectl ledger` to compare with what collectors say.

use std::collections::BTreeMap;

use airside_core::{
    Run, Runs,
    ledger::{AgentCamera, AgentLedger, Counts, Epoch, Fate, Place, Stretch},
};
use axum::{Json, extract};

use crate::{
    camera::Camera,
    cameras::Cameras,
    ledger::{DropReason, Ledger, ShedReason, State},
};

pub(super) async fn ledger(extract::State(cameras): extract::State<Cameras>) -> Json<AgentLedger> {
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
        epochs: history.epochs().map(told).collect(),
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

fn told((epoch, runs): (u64, &Runs<State>)) -> Epoch<Fate> {
    Epoch {
        epoch,
        runs: runs.iter().map(stretch).collect(),
    }
}

fn stretch(run: Run<&State>) -> Stretch<Fate> {
    let (state, reason) = match *run.state {
        State::Spooled => (Fate::Spooled, None),
        State::Acknowledged => (Fate::Acknowledged, None),
        State::Shed(reason) => (Fate::Shed, Some(reason.as_str())),
        State::Dropped(reason) => (Fate::Dropped, Some(reason.as_str())),
    };
    Stretch {
        first: run.first,
        last: run.last,
        state,
        reason: reason.map(str::to_owned),
    }
}
