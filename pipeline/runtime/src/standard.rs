//! What every service answers alike: status, health, readiness, metrics, unknown paths; and what wraps
//! every request: identity, carried context, limits, counts.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use crate::{
    Fault, Identity, Metrics, Problem, Readiness, Token, carry::Carried, extract, parse,
    token::guard,
};

/// What the standard routes look at.
#[derive(Clone, Debug)]
pub(crate) struct Standard {
    pub(crate) identity: Identity,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Metrics,
    /// Present where fault endpoints are enabled.
    pub(crate) fault: Option<Fault>,
    /// Largest body of a REST request, bytes.
    pub(crate) max_body: usize,
    /// What requests must bear.
    pub(crate) token: Option<Token>,
}

/// A body over the limit is read and thrown away up to here, so that its sender gets to read the refusal.
const DRAINED_BODY: usize = 64 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// `routes` with everything standard around them.
pub(crate) fn wrap(standard: Standard, routes: Router) -> Router {
    let mut own = Router::new()
        .route("/status", get(status))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics));
    if standard.fault.is_some() {
        own = own.route("/fault", get(fault));
    }
    let standard = Arc::new(standard);
    let max_body = standard.max_body;
    let token = standard.token.clone();
    let routes = own
        .with_state(Arc::clone(&standard))
        .merge(routes)
        .fallback(|request: Request| async move {
            Problem::not_found(format!("nothing is served at {}", request.uri().path()))
        })
        .method_not_allowed_fallback(|request: Request| async move {
            let detail = format!(
                "{} is not served at {}",
                request.method(),
                request.uri().path()
            );
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        });
    let routes = match token {
        Some(token) => routes.layer(middleware::from_fn_with_state(token, guard)),
        None => routes,
    };
    routes
        .layer(DefaultBodyLimit::max(max_body))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(standard, around))
}

async fn status(State(standard): State<Arc<Standard>>) -> (StatusCode, String) {
    if let Some(fault) = &standard.fault {
        tokio::time::sleep(fault.delay()).await;
    }
    if standard.fault.as_ref().is_some_and(Fault::is_faulty) {
        (StatusCode::SERVICE_UNAVAILABLE, standard.identity.faulty())
    } else {
        (StatusCode::OK, standard.identity.online())
    }
}

async fn readyz(State(standard): State<Arc<Standard>>) -> impl IntoResponse {
    let waiting = standard.readiness.waiting();
    let status = if waiting.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "ready": waiting.is_empty(),
        "waiting": waiting,
        "off": standard.readiness.abilities_off(),
    });
    (status, Json(body))
}

async fn metrics(State(standard): State<Arc<Standard>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], standard.metrics.encode())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultQuery {
    delay: Option<String>,
}

async fn fault(
    State(standard): State<Arc<Standard>>,
    extract::Query(query): extract::Query<FaultQuery>,
) -> Result<&'static str, Problem> {
    // The route exists only where this does.
    let Some(fault) = &standard.fault else {
        return Ok("Now normal");
    };
    match query.delay.as_deref().map(parse::duration) {
        None => Ok(fault.toggle()),
        Some(Ok(delay)) => Ok(fault.slow_down(delay)),
        Some(Err(reason)) => Err(Problem::field("delay", reason)),
    }
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message");
    tracing::error!(panic = text, "request handler panicked");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the service failed to carry this out; its log says why",
    )
    .into_response()
}

async fn around(State(standard): State<Arc<Standard>>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("(none)", MatchedPath::as_str)
        .to_owned();
    let carried = Carried::of(request.headers());
    let span = tracing::debug_span!(
        "request",
        method = %request.method(),
        route,
        trace_id = carried.trace_id(),
        request_id = carried.request_id(),
    );
    let count = Count::new(standard.metrics.clone(), route);
    let answer = async {
        match refuse_oversize(&standard, request).await {
            Ok(request) => next.run(request).await,
            Err(problem) => problem.into_response(),
        }
    };
    let mut response = carried.scope(answer.instrument(span)).await;
    count.finish(result_of(&response));
    if let Ok(instance) = HeaderValue::from_str(&standard.identity.instance) {
        response
            .headers_mut()
            .insert("x-airside-instance", instance);
    }
    response
}

/// A body that says it is too long is refused before it is read.
async fn refuse_oversize(standard: &Standard, request: Request) -> Result<Request, Problem> {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_none_or(|length| length <= standard.max_body as u64) {
        return Ok(request);
    }
    let asks_first = headers.contains_key(header::EXPECT);
    if !asks_first {
        discard(request.into_body()).await;
    }
    Err(extract::too_large())
}

/// Reads a body and keeps nothing of it.
async fn discard(body: Body) {
    let mut body = Limited::new(body, DRAINED_BODY);
    let reading = async { while let Some(Ok(_)) = body.frame().await {} };
    // A sender slower than that does not get to read the refusal.
    let _ = tokio::time::timeout(DRAIN_TIME, reading).await;
}

fn result_of(response: &Response) -> &'static str {
    match grpc_code(response.headers()) {
        Some(0) => "ok",
        // What the caller did wrong: INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED,
        // RESOURCE_EXHAUSTED, FAILED_PRECONDITION, OUT_OF_RANGE, UNIMPLEMENTED, UNAUTHENTICATED.
        Some(3 | 5..=9 | 11 | 12 | 16) => "client_error",
        Some(1) => "cancelled",
        Some(_) => "server_error",
        None if response.status().is_server_error() => "server_error",
        None if response.status().is_client_error() => "client_error",
        None => "ok",
    }
}

fn grpc_code(headers: &HeaderMap) -> Option<u8> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// Counts a request when it ends; one that ends without an answer was cancelled.
struct Count {
    metrics: Metrics,
    route: String,
    begun: Instant,
    result: &'static str,
}

impl Count {
    fn new(metrics: Metrics, route: String) -> Self {
        Self {
            metrics,
            route,
            begun: Instant::now(),
            result: "cancelled",
        }
    }

    fn finish(mut self, result: &'static str) {
        self.result = result;
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.metrics
            .request(&self.route, self.result, self.begun.elapsed());
    }
}
