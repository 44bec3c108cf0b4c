//! The control panel: dashboard and REST façade of the whole. `v1` is the plain page, `v2` the live one; both are this
//! program started with another `--version`.
//!
//! It keeps nothing but its registry of cameras and sections and the count of results it took: every version reads what it
//! shows from momentum, the sections and alerts, so that no viewer misses a result whichever version serves the page.

mod abilities;
mod forward;
mod mesh_view;
mod page;
mod panel;
mod production;
mod registry;
mod results;
mod routes;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use airside_proto::{MAX_MESSAGE_BYTES, v1::control_panel_server::ControlPanelServer};
use airside_runtime::{Bound, Identity, Mesh, Server, Service, parse, service::BindError};
use arc_swap::ArcSwap;
use http::Uri;

use abilities::Abilities;
use mesh_view::MeshView;
use registry::Registry;
pub use registry::RegistryError;
use results::Results;

/// Settings of the control panel.
#[derive(clap::Parser, Clone, Debug)]
pub struct Settings {
    /// What every service has.
    #[command(flatten)]
    pub server: Server,
    /// TOML file with the cameras and sections.
    #[arg(
        long,
        env = "AIRSIDE_REGISTRY",
        default_value = "deploy/local/panel.toml",
        value_name = "FILE"
    )]
    pub registry: PathBuf,
    /// Time that a neighbour has to answer.
    #[arg(long, env = "AIRSIDE_NEIGHBOUR_TIMEOUT", default_value = "15s", value_name = "TIME", value_parser = parse::duration)]
    pub neighbour_timeout: Duration,
    /// Where the mesh's view is to be had, which `GET /mesh` and the page show; without it they do not.
    #[arg(long, env = "AIRSIDE_MESH_VIEW", value_name = "http://HOST:PORT/PATH", value_parser = mesh_view::address)]
    pub mesh_view: Option<Uri>,
    /// Where the other services are.
    #[command(flatten)]
    pub hosts: Hosts,
}

/// Where the other services are.
#[derive(clap::Args, Clone, Debug)]
pub struct Hosts {
    /// Momentum (REST).
    #[arg(long, env = "AIRSIDE_MOMENTUM", default_value = "http://momentum:8080", value_name = "http://HOST:PORT", value_parser = parse::origin)]
    pub momentum: Uri,
    /// Momentum (gRPC), which results are forwarded to.
    #[arg(long, env = "AIRSIDE_MOMENTUM_GRPC", default_value = "http://momentum:9090", value_name = "http://HOST:PORT", value_parser = parse::origin)]
    pub momentum_grpc: Uri,
    /// Alerts (REST).
    #[arg(long, env = "AIRSIDE_ALERTS", default_value = "http://alerts:8080", value_name = "http://HOST:PORT", value_parser = parse::origin)]
    pub alerts: Uri,
    /// Collector (REST).
    #[arg(long, env = "AIRSIDE_COLLECTOR", default_value = "http://collector:8080", value_name = "http://HOST:PORT", value_parser = parse::origin)]
    pub collector: Uri,
    /// Where cameras stream to, told to them when they start: grpc://HOST:PORT, or http://HOST:PORT for JSON frames.
    #[arg(long, env = "AIRSIDE_STREAM_TO", default_value = "grpc://collector:9090", value_name = "ADDRESS", value_parser = destination)]
    pub stream_to: String,
    /// Image analysis (REST), asked which abilities are off.
    #[arg(long, env = "AIRSIDE_IMAGE_ANALYSIS", default_value = "http://image-analysis:8080", value_name = "http://HOST:PORT", value_parser = parse::origin)]
    pub image_analysis: Uri,
    /// Face recognition (REST), asked which abilities are off.
    #[arg(long, env = "AIRSIDE_FACE_RECOGNITION", default_value = "http://face-recognition:8080", value_name = "http://HOST:PORT", value_parser = parse::origin)]
    pub face_recognition: Uri,
}

/// A destination of camera agents, kept as it is written.
fn destination(text: &str) -> Result<String, String> {
    match parse::origin(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(
            "expected grpc://HOST:PORT or http://HOST:PORT, e.g. grpc://collector:9090".to_owned(),
        ),
    }
}

/// Why the control panel could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry is missing or broken.
    #[error("{0} (setting registry)")]
    Registry(#[from] RegistryError),
    /// The port.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// What every handler of the panel looks at.
#[derive(Debug)]
struct Panel {
    identity: Identity,
    mesh: Mesh,
    hosts: Hosts,
    limit: Duration,
    registry_file: PathBuf,
    registry: ArcSwap<Registry>,
    results: Results,
    abilities: Abilities,
    mesh_view: MeshView,
}

/// Reads the registry and binds the port.
///
/// # Errors
/// The registry is missing or broken, or the port is taken.
pub async fn build(settings: &Settings) -> Result<Bound, Error> {
    let registry = Registry::read(&settings.registry)?;
    let service = Service::new("CPanel", &settings.server).shows_spread();
    let results = Results::registered(service.metrics());
    let panel = Arc::new(Panel {
        identity: service.identity().clone(),
        mesh: service.mesh().clone(),
        hosts: settings.hosts.clone(),
        limit: settings.neighbour_timeout,
        registry_file: settings.registry.clone(),
        registry: ArcSwap::from_pointee(registry),
        results: results.clone(),
        abilities: Abilities::default(),
        mesh_view: MeshView::new(settings.mesh_view.clone()),
    });
    let momentum = service.mesh().channel(&settings.hosts.momentum_grpc);
    let grpc = results::Grpc::new(momentum, results, service.identity().clone());
    let grpc = ControlPanelServer::new(grpc).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let routes = routes::routes(panel, service.drain());
    Ok(service.rest(routes).grpc(grpc).bind().await?)
}
