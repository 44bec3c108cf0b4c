//! Hands a request to a neighbour and its answer back.
//!
//! Invariants: the neighbour's answer, and what the mesh answers in its place, passes unchanged; a neighbour that nobody
//! could reach becomes 502, one that keeps silent 504; answers stream, so that none is held in memory.

use std::time::Duration;

use airside_runtime::{Mesh, Problem, extract::Body as WholeBody, mesh::reached_nobody};
use axum::{
    body::Body,
    extract::{FromRequest as _, Request},
    response::Response,
};
use http::{HeaderMap, HeaderName, Request as Outgoing, StatusCode, Uri, header, uri::Authority};
use http_body_util::Full;

/// Headers of a request that mean something to the neighbour; trace and routing headers go along by themselves.
const PASSED_ON: [HeaderName; 4] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    header::ORIGIN,
    HeaderName::from_static("last-event-id"),
];
/// Headers that belong to one connection (RFC 9110 §7.6.1), not to the answer.
const OF_CONNECTION: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
];
const INSTANCE: HeaderName = HeaderName::from_static("x-airside-instance");
const SERVED_BY: HeaderName = HeaderName::from_static("x-airside-served-by");

/// Sends `request` to `path` at `origin`; its query goes along.
///
/// # Errors
/// The body is too long (413), nobody is there (502) or nobody answers within `limit` (504).
pub(super) async fn forward(
    mesh: &Mesh,
    origin: &Uri,
    path: &str,
    request: Request,
    limit: Duration,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let target = match head.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let uri = Uri::builder()
        .scheme("http")
        .authority(origin.authority().map_or("", Authority::as_str))
        .path_and_query(target)
        .build();
    let uri = uri.map_err(|_| Problem::not_found("nothing can be served at such a path"))?;
    let mut outgoing = Outgoing::builder().method(head.method.clone()).uri(uri);
    for name in PASSED_ON {
        if let Some(value) = head.headers.get(&name) {
            outgoing = outgoing.header(name, value);
        }
    }
    let request = Request::from_parts(head, body);
    let WholeBody(body) = WholeBody::from_request(request, &()).await?;
    let outgoing = outgoing
        .body(Full::new(body))
        .map_err(|error| Problem::internal(&error))?;
    let (mut head, body) = mesh.open(outgoing, limit).await?.into_parts();
    let mut body = Body::new(body);
    if head.status == StatusCode::SERVICE_UNAVAILABLE && !head.headers.contains_key(&INSTANCE) {
        let line = axum::body::to_bytes(body, LONGEST_LINE).await;
        let line = line.unwrap_or_default();
        if reached_nobody(head.status, &head.headers, &line) {
            let host = origin.authority().map_or("", Authority::as_str);
            let detail = format!("{host} cannot be reached");
            return Err(Problem::new(StatusCode::BAD_GATEWAY, detail));
        }
        body = Body::from(line);
    }
    clean(&mut head.headers);
    Ok(Response::from_parts(head, body))
}

/// The proxy's own answers are a line long.
const LONGEST_LINE: usize = 4096;

fn clean(headers: &mut HeaderMap) {
    for name in OF_CONNECTION {
        headers.remove(name);
    }
    // This service's own instance takes the header's place.
    if let Some(instance) = headers.remove(INSTANCE) {
        headers.insert(SERVED_BY, instance);
    }
    headers.remove(header::DATE);
}
