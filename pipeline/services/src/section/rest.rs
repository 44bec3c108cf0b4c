//! `POST` and `GET /persons`.

use airside_core::{Event, Person, SectionId, Timestamp, time::from_query};
use airside_runtime::{
    Problem,
    extract::{Json, Query},
};
use airside_store::{Persons, Window};
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::storage::{Health, created, repeatable, respond};

#[derive(Clone)]
struct Desk {
    section: SectionId,
    persons: Persons,
    health: Health,
}

/// The body of both: what is posted and what is listed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonList {
    persons: Vec<Person>,
}

/// The answer to what was posted.
#[derive(Debug, Serialize)]
struct Stored {
    stored: usize,
}

/// Which persons are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    #[serde(deserialize_with = "from_query")]
    from: Timestamp,
    #[serde(deserialize_with = "from_query")]
    to: Timestamp,
    departed: Option<bool>,
    aggregate: Option<Aggregate>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Aggregate {
    Count,
}

pub(super) fn routes(section: SectionId, persons: Persons, health: Health) -> Router {
    Router::new()
        .route("/persons", get(list).post(add))
        .with_state(Desk {
            section,
            persons,
            health,
        })
}

async fn add(
    State(desk): State<Desk>,
    Json(PersonList { persons }): Json<PersonList>,
) -> Result<Response, Problem> {
    for (index, person) in persons.iter().enumerate() {
        if person.section != desk.section {
            let detail = format!("this is section {}, not {}", desk.section, person.section);
            return Err(Problem::field(format!("persons[{index}].section"), detail)
                .expected(desk.section.as_str())
                .with_status(StatusCode::UNPROCESSABLE_ENTITY));
        }
    }
    let answer = created(&Stored {
        stored: persons.len(),
    });
    let request = repeatable("POST /persons");
    let added = desk.persons.add(&persons, request.as_ref(), answer).await;
    Ok(respond(desk.health.wrote(added)?.answer))
}

async fn list(
    State(desk): State<Desk>,
    Query(question): Query<Question>,
) -> Result<Response, Problem> {
    let window = Window {
        from: question.from,
        to: question.to,
    };
    if window.from > window.to {
        return Err(Problem::field("from", "from is after to").expected("a time not after to"));
    }
    let event = question.departed.map(|departed| match departed {
        true => Event::Exit,
        false => Event::Entry,
    });
    if let Some(Aggregate::Count) = question.aggregate {
        let count = desk.persons.count(window, event).await;
        return Ok(axum::Json(desk.health.read(count)?).into_response());
    }
    let persons = desk.persons.within(window, event).await;
    let persons = desk.health.read(persons)?;
    Ok(axum::Json(PersonList { persons }).into_response())
}
