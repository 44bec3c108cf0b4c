//! The REST interface: `/state`, `/stream` and `/frame` of each camera. The bare paths mean the first. `/ledger` tells of all.

mod accept;
mod config;
mod ledger;
mod preview;
pub mod settings;
mod tls;
mod uplink;

use std::sync::Arc;

use airside_core::{Event, SectionId, Timestamp};
use airside_runtime::{
    Problem,
    extract::{Body, Query, from_json},
    replay::{Replay, remember},
};
use axum::{
    Json, RequestPartsExt as _, Router,
    extract::{FromRequestParts, Path, State},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use serde::{Deserialize, Serialize};

pub use self::preview::Preview;
use self::{accept::Form, tls::Tls};
use crate::{
    assignment::{Assignment, Destinations},
    camera::{Camera, Condition, Gauge, NoPicture},
    cameras::Cameras,
    device::Device,
    gate::{View, settings::Mode},
    outbox::Storage,
    reload::Reload,
    uplink::{Link, SUPERSEDED},
    wire::JsonFrame,
};

/// The routes.
pub fn routes(cameras: Cameras, reload: Reload, device: Device, preview: Preview) -> Router {
    let shown = move |Named(camera): Named| std::future::ready(preview.show(&camera));
    Router::new()
        .route("/cameras", get(list))
        .route("/ledger", get(ledger::ledger))
        .route("/state", get(state))
        .route("/stream", post(stream))
        .route("/frame", get(frame))
        .route("/device", get(async move || Json(device.read().await)))
        .route("/preview", get(shown.clone()))
        .route("/cameras/{camera}/preview", get(shown))
        .route("/cameras/{camera}/state", get(state))
        .route("/cameras/{camera}/stream", post(stream))
        .route("/cameras/{camera}/frame", get(frame))
        .layer(middleware::from_fn_with_state(Replay::default(), remember))
        .with_state(cameras)
        .merge(config::routes(reload))
}

/// The camera that the path names.
struct Named(Arc<Camera>);

impl FromRequestParts<Cameras> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, cameras: &Cameras) -> Result<Self, Problem> {
        let unknown =
            || Problem::not_found("this agent has no such camera; GET /cameras lists them");
        let id: Option<Path<String>> = parts.extract().await.map_err(|_| unknown())?;
        let camera = match &id {
            None => cameras.all().first().cloned(),
            Some(Path(id)) => cameras.named(id),
        };
        camera.map(Self).ok_or_else(unknown)
    }
}

async fn list(State(cameras): State<Cameras>) -> Json<serde_json::Value> {
    let cameras: Vec<_> = cameras
        .all()
        .iter()
        .map(|camera| {
            serde_json::json!({
                "id": camera.name().camera,
                "source": camera.source(),
                "state": CameraState::of(camera),
            })
        })
        .collect();
    Json(serde_json::json!({ "cameras": cameras }))
}

async fn state(Named(camera): Named) -> Json<CameraState> {
    Json(CameraState::of(&camera))
}

/// How a camera is: the contract's six fields, then what an operator asks next.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct CameraState {
    streaming: bool,
    cycle: u64,
    fps: f64,
    section: Option<SectionId>,
    destination: Option<String>,
    /// All in the order of preference, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    destinations: Option<Destinations>,
    event: Option<Event>,
    camera: &'static str,
    camera_error: Option<String>,
    link: &'static str,
    link_error: Option<String>,
    frames: Frames,
    /// Pictures a second that the camera yielded of late.
    measured_fps: f64,
    gate: Mode,
    /// What the gate sees; none if it looks at nothing.
    gate_view: Option<GateView>,
    /// How often capture failed and was begun anew.
    restarts: u64,
    /// Why it did the last time.
    last_failure: Option<String>,
    /// The element that decodes what the camera sends; none if nothing needs decoding.
    decoder: Option<&'static str>,
    /// Frames that could not be decoded since the camera was opened.
    damaged: u64,
    /// By how much the camera's clock is ahead, if it tells.
    clock_offset_seconds: Option<f64>,
    /// For how long the link has been as it is.
    link_seconds: u64,
    /// Age of the oldest frame that is not settled.
    oldest_seconds: Option<u64>,
    spool: Spool,
    /// The way there, if files were given for its TLS.
    tls: Option<Tls>,
    uplink: uplink::Uplink,
}

/// How the camera's frames are stored.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Spool {
    /// `disk` or `memory`.
    place: &'static str,
    /// On disk.
    bytes: u64,
    /// Most on disk; `null` in memory.
    limit_bytes: Option<u64>,
    /// Why the disk is not used at present.
    error: Option<String>,
    /// Files in which frames could not be read, since the process started.
    damaged: u64,
}

impl From<&Storage> for Spool {
    fn from(storage: &Storage) -> Self {
        Self {
            place: if storage.disk { "disk" } else { "memory" },
            bytes: storage.bytes,
            limit_bytes: storage.disk.then_some(storage.limit),
            error: storage.trouble.clone(),
            damaged: storage.damaged,
        }
    }
}

/// What a gate sees.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct GateView {
    /// Whether what comes now is sent.
    open: bool,
    /// Share of the newest picture that moves.
    moving: f32,
    /// Faces are searched for too slowly: what moves counts.
    late: bool,
    /// For how long nothing has mattered; `null` if nothing ever did.
    still_seconds: Option<u64>,
    /// Bytes of all pictures, and of those that it admitted.
    seen_bytes: u64,
    admitted_bytes: u64,
}

impl GateView {
    fn of(gauge: &Gauge) -> Option<Self> {
        gauge.view.map(|View { open, sight }| Self {
            open,
            moving: sight.moving,
            late: sight.late,
            still_seconds: sight.mattered_at.map(seconds_since),
            seen_bytes: gauge.seen_bytes,
            admitted_bytes: gauge.admitted_bytes,
        })
    }
}

