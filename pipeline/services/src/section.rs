//! Section: keeps and counts the persons who passed its cameras, the one owner of passages.
//!
//! ```text
//! gRPC Observe ─▶ Ledger (one task: folds, one transaction a batch) ─▶ store ◀─ REST /persons
//! ```
//!
//! Instances that share a database fold one camera one after the other; each goes on from what the last one wrote.

mod grpc;
mod ledger;
mod rest;
#[cfg(test)]
mod tests;

use airside_core::{SectionId, passage::Rules};
use airside_proto::{MAX_MESSAGE_BYTES, v1::section_server::SectionServer};
use airside_runtime::{Bound, Server, Service, service::BindError};
use airside_store::Persons;

use crate::storage::{Health, PasswordFile, Storage, maintain};
use ledger::Ledger;

/// Settings of a section.
#[derive(clap::Parser, Clone, Debug)]
pub struct Settings {
    /// What every service has.
    #[command(flatten)]
    pub server: Server,
    /// Where persons are kept.
    #[command(flatten)]
    pub storage: Storage,
    /// The section whose persons are kept here.
    #[arg(
        long,
        env = "AIRSIDE_SECTION",
        default_value = "1",
        value_name = "NAME"
    )]
    pub section: SectionId,
    /// Distance of two face descriptors up to which they are the same person: the strict threshold of the embedding net.
    #[arg(long, env = "AIRSIDE_ALIKE", default_value = "0.5", value_name = "DISTANCE", value_parser = distance)]
    pub alike: f32,
}

fn distance(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|distance: &f32| distance.is_finite() && *distance > 0.0)
        .ok_or_else(|| "expected a number above 0, e.g. 0.5".to_owned())
}

/// Why a section could not be built.
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
    let name = format!("Section {}", settings.section);
    let mut service = Service::new(&name, &settings.server);
    let health = Health::new(service.readiness());
    let role = format!("section-{}", settings.section);
    let place = settings.storage.place(&role)?;
    let persons = Persons::open(&place, settings.section.clone()).await?;
    health.opened(persons.probe().await)?;
    let (ledger, inbox) = Ledger::new(
        persons.clone(),
        Rules::of_net(settings.alike),
        health.clone(),
        service.metrics(),
    );
    service.spawn("ledger", ledger.run());
    let maintenance = maintain(
        persons.clone(),
        settings.storage.retention,
        health.clone(),
        service.drain(),
    );
    service.spawn("maintenance", maintenance);
    let grpc = SectionServer::new(grpc::Grpc::new(settings.section.clone(), inbox))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let routes = rest::routes(settings.section.clone(), persons, health);
    Ok(service.rest(routes).grpc(grpc).bind().await?)
}
