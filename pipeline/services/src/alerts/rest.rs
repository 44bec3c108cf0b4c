//! `POST /`, `GET /{id}`, `DELETE /{id}`; lists are in [`listing`](super::listing).

use airside_core::{Event, FrameId, SectionId, Timestamp};
use airside_proto::v1;
use airside_runtime::{Problem, extract::Json};
use airside_store::{Alert, StoredAlert};
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    Desk,
    listing::{Entry, list},
};
use crate::{
    frame::{Frame, Image, is_name},
    momentum::Named,
    picture,
    storage::{created, repeatable, respond},
};

/// Longest name, in bytes.
const LONGEST_NAME: usize = 256;

/// An alert as it is posted: what face recognition answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Posted {
    timestamp: Timestamp,
    section: SectionId,
    event: Event,
    image: Image,
    persons: Vec<Named>,
    /// Passed on, not kept.
    #[serde(default)]
    extra_info: Option<String>,
}

/// The answer to a posted alert.
#[derive(Debug, Serialize)]
struct Raised {
    id: i64,
}

/// An alert in full.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Details {
    #[serde(flatten)]
    entry: Entry,
    image: Image,
    /// Whether one of the persons came in and was not seen to leave later.
    still_in_section: bool,
}

pub(super) fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/", get(list).post(add))
        .route("/{id}", get(details).delete(erase))
        .with_state(desk)
}

async fn add(State(desk): State<Desk>, Json(posted): Json<Posted>) -> Result<Response, Problem> {
    picture::check(&posted.image.0)?;
    check_names(&posted.persons)?;
    let alert = Alert {
        captured_at: posted.timestamp,
        section: posted.section,
        event: posted.event,
        persons: posted
            .persons
            .into_iter()
            .map(|person| person.name)
            .collect(),
    };
    let image = posted.image.0;
    let request = repeatable("POST /");
    let answer = |id| created(&Raised { id });
    let added = desk
        .alerts
        .add(&alert, &image, request.as_ref(), answer)
        .await;
    let once = desk.health.wrote(added)?;
    if let Some(id) = once.effect {
        let extra_info = posted.extra_info.unwrap_or_default();
        desk.outbox.offer(message(id, alert, image, extra_info));
    }
    Ok(respond(once.answer))
}

fn check_names(persons: &[Named]) -> Result<(), Problem> {
    if persons.is_empty() {
        return Err(Problem::field("persons", "an alert is about somebody")
            .expected("at least one {\"name\": …}"));
    }
    let fits = |name: &str| is_name(name) && !name.trim().is_empty() && name.len() <= LONGEST_NAME;
    match persons.iter().position(|person| !fits(&person.name)) {
        None => Ok(()),
        Some(index) => Err(
            Problem::field(format!("persons[{index}].name"), "this is no name")
                .expected(format!("1 to {LONGEST_NAME} bytes, none of them 0")),
        ),
    }
}

fn message(id: i64, alert: Alert, image: Bytes, extra_info: String) -> v1::Alert {
    let frame = Frame {
        id: FrameId::of_rest(&alert.section, alert.event, alert.captured_at),
        captured_at: alert.captured_at,
        section: alert.section,
        event: alert.event,
        image,
        extra_info,
        traceparent: String::new(),
        awaited_since: None,
        later: None,
    };
    v1::Alert {
        id,
        frame: Some((&frame).into()),
        persons: alert.persons,
    }
}

async fn details(
    State(desk): State<Desk>,
    Path(id): Path<String>,
) -> Result<axum::Json<Details>, Problem> {
    let found = desk.alerts.get(read_id(&id)?).await;
    let (stored, image) = desk.health.read(found)?.ok_or_else(|| unknown(&id))?;
    let still = desk.alerts.still_in_section(&stored.alert).await;
    Ok(axum::Json(Details {
        still_in_section: desk.health.read(still)?,
        entry: stored.into(),
        image: Image(image.into()),
    }))
}

async fn erase(State(desk): State<Desk>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let deleted = desk.alerts.delete(read_id(&id)?).await;
    if desk.health.wrote(deleted)? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown(&id))
    }
}

/// What is no number is the id of no alert.
fn read_id(id: &str) -> Result<i64, Problem> {
    id.parse().map_err(|_| unknown(id))
}

fn unknown(id: &str) -> Problem {
    let id: String = id.chars().take(32).collect();
    Problem::not_found(format!("there is no alert {id}"))
}

impl From<StoredAlert> for Entry {
    fn from(StoredAlert { id, alert }: StoredAlert) -> Self {
        Self {
            id,
            timestamp: alert.captured_at,
            section: alert.section,
            event: alert.event,
            persons: alert
                .persons
                .into_iter()
                .map(|name| Named { name })
                .collect(),
        }
    }
}
