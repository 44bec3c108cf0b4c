//! What a camera is made of. It may be exchanged while the camera runs: the pipeline is built anew, while orders, epoch,
//! sequence, outbox and uplink go on.

use std::sync::Arc;

use crate::{
    capture::{Format, Source},
    gate,
    settings::CameraSettings,
};

/// What a camera is made of.
#[derive(Clone)]
pub struct Recipe {
    /// Where its pictures come from.
    pub source: Arc<dyn Source>,
    /// What it is asked for.
    pub format: Format,
    /// Which pictures are worth sending.
    pub gate: gate::settings::Settings,
}

impl From<&CameraSettings> for Recipe {
    fn from(settings: &CameraSettings) -> Self {
        Self {
            source: Arc::clone(&settings.source),
            format: settings.format.clone(),
            gate: settings.gate.clone(),
        }
    }
}
