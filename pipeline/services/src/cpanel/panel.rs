//! `GET /panel`: what a page asks the panel about itself.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;

use super::{Panel, abilities::Off};

/// Who answers, what it counted and what is off.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct About {
    version: String,
    instance: String,
    /// Results that this instance took since it started.
    results: u64,
    abilities_off: Off,
}

pub(super) async fn about(State(panel): State<Arc<Panel>>) -> Json<About> {
    let services = [
        ("image analysis", &panel.hosts.image_analysis),
        ("face recognition", &panel.hosts.face_recognition),
    ];
    Json(About {
        version: panel.identity.version.to_string(),
        instance: panel.identity.instance.to_string(),
        results: panel.results.count(),
        abilities_off: panel.abilities.off(&panel.mesh, services).await,
    })
}
