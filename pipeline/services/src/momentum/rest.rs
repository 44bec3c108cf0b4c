//! `POST`/`GET /analysis` and `/alert`, and the live feed `GET /events`. Any origin may read.

use std::{convert::Infallible, sync::Arc, time::Duration};

use airside_runtime::{
    extract::Json,
    replay::{Replay, remember},
};
use axum::{
    Router,
    extract::State,
    middleware,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use http::{StatusCode, header};
use serde::Serialize;
use tower_http::cors::{Any, CorsLayer};

use super::{Alert, Analysis, Present, latest::Held};

/// Twenty pictures a second over all cameras: more is no more live, only more to carry.
const FEED_INTERVAL: Duration = Duration::from_millis(50);
/// Proxies end a connection that says nothing for a minute; most browsers notice a dead one by silence.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A browser that lost the feed asks again after that.
const RECONNECT: Duration = Duration::from_secs(1);

/// Whether what was posted is what everybody sees now.
#[derive(Debug, Serialize)]
struct Offered {
    newest: bool,
}

pub(super) fn routes(present: Arc<Present>) -> Router {
    let any_origin = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(Any);
    Router::new()
        .route(
            "/analysis",
            get(analysis).post(post_analysis).options(preflight),
        )
        .route("/alert", get(alert).post(post_alert).options(preflight))
        .route("/events", get(events).options(preflight))
        .layer(middleware::from_fn_with_state(Replay::default(), remember))
        .layer(any_origin)
        .with_state(present)
}

/// The layer around the routes adds what a browser asks for before it posts across origins.
async fn preflight() {}

async fn analysis(State(present): State<Arc<Present>>) -> Response {
    show(present.analysis.get().map(|held| held.json()))
}

async fn alert(State(present): State<Arc<Present>>) -> Response {
    show(present.alert.get().map(|held| held.json()))
}

/// 204 before the first result.
fn show(json: Option<Bytes>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    match json {
        Some(json) => (headers, json).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn post_analysis(
    State(present): State<Arc<Present>>,
    Json(analysis): Json<Analysis>,
) -> axum::Json<Offered> {
    let newest = present.offer_analysis(analysis);
    axum::Json(Offered { newest })
}

async fn post_alert(
    State(present): State<Arc<Present>>,
    Json(alert): Json<Alert>,
) -> axum::Json<Offered> {
    let newest = present.offer_alert(alert);
    axum::Json(Offered { newest })
}

async fn events(State(present): State<Arc<Present>>) -> impl IntoResponse {
    let analyses = tokio_stream::StreamExt::throttle(present.analysis.follow(), FEED_INTERVAL);
    let feed = stream::select(
        analyses.map(|held| event("analysis", &held)),
        present.alert.follow().map(|held| event("alert", &held)),
    )
    .take_until(present.drain.clone().cancelled_owned());
    let headers = [(header::CACHE_CONTROL, "no-store")];
    (
        headers,
        Sse::new(opened(feed)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)),
    )
}

/// Something at once, also when there is no result yet: the browser then knows that it is connected.
fn opened(feed: impl Stream<Item = Event>) -> impl Stream<Item = Result<Event, Infallible>> {
    let hello = Event::default().retry(RECONNECT).comment("live");
    stream::once(async { hello }).chain(feed).map(Ok)
}

fn event<T: Serialize>(kind: &'static str, held: &Held<T>) -> Event {
    let json = held.json();
    // JSON is UTF-8 and, as serde_json writes it, one line.
    Event::default()
        .event(kind)
        .data(String::from_utf8_lossy(&json))
}
