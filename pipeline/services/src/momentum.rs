//! Momentum: the newest analysis and the newest alert, and the live feed of both. Kept in memory: it is the present, and
//! after a restart the next frame is a moment away.
//!
//! Invariants: newest is by time of capture, not by arrival; a watcher gets the newest alert and each camera's newest analysis
//! at once and misses, when it is slow, those in between, never the newest.

mod grpc;
mod latest;
mod rest;
mod result;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use airside_proto::{MAX_MESSAGE_BYTES, v1::momentum_server::MomentumServer};
use airside_runtime::{Bound, Server, Service, service::BindError};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use tokio_util::sync::CancellationToken;

use latest::Latest;
pub use result::{Alert, Analysis, FaceBox, Named};

/// Settings of momentum.
#[derive(clap::Parser, Clone, Debug)]
pub struct Settings {
    /// What every service has.
    #[command(flatten)]
    pub server: Server,
}

/// Binds the port.
///
/// # Errors
/// The port is taken.
pub async fn build(settings: &Settings) -> Result<Bound, BindError> {
    let service = Service::new("Momentum", &settings.server);
    let present = Present {
        analysis: Latest::default(),
        alert: Latest::default(),
        published: Family::default(),
        drain: service.drain(),
    };
    service.metrics().register(
        "momentum_published",
        "Results offered, by kind and whether they became the newest",
        present.published.clone(),
    );
    let present = Arc::new(present);
    let grpc = MomentumServer::new(grpc::Grpc(Arc::clone(&present)))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    service.rest(rest::routes(present)).grpc(grpc).bind().await
}

/// The newest of both kinds.
#[derive(Debug)]
struct Present {
    analysis: Latest<Analysis>,
    alert: Latest<Alert>,
    published: Family<Published, Counter>,
    /// Feeds end when it is cancelled.
    drain: CancellationToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Published {
    kind: &'static str,
    newest: &'static str,
}

impl Present {
    /// Takes an analysis; says whether it is the newest now.
    fn offer_analysis(&self, analysis: Analysis) -> bool {
        self.count("analysis", self.analysis.offer(analysis))
    }

    /// Takes an alert; says whether it is the newest now.
    fn offer_alert(&self, alert: Alert) -> bool {
        self.count("alert", self.alert.offer(alert))
    }

    fn count(&self, kind: &'static str, is_newest: bool) -> bool {
        let newest = if is_newest { "yes" } else { "no" };
        self.published
            .get_or_create(&Published { kind, newest })
            .inc();
        is_newest
    }
}
