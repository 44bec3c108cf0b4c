//! What is known of the mesh, `GET /mesh`: asked of whoever runs the mesh and handed on as it is.
//!
//! Invariants: read-only; asked directly, so that no rule of the mesh stands between; asked each time, because the rules may have
//! changed since, and the source has its answer at hand.

use std::{sync::Arc, time::Duration};

use airside_runtime::{Mesh, Problem};
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header, uri::Authority};
use http_body_util::{BodyExt as _, Full, Limited};
use serde::de::IgnoredAny;
use tokio::time::timeout;

use super::Panel;

/// The source is on the same machine or next door, and has its answer at hand.
const LIMIT: Duration = Duration::from_secs(2);
/// A hundred services with ten instances each take a tenth of this.
const LONGEST: usize = 2 << 20;

/// The view as JSON, or why there is none.
type View = Result<Bytes, Problem>;

/// Where the view comes from.
#[derive(Debug)]
pub(super) struct MeshView {
    source: Option<Uri>,
    way: Mesh,
}

impl MeshView {
    pub(super) fn new(source: Option<Uri>) -> Self {
        Self {
            source,
            way: Mesh::new(None),
        }
    }

    /// Whether there is a source.
    pub(super) fn is_configured(&self) -> bool {
        self.source.is_some()
    }

    async fn newest(&self) -> View {
        let source = self.source.as_ref().ok_or_else(|| {
            Problem::not_found("the mesh's view is not configured").expected("setting mesh-view")
        })?;
        timeout(LIMIT, self.ask(source)).await.unwrap_or_else(|_| {
            let detail = format!("the mesh's view did not come within {LIMIT:?}");
            Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, detail))
        })
    }

    async fn ask(&self, source: &Uri) -> View {
        let request = Request::get(source).body(Full::default());
        let request = request.map_err(|error| Problem::internal(&error))?;
        let (head, body) = self.way.open(request, LIMIT).await?.into_parts();
        if head.status != StatusCode::OK {
            return Err(unusable(&format!("answered {}", head.status.as_u16())));
        }
        let body = Limited::new(body, LONGEST).collect().await;
        let body = body.map_err(|_| unusable("broke off or is too long"))?;
        let view = body.to_bytes();
        match serde_json::from_slice::<IgnoredAny>(&view) {
            Ok(_) => Ok(view),
            Err(_) => Err(unusable("is no JSON")),
        }
    }
}

fn unusable(why: &str) -> Problem {
    let detail = format!("the mesh's view {why}");
    Problem::new(StatusCode::BAD_GATEWAY, detail)
}

pub(super) async fn view(State(panel): State<Arc<Panel>>) -> Result<Response, Problem> {
    let view = panel.mesh_view.newest().await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], view).into_response())
}

/// Reads the address of the view: `http://HOST:PORT/PATH`.
pub(super) fn address(text: &str) -> Result<Uri, String> {
    let expected = || "expected http://HOST:PORT/PATH, e.g. http://127.0.0.1:15020/mesh".to_owned();
    let uri: Uri = text.parse().map_err(|_| expected())?;
    let authority = uri.authority().map_or("", Authority::as_str);
    if uri.scheme_str() == Some("http") && !authority.is_empty() && !authority.contains('@') {
        Ok(uri)
    } else {
        Err(expected())
    }
}
