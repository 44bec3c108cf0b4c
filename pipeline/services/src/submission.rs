//! A picture posted by REST to a service that looks at it: a JSON frame, or the picture itself with its
//! circumstances in the query.

use airside_core::{Event, SectionId, Timestamp};
use airside_runtime::{
    Mesh, Problem,
    extract::{Body, Query, from_json},
};
use axum::{
    RequestExt as _,
    extract::{FromRequest, Request},
};
use bytes::Bytes;
use http::{Request as Outgoing, StatusCode, Uri, header};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::frame::{Image, Posted, read_destination};

/// Who takes a result has that long; a caller with a deadline of its own may leave less.
const DESTINATION_LIMIT: Duration = Duration::from_secs(5);

/// A picture to look at. A raw picture may lack section and event; it was captured now unless the query says when.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    pub(crate) circumstances: Circumstances,
    pub(crate) image: Image,
    pub(crate) destination: Option<Uri>,
}

/// Where and when a picture was taken, as the answer repeats it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Circumstances {
    pub(crate) timestamp: Timestamp,
    pub(crate) section: Option<SectionId>,
    pub(crate) event: Option<Event>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) extra_info: Option<String>,
}

/// The query of a raw picture.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Beside {
    #[serde(default, deserialize_with = "timestamp")]
    timestamp: Option<Timestamp>,
    section: Option<String>,
    event: Option<Event>,
    extra_info: Option<String>,
    destination: Option<String>,
}

fn timestamp<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Option<Timestamp>, D::Error> {
    airside_core::time::from_query(reader).map(Some)
}

impl<S: Send + Sync> FromRequest<S> for Submission {
    type Rejection = Problem;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match kind.as_str() {
            "image/jpeg" | "image/jpg" | "image/png" => {
                let Query(beside) = request.extract_parts::<Query<Beside>>().await?;
                let Body(image) = Body::from_request(request, state).await?;
                beside.with(image)
            }
            // Clients of the earlier system do not always say that their JSON is JSON.
            _ => {
                let Body(body) = Body::from_request(request, state).await?;
                from_json::<Posted>(&body).map(Self::from)
            }
        }
    }
}

impl Beside {
    fn with(self, image: Bytes) -> Result<Submission, Problem> {
        if image.is_empty() {
            return Err(Problem::field("image", "the body is empty").expected("a JPEG or PNG"));
        }
        let refuse = |field: &'static str| move |reason: String| Problem::field(field, reason);
        let section = self.section.map(|text| {
            text.parse()
                .map_err(|error: airside_core::frame::InvalidSection| error.to_string())
        });
        let destination = self.destination.as_deref().map(read_destination);
        Ok(Submission {
            circumstances: Circumstances {
                timestamp: self.timestamp.unwrap_or_else(Timestamp::now),
                section: section.transpose().map_err(refuse("section"))?,
                event: self.event,
                extra_info: self.extra_info,
            },
            image: Image(image),
            destination: destination.transpose().map_err(refuse("destination"))?,
        })
    }
}

impl From<Posted> for Submission {
    fn from(posted: Posted) -> Self {
        Self {
            circumstances: Circumstances {
                timestamp: posted.timestamp,
                section: Some(posted.section),
                event: Some(posted.event),
                extra_info: posted.extra_info,
            },
            image: posted.image,
            destination: posted.destination,
        }
    }
}

/// Posts a result where the submission asked for it.
///
/// # Errors
/// 502 or 504 naming the destination: the result was found, but is not where it should be.
pub(crate) async fn pass_on(
    mesh: &Mesh,
    destination: &Uri,
    result: &impl Serialize,
) -> Result<(), Problem> {
    let body = serde_json::to_vec(result).map_err(|error| Problem::internal(&error))?;
    let request = Outgoing::post(destination.clone())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| Problem::internal(&error))?;
    let answer = mesh
        .send(request, DESTINATION_LIMIT)
        .await
        .map_err(|error| {
            let problem = Problem::from(error);
            let detail = format!(
                "the result could not be posted to its destination: {}",
                problem.detail()
            );
            Problem::new(problem.status(), detail)
        })?;
    if answer.status().is_success() {
        return Ok(());
    }
    let detail = format!(
        "the destination answered the result with {}",
        answer.status()
    );
    Err(Problem::new(StatusCode::BAD_GATEWAY, detail))
}
