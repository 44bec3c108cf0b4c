//! `POST /frame` and `POST /persons`.

use std::{sync::Arc, time::Duration};

use airside_core::{Person, SectionId};
use airside_runtime::{
    Mesh, Problem,
    extract::Json,
    replay::{Replay, remember},
};
use axum::{Router, body::Body, extract::State, middleware, response::Response, routing::post};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::Full;
use serde::{Deserialize, Serialize};

use super::{
    outcome::{Outcomes, Verdict},
    process::{Processor, Record as _},
};
use crate::{
    frame::{Posted, posted_identity, section_origin},
    picture,
};

#[derive(Clone)]
pub(super) struct Rest {
    pub(super) processor: Arc<Processor>,
    pub(super) outcomes: Outcomes,
    pub(super) mesh: Mesh,
    /// Template of a section's address.
    pub(super) section: Arc<str>,
    /// Time that the section has to answer.
    pub(super) limit: Duration,
}

/// What became of a posted frame.
#[derive(Debug, Serialize)]
struct Recorded {
    outcome: &'static str,
    /// Faces found in it.
    persons: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Handed {
    section: SectionId,
    persons: Vec<Person>,
}

#[derive(Debug, Serialize)]
struct Persons {
    persons: Vec<Person>,
}

impl Rest {
    pub(super) fn routes(self) -> Router {
        Router::new()
            .route("/frame", post(frame))
            .route("/persons", post(persons))
            .layer(middleware::from_fn_with_state(Replay::default(), remember))
            .with_state(self)
    }
}

async fn frame(
    State(rest): State<Rest>,
    headers: HeaderMap,
    Json(posted): Json<Posted>,
) -> Result<axum::Json<Recorded>, Problem> {
    let id = posted_identity(&headers)?;
    let count = rest.outcomes.begin();
    let unreadable = picture::check(&posted.image.0).err();
    let verdict = match &unreadable {
        None => rest.processor.record(posted.into_frame(id.clone())).await,
        Some(problem) => Verdict::Rejected {
            reason: problem.detail().to_owned(),
        },
    };
    let verdict = match id {
        Some(id) => rest.processor.settle(id, verdict).await,
        None => verdict,
    };
    count.finish(&verdict);
    match verdict {
        Verdict::Recorded { faces } => Ok(axum::Json(Recorded {
            outcome: "recorded",
            persons: faces,
        })),
        Verdict::Deferred(away) => Err(away.into()),
        Verdict::Rejected { reason } => Err(unreadable.unwrap_or_else(|| {
            Problem::field("image", reason).with_status(StatusCode::UNPROCESSABLE_ENTITY)
        })),
    }
}

/// Hands persons to their section and its answer back.
async fn persons(
    State(rest): State<Rest>,
    Json(handed): Json<Handed>,
) -> Result<Response, Problem> {
    let origin = section_origin(&rest.section, &handed.section)?;
    let body = serde_json::to_vec(&Persons {
        persons: handed.persons,
    });
    let body = body.map_err(|error| Problem::internal(&error))?;
    let request = Request::post(format!("{origin}persons"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| Problem::internal(&error))?;
    let answer = rest.mesh.send(request, rest.limit).await?;
    let (head, body) = answer.into_parts();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = head.status;
    if let Some(kind) = head.headers.get(header::CONTENT_TYPE) {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, kind.clone());
    }
    Ok(response)
}