/// What became of the camera's frames since its ledger was begun.
#[derive(Debug, Serialize)]
struct Frames {
    captured: u64,
    gated: u64,
    acknowledged: u64,
    shed: u64,
    dropped: u64,
    spooled: u64,
}

impl CameraState {
    fn of(camera: &Camera) -> Self {
        let orders = camera.orders().borrow().clone();
        let (condition, link) = (camera.condition(), camera.link().borrow().clone());
        let (capture, link_is) = (condition.name(), link.name());
        let camera_error = match condition {
            Condition::Full => Some("the spool is full".to_owned()),
            Condition::Failed(reason) => Some(reason),
            Condition::Idle | Condition::Starting | Condition::Capturing => None,
        };
        let link_error = match link {
            Link::Failed(reason) => Some(reason),
            Link::Superseded => Some(SUPERSEDED.to_owned()),
            Link::Idle | Link::Connecting | Link::Connected => None,
        };
        let (ledger, counts) = camera.outbox().balance();
        let storage = camera.outbox().storage();
        let (assignment, vitals) = (orders.assignment, camera.vitals());
        Self {
            streaming: orders.streaming,
            cycle: camera.cycle(),
            fps: camera.format().fps,
            section: assignment.as_ref().map(|now| now.section.clone()),
            destination: camera.destination().map(|now| now.to_string()),
            destinations: assignment
                .as_ref()
                .map(|now| now.destinations.clone())
                .filter(|destinations| destinations.all().len() > 1),
            event: assignment.as_ref().map(|now| now.event),
            camera: capture,
            camera_error,
            link: link_is,
            link_error,
            frames: Frames {
                captured: ledger.captured,
                gated: ledger.gated,
                acknowledged: ledger.acknowledged,
                shed: ledger.shed.total(),
                dropped: ledger.dropped.total(),
                spooled: counts.total(),
            },
            measured_fps: (camera.rate() * 10.0).round() / 10.0,
            gate: camera.gate(),
            gate_view: GateView::of(&camera.gauge()),
            restarts: camera.failures(),
            last_failure: camera.last_failure(),
            decoder: vitals.decoder,
            damaged: vitals.damaged,
            clock_offset_seconds: vitals.clock_offset.map(|micros| micros as f64 / 1e6),
            link_seconds: camera.link_for().as_secs(),
            oldest_seconds: storage.oldest.map(|waited| waited.as_secs()),
            spool: Spool::from(&storage),
            tls: camera.tls().and_then(|standing| Tls::of(&standing)),
            uplink: uplink::Uplink::of(camera),
        }
    }
}

/// By this machine's clock, which pictures are timed by; what seems to come from the future is new.
fn seconds_since(time: Timestamp) -> u64 {
    let micros = Timestamp::now().as_micros() - time.as_micros();
    micros.max(0).unsigned_abs() / 1_000_000
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Switch {
    #[default]
    On,
    Off,
}

#[derive(Debug, Deserialize)]
struct Toggle {
    #[serde(default)]
    toggle: Switch,
}

/// Body of `POST /stream?toggle=on`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Start {
    section: SectionId,
    destination: Destinations,
    event: Event,
    #[serde(default)]
    format: FrameFormat,
    extra_info: Option<String>,
}

/// Body of `POST /stream?toggle=off`: the same, but nothing of it is needed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(dead_code, reason = "only checked")]
struct Stop {
    section: Option<SectionId>,
    destination: Option<Destinations>,
    event: Option<Event>,
    format: Option<FrameFormat>,
    extra_info: Option<String>,
}

/// How an `http://` destination gets its frames; a `grpc://` one always gets protocol messages.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FrameFormat {
    #[default]
    Json,
}

async fn stream(
    Named(camera): Named,
    Query(Toggle { toggle }): Query<Toggle>,
    Body(body): Body,
) -> Result<Json<CameraState>, Problem> {
    match toggle {
        Switch::On => {
            let start: Start = from_json(&body)?;
            let FrameFormat::Json = start.format;
            camera.start(Assignment {
                section: start.section,
                event: start.event,
                destinations: start.destination,
                extra_info: start.extra_info.unwrap_or_default(),
            });
        }
        Switch::Off => {
            if !body.is_empty() {
                from_json::<Stop>(&body)?;
            }
            camera.stop();
        }
    }
    camera.standing().tried(camera.orders()).await;
    Ok(Json(CameraState::of(&camera)))
}

async fn frame(Named(camera): Named, headers: HeaderMap) -> Result<Response, Problem> {
    let form = Form::accepted(&headers).ok_or_else(|| {
        Problem::new(StatusCode::NOT_ACCEPTABLE, "a frame is JSON or a JPEG")
            .expected("Accept: application/json or image/jpeg")
    })?;
    let snapshot = camera.snapshot().await.map_err(|reason| {
        let status = match reason {
            NoPicture::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
            NoPicture::TooSlow => StatusCode::GATEWAY_TIMEOUT,
        };
        Problem::new(status, reason.to_string())
    })?;
    let (media, body) = match form {
        Form::Jpeg => ("image/jpeg", snapshot.picture.jpeg),
        Form::Json => {
            let assignment = snapshot.assignment.as_ref();
            let frame = JsonFrame {
                timestamp: snapshot.picture.captured_at,
                section: assignment.map(|now| &now.section),
                event: assignment.map(|now| now.event),
                image: &snapshot.picture.jpeg,
                extra_info: assignment.map_or("", |now| &now.extra_info),
            };
            ("application/json", frame.to_json().into())
        }
    };
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, body).into_response())
}
