//! Every path of the panel.

use std::sync::Arc;

use airside_runtime::{
    Problem,
    replay::{Replay, remember},
};
use axum::{
    Json, Router,
    extract::{Path, Request, State},
    middleware,
    response::{IntoResponse as _, Response},
    routing::{get, post, put},
};
use futures::StreamExt as _;
use http::{StatusCode, Uri};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Panel, forward::forward, mesh_view, page, panel, production, registry::Registry};

pub(super) fn routes(panel: Arc<Panel>, drain: CancellationToken) -> Router {
    let feed = async move |State(panel): State<Arc<Panel>>, request: Request| {
        let answer = panel
            .forward(&panel.hosts.momentum, "/events", request)
            .await?;
        // Without an end of its own the feed would hold up the drain.
        Ok::<_, Problem>(answer.map(|body| {
            let until = drain.clone().cancelled_owned();
            axum::body::Body::from_stream(body.into_data_stream().take_until(until))
        }))
    };
    Router::new()
        .route("/", get(page::index))
        .route("/index", get(page::index))
        .route("/panel", get(panel::about))
        .route("/mesh", get(mesh_view::view))
        .route("/config", put(reload))
        .route(
            "/production",
            get(production::production).post(production::production),
        )
        .route("/cameras", get(cameras))
        .route("/cameras/{id}/state", get(camera_state))
        .route("/cameras/{id}/stream", post(camera_stream))
        .route("/cameras/{id}/frame", get(camera_frame))
        .route("/sections", get(sections))
        .route("/sections/{id}/status", get(section_status))
        .route(
            "/sections/{id}/persons",
            get(section_persons).post(section_persons),
        )
        .route("/alerts", get(alerts).post(alerts))
        .route("/alerts/", get(alerts).post(alerts))
        .route("/alerts/{id}", get(alert).delete(alert))
        .route("/analysis", get(momentum))
        .route("/alert", get(momentum))
        .route("/momentum/status", get(momentum))
        .route("/collector/status", get(collector_status))
        .route("/events", get(feed))
        .layer(middleware::from_fn_with_state(Replay::default(), remember))
        .with_state(panel)
}

type Answer = Result<Response, Problem>;

impl Panel {
    async fn forward(&self, origin: &Uri, path: &str, request: Request) -> Answer {
        forward(&self.mesh, origin, path, request, self.limit).await
    }

    async fn to_camera(&self, id: &str, what: &str, request: Request) -> Answer {
        let registry = self.registry.load_full();
        let camera = registry.camera(id);
        let camera = camera.ok_or_else(|| Problem::not_found("no such camera is registered"))?;
        self.forward(&camera.host, &camera.path(what), request)
            .await
    }

    async fn to_section(&self, id: &str, path: &str, request: Request) -> Answer {
        let registry = self.registry.load_full();
        let section = registry.section(id);
        let section = section.ok_or_else(|| Problem::not_found("no such section is registered"))?;
        self.forward(&section.host, path, request).await
    }
}

/// Reads the registry again; a broken one changes nothing.
async fn reload(State(panel): State<Arc<Panel>>) -> Result<Json<Value>, Problem> {
    let registry = Registry::read(&panel.registry_file).map_err(|error| {
        tracing::warn!(%error, "registry not taken over");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
            .expected("a registry that can be read; the one in force stays")
    })?;
    let (cameras, sections) = (registry.cameras.len(), registry.sections.len());
    tracing::info!(cameras, sections, "registry read");
    panel.registry.store(Arc::new(registry));
    Ok(Json(json!({ "cameras": cameras, "sections": sections })))
}

async fn cameras(State(panel): State<Arc<Panel>>) -> Response {
    let registry = panel.registry.load();
    Json(json!({ "cameras": registry.cameras })).into_response()
}

async fn sections(State(panel): State<Arc<Panel>>) -> Response {
    let registry = panel.registry.load();
    Json(json!({ "sections": registry.sections })).into_response()
}

async fn camera_state(
    State(panel): State<Arc<Panel>>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    panel.to_camera(&id, "state", request).await
}

async fn camera_stream(
    State(panel): State<Arc<Panel>>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    panel.to_camera(&id, "stream", request).await
}

async fn camera_frame(
    State(panel): State<Arc<Panel>>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    panel.to_camera(&id, "frame", request).await
}

async fn section_status(
    State(panel): State<Arc<Panel>>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    panel.to_section(&id, "/status", request).await
}

async fn section_persons(
    State(panel): State<Arc<Panel>>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    panel.to_section(&id, "/persons", request).await
}

async fn alerts(State(panel): State<Arc<Panel>>, request: Request) -> Answer {
    panel.forward(&panel.hosts.alerts, "/", request).await
}

/// One alert, or the status of the service.
async fn alert(
    State(panel): State<Arc<Panel>>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    if id != "status" && !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::not_found("no such alert").expected("the number of an alert"));
    }
    panel
        .forward(&panel.hosts.alerts, &format!("/{id}"), request)
        .await
}

async fn momentum(State(panel): State<Arc<Panel>>, request: Request) -> Answer {
    let path = request
        .uri()
        .path()
        .trim_start_matches("/momentum")
        .to_owned();
    panel.forward(&panel.hosts.momentum, &path, request).await
}

async fn collector_status(State(panel): State<Arc<Panel>>, request: Request) -> Answer {
    panel
        .forward(&panel.hosts.collector, "/status", request)
        .await
}
