//! `POST /frame`.

use airside_core::{Event, SectionId, Timestamp};
use airside_runtime::{
    Mesh, Problem,
    replay::{Replay, remember},
};
use airside_vision::Face;
use axum::{Json, Router, extract::State, middleware, routing::post};
use serde::Serialize;

use super::Analyst;
use crate::{
    sight,
    submission::{Circumstances, Submission, pass_on},
};

#[derive(Clone)]
struct Rest {
    analyst: Analyst,
    mesh: Mesh,
}

/// What was found. A person's section and event are null where a raw picture came without.
#[derive(Debug, Serialize)]
struct Answer {
    persons: Vec<Person>,
}

#[derive(Debug, Serialize)]
struct Person {
    age: String,
    gender: String,
    section: Option<SectionId>,
    event: Option<Event>,
    timestamp: Timestamp,
}

pub(super) fn routes(analyst: Analyst, mesh: Mesh) -> Router {
    Router::new()
        .route("/frame", post(frame))
        .layer(middleware::from_fn_with_state(Replay::default(), remember))
        .with_state(Rest { analyst, mesh })
}

async fn frame(State(rest): State<Rest>, submission: Submission) -> Result<Json<Answer>, Problem> {
    let Submission {
        circumstances,
        image,
        destination,
    } = submission;
    let seen = rest.analyst.look(image.0).await?;
    let persons = seen
        .faces
        .into_iter()
        .map(|face| person(face, &circumstances))
        .collect();
    let answer = Answer { persons };
    if let Some(destination) = destination {
        pass_on(&rest.mesh, &destination, &answer).await?;
    }
    Ok(Json(answer))
}

fn person(face: Face, circumstances: &Circumstances) -> Person {
    let (age, gender) = sight::estimate(&sight::face_message(face));
    let unknown = || "unknown".to_owned();
    Person {
        age: age.map_or_else(unknown, |age| age.to_string()),
        gender: gender.map_or_else(unknown, |gender| gender.to_string()),
        section: circumstances.section.clone(),
        event: circumstances.event,
        timestamp: circumstances.timestamp,
    }
}
