//! The collector: takes frames in, has them analysed, hands results on, and says what became of each.
//!
//! ```text
//!            ┌─ image-analysis ─▶ section                     (observed)
//! frame ─────┤        └── faces ──┐
//!            └─ face-recognition ◀┘ or the whole picture ─▶ alerts   (reported)
//!
//! observed and reported ─▶ RECORDED        a neighbour away ─▶ DEFERRED        no readable picture ─▶ REJECTED
//! ```
//!
//! Invariants: every frame taken in gets exactly one outcome, counted; the two branches neither wait for nor fail with each
//! other, but for the faces that the second gets from the first; a frame sent again repeats only what is missing; delivery of
//! the analysis to the panel never delays an outcome; what was answered for a frame stands in the ledger before the answer goes out;
//! a neighbour gets no more frames at once than it answers in time (`concurrency`).

mod concurrency;
mod delivery;
pub mod ingest;
pub mod ledger;
mod memory;
mod neighbours;
pub mod outcome;
mod process;
mod rest;
mod stills;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use airside_proto::{MAX_MESSAGE_BYTES, v1::frame_ingest_server::FrameIngestServer};
use airside_runtime::{Bound, Server, Service, parse, service::BindError};
use http::Uri;
use tokio::sync::Semaphore;

use crate::in_hand::InHand;
use ingest::Ingest;
use memory::Memory;
use outcome::Outcomes;
use process::{DESCRIPTORS_WITHIN, Processor};
use stills::Stills;

/// Settings of the collector.
#[derive(clap::Parser, Clone, Debug)]
pub struct Settings {
    /// What every service has.
    #[command(flatten)]
    pub server: Server,
    /// What was answered.
    #[command(flatten)]
    pub ledger: ledger::Keeping,
    /// Frames that a stream may have under way.
    #[arg(long, env = "AIRSIDE_WINDOW", default_value_t = 8, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub window: u32,
    /// Frames under way over all streams, about eight for each core of image analysis; more of them wait. A neighbour that
    /// misses its time gets fewer at once, down to one, until it keeps up.
    #[arg(long, env = "AIRSIDE_CONCURRENCY", default_value_t = 16, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub concurrency: u32,
    /// Time that a neighbour has to answer; then the frame is deferred.
    #[arg(long, env = "AIRSIDE_NEIGHBOUR_TIMEOUT", default_value = "5s", value_name = "TIME", value_parser = parse::duration)]
    pub neighbour_timeout: Duration,
    /// Image analysis (gRPC).
    #[arg(long, env = "AIRSIDE_IMAGE_ANALYSIS", default_value = "http://image-analysis:9090", value_name = "http://HOST:PORT", value_parser = parse::origin)]
    pub image_analysis: Uri,
    /// Face recognition (gRPC).
    #[arg(long, env = "AIRSIDE_FACE_RECOGNITION", default_value = "http://face-recognition:9090", value_name = "http://HOST:PORT", value_parser = parse::origin)]
    pub face_recognition: Uri,
    /// Sections (gRPC); {section} stands for the frame's section.
    #[arg(long, env = "AIRSIDE_SECTION_GRPC", default_value = "http://section-{section}:9090", value_name = "TEMPLATE", value_parser = template)]
    pub section_grpc: String,
    /// Sections (REST), for POST /persons; {section} stands for the section.
    #[arg(long, env = "AIRSIDE_SECTION_REST", default_value = "http://section-{section}:8080", value_name = "TEMPLATE", value_parser = template)]
    pub section_rest: String,
    /// Alerts (gRPC).
    #[arg(long, env = "AIRSIDE_ALERTS", default_value = "http://alerts:9090", value_name = "http://HOST:PORT", value_parser = parse::origin)]
    pub alerts: Uri,
    /// Control panel (gRPC), which results are delivered to.
    #[arg(long, env = "AIRSIDE_CPANEL", default_value = "http://cpanel:9090", value_name = "http://HOST:PORT", value_parser = parse::origin)]
    pub cpanel: Uri,
    /// Momentum (gRPC), which results go to when the panel takes none.
    #[arg(long, env = "AIRSIDE_MOMENTUM", default_value = "http://momentum:9090", value_name = "http://HOST:PORT", value_parser = parse::origin)]
    pub momentum: Uri,
}

/// An origin in which `{section}` may stand for a section.
fn template(text: &str) -> Result<String, String> {
    match parse::origin(&text.replace("{section}", "1")) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("expected http://HOST:PORT in which {section} stands for the section, e.g. http://section-{section}:9090".to_owned()),
    }
}

/// Why a collector could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger's file cannot be used.
    #[error(transparent)]
    Store(#[from] airside_store::Error),
    /// The port.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Opens the ledger and binds the port; neighbours are called when the first frame comes.
///
/// # Errors
/// The ledger's file cannot be used, or the port is taken.
pub async fn build(settings: &Settings) -> Result<Bound, Error> {
    build_waiting(settings, DESCRIPTORS_WITHIN).await
}

/// The same; a section waits so long for descriptors.
async fn build_waiting(settings: &Settings, descriptors_within: Duration) -> Result<Bound, Error> {
    let mut service = Service::new("Collector", &settings.server).shows_spread();
    let delivery = delivery::start(&mut service, settings);
    let neighbours = neighbours::Neighbours::new(service.mesh(), service.metrics(), settings);
    let (ledger, listing) = ledger::start(&mut service, &settings.ledger).await?;
    let processor = Arc::new(Processor {
        neighbours,
        delivery,
        memory: Memory::default(),
        stills: Stills::default(),
        in_hand: InHand::registered(service.metrics()),
        turns: Semaphore::new(settings.concurrency as usize),
        ledger,
        descriptors_within,
    });
    let outcomes = Outcomes::registered(service.metrics());
    let ingest = Ingest::new(Arc::clone(&processor), outcomes.clone(), settings.window)
        .ending_with(service.drain());
    let grpc = FrameIngestServer::new(ingest).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let rest = rest::Rest {
        processor,
        outcomes,
        mesh: service.mesh().clone(),
        section: settings.section_rest.clone().into(),
        limit: settings.neighbour_timeout,
    };
    let routes = rest.routes().merge(listing.routes());
    Ok(service.rest(routes).grpc(grpc).bind().await?)
}
