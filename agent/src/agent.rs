//! The agent as a service: its cameras, their uplinks and the REST interface, from settings to a bound port.

use std::{ffi::OsString, sync::Arc};

use airside_runtime::{Bound, Service, service::BindError, tls};
use jiff::Zoned;
use tokio::{sync::watch, time::Instant};

use crate::{
    cameras::Cameras,
    device::Device,
    fleet::{Common, Fleet},
    metrics::{self, Metrics},
    outbox::{OpenError, Spools},
    reload::{Means, Reloader},
    rest::{self, Preview},
    settings::Loaded,
    systemd::{Manager, Pulse},
    uplink::{self, bandwidth::Bandwidth, spare::Spare},
};

/// Why the agent could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that guards the control interface.
    #[error(transparent)]
    Control(#[from] rest::settings::Unfit),
    /// Settings of the uplink.
    #[error(transparent)]
    Uplink(#[from] uplink::settings::Refused),
    /// A file that the uplink's TLS is made of.
    #[error("uplink.ca, uplink.certificate, uplink.key: {0}")]
    Tls(#[from] tls::Error),
    /// The address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The spool of a camera.
    #[error(transparent)]
    Spool(#[from] OpenError),
}

impl Error {
    /// 2 for a setting or a file that it names, 1 for what may be better the next time.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Control(_) | Self::Uplink(_) | Self::Tls(_) => 2,
            Self::Spool(error) if error.is_of_settings() => 2,
            Self::Spool(_) | Self::Bind(_) => 1,
        }
    }
}

/// Builds the agent and binds its port. Cameras are opened when they stream, not before: one that fails does
/// not keep the agent from starting. `args` are the program's own: they are read again when it reloads.
///
/// # Errors
/// The address cannot be listened on, a spool cannot be read, or a file that a setting names does not hold what it should.
pub async fn build(loaded: Loaded, args: Vec<OsString>, manager: Manager) -> Result<Bound, Error> {
    let mut settings = loaded.settings.clone();
    let state_dir = settings.state_dir.take();
    settings.state_dir = state_dir.or(manager.state_dir);
    let service = Service::new("Camera Agent", &settings.server);
    let mut service = settings.control.secure(service)?;
    let cameras = Cameras::default();
    let device = Device::new(&settings);
    let schedule = settings
        .uplink
        .schedule()
        .map_err(uplink::settings::Refused::from)?;
    let tls = tls::Client::new(settings.uplink.tls()?)?;
    let bandwidth = Arc::new(Bandwidth::new(schedule, Zoned::now));
    metrics::tls::export(service.metrics(), &tls.standing());
    metrics::cameras::export(service.metrics(), &cameras, &bandwidth);
    let state_dir = settings.state_dir.as_deref();
    let common = Common {
        spools: Spools::new(state_dir, &settings.spool, settings.window)?,
        settings: settings.clone(),
        mesh: service.mesh().with_tls(tls.clone()),
        tls: tls.standing(),
        bandwidth,
        adaptive: watch::Sender::new(settings.uplink.adaptive),
        stream_age: watch::Sender::new(settings.uplink.stream_age),
        spare: Spare::new(Instant::now()),
        metrics: Metrics::registered(service.metrics()),
        drain: service.drain(),
    };
    let (fleet, helm) = Fleet::start(common, cameras.clone()).await?;
    let means = Means {
        helm,
        tls: tls.clone(),
        notify: manager.notify.clone(),
    };
    let (reloader, reload) = Reloader::new(args, loaded, means);
    service.spawn("cameras", fleet.run());
    let pulse = Pulse {
        notify: manager.notify.clone(),
        watchdog: manager.watchdog,
        cameras: cameras.clone(),
    };
    let drain = service.drain();
    service.spawn("reload", reloader.run(drain.clone()));
    service.spawn("tls", tls.watch(drain.clone()));
    service.spawn("pulse", pulse.run(drain));
    let preview = Preview::new(settings.control.preview, service.drain());
    let routes = rest::routes(cameras, reload, device, preview);
    let bound = service.rest(routes).bind().await?;
    manager.notify.ready();
    Ok(bound)
}
