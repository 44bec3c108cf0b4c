//! `GET /ledger`.

use airside_core::{
    FrameId, Run,
    ledger::{CollectorCamera, CollectorLedger, Epoch, Kept, Settlement, Stretch},
};
use airside_runtime::{Problem, extract::Query};
use airside_store::{
    Settlements,
    settlements::{self, Stream},
};
use axum::{Json, Router, extract::State, routing::get};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::storage::Health;

/// Runs of a page, unless the query says otherwise, and most of them: about half a megabyte.
const PAGE: u32 = 10_000;

/// Shows what was answered.
#[derive(Clone, Debug)]
pub struct Listing {
    pub(super) settlements: Settlements,
    pub(super) kept: Kept,
    pub(super) health: Health,
}

/// Which answers are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    agent: Option<String>,
    camera: Option<String>,
    limit: Option<u32>,
    /// The `next` of the page before.
    after: Option<String>,
}

impl Listing {
    pub(in crate::collector) fn routes(self) -> Router {
        Router::new().route("/ledger", get(ledger)).with_state(self)
    }
}

impl Question {
    fn query(self) -> Result<settlements::Query, Problem> {
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=PAGE).contains(&limit) {
            let problem = Problem::field("limit", "limit is out of range");
            return Err(problem.expected(format!("a number from 1 to {PAGE}")));
        }
        Ok(settlements::Query {
            agent: self.agent,
            camera: self.camera,
            after: self.after.as_deref().map(read_mark).transpose()?,
            limit,
        })
    }
}

async fn ledger(
    State(listing): State<Listing>,
    Query(question): Query<Question>,
) -> Result<Json<CollectorLedger>, Problem> {
    let query = question.query()?;
    let settlements = &listing.settlements;
    // In this order: what is erased in between is then in both, not in neither.
    let runs = listing.health.read(settlements.list(&query).await)?;
    let forgotten = listing.health.read(settlements.forgotten(&query).await)?;
    let is_full = runs.len() >= query.limit as usize;
    let next = runs.last().filter(|_| is_full).map(write_mark);
    let mut cameras = cameras(runs);
    for ((agent, camera), place) in forgotten {
        let known = |known: &&mut CollectorCamera| known.agent == agent && known.camera == camera;
        match cameras.iter_mut().find(known) {
            Some(camera) => camera.forgotten = Some(place),
            None => cameras.push(CollectorCamera {
                agent,
                camera,
                forgotten: Some(place),
                epochs: Vec::new(),
            }),
        }
    }
    Ok(Json(CollectorLedger {
        kept: listing.kept,
        cameras,
        next,
    }))
}

/// Runs in their order, by camera and epoch.
fn cameras(runs: Vec<(Stream, Run<Settlement>)>) -> Vec<CollectorCamera> {
    let mut cameras = Vec::<CollectorCamera>::new();
    for (stream, run) in runs {
        let is_same =
            |last: &CollectorCamera| last.agent == stream.agent && last.camera == stream.camera;
        if !cameras.last().is_some_and(is_same) {
            cameras.push(CollectorCamera {
                agent: stream.agent,
                camera: stream.camera,
                forgotten: None,
                epochs: Vec::new(),
            });
        }
        let stretch = Stretch {
            first: run.first,
            last: run.last,
            state: run.state,
            reason: None,
        };
        let Some(camera) = cameras.last_mut() else {
            continue;
        };
        match camera.epochs.last_mut() {
            Some(epoch) if epoch.epoch == stream.epoch => epoch.runs.push(stretch),
            _ => camera.epochs.push(Epoch {
                epoch: stream.epoch,
                runs: vec![stretch],
            }),
        }
    }
    cameras
}

/// Where the next page begins.
fn write_mark((stream, run): &(Stream, Run<Settlement>)) -> String {
    let frame = FrameId {
        agent: stream.agent.clone(),
        camera: stream.camera.clone(),
        epoch: stream.epoch,
        sequence: run.last,
    };
    let text = serde_json::to_string(&frame).expect("an identity is texts and numbers");
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

fn read_mark(mark: &str) -> Result<FrameId, Problem> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(mark).ok();
    let frame = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    frame.ok_or_else(|| {
        Problem::field("after", "after is no mark of a page")
            .expected("the `next` of the page before")
    })
}
