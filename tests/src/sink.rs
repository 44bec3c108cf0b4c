//! A collector that is all there but for the work on a frame: it acknowledges every frame at once.

use std::sync::Arc;

use airside_core::FrameId;
use airside_proto::{MAX_MESSAGE_BYTES, v1::frame_ingest_server::FrameIngestServer};
use airside_runtime::{Bound, Server, Service};
use airside_services::{
    collector::{
        ingest::{Ingest, Record},
        ledger::{self, Ledger},
        outcome::{Outcomes, Verdict},
    },
    frame::Frame,
};
use anyhow::Result;
use clap::Parser;

/// Settings of a sink.
#[derive(Debug, Parser)]
pub struct Settings {
    /// What every service has.
    #[command(flatten)]
    pub server: Server,
    /// What was answered.
    #[command(flatten)]
    pub ledger: ledger::Keeping,
    /// Keep no ledger at all, not even in memory.
    #[arg(long, conflicts_with = "ledger")]
    pub no_ledger: bool,
}

/// Does nothing with a frame but note the answer.
struct Nothing(Option<Ledger>);

impl Record for Nothing {
    async fn record(&self, _: Frame) -> Verdict {
        Verdict::Recorded { faces: 0 }
    }

    async fn settle(&self, frame: FrameId, verdict: Verdict) -> Verdict {
        match &self.0 {
            Some(ledger) => ledger.enter(frame, verdict).await,
            None => verdict,
        }
    }
}

/// Binds the port; `window` frames of each stream may be under way.
///
/// # Errors
/// The port is taken, or the ledger cannot be opened.
pub async fn bind(settings: &Settings, window: u32) -> Result<Bound> {
    let mut service = Service::new("Collector", &settings.server);
    let outcomes = Outcomes::registered(service.metrics());
    let ledger = if settings.no_ledger {
        None
    } else {
        Some(ledger::start(&mut service, &settings.ledger).await?.0)
    };
    let recorder = Arc::new(Nothing(ledger));
    let ingest = Ingest::new(recorder, outcomes, window).ending_with(service.drain());
    let grpc = FrameIngestServer::new(ingest).max_decoding_message_size(MAX_MESSAGE_BYTES);
    Ok(service.grpc(grpc).bind().await?)
}
