//! The agent as a service: its cameras, their uplinks and the REST interface, from settings to a bound port.

use std::{convert::Infallible, sync::Arc};

use airside_runtime::{Bound, Service, service::BindError};
use tracing::Instrument as _;

use crate::{
    camera::{Camera, film},
    gate,
    metrics::Metrics,
    outbox::Outbox,
    rest::{self, Cameras},
    settings::{CameraSettings, Settings},
    uplink::{CameraName, Limits, Uplink},
};

/// Builds the agent and binds its port. Cameras are opened when they stream, not before: one that fails does
/// not keep the agent from starting.
///
/// # Errors
/// The address cannot be listened on.
pub async fn build(settings: &Settings) -> Result<Bound, BindError> {
    let mut service = Service::new("Camera Agent", &settings.server);
    let cameras: Vec<_> = settings
        .cameras
        .iter()
        .map(|camera| Arc::new(new_camera(settings, camera)))
        .collect();
    let outboxes = cameras.iter().map(|camera| Arc::clone(camera.outbox()));
    let metrics = Metrics::registered(service.metrics(), outboxes.collect());
    for (camera, its) in cameras.iter().zip(&settings.cameras) {
        if let Some(assignment) = &its.start {
            camera.start(assignment.clone());
        }
        spawn(&mut service, settings, camera, &metrics);
    }
    service
        .rest(rest::routes(Cameras(cameras.into())))
        .bind()
        .await
}

fn new_camera(settings: &Settings, camera: &CameraSettings) -> Camera {
    let name = CameraName {
        agent: settings.agent.clone(),
        camera: camera.id.clone(),
    };
    let outbox = Arc::new(Outbox::new(settings.window));
    Camera::new(
        name,
        Arc::clone(&camera.source),
        camera.format.clone(),
        outbox,
    )
}

/// Two tasks a camera: one captures, one delivers. Neither ends before the agent does.
fn spawn(service: &mut Service, settings: &Settings, camera: &Arc<Camera>, metrics: &Metrics) {
    let name = camera.name().camera.clone();
    let uplink = Uplink {
        name: camera.name().clone(),
        outbox: Arc::clone(camera.outbox()),
        orders: camera.orders().subscribe(),
        mesh: service.mesh().clone(),
        limits: Limits {
            stream_age: settings.uplink.stream_age,
            flush: settings.server.drain_timeout,
        },
        link: camera.link().clone(),
        metrics: metrics.clone(),
        drain: service.drain(),
    };
    let filming = film(
        Arc::clone(camera),
        gate::Open,
        metrics.clone(),
        service.drain(),
    );
    let span = tracing::info_span!("camera", name);
    service.spawn(
        &format!("camera {name}"),
        forever(filming).instrument(span.clone()),
    );
    service.spawn(
        &format!("uplink {name}"),
        forever(uplink.run()).instrument(span),
    );
}

async fn forever(task: impl Future<Output = ()>) -> Result<(), Infallible> {
    task.await;
    Ok(())
}
