//! `GET /`: the alerts of a time frame, or all of them page by page.

use airside_core::{Event, SectionId, Timestamp, time::from_query};
use airside_runtime::{Problem, extract::Query};
use airside_store::{Page, Window};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use serde::{Deserialize, Deserializer, Serialize};

use super::Desk;
use crate::momentum::Named;

/// Alerts of a page, unless the query says otherwise.
const PAGE: u32 = 100;
/// Most alerts of a page.
const LARGEST_PAGE: u32 = 1_000;

/// Which alerts are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    #[serde(default, deserialize_with = "time")]
    from: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    to: Option<Timestamp>,
    aggregate: Option<Aggregate>,
    limit: Option<u32>,
    /// Only those with a greater id: the page behind the one that ended with it.
    #[serde(default)]
    after: i64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Aggregate {
    Count,
}

/// An alert in a list: without its picture.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    pub(super) id: i64,
    pub(super) timestamp: Timestamp,
    pub(super) section: SectionId,
    pub(super) event: Event,
    pub(super) persons: Vec<Named>,
}

/// Alerts by ascending id.
#[derive(Debug, Serialize)]
struct Listed {
    alerts: Vec<Entry>,
    /// The `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

fn time<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Timestamp>, D::Error> {
    from_query(reader).map(Some)
}

impl Question {
    fn window(&self) -> Result<Option<Window>, Problem> {
        let missing = |field: &str| {
            Problem::field(field, format!("{field} is missing"))
                .expected("both from and to, or neither")
        };
        match (self.from, self.to) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(missing("to")),
            (None, Some(_)) => Err(missing("from")),
            (Some(from), Some(to)) if from > to => {
                Err(Problem::field("from", "from is after to").expected("a time not after to"))
            }
            (Some(from), Some(to)) => Ok(Some(Window { from, to })),
        }
    }

    /// Alerts of one answer; a time frame is answered whole unless the query says otherwise.
    fn limit(&self) -> Result<Option<u32>, Problem> {
        match self.limit {
            Some(limit) if !(1..=LARGEST_PAGE).contains(&limit) => Err(Problem::field(
                "limit",
                format!("{limit} is no size of a page"),
            )
            .expected(format!("1 to {LARGEST_PAGE}"))),
            Some(limit) => Ok(Some(limit)),
            None => Ok(self.from.is_none().then_some(PAGE)),
        }
    }
}

pub(super) async fn list(
    State(desk): State<Desk>,
    Query(question): Query<Question>,
) -> Result<Response, Problem> {
    let window = question.window()?;
    if let Some(Aggregate::Count) = question.aggregate {
        let count = desk.alerts.count(window).await;
        return Ok(axum::Json(desk.health.read(count)?).into_response());
    }
    let limit = question.limit()?;
    // One more than asked for tells whether there is a next page.
    let page = Page {
        window,
        after: question.after,
        limit: limit.map(|limit| limit + 1),
    };
    let alerts = desk.alerts.list(page).await;
    let mut alerts: Vec<Entry> = desk
        .health
        .read(alerts)?
        .into_iter()
        .map(Entry::from)
        .collect();
    let mut next = None;
    if let Some(limit) = limit
        && alerts.len() > limit as usize
    {
        alerts.truncate(limit as usize);
        next = alerts.last().map(|alert| alert.id);
    }
    let link = next.map(|next| link(&question, next));
    let mut response = axum::Json(Listed { alerts, next }).into_response();
    if let Some(Ok(link)) = link.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// RFC 8288: the page behind this one, relative to it.
fn link(question: &Question, after: i64) -> String {
    let mut query = format!("after={after}");
    for (name, time) in [("from", question.from), ("to", question.to)] {
        if let Some(time) = time {
            query.push_str(&format!("&{name}={time}"));
        }
    }
    if let Some(limit) = question.limit {
        query.push_str(&format!("&limit={limit}"));
    }
    format!("<?{query}>; rel=\"next\"")
}
