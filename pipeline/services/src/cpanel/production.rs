//! Starts and stops cameras, all at the same time.

use std::sync::Arc;

use airside_runtime::{Problem, extract::Query};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::future::join_all;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Panel, registry::Camera};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    #[serde(default)]
    toggle: Toggle,
    /// One camera only.
    camera: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Toggle {
    #[default]
    On,
    Off,
}

/// Which cameras did as they were told.
#[derive(Debug, Serialize)]
struct Result {
    followed: Vec<u32>,
    failed: Vec<Failed>,
}

#[derive(Debug, Serialize)]
struct Failed {
    camera: u32,
    reason: String,
}

/// 200 when all followed, 207 when some did, 502 when none did.
pub(super) async fn production(
    State(panel): State<Arc<Panel>>,
    Query(order): Query<Order>,
) -> std::result::Result<Response, Problem> {
    let registry = panel.registry.load_full();
    let meant = |camera: &&Camera| order.camera.is_none_or(|id| id == camera.id);
    let cameras: Vec<&Camera> = registry.cameras.iter().filter(meant).collect();
    if let (Some(id), []) = (order.camera, cameras.as_slice()) {
        return Err(Problem::not_found(format!("no camera {id} is registered")));
    }
    let told = cameras.into_iter().map(async |camera| {
        let answer = tell(&panel, camera, order.toggle).await;
        (camera.id, answer)
    });
    let mut result = Result {
        followed: Vec::new(),
        failed: Vec::new(),
    };
    for (camera, answer) in join_all(told).await {
        match answer {
            Ok(()) => result.followed.push(camera),
            Err(reason) => result.failed.push(Failed { camera, reason }),
        }
    }
    let status = match (result.followed.len(), result.failed.len()) {
        (_, 0) => StatusCode::OK,
        (0, _) => StatusCode::BAD_GATEWAY,
        (_, _) => StatusCode::MULTI_STATUS,
    };
    Ok((status, Json(result)).into_response())
}

/// Tells one camera; the reason where it does not follow.
async fn tell(panel: &Panel, camera: &Camera, toggle: Toggle) -> std::result::Result<(), String> {
    let (word, body) = match toggle {
        Toggle::On => {
            let stream = json!({
                "section": camera.section,
                "event": camera.event,
                "destination": panel.hosts.stream_to,
                "format": "json",
                "extra-info": "",
            });
            ("on", stream.to_string())
        }
        Toggle::Off => ("off", String::new()),
    };
    let path = camera.path("stream");
    let host = camera.host.to_string();
    let request = Request::post(format!(
        "{}{path}?toggle={word}",
        host.trim_end_matches('/')
    ))
    .header(header::CONTENT_TYPE, "application/json")
    .body(Full::new(Bytes::from(body)))
    .map_err(|error| error.to_string())?;
    match panel.mesh.send(request, panel.limit).await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => {
            let text = String::from_utf8_lossy(answer.body());
            let text: String = text.trim().chars().take(200).collect();
            Err(format!("answered {}: {text}", answer.status()))
        }
        Err(error) => Err(error.to_string()),
    }
}
