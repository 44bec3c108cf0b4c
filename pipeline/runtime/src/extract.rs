//! Reads bodies and query strings; each refusal names the field.

use axum::{
    RequestExt as _,
    extract::{FromRequest, FromRequestParts, Request},
};
use bytes::Bytes;
use http::{StatusCode, request::Parts};
use serde::de::DeserializeOwned;

use crate::Problem;

/// A JSON body. Refusals name the field: 400 for what is no JSON or no such object, 413 for a body over the limit.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// A query string. Refusals (400) name the parameter.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

/// A body as it came, within the limit (413 beyond it).
#[derive(Clone, Debug)]
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        request
            .extract::<Bytes, _>()
            .await
            .map(Self)
            .map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => too_large(),
                status => Problem::new(status, "the body could not be read to its end"),
            })
    }
}

/// 413 for a body over the limit.
#[must_use]
pub fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "the body is larger than this service accepts (setting max-body)",
    )
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Body(body) = Body::from_request(request, state).await?;
        from_json(&body).map(Self)
    }
}

/// Reads a JSON text.
///
/// # Errors
/// 400 naming the field.
pub fn from_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        refuse(&path, &error.into_inner().to_string(), "JSON body")
    })?;
    reader
        .end()
        .map_err(|error| refuse(".", &error.to_string(), "JSON body"))?;
    Ok(value)
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let text = rejection.body_text();
                let text = text
                    .rsplit_once("query string: ")
                    .map_or(text.as_str(), |(_, rest)| rest);
                // "from: no RFC 3339 time …" where the parameter is wrong, "missing field `from`" where it is missing.
                match text.split_once(": ") {
                    Some((field, reason)) if !field.contains(' ') => {
                        Err(refuse(field, reason, "query"))
                    }
                    _ => Err(refuse(".", text, "query")),
                }
            }
        }
    }
}

/// `path` is where the reader stood, `.` at the top; serde names a missing or unknown field only in its text.
fn refuse(path: &str, reason: &str, place: &str) -> Problem {
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| Some(reason.split_once(start)?.1.split_once('`')?.0));
    let field = match (path, named) {
        ("." | "?" | "", Some(name)) => Some(name.to_owned()),
        ("." | "?" | "", None) => None,
        // An unknown field is already part of the path.
        (path, Some(name)) if path == name || path.ends_with(&format!(".{name}")) => {
            Some(path.to_owned())
        }
        (path, Some(name)) => Some(format!("{path}.{name}")),
        (path, None) => Some(path.to_owned()),
    };
    match field {
        Some(field) => Problem::field(&field, format!("{place}: {field}: {reason}")),
        None => Problem::new(StatusCode::BAD_REQUEST, format!("{place}: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[allow(dead_code, reason = "only read")]
    struct Outer {
        inner: Vec<Inner>,
        extra_info: Option<String>,
    }

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read")]
    struct Inner {
        count: u8,
    }

    fn field_of(text: &str) -> Option<String> {
        let problem = from_json::<Outer>(text.as_bytes()).unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        let body: serde_json::Value = serde_json::to_value(&problem).unwrap();
        body["field"].as_str().map(str::to_owned)
    }

    #[test]
    fn a_refusal_names_the_field() {
        assert_eq!(field_of(r"{}").as_deref(), Some("inner"));
        assert_eq!(
            field_of(r#"{"inner":[{"count":"x"}]}"#).as_deref(),
            Some("inner[0].count")
        );
        assert_eq!(
            field_of(r#"{"inner":[{}]}"#).as_deref(),
            Some("inner[0].count")
        );
        assert_eq!(
            field_of(r#"{"inner":[],"more":1}"#).as_deref(),
            Some("more")
        );
        assert_eq!(
            field_of(r#"{"inner":[],"extra-info":1}"#).as_deref(),
            Some("extra-info")
        );
        assert_eq!(field_of("{").as_deref(), None);
        assert_eq!(field_of(r#"{"inner":[]} x"#).as_deref(), None);
    }
}
