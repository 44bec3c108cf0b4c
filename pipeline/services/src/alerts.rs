//! Alerts: keeps the alerts on persons of interest and passes each new one on to momentum.
//!
//! Invariant: what is answered is stored. Passing on is best effort and never delays or fails an answer; it is tried until
//! it works or a newer alert has taken its place.

mod grpc;
mod listing;
mod outbox;
mod rest;
#[cfg(test)]
mod tests;

use std::time::Duration;

use airside_core::sighting;
use airside_proto::{
    MAX_MESSAGE_BYTES,
    v1::{alerts_server::AlertsServer, momentum_client::MomentumClient},
};
use airside_runtime::{Bound, Server, Service, parse, service::BindError};
use airside_store::Alerts;
use http::Uri;

use crate::storage::{Health, PasswordFile, Storage, maintain};
use outbox::Outbox;

/// Settings of alerts.
#[derive(clap::Parser, Clone, Debug)]
pub struct Settings {
    /// What every service has.
    #[command(flatten)]
    pub server: Server,
    /// Where alerts are kept.
    #[command(flatten)]
    pub storage: Storage,
    /// Longest pause between two sightings of a person by a camera that are one alert.
    #[arg(long, env = "AIRSIDE_ALERT_GAP", default_value = gap(), value_name = "TIME", value_parser = parse::duration)]
    pub alert_gap: Duration,
    /// Momentum, which new alerts are passed on to.
    #[arg(long, env = "AIRSIDE_MOMENTUM", default_value = "http://momentum:9090", value_name = "http://HOST:PORT", value_parser = parse::origin)]
    pub momentum: Uri,
}

fn gap() -> String {
    format!("{}s", sighting::GAP.as_secs())
}

/// Why alerts could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The setting that names the password's file.
    #[error(transparent)]
    Password(#[from] PasswordFile),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] airside_store::Error),
    /// The port.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Opens the database and binds the port. A server that is away is waited for, not ready.
///
/// # Errors
/// The database cannot be used, or the port is taken.
pub async fn build(settings: &Settings) -> Result<Bound, Error> {
    let mut service = Service::new("Alerts", &settings.server);
    let health = Health::new(service.readiness());
    let alerts = Alerts::open(&settings.storage.place("alerts")?).await?;
    health.opened(alerts.probe().await)?;
    let momentum = MomentumClient::new(service.mesh().channel(&settings.momentum))
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let (outbox, publishing) = Outbox::new(momentum, service.metrics(), service.drain());
    service.spawn("publishing", publishing);
    let maintenance = maintain(
        alerts.clone(),
        settings.storage.retention,
        health.clone(),
        service.drain(),
    );
    service.spawn("maintenance", maintenance);
    let desk = Desk {
        alerts,
        health,
        outbox,
        gap: settings.alert_gap,
    };
    let grpc =
        AlertsServer::new(grpc::Grpc(desk.clone())).max_decoding_message_size(MAX_MESSAGE_BYTES);
    Ok(service.rest(rest::routes(desk)).grpc(grpc).bind().await?)
}

/// What the two interfaces work with.
#[derive(Clone)]
struct Desk {
    alerts: Alerts,
    health: Health,
    outbox: Outbox,
    gap: Duration,
}
