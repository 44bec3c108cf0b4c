//! `/config`: the configuration in force, and another in its place.

use airside_runtime::{
    Problem, config,
    extract::{Body, Query},
};
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use crate::{
    reload::{Error, Reload, Report},
    settings,
};

pub(super) fn routes(reload: Reload) -> Router {
    Router::new()
        .route("/config", get(in_force).put(replace))
        .with_state(reload)
}

async fn in_force(State(reload): State<Reload>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/toml"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, reload.in_force().to_string()).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct How {
    #[serde(default)]
    persist: bool,
}

async fn replace(
    State(reload): State<Reload>,
    Query(How { persist }): Query<How>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Json<Report>, Problem> {
    let form = headers.get(header::CONTENT_TYPE).map(|form| {
        let form = form.to_str().unwrap_or_default();
        form.split(';').next().unwrap_or_default().trim()
    });
    if !matches!(form, None | Some("application/toml" | "text/plain")) {
        let refused = Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "a configuration is TOML",
        );
        return Err(refused.expected("Content-Type: application/toml or text/plain"));
    }
    let text = String::from_utf8(body.into())
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "a configuration is UTF-8 text"))?;
    Ok(Json(reload.replace(text, persist).await?))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match &error {
            Error::Refused(settings::Error::Config(config::Error::Mistakes(mistakes))) => {
                let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
                match mistakes.first() {
                    Some(first) if !first.key.is_empty() => {
                        Self::field(&first.key, lines.join("\n"))
                    }
                    _ => Self::new(StatusCode::BAD_REQUEST, lines.join("\n")),
                }
            }
            Error::Tls(_) => Self::new(StatusCode::BAD_REQUEST, detail),
            Error::Refused(_) => Self::new(
                StatusCode::BAD_REQUEST,
                detail.strip_prefix("error: ").unwrap_or(&detail).trim_end(),
            ),
            Error::NoFile => Self::new(StatusCode::CONFLICT, detail),
            Error::Write { source, .. } => {
                Self::new(StatusCode::CONFLICT, format!("{detail}: {source}"))
            }
            Error::Ending => Self::new(StatusCode::SERVICE_UNAVAILABLE, detail),
        }
    }
}
