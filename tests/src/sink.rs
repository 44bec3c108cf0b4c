//! A collector that is all there but for the work on a frame: it acknowledges every frame at once.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

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
use anyhow::{Context as _, Result};
use clap::Parser;
use tokio::{sync::watch, task::JoinSet};

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

/// Does nothing with a frame but note the answer, and when the first came.
struct Nothing {
    ledger: Option<Ledger>,
    first: Option<watch::Sender<Option<Instant>>>,
}

impl Record for Nothing {
    async fn record(&self, _: Frame) -> Verdict {
        if let Some(first) = &self.first {
            first.send_if_modified(|first| {
                let is_first = first.is_none();
                first.get_or_insert_with(Instant::now);
                is_first
            });
        }
        Verdict::Recorded { faces: 0 }
    }

    async fn settle(&self, frame: FrameId, verdict: Verdict) -> Verdict {
        match &self.ledger {
            Some(ledger) => ledger.enter(frame, verdict).await,
            None => verdict,
        }
    }
}

/// A sink within this process, without a ledger, that serves until dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    first: watch::Receiver<Option<Instant>>,
    _serving: JoinSet<()>,
}

impl Sink {
    /// Starts one on a free port; `window` frames of each stream may be under way.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(window: u32) -> Result<Self> {
        let args = ["sink", "--listen", "127.0.0.1:0", "--no-ledger"];
        let settings = Settings::try_parse_from(args)?;
        let (sender, first) = watch::channel(None);
        let bound = serve(&settings, Some(sender), window).await?;
        let address = bound.address();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // What ends it shows with those who send to it.
            let _ = bound.run_until(std::future::pending()).await;
        });
        Ok(Self {
            address,
            first,
            _serving: serving,
        })
    }

    /// As agents are told it.
    #[must_use]
    pub fn destination(&self) -> String {
        format!("grpc://{}", self.address)
    }

    /// Waits for the first frame of all; when it came.
    ///
    /// # Errors
    /// None came within `limit`.
    pub async fn first_frame(&mut self, limit: Duration) -> Result<Instant> {
        let first = tokio::time::timeout(limit, self.first.wait_for(Option::is_some));
        let first = first.await.context("no frame came")??;
        first.context("waited for")
    }
}

/// Binds the port; `window` frames of each stream may be under way.
///
/// # Errors
/// The port is taken, or the ledger cannot be opened.
pub async fn bind(settings: &Settings, window: u32) -> Result<Bound> {
    serve(settings, None, window).await
}

async fn serve(
    settings: &Settings,
    first: Option<watch::Sender<Option<Instant>>>,
    window: u32,
) -> Result<Bound> {
    let mut service = Service::new("Collector", &settings.server);
    let ledger = if settings.no_ledger {
        None
    } else {
        Some(ledger::start(&mut service, &settings.ledger).await?.0)
    };
    ingest(service, window, Nothing { ledger, first }).await
}

/// The same with this work on frames, and what it notes of them for a ledger.
///
/// # Errors
/// The port is taken.
pub async fn bind_with<R: Record>(server: &Server, window: u32, recorder: R) -> Result<Bound> {
    ingest(Service::new("Collector", server), window, recorder).await
}

async fn ingest<R: Record>(service: Service, window: u32, recorder: R) -> Result<Bound> {
    let outcomes = Outcomes::registered(service.metrics());
    let ingest = Ingest::new(Arc::new(recorder), outcomes, window).ending_with(service.drain());
    let grpc = FrameIngestServer::new(ingest).max_decoding_message_size(MAX_MESSAGE_BYTES);
    Ok(service.grpc(grpc).bind().await?)
}
