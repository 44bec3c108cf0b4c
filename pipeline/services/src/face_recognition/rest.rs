//! `POST /frame`.

use airside_runtime::{
    Mesh, Problem,
    replay::{Replay, remember},
};
use axum::{Json, Router, extract::State, middleware, routing::post};
use serde::Serialize;

use super::{Found, Recogniser};
use crate::{
    frame::Image,
    submission::{Circumstances, Submission, pass_on},
};

#[derive(Clone)]
struct Rest {
    recogniser: Recogniser,
    mesh: Mesh,
}

/// The frame's fields and the persons of interest in it. Also what is posted to the destination: an alert.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    circumstances: Circumstances,
    image: Image,
    persons: Vec<Named>,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Named {
    name: String,
}

pub(super) fn routes(recogniser: Recogniser, mesh: Mesh) -> Router {
    Router::new()
        .route("/frame", post(frame))
        .layer(middleware::from_fn_with_state(Replay::default(), remember))
        .with_state(Rest { recogniser, mesh })
}

async fn frame(State(rest): State<Rest>, submission: Submission) -> Result<Json<Answer>, Problem> {
    let Submission {
        circumstances,
        image,
        destination,
    } = submission;
    let found = rest.recogniser.search(image.0.clone()).await?;
    let answer = Answer {
        circumstances,
        image,
        persons: persons(found),
    };
    if let Some(destination) = destination.filter(|_| !answer.persons.is_empty()) {
        pass_on(&rest.mesh, &destination, &answer).await?;
    }
    Ok(Json(answer))
}

/// Each person once, by name.
fn persons(found: Vec<Found>) -> Vec<Named> {
    let mut names: Vec<String> = found.into_iter().map(|found| found.matched.name).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| Named { name }).collect()
}
